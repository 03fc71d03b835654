//! `kill -9` in the middle of uploads: what was acknowledged is there, nothing half-written is seen, and what the
//! server has left behind is collected by the next one.
//!
//! `STAGEWIRE_TEST_KILLS=500` kills so often on each kind of storage (default 10); `STAGEWIRE_TEST_SEED` repeats the moments.

mod support;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, Once};
use std::thread;

use support::client::{Client, Response};
use support::http;
use support::process::{Process, program};
use support::proxy::{Dice, seed};
use support::s3::Bucket;
use support::server::until;
use support::world::{noise, unfinished_files};

/// Clients that store files at a time.
const CLIENTS: usize = 4;

/// Bytes between two steps of a client, each of which may be its last.
const STEP: usize = 256 * 1024;

/// Steps between two kills, at most.
const STEPS: u64 = 120;

fn kills() -> usize {
    let named = std::env::var("STAGEWIRE_TEST_KILLS").ok();
    named.map_or(10, |number| number.parse().expect("a number"))
}

/// What a client knows of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// Not all of it was sent.
    Begun,
    /// All was sent, and no answer has come.
    Sent,
    Stored,
}

/// A file, by its number.
fn content(number: usize) -> Vec<u8> {
    let seed = u64::try_from(number).expect("a number");
    let size = match number % 8 {
        // In several parts, to S3.
        0 => (18 << 20) + number,
        1 => (8 << 20) + 1,
        2 => 0,
        _ => 20_000 * (number % 50) + 1,
    };
    noise(seed, size)
}

fn name(number: usize) -> String {
    format!("f{number:06}")
}

thread_local! {
    /// Whether a panic of this thread is no failure.
    static MAY_PANIC: Cell<bool> = const { Cell::new(false) };
}

/// What comes of it, unless the server is gone: the client panics then, which is not to fill the output.
fn unless_gone<T>(what: impl FnOnce() -> T) -> Option<T> {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = take_hook();
        set_hook(Box::new(move |panic| {
            if !MAY_PANIC.get() {
                print(panic);
            }
        }));
    });
    MAY_PANIC.set(true);
    let done = catch_unwind(AssertUnwindSafe(what)).ok();
    MAY_PANIC.set(false);
    done
}

/// Stores one file after the other until the server is gone.
fn store(
    addr: SocketAddr,
    numbers: &AtomicUsize,
    steps: &AtomicUsize,
    known: &Mutex<BTreeMap<usize, Known>>,
) -> Option<()> {
    let mut client = unless_gone(|| Client::connect(addr))?;
    loop {
        let number = numbers.fetch_add(1, SeqCst);
        let tell = |what| {
            known.lock().expect("no panic").insert(number, what);
        };
        let options = "AUTO_COMPRESS=FALSE ALLOW_EMPTY=TRUE";
        let sql = format!("PUT file:///tmp/{} @lake {options}", name(number));
        tell(Known::Begun);
        unless_gone(|| client.begin_upload(&sql))?;
        for step in content(number).chunks(STEP) {
            unless_gone(|| client.send_part(step))?;
            steps.fetch_add(1, SeqCst);
        }
        tell(Known::Sent);
        let answer = unless_gone(|| client.end_upload())?;
        let stored = match &answer {
            Response::Rows { rows, .. } => rows[0][6].as_deref() == Some("UPLOADED"),
            // Of an empty file.
            Response::Ok { info, .. } => info.starts_with("UPLOADED"),
            Response::Err(_) => false,
        };
        assert!(stored, "{answer:?}");
        tell(Known::Stored);
        steps.fetch_add(1, SeqCst);
    }
}

/// The files that are seen, with their sizes.
fn listed(client: &mut Client) -> BTreeMap<String, usize> {
    let Some(Response::Rows { rows, .. }) = client.query("LIST @lake").pop() else {
        panic!("a list")
    };
    let text = |cell: &Option<String>| cell.clone().expect("not NULL");
    rows.iter().map(|row| (text(&row[0]), text(&row[1]).parse().expect("a size"))).collect()
}

fn download(server: &Process, name: &str) -> Vec<u8> {
    let headers = [("Authorization", http::ROOT)];
    http::download(server.http_addr, &format!("/v1/stages/lake/{name}"), &headers)
}

/// Starts, stores and kills, so often. `start` starts the program, which collects what is as old as so many hours;
/// `unfinished` tells what was left.
fn kill_again_and_again(start: impl Fn(u64) -> Process, unfinished: impl Fn() -> Vec<String>) {
    let mut dice = Dice::new(seed(), 0.0);
    let (numbers, known) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    let mut checked = 0;
    let mut stored = 0;
    let mut server = start(24);
    let created = Client::connect(server.addr).query("CREATE STAGE lake");
    assert!(matches!(created[..], [Response::Ok { .. }]), "{created:?}");
    for _ in 0..kills() {
        let steps = AtomicUsize::new(0);
        let moment = usize::try_from(dice.below(STEPS)).expect("a few");
        let addr = server.addr;
        thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| store(addr, &numbers, &steps, &known));
            }
            until("the moment comes", || steps.load(SeqCst) >= moment);
            server.kill();
        });
        server = start(24);
        let mut client = Client::connect(server.addr);
        let listed = listed(&mut client);
        let known = known.lock().expect("no panic");
        for (number, what) in known.range(checked..) {
            let (name, content) = (name(*number), content(*number));
            let seen = listed.get(&name);
            match what {
                Known::Begun => assert_eq!(seen, None, "{name} has not been sent"),
                // Whether the answer was lost on its way to the client or to the server, nobody can know.
                Known::Sent if seen.is_none() => {}
                Known::Sent | Known::Stored => {
                    assert_eq!(seen, Some(&content.len()), "{name}: {what:?}");
                    assert!(download(&server, &name) == content, "{name} is another");
                    stored += 1;
                }
            }
        }
        checked = numbers.load(SeqCst);
        let seen = |number: &usize| listed.contains_key(&name(*number));
        let lost = known.iter().filter(|(number, what)| **what == Known::Stored && !seen(number));
        assert_eq!(lost.collect::<Vec<_>>(), []);
    }
    let left = unfinished().len();
    server.kill();
    server = start(0);
    until("what was left is collected", || unfinished().is_empty());
    eprintln!("{} kills: {stored} files stored, {left} uploads collected", kills());
    let dropped = Client::connect(server.addr).query("DROP STAGE lake");
    assert!(matches!(dropped[..], [Response::Ok { .. }]), "{dropped:?}");
}

#[test]
fn on_directories() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    kill_again_and_again(|_| Process::start(dir.path()), || unfinished_files(dir.path()));
}

#[test]
fn on_s3() {
    let Some(bucket) = Bucket::from_env() else { return };
    let dir = tempfile::tempdir().expect("a temporary directory");
    let run = uuid::Uuid::new_v4().simple().to_string();
    kill_again_and_again(
        |hours| on_bucket(dir.path(), &bucket, &run, hours),
        || bucket.unfinished_uploads(&run),
    );
    assert_eq!(bucket.objects(&run), [""; 0]);
}

/// A server whose storage is a bucket, and which collects what is as old as this.
fn on_bucket(dir: &Path, bucket: &Bucket, run: &str, hours: u64) -> Process {
    let file = dir.join("stagewire.toml");
    let text = format!(
        "[storage]\nurl = 's3://{}/{run}/'\n[storage.options]\nendpoint_url = '{}'\nregion = '{}'\n\
         access_key_id = '{}'\nsecret_access_key = '{}'\n[limits]\nabandoned_uploads_hours = {hours}\n",
        bucket.name, bucket.endpoint, bucket.region, bucket.key, bucket.secret
    );
    std::fs::write(&file, text).expect("written");
    let mut command = program(&dir.join("data"));
    command.arg("--config").arg(file);
    Process::spawn(command)
}

/// Of another server that is still running, nothing is collected.
#[test]
fn what_is_young_stays() {
    let Some(bucket) = Bucket::from_env() else { return };
    let run = uuid::Uuid::new_v4().simple().to_string();
    let dirs = [(); 3].map(|()| tempfile::tempdir().expect("a temporary directory"));
    let first = on_bucket(dirs[0].path(), &bucket, &run, 24);
    let mut client = Client::connect(first.addr);
    let created = client.query("CREATE STAGE `a lake`");
    assert!(matches!(created[..], [Response::Ok { .. }]), "{created:?}");
    let content = noise(1, 20 << 20);
    // A name that an URL and an XML text have to escape.
    client.begin_upload("PUT 'file:///tmp/a+b &é.csv' @`a lake`/d AUTO_COMPRESS=FALSE");
    client.send_part(&content[..17 << 20]);
    until("it has begun", || bucket.unfinished_uploads(&run).len() == 1);
    // The first to look is one that collects what is old, the next one all.
    let second = on_bucket(dirs[1].path(), &bucket, &run, 24);
    until("it has looked", || has_looked(&second));
    assert_eq!(bucket.unfinished_uploads(&run).len(), 1);
    client.send_part(&content[17 << 20..]);
    let stored = client.end_upload();
    assert!(matches!(stored, Response::Rows { .. }), "{stored:?}");
    client.begin_upload("PUT 'file:///tmp/c+d &é.csv' @`a lake`/d AUTO_COMPRESS=FALSE");
    client.send_part(&content[..17 << 20]);
    until("it has begun", || bucket.unfinished_uploads(&run).len() == 1);
    let third = on_bucket(dirs[2].path(), &bucket, &run, 0);
    until("it is collected", || bucket.unfinished_uploads(&run).is_empty());
    drop((second, third));
    drop(client);
    let mut client = Client::connect(first.addr);
    let dropped = client.query("DROP STAGE `a lake`");
    assert!(matches!(dropped[..], [Response::Ok { .. }]), "{dropped:?}");
}

/// Whether a server has looked for what is left.
fn has_looked(server: &Process) -> bool {
    let page = http::send(server.http_addr, "GET", "/metrics", &[], b"").body;
    page.contains("stagewire_storage_calls_total{operation=\"other\",outcome=\"ok\"}")
}
