//! Storages that fail, hang and refuse: nothing is lost, nothing half-written is seen, and the server lives on.
//!
//! Between the server and a real store is a proxy that ruins some of the calls: OpenDAL's `ChaosLayer` ruins reads
//! alone, above all that would have to survive it. `STAGEWIRE_TEST_FAULT_FILES=1000`
//! stores so many files at each rate of failures (default 100); `STAGEWIRE_TEST_SEED` repeats a run.

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::Duration;

use stagewire::config::{Limits, Place, Secret};
use support::client::{Client, Response};
use support::http;
use support::mounts::{ReadOnly, SmallDisk};
use support::process::{Process, program};
use support::proxy::{Dice, Fate, Proxy, Request, seed};
use support::s3::Bucket;
use support::server::{Server, config, until};
use support::world::{Storage, World, files_below, noise, unfinished_files};

/// Clients at a time.
const CLIENTS: usize = 8;

fn files_per_rate() -> usize {
    let named = std::env::var("STAGEWIRE_TEST_FAULT_FILES").ok();
    named.map_or(100, |number| number.parse().expect("a number"))
}

fn done(client: &mut Client, sql: &str) {
    let responses = client.query(sql);
    assert!(matches!(responses[..], [Response::Ok { .. }]), "{sql}: {responses:?}");
}

fn error(response: Option<Response>) -> (u16, String) {
    let Some(Response::Err(refusal)) = response else { panic!("an error, not {response:?}") };
    (refusal.code, refusal.message)
}

/// The connection takes commands, and nothing waits in it.
fn usable(client: &mut Client) {
    client.command(b"\x0E");
    assert_eq!(client.read()[0], 0, "an OK");
}

/// Sends a file, if it is asked for.
fn put(client: &mut Client, stage: &str, name: &str, content: &[u8], options: &str) -> Response {
    let content = content.to_vec();
    client.serve_files(move |_| Some(content.clone()));
    let sql = format!("PUT 'file:///tmp/{name}' @{stage} AUTO_COMPRESS=FALSE {options}");
    client.query(&sql).pop().expect("an answer")
}

/// What the row of a PUT says.
fn status(response: &Response) -> Option<&str> {
    match response {
        Response::Rows { rows, .. } => rows[0][6].as_deref(),
        Response::Ok { .. } | Response::Err(_) => None,
    }
}

/// A server whose own storage is behind a faulty proxy. The world looks at the store itself.
fn behind_a_proxy(limits: Limits) -> Option<(Proxy, World)> {
    let proxy = Proxy::before(&Bucket::from_env()?.endpoint);
    let endpoint = Secret::new(proxy.endpoint());
    let world = World::with_config(Storage::S3, |config, _| {
        config.limits = limits;
        let place = config.storage.as_mut().expect("a place");
        place.options.insert("ENDPOINT_URL".to_owned(), endpoint);
    })?;
    Some((proxy, world))
}

/// Tries that are soon over.
fn hasty() -> Limits {
    Limits { storage_timeout_s: 2, storage_retries: 1, ..Limits::default() }
}

/// A file of the sweep. Some go in several parts.
fn content(number: usize) -> Vec<u8> {
    let seed = u64::try_from(number).expect("a number");
    let size = match number % 10 {
        0 => (8 << 20) + number,
        1 => 1,
        _ => 1000 * number + 17,
    };
    noise(seed, size)
}

/// Stores files while this share of calls fails; what each PUT has said.
fn store_all(world: &World, files: usize, overwrite: bool) -> BTreeMap<usize, Response> {
    let (numbers, answers) = (Mutex::new(0..files), Mutex::new(BTreeMap::new()));
    let options = format!("OVERWRITE={overwrite}");
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut client = Client::connect(world.server.addr);
                loop {
                    let Some(number) = numbers.lock().expect("no panic").next() else { break };
                    let name = format!("f{number:04}");
                    let answer = put(&mut client, "lake", &name, &content(number), &options);
                    usable(&mut client);
                    answers.lock().expect("no panic").insert(number, answer);
                }
            });
        }
    });
    answers.into_inner().expect("no panic")
}

/// What was acknowledged is there as it was sent, and of what was not, nothing is.
fn check(world: &World, proxy: &Proxy, answers: &BTreeMap<usize, Response>) -> usize {
    proxy.pass();
    let objects = world.stored();
    let listed: BTreeMap<String, u64> = world.list("lake").into_iter().collect();
    let mut stored = 0;
    for (number, answer) in answers {
        let (name, content) = (format!("f{number:04}"), content(*number));
        let object = objects.iter().find(|object| object.ends_with(&format!("/{name}")));
        match status(answer) {
            Some("UPLOADED") => {
                stored += 1;
                let size = u64::try_from(content.len()).expect("a length");
                assert_eq!(listed.get(&name), Some(&size), "{name}");
                assert!(object.is_some(), "{name} is not in the store");
                assert!(world.read("lake", &name).expect("there") == content, "{name} is another");
            }
            Some(other) => panic!("{name}: {other}"),
            None => {
                let (code, text) = error(Some(answer.clone()));
                assert!(code == 1030, "{name}: {code} {text}");
                if text.contains("is not known") && object.is_some() {
                    assert!(world.read("lake", &name).expect("there") == content, "{name}: half");
                    continue;
                }
                assert!(!listed.contains_key(&name), "{name} was not acknowledged: {text}");
                assert_eq!(object, None, "{name} was not acknowledged: {text}");
            }
        }
    }
    stored
}

fn sweep(share: f64, files: usize, overwrite: bool, limits: Limits) {
    let Some((proxy, world)) = behind_a_proxy(limits) else { return };
    done(&mut Client::connect(world.server.addr), "CREATE STAGE lake");
    let mut dice = Dice::new(seed(), share);
    proxy.decide(move |_| dice.fate());
    let answers = store_all(&world, files, overwrite);
    if share < 0.2 {
        // Reading survives as well, in the middle of a file too.
        for number in (0..files).step_by(5) {
            let read = world.read("lake", &format!("f{number:04}"));
            assert!(read.is_none_or(|read| read == content(number)), "{number}");
        }
    }
    let requests = proxy.take_requests();
    let ruined = requests.iter().filter(|request| request.fate != Fate::Pass).count();
    let stored = check(&world, &proxy, &answers);
    eprintln!(
        "{share}: {stored} of {files} stored, {ruined} of {} calls ruined, {} PUTs failed",
        requests.len(),
        files - stored
    );
    assert!(ruined > 0 || share < 0.05, "a faulty way");
    // So few failures are survived, but for one of a million calls that fails six times.
    assert!(stored + files / 50 >= files || share > 0.2, "{stored} of {files} stored");
}

#[test]
fn with_one_call_of_a_hundred_failing_every_file_arrives() {
    sweep(0.01, files_per_rate(), true, Limits::default());
}

#[test]
fn with_one_call_of_ten_failing_every_file_arrives() {
    sweep(0.1, files_per_rate(), false, Limits::default());
}

#[test]
fn with_most_calls_failing_files_arrive_whole_or_not_at_all() {
    let limits = Limits { storage_retries: 3, ..Limits::default() };
    sweep(0.5, files_per_rate() / 4, false, limits);
}

/// An external stage at the proxy.
fn create_stage(world: &World, proxy: &Proxy, client: &mut Client, name: &str) {
    let options = world.bucket().options().into_iter().map(|(key, value)| match key {
        "ENDPOINT_URL" => format!("{key}='{}'", proxy.endpoint()),
        _ => format!("{key}='{value}'"),
    });
    let options = options.collect::<Vec<_>>().join(" ");
    let url = format!("s3://{}/{}/{name}/", world.bucket().name, world.run);
    done(client, &format!("CREATE STAGE {name} URL='{url}' CONNECTION=({options})"));
}

/// The paths that a LIST shows.
fn list(client: &mut Client, stage: &str) -> Vec<String> {
    match client.query(&format!("LIST @{stage}")).pop() {
        Some(Response::Rows { rows, .. }) => {
            rows.into_iter().map(|mut row| row.remove(0).expect("a name")).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn list_fails(client: &mut Client, stage: &str) -> (u16, String) {
    let failed = error(client.query(&format!("LIST @{stage}")).pop());
    usable(client);
    failed
}

#[test]
fn what_no_other_try_would_change_is_asked_once() {
    let Some((proxy, world)) = behind_a_proxy(Limits::default()) else { return };
    let mut client = Client::connect(world.server.addr);
    done(&mut client, "CREATE STAGE lake");
    let stored = put(&mut client, "lake", "a", b"data", "");
    assert_eq!(status(&stored), Some("UPLOADED"));
    for (code, name, expected) in [
        (403, "AccessDenied", 1142),
        (403, "ExpiredToken", 1142),
        (400, "ExpiredToken", 1142),
        (404, "NoSuchBucket", 1017),
        (400, "InvalidRequest", 1030),
    ] {
        proxy.decide(move |_| Fate::Answer(code, name));
        proxy.take_requests();
        assert_eq!(list_fails(&mut client, "lake").0, expected, "{name}");
        assert_eq!(proxy.take_requests().len(), 1, "{name}");
        // The look at what is there, the file, and nothing behind it. What is not there is not to be replaced.
        proxy.decide(move |request| match request.method.as_str() {
            "PUT" => Fate::Answer(code, name),
            _ => Fate::Pass,
        });
        let (found, text) = error(Some(put(&mut client, "lake", "new", b"data", "")));
        assert_eq!(found, expected, "{name}: {text}");
        usable(&mut client);
        let requests = proxy.take_requests();
        let puts = requests.iter().filter(|request| request.method == "PUT").count();
        assert_eq!(puts, 1, "{name}: {requests:?}");
    }
    proxy.decide(|_| Fate::Answer(404, "NoSuchKey"));
    proxy.take_requests();
    assert_eq!(error(client.query("GET @lake/none").pop()).0, 1017);
    assert_eq!(proxy.take_requests().len(), 1);
    proxy.pass();
    assert_eq!(list(&mut client, "lake"), ["a"]);
}

#[test]
fn what_may_go_away_is_asked_again_so_often_and_no_more() {
    let limits = Limits { storage_retries: 2, ..Limits::default() };
    let Some((proxy, world)) = behind_a_proxy(limits) else { return };
    let mut client = Client::connect(world.server.addr);
    done(&mut client, "CREATE STAGE lake");
    for fate in [Fate::Answer(503, "SlowDown"), Fate::Reset, Fate::LoseAnswer, Fate::CutAnswer] {
        proxy.decide({
            let fate = fate.clone();
            move |_| fate.clone()
        });
        proxy.take_requests();
        let (code, text) = list_fails(&mut client, "lake");
        assert_eq!(code, 1030, "{fate:?}: {text}");
        assert!(text.contains("Can't list '' on stage 'lake'"), "{fate:?}: {text}");
        assert_eq!(proxy.take_requests().len(), 3, "{fate:?}");
    }
}

/// The program, with its own storage behind the proxy.
fn process(dir: &Path, run: &str, bucket: &Bucket, proxy: &Proxy, limits: &str) -> Process {
    let file = dir.join("stagewire.toml");
    let text = format!(
        "[storage]\nurl = 's3://{}/{run}/'\n[storage.options]\nendpoint_url = '{}'\nregion = '{}'\n\
         access_key_id = '{}'\nsecret_access_key = '{}'\n[limits]\n{limits}\n",
        bucket.name,
        proxy.endpoint(),
        bucket.region,
        bucket.key,
        bucket.secret
    );
    std::fs::write(&file, text).expect("written");
    let mut command = program(&dir.join("data"));
    command.arg("--config").arg(file);
    Process::spawn(command)
}

#[test]
fn every_try_is_in_the_log_and_counted() {
    let Some(bucket) = Bucket::from_env() else { return };
    let proxy = Proxy::before(&bucket.endpoint);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let run = uuid::Uuid::new_v4().simple().to_string();
    let server = process(dir.path(), &run, &bucket, &proxy, "storage_retries = 2");
    let mut client = Client::connect(server.addr);
    done(&mut client, "CREATE STAGE lake");
    assert_eq!(list(&mut client, "lake"), [""; 0]);
    proxy.decide(|_| Fate::Answer(503, "SlowDown"));
    list_fails(&mut client, "lake");
    let page = http::send(server.http_addr, "GET", "/metrics", &[], b"").body;
    for line in [
        "stagewire_storage_calls_total{operation=\"list\",outcome=\"busy\"} 3",
        "stagewire_storage_calls_total{operation=\"list\",outcome=\"ok\"} 1",
        "stagewire_storage_call_seconds_count{operation=\"list\"} 4",
    ] {
        assert!(page.contains(line), "{line}: {page}");
    }
    proxy.pass();
    client.query("DROP STAGE lake");
    let log = server.kill();
    let told = log.lines().filter(|line| line.contains("a storage call failed and is made again"));
    let told: Vec<&str> = told.collect();
    assert_eq!(told.len(), 2, "{log}");
    for line in told {
        for part in ["WARN", "operation=\"list\"", "the storage", "SlowDown", "path: stages/"] {
            assert!(line.contains(part), "{part}: {line}");
        }
        assert!(!line.contains(&bucket.secret), "{line}");
    }
}

#[test]
fn a_store_that_hangs_holds_up_nobody_else() {
    let Some((proxy, world)) = behind_a_proxy(Limits::default()) else { return };
    let mut client = Client::connect(world.server.addr);
    for stage in ["slow", "quick"] {
        create_stage(&world, &proxy, &mut client, stage);
        let stored = put(&mut client, stage, "a", b"data", "");
        assert_eq!(status(&stored), Some("UPLOADED"));
    }
    proxy.decide(|request| match request.target.contains("slow") {
        true => Fate::Hang,
        false => Fate::Pass,
    });
    let mut others = [Client::connect(world.server.addr), Client::connect(world.server.addr)];
    thread::scope(|scope| {
        let [lists, puts] = &mut others;
        let lists = scope.spawn(|| list(lists, "slow"));
        let puts = scope.spawn(|| put(puts, "slow", "b", b"data", ""));
        until("both hang", || proxy.open() == 2);
        // Both are still there when others have been answered.
        assert_eq!(list(&mut client, "quick"), ["a"]);
        let stored = put(&mut client, "quick", "b", b"data", "");
        assert_eq!(status(&stored), Some("UPLOADED"));
        assert_eq!(proxy.open(), 2);
        proxy.pass();
        proxy.release();
        // The other's file may be there by now.
        assert_eq!(lists.join().expect("no panic")[0], "a");
        assert_eq!(status(&puts.join().expect("no panic")), Some("UPLOADED"));
    });
    others.iter_mut().for_each(usable);
    for sql in ["REMOVE @slow", "REMOVE @quick"] {
        client.query(sql);
    }
}

#[test]
fn a_store_that_hangs_is_given_up() {
    let Some((proxy, world)) = behind_a_proxy(hasty()) else { return };
    let mut client = Client::connect(world.server.addr);
    done(&mut client, "CREATE STAGE lake");
    let stored = put(&mut client, "lake", "a", b"data", "");
    assert_eq!(status(&stored), Some("UPLOADED"));
    proxy.decide(|_| Fate::Hang);
    let (code, text) = list_fails(&mut client, "lake");
    assert!(code == 1030 && text.contains("can't be reached or failed"), "{code} {text}");
    assert_eq!(proxy.take_requests().iter().filter(|request| request.is_list()).count(), 2);
    assert_eq!(error(client.query("GET @lake/a").pop()).0, 1030);
    usable(&mut client);
    // When all of the file has come but its end.
    for content in [noise(1, 1000), noise(1, 9 << 20)] {
        proxy.decide(|request| match request.method.as_str() {
            "PUT" => Fate::Hang,
            _ => Fate::Pass,
        });
        let (code, text) = error(Some(put(&mut client, "lake", "b", &content, "")));
        assert!(code == 1030, "{code} {text}");
        usable(&mut client);
        assert_eq!(list(&mut client, "lake"), ["a"]);
    }
    proxy.pass();
    until("the parts are gone", || world.unfinished().is_empty());
}

#[test]
fn a_store_that_answers_byte_by_byte_is_waited_for_as_long_as_bytes_come() {
    let Some((proxy, world)) = behind_a_proxy(hasty()) else { return };
    let mut client = Client::connect(world.server.addr);
    done(&mut client, "CREATE STAGE lake");
    let content = noise(1, 600);
    let stored = put(&mut client, "lake", "a", &content, "");
    assert_eq!(status(&stored), Some("UPLOADED"));
    // Of a file, each byte counts: these take longer than a call may.
    proxy.decide(|_| Fate::Drip(Duration::from_millis(5)));
    assert!(world.read("lake", "a").expect("there") == content);
    // A page of a listing has to come in the time of one call.
    let (code, text) = list_fails(&mut client, "lake");
    assert!(code == 1030 && text.contains("can't be reached or failed"), "{code} {text}");
    proxy.pass();
    assert_eq!(list(&mut client, "lake"), ["a"]);
}

#[test]
fn what_waits_for_a_store_can_be_killed() {
    let Some((proxy, world)) = behind_a_proxy(Limits::default()) else { return };
    let mut client = Client::connect(world.server.addr);
    done(&mut client, "CREATE STAGE lake");
    let mut victim = Client::connect(world.server.addr);
    for sql in ["LIST @lake", "GET @lake/a", "REMOVE @lake", "PUT file:///tmp/a @lake"] {
        proxy.decide(|_| Fate::Hang);
        let id = victim.greeting.connection_id;
        thread::scope(|scope| {
            let waits = scope.spawn(|| victim.query(sql).pop());
            // One that comes before the statement ends nothing.
            until("it is killed", || {
                done(&mut client, &format!("KILL QUERY {id}"));
                waits.is_finished()
            });
            assert_eq!(error(waits.join().expect("no panic")).0, 1317, "{sql}");
        });
        usable(&mut victim);
    }
    proxy.pass();
}

#[test]
fn credentials_that_expire_are_told_and_new_ones_go_on() {
    let Some((proxy, world)) = behind_a_proxy(Limits::default()) else { return };
    let mut client = Client::connect(world.server.addr);
    create_stage(&world, &proxy, &mut client, "lake");
    let stored = put(&mut client, "lake", "a", b"data", "");
    assert_eq!(status(&stored), Some("UPLOADED"));
    proxy.decide(|_| Fate::Answer(403, "ExpiredToken"));
    let (code, text) = list_fails(&mut client, "lake");
    assert!(code == 1142 && text.contains("the credentials have expired"), "{code} {text}");
    assert!(text.contains("ALTER STAGE or ALTER CONNECTION"), "{text}");
    // In the middle of a file, after its first part. (AWS says 400, others 403.)
    proxy.decide(|request| match request.target.contains("partNumber=2") {
        true => Fate::Answer(400, "ExpiredToken"),
        false => Fate::Pass,
    });
    let (code, text) = error(Some(put(&mut client, "lake", "b", &noise(1, 20 << 20), "")));
    assert!(code == 1142 && text.contains("the credentials have expired"), "{code} {text}");
    usable(&mut client);
    until("the parts are gone", || world.unfinished().is_empty());
    proxy.pass();
    let secret = &world.bucket().secret;
    let new = format!("ALTER STAGE lake SET CONNECTION=(SECRET_ACCESS_KEY='{secret}')");
    client.query(&new);
    assert_eq!(list(&mut client, "lake"), ["a"]);
    client.query("REMOVE @lake");
}

#[test]
fn a_catalog_object_that_comes_short_harms_its_stage_alone() {
    let Some(bucket) = Bucket::from_env() else { return };
    let proxy = Proxy::before(&bucket.endpoint);
    let options: Vec<_> = bucket
        .options()
        .into_iter()
        .map(|(key, value)| match key {
            "ENDPOINT_URL" => (key.to_owned(), Secret::new(proxy.endpoint())),
            _ => (key.to_owned(), Secret::new(value)),
        })
        .collect();
    let run = uuid::Uuid::new_v4().simple().to_string();
    let open = |dir: &Path| {
        let mut config = config(dir);
        config.limits = hasty();
        config.secret_key = Some(Secret::new("ab".repeat(32)));
        let url = format!("s3://{}/{run}/", bucket.name);
        config.catalog = Some(Place { url, options: options.iter().cloned().collect() });
        Server::open(config)
    };
    let dirs = [(); 3].map(|()| tempfile::tempdir().expect("a temporary directory"));
    let first = open(dirs[0].path()).expect("a server");
    let mut client = Client::connect(first.addr);
    for stage in ["broken", "whole"] {
        done(&mut client, &format!("CREATE STAGE {stage}"));
    }
    // Half of it is an answer that breaks off, which is no answer.
    let is_of_it = |request: &Request| {
        let target = &request.target;
        request.method == "GET" && target.contains("broken") && target.ends_with("01.json")
    };
    let torn = AtomicUsize::new(0);
    proxy.decide(move |request| match is_of_it(request) && torn.fetch_add(1, SeqCst) == 0 {
        true => Fate::CutAnswer,
        false => Fate::Pass,
    });
    let second = open(dirs[1].path()).expect("a server");
    let mut client = Client::connect(second.addr);
    assert_eq!(list(&mut client, "broken"), [""; 0]);
    // An object that is short is whole for the store, and no stage.
    proxy.decide(move |request| match is_of_it(request) {
        true => Fate::Replace(b"{\"format\":1,\"state".to_vec()),
        false => Fate::Pass,
    });
    let third = open(dirs[2].path()).expect("a server");
    let mut client = Client::connect(third.addr);
    let (code, text) = list_fails(&mut client, "broken");
    assert!(code == 1033 && text.contains("it can't be understood"), "{code} {text}");
    assert_eq!(list(&mut client, "whole"), [""; 0]);
    done(&mut client, "CREATE STAGE other");
    for stage in ["broken", "whole", "other"] {
        done(&mut client, &format!("DROP STAGE {stage}"));
    }
}

#[test]
fn a_directory_that_can_only_be_read_is_served_and_takes_nothing() {
    let Some(world) = World::new(Storage::Fs) else { return };
    let dir = world.external_dir().join("archive");
    std::fs::create_dir(&dir).expect("made");
    std::fs::write(dir.join("a"), "data").expect("written");
    // Permissions mean nothing to root, a mount does.
    let Some(_mounted) = ReadOnly::mount(&dir) else { return };
    let mut client = Client::connect(world.server.addr);
    done(&mut client, &format!("CREATE STAGE archive URL='fs://{}/'", dir.display()));
    assert_eq!(list(&mut client, "archive"), ["a"]);
    for name in ["a", "b"] {
        let (code, text) =
            error(Some(put(&mut client, "archive", name, b"else", "OVERWRITE=TRUE")));
        assert!(code == 1235 && text.contains("can be read only"), "{code} {text}");
        usable(&mut client);
    }
    let removed = client.query("REMOVE @archive");
    assert!(!matches!(removed[..], [Response::Ok { .. }]), "{removed:?}");
    usable(&mut client);
    assert_eq!(std::fs::read(dir.join("a")).expect("still there"), b"data");
}

#[test]
fn on_a_disk_that_fills_up_files_arrive_whole_or_not_at_all() {
    let Some(disk) = SmallDisk::mount() else { return };
    let data_dir = disk.path().join("data");
    let server = Server::open(config(&data_dir)).expect("a server");
    done(&mut Client::connect(server.addr), "CREATE STAGE lake");
    // Twice as much as there is room for.
    let content = |number: u64| noise(number, 700_000);
    let answers = thread::scope(|scope| {
        let clients = [0_u64, 1, 2, 3].map(|client| {
            let addr = server.addr;
            scope.spawn(move || {
                let mut connection = Client::connect(addr);
                let numbers = (client * 12)..(client * 12 + 12);
                let store = |number| {
                    let name = format!("f{number:04}");
                    let answer = put(&mut connection, "lake", &name, &content(number), "");
                    usable(&mut connection);
                    (number, answer)
                };
                numbers.map(store).collect::<Vec<_>>()
            })
        });
        clients.map(|client| client.join().expect("no panic")).concat()
    });
    let mut client = Client::connect(server.addr);
    let listed = list(&mut client, "lake");
    let stored = files_below(&data_dir.join("files"));
    let mut full = 0;
    for (number, answer) in answers {
        let name = format!("f{number:04}");
        let file = stored.iter().find(|file| file.ends_with(&name));
        match status(&answer) {
            Some("UPLOADED") => {
                let file = file.expect("in the directory");
                assert!(std::fs::read(file).expect("read") == content(number), "{name} is another");
                assert!(listed.contains(&name), "{name}");
            }
            Some(other) => panic!("{name}: {other}"),
            None => {
                assert_eq!(error(Some(answer)).0, 1021, "{name}");
                assert!(file.is_none() && !listed.contains(&name), "{name} was not acknowledged");
                full += 1;
            }
        }
    }
    eprintln!("{} files stored, {full} found the disk full", listed.len());
    assert!(full > 0 && !listed.is_empty());
    assert_eq!(unfinished_files(&data_dir), [""; 0]);
    // There is room again.
    client.query("REMOVE @lake");
    assert_eq!(status(&put(&mut client, "lake", "a", &content(1), "")), Some("UPLOADED"));
}

#[test]
fn no_more_calls_are_made_at_a_time_than_may_be() {
    const MOST: usize = 3;
    let limits = Limits { max_storage_calls: MOST, ..Limits::default() };
    let Some((proxy, world)) = behind_a_proxy(limits) else { return };
    let mut client = Client::connect(world.server.addr);
    done(&mut client, "CREATE STAGE lake");
    let content = noise(1, 9 << 20);
    assert_eq!(status(&put(&mut client, "lake", "a", &content, "")), Some("UPLOADED"));
    proxy.forget();
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let mut client = Client::connect(world.server.addr);
                for _ in 0..4 {
                    assert_eq!(list(&mut client, "lake"), ["a"]);
                }
            });
        }
    });
    assert_eq!(proxy.most_at_a_time(), MOST);
    // Who reads holds no turn: as many copies as there are turns don't wait for each other.
    thread::scope(|scope| {
        for number in 0..2 * MOST {
            let world = &world;
            scope.spawn(move || {
                let mut client = Client::connect(world.server.addr);
                assert!(world.read("lake", "a").is_some());
                let sql = format!("COPY FILES INTO @~/{number}/ FROM @lake");
                let copied = client.query(&sql).pop();
                assert!(matches!(copied, Some(Response::Rows { .. })), "{copied:?}");
            });
        }
    });
    client.query("REMOVE @~");
}
