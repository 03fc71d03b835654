//! The real program: how it starts, stops, is killed, and what it keeps to itself.

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use support::client::{Client, Options, Response};
use support::http::{self, BOUNDARY, read_answer};
use support::line::trusting;
use support::process::{Process, program, refused};
use support::server::until;
use support::world::{files_below, noise, unfinished_files};

fn done(client: &mut Client, sql: &str) {
    let responses = client.query(sql);
    assert!(matches!(responses[..], [Response::Ok { .. }]), "{sql}: {responses:?}");
}

fn rows(client: &mut Client, sql: &str) -> Vec<Vec<Option<String>>> {
    match client.query(sql).pop() {
        Some(Response::Rows { rows, .. }) => rows,
        other => panic!("{sql}: {other:?}"),
    }
}

/// The first column.
fn names(client: &mut Client, sql: &str) -> Vec<String> {
    rows(client, sql).into_iter().map(|mut row| row.remove(0).expect("not NULL")).collect()
}

fn put(name: &str) -> String {
    format!("PUT file:///tmp/{name} @lake AUTO_COMPRESS=FALSE OVERWRITE=TRUE")
}

fn upload(client: &mut Client, name: &str, content: &[u8]) {
    client.begin_upload(&put(name));
    client.send_part(content);
    let answer = client.end_upload();
    assert!(matches!(answer, Response::Rows { .. }), "{answer:?}");
}

/// A configuration file beside the data directory.
fn with_config(dir: &Path, text: &str) -> Command {
    let file = dir.join("stagewire.toml");
    std::fs::write(&file, text).expect("written");
    let mut command = program(&dir.join("data"));
    command.arg("--config").arg(file);
    command
}

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

/// Waits until the server lets nobody in any more, which is the sign that it is stopping.
fn until_it_is_draining(server: &Process) {
    until("the server is draining", || {
        Client::greeted(server.addr).is_err_and(|refusal| refusal.code == 1053)
    });
}

#[test]
fn it_stops_when_told_and_idle_clients_are_let_go() {
    let dir = directory();
    let server = Process::start(dir.path());
    let mut idle = [Client::connect(server.addr), Client::connect(server.addr)];
    let mut stranger = Client::greeted(server.addr).expect("a greeting");
    let mut half = TcpStream::connect(server.http_addr).expect("a connection");
    half.write_all(b"GET /hea").expect("sent");
    server.terminate();
    for client in &mut idle {
        assert!(client.is_closed());
    }
    assert!(stranger.is_closed());
    drop(half);
    let (addr, http_addr) = (server.addr, server.http_addr);
    let (status, log) = server.wait();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("stopping"), "{log}");
    assert!(TcpStream::connect(addr).is_err() && TcpStream::connect(http_addr).is_err());
}

#[test]
fn what_runs_when_it_is_told_to_stop_is_finished() {
    let dir = directory();
    let server = Process::start(dir.path());
    let mut client = Client::connect(server.addr);
    done(&mut client, "CREATE STAGE lake");
    let content = noise(1, 5 << 20);
    client.begin_upload(&put("wire"));
    client.send_part(&content[..3 << 20]);
    let mut web = TcpStream::connect(server.http_addr).expect("a connection");
    let form = http::form(&[("web", &content)]);
    let head = format!(
        "PUT /v1/upload_to_stage HTTP/1.1\r\nHost: localhost\r\nstage_name: lake\r\n\
         Authorization: {}\r\nContent-Length: {}\r\n\
         Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n",
        http::ROOT,
        form.len()
    );
    web.write_all(head.as_bytes()).expect("sent");
    web.write_all(&form[..3 << 20]).expect("sent");
    until("both have begun", || unfinished_files(dir.path()).len() == 2);
    server.terminate();
    until_it_is_draining(&server);
    client.send_part(&content[3 << 20..]);
    let answer = client.end_upload();
    assert!(matches!(answer, Response::Rows { .. }), "{answer:?}");
    assert!(client.is_closed());
    web.write_all(&form[3 << 20..]).expect("sent");
    let answer = read_answer(web);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let (status, log) = server.wait();
    assert_eq!(status.code(), Some(0), "{log}");

    let server = Process::start(dir.path());
    let mut client = Client::connect(server.addr);
    assert_eq!(names(&mut client, "LIST @lake"), ["web", "wire"]);
    for file in files_below(&dir.path().join("files")) {
        assert!(std::fs::read(&file).expect("the file") == content, "{file}");
    }
}

#[test]
fn a_server_that_is_draining_says_so() {
    let dir = directory();
    let server = Process::start(dir.path());
    let mut client = Client::connect(server.addr);
    done(&mut client, "CREATE STAGE lake");
    client.begin_upload(&put("a"));
    client.send_part(b"data");
    let health = || http::get(server.http_addr, "localhost", "/health", &[]);
    assert_eq!((health().status, health().body.as_str()), (200, "ok\n"));
    server.terminate();
    until_it_is_draining(&server);
    let refusal = Client::greeted(server.addr).map(drop).expect_err("draining");
    assert_eq!((refusal.code, refusal.state.as_str()), (1053, "08S01"));
    assert_eq!((health().status, health().body.as_str()), (503, "draining\n"));
    let metrics = http::get(server.http_addr, "localhost", "/metrics", &[]);
    assert_eq!(metrics.status, 200);
    let name = "stagewire_refused_connections_total{port=\"mysql\",reason=\"shutdown\"}";
    assert!(metrics.body.contains(name), "{}", metrics.body);
    let headers = [("Authorization", http::ROOT)];
    let answer = http::send(server.http_addr, "PUT", "/v1/stages/lake/b", &headers, b"data");
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("shutdown in progress"), "{}", answer.body);
    let answer = client.end_upload();
    assert!(matches!(answer, Response::Rows { .. }), "{answer:?}");
    let (status, log) = server.wait();
    assert_eq!(status.code(), Some(0), "{log}");
}

/// What has become of a command.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    /// Answered to the end.
    Whole,
    /// Answered by this error.
    Refused(u16),
    /// Not answered at all: the connection had ended before.
    Gone,
}

/// Sends a command, and a file if one is asked for, and reads the whole answer; the rows' bytes. An answer that has
/// begun has to end.
fn run(client: &mut Client, sql: &str, content: &[u8]) -> (Fate, usize) {
    let mut command = vec![0x03];
    command.extend_from_slice(sql.as_bytes());
    client.command_begins();
    let packet = support::client::packet(0, &command);
    if client.stream.write_all(&packet).is_err() {
        return (Fate::Gone, 0);
    }
    client.sequence = 1;
    let Ok(mut first) = client.try_read() else { return (Fate::Gone, 0) };
    if first[0] == 0xFB {
        client.send_file(content);
        first = client.try_read().expect("an answer to a file that was asked for");
    }
    let error = |packet: &[u8]| Fate::Refused(u16::from_le_bytes([packet[1], packet[2]]));
    match first[0] {
        0x00 => return (Fate::Whole, 0),
        0xFF => return (error(&first), 0),
        _ => {}
    }
    for _ in 0..first[0] {
        client.try_read().expect("a column");
    }
    let mut bytes = 0;
    loop {
        let row = client.try_read().expect("a row, or the end");
        match row[0] {
            0xFE if row.len() < 9 => return (Fate::Whole, bytes),
            0xFF => return (error(&row), bytes),
            _ => bytes += row.len(),
        }
    }
}

/// By HTTP: status, bytes of the body, and how many were announced. `None` where nobody has answered.
fn request(addr: SocketAddr, method: &str, path: &str, body: &[u8]) -> Option<(u16, usize, usize)> {
    let mut stream = TcpStream::connect(addr).ok()?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {}\r\n\
         Content-Length: {}\r\n\r\n",
        http::ROOT,
        body.len()
    );
    let _ = stream.write_all(&[head.as_bytes(), body].concat());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    Some((status, answer.len() - end, length.map_or(0, |length| length.parse().expect("a number"))))
}

#[test]
fn under_load_nothing_acknowledged_is_lost_and_no_answer_is_cut() {
    let dir = directory();
    let server = Process::start(dir.path());
    let (addr, http_addr) = (server.addr, server.http_addr);
    let mut client = Client::connect(addr);
    done(&mut client, "CREATE STAGE lake");
    let big = noise(7, 8 << 20);
    upload(&mut client, "big", &big);
    // One answer that is half read when the server is told to stop.
    let mut slow = Client::connect(addr);
    slow.command(b"\x03GET @lake/big");
    let columns = slow.read()[0];
    (0..columns).for_each(|_| drop(slow.read()));
    let mut got = slow.read().len();

    let begun = Arc::new(AtomicUsize::new(0));
    let count = |begun: &AtomicUsize| begun.fetch_add(1, Ordering::SeqCst);
    let mut puts = Vec::new();
    let mut reads = Vec::new();
    for worker in 0..2 {
        let began = Arc::clone(&begun);
        let mut client = Client::connect(addr);
        puts.push(std::thread::spawn(move || {
            let mut stored = Vec::new();
            for n in 0.. {
                let name = format!("sql-{worker}-{n}");
                match run(&mut client, &put(&name), &noise(n, 100_000)) {
                    (Fate::Whole, _) => stored.push((name, n)),
                    (Fate::Refused(1053) | Fate::Gone, _) => break,
                    (fate, _) => panic!("{name}: {fate:?}"),
                }
                count(&began);
            }
            stored
        }));
        let began = Arc::clone(&begun);
        puts.push(std::thread::spawn(move || {
            let mut stored = Vec::new();
            for n in 0.. {
                let name = format!("web-{worker}-{n}");
                let path = format!("/v1/stages/lake/{name}");
                match request(http_addr, "PUT", &path, &noise(n, 100_000)) {
                    Some((201, ..)) => stored.push((name, n)),
                    Some((503, ..)) | None => break,
                    other => panic!("{name}: {other:?}"),
                }
                count(&began);
            }
            stored
        }));
        let began = Arc::clone(&begun);
        let size = big.len();
        let mut client = Client::connect(addr);
        reads.push(std::thread::spawn(move || {
            loop {
                for sql in ["LIST @lake", "GET @lake/big"] {
                    match run(&mut client, sql, b"") {
                        (Fate::Whole, bytes) => assert!(sql != "GET @lake/big" || bytes > size),
                        (Fate::Refused(1053) | Fate::Gone, _) => return,
                        (fate, _) => panic!("{sql}: {fate:?}"),
                    }
                }
                count(&began);
            }
        }));
        let began = Arc::clone(&begun);
        reads.push(std::thread::spawn(move || {
            loop {
                match request(http_addr, "GET", "/v1/stages/lake/big", b"") {
                    Some((200, bytes, announced)) => assert_eq!(bytes, announced),
                    Some((503, ..)) | None => return,
                    other => panic!("{other:?}"),
                }
                count(&began);
            }
        }));
    }
    until("all are at work", || begun.load(Ordering::SeqCst) > 40);
    server.terminate();
    until_it_is_draining(&server);
    loop {
        let row = slow.read();
        if row[0] == 0xFE && row.len() < 9 {
            break;
        }
        got += row.len();
    }
    assert!(got > big.len(), "{got}");
    reads.into_iter().for_each(|read| read.join().expect("no answer is cut"));
    let stored = puts.into_iter().flat_map(|put| put.join().expect("no answer is cut"));
    let stored: Vec<(String, u64)> = stored.collect();
    let (status, log) = server.wait();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(!log.contains("cut off"), "{log}");

    let server = Process::start(dir.path());
    for (name, n) in &stored {
        let path = format!("/v1/stages/lake/{name}");
        let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
        let head = format!("{head}Authorization: {}\r\n\r\n", http::ROOT);
        let mut stream = TcpStream::connect(server.http_addr).expect("a connection");
        stream.write_all(head.as_bytes()).expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        assert!(answer.ends_with(&noise(*n, 100_000)), "{name}");
    }
    assert_eq!(unfinished_files(dir.path()), [""; 0]);
}

#[test]
fn what_does_not_end_is_cut_off_and_undone() {
    let dir = directory();
    let server = Process::spawn(with_config(dir.path(), "[limits]\nshutdown_grace_s = 1\n"));
    let data_dir = dir.path().join("data");
    let mut client = Client::connect(server.addr);
    done(&mut client, "CREATE STAGE lake");
    done(&mut client, "CREATE TEMPORARY STAGE temp");
    client.begin_upload("PUT file:///tmp/a @temp");
    client.send_part(b"data");
    client.end_upload();
    client.begin_upload(&put("a"));
    client.send_part(&noise(2, 5 << 20));
    until("the upload has begun", || !unfinished_files(&data_dir).is_empty());
    assert_eq!(files_below(&data_dir.join("files")).len(), 1);
    server.terminate();
    assert!(client.is_closed());
    let (status, log) = server.wait();
    assert_eq!(status.code(), Some(0), "{log}");
    assert_eq!(unfinished_files(&data_dir), [""; 0]);
    assert_eq!(files_below(&data_dir.join("files")), [""; 0]);
}

#[test]
fn what_was_acknowledged_survives_a_kill_and_nothing_else_does() {
    let dir = directory();
    let server = Process::start(dir.path());
    let mut client = Client::connect(server.addr);
    done(&mut client, "CREATE STAGE lake COMMENT='kept'");
    let contents: Vec<Vec<u8>> = (0..20).map(|n| noise(n, 10_000)).collect();
    for (n, content) in contents.iter().enumerate() {
        upload(&mut client, &format!("{n:02}"), content);
    }
    done(&mut client, "CREATE STAGE other");
    done(&mut client, "ALTER STAGE other RENAME TO another");
    done(&mut client, "CREATE TEMPORARY STAGE temp");
    client.begin_upload("PUT file:///tmp/a @temp");
    client.send_part(b"data");
    client.end_upload();
    // Over an old file, and a new one.
    let mut uploads = Vec::new();
    for name in ["03", "new"] {
        let mut client = Client::connect(server.addr);
        client.begin_upload(&put(name));
        client.send_part(&noise(99, 5 << 20));
        uploads.push(client);
    }
    until("both have begun", || unfinished_files(dir.path()).len() == 2);
    server.kill();
    assert_eq!(unfinished_files(dir.path()).len(), 2, "or there is nothing to tidy up");
    assert_eq!(files_below(&dir.path().join("files")).len(), 21);

    let server = Process::start(dir.path());
    assert_eq!(unfinished_files(dir.path()), [""; 0]);
    let mut client = Client::connect(server.addr);
    let stages = rows(&mut client, "SHOW STAGES");
    let comment = |row: &Vec<Option<String>>| (row[0].clone(), row[11].clone());
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        stages.iter().map(comment).collect::<Vec<_>>(),
        [(text("another"), text("")), (text("lake"), text("kept"))]
    );
    let listed = names(&mut client, "LIST @lake");
    assert_eq!(listed, (0..20).map(|n| format!("{n:02}")).collect::<Vec<_>>());
    let files = files_below(&dir.path().join("files"));
    assert_eq!(files.len(), 20, "the files of the temporary stage are gone");
    for (file, content) in files.iter().zip(&contents) {
        assert!(std::fs::read(file).expect("the file") == *content, "{file}");
    }
    upload(&mut client, "new", b"data");
}

#[test]
fn a_temporary_stage_ends_with_a_client_that_is_killed() {
    let dir = directory();
    let server = Process::start(dir.path());
    let mut client = Client::connect(server.addr);
    done(&mut client, "CREATE TEMPORARY STAGE lake");
    upload(&mut client, "a", b"data");
    let files = dir.path().join("files");
    assert_eq!(files_below(&files).len(), 1);
    // With bytes that were not read, the system resets the connection.
    client.command(b"\x0E");
    client.stream.peek().expect("an answer");
    drop(client);
    until("the stage is gone", || files_below(&files).is_empty());
    let mut client = Client::connect(server.addr);
    assert_eq!(names(&mut client, "SHOW STAGES"), [""; 0]);
    // In the middle of an upload to it, too.
    done(&mut client, "CREATE TEMPORARY STAGE lake");
    upload(&mut client, "a", b"data");
    client.begin_upload(&put("b"));
    client.send_part(&noise(3, 5 << 20));
    until("the upload has begun", || !unfinished_files(dir.path()).is_empty());
    drop(client);
    until("the stage is gone", || files_below(&files).is_empty());
    until("so is the upload", || unfinished_files(dir.path()).is_empty());
}

#[test]
fn a_data_directory_has_one_server() {
    let dir = directory();
    let server = Process::start(dir.path());
    let said = refused(&mut program(dir.path()));
    assert!(said.contains("belongs to another server"), "{said}");
    assert!(said.contains(&format!("process {}", server.id())), "{said}");
    assert!(said.contains("hint: stop that one, or give this one its own --data-dir"), "{said}");
    server.kill();
    drop(Process::start(dir.path()));
}

#[test]
fn what_is_wrong_at_the_start_is_said_with_what_to_do() {
    let dir = directory();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("an address").to_string();
    let path = dir.path().display().to_string();
    let check = |command: &mut Command, said: &[&str]| {
        let text = refused(command);
        assert!(text.contains("stagewire: ") && text.contains("\n  hint: "), "{text}");
        for said in said {
            assert!(text.contains(said), "{said}: {text}");
        }
        assert!(!text.contains("hush"), "{text}");
    };
    for (option, name) in [("--mysql-addr", "mysql_addr"), ("--http-addr", "http_addr")] {
        let mut open = Command::new(env!("CARGO_BIN_EXE_stagewire"));
        open.env_clear().args(["serve", option, "0.0.0.0:0", "--data-dir", &path]);
        check(&mut open, &["Refusing to listen on 0.0.0.0:0", name, "STAGEWIRE_ROOT_PASSWORD"]);
    }
    let mut busy = Command::new(env!("CARGO_BIN_EXE_stagewire"));
    busy.env_clear().args(["serve", "--mysql-addr", &taken, "--data-dir", &path]);
    check(&mut busy, &["Can't listen on", &taken, "--mysql-addr", "port 0 picks a free one"]);
    let mut busy = Command::new(env!("CARGO_BIN_EXE_stagewire"));
    busy.env_clear().args(["serve", "--mysql-addr", "127.0.0.1:0", "--data-dir", &path]);
    check(busy.args(["--http-addr", &taken]), &["Can't listen on", &taken, "--http-addr"]);
    for (text, said) in [
        ("root_pasword = 'hush'", "unknown field `root_pasword`"),
        ("root_password = 'hush", "Can't understand"),
        ("[limits]\nmax_conections = 3", "unknown field `max_conections`"),
        ("[limits]\nmax_connections = 'many'", "Can't understand"),
        ("[limits]\nstorage_timeout_s = 0", "limits.storage_timeout_s is 0"),
        ("[catalog]\nurl = 'fs:///tmp/x/'", "The catalog can't be kept at fs:///tmp/x/"),
        ("[storage]\nurl = 'ftp://x/'", "Can't open the storage"),
        ("secret_key_file = '/nonexistent/key'", "/nonexistent/key"),
    ] {
        check(&mut with_config(dir.path(), text), &[said]);
    }
    let mut missing = program(dir.path());
    check(missing.args(["--config", "/nonexistent.toml"]), &["/nonexistent.toml", "--config"]);
    let mut key = program(dir.path());
    check(key.env("STAGEWIRE_SECRET_KEY", "hush"), &["64"]);
    std::fs::write(dir.path().join("file"), "").expect("written");
    check(&mut program(&dir.path().join("file")), &["Can't use the data directory", "--data-dir"]);
}

/// A store that refuses everything; it sees all that the server sends.
fn store() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 16 * 1024]);
            let _ = stream.write_all(
                b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            );
        }
    });
    format!("http://{addr}")
}

#[test]
fn log_ins_are_in_the_audit_log() {
    let dir = directory();
    let mut command = program(dir.path());
    command.env("STAGEWIRE_LOG", "warn,audit=info").env("STAGEWIRE_ROOT_PASSWORD", "pass");
    let server = Process::spawn(command);
    let mut client = Client::connect(server.addr);
    done(&mut client, "CREATE USER bob IDENTIFIED BY 'word'");
    let wrong = |user: &str| Options { user: user.to_owned(), ..Options::default() };
    assert_eq!(Client::with(server.addr, &wrong("bob")).err().expect("refused").code, 1045);
    assert_eq!(Client::with(server.addr, &wrong("eve")).err().expect("refused").code, 1045);
    assert_eq!(client.change_user(&wrong("bob")).expect_err("refused").code, 1045);
    let bob = Options { password: "word".to_owned(), ..wrong("bob") };
    Client::with(server.addr, &bob).expect("a log-in").change_user(&bob).expect("himself");
    let headers = [("Authorization", "Basic Ym9iOnBhc3M=")];
    http::send(server.http_addr, "GET", "/v1/stages/~/a.csv", &headers, b"");
    server.terminate();
    let (_, log) = server.wait();
    let count = |user: &str, what: &str, outcome: &str| {
        let user = format!("user=\"{user}\"");
        let (what, outcome) = (format!("what=\"{what}\""), format!("outcome=\"{outcome}\""));
        let has = |line: &&str| [&user, &what, &outcome].iter().all(|word| line.contains(*word));
        log.lines().filter(|line| line.contains("audit")).filter(has).count()
    };
    for (user, what, outcome) in [
        ("root", "log-in", "done"),
        ("bob", "log-in", "refused"),
        ("eve", "log-in", "refused"),
        ("bob", "COM_CHANGE_USER", "refused"),
        ("bob", "log-in", "done"),
        ("bob", "COM_CHANGE_USER", "done"),
        ("bob", "GET /v1/stages/~/a.csv", "refused"),
    ] {
        assert_eq!(count(user, what, outcome), 1, "{user} {what} {outcome}:\n{log}");
    }
}

#[test]
fn secrets_are_in_neither_the_directory_nor_the_log() {
    // "hush" and "shhh" in base64, wherever they stand: as HTTP would send them.
    const SECRETS: &[&str] = &["hush", "aHVza", "h1c2", "odXNo", "shhh", "c2hoa", "NoaG", "zaGho"];
    let (dir, store) = (directory(), store());
    let mut command = program(dir.path());
    command.env("STAGEWIRE_LOG", "trace").env("STAGEWIRE_ROOT_PASSWORD", "hush-root");
    let server = Process::spawn(command);
    let options = Options { password: "hush-root".to_owned(), ..Options::default() };
    let mut client = Client::with(server.addr, &options).expect("a log-in");
    let s3 = |secret: &str, more: &str| {
        format!(
            "URL='s3://bucket/p/' CONNECTION=(ENDPOINT_URL='{store}' ACCESS_KEY_ID='visible' \
             SECRET_ACCESS_KEY='{secret}' SESSION_TOKEN='shhh-token' {more})"
        )
    };
    done(&mut client, &format!("CREATE STAGE lake {}", s3("hush-1", "")));
    let host = store.trim_start_matches("http://");
    let webdav = format!("URL='webdav://{host}/' CONNECTION=(HTTPS='false'");
    done(&mut client, &format!("CREATE STAGE dav {webdav} USERNAME='u' PASSWORD='hush-2')"));
    done(&mut client, &format!("CREATE TEMPORARY STAGE temp {}", s3("hush-3", "")));
    let vault = |secret: &str| {
        format!(
            "vault STORAGE_TYPE='s3' ENDPOINT_URL='{store}' ACCESS_KEY_ID='visible' \
             SECRET_ACCESS_KEY='{secret}' SESSION_TOKEN='shhh-token'"
        )
    };
    done(&mut client, &format!("CREATE CONNECTION {}", vault("hush-26")));
    let by = "CREATE STAGE by URL='s3://bucket/p/' CONNECTION=(CONNECTION_NAME=vault)";
    done(&mut client, by);
    done(&mut client, &format!("CREATE OR REPLACE CONNECTION {}", vault("hush-27")));
    done(&mut client, "ALTER CONNECTION vault SET SECRET_ACCESS_KEY='hush-28'");
    // Statements that fail, near a secret and because of one.
    for sql in [
        format!("CREATE CONNECTION {}", vault("hush-29")),
        format!("CREATE CONNECTION {} 'hush-30'", vault("hush-30")),
        format!("CREATE CONNECTION {} REGION=hush-31", vault("hush-31")),
        "CREATE CONNECTION x STORAGE_TYPE='s3' SECRET_ACCESS_KEY='hush-32'".to_owned(),
        "CREATE CONNECTION x STORAGE_TYPE='s3' MASTER_KEY='hush-32'".to_owned(),
        "CREATE CONNECTION x STORAGE_TYPE='s3' SECRET_ACCESS_KEY 'hush-33'".to_owned(),
        "ALTER CONNECTION vault SET MASTER_KEY='hush-34'".to_owned(),
        "ALTER CONNECTION x SET SECRET_ACCESS_KEY='hush-35'".to_owned(),
        format!("{} SECRET_ACCESS_KEY='hush-36')", by.replace("by", "x").replace(')', "")),
        format!("CREATE STAGE x {}", s3("hush-4", "'hush-5'")),
        format!("CREATE STAGE x {} 'hush-6'", s3("hush-6", "")),
        format!("CREATE STAGE x {}", s3("hush-7", "REGION=hush-7 hush-7")),
        format!("CREATE STAGE x {}", s3("hush-8", "hush='hush-8'")),
        format!("CREATE STAGE x {}", s3("hush-9", "SECRET_ACCESS_KEY='hush-10'")),
        "CREATE STAGE x URL='s3://b/' CONNECTION=(SECRET_ACCESS_KEY='hush-11".to_owned(),
        "CREATE STAGE x URL='s3://b/' CREDENTIALS=(AWS_SECRET_KEY='hush-12')".to_owned(),
        "CREATE STAGE x URL='s3://key:hush-13@b/'".to_owned(),
        "CREATE STAGE x URL='s3://b/' ENDPOINT='http://key:hush-13@b/'".to_owned(),
        "CREATE STAGE x URL='s3://b/' CONNECTION=(SECRET_ACCESS_KEY=hush)".to_owned(),
        format!("ALTER STAGE lake SET {} hush-14", s3("hush-14", "")),
        "CREAT STAGE x CONNECTION=(SECRET_ACCESS_KEY='hush-15')".to_owned(),
        "SELECT 'hush-16' 'hush-16' FROM".to_owned(),
        // root's is the configuration's.
        "SET PASSWORD = 'hush-17'".to_owned(),
        "CREATE USER u IDENTIFIED BY hush-18".to_owned(),
        "GRANT ALL ON *.* TO u IDENTIFIED BY 'hush-18'".to_owned(),
    ] {
        let responses = client.query(&sql);
        assert!(matches!(responses[..], [Response::Err(_)]), "{sql}: {responses:?}");
    }
    done(&mut client, &format!("ALTER STAGE lake SET {}", s3("hush-19", "")));
    done(&mut client, "CREATE USER u IDENTIFIED BY 'hush-21'");
    done(&mut client, "ALTER USER u IDENTIFIED WITH mysql_native_password BY 'hush-22'");
    done(&mut client, "SET PASSWORD FOR u = 'hush-23'");
    done(&mut client, "CREATE USER v IDENTIFIED WITH caching_sha2_password BY 'hush-24'");
    // In the clear, once by RSA and once by proof; and wrong.
    for password in ["hush-24", "hush-24", "hush-25"] {
        let (user, plugin) = ("v".to_owned(), "caching_sha2_password".to_owned());
        let options = Options { user, plugin, password: password.to_owned(), ..Options::default() };
        assert_eq!(Client::with(server.addr, &options).is_ok(), password == "hush-24");
    }
    // They are used.
    for stage in ["lake", "dav", "temp", "by"] {
        let responses = client.query(&format!("LIST @{stage}"));
        assert!(matches!(responses[..], [Response::Err(_)]), "{responses:?}");
        let responses = client.query(&format!("PUT file:///tmp/a @{stage}"));
        assert!(matches!(responses[..], [Response::Err(_)]), "{responses:?}");
        for sql in ["SHOW CREATE STAGE", "DESCRIBE STAGE"] {
            let shown = format!("{:?}", client.query(&format!("{sql} {stage}")));
            for secret in SECRETS {
                assert!(!shown.contains(secret), "{shown}");
            }
        }
    }
    let statement =
        "CREATE STAGE y URL='s3://b/' CONNECTION=(ACCESS_KEY_ID='k' SECRET_ACCESS_KEY=?)";
    let prepared = client.prepare(statement).expect("prepared");
    let secret = support::client::Parameter::Text("hush-20".to_owned());
    let responses = client.execute(&prepared, &[secret]);
    assert!(matches!(responses[..], [Response::Ok { .. }]), "{responses:?}");
    // By HTTP: root's password.
    for authorization in ["Basic cm9vdDpodXNoLXJvb3Q=", "Basic cm9vdDpodXNoLXdyb25n"] {
        let headers = [("stage_name", "lake"), ("Authorization", authorization)];
        http::send(server.http_addr, "PUT", "/v1/upload_to_stage", &headers, b"");
    }
    for sql in ["SHOW CONNECTIONS", "DESC CONNECTION vault"] {
        let shown = format!("{:?}", client.query(sql));
        assert!(shown.contains("visible") && SECRETS.iter().all(|secret| !shown.contains(secret)));
    }
    let shown = format!("{:?}", client.query("SHOW STAGES"));
    assert!(shown.contains("visible") && SECRETS.iter().all(|secret| !shown.contains(secret)));
    drop(client);
    server.terminate();
    let (_, log) = server.wait();
    assert!(log.contains("CREATE STAGE") && log.contains("TRACE"), "a log to look at");
    let leaks: Vec<&str> =
        log.lines().filter(|line| SECRETS.iter().any(|secret| line.contains(secret))).collect();
    assert!(leaks.is_empty(), "in the log:\n{}", leaks.join("\n"));
    let files = files_below(dir.path());
    assert!(files.len() > 3, "{files:?}");
    for file in files {
        let bytes = std::fs::read(&file).expect("a file");
        for secret in SECRETS {
            let found = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!found, "{secret} is in {file}");
        }
    }
    let key = std::fs::metadata(dir.path().join("secret.key")).expect("a key");
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_certificate_is_made_once() {
    let dir = directory();
    let data = dir.path().join("data");
    let (cert, key) = (data.join("tls-cert.pem"), data.join("tls-key.pem"));
    let read = || (std::fs::read(&cert).expect("there"), std::fs::read(&key).expect("there"));
    let server = Process::start(&data);
    let first = read();
    let mode = std::fs::metadata(&key).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut client = Client::greeted(server.addr).expect("a greeting");
    client.encrypt(trusting(&cert));
    client.log_in(&Options::default()).expect("a log-in");
    drop(server);
    drop(Process::start(&data));
    assert!(read() == first, "the next start has made another one");
    // A server that was killed between the two leaves a key alone.
    std::fs::remove_file(&cert).expect("removed");
    drop(Process::start(&data));
    assert!(read() != first);
}

#[test]
fn a_certificate_of_ones_own_is_used() {
    let dir = directory();
    let made = dir.path().join("made");
    drop(Process::start(&made));
    let (cert, key) = (made.join("tls-cert.pem"), made.join("tls-key.pem"));
    let data = dir.path().join("data");
    let server = Process::spawn(with_config(
        dir.path(),
        &format!("[tls]\ncert = '{}'\nkey = '{}'\n", cert.display(), key.display()),
    ));
    let mut client = Client::greeted(server.addr).expect("a greeting");
    client.encrypt(trusting(&cert));
    client.log_in(&Options::default()).expect("a log-in");
    assert!(!data.join("tls-key.pem").exists());
    drop(server);

    let said = refused(program(&data).arg("--tls-cert").arg(&cert));
    assert!(said.contains("Only one of the certificate and its key is given"), "{said}");
    let said = refused(program(&data).arg("--tls-cert").arg(&key).arg("--tls-key").arg(&key));
    assert!(said.contains("tls-key.pem for TLS: there is no certificate in it"), "{said}");
    let said = refused(program(&data).arg("--tls-cert").arg(&cert).arg("--tls-key").arg(&cert));
    assert!(said.contains("tls-cert.pem for TLS: "), "{said}");
    let mut other = with_config(dir.path(), "[tls]\nclient_ca = 'x'\n");
    assert!(refused(&mut other).contains("set require_secure_transport = true"));
}
