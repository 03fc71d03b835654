//! Single files by HTTP: with a password, and by the URLs of `PRESIGN`.

#[path = "support/mod.rs"]
mod support;

use std::net::SocketAddr;
use std::process::Command;

use support::client::{Client, Options, Response};
use support::server::{Server, config};

/// An answer, as curl shows it.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

fn curl(args: &[&str]) -> Answer {
    let output = Command::new("curl")
        .args(["--silent", "--include", "--path-as-is", "-H", "Expect:"])
        .args(args)
        .output()
        .expect("curl runs");
    let end = output.stdout.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8_lossy(&output.stdout[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    Answer { status, head, body: output.stdout[end + 4..].to_vec() }
}

struct Setup {
    server: Server,
    client: Client,
    _dir: tempfile::TempDir,
}

impl Setup {
    fn new() -> Setup {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let server = Server::open(config(dir.path())).expect("a server");
        let mut client = Client::with(server.addr, &Options::default()).expect("a log-in");
        client.query("CREATE STAGE lake");
        Setup { server, client, _dir: dir }
    }

    fn url(&self, path: &str) -> String {
        let addr: SocketAddr = self.server.http_addr;
        format!("http://{addr}/v1/stages/{path}")
    }

    /// With the password.
    fn ask(&self, path: &str, args: &[&str]) -> Answer {
        let url = self.url(path);
        curl(&[&["-u", "root:pass", url.as_str()], args].concat())
    }

    fn presign(&mut self, sql: &str) -> Vec<String> {
        match self.client.query(sql).pop() {
            Some(Response::Rows { rows, .. }) => {
                rows[0].iter().map(|value| value.clone().unwrap_or_default()).collect()
            }
            _ => panic!("{sql} gives no rows"),
        }
    }
}

#[test]
fn a_file_is_stored_fetched_and_removed() {
    let setup = Setup::new();
    let put = |args: &[&str]| setup.ask("lake/a%20b/%23x.csv", &[&["-X", "PUT"], args].concat());
    let answer = put(&["--data-binary", "0123456789"]);
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (201, r##"{"path":"a b/#x.csv","size":10}"##)
    );
    assert_eq!(put(&["--data-binary", "0123456789"]).status, 200);
    // Whether it may be there, and whether it is what was sent.
    assert_eq!(put(&["--data-binary", "x", "-H", "If-None-Match: *"]).status, 412);
    assert_eq!(
        put(&["--data-binary", "x", "-H", "Content-MD5: AAAAAAAAAAAAAAAAAAAAAA=="]).status,
        400
    );
    assert_eq!(put(&["--data-binary", "x", "-H", "Content-MD5: x"]).status, 400);
    assert_eq!(put(&["--data-binary", "x", "-H", "If-Match: \"x\""]).status, 400);
    let get = |args: &[&str]| setup.ask("default.lake/a%20b/%23x.csv", args);
    let whole = get(&[]);
    assert_eq!((whole.status, whole.text().as_str()), (200, "0123456789"));
    assert_eq!(whole.header("content-length"), Some("10"));
    assert_eq!(whole.header("accept-ranges"), Some("bytes"));
    assert_eq!(whole.header("content-type"), Some("application/octet-stream"));
    assert!(whole.header("last-modified").is_some());
    let sha256 = "sha-256=:hNiYd/DUBB77a/kaFvAkjy/Vc+avBcGflr7bn4gveII=:";
    assert_eq!(whole.header("repr-digest"), Some(sha256));
    let head = get(&["--head"]);
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, Some("10"), 0));
    let etag = whole.header("etag").expect("an ETag").to_owned();
    assert_eq!(get(&["-H", &format!("If-None-Match: {etag}")]).status, 304);
    assert_eq!(get(&["-H", "If-None-Match: \"other\""]).status, 200);
    put(&["--data-binary", "x", "-H", "Content-MD5: ndTkYSaMgDT1yFZOFVxnpg=="]);
    assert_eq!(get(&["-H", &format!("If-None-Match: {etag}")]).text(), "x");
    assert_eq!(setup.ask("lake/a%20b/%23x.csv", &["-X", "DELETE"]).status, 204);
    assert_eq!(setup.ask("lake/a%20b/%23x.csv", &["-X", "DELETE"]).status, 404);
    assert_eq!(get(&[]).status, 404);
}

#[test]
fn ranges_are_those_of_the_standard() {
    let setup = Setup::new();
    setup.ask("~/x", &["-X", "PUT", "--data-binary", "0123456789"]);
    for (range, status, text, told) in [
        ("bytes=0-3", 206, "0123", Some("bytes 0-3/10")),
        ("bytes=4-", 206, "456789", Some("bytes 4-9/10")),
        ("bytes=-3", 206, "789", Some("bytes 7-9/10")),
        ("bytes=-30", 206, "0123456789", Some("bytes 0-9/10")),
        ("bytes=8-100", 206, "89", Some("bytes 8-9/10")),
        ("bytes=10-", 416, "", Some("bytes */10")),
        ("bytes=-0", 416, "", Some("bytes */10")),
        ("bytes=0-1,3-4", 200, "0123456789", None),
        ("bytes=5-2", 200, "0123456789", None),
        ("lines=1-2", 200, "0123456789", None),
    ] {
        let answer = setup.ask("~/x", &["-H", &format!("Range: {range}")]);
        let found = (answer.status, answer.text(), answer.header("content-range"));
        assert_eq!(found, (status, text.to_owned(), told), "{range}");
    }
    let old = setup.ask("~/x", &["-H", "Range: bytes=0-3", "-H", "If-Range: \"old\""]);
    assert_eq!((old.status, old.text().as_str()), (200, "0123456789"));
    // A time has to be the very one that was told: a clock may have been set back since.
    let told = setup.ask("~/x", &[]).header("last-modified").expect("a time").to_owned();
    for (time, status) in [(told.as_str(), 206), ("Fri, 31 Dec 2100 23:59:59 GMT", 200)] {
        let since = format!("If-Range: {time}");
        let answer = setup.ask("~/x", &["-H", "Range: bytes=0-3", "-H", &since]);
        assert_eq!(answer.status, status, "{time}");
    }
    // An empty file has no first byte.
    setup.ask("~/empty", &["-X", "PUT", "--data-binary", ""]);
    assert_eq!(setup.ask("~/empty", &["-H", "Range: bytes=0-"]).status, 416);
    assert_eq!(setup.ask("~/empty", &[]).status, 200);
}

#[test]
fn nobody_gets_a_file_without_a_password_or_out_of_a_stage() {
    let setup = Setup::new();
    setup.ask("lake/x", &["-X", "PUT", "--data-binary", "1"]);
    assert_eq!(curl(&[&setup.url("lake/x")]).status, 401);
    assert_eq!(curl(&["-u", "root:wrong", &setup.url("lake/x")]).status, 401);
    for (path, status) in [
        ("lake/../../secret.key", 400),
        ("lake/%2e%2e/x", 400),
        ("lake/%2e%2e%2fx", 400),
        ("lake/a%5c..%5cx", 400),
        ("lake/%ff", 400),
        ("lake//x", 400),
        ("lake/dir/", 400),
        ("lake/", 404),
        ("lake", 404),
        ("nowhere/x", 404),
        ("%25t/x", 404),
        ("lake/y", 404),
    ] {
        assert_eq!(setup.ask(path, &[]).status, status, "{path}");
    }
    assert_eq!(setup.ask("lake/x", &["-X", "POST"]).status, 405);
}

#[test]
fn a_presigned_url_is_for_one_file_one_method_and_some_time() {
    let mut setup = Setup::new();
    let upload = setup.presign("PRESIGN UPLOAD '@lake/a b/é' CONTENT_TYPE='text/csv'");
    assert_eq!((upload[0].as_str(), upload[1].as_str()), ("PUT", r#"{"content-type":"text/csv"}"#));
    let stored =
        curl(&["-X", "PUT", "--data-binary", "12", "-H", "Content-Type: text/csv", &upload[2]]);
    assert_eq!(stored.status, 201, "{stored:?}");
    assert_eq!(curl(&[&upload[2]]).status, 403, "it is for PUT alone");
    let download = setup.presign("PRESIGN '@lake/a b/é' CONTENT_TYPE='text/csv; charset=utf-8'");
    let fetched = curl(&[&download[2]]);
    assert_eq!((fetched.status, fetched.text().as_str()), (200, "12"));
    assert_eq!(fetched.header("content-type"), Some("text/csv; charset=utf-8"));
    assert_eq!(curl(&["-X", "PUT", "--data-binary", "x", &download[2]]).status, 403);
    assert_eq!(curl(&["-X", "DELETE", &download[2]]).status, 403);
    for (from, to) in [
        ("/a%20b/", "/a%20c/"),
        ("expires=1", "expires=2"),
        ("text%2Fcsv", "text%2Fhtml"),
        ("signature=", "signature=0"),
        ("default.lake", "~"),
        ("default.lake", "default.nowhere"),
    ] {
        let changed = download[2].replace(from, to);
        assert_ne!(changed, download[2]);
        assert_eq!(curl(&[&changed]).status, 403, "{changed}");
    }
    // A user's own, and a table's.
    for location in ["@~/x", "@%t/x"] {
        let upload = setup.presign(&format!("PRESIGN UPLOAD {location}"));
        assert_eq!(curl(&["-X", "PUT", "--data-binary", "3", &upload[2]]).status, 201);
        let download = setup.presign(&format!("PRESIGN {location}"));
        assert_eq!(curl(&[&download[2]]).text(), "3");
    }
    // Time goes by, and so do stages.
    let brief = setup.presign("PRESIGN '@lake/a b/é' EXPIRE=1");
    std::thread::sleep(std::time::Duration::from_millis(2100));
    let late = curl(&[&brief[2]]);
    assert_eq!(late.status, 403);
    assert!(late.text().contains("its time is over"), "{}", late.text());
    setup.client.query("CREATE OR REPLACE STAGE lake");
    assert_eq!(curl(&[&download[2]]).status, 403);
}

#[test]
fn a_large_file_goes_both_ways() {
    let setup = Setup::new();
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (source, back) = (dir.path().join("source"), dir.path().join("back"));
    let whole: Vec<u8> = (0..40_u32 << 20).map(|n| n.to_le_bytes()[1]).collect();
    std::fs::write(&source, &whole).expect("written");
    assert_eq!(setup.ask("lake/large", &["-T", &source.display().to_string()]).status, 201);
    let url = setup.url("lake/large");
    let output = Command::new("curl")
        .args(["--silent", "--fail", "-u", "root:pass", "-o", &back.display().to_string(), &url])
        .status();
    assert!(output.expect("curl runs").success());
    assert!(std::fs::read(&back).expect("read") == whole);
    // What breaks off is not there.
    let cut = Command::new("curl")
        .args(["--silent", "-m", "1", "--limit-rate", "1M", "-u", "root:pass", "-T"])
        .args([&source.display().to_string(), &setup.url("lake/cut")])
        .status();
    assert!(!cut.expect("curl runs").success());
    assert_eq!(setup.ask("lake/cut", &[]).status, 404);
}

#[test]
fn s3_signs_its_own_urls_and_only_with_a_key() {
    let var = |name: &str| std::env::var(format!("STAGEWIRE_TEST_S3_{name}")).ok();
    let (Some(endpoint), Some(key), Some(secret), Some(bucket)) =
        (var("ENDPOINT"), var("KEY"), var("SECRET"), var("BUCKET"))
    else {
        eprintln!("skipped: STAGEWIRE_TEST_S3_ENDPOINT, _KEY, _SECRET, _BUCKET are not set");
        return;
    };
    let mut setup = Setup::new();
    let place = format!("s3://{bucket}/stagewire-test/{}/", uuid::Uuid::new_v4());
    let create = |name: &str, keys: &str| {
        format!("CREATE STAGE {name} URL='{place}' CONNECTION=(ENDPOINT_URL='{endpoint}' {keys})")
    };
    let keys = format!("REGION='us-east-1' ACCESS_KEY_ID='{key}' SECRET_ACCESS_KEY='{secret}'");
    setup.client.query(&create("s3", &keys));
    setup.client.query(&create("anonymous", ""));
    let upload = setup.presign("PRESIGN UPLOAD '@s3/a b' EXPIRE=60");
    assert!(upload[2].starts_with(&endpoint) && !upload[2].contains(&secret), "{}", upload[2]);
    // Ceph refuses the type of a form, which curl would send.
    let stored = curl(&["-X", "PUT", "-H", "Content-Type:", "--data-binary", "12", &upload[2]]);
    assert_eq!(stored.status, 200, "{upload:?} {}", stored.text());
    let download = setup.presign("PRESIGN '@s3/a b' CONTENT_TYPE='text/csv'");
    let fetched = curl(&[&download[2]]);
    assert_eq!((fetched.text().as_str(), fetched.header("content-type")), ("12", Some("text/csv")));
    let ours = setup.presign("PRESIGN '@anonymous/a b'");
    assert!(ours[2].contains("/v1/stages/default.anonymous/a%20b?"), "{}", ours[2]);
    setup.client.query("REMOVE @s3");
}
