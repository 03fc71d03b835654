//! Tables whose rows are changed from several sides at once, on one server, and on two over one storage: what was
//! acknowledged counts, and counts once. A server that is killed in the middle leaves nothing by half.

#![cfg(feature = "query")]

mod support;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use support::client::{Client, Response};
use support::process::Process;
use support::server::Server;
use support::world::{Storage, World, files_below};

/// The files of a load.
const FILES: usize = 6;

/// The rows of each.
const ROWS: usize = 50;

/// Those who change a table at once.
const WRITERS: usize = 4;

fn done(client: &mut Client, sql: &str) -> Response {
    let answer = client.query(sql).pop().expect("an answer");
    assert!(!matches!(answer, Response::Err(_)), "{sql}: {answer:?}");
    answer
}

fn rows(client: &mut Client, sql: &str) -> Vec<Vec<Option<String>>> {
    match done(client, sql) {
        Response::Rows { rows, .. } => rows,
        other @ (Response::Ok { .. } | Response::Err(_)) => panic!("{sql}: {other:?}"),
    }
}

fn number(client: &mut Client, sql: &str) -> usize {
    let rows = rows(client, sql);
    rows[0][0].as_deref().and_then(|text| text.parse().ok()).expect("a number")
}

/// The stage `lake` with files `/part<n>.csv`, in which each number is once, and the table `t` for them.
fn fill(client: &mut Client) {
    done(client, "CREATE STAGE lake");
    done(client, "CREATE TABLE t (x INT NOT NULL, note VARCHAR(20) DEFAULT 'none')");
    let content = |file: usize| -> String {
        (file * ROWS..(file + 1) * ROWS).map(|x| format!("{x}\n")).collect()
    };
    let files: BTreeMap<String, Vec<u8>> =
        (0..FILES).map(|file| (format!("/part{file}.csv"), content(file).into_bytes())).collect();
    let names: Vec<String> = files.keys().map(|name| format!("'file://{name}'")).collect();
    client.serve_map(files);
    done(client, &format!("PUT {} @lake", names.join(", ")));
}

/// Each number of the files is there once.
fn assert_whole(client: &mut Client) {
    let counts = rows(client, "SELECT COUNT(*), COUNT(DISTINCT x), MIN(x), MAX(x) FROM t");
    let all = (FILES * ROWS).to_string();
    let last = (FILES * ROWS - 1).to_string();
    let counts: Vec<_> = counts[0].iter().flatten().map(String::as_str).collect();
    assert_eq!(counts, [all.as_str(), all.as_str(), "0", last.as_str()]);
}

/// Where the writers connect: to each server in turn.
fn addresses(world: &World, other: Option<&Server>) -> Vec<SocketAddr> {
    let servers = [Some(&world.server), other];
    let servers: Vec<_> = servers.into_iter().flatten().map(|server| server.addr).collect();
    servers.into_iter().cycle().take(WRITERS).collect()
}

/// Runs the same at all of them at once.
fn at_once<T: Send>(
    addresses: &[SocketAddr],
    work: impl Fn(usize, &mut Client) -> T + Sync,
) -> Vec<T> {
    std::thread::scope(|scope| {
        let work = &work;
        let spawned: Vec<_> = addresses
            .iter()
            .enumerate()
            .map(|(writer, addr)| scope.spawn(move || work(writer, &mut Client::connect(*addr))))
            .collect();
        spawned.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}

const COPY: &str = "COPY INTO t (x) FROM @lake FILE_FORMAT = (TYPE = CSV)";

fn a_file_is_loaded_once(storage: Storage) {
    let Some((world, other)) = World::of_two(storage) else { return };
    let mut client = Client::connect(world.server.addr);
    fill(&mut client);
    let addresses = addresses(&world, other.as_ref());
    for _ in 0..3 {
        done(&mut client, "TRUNCATE t");
        let forget = "CREATE OR REPLACE TABLE t (x INT NOT NULL, note VARCHAR(20) DEFAULT 'none')";
        done(&mut client, forget);
        let reports = at_once(&addresses, |_, client| rows(client, COPY));
        let loaded = reports.iter().flatten().filter(|row| row[1].as_deref() == Some("LOADED"));
        assert_eq!(loaded.count(), FILES, "{reports:?}");
        let skipped = reports.iter().flatten().filter(|row| row[1].as_deref() == Some("SKIPPED"));
        assert_eq!(skipped.count(), FILES * (WRITERS - 1), "{reports:?}");
        assert_whole(&mut client);
    }
    done(&mut client, "DROP TABLE t");
}

/// Changes one row. Zero, if others were first again and again.
fn acknowledged(client: &mut Client, sql: &str) -> usize {
    match client.query(sql).pop() {
        Some(Response::Ok { affected: 1, .. }) => 1,
        Some(Response::Err(refusal)) if refusal.code == 1213 => 0,
        other => panic!("{sql}: {other:?}"),
    }
}

fn what_is_acknowledged_counts(storage: Storage) {
    const EACH: usize = 5;
    let Some((world, other)) = World::of_two(storage) else { return };
    let mut client = Client::connect(world.server.addr);
    fill(&mut client);
    done(&mut client, COPY);
    done(&mut client, "CREATE TABLE counter (n INT)");
    done(&mut client, "INSERT INTO counter VALUES (0)");
    // Of two servers one each: they are in each other's way, and those of one server wait for each other besides.
    let mut addresses = addresses(&world, other.as_ref());
    addresses.truncate(if other.is_some() { 2 } else { WRITERS });
    let did = at_once(&addresses, |writer, client| {
        let (mut counted, mut deleted) = (0, 0);
        for turn in 0..EACH {
            let number = writer * EACH + turn;
            // Rows of one file, and so in each other's way.
            deleted += acknowledged(client, &format!("DELETE FROM t WHERE x = {number}"));
            done(client, &format!("INSERT INTO t VALUES ({}, 'new')", 1000 + number));
            counted += acknowledged(client, "UPDATE counter SET n = n + 1");
        }
        (counted, deleted)
    });
    let (counted, deleted) =
        did.into_iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    eprintln!("{counted} counted, {deleted} deleted");
    assert_eq!(number(&mut client, "SELECT n FROM counter"), counted);
    let all = addresses.len() * EACH;
    assert_eq!(number(&mut client, "SELECT COUNT(*) FROM t WHERE note = 'new'"), all);
    let stayed = format!("SELECT COUNT(*) FROM t WHERE x < {all}");
    assert_eq!(number(&mut client, &stayed), all - deleted);
    assert_eq!(number(&mut client, "SELECT COUNT(*) FROM t"), FILES * ROWS + all - deleted);
    if other.is_none() {
        assert_eq!((counted, deleted), (all, all), "on one server they wait for each other");
    }
    done(&mut client, "DROP TABLE t");
    done(&mut client, "DROP TABLE counter");
}

#[test]
fn a_file_is_loaded_once_on_fs() {
    a_file_is_loaded_once(Storage::Fs);
}

#[test]
fn a_file_is_loaded_once_on_s3() {
    a_file_is_loaded_once(Storage::S3);
}

#[test]
fn what_is_acknowledged_counts_on_fs() {
    what_is_acknowledged_counts(Storage::Fs);
}

#[test]
fn what_is_acknowledged_counts_on_s3() {
    what_is_acknowledged_counts(Storage::S3);
}

/// At any moment of a load: its rows are there all or not at all, and another load brings the rest.
#[test]
fn a_server_that_is_killed_leaves_no_half_load() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut server = Process::start(dir.path());
    fill(&mut Client::connect(server.addr));
    let mut seen = [0; 2];
    for moment in 0..12 {
        let mut client = Client::connect(server.addr);
        let table = "CREATE OR REPLACE TABLE t (x INT NOT NULL, note VARCHAR(20) DEFAULT 'none')";
        done(&mut client, table);
        client.command(&[b"\x03", COPY.as_bytes()].concat());
        std::thread::sleep(Duration::from_millis(moment * 15));
        server.kill();
        server = Process::start(dir.path());
        let mut client = Client::connect(server.addr);
        let before = number(&mut client, "SELECT COUNT(*) FROM t");
        assert!(before == 0 || before == FILES * ROWS, "{before}");
        seen[usize::from(before > 0)] += 1;
        done(&mut client, COPY);
        assert_whole(&mut client);
    }
    eprintln!("killed before the commit {} times, behind it {}", seen[0], seen[1]);
    let mut client = Client::connect(server.addr);
    done(&mut client, "DROP TABLE t");
    done(&mut client, "DROP STAGE lake");
    let left = files_below(&dir.path().join("files"));
    assert!(left.is_empty(), "{left:?}");
}

/// Rows of a statement that is ended are in no file that stays.
#[test]
fn what_was_written_in_vain_is_removed() {
    let world = World::new(Storage::Fs).expect("directories are always there");
    let mut client = Client::connect(world.server.addr);
    fill(&mut client);
    done(&mut client, COPY);
    let before = world.stored();
    let wrong = "INSERT INTO t (x) SELECT IF(a.x = 299, NULL, a.x) FROM t a JOIN t b ON b.x < 200 ORDER BY a.x";
    match client.query(wrong).pop() {
        Some(Response::Err(refusal)) => assert_eq!(refusal.code, 1048, "{refusal:?}"),
        other => panic!("{other:?}"),
    }
    support::server::until("its files are gone", || world.stored() == before);
    assert_whole(&mut client);
}

/// What `OPTIMIZE TABLE` leaves: the same rows, in one file, and nothing that doesn't count.
#[test]
fn old_files_go_when_it_is_time() {
    let world = World::with_config(Storage::Fs, |config, _| config.query.removed_files_hours = 0);
    let world = world.expect("directories are always there");
    let mut client = Client::connect(world.server.addr);
    fill(&mut client);
    for _ in 0..FILES {
        done(&mut client, &format!("{COPY} SIZE_LIMIT = 1"));
    }
    done(&mut client, "UPDATE t SET note = 'old' WHERE x = 0");
    assert_whole(&mut client);
    let files = || {
        let all = world.stored().into_iter();
        all.filter(|name| name.contains("/rows/") && name.ends_with(".parquet")).count()
    };
    assert_eq!(files(), FILES + 1);
    std::thread::sleep(Duration::from_millis(5));
    let said = rows(&mut client, "OPTIMIZE TABLE t");
    assert_eq!(said[0][3].as_deref(), Some("6 small files are put together, 7 old files are gone"));
    assert_eq!(said[1][3].as_deref(), Some("OK"));
    assert_eq!(files(), 1);
    assert_whole(&mut client);
    // What was loaded is still known.
    let again = rows(&mut client, COPY);
    assert!(again.iter().all(|row| row[1].as_deref() == Some("SKIPPED")), "{again:?}");
    done(&mut client, "INSERT INTO t VALUES (-1, 'more')");
    assert_eq!(number(&mut client, "SELECT COUNT(*) FROM t"), FILES * ROWS + 1);
}
