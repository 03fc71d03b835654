//! Several servers over one catalog in a bucket, each in a process of its own.
//!
//! Clients make, replace, drop and look at the same few stages at random, by all of the servers. What they are told
//! has to be one history, for each stage; as many revisions have to be there as changes were acknowledged; and a
//! server that is killed takes nothing with it. `STAGEWIRE_TEST_RACE` is `<servers>,<clients>,<stages>,<seconds>`
//! for a longer race than that of every run.

mod support;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder, Row};
use support::client::{Client, Response};
use support::one_history::{self, Call};
use support::process::{Process, program};
use support::s3::Bucket;
use support::server::{PASSWORD, until};
use tokio::runtime::Runtime;

/// Errors that these statements may have.
const UNKNOWN: u16 = 1146;
const EXISTS: u16 = 1050;

/// What a client has done to a stage, and was told. Each stage that is made has a number of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Created(u64),
    NotCreated,
    Replaced(u64),
    Kept(u64),
    Dropped,
    NothingToDrop,
    Found(u64),
    NotFound,
}

/// How a stage, or none, is behind it.
fn after(there: &Option<u64>, what: &What) -> Option<Option<u64>> {
    match (*what, *there) {
        (What::Created(new), None) | (What::Replaced(new), _) => Some(Some(new)),
        (What::Kept(new), there) => Some(there.or(Some(new))),
        (What::Dropped, Some(_)) | (What::NothingToDrop | What::NotFound, None) => Some(None),
        (What::NotCreated, Some(old)) => Some(Some(old)),
        (What::Found(found), Some(old)) if found == old => Some(Some(old)),
        _ => None,
    }
}

/// Servers over one place.
struct Servers {
    bucket: Bucket,
    run: String,
    dir: tempfile::TempDir,
    running: Vec<Option<Process>>,
}

impl Servers {
    fn start(count: usize) -> Option<Servers> {
        let bucket = Bucket::from_env()?;
        let run = uuid::Uuid::new_v4().simple().to_string();
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut text = String::new();
        for what in ["catalog", "storage"] {
            let url = format!("s3://{}/{run}/{what}/", bucket.name);
            text += &format!("[{what}]\nurl = '{url}'\n[{what}.options]\n");
            for (key, value) in bucket.options() {
                text += &format!("{} = '{value}'\n", key.to_lowercase());
            }
        }
        std::fs::write(dir.path().join("stagewire.toml"), text).expect("written");
        let mut servers = Servers { bucket, run, dir, running: Vec::new() };
        for index in 0..count {
            let server = servers.one(index);
            servers.running.push(Some(server));
        }
        Some(servers)
    }

    fn one(&self, index: usize) -> Process {
        let dir: &Path = self.dir.path();
        let mut command = program(&dir.join(format!("data-{index}")));
        command.arg("--config").arg(dir.join("stagewire.toml"));
        command.env("STAGEWIRE_SECRET_KEY", "ab".repeat(32));
        Process::spawn(command)
    }

    fn client(&self, index: usize) -> Client {
        Client::connect(self.running[index].as_ref().expect("a server").addr)
    }

    fn ports(&self) -> Vec<u16> {
        self.running.iter().flatten().map(|server| server.addr.port()).collect()
    }
}

fn row(client: &mut Client, sql: &str) -> Result<Option<Vec<Option<String>>>, u16> {
    match client.query(sql).pop() {
        Some(Response::Rows { mut rows, .. }) => Ok(rows.pop()),
        Some(Response::Ok { .. }) | None => Ok(None),
        Some(Response::Err(refusal)) => Err(refusal.code),
    }
}

#[test]
fn what_one_server_changes_the_others_see() {
    let Some(servers) = Servers::start(2) else { return };
    let (mut one, mut other) = (servers.client(0), servers.client(1));
    let listed = |client: &mut Client| row(client, "SHOW STAGES LIKE 'lake'").expect("listed");
    // By its name at once, and in lists soon.
    for _ in 0..20 {
        assert_eq!(row(&mut one, "CREATE STAGE lake COMMENT = 'a'"), Ok(None));
        assert_eq!(row(&mut other, "CREATE STAGE lake"), Err(EXISTS));
        assert!(row(&mut other, "DESC STAGE lake").is_ok());
        assert_eq!(row(&mut other, "LIST @lake"), Ok(None));
        assert_eq!(row(&mut other, "DROP STAGE lake"), Ok(None));
        assert_eq!(row(&mut one, "DESC STAGE lake"), Err(UNKNOWN));
    }
    assert_eq!(row(&mut one, "CREATE STAGE lake"), Ok(None));
    until("the other lists it", || listed(&mut other).is_some());
    assert_eq!(row(&mut other, "DROP STAGE lake"), Ok(None));
    until("the first lists it no more", || listed(&mut one).is_none());
}

/// A race's size: servers, clients, stages, seconds.
fn size() -> [u64; 4] {
    let Ok(text) = std::env::var("STAGEWIRE_TEST_RACE") else { return [3, 16, 20, 4] };
    let numbers: Vec<u64> = text.split(',').map(|n| n.parse().expect("a number")).collect();
    numbers.try_into().expect("servers,clients,stages,seconds")
}

/// What all have done, stage by stage.
type Calls = BTreeMap<u64, Vec<Call<What>>>;

/// What the clients share.
struct Race {
    ports: Mutex<Vec<u16>>,
    clock: Instant,
    over: AtomicBool,
    calls: Mutex<Calls>,
    stages: u64,
}

impl Race {
    fn now(&self) -> u64 {
        u64::try_from(self.clock.elapsed().as_nanos()).expect("a short race")
    }

    /// A connection to one of the servers that are there.
    async fn connect(&self, client: usize) -> Conn {
        for attempt in client.. {
            let port = {
                let ports = self.ports.lock().expect("no panic");
                ports[attempt % ports.len()]
            };
            let options = OptsBuilder::default().tcp_port(port).prefer_socket(false);
            let options = options.user(Some("root")).pass(Some(PASSWORD));
            match Conn::new(options).await {
                Ok(conn) => return conn,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        unreachable!("there are numbers enough")
    }

    /// One client, until it is over.
    async fn run(self: Arc<Self>, client: usize) {
        let mut conn = self.connect(client).await;
        let mut random = u64::try_from(client).expect("few") + 1;
        let mut made = random << 32;
        while !self.over.load(Ordering::Relaxed) {
            // SplitMix64 is enough to be different.
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let (stage, kind) = ((random >> 33) % self.stages, (random >> 13) % 6);
            made += 1;
            let (sql, done, refused) = match kind {
                0 => (
                    format!("CREATE STAGE s{stage} COMMENT = '{made}'"),
                    What::Created(made),
                    EXISTS,
                ),
                1 => {
                    let sql = format!("CREATE OR REPLACE STAGE s{stage} COMMENT = '{made}'");
                    (sql, What::Replaced(made), 0)
                }
                2 => {
                    let sql = format!("CREATE STAGE IF NOT EXISTS s{stage} COMMENT = '{made}'");
                    (sql, What::Kept(made), 0)
                }
                3 => (format!("DROP STAGE s{stage}"), What::Dropped, UNKNOWN),
                _ => (format!("DESC STAGE s{stage}"), What::NotFound, UNKNOWN),
            };
            let from = self.now();
            let answer: Result<Option<Row>, _> = conn.query_first(&sql).await;
            let to = self.now();
            let (what, to) = match answer {
                Ok(Some(row)) => (What::Found(comment(&row)), Some(to)),
                Ok(None) => (done, Some(to)),
                Err(mysql_async::Error::Server(error)) if error.code == refused => {
                    let what = match kind {
                        0 => What::NotCreated,
                        3 => What::NothingToDrop,
                        _ => What::NotFound,
                    };
                    (what, Some(to))
                }
                Err(mysql_async::Error::Server(error)) => panic!("{sql}: {error}"),
                // Its server is dead, so nobody knows.
                Err(_) => {
                    conn = self.connect(client + 1).await;
                    if kind > 3 {
                        continue;
                    }
                    (done, None)
                }
            };
            let call = Call { what, from, to };
            self.calls.lock().expect("no panic").entry(stage).or_default().push(call);
        }
    }
}

fn comment(row: &Row) -> u64 {
    let text: String = row.get("comment").expect("a comment");
    text.parse().expect("a number")
}

#[test]
fn what_clients_of_many_servers_are_told_is_one_history() {
    let [count, clients, stages, seconds] = size();
    let Some(mut servers) = Servers::start(usize::try_from(count).expect("few")) else { return };
    let race = Arc::new(Race {
        ports: Mutex::new(servers.ports()),
        clock: Instant::now(),
        over: AtomicBool::new(false),
        calls: Mutex::default(),
        stages,
    });
    let runtime = Runtime::new().expect("a runtime");
    let running: Vec<_> = (0..usize::try_from(clients).expect("few"))
        .map(|client| runtime.spawn(race.clone().run(client)))
        .collect();
    // One of the servers is killed in the middle, and comes back.
    std::thread::sleep(Duration::from_millis(seconds * 500));
    servers.running[0].take().expect("a server").kill();
    *race.ports.lock().expect("no panic") = servers.ports();
    let again = servers.one(0);
    servers.running[0] = Some(again);
    *race.ports.lock().expect("no panic") = servers.ports();
    std::thread::sleep(Duration::from_millis(seconds * 500));
    let done = || race.calls.lock().expect("no panic").values().map(Vec::len).sum::<usize>();
    until("there was a race", || done() > 200);
    race.over.store(true, Ordering::Relaxed);
    for client in running {
        runtime.block_on(client).expect("no panic");
    }
    let calls = std::mem::take(&mut *race.calls.lock().expect("no panic"));
    let all: usize = calls.values().map(Vec::len).sum();
    let lost = calls.values().flatten().filter(|call| call.to.is_none()).count();
    eprintln!("{all} calls of {clients} clients by {count} servers, {lost} lost with their server");
    let mut clients: Vec<_> = (0..servers.running.len()).map(|at| servers.client(at)).collect();
    for (stage, mut calls) in calls {
        let ends = one_history::check(None, &mut calls, after);
        let ends = ends.unwrap_or_else(|why| panic!("s{stage}: {why}"));
        same_everywhere(&mut clients, stage, &ends);
        as_many_revisions(&servers, stage, &calls);
    }
}

#[test]
fn what_cannot_be_is_found() {
    let call = |what, from, to| Call { what, from, to: Some(to) };
    let check = |calls: &[Call<What>]| one_history::check(None, &mut calls.to_vec(), after);
    let (one, two) = (call(What::Created(1), 0, 5), call(What::Replaced(2), 3, 9));
    let ends = check(&[two.clone(), one.clone()]).expect("one behind the other");
    assert_eq!(ends, HashSet::from([Some(2)]));
    // Two winners; a change that another has not seen; one that is seen before it is made.
    assert!(check(&[one.clone(), call(What::Created(2), 4, 6)]).is_err());
    assert!(check(&[one.clone(), call(What::NotFound, 6, 7)]).is_err());
    assert!(check(&[call(What::Found(2), 1, 2), two.clone()]).is_err());
    // What was lost may have been done, late, or not at all.
    let lost = Call { what: What::Dropped, from: 1, to: None };
    assert!(check(&[lost.clone(), one.clone(), call(What::NotFound, 6, 7)]).is_ok());
    assert!(check(&[lost, one, call(What::Found(1), 6, 7)]).is_ok());
}

/// In the end all servers say the same.
fn same_everywhere(clients: &mut [Client], stage: u64, ends: &HashSet<Option<u64>>) {
    let sql = format!("DESC STAGE s{stage}");
    let found = clients.iter_mut().map(|client| match row(client, &sql) {
        Ok(row) => Some(last(row.as_deref()).parse().expect("a number")),
        Err(UNKNOWN) => None,
        Err(code) => panic!("s{stage}: error {code}"),
    });
    let found: Vec<Option<u64>> = found.collect();
    assert!(found.iter().all(|one| *one == found[0] && ends.contains(one)), "s{stage}: {found:?}");
}

fn last(row: Option<&[Option<String>]>) -> &str {
    row.and_then(<[_]>::last).and_then(Option::as_deref).expect("a comment")
}

/// No change of a stage is in the place of another: each that was acknowledged has its revision.
fn as_many_revisions(servers: &Servers, stage: u64, calls: &[Call<What>]) {
    let prefix = format!("{}/catalog/stages/default/s{stage}/", servers.run);
    let revisions = servers.bucket.objects(&prefix).len();
    let changes = |call: &&Call<What>| {
        matches!(call.what, What::Created(_) | What::Replaced(_) | What::Dropped)
            && call.to.is_some()
    };
    let least = calls.iter().filter(changes).count();
    let perhaps =
        calls.iter().filter(|call| call.to.is_none() || matches!(call.what, What::Kept(_)));
    let most = least + perhaps.count();
    assert!(revisions >= least && revisions <= most, "s{stage}: {revisions}, {least} to {most}");
}
