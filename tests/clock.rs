//! A clock that jumps while the server runs, by years and in both directions, and servers whose clocks differ.
//!
//! The server runs with `libfaketime`, which is told by a file how wrong the clock is. It leaves the clock that durations
//! are measured by (`Instant`) as it is, as an operator who sets the time does. Where there is no such library the tests
//! are skipped, which is announced; CI has to have it.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use jiff::{SignedDuration, Timestamp};
use support::bare_s3::BareS3;
use support::client::{Client, Options, Response};
use support::http;
use support::line::trusting;
use support::process::{Process, program};
use support::s3::Bucket;
use support::server::until;
use support::world::noise;

/// Where Debian's package `libfaketime` has it.
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";

/// As far as it may be from what was set, whatever the machine is busy with.
const NEAR: i64 = 30 * 60;

const HOUR: i64 = 60 * 60;
const DAY: i64 = 24 * HOUR;
const TEN_YEARS: i64 = 3650 * DAY;

/// A clock of a server.
struct Clock {
    library: PathBuf,
    file: PathBuf,
}

impl Clock {
    /// A right one, for now. `None` where there is no library.
    fn new(dir: &Path) -> Option<Clock> {
        let found = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
        let mut found = found.map(|entry| entry.path().join(LIBRARY));
        let Some(library) = found.find(|library| library.exists()) else {
            assert!(std::env::var_os("CI").is_none(), "there is no {LIBRARY}");
            eprintln!("skipped: there is no {LIBRARY} (Debian: faketime)");
            return None;
        };
        let clock = Clock { library, file: dir.join("clock") };
        clock.set(0);
        Some(clock)
    }

    /// From here on it is so many seconds fast.
    fn set(&self, seconds: i64) {
        let new = self.file.with_extension("new");
        std::fs::write(&new, format!("{seconds:+}")).expect("written");
        std::fs::rename(new, &self.file).expect("renamed");
    }

    /// Gives it to a program.
    fn of<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("LD_PRELOAD", &self.library)
            .env("FAKETIME_TIMESTAMP_FILE", &self.file)
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            // The times of files are the kernel's.
            .env("NO_FAKE_STAT", "1")
    }

    /// Sets it, and waits until the server thinks so.
    fn jump(&self, client: &mut Client, seconds: i64) {
        self.set(seconds);
        let now = text(client, "SELECT UNIX_TIMESTAMP()").parse::<i64>().expect("a number");
        let ahead = now - Timestamp::now().as_second();
        assert!((ahead - seconds).abs() < NEAR, "{ahead} instead of {seconds}");
    }
}

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

/// A server with this configuration.
fn server(dir: &Path, clock: &Clock, config: &str) -> Process {
    let file = dir.join("stagewire.toml");
    std::fs::write(&file, config).expect("written");
    let mut command = program(&dir.join("data"));
    command.arg("--config").arg(file).env("STAGEWIRE_SECRET_KEY", "ab".repeat(32));
    clock.of(&mut command);
    Process::spawn(command)
}

fn rows(client: &mut Client, sql: &str) -> Vec<Vec<Option<String>>> {
    match client.query(sql).pop() {
        Some(Response::Rows { rows, .. }) => rows,
        other => panic!("{sql}: {other:?}"),
    }
}

/// The only value of the only row.
fn text(client: &mut Client, sql: &str) -> String {
    rows(client, sql)[0].last().cloned().flatten().expect("not NULL")
}

/// The first column.
fn names(client: &mut Client, sql: &str) -> Vec<String> {
    rows(client, sql).into_iter().map(|mut row| row.remove(0).expect("not NULL")).collect()
}

fn done(client: &mut Client, sql: &str) {
    let answer = client.query(sql);
    assert!(matches!(answer[..], [Response::Ok { .. }]), "{sql}: {answer:?}");
}

fn refused(client: &mut Client, sql: &str) -> (u16, String) {
    match client.query(sql).pop() {
        Some(Response::Err(refusal)) => (refusal.code, refusal.message),
        other => panic!("{sql}: {other:?}"),
    }
}

fn put(client: &mut Client, stage: &str, name: &str, content: &[u8]) {
    client.begin_upload(&format!("PUT file:///tmp/{name} @{stage} AUTO_COMPRESS=FALSE"));
    client.send_part(content);
    is_uploaded(&client.end_upload());
}

fn is_uploaded(answer: &Response) {
    let Response::Rows { rows, .. } = answer else { panic!("{answer:?}") };
    assert_eq!(rows[0][6].as_deref(), Some("UPLOADED"));
}

#[test]
fn all_goes_on_behind_a_jump() {
    let dir = directory();
    let Some(clock) = Clock::new(dir.path()) else { return };
    let server = server(dir.path(), &clock, "");
    let mut client = Client::connect(server.addr);
    done(&mut client, "CREATE STAGE lake");
    let prepared = client.prepare("SELECT ? + 1").expect("prepared");
    put(&mut client, "lake", "a", b"first");
    let signed = text(&mut client, "PRESIGN @lake/a EXPIRE = 3600");
    let fetched = |url: &str| {
        let path = url.splitn(4, '/').nth(3).expect("a path");
        http::send(server.http_addr, "GET", &format!("/{path}"), &[], b"").status
    };
    for (turn, seconds) in [TEN_YEARS, -TEN_YEARS, HOUR / 2, 0].into_iter().enumerate() {
        // The connection has waited since before the jump, and is not idle for too long.
        clock.jump(&mut client, seconds);
        let stage = format!("lake{turn}");
        done(&mut client, &format!("CREATE STAGE {stage}"));
        done(&mut client, &format!("ALTER STAGE {stage} SET COMMENT = 'a'"));
        done(&mut client, &format!("CREATE OR REPLACE STAGE {stage}"));
        put(&mut client, &stage, "a", b"content");
        assert_eq!(names(&mut client, &format!("LIST @{stage}")), ["a"]);
        let again = client.query(&format!("LIST @{stage} PATTERN='.*'"));
        assert!(matches!(again[..], [Response::Rows { .. }]), "{again:?}");
        done(&mut client, &format!("ALTER STAGE {stage} RENAME TO {stage}_new"));
        let answer = client.execute(&prepared, &[support::client::Parameter::Int(41)]);
        assert!(matches!(answer[..], [Response::Rows { .. }]), "{answer:?}");
        assert_eq!(names(&mut client, "LIST @lake"), ["a"]);
        let user = format!("bob{turn}");
        done(&mut client, &format!("CREATE USER {user} IDENTIFIED BY 'secret'"));
        let options =
            Options { user: user.clone(), password: "secret".to_owned(), ..Options::default() };
        Client::with(server.addr, &options).expect("a log-in");
        // What is signed now is good now; what was signed before is not, in years.
        let new = text(&mut client, "PRESIGN @lake/a EXPIRE = 60");
        assert_eq!(fetched(&new), 200, "{seconds}");
        let expected = if seconds == TEN_YEARS { 403 } else { 200 };
        assert_eq!(fetched(&signed), expected, "{seconds}");
        let health = http::send(server.http_addr, "GET", "/health", &[], b"");
        assert_eq!(health.status, 200);
        let date = health.head.lines().find_map(|line| line.strip_prefix("date: "));
        let date = jiff::fmt::rfc2822::parse(date.expect("a time")).expect("a time").timestamp();
        let ahead = date.as_second() - Timestamp::now().as_second();
        assert!((ahead - seconds).abs() < NEAR, "{ahead} instead of {seconds}");
    }
    // Durations are those of another clock.
    let uptime = text(&mut client, "SHOW STATUS LIKE 'Uptime'").parse::<i64>();
    assert!(uptime.as_ref().is_ok_and(|uptime| *uptime < HOUR), "{uptime:?}");
    let expected = ["lake", "lake0_new", "lake1_new", "lake2_new", "lake3_new"];
    assert_eq!(names(&mut client, "SHOW STAGES"), expected);
    // The catalog is read anew in the past, and is the same.
    clock.set(-TEN_YEARS);
    drop((client, server));
    let server = self::server(dir.path(), &clock, "");
    let mut client = Client::connect(server.addr);
    assert_eq!(names(&mut client, "SHOW STAGES"), expected);
    assert_eq!(names(&mut client, "LIST @lake"), ["a"]);
}

/// Two days later, another stage looks into the same directory for what was left there.
#[test]
fn what_this_server_is_writing_is_not_abandoned() {
    let dir = directory();
    let Some(clock) = Clock::new(dir.path()) else { return };
    let shared = dir.path().join("shared");
    std::fs::create_dir(&shared).expect("a directory");
    let config = format!("[external]\nfs_dirs = ['{}']\n", shared.display());
    let server = server(dir.path(), &clock, &config);
    let (mut client, mut other) = (Client::connect(server.addr), Client::connect(server.addr));
    done(&mut client, &format!("CREATE STAGE lake URL='fs://{}/'", shared.display()));
    let content = noise(1, 6 << 20);
    client.begin_upload("PUT file:///tmp/a @lake/dir AUTO_COMPRESS=FALSE");
    // A file is written in blocks of 1 MiB, of which the last one waits for more: nothing is written behind this.
    client.send_part(&content[..9 << 19]);
    let uploads = shared.join(".stagewire-upload");
    until("all has come", || sizes(&uploads).iter().any(|size| *size >= 3 << 20));
    std::fs::write(uploads.join("left.12345678"), b"by another server").expect("written");
    clock.jump(&mut other, 2 * DAY);
    // The kernel's clock has not jumped, so its files grow old.
    let old = SystemTime::now() - Duration::from_secs(2 * 24 * 60 * 60);
    for entry in std::fs::read_dir(&uploads).expect("a directory") {
        let file = std::fs::File::options().write(true).open(entry.expect("a file").path());
        file.expect("a file").set_modified(old).expect("set");
    }
    done(&mut other, &format!("CREATE STAGE again URL='fs://{}/'", shared.display()));
    assert_eq!(names(&mut other, "LIST @again"), [""; 0]);
    assert!(!uploads.join("left.12345678").exists(), "what was left is collected");
    client.send_part(&content[9 << 19..]);
    is_uploaded(&client.end_upload());
    assert!(std::fs::read(shared.join("dir/a")).expect("the file") == content);
    assert_eq!(std::fs::read_dir(&uploads).expect("a directory").count(), 0);
}

fn sizes(dir: &Path) -> Vec<u64> {
    let files = std::fs::read_dir(dir).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).collect()
}

/// What is in a bucket is as old as the bucket's clock says.
#[test]
fn the_storage_says_how_old_an_upload_is() {
    let dir = directory();
    let Some(clock) = Clock::new(dir.path()) else { return };
    let store = BareS3::start();
    let config = place("storage", &store);
    store.leave("internal/stages/x/young", SignedDuration::from_hours(1));
    for seconds in [TEN_YEARS, -TEN_YEARS] {
        // It is judged after the other one.
        store.leave("internal/stages/x/old", SignedDuration::from_hours(25));
        clock.set(seconds);
        let _server = server(dir.path(), &clock, &config);
        until("what is old is collected", || store.unfinished().len() < 2);
        assert_eq!(store.unfinished(), ["internal/stages/x/young"]);
    }
}

fn place(what: &str, store: &BareS3) -> String {
    let path = if what == "catalog" { "catalog" } else { "internal" };
    let mut text = format!("[{what}]\nurl = 's3://bucket/{path}/'\n[{what}.options]\n");
    for (name, value) in store.options() {
        text += &format!("{name} = '{value}'\n");
    }
    text
}

/// A day apart, over a store that lets both in.
#[test]
fn servers_whose_clocks_differ_agree() {
    let dirs = [directory(), directory()];
    let Some(early) = Clock::new(dirs[0].path()) else { return };
    let Some(late) = Clock::new(dirs[1].path()) else { return };
    late.set(DAY);
    let store = BareS3::start();
    let config = place("catalog", &store) + &place("storage", &store);
    let servers = [server(dirs[0].path(), &early, &config), server(dirs[1].path(), &late, &config)];
    let mut clients = servers.each_ref().map(|server| Client::connect(server.addr));
    let [one, other] = &mut clients;
    for turn in 0..4 {
        // Whose turn it is changes it in the others' past, or future.
        let (one, other) =
            if turn % 2 == 0 { (&mut *one, &mut *other) } else { (&mut *other, &mut *one) };
        done(one, "CREATE STAGE lake COMMENT = 'first'");
        assert_eq!(refused(other, "CREATE STAGE lake").0, 1050);
        done(other, "ALTER STAGE lake SET COMMENT = 'second'");
        done(one, "ALTER STAGE lake SET COMMENT = 'third'");
        let listed = |client: &mut Client| rows(client, "SHOW STAGES LIKE 'lake'");
        let is_third = |row: &Vec<Option<String>>| row.last() == Some(&Some("third".to_owned()));
        until("the last change is listed", || listed(other).iter().any(is_third));
        put(one, "lake", "a", b"content");
        assert_eq!(names(other, "LIST @lake"), ["a"]);
        done(other, &format!("CREATE USER bob{turn} IDENTIFIED BY 'secret'"));
        until("he is known", || names(one, "SHOW USERS").contains(&format!("bob{turn}")));
        done(other, "DROP STAGE lake");
        assert_eq!(refused(one, "LIST @lake").0, 1146);
    }
    // Every change is one revision, in the order in which they were made.
    let revisions: Vec<String> =
        store.keys().into_iter().filter(|key| key.contains("stages/default/lake/")).collect();
    assert_eq!(revisions.len(), 4 * 4, "{revisions:?}");
    // Neither lets the other's clock into what it reads later.
    drop((clients, servers));
    let server = server(dirs[0].path(), &early, &config);
    let mut client = Client::connect(server.addr);
    assert_eq!(refused(&mut client, "LIST @lake").0, 1146);
    assert_eq!(names(&mut client, "SHOW STAGES"), [""; 0]);
}

/// The certificate has no beginning and no end that anybody lives to see.
#[test]
fn a_certificate_that_was_made_at_a_wrong_time_is_good() {
    for seconds in [TEN_YEARS, -TEN_YEARS] {
        let dir = directory();
        let Some(clock) = Clock::new(dir.path()) else { return };
        clock.set(seconds);
        let server = server(dir.path(), &clock, "");
        let trusted = trusting(&dir.path().join("data/tls-cert.pem"));
        // The client's own clock is right. The second one takes up the session of the first.
        for _ in 0..2 {
            let mut client = Client::greeted(server.addr).expect("a greeting");
            client.encrypt(trusted.clone());
            client.log_in(&Options::default()).expect("a log-in");
            clock.jump(&mut client, -seconds);
            assert_eq!(text(&mut client, "SELECT 1"), "1");
        }
    }
}

/// A store that looks at the time refuses all; the client is told why, also where the answer has no text (HEAD).
#[test]
fn a_store_that_minds_the_clock_is_told_as_such() {
    let Some(bucket) = Bucket::from_env() else { return };
    let dir = directory();
    let Some(clock) = Clock::new(dir.path()) else { return };
    let server = server(dir.path(), &clock, "[external]\nallow_private_endpoints = true\n");
    let mut client = Client::connect(server.addr);
    let run = uuid::Uuid::new_v4().simple();
    let options: Vec<String> =
        bucket.options().into_iter().map(|(key, value)| format!("{key}='{value}'")).collect();
    let url = format!("s3://{}/{run}/", bucket.name);
    done(&mut client, &format!("CREATE STAGE lake URL='{url}' CONNECTION=({})", options.join(" ")));
    put(&mut client, "lake", "a", b"content");
    clock.jump(&mut client, DAY);
    if matches!(client.query("LIST @lake")[..], [Response::Rows { .. }]) {
        eprintln!("skipped: this store doesn't look at the time");
        return;
    }
    for sql in ["LIST @lake", "GET @lake/a", "PUT file:///tmp/b @lake"] {
        let (code, message) = refused(&mut client, sql);
        assert!(code == 1030 && message.contains("clock"), "{sql}: {code} {message}");
        assert!(message.contains("NTP"), "{sql}: {message}");
    }
    // What was begun is told so at its end.
    clock.jump(&mut client, 0);
    let content = noise(1, 20 << 20);
    client.begin_upload("PUT file:///tmp/b @lake AUTO_COMPRESS=FALSE");
    client.send_part(&content[..17 << 20]);
    let prefix = run.to_string();
    until("it has begun", || !bucket.unfinished_uploads(&prefix).is_empty());
    clock.set(2 * DAY);
    client.send_part(&content[17 << 20..]);
    let Response::Err(refusal) = client.end_upload() else { panic!("a refusal") };
    assert!(refusal.message.contains("clock"), "{}", refusal.message);
    clock.jump(&mut client, 0);
    done(&mut client, "DROP STAGE lake");
}
