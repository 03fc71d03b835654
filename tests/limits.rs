//! Limits that have a name: what is over one gets an error with its number, or waits its turn.

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use stagewire::config::Limits;
use support::client::{Client, Refusal, Response};
use support::http;
use support::server::{Server, until};

fn code(refusal: &Refusal) -> (u16, &str) {
    (refusal.code, refusal.state.as_str())
}

fn error(response: &Response) -> &Refusal {
    match response {
        Response::Err(refusal) => refusal,
        other @ (Response::Ok { .. } | Response::Rows { .. }) => panic!("{other:?}"),
    }
}

fn put(name: &str) -> String {
    format!("PUT file:///tmp/{name} @lake AUTO_COMPRESS=FALSE")
}

/// A server with a stage `lake`.
fn server(limits: Limits) -> Server {
    let server = Server::with_limits(limits);
    Client::connect(server.addr).query("CREATE STAGE lake");
    server
}

fn listed(client: &mut Client) -> usize {
    match &client.query("LIST @lake")[0] {
        Response::Rows { rows, .. } => rows.len(),
        other @ (Response::Ok { .. } | Response::Err(_)) => panic!("{other:?}"),
    }
}

/// What the connections do, as an administrator sees it.
fn states(client: &mut Client) -> Vec<String> {
    match client.query("SELECT STATE FROM information_schema.PROCESSLIST").remove(0) {
        Response::Rows { rows, .. } => {
            rows.into_iter().flatten().map(Option::unwrap_or_default).collect()
        }
        other @ (Response::Ok { .. } | Response::Err(_)) => panic!("{other:?}"),
    }
}

/// An upload that goes on, a byte now and then, until it is told to end.
struct Slow {
    end: Arc<AtomicBool>,
    thread: JoinHandle<Response>,
}

impl Slow {
    fn begin(addr: SocketAddr, name: &str) -> Slow {
        let mut client = Client::connect(addr);
        client.begin_upload(&put(name));
        // Enough for the server to begin with it.
        client.send_part(&[b'x'; 200_000]);
        let end = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&end);
        let thread = std::thread::spawn(move || {
            while !told.load(Ordering::SeqCst) {
                client.send_part(b"x");
                std::thread::sleep(Duration::from_millis(20));
            }
            client.end_upload()
        });
        Slow { end, thread }
    }

    fn end(self) {
        self.end.store(true, Ordering::SeqCst);
        let answer = self.thread.join().expect("no panic");
        assert!(matches!(answer, Response::Rows { .. }), "{answer:?}");
    }
}

fn put_by_http(addr: SocketAddr, name: &str) -> http::Answer {
    let path = format!("/v1/stages/lake/{name}");
    http::send(addr, "PUT", &path, &[("Authorization", http::ROOT)], b"data")
}

#[test]
fn an_upload_too_many_waits_its_turn() {
    let server = server(Limits { max_uploads: 1, ..Limits::default() });
    let mut client = Client::connect(server.addr);
    let slow = Slow::begin(server.addr, "a");
    let addr = server.addr;
    let second = std::thread::spawn(move || {
        let mut client = Client::connect(addr);
        client.serve_files(|_| Some(b"data".to_vec()));
        client.query(&put("b")).remove(0)
    });
    // It is told to whoever looks, and others are served.
    let waits = |client: &mut Client| {
        states(client).iter().any(|state| state == "waiting for other uploads")
    };
    until("the second one waits", || waits(&mut client));
    let http_addr = server.http_addr;
    let third = std::thread::spawn(move || put_by_http(http_addr, "c"));
    slow.end();
    assert!(matches!(second.join().expect("no panic"), Response::Rows { .. }));
    assert_eq!(third.join().expect("no panic").status, 201);
    assert_eq!(listed(&mut client), 3);
}

#[test]
fn an_upload_that_waits_can_be_killed() {
    let server = server(Limits { max_uploads: 1, ..Limits::default() });
    let mut client = Client::connect(server.addr);
    let slow = Slow::begin(server.addr, "a");
    let mut second = Client::connect(server.addr);
    let id = second.greeting.connection_id;
    let waiting = std::thread::spawn(move || {
        let answer = second.query(&put("b")).remove(0);
        (second, answer)
    });
    until("it waits", || states(&mut client).iter().any(|state| state.starts_with("waiting")));
    client.query(&format!("KILL QUERY {id}"));
    let (mut second, answer) = waiting.join().expect("no panic");
    assert_eq!(code(error(&answer)), (1317, "70100"));
    slow.end();
    assert_eq!(listed(&mut second), 1);
}

#[test]
fn an_upload_that_has_waited_for_too_long_is_error_1205_and_503() {
    let limits = Limits { max_uploads: 1, net_timeout_s: 1, ..Limits::default() };
    let server = server(limits);
    let slow = Slow::begin(server.addr, "a");
    let mut client = Client::connect(server.addr);
    let answer = client.query(&put("b")).remove(0);
    let refusal = error(&answer);
    assert_eq!(code(refusal), (1205, "HY000"));
    assert!(refusal.message.contains("limits.max_uploads allows (1)"), "{}", refusal.message);
    let answer = put_by_http(server.http_addr, "c");
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("limits.max_uploads"), "{}", answer.body);
    slow.end();
    assert_eq!(put_by_http(server.http_addr, "c").status, 201);
    assert_eq!(listed(&mut client), 2);
}

#[test]
fn memory_for_uploads_is_bounded_together() {
    // As much as one file on a directory may take.
    let limits = Limits { max_upload_memory_bytes: 4 << 20, net_timeout_s: 1, ..Limits::default() };
    let server = server(limits);
    let slow = Slow::begin(server.addr, "a");
    until("it has what it needs", || server.instance.stages.upload_memory() == 4 << 20);
    let mut client = Client::connect(server.addr);
    client.serve_files(|_| Some(vec![b'x'; 1 << 20]));
    let answer = client.query(&put("b")).remove(0);
    let refusal = error(&answer);
    assert_eq!(code(refusal), (1205, "HY000"));
    assert!(refusal.message.contains("max_upload_memory_bytes"), "{}", refusal.message);
    slow.end();
    until("all is free again", || server.instance.stages.upload_memory() == 0);
    assert!(matches!(client.query(&put("b"))[0], Response::Rows { .. }));
    // A form's files wait for each other, but hold no more than they have.
    let form = http::form(&[("c", b"data"), ("d", b"data"), ("e", b"data")]);
    let content_type = format!("multipart/form-data; boundary={}", http::BOUNDARY);
    let headers = [
        ("Authorization", http::ROOT),
        ("stage_name", "lake"),
        ("Content-Type", content_type.as_str()),
    ];
    let small = Limits { max_upload_memory_bytes: (4 << 20) + 8192, ..Limits::default() };
    let other = self::server(small);
    let answer = http::send(other.http_addr, "PUT", "/v1/upload_to_stage", &headers, &form);
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[test]
fn a_query_has_the_time_that_the_operator_gives_it() {
    let server = server(Limits { max_execution_time_ms: 1, ..Limits::default() });
    let mut client = Client::connect(server.addr);
    client.serve_files(|_| Some(b"data".to_vec()));
    // Not a file on its way.
    assert!(matches!(client.query(&put("a"))[0], Response::Rows { .. }));
    let stages = server.data_dir().join("files/stages");
    let dir = std::fs::read_dir(stages).expect("a directory").next().expect("a stage");
    let dir = dir.expect("a stage").path();
    for n in 0..20_000 {
        std::fs::write(dir.join(n.to_string()), b"").expect("written");
    }
    let answer = client.query("LIST @lake").remove(0);
    assert_eq!(code(error(&answer)), (3024, "HY000"));
    // It is a default: whoever needs more says so.
    client.query("SET max_execution_time = 0");
    assert_eq!(listed(&mut client), 20_001);
    client.query("SET max_execution_time = DEFAULT");
    let answer = client.query("SELECT @@max_execution_time").remove(0);
    let Response::Rows { rows, .. } = answer else { panic!("{answer:?}") };
    assert_eq!(rows, [[Some("1".to_owned())]]);
}

#[test]
fn a_session_may_shorten_its_wait_timeout() {
    let server = server(Limits::default());
    let mut client = Client::connect(server.addr);
    client.query("SET wait_timeout = 1");
    client.command_begins();
    assert_eq!(code(&client.read_refusal()), (4031, "HY000"));
    assert!(client.is_closed());
}
