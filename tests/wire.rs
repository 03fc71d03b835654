//! The MySQL wire by bytes: greeting, log-in, commands, and whatever broken clients send.

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use stagewire::config::Limits;
use support::client::{
    Client, MAX_PAYLOAD, Options, Parameter, Refusal, Response, cap, native_password, packet,
};
use support::server::{PASSWORD, Server, until};

const PING: &[u8] = b"\x0E";
const OK: &[u8] = b"\0\0\0\x02\0\0\0";

fn ping(client: &mut Client) {
    client.command(PING);
    assert_eq!(client.read(), OK);
}

fn code(refusal: &Refusal) -> (u16, &str) {
    (refusal.code, refusal.state.as_str())
}

/// What `command` is refused with; the connection lives on.
fn refused(client: &mut Client, command: &[u8]) -> (u16, String) {
    client.command(command);
    let refusal = client.read_refusal();
    ping(client);
    (refusal.code, refusal.message)
}

#[test]
fn the_greeting_is_complete() {
    let server = Server::start();
    let client = Client::greeted(server.addr).expect("a greeting");
    let greeting = &client.greeting;
    assert!(greeting.version.starts_with("8.4.6-Stagewire-"), "{}", greeting.version);
    assert_eq!(greeting.connection_id, 1);
    assert_eq!((greeting.character_set, greeting.status), (255, 2));
    assert_eq!(greeting.plugin, "mysql_native_password");
    assert_eq!(greeting.salt.len(), 20);
    assert!(greeting.salt.iter().all(|byte| !matches!(byte, 0 | b'$' | 128..)));
    assert_eq!(greeting.capabilities, 0x05BF_AAAF, "{:#010X}", greeting.capabilities);
    let other = Client::greeted(server.addr).expect("a greeting");
    assert_ne!(greeting.salt, other.greeting.salt);
    assert_eq!(other.greeting.connection_id, 2);
}

#[test]
fn a_wrong_password_is_error_1045() {
    let server = Server::start();
    for (user, password, said) in [("root", "wrong", "YES"), ("root", "", "NO"), ("x", "y", "YES")]
    {
        let options =
            Options { user: user.to_owned(), password: password.to_owned(), ..Options::default() };
        let refusal = Client::with(server.addr, &options).map(|_| ()).expect_err("no log-in");
        assert_eq!(code(&refusal), (1045, "28000"));
        assert_eq!(
            refusal.message,
            format!("Access denied for user '{user}'@'127.0.0.1' (using password: {said})")
        );
    }
    let mut client = Client::greeted(server.addr).expect("a greeting");
    let wrong = Options { password: "wrong".to_owned(), ..Options::default() };
    client.log_in(&wrong).expect_err("no log-in");
    assert!(client.is_closed());
}

#[test]
fn another_method_is_switched() {
    let server = Server::start();
    for answer in [vec![7; 32], Vec::new()] {
        let options = Options {
            plugin: "caching_sha2_password".to_owned(),
            auth_response: Some(answer),
            ..Options::default()
        };
        let mut client = Client::with(server.addr, &options).expect("a log-in");
        ping(&mut client);
        let wrong = Options { password: "wrong".to_owned(), ..options };
        let refusal = Client::with(server.addr, &wrong).map(|_| ()).expect_err("no log-in");
        assert!(refusal.message.ends_with("(using password: YES)"), "{}", refusal.message);
    }
}

#[test]
fn a_client_may_know_little() {
    let server = Server::start();
    let options =
        Options { capabilities: cap::PROTOCOL_41 | cap::SECURE_CONNECTION, ..Options::default() };
    let mut client = Client::with(server.addr, &options).expect("a log-in");
    ping(&mut client);
}

#[test]
fn a_client_of_an_old_protocol_is_told_so() {
    let server = Server::start();
    let mut client = Client::greeted(server.addr).expect("a greeting");
    let mut start = cap::SECURE_CONNECTION.to_le_bytes().to_vec();
    start.resize(32, 0);
    client.write(&start);
    let refusal = client.read_refusal();
    assert_eq!(code(&refusal), (1235, "42000"));
    let text = "The protocol before MySQL 4.1 is not supported";
    assert!(refusal.message.contains(text), "{}", refusal.message);
    assert!(client.is_closed());
}

#[test]
fn a_broken_log_in_is_refused() {
    let server = Server::start();
    let options = Options::default();
    let whole = support::client::handshake_response(&options, &[7; 20]);
    for end in 0..whole.len() {
        let mut client = Client::greeted(server.addr).expect("a greeting");
        client.write(&whole[..end]);
        let answer = client.read();
        // Cut in the name of the method, it names another one, which is switched. Cut before that
        // name or right after it, it is whole enough to be wrong.
        let number = u16::from_le_bytes([answer[1], answer[2]]);
        assert!(answer[0] == 0xFE || matches!(number, 1043 | 1045), "{end}: {answer:?}");
        assert!(answer[0] == 0xFE || client.is_closed());
    }
}

#[test]
fn a_large_log_in_is_not_read() {
    let server = Server::start();
    let mut client = Client::greeted(server.addr).expect("a greeting");
    client.write_raw(&[0xFE, 0xFF, 0xFF, 1]);
    client.sequence = 2;
    let refusal = client.read_refusal();
    assert_eq!(code(&refusal), (1153, "08S01"));
    assert!(client.is_closed());
}

#[test]
fn two_commands_in_one_segment_are_answered_in_turn() {
    let server = Server::start();
    let mut client = Client::connect(server.addr);
    let mut bytes = packet(0, b"\x03SELECT 1");
    bytes.extend(packet(0, b"\x19\x01\0\0\0"));
    bytes.extend(packet(0, PING));
    bytes.extend(packet(0, b"\x03\xFF"));
    bytes.extend(packet(0, b"\x01"));
    client.write_raw(&bytes);
    client.sequence = 1;
    assert!(matches!(client.response(false), Response::Ok { .. } | Response::Rows { .. }));
    client.sequence = 1;
    assert_eq!(client.read(), OK);
    client.sequence = 1;
    assert_eq!(client.read_refusal().code, 1300);
    assert!(client.is_closed());
}

#[test]
fn a_command_may_come_byte_by_byte() {
    let server = Server::start();
    let mut client = Client::connect(server.addr);
    for byte in packet(0, PING) {
        client.write_raw(&[byte]);
    }
    client.sequence = 1;
    assert_eq!(client.read(), OK);
}

#[test]
fn commands_that_are_not_there_are_refused_by_name() {
    let server = Server::start();
    let mut client = Client::connect(server.addr);
    for (command, name) in [
        (&b"\x12\0\0\0\0"[..], "COM_BINLOG_DUMP"),
        (b"\x08", "COM_SHUTDOWN"),
        (b"\x77", "command 0x77"),
    ] {
        let (code, message) = refused(&mut client, command);
        assert_eq!((code, message), (1047, format!("Unknown command {name}")));
    }
    assert_eq!(refused(&mut client, b"").0, 1835);
    assert_eq!(refused(&mut client, b"\x17\x01").0, 1835);
    assert_eq!(refused(&mut client, b"\x0C\xFF\0\0\0").0, 1094);
    assert_eq!(refused(&mut client, b"\x04users\0").0, 1146);
    assert_eq!(refused(&mut client, b"\x1A\x09\0\0\0").0, 1243);
    assert_eq!(refused(&mut client, b"\x17\x09\0\0\0\0\x01\0\0\0").0, 1243);
    assert_eq!(refused(&mut client, b"\x1B\x07\0").0, 1047);
}

/// A tree that is as deep as its text is long must not reach the end of a stack.
#[test]
fn statements_that_are_too_deep_are_refused() {
    let server = Server::start();
    let mut client = Client::connect(server.addr);
    for (begin, piece, end) in [
        ("SELECT 1", "+1", ""),
        ("SELECT 1", " UNION SELECT 1", ""),
        ("SELECT ", "(", "1"),
        ("SELECT ", "NOT ", "1"),
        ("SET @a = 1", " OR 1", ""),
        ("SHOW TABLES WHERE 1", " AND 1", ""),
        ("KILL ", "- ", "1"),
    ] {
        let sql = format!("\x03{begin}{}{end}", piece.repeat(50_000));
        assert_eq!(refused(&mut client, sql.as_bytes()).0, 1064, "{begin}{piece}");
    }
}

#[test]
fn a_killed_connection_is_closed() {
    let server = Server::start();
    let mut client = Client::connect(server.addr);
    for kill in ["KILL", "KILL CONNECTION"] {
        let mut victim = Client::connect(server.addr);
        ping(&mut victim);
        let killed = client.query(&format!("{kill} {}", victim.greeting.connection_id));
        assert!(matches!(killed[..], [Response::Ok { .. }]), "{killed:?}");
        assert!(victim.is_closed());
    }
    // And by the old command.
    let mut victim = Client::connect(server.addr);
    let mut command = vec![0x0C];
    command.extend(victim.greeting.connection_id.to_le_bytes());
    client.command(&command);
    assert_eq!(client.read(), OK);
    assert!(victim.is_closed());
    until("they have left", || {
        let rows = client.query("SHOW PROCESSLIST");
        matches!(&rows[..], [Response::Rows { rows, .. }] if rows.len() == 1)
    });
    // Who kills itself is told so.
    let id = client.greeting.connection_id;
    let [Response::Err(refusal)] = &client.query(&format!("KILL {id}"))[..] else {
        panic!("an error")
    };
    assert_eq!(code(refusal), (1317, "70100"));
    assert!(client.is_closed());
    // Also one that does not wait for answers.
    let mut client = Client::connect(server.addr);
    let kill = format!("\x03KILL {}", client.greeting.connection_id);
    client.write_raw(&[packet(0, kill.as_bytes()), packet(0, b"\x03SELECT 1").repeat(50)].concat());
    for wanted in [1317, 1927] {
        client.sequence = 1;
        assert_eq!(code(&client.read_refusal()), (wanted, "70100"));
    }
    assert!(client.is_closed());
}

#[test]
fn the_fields_of_a_stage_are_those_of_its_files() {
    let server = Server::start();
    let mut client = Client::connect(server.addr);
    client.query("CREATE STAGE lake");
    client.command(b"\x04lake\0%");
    let names: Vec<String> = (0..5)
        .map(|_| {
            let packet = client.read();
            // A default that is NULL behind each.
            assert_eq!(packet.last(), Some(&0xFB));
            let length = usize::from(packet[7]);
            String::from_utf8_lossy(&packet[8..8 + length]).into_owned()
        })
        .collect();
    assert_eq!(names, ["name", "size", "md5", "last_modified", "creator"]);
    assert_eq!(client.read()[0], 0xFE);
    ping(&mut client);
}

#[test]
fn text_that_is_not_utf8_is_refused() {
    let server = Server::start();
    let mut client = Client::connect(server.addr);
    let (code, message) = refused(&mut client, b"\x03SELECT '\xE9\xE8'");
    assert_eq!(code, 1300);
    assert_eq!(message, "Invalid utf8mb4 character string: '\\xE9\\xE8\\x27'");
    assert_eq!(refused(&mut client, b"\x16\xFF").0, 1300);
    assert_eq!(refused(&mut client, b"\x02\xFF").0, 1300);
}

#[test]
fn small_commands_have_the_answers_of_mysql() {
    let server = Server::start();
    let mut client = Client::connect(server.addr);
    client.command(b"\x09");
    let statistics = client.read();
    assert!(!matches!(statistics.first(), Some(0x00 | 0xFE | 0xFF)));
    client.command(b"\x1B\0\0");
    assert_eq!(client.read(), b"\xFE\0\0\x02\0");
    client.command(b"\x1F");
    assert_eq!(client.read(), OK);
    client.command(b"\x02default");
    assert_eq!(client.read(), OK);
    ping(&mut client);
    client.command(b"\x01");
    assert!(client.is_closed());
}

#[test]
fn a_packet_beyond_the_limit_is_dropped() {
    let limits = Limits { max_allowed_packet: 1 << 20, ..Limits::default() };
    let server = Server::with_limits(limits);
    let mut client = Client::connect(server.addr);
    for size in [(1 << 20) + 1, 4 << 20] {
        let mut query = vec![b' '; size];
        query[0] = 3;
        let (code, message) = refused(&mut client, &query);
        assert_eq!(code, 1153);
        assert!(message.contains("(1048576 bytes)"), "{message}");
    }
    // One that is far beyond is not even read.
    client.write_raw(&[0xFE, 0xFF, 0xFF, 0, 3]);
    client.sequence = 1;
    assert_eq!(code(&client.read_refusal()), (1153, "08S01"));
    assert!(client.is_closed());
}

#[test]
fn fragments_of_16_mib_are_one_command() {
    let limits = Limits { max_allowed_packet: 40 << 20, ..Limits::default() };
    let server = Server::with_limits(limits);
    let mut client = Client::connect(server.addr);
    for size in [MAX_PAYLOAD - 1, MAX_PAYLOAD, MAX_PAYLOAD + 1, 2 * MAX_PAYLOAD] {
        let mut command = vec![0xFF; size];
        command[0] = 3;
        client.command(&command);
        assert_eq!(client.read_refusal().code, 1300, "{size}");
    }
    // Beyond the limit in its third packet.
    let mut command = vec![b' '; 3 * MAX_PAYLOAD];
    command[0] = 3;
    assert_eq!(refused(&mut client, &command).0, 1153);
}

#[test]
fn numbers_out_of_order_end_the_connection() {
    let server = Server::start();
    let mut client = Client::connect(server.addr);
    client.write_raw(&packet(1, PING));
    client.sequence = 2;
    assert_eq!(code(&client.read_refusal()), (1156, "08S01"));
    assert!(client.is_closed());

    let mut client = Client::greeted(server.addr).expect("a greeting");
    client.sequence = 0;
    client.write(b"\x03SELECT 1");
    assert_eq!(client.read_refusal().code, 1156);
    assert!(client.is_closed());
}

#[test]
fn a_client_that_leaves_in_the_middle_is_forgotten() {
    let mut server = Server::start();
    for bytes in [&b"\x05"[..], b"\x05\0\0\0", b"\x05\0\0\0\x03SE"] {
        let mut client = Client::connect(server.addr);
        client.write_raw(bytes);
        client.stream.shutdown(std::net::Shutdown::Write).expect("shut down");
        assert!(client.is_closed());
    }
    // An idle one too, when the server stops.
    let mut idle = Client::connect(server.addr);
    server.stop();
    assert!(idle.is_closed());
    assert_eq!(server.instance.connections.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[test]
fn a_client_that_says_nothing_is_not_waited_for() {
    let limits = Limits { connect_timeout_s: 1, wait_timeout_s: 1, ..Limits::default() };
    let server = Server::with_limits(limits);
    let mut silent = Client::greeted(server.addr).expect("a greeting");
    assert_eq!(code(&silent.read_refusal()), (1159, "08S01"));
    assert!(silent.is_closed());
    for capabilities in [cap::USUAL, cap::USUAL | cap::COMPRESS] {
        let options = Options { capabilities, ..Options::default() };
        let mut idle = Client::with(server.addr, &options).expect("a log-in");
        // Numbered as if no command had been sent.
        idle.command_begins();
        let refusal = idle.read_refusal();
        assert_eq!(code(&refusal), (4031, "HY000"));
        assert!(refusal.message.contains("because of inactivity"), "{}", refusal.message);
        assert!(idle.is_closed());
    }
}

#[test]
fn a_packet_that_never_ends_is_not_waited_for() {
    let limits = Limits { net_timeout_s: 1, ..Limits::default() };
    let server = Server::with_limits(limits);
    let mut client = Client::connect(server.addr);
    client.write_raw(&packet(0, PING)[..3]);
    client.sequence = 1;
    assert_eq!(code(&client.read_refusal()), (1159, "08S01"));
    assert!(client.is_closed());
}

#[test]
fn a_file_that_stops_coming_is_not_waited_for() {
    let limits = Limits { net_timeout_s: 1, ..Limits::default() };
    let server = Server::with_limits(limits);
    let mut client = Client::connect(server.addr);
    client.query("CREATE STAGE lake");
    client.begin_upload("PUT file:///tmp/a @lake");
    client.send_part(b"data");
    assert_eq!(code(&client.read_refusal()), (1159, "08S01"));
    assert!(client.is_closed());
    let mut other = Client::connect(server.addr);
    let Response::Rows { rows, .. } = &other.query("LIST @lake")[0] else { panic!("rows") };
    assert!(rows.is_empty(), "{rows:?}");
}

#[test]
fn a_client_that_stops_reading_is_not_waited_for() {
    let limits = Limits { net_timeout_s: 1, ..Limits::default() };
    let server = Server::with_limits(limits);
    let mut client = Client::connect(server.addr);
    let pings = packet(0, PING).repeat(1 << 14);
    while client.stream.write_all(&pings).is_ok() {}
    let mut other = Client::connect(server.addr);
    ping(&mut other);
}

#[test]
fn one_connection_too_many_is_error_1040() {
    let limits = Limits { max_connections: 1, ..Limits::default() };
    let server = Server::with_limits(limits);
    let mut first = Client::connect(server.addr);
    first.query("CREATE USER bob IDENTIFIED BY 'pass'");
    let bob = Options { user: "bob".to_owned(), ..Options::default() };
    let refusal = Client::with(server.addr, &bob).map(drop).expect_err("one too many");
    assert_eq!(code(&refusal), (1040, "08004"));
    assert_eq!(refusal.message, "Too many connections");
    drop(first);
    until("there is a place", || Client::with(server.addr, &bob).is_ok());
}

#[test]
fn an_administrator_gets_in_beyond_the_limit() {
    let limits = Limits { max_connections: 1, ..Limits::default() };
    let server = Server::with_limits(limits);
    let mut all = vec![Client::connect(server.addr)];
    all.extend((0..32).map(|_| Client::connect(server.addr)));
    all.iter_mut().for_each(ping);
    // Even those places are numbered.
    let refusal = Client::greeted(server.addr).map(drop).expect_err("one too many");
    assert_eq!(code(&refusal), (1040, "08004"));
    drop(all);
    until("there is a place", || Client::greeted(server.addr).is_ok());
}

#[test]
fn a_proof_holds_for_one_connection() {
    let server = Server::start();
    let first = Client::greeted(server.addr).expect("a greeting");
    let stolen = native_password(PASSWORD, &first.greeting.salt);
    let options = Options { auth_response: Some(stolen), ..Options::default() };
    let refusal = Client::with(server.addr, &options).map(|_| ()).expect_err("no log-in");
    assert_eq!(refusal.code, 1045);
}

#[test]
fn long_data_for_nothing_has_no_answer() {
    let server = Server::start();
    let mut client = Client::connect(server.addr);
    client.command(b"\x18\x01\0\0\0\0\0data");
    ping(&mut client);
}

#[test]
fn a_log_in_to_an_unknown_database_is_error_1049() {
    let server = Server::start();
    let options = |database: &str| Options {
        database: Some(database.to_owned()),
        capabilities: cap::USUAL | cap::CONNECT_WITH_DB,
        ..Options::default()
    };
    let mut client = Client::greeted(server.addr).expect("a greeting");
    let refusal = client.log_in(&options("nowhere")).expect_err("no log-in");
    assert_eq!(code(&refusal), (1049, "42000"));
    assert!(refusal.message.starts_with("Unknown database 'nowhere'"), "{}", refusal.message);
    assert!(client.is_closed());
    // A wrong password is told first: who can't log in learns nothing of databases.
    let wrong = Options { password: "wrong".to_owned(), ..options("nowhere") };
    let refusal = Client::with(server.addr, &wrong).map(|_| ()).expect_err("no log-in");
    assert_eq!(refusal.code, 1045);
    let mut client = Client::with(server.addr, &options("default")).expect("a log-in");
    assert_eq!(texts(&client.query("SELECT DATABASE()")[0]), ["default"]);
    assert_eq!(refused(&mut client, b"\x02nowhere").0, 1049);
    assert_eq!(texts(&client.query("SELECT DATABASE()")[0]), ["default"]);
}

/// The values of one row.
fn texts(response: &Response) -> Vec<String> {
    let Response::Rows { rows, .. } = response else { panic!("rows, not {response:?}") };
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows[0].iter().map(|value| value.clone().unwrap_or_else(|| "NULL".to_owned())).collect()
}

fn status(response: &Response) -> u16 {
    match response {
        Response::Ok { status, .. } | Response::Rows { status, .. } => *status,
        Response::Err(refusal) => panic!("{refusal:?}"),
    }
}

#[test]
fn an_error_ends_a_sequence_of_statements() {
    let server = Server::start();
    let mut client = Client::connect(server.addr);
    let responses = client.query("SELECT 1; SET @a = 5; SELECT @a, ';' ; ");
    assert_eq!(responses.len(), 3);
    assert_eq!(responses.iter().map(status).collect::<Vec<_>>(), [2 | 8, 2 | 8, 2]);
    assert_eq!(texts(&responses[2]), ["5", ";"]);
    for (text, answers) in [
        ("SELECT 1; LIST @nowhere; SET @a = 6", 2),
        ("SELECT 1; LSIT @nowhere; SET @a = 6", 2),
        ("NONSENSE; SET @a = 6; SELECT 1", 1),
        ("SELECT 1; SELECT 2; PUT file:///tmp/a @nowhere; SET @a = 6", 3),
    ] {
        let responses = client.query(text);
        assert_eq!(responses.len(), answers, "{text}: {responses:?}");
        assert!(matches!(responses.last(), Some(Response::Err(_))), "{text}: {responses:?}");
        ping(&mut client);
    }
    assert_eq!(texts(&client.query("SELECT @a")[0]), ["5"]);
    // Who has not asked for several gets none of them.
    let capabilities = cap::USUAL & !cap::MULTI_STATEMENTS;
    let options = Options { capabilities, ..Options::default() };
    let mut single = Client::with(server.addr, &options).expect("a log-in");
    let responses = single.query("SET @a = 1; SET @a = 2");
    assert!(matches!(&responses[..], [Response::Err(refusal)] if refusal.code == 1064));
    assert_eq!(texts(&single.query("SELECT @a")[0]), ["NULL"]);
    // COM_SET_OPTION turns it on.
    single.command(b"\x1B\0\0");
    assert_eq!(single.read()[0], 0xFE);
    assert_eq!(single.query("SET @a = 1; SELECT @a").len(), 2);
}

#[test]
fn files_in_a_sequence_come_in_turn() {
    let server = Server::start();
    let mut client = Client::connect(server.addr);
    client.serve_files(|name| (name != "/tmp/missing").then(|| name.as_bytes().to_vec()));
    let responses = client.query(
        "CREATE STAGE lake; PUT file:///tmp/a @lake; PUT file:///tmp/b @lake; SELECT 1; \
         PUT file:///tmp/missing @lake; PUT file:///tmp/c @lake",
    );
    assert_eq!(responses.len(), 5, "{responses:?}");
    assert!(matches!(&responses[4], Response::Err(refusal) if refusal.code == 1017));
    assert_eq!(client.requested, ["/tmp/a", "/tmp/b", "/tmp/missing"]);
    let Response::Rows { rows, .. } = &client.query("LIST @lake")[0] else { panic!("rows") };
    assert_eq!(rows.len(), 2);
}

#[test]
fn prepared_statements_carry_every_type_in_binary() {
    let server = Server::start();
    let mut client = Client::connect(server.addr);
    client.serve_files(|_| Some(b"data".to_vec()));
    client.query("CREATE STAGE lake");
    client.query("PUT file:///tmp/a @lake AUTO_COMPRESS=FALSE");
    client.query("PUT file:///tmp/b @lake AUTO_COMPRESS=FALSE");
    // name, size, md5, last_modified, creator: text, BIGINT UNSIGNED, DATETIME(3) and NULL.
    let list = client.prepare("LIST @lake PATTERN=?").expect("prepared");
    assert_eq!(list.parameters, 1);
    let types: Vec<_> = list.columns.iter().map(|c| (c.name.as_str(), c.ty)).collect();
    assert_eq!(types[1], ("size", 0x08));
    assert_eq!(types[3], ("last_modified", 0x0C));
    assert_ne!(list.columns[1].flags & 32, 0, "unsigned");
    let text = client.query("LIST @lake PATTERN='[ab]'");
    for _ in 0..3 {
        // The same rows as in text, milliseconds included.
        let binary = client.execute(&list, &[Parameter::Text("[ab]".to_owned())]);
        assert_eq!(binary, text);
    }
    let Response::Rows { rows, .. } = &text[0] else { panic!("rows") };
    assert!(rows.len() == 2 && rows[0][1].as_deref() == Some("4") && rows[0][4].is_none());
    let none = client.execute(&list, &[Parameter::Bytes(b"c".to_vec())]);
    assert!(matches!(&none[..], [Response::Rows { rows, .. }] if rows.is_empty()));

    let select = client.prepare("SELECT ?, ?, ?, ?, @@sql_select_limit").expect("prepared");
    let values = [
        Parameter::Int(i64::MIN),
        Parameter::Null,
        Parameter::Text("it's \\ é".to_owned()),
        Parameter::Bytes(b"bytes".to_vec()),
    ];
    let row = texts(&client.execute(&select, &values)[0]);
    let largest = u64::MAX.to_string();
    let smallest = i64::MIN.to_string();
    assert_eq!(row, [&smallest, "NULL", "it's \\ é", "bytes", &largest]);
    // Moments, a day, a time, an exact number and a FLOAT; a BIGINT UNSIGNED.
    let one = client.prepare("SELECT ?").expect("prepared");
    let mut execute = |ty: &[u8], value: &[u8]| {
        let mut command = vec![0x17];
        command.extend_from_slice(&one.id.to_le_bytes());
        command.extend_from_slice(&[0, 1, 0, 0, 0, 0, 1]);
        command.extend_from_slice(ty);
        command.extend_from_slice(value);
        client.command(&command);
        texts(&client.response(true))
    };
    let moment = [11, 0xE8, 7, 2, 29, 23, 59, 58, 0x40, 0xE2, 1, 0];
    assert_eq!(execute(&[0x0C, 0], &moment), ["2024-02-29 23:59:58.123456"]);
    assert_eq!(execute(&[0x0C, 0], &[4, 0xE8, 7, 2, 29]), ["2024-02-29 00:00:00"]);
    assert_eq!(execute(&[0x0A, 0], &[4, 0xE8, 7, 2, 29]), ["2024-02-29"]);
    assert_eq!(execute(&[0x0B, 0], &[8, 1, 1, 0, 0, 0, 2, 3, 4]), ["-26:03:04"]);
    assert_eq!(execute(&[0xF6, 0], b"\x061.2300"), ["1.2300"]);
    assert_eq!(execute(&[0x04, 0], &0.5_f32.to_le_bytes()), ["0.5"]);
    assert_eq!(execute(&[0x08, 0x80], &u64::MAX.to_le_bytes()), [largest]);
    // Closed, it is not there any more.
    let mut close = vec![0x19];
    close.extend_from_slice(&one.id.to_le_bytes());
    client.command(&close);
    let answers = client.execute(&one, &[Parameter::Null]);
    assert!(matches!(&answers[..], [Response::Err(refusal)] if refusal.code == 1243));
    ping(&mut client);
}

#[test]
fn prepared_texts_are_bounded_together() {
    let limits = Limits { max_allowed_packet: 1 << 16, ..Limits::default() };
    let server = Server::with_limits(limits);
    let mut client = Client::connect(server.addr);
    let long = format!("SELECT '{}'", "x".repeat(30_000));
    let first = client.prepare(&long).expect("room");
    client.prepare(&long).expect("room");
    let refusal = client.prepare(&long).expect_err("no room");
    assert_eq!(refusal.code, 1235);
    assert!(refusal.message.contains("close those that are not needed"), "{}", refusal.message);
    let mut close = vec![0x19];
    close.extend_from_slice(&first.id.to_le_bytes());
    client.command(&close);
    client.prepare(&long).expect("room again");
    client.command(b"\x1F");
    assert_eq!(client.read(), OK);
    client.prepare(&long).expect("room");
    client.prepare(&long).expect("room");
}

#[test]
fn a_reset_connection_is_as_new() {
    let server = Server::start();
    let mut client = Client::connect(server.addr);
    client.serve_files(|_| Some(b"data".to_vec()));
    client.query("CREATE STAGE lake COMMENT='permanent'; CREATE DATABASE sales");
    client.query("CREATE TEMPORARY STAGE lake; CREATE TEMPORARY STAGE other; SET @a = 1");
    client.query("PUT file:///tmp/a @lake; SET autocommit = 0; USE sales");
    let select = client.prepare("SELECT 1").expect("prepared");
    client.command(b"\x1F");
    assert_eq!(client.read(), OK, "autocommit is on again");
    let answers = client.execute(&select, &[]);
    assert!(matches!(&answers[..], [Response::Err(refusal)] if refusal.code == 1243));
    // MySQL keeps the database.
    assert_eq!(texts(&client.query("SELECT DATABASE()")[0]), ["sales"]);
    assert_eq!(texts(&client.query("SELECT @a")[0]), ["NULL"]);
    let answers = client.query("LIST @default.other");
    assert!(matches!(&answers[..], [Response::Err(refusal)] if refusal.code == 1146));
    let answers = client.query("LIST @default.lake");
    assert!(matches!(&answers[..], [Response::Rows { rows, .. }] if rows.is_empty()));
}

#[test]
fn every_answer_says_whether_autocommit_is_on() {
    let server = Server::start();
    let mut client = Client::connect(server.addr);
    for (sql, on) in
        [("SET autocommit = OFF", 0), ("SET autocommit = 1", 2), ("SET autocommit=0", 0)]
    {
        assert_eq!(status(&client.query(sql)[0]), on);
        assert_eq!(status(&client.query("SELECT 1")[0]), on);
        let several = client.query("SELECT 1; SELECT 2");
        assert_eq!(several.iter().map(status).collect::<Vec<_>>(), [on | 8, on]);
        let select = client.prepare("SELECT 1").expect("prepared");
        assert_eq!(status(&client.execute(&select, &[])[0]), on);
        client.command(PING);
        assert_eq!(u16::from(client.read()[3]), on);
    }
}

#[test]
fn rows_that_nobody_reads_wait() {
    const FILES: usize = 3000;
    let limits = Limits { net_timeout_s: 1, ..Limits::default() };
    let server = Server::with_limits(limits);
    let mut client = Client::connect(server.addr);
    // Made behind the server's back: so many uploads would take long.
    client.query("CREATE STAGE lake");
    client.serve_files(|_| Some(b"x".to_vec()));
    client.query("PUT file:///tmp/a @lake");
    let dir = only_dir(&server.data_dir().join("files/stages"));
    for n in 0..FILES {
        let name = format!("{n:06}{}", "x".repeat(200));
        std::fs::write(dir.join(name), b"").expect("written");
    }
    // Far more rows than the system keeps for one who doesn't read.
    let mut deaf = Client::connect(server.addr);
    let list = packet(0, b"\x03LIST @lake").repeat(100);
    deaf.write_raw(&list);
    // Others are served meanwhile, and the deaf one is let go in the end.
    let Response::Rows { rows, .. } = &client.query("LIST @lake")[0] else { panic!("rows") };
    assert_eq!(rows.len(), FILES + 1);
    let connections = &server.instance.connections;
    until("the deaf client is let go", || {
        ping(&mut client);
        connections.load(std::sync::atomic::Ordering::SeqCst) == 1
    });
}

fn only_dir(dir: &std::path::Path) -> std::path::PathBuf {
    let mut entries = std::fs::read_dir(dir).expect("a directory");
    let entry = entries.next().expect("an entry").expect("an entry");
    assert!(entries.next().is_none());
    entry.path()
}

/// A web server with one file, which takes its time.
fn slow_web(pause: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || answer_slowly(stream.expect("a connection"), pause));
        }
    });
    addr
}

fn answer_slowly(mut stream: TcpStream, pause: Duration) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).unwrap_or(0) == 0 {
            return;
        }
        request.extend_from_slice(&byte);
    }
    let body = if request.starts_with(b"HEAD") { "" } else { "data" };
    if !body.is_empty() {
        std::thread::sleep(pause);
    }
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\n";
    let _ = stream.write_all(format!("{head}{body}").as_bytes());
}

/// The texts of the progress reports that come before the answer, and its first byte.
fn reports(client: &mut Client) -> (Vec<String>, u8) {
    let mut reports = Vec::new();
    loop {
        let payload = client.read();
        if !payload.starts_with(b"\xFF\xFF\xFF") {
            return (reports, payload[0]);
        }
        let (head, text) = payload[3..].split_at(7);
        assert_eq!((head[0], usize::from(head[6])), (1, text.len()), "{payload:?}");
        reports.push(format!("{}/{} {}", head[1], head[2], String::from_utf8_lossy(text)));
    }
}

#[test]
fn who_can_show_progress_is_told_of_it() {
    let server = Server::start();
    let web = slow_web(Duration::from_millis(2500));
    let copy =
        "\x03COPY FILES INTO @lake FROM @web FILES=('a.csv') OVERWRITE=TRUE DETAILED_OUTPUT=";
    let mut setup = Client::connect(server.addr);
    setup.query(&format!("CREATE STAGE lake; CREATE STAGE web URL='http://{web}/'"));
    for (name, capabilities, told) in [
        ("libmariadb", cap::USUAL | cap::PROGRESS, true),
        ("libmariadb", cap::USUAL, false),
        // MariaDB's clients of old, which would take it for an error.
        ("libmysql", cap::USUAL | cap::PROGRESS, false),
    ] {
        let attributes = vec![("_client_name".to_owned(), name.to_owned())];
        let options = Options { capabilities, attributes, ..Options::default() };
        let mut client = Client::with(server.addr, &options).expect("a log-in");
        for detailed in ["TRUE", "FALSE"] {
            client.command(format!("{copy}{detailed}").as_bytes());
            let (reports, first) = reports(&mut client);
            assert!(matches!(first, 3 | 5), "rows follow");
            // One a second, in an answer that takes two and a half.
            assert_eq!(reports.len(), if told { 2 } else { 0 }, "{reports:?}");
            assert!(reports.iter().all(|text| text == "1/1 copying; 0 files done"), "{reports:?}");
            while !client.read().starts_with(b"\xFE") {}
        }
        ping(&mut client);
    }
}

/// Numbers that look random and are the same in every run (SplitMix64).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn bytes(&mut self, most: u64) -> Vec<u8> {
        let length = self.next() % most;
        (0..length).map(|_| self.next().to_le_bytes()[0]).collect()
    }
}

#[test]
fn noise_hurts_only_its_own_connection() {
    let mut server = Server::start();
    let mut noise = Noise(1);
    for _ in 0..300 {
        let mut client = Client::greeted(server.addr).expect("a greeting");
        // A whole packet of noise, and noise without packets.
        let bytes = match noise.next() % 2 {
            0 => packet(1, &noise.bytes(200)),
            _ => noise.bytes(200),
        };
        client.write_raw(&bytes);
    }
    for _ in 0..300 {
        let mut client = Client::connect(server.addr);
        for _ in 0..10 {
            let mut command = noise.bytes(40);
            // Every command, again and again.
            command.insert(0, noise.next().to_le_bytes()[0] % 0x20);
            // The server may have closed the connection already.
            let _ = client.stream.write_all(&packet(0, &command));
        }
        let _ = client.stream.write_all(&noise.bytes(40));
    }
    ping(&mut Client::connect(server.addr));
    server.stop();
}

/// What an OK says besides: its status, and what has changed in the session.
fn told(client: &mut Client, sql: &str) -> (u16, Vec<u8>) {
    let mut command = vec![0x03];
    command.extend_from_slice(sql.as_bytes());
    client.command(&command);
    status_and_rest(&client.read())
}

fn status_and_rest(ok: &[u8]) -> (u16, Vec<u8>) {
    assert_eq!(ok[..3], [0, 0, 0], "an OK packet");
    (u16::from_le_bytes([ok[3], ok[4]]), ok[7..].to_vec())
}

/// Blocks of the state, with the empty info before them and their length.
fn blocks(blocks: &[&[u8]]) -> Vec<u8> {
    let all = blocks.concat();
    [&[0, u8::try_from(all.len()).expect("short")], &all[..]].concat()
}

#[test]
fn changes_of_the_session_are_told() {
    const CHANGED: u16 = 0x4002;
    let server = Server::start();
    let capabilities = cap::USUAL | cap::SESSION_TRACK;
    let tracking = Options { capabilities, ..Options::default() };
    let mut client = Client::with(server.addr, &tracking).expect("a log-in");
    // Whether it has changed or not.
    let default = blocks(&[b"\x01\x08\x07default"]);
    assert_eq!(told(&mut client, "USE default"), (CHANGED, default.clone()));
    client.command(b"\x02default");
    assert_eq!(status_and_rest(&client.read()), (CHANGED, default.clone()));
    assert_eq!(
        told(&mut client, "SET autocommit = 0"),
        (0x4000, blocks(&[b"\0\x0F\x0Aautocommit\x03OFF"]))
    );
    assert_eq!(
        told(&mut client, "SET autocommit = 1"),
        (CHANGED, blocks(&[b"\0\x0E\x0Aautocommit\x02ON"]))
    );
    let names = blocks(&[
        b"\0\x1D\x14character_set_client\x07utf8mb4",
        b"\0\x21\x18character_set_connection\x07utf8mb4",
        b"\0\x1E\x15character_set_results\x07utf8mb4",
    ]);
    assert_eq!(told(&mut client, "SET NAMES utf8mb4"), (CHANGED, names));
    let zone = blocks(&[b"\0\x11\x09time_zone\x06+02:00"]);
    assert_eq!(told(&mut client, "SET time_zone = '+02:00'"), (CHANGED, zone));
    // What is not tracked is not told, and neither is what has failed.
    assert_eq!(told(&mut client, "SET sql_mode = ''"), (2, vec![]));
    assert_eq!(told(&mut client, "SET @a = 1"), (2, vec![]));
    assert!(matches!(&client.query("USE nowhere")[..], [Response::Err(_)]));
    assert!(matches!(&client.query("SET time_zone = '+01:00', x = 1")[..], [Response::Err(_)]));
    ping(&mut client);
    // What is tracked is the client's to say: MariaDB's ODBC driver asks for these.
    let isolation = "SET session_track_schema = OFF, \
        session_track_system_variables = 'autocommit, transaction_isolation'";
    assert_eq!(told(&mut client, isolation), (2, vec![]));
    assert_eq!(told(&mut client, "USE default"), (2, vec![]));
    let level = blocks(&[b"\0\x27\x15transaction_isolation\x10READ-UNCOMMITTED"]);
    let set = "SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED";
    assert_eq!(told(&mut client, set), (CHANGED, level));
    let all = "SET session_track_system_variables = '*'";
    let star = blocks(&[b"\0\x21\x1Esession_track_system_variables\x01*"]);
    assert_eq!(told(&mut client, all), (CHANGED, star));
    // Whether anything has changed at all.
    client.query("SET session_track_system_variables = '', session_track_state_change = ON");
    for sql in ["SET @a = 1", "SET sql_mode = ''", "CREATE TEMPORARY STAGE t", "DROP STAGE t"] {
        assert_eq!(told(&mut client, sql), (CHANGED, blocks(&[b"\x02\x02\x011"])), "{sql}");
    }
    assert_eq!(told(&mut client, "DROP STAGE IF EXISTS t").0, 2);
    // A database that is gone is none.
    client.query("SET session_track_schema = ON, session_track_state_change = OFF");
    client.query("CREATE DATABASE d");
    assert_eq!(told(&mut client, "USE d"), (CHANGED, blocks(&[b"\x01\x02\x01d"])));
    assert_eq!(told(&mut client, "DROP DATABASE d"), (CHANGED, blocks(&[b"\x01\x01\0"])));
    // A new session tracks what every new one does, and a log-in tells nothing.
    client.command(b"\x1F");
    assert_eq!(client.read(), OK);
    assert_eq!(told(&mut client, "USE default"), (CHANGED, default));
    // Each of several answers tells its own.
    client.command(b"\x03SET autocommit = 1; SET @a = 1; USE default");
    for (status, some) in [(0x400A, true), (0x000A, false), (0x4002, true)] {
        let (found, rest) = status_and_rest(&client.read());
        assert_eq!((found, !rest.is_empty()), (status, some));
    }
    client
        .change_user(&Options { database: Some("default".to_owned()), ..tracking })
        .expect("the same user");
    ping(&mut client);
}

#[test]
fn who_cannot_read_changes_is_not_told_of_any() {
    let server = Server::start();
    let mut client = Client::connect(server.addr);
    for sql in ["USE default", "SET NAMES utf8mb4", "SET autocommit = 1"] {
        assert_eq!(told(&mut client, sql), (2, vec![]), "{sql}");
    }
}
