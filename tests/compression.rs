//! Compressed connections, frame by frame: whatever goes by an open one goes by them too.

mod support;

use std::collections::BTreeSet;
use std::io::{Read, Write};

use stagewire::config::{Algorithm, Limits};
use support::client::{Client, MAX_PAYLOAD, Options, Response, cap, packet};
use support::line::{Method, frame, trusting};
use support::server::{Server, config, until};
use support::world::{Storage, World, noise};

const PING: &[u8] = b"\x0E";
const OK: &[u8] = b"\0\0\0\x02\0\0\0";

const METHODS: [(u32, Method, [&str; 3]); 2] = [
    (cap::COMPRESS, Method::Zlib, ["ON", "zlib", "6"]),
    (cap::ZSTD, Method::Zstd, ["ON", "zstd", "3"]),
];

/// A server with a stage.
fn world() -> World {
    let world = World::new(Storage::Fs).expect("a directory");
    done(&mut Client::connect(world.server.addr), "CREATE STAGE up");
    world
}

fn asking(capability: u32) -> Options {
    Options { capabilities: cap::USUAL | capability, ..Options::default() }
}

fn connect(server: &Server, capability: u32) -> Client {
    Client::with(server.addr, &asking(capability)).expect("a log-in")
}

fn rows(client: &mut Client, sql: &str) -> Vec<Vec<Option<String>>> {
    match client.query(sql).pop() {
        Some(Response::Rows { rows, .. }) => rows,
        other => panic!("{sql}: {other:?}"),
    }
}

/// What the server says of the connection.
fn said(client: &mut Client) -> Vec<String> {
    let rows = rows(client, "SHOW STATUS LIKE 'Compression%'");
    rows.into_iter().map(|row| row[1].clone().expect("a text")).collect()
}

fn done(client: &mut Client, sql: &str) {
    let answers = client.query(sql);
    assert!(answers.iter().all(|answer| !matches!(answer, Response::Err(_))), "{answers:?}");
}

#[test]
fn who_asks_for_it_is_compressed_and_nobody_else() {
    let server = Server::start();
    let mut plain = Client::connect(server.addr);
    assert_eq!(said(&mut plain), ["OFF", "uncompressed", "0"]);
    for (capability, _, expected) in METHODS {
        assert_eq!(said(&mut connect(&server, capability)), expected);
    }
    // Whoever can both gets zlib, as with MySQL.
    assert_eq!(said(&mut connect(&server, cap::COMPRESS | cap::ZSTD)), METHODS[0].2);
    let shown = rows(&mut plain, "SHOW VARIABLES LIKE 'protocol_compression%'");
    assert_eq!(shown[0][1].as_deref(), Some("zlib,zstd,uncompressed"));
}

#[test]
fn a_refused_log_in_is_never_compressed() {
    let server = Server::start();
    for (capability, ..) in METHODS {
        let wrong = Options { password: "wrong".to_owned(), ..asking(capability) };
        let refusal = Client::with(server.addr, &wrong).map(drop).expect_err("no log-in");
        assert_eq!(refusal.code, 1045);
    }
}

#[test]
fn the_operator_may_turn_it_off() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut config = config(dir.path());
    config.protocol_compression_algorithms = vec![Algorithm::Zstd];
    let server = Server::open(config).expect("a fresh directory");
    let mut client = connect(&server, cap::COMPRESS);
    assert_eq!(client.greeting.capabilities & (cap::COMPRESS | cap::ZSTD), cap::ZSTD);
    // What was not offered is not believed.
    assert_eq!(said(&mut client), ["OFF", "uncompressed", "0"]);
    let shown = rows(&mut client, "SELECT @@protocol_compression_algorithms");
    assert_eq!(shown[0][0].as_deref(), Some("zstd,uncompressed"));
    assert_eq!(said(&mut connect(&server, cap::ZSTD)), METHODS[1].2);
}

#[test]
fn it_goes_above_tls() {
    let server = Server::start();
    for (capability, _, expected) in METHODS {
        let mut client = Client::greeted(server.addr).expect("a greeting");
        client.encrypt(trusting(&server.data_dir().join("tls-cert.pem")));
        client.log_in(&asking(capability)).expect("a log-in");
        assert_eq!(said(&mut client), expected);
        let version = rows(&mut client, "SHOW STATUS LIKE 'Ssl_version'");
        assert_eq!(version[0][1].as_deref(), Some("TLSv1.3"));
    }
}

/// Frames and packets begin and end where they like.
#[test]
fn files_are_whole_whatever_the_frames() {
    let world = world();
    for (capability, method, _) in METHODS {
        let mut client = connect(&world.server, capability);
        let text = b"one line of many\n".repeat(100_000);
        for (file, frame, packet) in [
            (text.clone(), 16 * 1024, 4096),
            (noise(1, 1 << 20), 300, 4096),
            (noise(2, 100_000), 60, 16 * 1024),
            (noise(3, 1_000), 1, 100),
            (text.clone(), MAX_PAYLOAD, 1 << 20),
            ([text, noise(4, MAX_PAYLOAD * 2)].concat(), 1 << 20, MAX_PAYLOAD),
        ] {
            client.stream.packed().most = frame;
            client.upload_packet = packet;
            client.serve_map([("/f".to_owned(), file.clone())].into());
            done(&mut client, "PUT 'file:///f' @up AUTO_COMPRESS=FALSE OVERWRITE=TRUE");
            let stored = world.read("up", "f").expect("a file");
            assert!(stored == file, "{method:?}, frames of {frame}, packets of {packet}");
        }
        // Several in one statement, each asked for below other numbers.
        let names = ["a", "b", "c"].map(|name| format!("'file:///{name}'"));
        client.serve_files(|name| Some(name.repeat(99).into_bytes()));
        let put = format!("PUT {} @up AUTO_COMPRESS=FALSE OVERWRITE=TRUE", names.join(", "));
        done(&mut client, &put);
        assert_eq!(world.read("up", "c"), Some(b"/c".repeat(99)));
    }
}

/// The frame that asks for a file may have any number, and most clients number packets by frames.
#[test]
fn numbers_wrap_before_a_file() {
    const FILES: u8 = 200;
    let world = world();
    for (capability, ..) in METHODS {
        let mut client = connect(&world.server, capability);
        let names: Vec<String> = (0..FILES).map(|n| format!("'file:///{n}'")).collect();
        let put = format!("\x03PUT {} @up AUTO_COMPRESS=FALSE OVERWRITE=TRUE", names.join(", "));
        client.command(put.as_bytes());
        let mut seen = BTreeSet::new();
        for n in 0..FILES {
            assert_eq!(
                client.read(),
                format!("\u{FB}/{n}").chars().map(|c| c as u8).collect::<Vec<_>>()
            );
            client.sequence = client.stream.packed().number;
            seen.insert(client.sequence);
            client.send_file(&[n; 99]);
        }
        assert!(seen.contains(&0), "{seen:?}");
        let Response::Rows { rows, .. } = client.response(false) else { panic!("rows") };
        assert!(rows.iter().all(|row| row[6].as_deref() == Some("UPLOADED")));
        for n in 0..FILES {
            assert_eq!(world.read("up", &n.to_string()), Some(vec![n; 99]));
        }
        done(&mut client, "REMOVE @up");
    }
}

#[test]
fn large_answers_are_packed_and_small_ones_are_not() {
    let server = Server::start();
    for (capability, ..) in METHODS {
        let mut client = connect(&server, capability);
        client.stream.packed().came = (0, 0);
        client.command(PING);
        assert_eq!(client.read(), OK);
        assert_eq!(client.stream.packed().came, (0, 1));
        let wide = "SELECT REPEAT('x', 1000000)";
        assert_eq!(rows(&mut client, wide)[0][0].as_ref().map(String::len), Some(1_000_000));
        let (packed, stored) = client.stream.packed().came;
        assert!(packed > 0 && stored <= 2, "{packed} {stored}");
    }
}

/// One packet needs many frames, and one frame holds many packets; and what is one command takes
/// several packets.
#[test]
fn commands_of_16_mib_and_more_are_one() {
    let limits = Limits { max_allowed_packet: 40 << 20, ..Limits::default() };
    let server = Server::with_limits(limits);
    for (capability, ..) in METHODS {
        let mut client = connect(&server, capability);
        for (size, frame) in
            [(MAX_PAYLOAD - 1, MAX_PAYLOAD), (MAX_PAYLOAD, 1 << 20), (2 * MAX_PAYLOAD, MAX_PAYLOAD)]
        {
            client.stream.packed().most = frame;
            let mut command = vec![0xFF; size];
            command[0] = 3;
            client.command(&command);
            assert_eq!(client.read_refusal().code, 1300, "{size}");
        }
        // One that is too large is read to its end and dropped.
        let mut command = vec![b' '; 3 * MAX_PAYLOAD];
        command[0] = 3;
        client.command(&command);
        assert_eq!(client.read_refusal().code, 1153);
        client.command(PING);
        assert_eq!(client.read(), OK);
    }
}

#[test]
fn commands_may_share_a_frame_or_need_several() {
    let server = Server::start();
    for (capability, ..) in METHODS {
        let mut client = connect(&server, capability);
        // Three in one frame: each is answered as if it had been alone.
        client.stream.begin_command();
        client.stream.write_all(&packet(0, PING).repeat(3)).expect("written");
        for _ in 0..3 {
            client.stream.packed().number = 1;
            client.sequence = 1;
            assert_eq!(client.read(), OK);
        }
        // Three, each in its own frame, before the first answer.
        let pings = [packet(0, PING), packet(0, b"\x03SELECT 1"), packet(0, PING)];
        for ping in pings {
            client.stream.begin_command();
            client.stream.write_all(&ping).expect("written");
        }
        for rows in [false, true, false] {
            client.stream.packed().number = 1;
            client.sequence = 1;
            assert_eq!(matches!(client.response(false), Response::Rows { .. }), rows);
        }
        // One in many.
        client.stream.packed().most = 1;
        assert_eq!(rows(&mut client, "SELECT 'a text of some length'").len(), 1);
        // Clients number packets in many ways then: nobody looks at it.
        client.stream.begin_command();
        client.stream.write_all(&packet(77, PING)).expect("written");
        client.sequence = 78;
        assert_eq!(client.read(), OK);
    }
}

#[test]
fn several_answers_and_a_new_user_and_a_reset() {
    let server = Server::start();
    for (capability, _, expected) in METHODS {
        let mut client = connect(&server, capability);
        assert_eq!(client.query("SELECT 1; SELECT 2; SET @a = 3; SELECT @a").len(), 4);
        client.change_user(&asking(capability)).expect("the same user");
        assert_eq!(said(&mut client), expected);
        // One whose proof is asked for again.
        let auth_response = Some(vec![7; 20]);
        client.change_user(&Options { auth_response, ..asking(capability) }).expect("asked again");
        assert_eq!(client.asked, ["mysql_native_password"]);
        assert_eq!(said(&mut client), expected);
        client.command(b"\x1F");
        assert_eq!(client.read(), OK);
        assert_eq!(said(&mut client), expected);
    }
}

#[test]
fn a_killed_connection_is_told_and_closed() {
    let server = Server::start();
    let mut client = Client::connect(server.addr);
    for (capability, ..) in METHODS {
        let mut victim = connect(&server, capability);
        done(&mut client, &format!("KILL {}", victim.greeting.connection_id));
        assert!(victim.is_closed());
        let mut own = connect(&server, capability);
        let id = own.greeting.connection_id;
        let [Response::Err(refusal)] = &own.query(&format!("KILL {id}"))[..] else {
            panic!("an error")
        };
        assert_eq!(refusal.code, 1317);
        assert!(own.is_closed());
    }
}

#[test]
fn broken_frames_end_the_connection_with_an_error() {
    let server = Server::start();
    for (capability, method, _) in METHODS {
        let long = [&[3][..], &b" ".repeat(99)].concat();
        let command = packet(0, &long);
        let packed = method.pack(&command);
        // The beginning of a packet, with far more of it than is announced.
        let bomb = method.pack(&packet(0, &vec![0; MAX_PAYLOAD - 9]));
        for (case, (bytes, code)) in [
            (frame(0, command.len(), b"nonsense, but long enough"), 1157),
            (frame(0, command.len() - 1, &packed), 1157),
            (frame(0, command.len() + 1, &packed), 1157),
            (frame(0, command.len(), &packed[..packed.len() - 1]), 1157),
            (frame(0, 200, &bomb), 1157),
            (frame(1, command.len(), &packed), 1156),
            ([frame(0, 0, &command[..9]), frame(2, 0, &command[9..])].concat(), 1156),
        ]
        .into_iter()
        .enumerate()
        {
            let mut client = connect(&server, capability);
            client.stream.begin_command();
            client.stream.write_below(&bytes);
            // The error's number follows that of the last frame whose number was right.
            let followed = u8::from(bytes[3] == 0);
            client.stream.packed().number = followed;
            let (found, state) = refusal(&mut client);
            assert_eq!((found, state.as_str()), (code, "08S01"), "{method:?} {case}");
            assert!(client.is_closed());
        }
    }
}

/// Reads an ERR without a look at the packet's number, which nobody can know here.
fn refusal(client: &mut Client) -> (u16, String) {
    let mut header = [0; 4];
    client.stream.read_exact(&mut header).expect("a header");
    let mut payload = vec![0; usize::from(header[0]) | usize::from(header[1]) << 8];
    client.stream.read_exact(&mut payload).expect("a payload");
    assert_eq!(payload[0], 0xFF);
    let state = String::from_utf8_lossy(&payload[4..9]).into_owned();
    (u16::from_le_bytes([payload[1], payload[2]]), state)
}

#[test]
fn a_broken_frame_in_a_file_leaves_nothing() {
    let world = world();
    for (capability, ..) in METHODS {
        let mut client = connect(&world.server, capability);
        client.begin_upload("PUT 'file:///f' @up AUTO_COMPRESS=FALSE");
        client.send_part(&noise(5, 2_000_000));
        let number = client.stream.packed().number;
        client.stream.write_below(&frame(number, 500, b"nonsense, but long enough"));
        client.stream.packed().number = number.wrapping_add(1);
        assert_eq!(refusal(&mut client).0, 1157);
        assert!(client.is_closed());
        drop(client);
        world.until_connections(0);
        assert_eq!(world.list("up"), []);
        assert_eq!(world.unfinished(), [""; 0]);
    }
}

/// A client that sends no file, but its next command: that command's frame begins anew too.
#[test]
fn the_next_command_in_the_place_of_a_file_is_executed() {
    let world = world();
    for (capability, ..) in METHODS {
        let mut client = connect(&world.server, capability);
        client.begin_upload("PUT 'file:///f' @up AUTO_COMPRESS=FALSE");
        client.command(PING);
        assert_eq!(client.read(), OK);
    }
}

#[test]
fn a_client_that_sends_nothing_but_empty_frames_is_not_waited_for() {
    let limits = Limits { net_timeout_s: 1, wait_timeout_s: 1, ..Limits::default() };
    let server = Server::with_limits(limits);
    let client = connect(&server, cap::COMPRESS);
    let mut number = 0_u8;
    until("it is closed", || {
        number = number.wrapping_add(1);
        client.stream.socket().write_all(&frame(number.wrapping_sub(1), 0, b"")).is_err()
    });
}
