//! `stagewire put | get | ls | rm`, the binary, against a server inside the test.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::client::{Client, Response};
use support::server::{PASSWORD, Server};

/// No command of these takes as long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server with the stage `lake`, and a directory to work in.
struct Lake {
    server: Server,
    dir: tempfile::TempDir,
}

/// What a command has printed, and its exit code.
struct Ran {
    code: Option<i32>,
    out: Vec<u8>,
    err: String,
}

impl Lake {
    fn new() -> Lake {
        Lake::on("")
    }

    fn on(options: &str) -> Lake {
        let lake = Lake { server: Server::start(), dir: tempfile::tempdir().expect("a directory") };
        lake.sql(&format!("CREATE STAGE lake {options}"));
        lake
    }

    fn sql(&self, sql: &str) -> Vec<Vec<String>> {
        match Client::connect(self.server.addr).query(sql).remove(0) {
            Response::Rows { rows, .. } => {
                rows.into_iter().map(|row| row.into_iter().flatten().collect()).collect()
            }
            Response::Ok { .. } => Vec::new(),
            Response::Err(refusal) => panic!("{sql}: {refusal:?}"),
        }
    }

    /// The names on the stage.
    fn names(&self) -> Vec<String> {
        self.sql("LIST @lake").into_iter().map(|mut row| row.remove(0)).collect()
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.dir.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, content).expect("a file");
    }

    fn start(&self, args: &[&str]) -> Child {
        start(self.server.addr, self.dir.path(), args)
    }

    fn run(&self, args: &[&str]) -> Ran {
        ended(self.start(args))
    }

    /// With `--json`: the exit code and the rows.
    fn json(&self, args: &[&str]) -> (Option<i32>, Vec<Value>) {
        let ran = self.run(&[args, &["--json"]].concat());
        let text = String::from_utf8(ran.out).expect("UTF-8");
        let rows = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert!(ran.code == Some(0) || ran.code == Some(1), "{:?}: {}", ran.code, ran.err);
        (ran.code, rows)
    }
}

fn start(addr: SocketAddr, dir: &Path, args: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_stagewire"))
        .args(args)
        .current_dir(dir)
        .env("STAGEWIRE_DSN", format!("mysql://root:{PASSWORD}@{addr}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary")
}

fn ended(child: Child) -> Ran {
    let Output { status, stdout, stderr } = child.wait_with_output().expect("an end");
    let err = String::from_utf8(stderr).expect("UTF-8");
    Ran { code: status.code(), out: stdout, err }
}

fn shell(dir: &Path, command: &str) {
    let status = Command::new("sh").arg("-c").arg(command).current_dir(dir).status();
    assert!(status.expect("sh").success(), "{command}");
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// All files below a directory, with their contents.
fn tree(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    walkdir::WalkDir::new(dir)
        .into_iter()
        .map(|entry| entry.expect("an entry"))
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let name = entry.path().strip_prefix(dir).expect("below").display().to_string();
            (name, fs::read(entry.path()).expect("a file"))
        })
        .collect()
}

fn statuses(rows: &[Value]) -> Vec<&str> {
    let mut statuses: Vec<&str> =
        rows.iter().map(|row| row["status"].as_str().expect("a status")).collect();
    statuses.sort_unstable();
    statuses
}

fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 1_u32;
    (0..bytes)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        })
        .collect()
}

#[test]
fn a_thousand_files_go_by_one_pattern_and_are_skipped_the_second_time() {
    let lake = Lake::new();
    for number in 0..1000 {
        lake.file(&format!("data/{number:03}.csv"), format!("{number}\n"));
    }
    lake.file("data/.hidden.csv", "x");
    let (code, rows) = lake.json(&["put", "data/*.csv", "@lake/in", "--parallel", "8"]);
    assert_eq!((code, rows.len()), (Some(0), 1000));
    assert!(statuses(&rows).iter().all(|status| *status == "UPLOADED"));
    assert_eq!(lake.names().len(), 1000);
    // Nobody writes into this pipe: whoever reads a byte of it waits for ever.
    fs::remove_file(lake.dir.path().join("data/007.csv")).expect("removed");
    shell(lake.dir.path(), "mkfifo data/007.csv");
    let ran = lake.run(&["put", "data/*.csv", "@lake/in/"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.err.ends_with("0 uploaded, 1000 skipped, 0 failed\n"), "{}", ran.err);
}

#[test]
fn only_what_has_changed_is_sent_again() {
    let lake = Lake::new();
    let large = noise(1_000_000);
    for (name, content) in
        [("a.csv", &b"id\n"[..]), ("b c#.csv", &large), ("d.gz", b"\x1f\x8b\x08d")]
    {
        lake.file(name, content);
    }
    for kind in ["--auto-compress", "--auto-compress=zstd", "--no-auto-compress"] {
        let put = |expected: [&str; 3]| {
            let (code, rows) = lake.json(&["put", "*.*", "@lake/in", "--overwrite", kind]);
            assert_eq!((code, statuses(&rows)), (Some(0), expected.to_vec()), "{kind} {rows:?}");
            rows
        };
        lake.file("d.gz", b"\x1f\x8b\x08d");
        lake.run(&["rm", "@lake/in"]);
        put(["UPLOADED"; 3]);
        for row in put(["SKIPPED"; 3]) {
            assert_eq!(row["message"], "it has not changed; nothing was sent", "{kind}");
        }
        lake.file("d.gz", b"\x1f\x8b\x08e");
        put(["SKIPPED", "SKIPPED", "UPLOADED"]);
    }
    let names = ["in/a.csv", "in/b c#.csv", "in/d.gz"];
    assert_eq!(lake.names(), names);
}

#[test]
fn json_has_one_object_a_file() {
    let lake = Lake::new();
    lake.file("a.csv", "id,title\n1,x\n");
    let (code, rows) = lake.json(&["put", "a.csv", "@lake/x", "--no-auto-compress"]);
    assert_eq!(code, Some(0));
    assert_eq!(
        rows,
        [serde_json::json!({
            "source": "a.csv", "target": "@lake/x/a.csv", "source_size": 13, "target_size": 13,
            "status": "UPLOADED", "message": ""
        })]
    );
    let (code, rows) = lake.json(&["ls", "@lake"]);
    assert_eq!((code, rows.len()), (Some(0), 1));
    assert_eq!((&rows[0]["name"], &rows[0]["size"]), (&"x/a.csv".into(), &13.into()));
    let (code, rows) = lake.json(&["get", "@lake/x/", "out"]);
    assert_eq!(code, Some(0));
    assert_eq!(
        rows,
        [serde_json::json!({
            "file": "x/a.csv", "target": "out/a.csv", "size": 13, "status": "DOWNLOADED",
            "message": ""
        })]
    );
    let (code, rows) = lake.json(&["rm", "@lake/x/", "--dry-run"]);
    assert_eq!(code, Some(0));
    assert_eq!(rows, [serde_json::json!({"name": "x/a.csv", "result": "would be removed"})]);
    assert_eq!(lake.names(), ["x/a.csv"]);
    let ran = lake.run(&["rm", "@lake", "--pattern", ".*csv"]);
    assert_eq!(String::from_utf8_lossy(&ran.out), "name     result\nx/a.csv  removed\n");
    assert_eq!(lake.names(), Vec::<String>::new());
}

#[test]
fn what_cannot_be_read_does_not_stop_the_others() {
    let lake = Lake::new();
    lake.file("a.csv", "1");
    lake.file("b.csv", "2");
    lake.file("empty.csv", "");
    lake.file("dir/c.csv", "3");
    // The first byte of it can't be read, and that is no end of a file.
    let args = [
        "put",
        "a.csv",
        "missing.csv",
        "*.txt",
        "empty.csv",
        "dir",
        "/proc/self/mem",
        "b.csv",
        "@lake",
    ];
    let (code, rows) = lake.json(&args);
    assert_eq!(code, Some(1));
    let found = statuses(&rows);
    let count = |wanted| found.iter().filter(|status| **status == wanted).count();
    assert_eq!((count("ERROR"), count("UPLOADED")), (5, 2), "{rows:?}");
    assert_eq!(lake.names(), ["a.csv.gz", "b.csv.gz"]);
    let (code, rows) = lake.json(&["put", "/proc/self/mem", "empty.csv", "@lake", "--allow-empty"]);
    assert_eq!(code, Some(1), "{rows:?}");
    assert_eq!(statuses(&rows), ["ERROR", "UPLOADED"]);
    assert_eq!(lake.names(), ["a.csv.gz", "b.csv.gz", "empty.csv.gz"]);
}

#[test]
fn two_files_of_one_name_are_both_refused() {
    let lake = Lake::new();
    for name in ["x/a.csv", "y/a.csv", "y/b.csv", "y/b.csv.gz"] {
        lake.file(name, name);
    }
    let (code, rows) = lake.json(&["put", "**/*.csv", "@lake"]);
    assert_eq!((code, statuses(&rows)), (Some(1), vec!["COLLISION", "COLLISION", "UPLOADED"]));
    assert_eq!(lake.names(), ["b.csv.gz"]);
    let (code, rows) = lake.json(&["put", "y/b*", "@lake", "--overwrite"]);
    assert_eq!((code, statuses(&rows)), (Some(1), vec!["COLLISION", "COLLISION"]));
    // And on the way back.
    let put = ["put", "**/a.csv", "@lake/kept", "--keep-paths", "--no-auto-compress"];
    assert_eq!(lake.json(&put).0, Some(0));
    assert_eq!(lake.names(), ["b.csv.gz", "kept/x/a.csv", "kept/y/a.csv"]);
    let (code, rows) = lake.json(&["get", "@lake/kept/", "out"]);
    assert_eq!((code, statuses(&rows)), (Some(1), vec!["COLLISION", "COLLISION"]));
    assert!(tree(&lake.dir.path().join("out")).is_empty());
}

fn round_trip(lake: &Lake) {
    let names = [
        "a.csv",
        "sub/a.csv",
        "sub/dir with space/it's.csv",
        "sub/#1/50%+ä&b.csv",
        "sub/\"q\"/`b`.csv",
        "é/[1]*?.csv",
        "é/a--b/*c* d/.csv",
        "é/-",
        "é/x.part",
        "é/x",
    ];
    for name in names {
        lake.file(&format!("in/{name}"), name);
    }
    lake.file("in/big.bin", noise(5 * (1 << 20) + 17));
    let before = tree(&lake.dir.path().join("in"));
    let put = ["put", "in", "@lake/r t/", "--recursive", "--keep-paths", "--no-auto-compress"];
    let ran = lake.run(&put);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let ran = lake.run(&["get", "@lake/r t/", "out", "--keep-paths"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(tree(&lake.dir.path().join("out")) == before, "{}", ran.err);
    // A file that is named by itself is meant, whatever is in its name.
    let (code, rows) = lake.json(&["put", "in/é/[1]*?.csv", "@lake/one"]);
    assert_eq!((code, statuses(&rows)), (Some(0), vec!["UPLOADED"]), "{rows:?}");
    assert_eq!(lake.run(&["rm", "@lake"]).code, Some(0));
}

#[test]
fn files_come_back_as_they_went() {
    round_trip(&Lake::new());
}

#[test]
fn files_come_back_from_s3_as_they_went() {
    let setting = |name: &str| std::env::var(format!("STAGEWIRE_TEST_S3_{name}"));
    let Ok(endpoint) = setting("ENDPOINT") else {
        assert!(std::env::var_os("CI").is_none(), "STAGEWIRE_TEST_S3_ENDPOINT is not set");
        eprintln!("skipped: STAGEWIRE_TEST_S3_ENDPOINT is not set (tests/run starts a server)");
        return;
    };
    let given = |name| setting(name).unwrap_or_else(|_| panic!("{name} is not set"));
    round_trip(&Lake::on(&format!(
        "URL='s3://{}/{}/' CONNECTION=(ENDPOINT_URL='{endpoint}' REGION='{}' ACCESS_KEY_ID='{}' \
         SECRET_ACCESS_KEY='{}')",
        given("BUCKET"),
        uuid::Uuid::new_v4().simple(),
        given("REGION"),
        given("KEY"),
        given("SECRET"),
    )));
}

#[test]
fn nothing_here_is_overwritten_unless_that_is_asked_for() {
    let lake = Lake::new();
    lake.file("a.csv", "new");
    lake.file("b.csv", "new");
    lake.run(&["put", "*.csv", "@lake", "--no-auto-compress"]);
    lake.file("out/a.csv", "old");
    lake.file("out/b.csv", "older");
    let (code, rows) = lake.json(&["get", "@lake", "out"]);
    // One of the same size is taken for the same.
    assert_eq!((code, statuses(&rows)), (Some(1), vec!["ERROR", "SKIPPED"]));
    assert_eq!(tree(&lake.dir.path().join("out"))["b.csv"], b"older");
    assert_eq!(lake.run(&["get", "@lake", "out", "--overwrite"]).code, Some(0));
    let out = tree(&lake.dir.path().join("out"));
    assert!(out.len() == 2 && out.values().all(|content| content == b"new"), "{out:?}");
}

#[test]
fn names_that_are_no_local_names_are_refused() {
    let lake = Lake::new();
    lake.file("ok.csv", "1");
    lake.file("c:evil", "1");
    lake.run(&["put", "ok.csv", "c:evil", "@lake/in", "--no-auto-compress"]);
    let (code, rows) = lake.json(&["get", "@lake/in/", "out"]);
    assert_eq!((code, statuses(&rows)), (Some(1), vec!["DOWNLOADED", "ERROR"]));
    // A link out of the directory is not followed.
    shell(lake.dir.path(), "mkdir linked elsewhere && ln -s ../elsewhere linked/in");
    let (code, rows) = lake.json(&["get", "@lake", "linked", "--keep-paths"]);
    assert_eq!((code, statuses(&rows)), (Some(1), vec!["ERROR", "ERROR"]), "{rows:?}");
    assert!(tree(&lake.dir.path().join("elsewhere")).is_empty());
}

#[test]
fn pipes_standard_input_and_standard_output() {
    let lake = Lake::new();
    let content = noise(3 << 20);
    lake.file("content", &content);
    shell(lake.dir.path(), "mkfifo pipe; (cat content >pipe) 2>/dev/null &");
    let ran = lake.run(&["put", "pipe", "@lake", "--no-auto-compress"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let mut child = lake.start(&["put", "-", "@lake", "--name", "stdin.bin"]);
    child.stdin.take().expect("piped").write_all(&content).expect("taken");
    assert_eq!(ended(child).code, Some(0));
    assert_eq!(lake.names(), ["pipe", "stdin.bin.gz"]);
    let ran = lake.run(&["get", "@lake", "-", "--decompress", "--pattern", "stdin.*"]);
    assert!(ran.out == content, "{}", ran.err);
    let ran = lake.run(&["get", "@lake", "-", "--decompress", "--quiet"]);
    assert!(ran.out == [&content[..], &content[..]].concat(), "{}", ran.err);
    assert_eq!(lake.run(&["get", "@lake/stdin", "out", "--decompress"]).code, Some(0));
    assert!(tree(&lake.dir.path().join("out"))["stdin.bin"] == content);
    let ran = lake.run(&["put", "-", "@lake"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("hint: --name gives it one"), "{}", ran.err);
}

#[test]
fn a_broken_archive_leaves_nothing() {
    let lake = Lake::new();
    lake.file("whole", noise(1 << 20));
    shell(lake.dir.path(), "gzip -c whole | head -c 700000 >cut.gz");
    lake.run(&["put", "cut.gz", "@lake"]);
    let (code, rows) = lake.json(&["get", "@lake", "out", "--decompress"]);
    assert_eq!((code, statuses(&rows)), (Some(1), vec!["ERROR"]));
    assert!(tree(&lake.dir.path().join("out")).is_empty());
}

#[test]
fn ctrl_c_leaves_nothing_half_done() {
    let lake = Lake::new();
    shell(lake.dir.path(), "mkfifo pipe");
    let child = lake.start(&["put", "pipe", "@lake", "--no-auto-compress"]);
    let mut pipe = fs::OpenOptions::new().write(true).open(lake.dir.path().join("pipe"));
    let pipe = pipe.as_mut().expect("a reader");
    pipe.write_all(&noise(4 << 20)).expect("taken");
    shell(lake.dir.path(), &format!("kill -INT {}", child.id()));
    let ran = ended(child);
    assert_eq!(ran.code, Some(130), "{}", ran.err);
    let connections = || lake.server.instance.connections.load(std::sync::atomic::Ordering::SeqCst);
    wait_until("the server has not seen the end", || connections() == 0);
    assert_eq!(lake.names(), Vec::<String>::new());
}

#[test]
fn a_server_that_goes_away_is_an_error_and_leaves_no_part() {
    let mut lake = Lake::new();
    lake.file("big.bin", noise(64 << 20));
    lake.run(&["put", "big.bin", "@lake", "--no-auto-compress"]);
    let part = lake.dir.path().join("out/big.bin.part");
    let child = lake.start(&["get", "@lake", "out"]);
    let whole = lake.dir.path().join("out/big.bin");
    wait_until("nothing has come", || part.exists() || whole.exists());
    lake.server = Server::start();
    let ran = ended(child);
    let out = tree(&lake.dir.path().join("out"));
    let names: Vec<&str> = out.keys().map(String::as_str).collect();
    match ran.code {
        Some(1) => assert_eq!(names, Vec::<&str>::new(), "{}", ran.err),
        // It was faster.
        code => assert_eq!((code, names), (Some(0), vec!["big.bin"]), "{}", ran.err),
    }
}

#[test]
fn a_lost_connection_is_replaced() {
    let lake = Lake::new();
    for number in 0..20 {
        lake.file(&format!("{number}.bin"), noise(100_000));
    }
    let addr = interrupting_proxy(lake.server.addr);
    let args = ["put", "*.bin", "@lake", "--no-auto-compress", "--parallel", "2"];
    let ran = ended(start(addr, lake.dir.path(), &args));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(lake.names().len(), 20);
    let ran = ended(start(addr, lake.dir.path(), &["get", "@lake", "out", "--parallel", "2"]));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let out = tree(&lake.dir.path().join("out"));
    assert!(out.len() == 20 && out.values().all(|content| *content == noise(100_000)));
}

/// Cuts each connection after a megabyte or so in one direction.
fn interrupting_proxy(server: SocketAddr) -> SocketAddr {
    use std::io::Read;
    use std::net::{Shutdown, TcpListener, TcpStream};
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for near in listener.incoming().flatten() {
            let Ok(far) = TcpStream::connect(server) else { continue };
            let (Ok(near_too), Ok(far_too)) = (near.try_clone(), far.try_clone()) else { continue };
            for (from, to) in [(near, far), (far_too, near_too)] {
                std::thread::spawn(move || {
                    let (mut from, mut to) = (from, to);
                    let (mut buffer, mut moved) = ([0; 16_384], 0);
                    while moved < 1_000_000 {
                        match from.read(&mut buffer) {
                            Ok(bytes) if bytes > 0 => {
                                moved += bytes;
                                if to.write_all(&buffer[..bytes]).is_err() {
                                    break;
                                }
                            }
                            _ => break,
                        }
                    }
                    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
                });
            }
        }
    });
    addr
}

#[test]
fn mistakes_are_told_with_what_to_try() {
    let lake = Lake::new();
    lake.file("a.csv", "1");
    for (args, message) in [
        (
            &["ls", "lake"][..],
            "stagewire: Expected a stage location, found 'lake'\n  hint: locations start with '@', as in @lake\n",
        ),
        (&["ls", "@lak"], "stagewire: Stage 'lak' doesn't exist\n  hint: did you mean 'lake'?\n"),
        (
            &["get", "@lake/nothing", "out"],
            "stagewire: No file is at @lake/nothing\n  hint: stagewire ls shows what there is\n",
        ),
        (
            &["put", "*.txt", "@lake"],
            "stagewire: No file matches '*.txt'\n  hint: patterns are read by stagewire: put them in quotes\n",
        ),
        (&["rm", "@lake", "--dsn", "root:secret@nowhere"], "stagewire: The DSN can't be read"),
    ] {
        let ran = lake.run(args);
        assert_eq!(ran.code, Some(1), "{args:?}");
        assert!(ran.err.starts_with(message), "{args:?}: {}", ran.err);
        assert!(!ran.err.contains("secret"), "{}", ran.err);
    }
}

#[test]
fn files_go_encrypted_to_a_server_that_is_trusted() {
    let lake = Lake::new();
    lake.file("a.csv", "id\n1\n");
    let ca = lake.server.data_dir().join("tls-cert.pem");
    let ca = ca.to_str().expect("UTF-8");
    assert_eq!(lake.run(&["put", "a.csv", "@lake", "--tls-ca", ca]).code, Some(0));
    let ran = lake.run(&["get", "@lake", "back", "--tls-ca", ca]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    // The certificate of some other server.
    let other = Server::start();
    let other = other.data_dir().join("tls-cert.pem");
    let ran = lake.run(&["ls", "@lake", "--tls-ca", other.to_str().expect("UTF-8")]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("TLS has failed: "), "{}", ran.err);
}
