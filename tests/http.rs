//! `PUT /v1/upload_to_stage` by bytes: whatever becomes of the body, a request is stored whole or
//! not at all.

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use stagewire::config::Limits;
use support::client::{Client, Response};
use support::http::{self, Answer, BOUNDARY, form, read_answer};
use support::process::Process;
use support::server::until;
use support::world::{Storage, World, files_below, noise, unfinished_files};

const UPLOAD: &str = "/v1/upload_to_stage";

/// With the stage `lake`.
fn world(storage: Storage) -> Option<World> {
    world_with_limits(storage, Limits::default())
}

fn world_with_limits(storage: Storage, limits: Limits) -> Option<World> {
    let world = World::with_limits(storage, limits)?;
    create_lake(world.server.addr);
    Some(world)
}

fn create_lake(addr: std::net::SocketAddr) {
    let responses = Client::connect(addr).query("CREATE STAGE lake");
    assert!(matches!(responses[..], [Response::Ok { .. }]), "{responses:?}");
}

fn content_type() -> String {
    format!("multipart/form-data; boundary={BOUNDARY}")
}

/// Uploads a body that is there as a whole.
fn upload(world: &World, more_headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let content_type = content_type();
    let mut headers = vec![
        ("stage_name", "lake"),
        ("Authorization", http::ROOT),
        ("Content-Type", content_type.as_str()),
    ];
    headers.retain(|(name, _)| more_headers.iter().all(|(other, _)| other != name));
    headers.extend_from_slice(more_headers);
    headers.retain(|(_, value)| !value.is_empty());
    http::send(world.server.http_addr, "PUT", UPLOAD, &headers, body)
}

/// The head of an upload, whose body the test sends on its own.
fn begin(addr: std::net::SocketAddr, length: &str) -> TcpStream {
    let mut stream = TcpStream::connect(addr).expect("a connection");
    let head = format!(
        "PUT {UPLOAD} HTTP/1.1\r\nHost: localhost\r\nstage_name: lake\r\nAuthorization: {}\r\n\
         Content-Type: {}\r\nConnection: close\r\n{length}\r\n\r\n",
        http::ROOT,
        content_type()
    );
    stream.write_all(head.as_bytes()).expect("the head is sent");
    stream
}

/// The bytes that begin a part with this file.
fn part(name: &str) -> Vec<u8> {
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"upload\"; filename=\"{name}\"\r\n\r\n"
    );
    head.into_bytes()
}

fn a_body_that_breaks_off_leaves_nothing(storage: Storage) {
    let Some(world) = world(storage) else { return };
    assert_eq!(upload(&world, &[], &form(&[("old", b"old")])).status, 200);
    let before = world.stored();
    // The first is large enough to go to S3 in several parts before it ends.
    let large = noise(1, 20 << 20);
    let whole = form(&[("first", &large), ("old", &large[..1 << 20])]);
    let second = part("first").len() + large.len() + 2 + part("old").len();
    // In the first file, right behind it, in the head of the second, in the second, and before the
    // last boundary.
    for end in [100, 19 << 20, second - 40, second + 5, whole.len() - BOUNDARY.len() - 8] {
        // The client dies, or believes that it is done.
        for said in [whole.len(), end] {
            let mut stream = begin(world.server.http_addr, &format!("Content-Length: {said}"));
            stream.write_all(&whole[..end]).expect("sent");
            stream.shutdown(Shutdown::Write).expect("shut down");
            let answer = read_answer(stream);
            // Nobody may be left to be told, but nobody is told of success.
            assert!(matches!(answer.status, 400 | 0), "{end}: {}", answer.body);
            until("the upload is undone", || world.unfinished().is_empty());
            assert_eq!(world.stored(), before, "{end}");
            assert_eq!(world.read("lake", "old").expect("the old file"), b"old");
        }
    }
    assert_eq!(upload(&world, &[], &whole).status, 200);
    assert!(world.read("lake", "first").expect("stored") == large);
}

#[test]
fn a_body_that_breaks_off_leaves_nothing_in_directories() {
    a_body_that_breaks_off_leaves_nothing(Storage::Fs);
}

#[test]
fn a_body_that_breaks_off_leaves_nothing_on_s3() {
    a_body_that_breaks_off_leaves_nothing(Storage::S3);
}

#[test]
fn several_files_are_stored_in_their_order() {
    for storage in [Storage::Fs, Storage::S3] {
        let Some(world) = world(storage) else { return };
        let large = noise(2, 9 << 20);
        let files: [(&str, &[u8]); 4] = [("b", &large), ("a", b""), ("c", b"x"), ("x.gz", b"y")];
        let answer = upload(&world, &[], &form(&files));
        assert_eq!(answer.status, 200, "{}", answer.body);
        let names = r#""stage_name":"lake","state":"SUCCESS","files":["b","a","c","x.gz"]}"#;
        assert!(answer.body.ends_with(names), "{}", answer.body);
        for (name, content) in files {
            assert!(world.read("lake", name).expect("stored") == content, "{name}");
        }
        assert_eq!(world.unfinished(), [""; 0]);
    }
}

#[test]
fn a_body_may_come_in_chunks_and_needs_little_memory() {
    const MEGABYTES: usize = 40;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let server = Process::start(dir.path());
    create_lake(server.addr);
    let megabyte = noise(3, 1 << 20);
    let before = server.peak_kib();
    let mut stream = begin(server.http_addr, "Transfer-Encoding: chunked");
    let mut chunk = |bytes: &[u8]| {
        write!(stream, "{:x}\r\n", bytes.len()).expect("sent");
        stream.write_all(bytes).expect("sent");
        stream.write_all(b"\r\n").expect("sent");
    };
    chunk(&part("large"));
    for _ in 0..MEGABYTES {
        chunk(&megabyte);
    }
    let end = format!("\r\n--{BOUNDARY}--\r\n");
    chunk(&end.as_bytes()[..7]);
    chunk(&end.as_bytes()[7..]);
    chunk(b"");
    let answer = read_answer(stream);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let peak = server.peak_kib();
    eprintln!("40 MB in chunks: {} MiB at most, {} MiB idle", peak >> 10, before >> 10);
    assert!(peak < before + (30 << 10), "{before} KiB, then {peak} KiB");
    let stored = files_below(&dir.path().join("files"));
    assert_eq!(stored.len(), 1, "{stored:?}");
    assert!(std::fs::read(&stored[0]).expect("the file") == megabyte.repeat(MEGABYTES));
    assert_eq!(unfinished_files(dir.path()), [""; 0]);
}

#[test]
fn file_names_are_taken_as_they_are() {
    let Some(world) = world(Storage::Fs) else { return };
    // Written as browsers and curl do: quotes are escaped, UTF-8 is not.
    for (written, name) in [
        ("a b.csv", "a b.csv"),
        ("été 日本.csv", "été 日本.csv"),
        ("it's", "it's"),
        (r#"say \"hi\""#, r#"say "hi""#),
        ("50%25 #x?y+z", "50%25 #x?y+z"),
        ("semi;colon, comma", "semi;colon, comma"),
    ] {
        let answer = upload(&world, &[], &form(&[(written, b"data")]));
        assert_eq!(answer.status, 200, "{written}: {}", answer.body);
        assert_eq!(world.read("lake", name).expect(name), b"data");
    }
    // A path is no name, nor is what leads out.
    for written in ["../a", "..", "/a", "a//b", ""] {
        let answer = upload(&world, &[], &form(&[(written, b"data")]));
        assert_eq!(answer.status, 400, "{written}: {}", answer.body);
    }
    let answer = upload(&world, &[], &form(&[("dir/a", b"data")]));
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(world.list("lake").len(), 7);
}

#[test]
fn what_is_no_form_is_refused() {
    let Some(world) = world(Storage::Fs) else { return };
    let whole = form(&[("a", b"data")]);
    let refused = |status: u16, headers: &[(&str, &str)], body: &[u8], why: &str| {
        let answer = upload(&world, headers, body);
        assert_eq!(answer.status, status, "{}", answer.body);
        assert!(answer.body.contains(why), "{why}: {}", answer.body);
    };
    refused(400, &[("Content-Type", "")], &whole, "multipart/form-data");
    refused(400, &[("Content-Type", "multipart/form-data")], &whole, "boundary");
    refused(400, &[("Content-Type", "text/csv")], &whole, "multipart/form-data");
    let other = [("Content-Type", "multipart/form-data; boundary=other")];
    refused(400, &other, &whole, "The body is broken");
    refused(400, &[], b"data", "The body is broken");
    refused(400, &[], b"", "The body is broken");
    let value = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"upload\"\r\n\r\n@a\r\n--{BOUNDARY}--\r\n"
    );
    refused(400, &[], value.as_bytes(), "The form's part 'upload' has no file name");
    // A file that came before does not stay.
    let mut mixed = whole[..whole.len() - BOUNDARY.len() - 6].to_vec();
    mixed.extend_from_slice(value.as_bytes());
    refused(400, &[], &mixed, "has no file name");
    refused(400, &[], format!("--{BOUNDARY}--\r\n").as_bytes(), "The form holds no file");
    refused(400, &[("x-stagewire-overwrite", "perhaps")], &whole, "expected true or false");
    refused(400, &[("stage_name", "")], &whole, "is missing");
    refused(404, &[("stage_name", "lakee")], &whole, "doesn't exist");
    let many: Vec<String> = (0..101).map(|n| n.to_string()).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|n| (n.as_str(), &b"x"[..])).collect();
    refused(400, &[], &form(&many), "at most 100 files");
    assert_eq!(world.list("lake"), []);
    assert_eq!((world.stored(), world.unfinished()), (Vec::new(), Vec::new()));
}

#[test]
fn other_methods_are_refused_by_name() {
    let Some(world) = world(Storage::Fs) else { return };
    for method in ["GET", "DELETE", "PATCH"] {
        let answer = http::send(world.server.http_addr, method, UPLOAD, &[], b"");
        assert_eq!(answer.status, 405);
        assert!(answer.body.contains(&format!("{method} can't be used on {UPLOAD}")));
    }
    assert_eq!(http::send(world.server.http_addr, "PUT", "/health", &[], b"").status, 405);
}

#[test]
fn a_wrong_password_stores_nothing() {
    let Some(world) = world(Storage::Fs) else { return };
    let whole = form(&[("a", &noise(4, 3 << 20))]);
    for authorization in [
        "",
        "Basic",
        "Basic !",
        "Basic cm9vdDo=",         // root:
        "Basic cm9vdDpub3Bl",     // root:nope
        "Basic YWRtaW46cGFzcw==", // admin:pass
        "Bearer cm9vdDpwYXNz",
    ] {
        let answer = upload(&world, &[("Authorization", authorization)], &whole);
        assert_eq!(answer.status, 401, "{authorization}: {}", answer.body);
    }
    assert_eq!(world.list("lake"), []);
    let answer = upload(&world, &[("Authorization", "basic cm9vdDpwYXNz")], &whole);
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[test]
fn a_file_that_is_there_may_be_kept() {
    for storage in [Storage::Fs, Storage::S3] {
        let Some(world) = world(storage) else { return };
        assert_eq!(upload(&world, &[], &form(&[("b", b"old")])).status, 200);
        let large = noise(5, 9 << 20);
        let keep = [("x-stagewire-overwrite", "false")];
        let answer = upload(&world, &keep, &form(&[("a", &large), ("b", &large)]));
        assert_eq!(answer.status, 409, "{}", answer.body);
        assert_eq!(world.list("lake"), [("b".to_owned(), 3)]);
        assert_eq!(world.unfinished(), [""; 0]);
        assert_eq!(upload(&world, &keep, &form(&[("a", &large)])).status, 200);
        let twice = upload(&world, &[], &form(&[("c", b"1"), ("c", b"2")]));
        assert_eq!(twice.status, 409, "{}", twice.body);
        assert_eq!(world.list("lake").len(), 2);
    }
}

#[test]
fn a_body_that_stops_is_not_waited_for() {
    let limits = Limits { net_timeout_s: 1, ..Limits::default() };
    let Some(world) = world_with_limits(Storage::Fs, limits) else { return };
    let whole = form(&[("a", &noise(6, 3 << 20)), ("b", b"data")]);
    for end in [10, 2 << 20, whole.len() - 60] {
        let mut stream = begin(world.server.http_addr, &format!("Content-Length: {}", whole.len()));
        stream.write_all(&whole[..end]).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(answer.contains("The body stopped coming"), "{answer}");
        assert_eq!((world.stored(), world.unfinished()), (Vec::new(), Vec::new()));
    }
}

#[test]
fn a_refusal_is_read_even_by_those_who_send_on() {
    let Some(world) = world(Storage::Fs) else { return };
    // Far more than the buffers of both sides hold.
    let whole = form(&[("a", &noise(7, 30 << 20))]);
    for _ in 0..5 {
        let answer = upload(&world, &[("stage_name", "lakee")], &whole);
        assert_eq!(answer.status, 404, "{}", answer.body);
        let answer = upload(&world, &[("Authorization", "")], &whole);
        assert_eq!(answer.status, 401, "{}", answer.body);
    }
}
