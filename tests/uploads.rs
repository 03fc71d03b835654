//! Uploads by LOCAL INFILE, packet by packet, on directories and on S3: whole, or not at all.

mod support;

use std::io::Read;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use flate2::read::MultiGzDecoder;
use support::client::{Client, MAX_PAYLOAD, Options, Parameter, Response, cap, packet};
use support::http;
use support::mounts::SmallDisk;
use support::process::Process;
use support::s3::Bucket;
use support::server::{Server, config, until};
use support::world::{Storage, World, files_below, noise, unfinished_files};

/// Each test once on each kind of storage.
macro_rules! on_every_storage {
    ($($test:ident),* $(,)?) => {
        mod on_directories {
            $(#[test]
            fn $test() {
                super::$test(super::Storage::Fs);
            })*
        }
        mod on_s3 {
            $(#[test]
            fn $test() {
                super::$test(super::Storage::S3);
            })*
        }
    };
}

on_every_storage!(
    a_client_that_dies_leaves_nothing,
    a_client_that_dies_in_an_archive_leaves_its_whole_members,
    a_killed_upload_leaves_nothing,
    rows_that_are_killed_end_with_an_error,
    packets_of_every_size_make_the_same_file,
    files_that_end_with_a_full_packet_are_whole,
    the_next_command_in_the_place_of_a_file_is_executed,
    nothing_at_all_is_one_error,
    of_two_at_once_one_is_stored,
    files_that_come_at_once_do_not_pass_a_quota_together,
    a_quota_knows_what_others_have_written,
    a_stage_that_is_gone_takes_no_files,
    compressed_files_unpack_to_their_source,
    without_the_md5_files_are_told_apart_all_the_same,
    a_file_that_is_skipped_is_not_asked_for,
    a_parameter_is_stored_as_it_is,
    a_thousand_files_go_by_one_pattern_and_the_second_time_none_is_asked_for,
);

/// As a driver of this name does it.
fn connect_as(world: &World, name: &str) -> Client {
    let attributes = vec![("_client_name".to_owned(), name.to_owned())];
    let options = Options { attributes, ..Options::default() };
    Client::with(world.server.addr, &options).expect("a log-in")
}

fn done(client: &mut Client, sql: &str) {
    let responses = client.query(sql);
    assert!(matches!(responses[..], [Response::Ok { .. }]), "{sql}: {responses:?}");
}

/// The connection takes commands, and nothing waits in it.
fn usable(client: &mut Client) {
    client.command(b"\x0E");
    assert_eq!(client.read()[0], 0, "an OK");
}

fn put(path: &str, options: &str) -> String {
    format!("PUT 'file://{path}' @lake AUTO_COMPRESS=FALSE {options}")
}

/// The row's status and size, for clients that get rows.
fn status(response: &Response) -> (String, u64) {
    let Response::Rows { rows, .. } = response else { panic!("rows, not {response:?}") };
    let text = |column: usize| rows[0][column].clone().expect("not NULL");
    (text(6), text(3).parse().expect("a size"))
}

fn uploaded(size: usize) -> (String, u64) {
    ("UPLOADED".to_owned(), size as u64)
}

fn error(response: &Response) -> (u16, String) {
    let Response::Err(refusal) = response else { panic!("an error, not {response:?}") };
    (refusal.code, refusal.message.clone())
}

/// Uploads content in packets of this size.
fn send(client: &mut Client, sql: &str, content: &[u8], packet: usize) -> Response {
    client.begin_upload(sql);
    client.upload_packet = packet;
    client.send_part(content);
    client.end_upload()
}

fn a_killed_upload_leaves_nothing(storage: Storage) {
    let Some(world) = World::new(storage) else { return };
    let mut witness = Client::connect(world.server.addr);
    done(&mut witness, "CREATE STAGE lake");
    let before = world.stored();
    let large = noise(2, 20 << 20);
    let mut victim = Client::connect(world.server.addr);
    let id = victim.greeting.connection_id;
    for sent in [0, 100, large.len() / 2] {
        victim.begin_upload(&put("/tmp/new", ""));
        victim.send_part(&large[..sent]);
        done(&mut witness, &format!("KILL QUERY {id}"));
        // Nothing is told before the client has sent all.
        victim.send_part(&large[sent..]);
        assert_eq!(error(&victim.end_upload()).0, 1317, "{sent}");
        usable(&mut victim);
        until("nothing is left", || world.stored() == before);
    }
    // The next statement is another one.
    assert_eq!(status(&send(&mut victim, &put("/tmp/a", ""), b"a", 4096)), uploaded(1));
    witness.query("REMOVE @lake/a");
    victim.begin_upload(&put("/tmp/new", ""));
    victim.send_part(&large[..large.len() / 2]);
    done(&mut witness, &format!("KILL {id}"));
    assert!(victim.is_closed());
    until("nothing is left", || world.stored() == before);
}

fn rows_that_are_killed_end_with_an_error(storage: Storage) {
    let Some(world) = World::new(storage) else { return };
    let mut witness = Client::connect(world.server.addr);
    done(&mut witness, "CREATE STAGE lake");
    // More than fits between a server and a client that does not read.
    let large = noise(3, 48 << 20);
    let stored = send(&mut witness, &put("/tmp/large", ""), &large, MAX_PAYLOAD);
    assert_eq!(status(&stored), uploaded(large.len()));
    let mut victim = Client::connect(world.server.addr);
    victim.command(b"\x03GET @lake/large");
    victim.read();
    done(&mut witness, &format!("KILL QUERY {}", victim.greeting.connection_id));
    let end = loop {
        let packet = victim.read();
        assert!(packet[0] != 0xFE || packet.len() > 9, "all rows have come");
        if packet[0] == 0xFF {
            break packet;
        }
    };
    assert_eq!(u16::from_le_bytes([end[1], end[2]]), 1317);
    usable(&mut victim);
    // With its connection.
    victim.command(b"\x03GET @lake/large");
    victim.read();
    done(&mut witness, &format!("KILL {}", victim.greeting.connection_id));
    while let Ok(packet) = victim.try_read() {
        assert!(packet[0] != 0xFE || packet.len() > 9, "all rows have come");
        if packet[0] == 0xFF {
            assert_eq!(u16::from_le_bytes([packet[1], packet[2]]), 1927);
        }
    }
    world.until_connections(1);
}

fn a_client_that_dies_leaves_nothing(storage: Storage) {
    let Some(world) = World::new(storage) else { return };
    let mut witness = Client::connect(world.server.addr);
    done(&mut witness, "CREATE STAGE lake");
    let old = noise(1, 5000);
    for name in ["old", "old.large"] {
        let stored = send(&mut witness, &put(name, ""), &old, 4096);
        assert_eq!(status(&stored), uploaded(old.len()));
    }
    let before = world.stored();
    let large = noise(2, 20 << 20);
    // A directory without the old file, and the place of the old file.
    for (target, overwrite) in [("/tmp/new", "FALSE"), ("/tmp/old", "TRUE")] {
        for (moment, content, torn) in [
            ("asked", &large[..0], &b""[..]),
            ("in the first block", &large[..100], b""),
            ("in the header of a packet", &large[..100], b"\x10\x27"),
            ("in a packet", &large[..100], b"\x10\x27\0\x03and then"),
            ("after 20 MB", &large[..], b"\x10\x27\0\x03and then"),
            ("before the empty packet", &large[..], b""),
        ] {
            let mut client = Client::connect(world.server.addr);
            client.begin_upload(&put(target, &format!("OVERWRITE={overwrite}")));
            client.send_part(content);
            client.write_raw(torn);
            if content.len() > 10 << 20 {
                until("the upload has begun", || !world.unfinished().is_empty());
            }
            drop(client);
            world.until_connections(1);
            let case = format!("{target}, {moment}");
            assert_eq!(world.unfinished(), [""; 0], "{case}");
            assert_eq!(world.stored(), before, "{case}");
            assert!(world.read("lake", "old").expect("the old file") == old, "{case}");
        }
    }
    usable(&mut witness);
}

fn a_client_that_dies_in_an_archive_leaves_its_whole_members(storage: Storage) {
    let Some(world) = World::new(storage) else { return };
    let dir = tempfile::tempdir().expect("a temporary directory");
    for (name, size) in [("1small", 10), ("2large", 20 << 20), ("3after", 10)] {
        std::fs::write(dir.path().join(name), noise(3, size)).expect("written");
    }
    let mut tar = Command::new("tar");
    tar.args(["-cf", "-", "-C"]).arg(dir.path()).args(["1small", "2large", "3after"]);
    let archive = tar.output().expect("tar").stdout;
    let mut witness = Client::connect(world.server.addr);
    done(&mut witness, "CREATE STAGE lake");
    let mut client = Client::connect(world.server.addr);
    client.begin_upload(&put("/tmp/a.tar", "UNPACK=TAR"));
    client.send_part(&archive[..archive.len() - (1 << 20)]);
    until("the large one has begun", || !world.unfinished().is_empty());
    drop(client);
    world.until_connections(1);
    assert_eq!(world.unfinished(), [""; 0]);
    assert_eq!(world.list("lake"), [("1small".to_owned(), 10)]);
    usable(&mut witness);
}

fn packets_of_every_size_make_the_same_file(storage: Storage) {
    let Some(world) = World::new(storage) else { return };
    let mut client = Client::connect(world.server.addr);
    done(&mut client, "CREATE STAGE lake");
    let whole = noise(3, 2 * MAX_PAYLOAD + 100_003);
    for (packet, length) in [
        (1, 3000),
        (4092, 1_000_001),
        (4096, 1 << 20),
        (8192, 3_000_017),
        (16 * 1024, 3_000_017),
        (64 * 1024, 9 << 20),
        (1 << 20, 9_000_017),
        (MAX_PAYLOAD - 1, whole.len()),
    ] {
        // Something else first, for the same content again is not stored again.
        send(&mut client, &put("/tmp/a", "OVERWRITE=TRUE"), b"else", packet);
        let stored = send(&mut client, &put("/tmp/a", "OVERWRITE=TRUE"), &whole[..length], packet);
        assert_eq!(status(&stored), uploaded(length), "{packet}");
        assert!(world.read("lake", "a").expect("stored") == whole[..length], "{packet}");
        usable(&mut client);
    }
    assert_eq!(world.unfinished(), [""; 0]);
}

fn files_that_end_with_a_full_packet_are_whole(storage: Storage) {
    let Some(world) = World::new(storage) else { return };
    done(&mut Client::connect(world.server.addr), "CREATE STAGE lake");
    let whole = noise(4, 2 * MAX_PAYLOAD);
    for (name, empty_packets) in [
        ("MariaDB connector/Node", 1),
        ("aiomysql", 1),
        ("libmysql", 2),
        ("a driver that nobody knows", 2),
    ] {
        let mut client = connect_as(&world, name);
        for packets in [1, 2] {
            let content = &whole[..packets * MAX_PAYLOAD];
            client.begin_upload(&put("/tmp/a", "OVERWRITE=TRUE"));
            client.upload_packet = MAX_PAYLOAD;
            client.send_part(content);
            (1..empty_packets).for_each(|_| client.write(b""));
            let answer = client.end_upload();
            assert!(!matches!(answer, Response::Err(_)), "{name}: {answer:?}");
            assert!(world.read("lake", "a").expect("stored") == content, "{name}, {packets}");
            usable(&mut client);
        }
    }
}

fn the_next_command_in_the_place_of_a_file_is_executed(storage: Storage) {
    let Some(world) = World::new(storage) else { return };
    let mut client = Client::connect(world.server.addr);
    done(&mut client, "CREATE STAGE lake");
    for overwrite in ["", "OVERWRITE=TRUE", "ALLOW_EMPTY=TRUE"] {
        client.begin_upload(&put("/tmp/a", overwrite));
        let responses = client.query("SELECT 'next'");
        let [Response::Rows { rows, .. }] = &responses[..] else { panic!("{responses:?}") };
        assert_eq!(rows[..], [[Some("next".to_owned())]]);
        usable(&mut client);
        // In a text of several, what follows is not executed either.
        client.begin_upload(&format!("{}; CREATE STAGE never", put("/tmp/a", overwrite)));
        client.command(b"\x0E");
        assert_eq!(client.read()[0], 0);
        usable(&mut client);
        // Nor is a refusal by the next file.
        client.query("REMOVE @lake");
        client.begin_upload(&put("/tmp/a", overwrite));
        let stored = send(&mut client, &put("/tmp/b", "OVERWRITE=TRUE"), b"data", 4);
        assert_eq!(status(&stored), uploaded(4));
    }
    assert_eq!(world.list("lake"), [("b".to_owned(), 4)]);
    assert_eq!(world.unfinished(), [""; 0]);
    let stages = client.query("SHOW STAGES");
    assert!(matches!(&stages[..], [Response::Rows { rows, .. }] if rows.len() == 1), "{stages:?}");
}

fn nothing_at_all_is_one_error(storage: Storage) {
    let Some(world) = World::new(storage) else { return };
    for name in ["libmysql", "pymysql", "MariaDB connector/Node"] {
        let mut client = connect_as(&world, name);
        done(&mut client, "CREATE OR REPLACE STAGE lake");
        let _ = send(&mut client, &put("/tmp/old", ""), b"old", 4096);
        // The statement behind is not executed, so nothing follows the ERR.
        let several = format!("{}; SELECT 2", put("/tmp/old", "OVERWRITE=TRUE"));
        for sql in [put("/tmp/new", ""), put("/tmp/old", "OVERWRITE=TRUE"), several] {
            client.begin_upload(&sql);
            let (code, message) = error(&client.end_upload());
            assert_eq!(code, 1017, "{message}");
            assert!(message.starts_with("No data received for '/tmp/"), "{message}");
            usable(&mut client);
            assert_eq!(world.list("lake"), [("old".to_owned(), 3)]);
        }
        client.begin_upload(&put("/tmp/old", "OVERWRITE=TRUE ALLOW_EMPTY=TRUE"));
        assert!(!matches!(client.end_upload(), Response::Err(_)));
        client.begin_upload("PUT file:///tmp/z @lake ALLOW_EMPTY=TRUE");
        assert!(!matches!(client.end_upload(), Response::Err(_)));
        usable(&mut client);
        let files = world.list("lake");
        assert_eq!((files[0].0.as_str(), files[0].1, files[1].0.as_str()), ("old", 0, "z.gz"));
        assert_eq!(unpack(&world.read("lake", "z.gz").expect("stored")), b"");
        assert_eq!(world.unfinished(), [""; 0]);
    }
}

fn of_two_at_once_one_is_stored(storage: Storage) {
    let Some(world) = World::new(storage) else { return };
    let addr = world.server.addr;
    done(&mut Client::connect(addr), "CREATE STAGE lake");
    for (name, size) in [("small", 1000), ("large", 9 << 20)] {
        let contents = [noise(5, size), noise(6, size)];
        // Both have been asked before either has sent a byte, and end at the same time.
        let barrier = std::sync::Barrier::new(2);
        let results = thread::scope(|scope| {
            let clients = contents.each_ref().map(|content| {
                let barrier = &barrier;
                scope.spawn(move || {
                    let mut client = Client::connect(addr);
                    client.begin_upload(&put(name, "OVERWRITE=FALSE"));
                    barrier.wait();
                    client.send_part(content);
                    barrier.wait();
                    status(&client.end_upload())
                })
            });
            clients.map(|client| client.join().expect("no panic"))
        });
        let winner = usize::from(results[0].0 != "UPLOADED");
        assert_eq!(results[winner], uploaded(size), "{name}: {results:?}");
        assert_eq!(results[1 - winner], ("SKIPPED".to_owned(), 0), "{name}: {results:?}");
        assert!(world.read("lake", name).expect("stored") == contents[winner], "{name}");
        assert_eq!(world.unfinished(), [""; 0], "{name}");
    }
}

/// A user whose password is `word`, with these limits.
fn user(server: &Server, limits: &str) -> Options {
    let mut root = Client::connect(server.addr);
    done(&mut root, &format!("CREATE USER bob IDENTIFIED BY 'word' WITH {limits}"));
    Options { user: "bob".to_owned(), password: "word".to_owned(), ..Options::default() }
}

fn put_own(name: &str) -> String {
    format!("PUT 'file:///{name}' @~ AUTO_COMPRESS=FALSE")
}

fn used(client: &mut Client) -> u64 {
    let responses = client.query("LIST @~");
    let [Response::Rows { rows, .. }] = &responses[..] else { panic!("{responses:?}") };
    rows.iter().map(|row| row[1].as_deref().expect("a size").parse::<u64>().expect("bytes")).sum()
}

/// As a stock client does: it may be refused before it is asked for the file.
fn offer(client: &mut Client, sql: &str, content: &[u8]) -> Response {
    let content = content.to_vec();
    client.serve_files(move |_| Some(content.clone()));
    client.query(sql).pop().expect("an answer")
}

fn files_that_come_at_once_do_not_pass_a_quota_together(storage: Storage) {
    const QUOTA: usize = 4_500_000;
    let Some(world) = World::new(storage) else { return };
    let bob = user(&world.server, &format!("MAX_STAGE_BYTES {QUOTA}"));
    let connect = || Client::with(world.server.addr, &bob).expect("a log-in");
    // What is on its way is taken.
    let (mut one, mut other) = (connect(), connect());
    one.begin_upload(&put_own("one"));
    one.send_part(&noise(1, 3_000_000));
    until("the first file's bytes are reserved", || {
        let answer = offer(&mut other, &put_own("other"), &noise(2, 2_000_000));
        if let Response::Rows { .. } = answer {
            other.query("REMOVE @~/other");
            return false;
        }
        assert_eq!(error(&answer).0, 1226);
        true
    });
    usable(&mut other);
    assert_eq!(status(&one.end_upload()), uploaded(3_000_000));
    // Who dies gives it back.
    let mut third = connect();
    third.begin_upload(&put_own("third"));
    third.send_part(&noise(3, 1_400_000));
    drop(third);
    until("there is room again", || {
        let answer = offer(&mut other, &put_own("other"), &noise(2, 1_500_000));
        matches!(answer, Response::Rows { .. })
    });
    assert_eq!(used(&mut other), QUOTA as u64);
    // Many at once.
    let removed = other.query("REMOVE @~");
    assert!(matches!(removed[..], [Response::Rows { .. }]));
    let senders: Vec<_> = (0..8)
        .map(|n| {
            let mut client = connect();
            thread::spawn(move || {
                let answer = offer(&mut client, &put_own(&format!("f{n}")), &noise(n, 1_000_000));
                usable(&mut client);
                match &answer {
                    Response::Rows { .. } => assert_eq!(status(&answer), uploaded(1_000_000)),
                    Response::Ok { .. } | Response::Err(_) => {
                        assert_eq!(error(&answer).0, 1226);
                    }
                }
                u64::from(matches!(answer, Response::Rows { .. }))
            })
        })
        .collect();
    let stored: u64 = senders.into_iter().map(|sender| sender.join().expect("an answer")).sum();
    assert!(stored <= 4, "{stored} files");
    assert_eq!(used(&mut other), stored * 1_000_000);
    let room = QUOTA - usize::try_from(stored).expect("a few") * 1_000_000;
    assert_eq!(status(&offer(&mut other, &put_own("rest"), &noise(9, room))), uploaded(room));
    assert_eq!(error(&offer(&mut other, &put_own("more"), b"x")).0, 1226);
    until("nothing is left half-way", || world.unfinished().is_empty());
    other.query("REMOVE @~");
}

fn a_quota_knows_what_others_have_written(storage: Storage) {
    let Some(world) = World::new(storage) else { return };
    let bob = user(&world.server, "MAX_STAGE_BYTES 0");
    let mut client = Client::with(world.server.addr, &bob).expect("a log-in");
    done(&mut Client::connect(world.server.addr), "GRANT CREATE STAGE ON *.* TO bob");
    done(&mut client, "CREATE STAGE lake");
    assert_eq!(status(&offer(&mut client, &put_own("own"), b"12345")), uploaded(5));
    assert_eq!(status(&offer(&mut client, &put("/made", ""), b"123")), uploaded(3));
    // Nobody has counted so far.
    done(&mut Client::connect(world.server.addr), "ALTER USER bob WITH MAX_STAGE_BYTES 10");
    let (code, text) = error(&offer(&mut client, &put("/more", ""), b"123"));
    assert_eq!(code, 1226);
    assert!(text.contains("8 bytes are used, and at least 3 more are needed"), "{text}");
    assert_eq!(status(&offer(&mut client, &put("/more", ""), b"12")), uploaded(2));
    client.query("REMOVE @~; DROP STAGE lake");
}

#[test]
fn a_user_runs_no_more_statements_than_he_may() {
    let server = Server::start();
    let bob = user(&server, "MAX_USER_STATEMENTS 1");
    let connect = || Client::with(server.addr, &bob).expect("a log-in");
    let (mut one, mut other) = (connect(), connect());
    one.begin_upload(&put_own("a"));
    let (code, text) = error(&other.query("SELECT 1")[0]);
    assert_eq!(code, 1226);
    assert!(text.contains("'max_user_statements' resource (current value: 1)"), "{text}");
    // Nobody else is bounded, and what runs can be ended.
    assert!(matches!(Client::connect(server.addr).query("SELECT 1")[..], [Response::Rows { .. }]));
    done(&mut other, &format!("KILL QUERY {}", one.greeting.connection_id));
    one.send_part(b"x");
    assert_eq!(error(&one.end_upload()).0, 1317);
    assert!(matches!(other.query("SELECT 1")[..], [Response::Rows { .. }]));
    assert!(matches!(one.query("SELECT 1")[..], [Response::Rows { .. }]));
}

fn a_stage_that_is_gone_takes_no_files(storage: Storage) {
    let Some(world) = World::new(storage) else { return };
    let mut other = Client::connect(world.server.addr);
    for replace in
        [&["DROP STAGE lake", "CREATE STAGE lake"][..], &["CREATE OR REPLACE STAGE lake"]]
    {
        for (size, older) in [(1000, false), (1000, true), (20 << 20, false), (20 << 20, true)] {
            done(&mut other, "CREATE OR REPLACE STAGE lake");
            if older {
                let _ = send(&mut other, &put("/tmp/older", ""), b"older", 4096);
            }
            let mut client = Client::connect(world.server.addr);
            client.begin_upload(&put("/tmp/a", ""));
            client.send_part(&noise(7, size));
            if size > 10 << 20 {
                until("the upload has begun", || !world.unfinished().is_empty());
            }
            replace.iter().for_each(|sql| done(&mut other, sql));
            let answer = client.end_upload();
            usable(&mut client);
            assert_eq!(world.list("lake"), [], "{replace:?}, {size}: {answer:?}");
            assert_eq!(world.unfinished(), [""; 0], "{replace:?}, {size}: {answer:?}");
            // Nor does it belong to nobody.
            assert_eq!(error(&answer).0, 1017, "{replace:?}, {size}");
            assert_eq!(world.stored(), [""; 0], "{replace:?}, {size}");
        }
    }
}

fn unpack(packed: &[u8]) -> Vec<u8> {
    let mut unpacked = Vec::new();
    MultiGzDecoder::new(packed).read_to_end(&mut unpacked).expect("gzip");
    unpacked
}

fn compressed_files_unpack_to_their_source(storage: Storage) {
    let Some(world) = World::new(storage) else { return };
    let mut client = Client::connect(world.server.addr);
    done(&mut client, "CREATE STAGE lake");
    let table: Vec<u8> =
        (0..200_000).flat_map(|n: u64| format!("{n},{}\n", n * n % 9973).into_bytes()).collect();
    for (name, source) in [("table", table), ("noise", noise(8, 3 << 20)), ("one", vec![b'x'])] {
        let mut packed = Vec::new();
        for packet in [16 * 1024, 1 << 20, 777] {
            client.query(&format!("REMOVE @lake/{name}"));
            let sql = format!("PUT file:///tmp/{name} @lake OVERWRITE=TRUE");
            let answer = send(&mut client, &sql, &source, packet);
            let stored = world.read("lake", &format!("{name}.gz")).expect("stored");
            assert_eq!(status(&answer), uploaded(stored.len()), "{name}");
            assert!(unpack(&stored) == source, "{name}, {packet}");
            packed.push(stored);
        }
        assert!(packed[0] == packed[1] && packed[1] == packed[2], "{name}: not the same bytes");
    }
    let (table, packed) = (&world.list("lake")[2], 3_000_000);
    assert!(table.0 == "table.gz" && table.1 < packed, "it is smaller: {table:?}");
}

fn without_the_md5_files_are_told_apart_all_the_same(storage: Storage) {
    let world = World::with_config(storage, |config, _| config.transfer.md5 = false);
    let Some(world) = world else { return };
    let mut client = Client::connect(world.server.addr);
    done(&mut client, "CREATE STAGE lake");
    // In one part and in several, by what is kept beside the files.
    for (name, size) in [("small", 1000), ("large", 20 << 20)] {
        let (first, second) = (noise(1, size), noise(2, size + 1));
        let sql = put(&format!("/{name}"), "OVERWRITE=TRUE");
        assert_eq!(status(&send(&mut client, &sql, &first, 1 << 20)), uploaded(size));
        let again = status(&send(&mut client, &sql, &first, 1 << 20));
        assert_eq!(again, ("SKIPPED".to_owned(), 0), "{name}");
        assert_eq!(status(&send(&mut client, &sql, &second, 1 << 20)), uploaded(size + 1));
        let listed = client.query(&format!("LIST @lake/{name}"));
        let Response::Rows { rows, .. } = &listed[0] else { panic!("{listed:?}") };
        // S3 says it of what came in one part.
        assert_eq!(rows[0][2].is_some(), storage == Storage::S3 && name == "small", "{rows:?}");
    }
}

fn a_file_that_is_skipped_is_not_asked_for(storage: Storage) {
    let Some(world) = World::new(storage) else { return };
    let mut client = Client::connect(world.server.addr);
    done(&mut client, "CREATE STAGE lake");
    let _ = send(&mut client, &put("/tmp/a", ""), b"first", 4096);
    let answers = client.query(&put("/tmp/a", ""));
    assert_eq!(status(&answers[0]), ("SKIPPED".to_owned(), 0));
    assert_eq!(world.read("lake", "a").expect("stored"), b"first");
}

fn a_thousand_files_go_by_one_pattern_and_the_second_time_none_is_asked_for(storage: Storage) {
    let Some(world) = World::new(storage) else { return };
    let dir = tempfile::tempdir().expect("a temporary directory");
    for number in 0..1000 {
        std::fs::write(dir.path().join(format!("{number:03}.csv")), "x").expect("written");
    }
    let mut client = connect_as(&world, "libmysql");
    done(&mut client, "CREATE STAGE lake");
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    client.serve_files(move |path| {
        counter.fetch_add(1, Ordering::Relaxed);
        // Not what the server could have read itself.
        Some(format!("from the client: {path}").into_bytes())
    });
    let sql = format!("PUT 'file://{}/*.csv' @lake/in PARALLEL=8", dir.path().display());
    for (expected, requests) in [("UPLOADED", 1000), ("SKIPPED", 1000)] {
        let responses = client.query(&sql);
        let [Response::Rows { rows, .. }] = responses.as_slice() else { panic!("{responses:?}") };
        assert_eq!(rows.len(), 1000);
        assert!(rows.iter().enumerate().all(|(number, row)| {
            row[0].as_deref() == Some(format!("{number:03}.csv").as_str())
                && row[6].as_deref() == Some(expected)
        }));
        assert_eq!(asked.load(Ordering::Relaxed), requests);
    }
    let listed = world.list("lake");
    assert_eq!(listed.len(), 1000);
    let stored = unpack(&world.read("lake", "in/007.csv.gz").expect("stored"));
    assert!(stored.starts_with(b"from the client: ") && stored.ends_with(b"/007.csv"));
    assert_eq!(world.unfinished(), [""; 0]);
}

fn a_parameter_is_stored_as_it_is(storage: Storage) {
    let Some(world) = World::new(storage) else { return };
    let mut client = Client::connect(world.server.addr);
    done(&mut client, "CREATE STAGE lake");
    let content = noise(11, 3_000_017);
    let statement = client.prepare("CALL STAGE_PUT('@lake/d/a', ?)").expect("prepared");
    assert_eq!((statement.parameters, statement.columns.len()), (1, 8));
    let answers = client.execute(&statement, &[Parameter::Bytes(content.clone())]);
    assert_eq!(status(&answers[0]), uploaded(content.len()));
    assert!(world.read("lake", "d/a").expect("stored") == content);
    // In pieces: COM_STMT_SEND_LONG_DATA for the first parameter, each without an answer.
    done(&mut client, "DROP STAGE lake");
    done(&mut client, "CREATE STAGE lake");
    for piece in content.chunks(1 << 20) {
        let mut command = vec![0x18];
        command.extend_from_slice(&statement.id.to_le_bytes());
        command.extend_from_slice(&[0, 0]);
        command.extend_from_slice(piece);
        client.command(&command);
    }
    let answers = client.execute_long(&statement);
    assert_eq!(status(&answers[0]), uploaded(content.len()));
    assert!(world.read("lake", "d/a").expect("stored") == content);
}

/// By the attributes that clients say of themselves.
#[test]
fn the_answer_is_what_the_client_takes() {
    let server = Server::start();
    let (name, program) = ("_client_name", "program_name");
    let cases: [(&[(&str, &str)], bool); 8] = [
        (&[(name, "libmysql"), (program, "mysql")], true),
        (&[(name, "libmysql")], true),
        (&[(name, "libmariadb"), (program, "mariadb")], true),
        (&[(name, "libmariadb")], false),
        (&[(name, "libmariadb"), (program, "a.out"), ("_client_name2", "maodbc")], false),
        (&[(name, "pymysql")], false),
        (&[(name, "mysql-connector-python")], false),
        (&[], false),
    ];
    for (attributes, takes_rows) in cases {
        let pairs = attributes.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let options = Options { attributes: pairs.collect(), ..Options::default() };
        let mut client = Client::with(server.addr, &options).expect("a log-in");
        done(&mut client, "CREATE OR REPLACE STAGE lake");
        let answer = send(&mut client, &put("/tmp/a", ""), b"data", 4096);
        usable(&mut client);
        if takes_rows {
            assert_eq!(status(&answer), uploaded(4), "{attributes:?}");
            continue;
        }
        let Response::Ok { affected, info, .. } = answer else { panic!("{attributes:?}") };
        let expected = "UPLOADED: a, 4 bytes -> @lake/a, 4 bytes";
        assert_eq!((affected, info.as_str()), (1, expected), "{attributes:?}");
    }
}

#[test]
fn a_client_that_sends_no_files_is_not_asked() {
    let server = Server::start();
    let capabilities = cap::USUAL & !cap::LOCAL_FILES;
    let options = Options { capabilities, ..Options::default() };
    let mut client = Client::with(server.addr, &options).expect("a log-in");
    done(&mut client, "CREATE STAGE lake");
    let answers = client.query(&put("/tmp/a", ""));
    assert_eq!(error(&answers[0]).0, 3948);
    usable(&mut client);
}

/// Uploads to a storage that fails: the client is heard to its end, then told once.
fn fails_with(client: &mut Client, sql: &str, content: &[u8], code: u16) {
    let answer = send(client, sql, content, 16 * 1024);
    let (found, message) = error(&answer);
    assert_eq!(found, code, "{sql}: {message}");
    usable(client);
}

#[test]
fn a_directory_that_turns_into_a_file_takes_nothing() {
    let Some(world) = World::new(Storage::Fs) else { return };
    let mut client = Client::connect(world.server.addr);
    let dir = world.external_dir().join("lake");
    done(&mut client, &format!("CREATE STAGE lake URL='fs://{}/'", dir.display()));
    for size in [1000, 20 << 20] {
        let content = noise(9, size);
        client.begin_upload(&put("/tmp/a", ""));
        client.send_part(&content[..size / 2]);
        until("the upload has begun", || size < 1 << 20 || !files_below(&dir).is_empty());
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::write(&dir, b"in the way").expect("written");
        client.send_part(&content[size / 2..]);
        let (code, message) = error(&client.end_upload());
        assert_eq!(code, 1030, "{size}: {message}");
        usable(&mut client);
        fails_with(&mut client, &put("/tmp/b", "OVERWRITE=TRUE"), &content, 1030);
        assert_eq!(std::fs::read(&dir).expect("the file"), b"in the way");
        std::fs::remove_file(&dir).expect("removed");
    }
    // The directory comes back with the next file.
    let answer = send(&mut client, &put("/tmp/a", ""), b"data", 4096);
    assert_eq!(status(&answer), uploaded(4));
    assert_eq!(std::fs::read(dir.join("a")).expect("the file"), b"data");
}

#[test]
fn a_bucket_that_refuses_takes_nothing() {
    let Some(world) = World::new(Storage::S3) else { return };
    let mut client = Client::connect(world.server.addr);
    let bucket = world.bucket();
    let stage = |name: &str, bucket_name: &str, secret: &str| {
        let options = bucket.options().into_iter().map(|(key, value)| match key {
            "SECRET_ACCESS_KEY" => format!("{key}='{secret}'"),
            _ => format!("{key}='{value}'"),
        });
        let options: Vec<String> = options.collect();
        let url = format!("s3://{bucket_name}/{}/{name}/", world.run);
        format!("CREATE STAGE {name} URL='{url}' CONNECTION=({})", options.join(" "))
    };
    done(&mut client, &stage("wrong_key", &bucket.name, "not the secret"));
    done(&mut client, &stage("no_bucket", "no-such-bucket-anywhere", &bucket.secret));
    for (stage, code) in [("wrong_key", 1142), ("no_bucket", 1017)] {
        for size in [1000, 20 << 20] {
            let sql = format!("PUT file:///tmp/a @{stage} AUTO_COMPRESS=FALSE OVERWRITE=TRUE");
            fails_with(&mut client, &sql, &noise(10, size), code);
        }
        // Without OVERWRITE it is known before the client is asked.
        let answers = client.query(&format!("PUT file:///tmp/a @{stage}"));
        assert_eq!(error(&answers[0]).0, code, "{answers:?}");
        usable(&mut client);
    }
    assert_eq!(world.unfinished(), [""; 0]);
}

#[test]
fn a_full_disk_is_error_1021_and_507() {
    let Some(disk) = SmallDisk::mount() else { return };
    let data_dir: PathBuf = disk.path().join("data");
    let mut server = Server::open(config(&data_dir)).expect("a server");
    let mut client = Client::connect(server.addr);
    done(&mut client, "CREATE STAGE lake");
    let large = noise(11, 40 << 20);
    let before = files_below(&data_dir);
    for packet in [4096, 1 << 20] {
        client.upload_packet = packet;
        fails_with(&mut client, &put("/tmp/a", ""), &large, 1021);
        assert_eq!(files_below(&data_dir), before);
    }
    let form = http::form(&[("a", &large)]);
    let content_type = format!("multipart/form-data; boundary={}", http::BOUNDARY);
    let headers = [
        ("stage_name", "lake"),
        ("Authorization", http::ROOT),
        ("Content-Type", content_type.as_str()),
    ];
    let answer = http::send(server.http_addr, "PUT", "/v1/upload_to_stage", &headers, &form);
    assert_eq!(answer.status, 507, "{}", answer.body);
    assert_eq!(files_below(&data_dir), before);
    // What fits is stored.
    let answer = send(&mut client, &put("/tmp/b", ""), &large[..1 << 20], 1 << 16);
    assert_eq!(status(&answer), uploaded(1 << 20));
    server.stop();
}

/// Idle and peak memory of a server that takes a file in packets of 4 KiB, in KiB.
fn memory_for(size: usize, stage: &str) -> (u64, u64) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let server = Process::start(dir.path());
    let before = server.peak_kib();
    let mut client = Client::connect(server.addr);
    done(&mut client, stage);
    let megabyte = noise(12, 1 << 20);
    client.begin_upload(&put("/tmp/a", ""));
    let mut packets = Vec::new();
    for _ in 0..size / megabyte.len() {
        packets.clear();
        for chunk in megabyte.chunks(4096) {
            packets.extend(packet(client.sequence, chunk));
            client.sequence = client.sequence.wrapping_add(1);
        }
        client.write_raw(&packets);
    }
    assert_eq!(status(&client.end_upload()), uploaded(size));
    assert_eq!(unfinished_files(dir.path()), [""; 0]);
    let peak = server.peak_kib();
    client.query("REMOVE @lake");
    (before, peak)
}

#[test]
fn a_large_file_needs_little_memory() {
    let (idle, peak) = memory_for(300 << 20, "CREATE STAGE lake");
    eprintln!("300 MB in packets of 4 KiB: {} MiB at most, {} MiB idle", peak >> 10, idle >> 10);
    assert!(peak < 200 << 10, "{peak} KiB");
}

/// The storage is faster than the client: whatever keeps the parts that have been sent, shows.
#[test]
fn a_large_file_needs_little_memory_on_its_way_to_s3() {
    let Some(bucket) = Bucket::from_env() else { return };
    let options = bucket.options().into_iter().map(|(name, value)| format!("{name}='{value}'"));
    let options = options.collect::<Vec<_>>().join(" ");
    let url = format!("s3://{}/memory-{}/", bucket.name, std::process::id());
    let stage = format!("CREATE STAGE lake URL='{url}' CONNECTION=({options})");
    let (idle, peak) = memory_for(600 << 20, &stage);
    eprintln!("600 MB to S3: {} MiB at most, {} MiB idle", peak >> 10, idle >> 10);
    assert!(peak < 200 << 10, "{peak} KiB");
}
