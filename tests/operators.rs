//! What operators see: how far transfers are, and `/metrics`. Against the real program, for metrics are counted once a
//! process.

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;

use support::client::{Client, Options, Response};
use support::http;
use support::process::{Process, program};
use support::server::until;

struct World {
    server: Process,
    _dir: tempfile::TempDir,
}

fn world(limits: &str) -> World {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("stagewire.toml");
    std::fs::write(&file, format!("[limits]\n{limits}")).expect("written");
    let mut command = program(&dir.path().join("data"));
    command.arg("--config").arg(file);
    World { server: Process::spawn(command), _dir: dir }
}

impl World {
    fn connect(&self) -> Client {
        Client::connect(self.server.addr)
    }

    /// The value of a metric with these labels, as they are written; 0 where it was never counted.
    fn metric(&self, name: &str) -> f64 {
        let text = http::get(self.server.http_addr, "localhost", "/metrics", &[]).body;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.parse().expect("a number"))
    }

    /// Waits until a metric is so much, or more.
    fn until_at_least(&self, name: &str, value: f64) {
        until(&format!("{name} is {value}"), || self.metric(name) >= value);
    }

    /// Waits until a metric is this.
    fn until(&self, name: &str, value: f64) {
        until(&format!("{name} is {value}"), || self.metric(name) == value);
    }
}

/// The states of the connections, and the parts of them.
fn states(client: &mut Client) -> Vec<String> {
    match client.query("SHOW FULL PROCESSLIST").remove(0) {
        Response::Rows { rows, columns, .. } => {
            let at = columns.iter().position(|column| column.name == "State").expect("State");
            rows.into_iter().map(|mut row| row.remove(at).unwrap_or_default()).collect()
        }
        other @ (Response::Ok { .. } | Response::Err(_)) => panic!("{other:?}"),
    }
}

fn until_state(client: &mut Client, expected: impl Fn(&str) -> bool) {
    let mut seen = Vec::new();
    until("the state is shown", || {
        seen = states(client);
        seen.iter().any(|state| expected(state))
    });
}

/// Reads what comes before the request for a file: drivers differ in what that is.
fn until_asked(client: &mut Client) {
    while client.read()[0] != 0xFB {}
}

#[test]
fn how_far_a_transfer_is_is_in_the_processlist() {
    let world = world("");
    let mut client = world.connect();
    client.query("CREATE STAGE lake");
    let mut sender = world.connect();
    let names = ["a", "b", "c"].map(|name| format!("file:///tmp/{name}")).join(", ");
    sender.begin_upload(&format!("PUT {names} @lake AUTO_COMPRESS=FALSE"));
    sender.send_file(b"data");
    until_asked(&mut sender);
    sender.send_part(&vec![b'x'; 1 << 20]);
    until_state(&mut client, |state| {
        // What has come, up to half a block.
        let Some(rest) = state.strip_prefix("receiving file 2 of 3: ") else { return false };
        let mut numbers = rest.split(", ");
        let bytes = numbers.next().and_then(|text| text.strip_suffix(" bytes"));
        let rate = numbers.next().and_then(|text| text.strip_suffix(" bytes/s"));
        let number = |text: Option<&str>| text.and_then(|text| text.parse().ok()).unwrap_or(0);
        number(bytes) > 500_000 && number(rate) > 0
    });
    sender.write(b"");
    until_asked(&mut sender);
    sender.send_part(&vec![b'x'; 64 << 20]);
    sender.write(b"");
    let answers = sender.responses(false);
    assert!(matches!(answers.last(), Some(Response::Rows { .. })), "{answers:?}");
    // Who doesn't read what he has asked for.
    sender.command(b"\x03GET @lake/c");
    until_state(&mut client, |state| {
        state.starts_with("sending row ") && state.ends_with(" bytes/s")
    });
    drop(sender);
    until("only one is left", || states(&mut client) == ["executing"]);
}

const UPLOADED: &str = r#"{way="mysql",outcome="UPLOADED"}"#;

#[test]
fn uploads_and_downloads_are_counted() {
    let world = world("");
    let mut client = world.connect();
    client.query("CREATE STAGE lake");
    client.begin_upload("PUT file:///tmp/a @lake AUTO_COMPRESS=FALSE");
    client.send_part(&[b'x'; 10_000]);
    world.until("stagewire_running_uploads", 1.0);
    world.until(r#"stagewire_connection_states{state="running"}"#, 1.0);
    assert!(matches!(client.end_upload(), Response::Rows { .. }));
    assert_eq!(world.metric(&format!("stagewire_uploads_total{UPLOADED}")), 1.0);
    assert_eq!(world.metric(r#"stagewire_upload_bytes_total{way="mysql"}"#), 10_000.0);
    assert_eq!(world.metric("stagewire_running_uploads"), 0.0);
    // A big one, so that it can be seen on its way.
    client.begin_upload("PUT file:///tmp/b @lake AUTO_COMPRESS=FALSE");
    client.send_part(&vec![b'x'; 64 << 20]);
    world.until("stagewire_upload_memory_bytes", f64::from(4 << 20));
    assert!(matches!(client.end_upload(), Response::Rows { .. }));
    world.until("stagewire_upload_memory_bytes", 0.0);

    client.query("GET @lake/a");
    assert_eq!(world.metric(r#"stagewire_download_bytes_total{way="mysql"}"#), 10_000.0);
    let done = r#"{way="mysql",outcome="DOWNLOADED"}"#;
    assert_eq!(world.metric(&format!("stagewire_downloads_total{done}")), 1.0);
    assert_eq!(world.metric(r#"stagewire_first_row_seconds_count{kind="get"}"#), 1.0);
    let headers = [("Authorization", http::ROOT)];
    let answer = http::get(world.server.http_addr, "x", "/v1/stages/lake/a", &headers);
    assert_eq!((answer.status, answer.body.len()), (200, 10_000));
    world.until(r#"stagewire_downloads_total{way="http",outcome="DOWNLOADED"}"#, 1.0);
    assert_eq!(world.metric(r#"stagewire_download_bytes_total{way="http"}"#), 10_000.0);

    let mut deaf = world.connect();
    deaf.command(b"\x03GET @lake/b");
    world.until(r#"stagewire_running_downloads{way="mysql"}"#, 1.0);
    drop(deaf);
    world.until(r#"stagewire_running_downloads{way="mysql"}"#, 0.0);
    assert_eq!(world.metric(r#"stagewire_downloads_total{way="mysql",outcome="CUT OFF"}"#), 1.0);
    let out = world.metric(r#"stagewire_wire_bytes_total{port="mysql",direction="out"}"#);
    assert!(out > 10_000.0, "{out}");
    let into = world.metric(r#"stagewire_wire_bytes_total{port="mysql",direction="in"}"#);
    assert!(into > f64::from(64 << 20), "{into}");
    for direction in ["in", "out"] {
        let name = format!("stagewire_wire_bytes_total{{port=\"http\",direction=\"{direction}\"}}");
        assert!(world.metric(&name) > 0.0, "{direction}");
    }
    assert!(world.metric(r#"stagewire_statements_total{kind="get",outcome="ok"}"#) >= 2.0);
}

#[test]
fn log_ins_refusals_and_time_outs_are_counted() {
    let limits = "connect_timeout_s = 3\nmax_http_connections = 2\nmax_connections = 2\n";
    let world = world(limits);
    let addr = world.server.addr;
    let mut client = world.connect();
    client.query("CREATE USER bob IDENTIFIED BY 'pass' WITH MAX_USER_CONNECTIONS 1");
    let named = |user: &str| Options { user: user.to_owned(), ..Options::default() };
    let bob = Client::with(addr, &named("bob")).expect("a log-in");
    world.until(r#"stagewire_connection_states{state="idle"}"#, 2.0);
    let full = Client::with(addr, &named("eve")).map(drop).expect_err("full");
    assert_eq!(full.code, 1040);
    let refused = r#"stagewire_refused_connections_total{port="mysql",reason="max_connections"}"#;
    assert_eq!(world.metric(refused), 1.0);
    // Below the limit again, but for the one that is still being told.
    drop(bob);
    let log_ins = |outcome: &str| {
        world.metric(&format!("stagewire_log_ins_total{{port=\"mysql\",outcome=\"{outcome}\"}}"))
    };
    assert_eq!((log_ins("ok"), log_ins("denied")), (2.0, 0.0));
    until("eve is denied", || {
        Client::with(addr, &named("eve")).map(drop).expect_err("unknown").code == 1045 || {
            log_ins("denied") > 0.0
        }
    });
    let wrong = Options { password: "wrong".to_owned(), ..Options::default() };
    assert_eq!(Client::with(addr, &wrong).map(drop).expect_err("wrong").code, 1045);
    assert!(log_ins("denied") >= 2.0);
    let headers = [("Authorization", "Basic Ym9iOndyb25n")];
    http::get(world.server.http_addr, "x", "/v1/stages/lake/a", &headers);
    let denied = world.metric(r#"stagewire_log_ins_total{port="http",outcome="denied"}"#);
    assert_eq!(denied, 1.0);

    // Nobody waits for those who say nothing.
    let silent = TcpStream::connect(addr).expect("a connection");
    world.until_at_least(r#"stagewire_timeouts_total{port="mysql",timeout="connect"}"#, 1.0);
    drop(silent);
    let mut half = TcpStream::connect(world.server.http_addr).expect("a connection");
    half.write_all(b"GET /hea").expect("sent");
    world.until_at_least(r#"stagewire_timeouts_total{port="http",timeout="connect"}"#, 1.0);
    assert_eq!(half.read(&mut [0; 10]).ok(), Some(0));
    let mut idle = world.connect();
    idle.query("SET wait_timeout = 1");
    world.until_at_least(r#"stagewire_timeouts_total{port="mysql",timeout="wait"}"#, 1.0);
    let several: Vec<TcpStream> =
        (0..2).map(|_| TcpStream::connect(world.server.http_addr).expect("a connection")).collect();
    until("one is refused", || {
        http::get(world.server.http_addr, "x", "/health", &[]).status == 503
    });
    drop(several);
    let name = r#"stagewire_refused_connections_total{port="http",reason="max_http_connections"}"#;
    until("it is counted", || world.metric(name) >= 1.0);
}
