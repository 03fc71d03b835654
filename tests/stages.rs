//! Stages over real storages: a directory, memory, and S3 where one is given by
//! `STAGEWIRE_TEST_S3_ENDPOINT`, `_KEY`, `_SECRET` and `_BUCKET`.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::join_all;
use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;
use md5::{Digest, Md5};
use opendal::{Operator, services};
use sha2::Sha256;
use stagewire::access::Users;
use stagewire::access::directory::Directory;
use stagewire::access::password::Kept;
use stagewire::access::people::{Grantee, Grants, OwnLimits};
use stagewire::config::{self, Config, Overrides, Plugin, Secret};
use stagewire::error::{Error, StorageKind};
use stagewire::stage::connection::Connection;
use stagewire::stage::definition::{Definition, External, Place};
use stagewire::stage::name::{StageName, StagePath};
use stagewire::stage::{
    Committed, Copied, Created, Entry, Files, IfExists, Listed, Parts, Route, Stages, place,
};
use tokio::runtime::{EnterGuard, Runtime};
use uuid::Uuid;

const BY: &str = "'root'@'localhost'";
const KEY: [u8; 32] = [7; 32];

/// Names that some layer or other likes to change.
const ODD_NAMES: &[&str] = &[
    "a b.csv",
    "#x",
    "50%.csv",
    "%41",
    "a--b",
    "a+b",
    "a?b",
    "it's",
    "a&b=c",
    "été/ü.csv",
    "日本/テ.csv",
    "a:b;c,d",
    "[x](y)*!",
    "<t>\"q\"",
    "dir/#y/z",
    "...",
];

fn memory() -> Operator {
    Operator::new(services::Memory::default()).expect("memory")
}

async fn over(catalog: &Operator, storage: &Operator) -> Arc<Stages> {
    let external = config::External::default();
    Stages::over(catalog.clone(), storage.clone(), KEY, &external).await.expect("opened")
}

fn internal(name: &str) -> Definition {
    stage(name, Place::Internal)
}

fn stage(name: &str, place: Place) -> Definition {
    let name = match name.split_once('.') {
        Some((database, name)) => StageName::new(database, name),
        None => StageName::new("default", name),
    };
    Definition {
        name,
        id: Uuid::new_v4(),
        place,
        temporary: false,
        file_format: BTreeMap::new(),
        comment: String::new(),
        creator: BY.to_owned(),
        owner: Uuid::nil(),
        created_at: Timestamp::now(),
    }
}

fn external(name: &str, url: &str, options: &[(&str, &str)]) -> Definition {
    let options: Vec<_> = options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    stage(name, Place::External(place::external(url, &options).expect("valid")))
}

fn named(name: &str) -> StageName {
    internal(name).name
}

fn path(text: &str) -> StagePath {
    StagePath::new(text).expect(text)
}

async fn names(stages: &Arc<Stages>, database: Option<&str>) -> Vec<String> {
    let listed = stages.list(database).await.expect("listed");
    let name = |listed: Listed| match listed {
        Listed::Stage(definition) => definition.name.to_string(),
        Listed::Damaged { name, .. } => format!("{name} (damaged)"),
    };
    listed.into_iter().map(name).collect()
}

async fn put(files: &Arc<Files>, name: &str, text: &str) -> Committed {
    put_as(files, name, text, true).await
}

async fn put_as(files: &Arc<Files>, name: &str, text: &str, overwrite: bool) -> Committed {
    let mut writer = files.create(&path(name), overwrite, Parts::default()).await.expect("begun");
    writer.write(Bytes::copy_from_slice(text.as_bytes())).await.expect("written");
    writer.finish().await.expect("finished")
}

/// Of a file that was written.
fn size(committed: &Committed) -> Option<u64> {
    match committed {
        Committed::Written { size, .. } => Some(*size),
        Committed::Exists | Committed::Same => None,
    }
}

async fn list(files: &Arc<Files>, prefix: &str) -> Vec<String> {
    let entries: Vec<Entry> = files.list(&path(prefix)).try_collect().await.expect("listed");
    entries.into_iter().map(|entry| entry.path).collect()
}

async fn read(files: &Arc<Files>, name: &str) -> String {
    let blocks: Vec<Bytes> =
        files.read(&path(name)).await.expect("opened").try_collect().await.expect("read");
    String::from_utf8(blocks.concat()).expect("UTF-8")
}

async fn remove(files: &Arc<Files>, names: &[&str]) -> Vec<(String, bool)> {
    let entry = |name: &&str| Entry {
        path: (*name).to_owned(),
        size: 1,
        md5: None,
        sha256: None,
        etag: None,
        last_modified: None,
    };
    let entries: Vec<_> = names.iter().map(|name| Ok(entry(name))).collect();
    let results = files.remove(stream::iter(entries).boxed());
    results.map(|(path, result)| (path, result.is_ok())).collect().await
}

fn config(data_dir: &Path) -> Config {
    let overrides = Overrides { data_dir: Some(data_dir.to_owned()), ..Overrides::default() };
    Config::load(None, overrides).expect("valid")
}

/// S3 as the environment names it.
struct S3 {
    endpoint: String,
    key: String,
    secret: String,
    bucket: String,
    /// Of this test alone.
    prefix: String,
    _threads: EnterGuard<'static>,
}

/// What talks to S3 runs on threads that outlive its test: OpenDAL keeps one pool of HTTP connections
/// for the whole process, and a connection breaks with the runtime that opened it.
static THREADS: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));

impl S3 {
    fn get() -> Option<S3> {
        let var = |name: &str| std::env::var(format!("STAGEWIRE_TEST_S3_{name}")).ok();
        let (Some(endpoint), Some(key), Some(secret), Some(bucket)) =
            (var("ENDPOINT"), var("KEY"), var("SECRET"), var("BUCKET"))
        else {
            eprintln!("skipped: STAGEWIRE_TEST_S3_ENDPOINT, _KEY, _SECRET, _BUCKET are not set");
            return None;
        };
        let prefix = format!("stagewire-test/{}", Uuid::new_v4());
        Some(S3 { endpoint, key, secret, bucket, prefix, _threads: THREADS.enter() })
    }

    fn url(&self) -> String {
        format!("s3://{}/{}/", self.bucket, self.prefix)
    }

    fn options(&self) -> Vec<(&str, &str)> {
        vec![
            ("ENDPOINT_URL", &self.endpoint),
            ("AWS_KEY_ID", &self.key),
            ("AWS_SECRET_KEY", &self.secret),
        ]
    }

    fn place(&self, below: &str) -> config::Place {
        let options = self.options().into_iter();
        config::Place {
            url: format!("{}{below}", self.url()),
            options: options.map(|(k, v)| (k.to_lowercase(), Secret::new(v))).collect(),
        }
    }

    fn operator(&self) -> Operator {
        let builder = services::S3::default()
            .bucket(&self.bucket)
            .root(&self.prefix)
            .endpoint(&self.endpoint)
            .region("us-east-1")
            .access_key_id(&self.key)
            .secret_access_key(&self.secret);
        Operator::new(builder).expect("S3").layer(opendal::layers::RetryLayer::new())
    }

    /// What the storage says about uploads in parts that were neither finished nor aborted. OpenDAL
    /// has no call for that; curl can sign one.
    fn unfinished_uploads(&self) -> String {
        let output = std::process::Command::new("curl")
            .args(["--silent", "--fail-with-body", "--aws-sigv4", "aws:amz:us-east-1:s3", "--user"])
            .arg(format!("{}:{}", self.key, self.secret))
            // The digest of nothing, which curl does not send by itself.
            .args(["--header", "x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"])
            .arg(format!("{}/{}/?uploads=", self.endpoint, self.bucket))
            .output()
            .expect("curl runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("ListMultipartUploadsResult"), "{text}");
        text
    }

    async fn remove(&self) {
        self.operator().delete_with("/").recursive(true).await.expect("removed");
    }
}

// ---- the catalog

#[tokio::test]
async fn of_sixteen_creators_one_wins() {
    let (catalog, storage) = (memory(), memory());
    race_of_creators(&catalog, &storage).await;
}

#[tokio::test]
async fn of_sixteen_creators_on_s3_one_wins() {
    let Some(s3) = S3::get() else { return };
    race_of_creators(&s3.operator(), &memory()).await;
    s3.remove().await;
}

async fn race_of_creators(catalog: &Operator, storage: &Operator) {
    for round in 0..3 {
        let servers = join_all((0..16).map(|_| over(catalog, storage))).await;
        let name = format!("lake{round}");
        let creators = servers.iter().map(|server| server.create(internal(&name), IfExists::Fail));
        let outcomes = join_all(creators).await;
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
        for outcome in outcomes.into_iter().filter_map(Result::err) {
            assert!(matches!(outcome, Error::StageExists { .. }), "{outcome}");
        }
        let ids = join_all(
            servers
                .iter()
                .map(|server| async { server.get(&named(&name)).await.expect("there").id }),
        )
        .await;
        assert!(ids.windows(2).all(|pair| pair[0] == pair[1]), "servers disagree");
    }
}

#[tokio::test]
async fn of_sixteen_droppers_one_wins_and_the_name_lives_on() {
    let (catalog, storage) = (memory(), memory());
    let servers = join_all((0..16).map(|_| over(&catalog, &storage))).await;
    servers[0].create(internal("lake"), IfExists::Fail).await.expect("made");
    let name = named("lake");
    let outcomes = join_all(servers.iter().map(|server| server.drop_stage(&name, BY))).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    for outcome in outcomes.into_iter().filter_map(Result::err) {
        assert!(matches!(outcome, Error::UnknownStage { .. }), "{outcome}");
    }
    let created = servers[5].create(internal("lake"), IfExists::Fail).await.expect("made again");
    assert_eq!(created, Created::New);
    servers[6].get(&name).await.expect("seen at once by another server");
}

#[tokio::test]
async fn no_alter_is_lost() {
    let (catalog, storage) = (memory(), memory());
    let servers = join_all((0..8).map(|_| over(&catalog, &storage))).await;
    servers[0].create(internal("lake"), IfExists::Fail).await.expect("made");
    let name = named("lake");
    let add = |definition: &mut Definition| {
        definition.comment.push('x');
        definition.id = Uuid::nil();
        definition.name = StageName::new("elsewhere", "other");
        Ok(())
    };
    let outcomes = join_all(servers.iter().map(|server| server.alter(&name, &add, BY))).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    let stage = servers[1].get(&name).await.expect("there");
    assert_eq!(stage.comment, "x".repeat(8));
    assert!(!stage.id.is_nil() && stage.name == name);
}

/// A web server with a file that says nothing, which remembers who has asked.
fn web() -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = [0; 4096];
            let bytes = stream.read(&mut request).unwrap_or_default();
            let text = String::from_utf8_lossy(&request[..bytes]).to_lowercase();
            let proof = text.lines().find_map(|line| line.strip_prefix("authorization: "));
            seen.lock().expect("no panic").push(proof.unwrap_or("nobody").to_owned());
            let body = if text.starts_with("head") { "" } else { "ok" };
            let head = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n";
            let _ = write!(stream, "{head}{body}");
        }
    });
    (port, asked)
}

#[tokio::test]
async fn a_secret_that_one_server_changes_is_used_by_the_other() {
    let (catalog, storage) = (memory(), memory());
    let (one, other) = (over(&catalog, &storage).await, over(&catalog, &storage).await);
    let (port, asked) = web();
    let token = |text: &str| [("TOKEN".to_owned(), text.to_owned())];
    let (storage_type, options) =
        place::of_connection("http", &token("first-secret")).expect("valid");
    let vault = Connection {
        id: Uuid::new_v4(),
        name: "vault".to_owned(),
        storage_type: storage_type.to_owned(),
        options,
        comment: String::new(),
        creator: BY.to_owned(),
        created_at: Timestamp::now(),
    };
    let anybody = |_| Ok(());
    let made = one.connections().create(&vault, IfExists::Fail, &anybody).await;
    assert_eq!(made.expect("made"), Created::New);
    let url = format!("http://127.0.0.1:{port}/x/");
    let lake = stage("lake", Place::External(place::behind(&url, &[], &vault).expect("valid")));
    one.create(lake.clone(), IfExists::Fail).await.expect("made");
    let who = || asked.lock().expect("no panic").last().cloned().expect("asked");

    let lake = other.get(&lake.name).await.expect("seen");
    assert_eq!(read(&other.open_files(&lake).await.expect("opened"), "a").await, "ok");
    assert_eq!(who(), "bearer first-secret");
    let change = |connection: &mut Connection| {
        connection.options = place::over_connection(connection, &token("second-secret"))?;
        Ok(())
    };
    one.connections().alter("vault", &change).await.expect("altered");
    assert_eq!(read(&other.open_files(&lake).await.expect("opened"), "a").await, "ok");
    assert_eq!(who(), "bearer second-secret");

    // It can be read nowhere in the catalog, and by no server with another key.
    let objects: Vec<_> = catalog
        .lister_with("")
        .recursive(true)
        .await
        .expect("listed")
        .try_collect()
        .await
        .expect("listed");
    let mut seen = 0;
    for object in objects.iter().filter(|object| object.metadata().is_file()) {
        let bytes = catalog.read(object.path()).await.expect("read").to_vec();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("-secret"), "{}: {text}", object.path());
        seen += usize::from(text.contains("vault"));
    }
    assert!(seen >= 3, "{seen} of {objects:?}");
    let external = config::External::default();
    let stranger =
        Stages::over(catalog.clone(), storage, [8; 32], &external).await.expect("opened");
    let known = stranger.connections().read().await.expect("read");
    assert_eq!(known.names().map(|(name, _)| name).collect::<Vec<_>>(), ["vault"]);
    assert!(matches!(known.get("vault"), Err(Error::CatalogDamaged { .. })));

    // One that is replaced is the same, one of the name that comes later is not.
    let again = Connection { id: Uuid::new_v4(), ..vault.clone() };
    one.connections().create(&again, IfExists::Replace, &anybody).await.expect("replaced");
    assert_eq!(read(&other.open_files(&lake).await.expect("opened"), "a").await, "ok");
    assert_eq!(who(), "bearer first-secret");
    one.connections().drop_connection("vault", &anybody).await.expect("dropped");
    one.connections().create(&again, IfExists::Fail, &anybody).await.expect("made");
    let gone = other.open_files(&lake).await.map(|_| ());
    assert!(matches!(gone, Err(Error::UnknownObject { .. })), "{gone:?}");
}

#[tokio::test]
async fn create_keeps_or_replaces() {
    let stages = over(&memory(), &memory()).await;
    let first = internal("lake");
    stages.create(first.clone(), IfExists::Fail).await.expect("made");
    let files = stages.open_files(&first).await.expect("opened");
    put(&files, "a.csv", "1").await;
    let kept = stages.create(internal("lake"), IfExists::Keep).await.expect("kept");
    assert_eq!(kept, Created::Kept);
    assert_eq!(stages.get(&first.name).await.expect("there").id, first.id);
    let second = internal("lake");
    let replaced = stages.create(second.clone(), IfExists::Replace).await.expect("replaced");
    assert_eq!(replaced, Created::Replaced);
    assert_eq!(list(&files, "").await, [""; 0], "the old files are still there");
    // Of who may replace one stage alone, another one of the name is safe.
    let other = stages.create(internal("lake"), IfExists::ReplaceThis(first.id)).await;
    assert!(matches!(other, Err(Error::StageExists { .. })), "{other:?}");
    assert_eq!(stages.get(&first.name).await.expect("there").id, second.id);
    let own = stages.create(internal("lake"), IfExists::ReplaceThis(second.id)).await;
    assert!(matches!(own, Ok(Created::Replaced)), "{own:?}");
}

#[tokio::test]
async fn a_rename_moves_the_name_and_leaves_the_files() {
    let stages = over(&memory(), &memory()).await;
    stages.create_database("sales", BY).await.expect("made");
    let lake = internal("lake");
    stages.create(lake.clone(), IfExists::Fail).await.expect("made");
    put(&stages.open_files(&lake).await.expect("opened"), "a.csv", "1").await;
    let to = named("sales.pond");
    stages.rename(&lake.name, &to, BY).await.expect("renamed");
    assert!(matches!(stages.get(&lake.name).await, Err(Error::UnknownStage { .. })));
    let moved = stages.get(&to).await.expect("there");
    assert_eq!(list(&stages.open_files(&moved).await.expect("opened"), "").await, ["a.csv"]);
    assert_eq!(names(&stages, None).await, ["sales.pond"]);
    // The old name is free, the new one is not.
    stages.create(internal("lake"), IfExists::Fail).await.expect("made");
    let taken = stages.rename(&lake.name, &to, BY).await.expect_err("taken");
    assert!(matches!(taken, Error::StageExists { .. }), "{taken}");
    stages
        .alter(
            &to,
            &|d| {
                d.comment = "c".to_owned();
                Ok(())
            },
            BY,
        )
        .await
        .expect("altered");
    stages.drop_stage(&to, BY).await.expect("dropped");
    assert_eq!(names(&stages, None).await, ["lake"]);
}

#[tokio::test]
async fn of_renames_to_one_name_one_wins() {
    for _ in 0..20 {
        let (catalog, storage) = (memory(), memory());
        let servers = join_all((0..6).map(|_| over(&catalog, &storage))).await;
        for i in 0..6 {
            servers[0].create(internal(&format!("s{i}")), IfExists::Fail).await.expect("made");
        }
        let to = named("target");
        let renames = servers.iter().enumerate().map(|(i, server)| {
            let (from, to) = (named(&format!("s{i}")), to.clone());
            async move { server.rename(&from, &to, BY).await }
        });
        let outcomes = join_all(renames).await;
        assert_eq!(outcomes.iter().filter(|o| o.is_ok()).count(), 1, "{outcomes:?}");
        for server in &servers {
            let all = names(server, None).await;
            assert_eq!(all.len(), 6, "{all:?}");
            assert!(all.contains(&"target".to_owned()));
        }
    }
}

#[tokio::test]
async fn one_stage_is_renamed_once() {
    for _ in 0..20 {
        let (catalog, storage) = (memory(), memory());
        let servers = join_all((0..6).map(|_| over(&catalog, &storage))).await;
        servers[0].create(internal("lake"), IfExists::Fail).await.expect("made");
        let renames = servers.iter().enumerate().map(|(i, server)| {
            let to = named(&format!("to{i}"));
            async move { server.rename(&named("lake"), &to, BY).await }
        });
        let outcomes = join_all(renames).await;
        assert_eq!(outcomes.iter().filter(|o| o.is_ok()).count(), 1, "{outcomes:?}");
        assert_eq!(names(&servers[3], None).await.len(), 1);
    }
}

/// Any mixture of changes by several servers: afterwards all see the same, no stage is there
/// twice, and none has got lost but those that were dropped.
#[tokio::test(flavor = "multi_thread")]
async fn servers_agree_after_any_mixture_of_changes() {
    for _ in 0..30 {
        let (catalog, storage) = (memory(), memory());
        let servers = join_all((0..6).map(|_| over(&catalog, &storage))).await;
        mixture_of_changes(&servers, over(&catalog, &storage)).await;
    }
}

/// The same by several connections of one server with a catalog of its own.
#[tokio::test(flavor = "multi_thread")]
async fn connections_agree_after_any_mixture_of_changes() {
    for _ in 0..3 {
        let dir = tempfile::tempdir().expect("temporary directory");
        let stages = Stages::open(&config(dir.path())).await.expect("opened");
        let connections = vec![Arc::clone(&stages); 6];
        mixture_of_changes(&connections, async { Arc::clone(&stages) }).await;
        let before = ids(&stages).await;
        drop((connections, stages));
        let again = opened_again(dir.path()).await;
        assert_eq!(ids(&again).await, before);
    }
}

/// The lock of the one before may be held for a moment longer, by whatever ends last.
async fn opened_again(dir: &Path) -> Arc<Stages> {
    let mut tries = 0;
    loop {
        match Stages::open(&config(dir)).await {
            Ok(stages) => return stages,
            Err(error) if tries == 100 => panic!("not opened again: {error}"),
            Err(_) => tries += 1,
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn mixture_of_changes(servers: &[Arc<Stages>], fresh: impl Future<Output = Arc<Stages>>) {
    let seed = u64::from_le_bytes(Uuid::new_v4().as_bytes()[..8].try_into().expect("eight"));
    eprintln!("seed {seed}");
    let changes = servers.iter().enumerate().map(|(i, server)| {
        let (server, mut random) = (Arc::clone(server), seed ^ (i as u64 + 1));
        let mut next = move |below: u64| {
            // xorshift
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % below
        };
        tokio::spawn(async move {
            let mut balance = 0i32;
            for _ in 0..20 {
                let name = named(&format!("s{}", next(4)));
                let to = named(&format!("s{}", next(4)));
                let comment = next(1000).to_string();
                let outcome = match next(4) {
                    0 => {
                        let made = server.create(internal(&name.name), IfExists::Fail).await;
                        balance += i32::from(made.is_ok());
                        made.map(drop)
                    }
                    1 => {
                        let dropped = server.drop_stage(&name, BY).await;
                        balance -= i32::from(dropped.is_ok());
                        dropped
                    }
                    2 => {
                        let change = |d: &mut Definition| {
                            d.comment.clone_from(&comment);
                            Ok(())
                        };
                        server.alter(&name, &change, BY).await
                    }
                    _ => server.rename(&name, &to, BY).await,
                };
                if let Err(error) = outcome {
                    let lost =
                        matches!(error, Error::StageExists { .. } | Error::UnknownStage { .. });
                    assert!(lost, "{error}");
                }
            }
            balance
        })
    });
    let balances = join_all(changes).await;
    let expected: i32 = balances.into_iter().map(|balance| balance.expect("ended")).sum();
    let seen = ids(&fresh.await).await;
    assert_eq!(seen.len(), usize::try_from(expected).expect("not negative"));
    let unique: std::collections::BTreeSet<_> = seen.iter().map(|(_, id)| id).collect();
    assert_eq!(unique.len(), seen.len(), "a stage is there twice");
    for server in servers {
        for (name, id) in &seen {
            assert_eq!(server.get(name).await.expect("there").id, *id);
        }
    }
}

async fn ids(stages: &Arc<Stages>) -> Vec<(StageName, Uuid)> {
    let listed = stages.list(None).await.expect("listed");
    let stage = |listed| match listed {
        Listed::Stage(definition) => (definition.name.clone(), definition.id),
        Listed::Damaged { name, why } => panic!("{name}: {why}"),
    };
    listed.into_iter().map(stage).collect()
}

#[tokio::test]
async fn a_rename_that_stopped_half_way_is_none() {
    let (catalog, storage) = (memory(), memory());
    let server = over(&catalog, &storage).await;
    server.create(internal("lake"), IfExists::Fail).await.expect("made");
    server.rename(&named("lake"), &named("pond"), BY).await.expect("renamed");
    // As if the server had been killed before the second write.
    let second = format!("stages/default/lake/{:020}.json", 2);
    let moved = catalog.read(&second).await.expect("written").to_vec();
    catalog.delete(&second).await.expect("removed");
    let other = over(&catalog, &storage).await;
    assert_eq!(names(&other, None).await, ["lake"]);
    assert!(matches!(other.get(&named("pond")).await, Err(Error::UnknownStage { .. })));
    // Who needs the name takes it, and the renamer can't finish any more.
    other.create(internal("pond"), IfExists::Fail).await.expect("made");
    let late = catalog.write_with(&second, moved).if_not_exists(true).await.expect_err("fenced");
    assert_eq!(late.kind(), opendal::ErrorKind::ConditionNotMatch);
    assert_eq!(names(&over(&catalog, &storage).await, None).await, ["lake", "pond"]);
}

#[tokio::test]
async fn a_damaged_revision_harms_nobody_else_and_can_be_dropped() {
    let (catalog, storage) = (memory(), memory());
    let server = over(&catalog, &storage).await;
    for name in ["lake", "pond"] {
        server.create(internal(name), IfExists::Fail).await.expect("made");
    }
    let object = format!("stages/default/lake/{:020}.json", 1);
    catalog.write(&object, "{\"format\": 1, ").await.expect("damaged");
    let server = over(&catalog, &storage).await;
    assert_eq!(names(&server, None).await, ["lake (damaged)", "pond"]);
    let error = server.get(&named("lake")).await.expect_err("damaged");
    assert!(matches!(&error, Error::CatalogDamaged { object: o, .. } if *o == object), "{error}");
    assert!(server.create(internal("lake"), IfExists::Fail).await.is_err());
    server.drop_stage(&named("lake"), BY).await.expect("dropped");
    assert_eq!(names(&server, None).await, ["pond"]);
}

#[tokio::test]
async fn secrets_are_sealed_and_a_wrong_key_is_named() {
    let (catalog, storage) = (memory(), memory());
    let server = over(&catalog, &storage).await;
    let options = [("AWS_KEY_ID", "k"), ("AWS_SECRET_KEY", "hush"), ("ENDPOINT", "h.example.com")];
    server.create(external("lake", "s3://b/", &options), IfExists::Fail).await.expect("made");
    server.create(internal("pond"), IfExists::Fail).await.expect("made");
    let text = catalog.read(&format!("stages/default/lake/{:020}.json", 1)).await.expect("read");
    assert!(!String::from_utf8_lossy(&text.to_vec()).contains("hush"));
    let external = config::External::default();
    let other = Stages::over(catalog, storage, [8; 32], &external).await.expect("opened");
    let error = other.get(&named("lake")).await.expect_err("wrong key").to_string();
    assert!(error.contains("sealed with the key"), "{error}");
    assert_eq!(names(&other, None).await, ["lake (damaged)", "pond"]);
}

#[tokio::test]
async fn a_database_takes_its_stages_with_it() {
    let (catalog, storage) = (memory(), memory());
    let (a, b) = (over(&catalog, &storage).await, over(&catalog, &storage).await);
    a.create_database("sales", BY).await.expect("made");
    assert!(matches!(b.create_database("sales", BY).await, Err(Error::DatabaseExists { .. })));
    assert_eq!(b.databases().await.expect("listed"), ["default", "sales"]);
    b.create(internal("sales.lake"), IfExists::Fail).await.expect("made");
    b.create(internal("lake"), IfExists::Fail).await.expect("made");
    let inner = a.get(&named("sales.lake")).await.expect("there");
    put(&a.open_files(&inner).await.expect("opened"), "x", "1").await;
    // What a slow creator would have written just after the database went.
    let first = format!("stages/sales/lake/{:020}.json", 1);
    let late = catalog.read(&first).await.expect("read").to_vec();
    assert_eq!(a.drop_database("sales", BY).await.expect("dropped"), 1);
    assert!(matches!(b.get(&inner.name).await, Err(Error::UnknownDatabase { .. })));
    assert!(matches!(
        b.create(internal("sales.x"), IfExists::Fail).await,
        Err(Error::UnknownDatabase { .. })
    ));
    catalog.write(&format!("stages/sales/lake/{:020}.json", 3), late).await.expect("written");
    b.create_database("sales", BY).await.expect("made again");
    assert!(matches!(b.get(&inner.name).await, Err(Error::UnknownStage { .. })));
    assert_eq!(names(&over(&catalog, &storage).await, None).await, ["lake"]);
    assert_eq!(b.create(internal("sales.lake"), IfExists::Fail).await.expect("made"), Created::New);
    for protected in ["default", "INFORMATION_SCHEMA"] {
        let error = a.drop_database(protected, BY).await.expect_err(protected);
        assert!(matches!(error, Error::ProtectedDatabase { .. }), "{error}");
    }
}

#[tokio::test]
async fn an_unknown_stage_suggests_a_known_one() {
    let stages = over(&memory(), &memory()).await;
    stages.create(internal("lake"), IfExists::Fail).await.expect("made");
    let error = stages.get(&named("lakee")).await.expect_err("unknown").message();
    assert!(error.contains("did you mean 'lake'?"), "{error}");
}

#[tokio::test]
async fn ten_thousand_stages_are_listed_from_memory() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let stages = Stages::open(&config(dir.path())).await.expect("opened");
    let count = 10_000;
    let made = stream::iter(0..count)
        .map(|i| stages.create(internal(&format!("s{i:05}")), IfExists::Fail))
        .buffer_unordered(64)
        .try_collect::<Vec<_>>();
    made.await.expect("made");
    let begun = Instant::now();
    assert_eq!(stages.list(None).await.expect("listed").len(), count);
    eprintln!("{count} stages listed in {:?}", begun.elapsed());
    drop(stages);
    let begun = Instant::now();
    let stages = Stages::open(&config(dir.path())).await.expect("opened again");
    eprintln!("a catalog of {count} stages opened in {:?}", begun.elapsed());
    assert_eq!(stages.list(Some("default")).await.expect("listed").len(), count);
}

// ---- a server of its own

#[tokio::test]
async fn a_restarted_server_has_its_stages_and_no_left_overs() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let lake = internal("lake");
    {
        let stages = Stages::open(&config(dir.path())).await.expect("opened");
        stages.create(lake.clone(), IfExists::Fail).await.expect("made");
        put(&stages.open_files(&lake).await.expect("opened"), "a/b.csv", "1").await;
        let second = Stages::open(&config(dir.path())).await.err().expect("locked").to_string();
        assert!(second.contains("belongs to another server: process"), "{second}");
    }
    for left in ["unfinished/files/x", "unfinished/catalog/y", "files/temporary/z/w"] {
        let left = dir.path().join(left);
        std::fs::create_dir_all(left.parent().expect("below")).expect("made");
        std::fs::write(left, "left").expect("written");
    }
    let stages = Stages::open(&config(dir.path())).await.expect("opened");
    let stage = stages.get(&lake.name).await.expect("there");
    assert_eq!(*stage, lake);
    assert_eq!(list(&stages.open_files(&stage).await.expect("opened"), "").await, ["a/b.csv"]);
    assert!(!dir.path().join("files/temporary").exists());
    assert_eq!(files_below(&dir.path().join("unfinished")), [""; 0]);
}

#[tokio::test]
async fn a_dropped_internal_stage_leaves_no_files_and_an_external_one_all() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let lake = dir.path().join("lake");
    std::fs::create_dir_all(&lake).expect("made");
    let mut config = config(&dir.path().join("data"));
    config.external.fs_dirs = vec![dir.path().to_owned()];
    let stages = Stages::open(&config).await.expect("opened");
    let url = format!("fs://{}", lake.display());
    for stage in [internal("inside"), external("outside", &url, &[])] {
        stages.create(stage.clone(), IfExists::Fail).await.expect("made");
        put(&stages.open_files(&stage).await.expect("opened"), "a.csv", "1").await;
        stages.drop_stage(&stage.name, BY).await.expect("dropped");
    }
    assert_eq!(files_below(&dir.path().join("data/files")), [""; 0]);
    assert_eq!(files_below(&lake), ["a.csv"]);
    let inside = format!("fs://{}", dir.path().join("data/files").display());
    let refused = stages.create(external("x", &inside, &[]), IfExists::Fail).await;
    assert!(matches!(refused, Err(Error::UrlNotAllowed { .. })));
}

#[tokio::test]
async fn a_catalog_on_s3_is_probed_and_shared() {
    let Some(s3) = S3::get() else { return };
    let dirs = [tempfile::tempdir().expect("directory"), tempfile::tempdir().expect("directory")];
    let mut servers = Vec::new();
    for dir in &dirs {
        let mut config = config(dir.path());
        config.catalog = Some(s3.place("catalog"));
        config.storage = Some(s3.place("files"));
        config.secret_key = Some(Secret::new("ab".repeat(32)));
        servers.push(Stages::open(&config).await.expect("opened"));
    }
    let lake = external("lake", &s3.url(), &s3.options());
    servers[0].create(lake.clone(), IfExists::Fail).await.expect("made");
    assert_eq!(*servers[1].get(&lake.name).await.expect("there"), lake);
    assert_eq!(names(&servers[1], None).await, ["lake"]);
    servers[1].drop_stage(&lake.name, BY).await.expect("dropped");
    assert!(matches!(servers[0].get(&lake.name).await, Err(Error::UnknownStage { .. })));
    let pond = internal("pond");
    servers[0].create(pond.clone(), IfExists::Fail).await.expect("made");
    put(&servers[0].open_files(&pond).await.expect("opened"), "x", "1").await;
    assert_eq!(list(&servers[1].open_files(&pond).await.expect("opened"), "").await, ["x"]);
    servers[1].drop_stage(&pond.name, BY).await.expect("dropped");
    assert_eq!(list(&servers[0].open_files(&pond).await.expect("opened"), "").await, [""; 0]);
    let left = s3.operator().list("catalog/probe/").await.expect("listed");
    assert!(left.is_empty(), "{left:?}");
    s3.remove().await;
}

fn files_below(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(next) = dirs.pop() {
        for entry in std::fs::read_dir(next).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                dirs.push(entry.path());
            } else {
                let path = entry.path();
                found.push(path.strip_prefix(dir).expect("below").display().to_string());
            }
        }
    }
    found.sort();
    found
}

// ---- files: the same on every storage

/// Runs a test on each storage that there is.
async fn everywhere<T: Future<Output = ()>>(test: impl Fn(Arc<Files>) -> T) {
    let dir = tempfile::tempdir().expect("temporary directory");
    let local = Stages::open(&config(dir.path())).await.expect("opened");
    eprintln!("on a directory");
    test(local.open_files(&internal("local")).await.expect("opened")).await;
    local.settle().await;
    assert_eq!(files_below(&dir.path().join("unfinished")), [""; 0]);
    eprintln!("in memory");
    let url = format!("memory://{}/sub/", Uuid::new_v4());
    test(local.open_files(&external("memory", &url, &[])).await.expect("opened")).await;
    if let Some(s3) = S3::get() {
        eprintln!("on S3");
        let stage = external("s3", &s3.url(), &s3.options());
        test(local.open_files(&stage).await.expect("opened")).await;
        s3.remove().await;
    }
    if let Some(place) = one_more_place() {
        eprintln!("on {}", place.url);
        let files = local.open_files(&stage("more", Place::External(place))).await.expect("opened");
        test(Arc::clone(&files)).await;
        let left = files.list(&StagePath::root());
        let removed: Vec<_> = files.remove(left).collect().await;
        assert!(removed.iter().all(|(_, result)| result.is_ok()), "{removed:?}");
    }
}

/// Any other storage: `STAGEWIRE_TEST_URL`, with options as `STAGEWIRE_TEST_OPTIONS='K=V;K=V'`.
fn one_more_place() -> Option<External> {
    let url = std::env::var("STAGEWIRE_TEST_URL").ok()?;
    let text = std::env::var("STAGEWIRE_TEST_OPTIONS").unwrap_or_default();
    let pairs = text.split(';').filter_map(|pair| pair.split_once('='));
    let options: Vec<_> = pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    let below = format!("{}/{}/", url.trim_end_matches('/'), Uuid::new_v4());
    Some(place::external(&below, &options).expect("valid"))
}

#[tokio::test]
async fn storage_failures_are_told_apart() {
    let Some(s3) = S3::get() else { return };
    let stages = over(&memory(), &memory()).await;
    let end = ("ENDPOINT", s3.endpoint.as_str());
    let wrong = [end, ("AWS_KEY_ID", &s3.key), ("AWS_SECRET_KEY", "wrong")];
    let no_bucket = external("a", "s3://no-such-bucket-of-ours/", &s3.options());
    for (stage, expected) in [
        (no_bucket, StorageKind::NotFound),
        (external("b", &s3.url(), &wrong), StorageKind::Denied),
        (external("c", &s3.url(), &[end]), StorageKind::Denied),
    ] {
        let files = stages.open_files(&stage).await.expect("opened");
        let listed = files.list(&StagePath::root()).try_collect::<Vec<_>>().await;
        let mut writer = files.create(&path("x"), true, Parts::default()).await.expect("begun");
        writer.write(Bytes::from_static(b"x")).await.expect("kept");
        for error in [listed.expect_err("failed"), writer.finish().await.expect_err("failed")] {
            let Error::Storage { kind, .. } = &error else { panic!("{error}") };
            assert_eq!(*kind, expected, "{error:?}");
        }
    }
}

#[tokio::test]
async fn odd_names_come_back_unchanged() {
    everywhere(|files| async move {
        for name in ODD_NAMES {
            let written = put(&files, name, name).await;
            assert_eq!(size(&written), Some(name.len() as u64), "{name}");
        }
        let mut expected: Vec<_> = ODD_NAMES.iter().map(|name| (*name).to_owned()).collect();
        expected.sort();
        assert_eq!(list(&files, "").await, expected);
        for name in ODD_NAMES {
            assert_eq!(read(&files, name).await, **name);
            let entry = files.stat(&path(name)).await.expect("asked").expect("there");
            assert_eq!((entry.path.as_str(), entry.size), (*name, name.len() as u64));
        }
        let removed = remove(&files, ODD_NAMES).await;
        assert!(removed.iter().all(|(_, fine)| *fine), "{removed:?}");
        assert_eq!(list(&files, "").await, [""; 0]);
    })
    .await;
}

/// Who reads a file in parts gets one version of it, or an error.
#[tokio::test]
async fn a_file_that_has_changed_is_not_read_as_the_old_one() {
    everywhere(|files| async move {
        put(&files, "a.csv", "old text").await;
        let mut listed = files.list(&StagePath::root());
        let seen = listed.next().await.expect("a file").expect("listed");
        let part = async || {
            let blocks = files.read_version(&path("a.csv"), 0..3, &seen).await?;
            blocks.try_collect::<Vec<Bytes>>().await
        };
        assert_eq!(part().await.expect("read").concat(), b"old");
        put_as(&files, "a.csv", "another text", true).await;
        let error = part().await.expect_err("changed");
        assert!(matches!(error, Error::FileChanged { .. }), "{error:?}");
    })
    .await;
}

/// One that changes while it is read, in its place, is not one version any more.
#[tokio::test]
async fn a_file_that_changes_in_its_place_is_not_read_to_its_end() {
    let dir = tempfile::tempdir().expect("a directory");
    let local = Stages::open(&config(dir.path())).await.expect("opened");
    let files = local.open_files(&internal("local")).await.expect("opened");
    put(&files, "a.csv", &"old text\n".repeat(1 << 18)).await;
    let seen = files.stat(&path("a.csv")).await.expect("asked").expect("there");
    let size = seen.size;
    let mut blocks = files.read_version(&path("a.csv"), 0..size, &seen).await.expect("opened");
    blocks.next().await.expect("a block").expect("read");
    let found = files_below(dir.path()).into_iter().find(|path| path.ends_with("a.csv"));
    let found = dir.path().join(found.expect("the file"));
    std::fs::write(found, "new text\n".repeat(1 << 18)).expect("written");
    let error = blocks.try_collect::<Vec<Bytes>>().await.expect_err("changed");
    assert!(matches!(error, Error::FileChanged { .. }), "{error:?}");
}

/// A whole query of a file that is another one since it was listed.
#[cfg(feature = "query")]
#[tokio::test]
async fn a_query_of_a_file_that_has_changed_fails() {
    use stagewire::query::{Engine, FileTable, Query};
    let data = tempfile::tempdir().expect("a directory");
    let config = config(data.path());
    let engine = Arc::new(Engine::new(&config).expect("an engine"));
    everywhere(|files| {
        let engine = engine.clone();
        async move {
            put(&files, "a.csv", "1,x\n2,y\n").await;
            let mut listed = files.list(&StagePath::root());
            let seen = listed.next().await.expect("a file").expect("listed");
            let table = || FileTable {
                name: FileTable::name_of(0),
                location: "@s/a.csv".to_owned(),
                home: "s".to_owned(),
                files: files.clone(),
                entries: vec![seen.clone()],
                options: BTreeMap::new(),
            };
            let query = async || {
                let (_, rows) = engine.run(Query::of_all(table()).expect("a query")).await?;
                rows.try_collect::<Vec<_>>().await
            };
            assert_eq!(query().await.expect("two rows").len(), 2);
            put_as(&files, "a.csv", "1,x\n2,y\n3,z\n", true).await;
            let error = query().await.expect_err("changed");
            assert!(
                matches!(&error, Error::FileChanged { path, .. } if path == "a.csv"),
                "{error:?}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn a_prefix_is_a_text_and_the_order_is_that_of_bytes() {
    everywhere(|files| async move {
        assert_eq!(list(&files, "no/such/dir/").await, [""; 0]);
        let mut all =
            ["ab.csv", "ab/cd.csv", "ab-c", "ab0", "abc/x/y", "b", "a/z", "ab/c/d", "é", "Z"];
        for name in all {
            put(&files, name, "x").await;
        }
        all.sort_unstable();
        assert_eq!(list(&files, "").await, all);
        assert_eq!(
            list(&files, "ab").await,
            ["ab-c", "ab.csv", "ab/c/d", "ab/cd.csv", "ab0", "abc/x/y"]
        );
        assert_eq!(list(&files, "ab/").await, ["ab/c/d", "ab/cd.csv"]);
        assert_eq!(list(&files, "ab/c").await, ["ab/c/d", "ab/cd.csv"]);
        assert_eq!(list(&files, "ab/cd.csv").await, ["ab/cd.csv"]);
        assert_eq!(list(&files, "abc/x").await, ["abc/x/y"]);
        assert_eq!(list(&files, "ab/cd.csv/x").await, [""; 0]);
        assert!(files.stat(&path("ab/c")).await.expect("asked").is_none(), "a directory");
        assert!(files.stat(&path("no")).await.expect("asked").is_none());
        let missing = files.read(&path("no")).await.err().expect("missing");
        assert!(matches!(missing, Error::UnknownFile { .. }), "{missing}");
    })
    .await;
}

#[tokio::test]
async fn a_file_is_seen_when_it_is_whole() {
    everywhere(|files| async move {
        put(&files, "f", "old").await;
        let mut writer = files.create(&path("f"), true, Parts::default()).await.expect("begun");
        let mut other =
            files.create(&path("new/deep/g"), true, Parts::default()).await.expect("begun");
        for _ in 0..20 {
            writer.write(Bytes::from(vec![b'x'; 1 << 20])).await.expect("written");
            other.write(Bytes::from_static(b"y")).await.expect("written");
        }
        assert_eq!(read(&files, "f").await, "old");
        assert_eq!(list(&files, "").await, ["f"]);
        other.abort().await;
        drop(writer);
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(read(&files, "f").await, "old");
        let empty = files.create(&path("empty"), true, Parts::default()).await.expect("begun");
        assert_eq!(size(&empty.finish().await.expect("finished")), Some(0));
        assert_eq!(read(&files, "empty").await, "");
        let mut large = files.create(&path("f"), true, Parts::default()).await.expect("begun");
        for _ in 0..20 {
            large.write(Bytes::from(vec![b'z'; 1 << 20])).await.expect("written");
        }
        let bytes = 20 << 20;
        assert_eq!(size(&large.finish().await.expect("finished")), Some(bytes));
        assert_eq!(files.stat(&path("f")).await.expect("asked").expect("there").size, bytes);
    })
    .await;
}

#[tokio::test]
async fn of_writers_that_must_not_overwrite_one_wins() {
    everywhere(|files| async move {
        assert_eq!(size(&put(&files, "f", "mine").await), Some(4));
        assert_eq!(put_as(&files, "f", "theirs", false).await, Committed::Exists);
        assert_eq!(read(&files, "f").await, "mine");
        let writers = (0..8).map(|i| {
            let (files, text) = (Arc::clone(&files), i.to_string());
            async move { put_as(&files, "race", &text, false).await }
        });
        let outcomes = join_all(writers).await;
        let won = |outcome: &&Committed| matches!(outcome, Committed::Written { .. });
        assert_eq!(outcomes.iter().filter(won).count(), 1, "{outcomes:?}");
        // In several parts as well, where the last request carries the condition.
        let mut large = files.create(&path("f"), false, Parts::default()).await.expect("begun");
        for _ in 0..20 {
            large.write(Bytes::from(vec![b'z'; 1 << 20])).await.expect("written");
        }
        assert_eq!(large.finish().await.expect("finished"), Committed::Exists);
        assert_eq!(read(&files, "f").await, "mine");
    })
    .await;
}

#[tokio::test]
async fn removing_tells_of_each_path() {
    everywhere(|files| async move {
        for i in 0..40 {
            put(&files, &format!("d/{i}"), "x").await;
        }
        let mut paths: Vec<String> = (0..40).map(|i| format!("d/{i}")).collect();
        paths.push("gone".to_owned());
        paths.push("d//1".to_owned());
        let texts: Vec<&str> = paths.iter().map(String::as_str).collect();
        let results = remove(&files, &texts).await;
        assert_eq!(results.len(), 42);
        let failed: Vec<_> = results.iter().filter(|(_, fine)| !fine).collect();
        assert_eq!(failed, [&("d//1".to_owned(), false)]);
        assert_eq!(list(&files, "").await, [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn a_local_upload_that_stops_leaves_no_trace() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let stages = Stages::open(&config(dir.path())).await.expect("opened");
    let stage = internal("lake");
    let files = stages.open_files(&stage).await.expect("opened");
    put(&files, "kept/a", "1").await;
    for name in ["new/deep/b", "kept/c"] {
        let mut writer = files.create(&path(name), true, Parts::default()).await.expect("begun");
        writer.write(Bytes::from(vec![0; 3 << 20])).await.expect("written");
        writer.write(Bytes::from(vec![0; 3 << 20])).await.expect("written");
        drop(writer);
    }
    stages.settle().await;
    assert_eq!(files_below(&dir.path().join("unfinished")), [""; 0]);
    let root = dir.path().join(format!("files/stages/{}", stage.id));
    assert_eq!(files_below(&root), ["kept/a"]);
    assert!(!root.join("new").exists(), "an empty directory is left behind");
}

#[tokio::test]
async fn uploads_that_stop_do_not_harm_others_in_their_directory() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let stages = Stages::open(&config(dir.path())).await.expect("opened");
    let stage = internal("lake");
    stages.create(stage.clone(), IfExists::Fail).await.expect("made");
    let files = stages.open_files(&stage).await.expect("opened");
    let begin = async |name: &str| {
        let mut writer = files.create(&path(name), true, Parts::default()).await.expect("begun");
        // More than is kept back, so that the file and its directory are made.
        for _ in 0..4 {
            writer.write(Bytes::from(vec![0; 1 << 20])).await.expect("written");
        }
        writer
    };
    let stopped = begin("new/deep/a").await;
    let finished = begin("new/deep/b").await;
    stopped.abort().await;
    finished.finish().await.expect("the directory is made again");
    assert_eq!(list(&files, "").await, ["new/deep/b"]);
    // An upload into a stage that was dropped meanwhile fails, and brings nothing back.
    let late = begin("new/deep/c").await;
    stages.drop_stage(&stage.name, BY).await.expect("dropped");
    late.finish().await.expect_err("the stage is gone");
    stages.settle().await;
    assert_eq!(files_below(&dir.path().join("files")), [""; 0]);
    assert_eq!(files_below(&dir.path().join("unfinished")), [""; 0]);
}

#[tokio::test]
async fn an_upload_to_s3_that_stops_leaves_no_parts() {
    let Some(s3) = S3::get() else { return };
    let stages = over(&memory(), &memory()).await;
    let files = stages.open_files(&external("s3", &s3.url(), &s3.options())).await.expect("opened");
    let mut writer = files.create(&path("f"), true, Parts::default()).await.expect("begun");
    for _ in 0..24 {
        writer.write(Bytes::from(vec![0; 1 << 20])).await.expect("written");
    }
    assert!(s3.unfinished_uploads().contains(&s3.prefix), "the parts can't be seen");
    drop(writer);
    stages.settle().await;
    assert_eq!(list(&files, "").await, [""; 0]);
    let uploads = s3.unfinished_uploads();
    assert!(!uploads.contains(&s3.prefix), "{uploads}");
}

#[tokio::test]
async fn a_file_in_the_place_of_a_directory_is_told() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let stages = Stages::open(&config(dir.path())).await.expect("opened");
    let files = stages.open_files(&internal("lake")).await.expect("opened");
    put(&files, "a", "1").await;
    put(&files, "d/x", "1").await;
    for name in ["a/b", "a/b/c", "d"] {
        let mut writer = files.create(&path(name), true, Parts::default()).await.expect("begun");
        let fed = writer.write(Bytes::from_static(b"x")).await;
        let error = match fed {
            Ok(()) => writer.finish().await.expect_err(name),
            Err(error) => error,
        };
        assert!(
            matches!(error, Error::Storage { kind: StorageKind::NotADirectory, .. }),
            "{name}: {error:?}"
        );
    }
    stages.settle().await;
    assert_eq!(files_below(&dir.path().join("unfinished")), [""; 0]);
    assert_eq!(list(&files, "").await, ["a", "d/x"]);
}

#[cfg(unix)]
#[tokio::test]
async fn links_do_not_lead_out_of_a_stage() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (lake, outside) = (dir.path().join("lake"), dir.path().join("outside"));
    for made in [&lake, &outside] {
        std::fs::create_dir_all(made).expect("made");
    }
    std::fs::write(outside.join("secret"), "hush").expect("written");
    std::os::unix::fs::symlink(&outside, lake.join("link")).expect("linked");
    std::os::unix::fs::symlink(outside.join("secret"), lake.join("file")).expect("linked");
    let external_config =
        config::External { fs_dirs: vec![lake.clone()], ..config::External::default() };
    let stages = Stages::over(memory(), memory(), KEY, &external_config).await.expect("opened");
    let url = format!("fs://{}", lake.display());
    let files = stages.open_files(&external("lake", &url, &[])).await.expect("opened");
    std::os::unix::fs::symlink("nowhere", lake.join("broken")).expect("linked");
    assert_eq!(list(&files, "").await, [""; 0]);
    assert!(files.list(&path("link/")).try_collect::<Vec<_>>().await.is_err());
    for name in ["link/secret", "file", "link/new"] {
        assert!(files.stat(&path(name)).await.is_err(), "{name}");
        assert!(files.read(&path(name)).await.is_err(), "{name}");
        assert!(files.create(&path(name), true, Parts::default()).await.is_err(), "{name}");
        assert_eq!(remove(&files, &[name]).await, [(name.to_owned(), false)]);
    }
    // Nor does the removal of a stage.
    let stages = Stages::open(&config(&dir.path().join("own"))).await.expect("opened");
    let stage = internal("own");
    stages.create(stage.clone(), IfExists::Fail).await.expect("created");
    put(&stages.open_files(&stage).await.expect("opened"), "d/a", "x").await;
    let files = dir.path().join("own/files/stages").join(stage.id.to_string());
    std::os::unix::fs::symlink(&outside, files.join("d/link")).expect("linked");
    stages.drop_stage(&stage.name, BY).await.expect("dropped");
    assert!(!files.exists() && outside.join("secret").exists());
    assert!(outside.join("secret").exists());
}

#[tokio::test]
async fn user_and_table_stages_are_apart() {
    let stages = over(&memory(), &memory()).await;
    let all = [
        stages.user_files("root", Uuid::nil()).await.expect("opened"),
        stages.user_files("o'hara", Uuid::from_u128(1)).await.expect("opened"),
        stages.table_files("default", "t").await.expect("opened"),
        stages.table_files("default", "t/u").await.expect("opened"),
    ];
    for (i, files) in all.iter().enumerate() {
        put(files, &i.to_string(), "x").await;
    }
    for (i, files) in all.iter().enumerate() {
        assert_eq!(list(files, "").await, [i.to_string()]);
    }
}

// ---- users

#[tokio::test]
async fn no_grant_is_lost_and_one_of_many_makes_a_user() {
    let (catalog, storage) = (memory(), memory());
    let servers = join_all((0..8).map(|_| over(&catalog, &storage))).await;
    let directories = join_all(servers.iter().map(|stages| Directory::open(stages))).await;
    let directories: Vec<_> = directories.into_iter().map(|one| one.expect("opened")).collect();
    let users = Users::new(&Secret::default(), Plugin::Native);
    let (native, slow, all) = (Plugin::Native, Plugin::Sha2, OwnLimits::default());
    let kept = users.keep(native, &Secret::new("hush")).await.expect("kept");
    let Kept::Native(digest) = kept else { panic!("no digest") };
    let made = join_all(directories.iter().map(|one| one.create_user("bob", &kept, all, BY))).await;
    assert_eq!(made.iter().filter(|made| matches!(made, Ok(true))).count(), 1, "{made:?}");
    let grants = directories.iter().enumerate().map(|(number, one)| async move {
        let role = format!("role{number}");
        assert!(one.create_role(&role, BY).await.expect("made"));
        let give = |grants: &mut Grants| grants.roles.extend([role.clone()]);
        one.change_grants(&Grantee::User("bob".to_owned()), &give).await.expect("granted");
    });
    join_all(grants).await;
    for one in &directories {
        let bob = one.identity("bob").await.expect("there");
        assert_eq!(one.rights(&bob).await.expect("looked up").roles.len(), 8);
        let known = one.known("bob", slow).await.expect("opened");
        assert_eq!((known.plugin, known.user), (native, Some((bob.id, kept.clone()))));
    }
    let hash = users.keep(slow, &Secret::new("hush")).await.expect("kept");
    assert!(directories[0].create_user("eve", &hash, all, BY).await.expect("made"));
    let known = directories[1].known("eve", native).await.expect("opened");
    assert_eq!((known.plugin, known.user.map(|(_, kept)| kept)), (slow, Some(hash)));
    // A name that nobody has proves a password as on every other server.
    for name in ["a", "b", "c", "d"] {
        let one = directories[0].known(name, native).await.expect("looked up");
        let other = directories[1].known(name, native).await.expect("looked up");
        assert!(one.user.is_none() && one.plugin == other.plugin);
    }
    // What is written holds neither the password nor what is kept of it.
    let objects = catalog.list_with("access/").recursive(true).await.expect("listed");
    assert!(objects.len() > 16);
    for object in objects.iter().filter(|object| object.metadata().is_file()) {
        let text = catalog.read(object.path()).await.expect("read").to_vec();
        let text = String::from_utf8(text).expect("text");
        assert!(!text.contains("hush") && !text.contains(&hex(&digest)), "{text}");
        assert!(!text.contains("argon2"), "{text}");
    }
}

// ---- digests

fn md5(bytes: &[u8]) -> String {
    hex(&Md5::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// More than one part, and different for each seed.
fn large(seed: u8) -> Vec<u8> {
    (0..9_u32 << 20).map(|n| n.to_le_bytes()[1] ^ seed).collect()
}

async fn put_bytes(files: &Arc<Files>, name: &str, bytes: &[u8]) {
    let mut writer = files.create(&path(name), true, Parts::default()).await.expect("begun");
    for block in bytes.chunks(1 << 19) {
        writer.write(Bytes::copy_from_slice(block)).await.expect("written");
    }
    let written = writer.finish().await.expect("finished");
    assert!(matches!(written, Committed::Written { .. }), "{name} was to be overwritten");
}

async fn sha256(files: &Arc<Files>, name: &str) -> Option<String> {
    files.look(&path(name)).await.expect("looked at").expect("there").sha256
}

async fn md5s(files: &Arc<Files>, prefix: &str) -> Vec<(String, Option<String>)> {
    let entries: Vec<Entry> = files.list(&path(prefix)).try_collect().await.expect("listed");
    entries.into_iter().map(|entry| (entry.path, entry.md5)).collect()
}

/// Puts, lists, overwrites and removes on a storage that is to know every digest.
async fn every_digest_is_known(files: Arc<Files>) {
    let names = ["a b", "a!b", "a#", "a/b", "small", "z/large"];
    let content = |name: &str, seed| match name {
        "small" => format!("{seed}").into_bytes(),
        _ => large(seed),
    };
    for name in names {
        let content = content(name, 1);
        put_bytes(&files, name, &content).await;
        assert_eq!(sha256(&files, name).await, Some(hex(&Sha256::digest(content))));
    }
    let expected = |of: &[&str], seed| -> Vec<_> {
        of.iter().map(|name| ((*name).to_owned(), Some(md5(&content(name, seed))))).collect()
    };
    assert_eq!(md5s(&files, "").await, expected(&names, 1));
    assert_eq!(md5s(&files, "a/").await, expected(&["a/b"], 1));
    assert_eq!(md5s(&files, "z").await, expected(&["z/large"], 1));
    put_bytes(&files, "a/b", &large(2)).await;
    put_bytes(&files, "a#", b"short").await;
    assert_eq!(md5s(&files, "a/b").await, expected(&["a/b"], 2));
    assert_eq!(md5s(&files, "a#").await, [("a#".to_owned(), Some(md5(b"short")))]);
    let removed = remove(&files, &["z/large", "a!b"]).await;
    assert!(removed.iter().all(|(_, fine)| *fine), "{removed:?}");
    assert_eq!(md5s(&files, "z").await, []);
    assert_eq!(md5s(&files, "a b").await, expected(&["a b"], 1));
}

#[tokio::test]
async fn in_a_directory_every_digest_is_known_and_none_is_an_old_one() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let probe = dir.path().join("probe");
    std::fs::write(&probe, "").expect("written");
    if xattr::set(&probe, "user.stagewire.probe", b"1").is_err() {
        eprintln!("skipped: this file system has no extended attributes");
        return;
    }
    let stages = Stages::open(&config(dir.path())).await.expect("opened");
    let stage = internal("local");
    let files = stages.open_files(&stage).await.expect("opened");
    every_digest_is_known(Arc::clone(&files)).await;
    // Behind our back: written into, replaced, and moved there from another stage.
    let root = dir.path().join("files/stages").join(stage.id.to_string());
    let unknown = |name: &str| vec![(name.to_owned(), None)];
    let mut file = std::fs::OpenOptions::new().write(true).open(root.join("small")).expect("open");
    file.write_all(b"2").expect("written");
    assert_eq!(md5s(&files, "small").await, unknown("small"));
    std::fs::remove_file(root.join("a b")).expect("removed");
    std::fs::write(root.join("a b"), "x").expect("written");
    assert_eq!(md5s(&files, "a b").await, unknown("a b"));
    std::fs::rename(root.join("a/b"), root.join("moved")).expect("moved");
    assert_eq!(md5s(&files, "moved").await, [("moved".to_owned(), Some(md5(&large(2))))]);
}

#[tokio::test]
async fn on_s3_the_digests_of_large_files_are_kept_beside_them() {
    let Some(s3) = S3::get() else { return };
    let storage = s3.operator();
    let stages = over(&memory(), &storage).await;
    let stage = internal("remote");
    stages.create(stage.clone(), IfExists::Fail).await.expect("created");
    let files = stages.open_files(&stage).await.expect("opened");
    every_digest_is_known(Arc::clone(&files)).await;
    every_digest_is_known(stages.user_files("u", Uuid::nil()).await.expect("opened")).await;
    let marks = || async {
        let found = storage.list_with("digests/").recursive(true).await.expect("listed");
        let of = format!("digests/stages/{}/", stage.id);
        found.iter().filter(|mark| mark.path().starts_with(&of)).count()
    };
    // Of `a#` from before it was overwritten by a small file, `a b`, `a/b`.
    assert_eq!(marks().await, 3);
    // Behind our back: other content in as many parts.
    let key = format!("stages/{}/a/b", stage.id);
    let parts = storage.write_with(&key, large(3)).chunk(5 << 20).concurrent(2);
    parts.await.expect("written");
    assert_eq!(md5s(&files, "a/b").await, [("a/b".to_owned(), None)]);
    remove(&files, &["a#", "a b"]).await;
    assert_eq!(marks().await, 1);
    stages.drop_stage(&stage.name, BY).await.expect("dropped");
    assert_eq!(marks().await, 0);
    s3.remove().await;
}

#[tokio::test]
async fn an_external_s3_stage_tells_the_etag_where_it_is_a_digest() {
    let Some(s3) = S3::get() else { return };
    let stages = over(&memory(), &memory()).await;
    let files = stages.open_files(&external("s3", &s3.url(), &s3.options())).await.expect("opened");
    put_bytes(&files, "large", &large(1)).await;
    put_bytes(&files, "small", b"x").await;
    let expected = [("large".to_owned(), None), ("small".to_owned(), Some(md5(b"x")))];
    assert_eq!(md5s(&files, "").await, expected);
    // By one request an object is told its SHA-256; to put it beside a large one is not our right.
    assert_eq!(sha256(&files, "small").await, Some(hex(&Sha256::digest(b"x"))));
    assert_eq!(sha256(&files, "large").await, None);
    s3.remove().await;
}

// ---- copies

async fn copy(from: &Arc<Files>, name: &str, to: &Arc<Files>, target: &str) -> Copied {
    let route = Route::new(Arc::clone(from), Arc::clone(to)).expect("writable");
    let entries: Vec<Entry> = from.list(&path(name)).try_collect().await.expect("listed");
    route.copy(&entries[0], &path(target), false).await.expect("copied")
}

#[tokio::test]
async fn a_copy_is_the_same_file_wherever_it_goes() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let stages = Stages::open(&config(dir.path())).await.expect("opened");
    let mut places = vec![stages.open_files(&internal("local")).await.expect("opened")];
    let url = format!("memory://{}/", Uuid::new_v4());
    places.push(stages.open_files(&external("memory", &url, &[])).await.expect("opened"));
    let s3 = S3::get();
    if let Some(s3) = &s3 {
        for below in ["one/", "other/"] {
            let url = format!("{}{below}", s3.url());
            let stage = external("s3", &url, &s3.options());
            places.push(stages.open_files(&stage).await.expect("opened"));
        }
    }
    let whole = large(5);
    for from in &places {
        put_bytes(from, "a b/#x", &whole).await;
        for (n, to) in places.iter().enumerate() {
            let target = format!("copies/{n}");
            remove(to, &[&target]).await;
            let size = whole.len() as u64;
            assert_eq!(copy(from, "a b/#x", to, &target).await, Copied::Copied { size });
            assert_eq!(copy(from, "a b/#x", to, &target).await, Copied::Exists);
            let read: Vec<Bytes> =
                to.read(&path(&target)).await.expect("opened").try_collect().await.expect("read");
            assert!(read.concat() == whole, "{} to {}", from.describe(), to.describe());
        }
        assert_eq!(copy(from, "a b/#x", from, "a b/#x").await, Copied::Same);
    }
    if let Some(s3) = s3 {
        s3.remove().await;
    }
}

#[tokio::test]
async fn a_copy_of_a_large_file_keeps_its_digest() {
    let Some(s3) = S3::get() else { return };
    let dir = tempfile::tempdir().expect("temporary directory");
    let mut config = config(dir.path());
    config.storage = Some(s3.place("storage/"));
    let stages = Stages::open(&config).await.expect("opened");
    let from = stages.open_files(&internal("from")).await.expect("opened");
    let to = stages.open_files(&internal("to")).await.expect("opened");
    put_bytes(&from, "large", &large(6)).await;
    copy(&from, "large", &to, "copy").await;
    assert_eq!(md5s(&to, "").await, [("copy".to_owned(), Some(md5(&large(6))))]);
    s3.remove().await;
}
