//! Encrypted connections: by MySQL's way and by HTTPS, and what must not be believed before them.

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use stagewire::config::Config;
use support::client::{
    Client, Options, Response, cap, handshake_response, native_password, packet, ssl_request,
};
use support::http;
use support::line::{Line, trusting, trusting_as};
use support::server::{PASSWORD, Server, config};

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn certificate(server: &Server) -> PathBuf {
    server.data_dir().join("tls-cert.pem")
}

/// A server with a configuration that is changed before it starts.
fn server_with(dir: &Path, change: impl FnOnce(&mut Config)) -> Server {
    let mut config = config(dir);
    change(&mut config);
    Server::open(config).expect("a fresh directory")
}

fn encrypted(server: &Server) -> Client {
    let mut client = Client::greeted(server.addr).expect("a greeting");
    client.encrypt(trusting(&certificate(server)));
    client
}

/// What the server says of the connection.
fn cipher(client: &mut Client) -> String {
    let Response::Rows { rows, .. } = &client.query("SHOW STATUS LIKE 'Ssl_version'")[0] else {
        panic!("rows");
    };
    rows[0][1].clone().expect("a text")
}

#[test]
fn an_encrypted_connection_is_like_any_other() {
    let server = Server::start();
    let mut plain = Client::connect(server.addr);
    assert_eq!(cipher(&mut plain), "");
    let mut client = encrypted(&server);
    let wrong = Options { password: "wrong".to_owned(), ..Options::default() };
    assert_eq!(client.log_in(&wrong).expect_err("no log-in").code, 1045);
    let mut client = encrypted(&server);
    client.log_in(&Options::default()).expect("a log-in");
    assert_eq!(cipher(&mut client), "TLSv1.3");
    let file: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let content = file.clone();
    client.serve_files(move |_| Some(content.clone()));
    let put = client.query("CREATE STAGE lake; PUT file:///tmp/a @lake AUTO_COMPRESS=FALSE");
    assert!(matches!(put.last(), Some(Response::Rows { .. })), "{put:?}");
    let digest = |client: &mut Client| {
        let Response::Rows { rows, .. } = &client.query("LIST @lake")[0] else { panic!("rows") };
        rows[0].clone()
    };
    let listed = digest(&mut client);
    assert_eq!(listed[1].as_deref(), Some("12000000"));
    plain.serve_files(move |_| Some(file.clone()));
    plain.query("PUT file:///tmp/a @lake AUTO_COMPRESS=FALSE OVERWRITE=TRUE");
    assert_eq!(digest(&mut plain)[2], listed[2], "the same bytes");
    // An answer that is larger than all buffers on its way.
    let Response::Rows { rows, .. } = &client.query("GET @lake/a")[0] else { panic!("rows") };
    assert_eq!(rows.len(), 12);
}

#[test]
fn a_request_for_tls_may_come_in_any_pieces() {
    let server = Server::start();
    let request = packet(1, &ssl_request());
    for end in 0..request.len() {
        let mut client = Client::greeted(server.addr).expect("a greeting");
        client.write_raw(&request[..end]);
        client.stream.shutdown(std::net::Shutdown::Write).expect("shut down");
        assert!(client.is_closed());
    }
    let mut client = Client::greeted(server.addr).expect("a greeting");
    for byte in &request {
        client.write_raw(&[*byte]);
        std::thread::sleep(Duration::from_millis(1));
    }
    client.sequence = 2;
    client.stream.encrypt(trusting(&certificate(&server)));
    client.log_in(&Options::default()).expect("a log-in");
}

/// Whoever sits between client and server can add bytes behind the request. They must not count as
/// what the client has sent encrypted.
#[test]
fn what_was_sent_in_the_clear_is_no_part_of_an_encrypted_session() {
    let server = Server::start();
    let mut client = Client::greeted(server.addr).expect("a greeting");
    let proof = native_password(PASSWORD, &client.greeting.salt);
    let log_in = handshake_response(&Options::default(), &proof);
    let query = packet(0, b"\x03CREATE STAGE injected");
    client.write_raw(&[packet(1, &ssl_request()), packet(2, &log_in), query.clone()].concat());
    let mut answer = Vec::new();
    let _ = client.stream.read_to_end(&mut answer);
    // An alert, or nothing.
    assert!(answer.is_empty() || answer[0] == 0x15, "{answer:?}");
    // Behind them comes the client's own, honest handshake.
    let mut client = Client::greeted(server.addr).expect("a greeting");
    client.write_raw(&[packet(1, &ssl_request()), query].concat());
    client.sequence = 2;
    client.stream.encrypt(trusting(&certificate(&server)));
    client.stream.write_all(&packet(2, &log_in)).and_then(|()| client.stream.flush()).ok();
    assert!(client.try_read().is_err());
    let Response::Rows { rows, .. } = &Client::connect(server.addr).query("SHOW STAGES")[0] else {
        panic!("rows");
    };
    assert!(rows.is_empty(), "{rows:?}");
}

#[test]
fn tls_is_asked_for_once_and_first() {
    let server = Server::start();
    let mut client = encrypted(&server);
    client.write(&ssl_request());
    assert_eq!(client.read_refusal().code, 1043);
    let mut client = Client::greeted(server.addr).expect("a greeting");
    let switched = Options { plugin: "caching_sha2_password".to_owned(), ..Options::default() };
    client.write(&handshake_response(&switched, &[]));
    assert_eq!(client.read()[0], 0xFE);
    client.write(&ssl_request());
    assert_eq!(client.read_refusal().code, 1045);
}

#[test]
fn a_handshake_that_hangs_is_given_up() {
    let dir = directory();
    let server = server_with(dir.path(), |config| config.limits.connect_timeout_s = 1);
    let mut client = Client::greeted(server.addr).expect("a greeting");
    client.write(&ssl_request());
    assert!(client.is_closed());
    let mut web = TcpStream::connect(server.http_addr).expect("a connection");
    web.write_all(&[0x16]).expect("sent");
    assert_eq!(web.read(&mut [0]).unwrap_or(0), 0);
}

/// Asks `/health` by HTTPS.
fn health(addr: SocketAddr, certificate: &Path) -> String {
    let mut line = Line::Plain(TcpStream::connect(addr).expect("a connection"));
    line.encrypt(trusting(certificate));
    line.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .expect("sent");
    let mut answer = Vec::new();
    let _ = line.read_to_end(&mut answer);
    String::from_utf8(answer).expect("UTF-8")
}

#[test]
fn http_and_https_share_a_port() {
    let server = Server::start();
    assert_eq!(http::get(server.http_addr, "localhost", "/health", &[]).body, "ok\n");
    assert!(health(server.http_addr, &certificate(&server)).ends_with("ok\n"));
    assert!(server.instance.public_url().starts_with("http://"));
}

#[test]
fn nothing_goes_in_the_clear_where_that_is_forbidden() {
    let dir = directory();
    let server = server_with(dir.path(), |config| config.require_secure_transport = true);
    let refusal = Client::with(server.addr, &Options::default()).map(|_| ()).expect_err("clear");
    assert_eq!((refusal.code, refusal.state.as_str()), (3159, "HY000"));
    // A client that can't log in learns no more than one that can.
    let wrong = Options { password: "wrong".to_owned(), ..Options::default() };
    let other = Client::with(server.addr, &wrong).map(|_| ()).expect_err("clear");
    assert_eq!(other, refusal);
    let mut client = encrypted(&server);
    let options = Options { capabilities: cap::USUAL | cap::SSL, ..Options::default() };
    client.log_in(&options).expect("a log-in");
    assert_eq!(http::get(server.http_addr, "localhost", "/health", &[]).body, "ok\n");
    let answer = http::get(server.http_addr, "localhost", "/metrics", &[]);
    assert_eq!(answer.status, 403);
    assert!(answer.body.contains("--require_secure_transport"), "{}", answer.body);
    assert!(health(server.http_addr, &certificate(&server)).ends_with("ok\n"));
    assert!(server.instance.public_url().starts_with("https://"));
}

#[test]
fn clients_may_have_to_show_a_certificate() {
    let (dir, other) = (directory(), directory());
    // The certificates that servers make sign themselves: each is its own authority.
    let stranger = server_with(&other.path().join("stranger"), |_| {});
    let friend = server_with(&other.path().join("friend"), |_| {});
    let server = server_with(dir.path(), |config| {
        config.require_secure_transport = true;
        config.tls.client_ca = Some(certificate(&friend));
    });
    let log_in = |settings| {
        let mut client = Client::greeted(server.addr).expect("a greeting");
        client.write(&ssl_request());
        client.stream.encrypt(settings);
        let proof = native_password(PASSWORD, &client.greeting.salt);
        let log_in = handshake_response(&Options::default(), &proof);
        client.stream.write_all(&packet(2, &log_in)).and_then(|()| client.stream.flush())?;
        client.sequence = 3;
        client.try_read()
    };
    let key = |server: &Server| server.data_dir().join("tls-key.pem");
    let own = certificate(&server);
    let known = log_in(trusting_as(&own, &certificate(&friend), &key(&friend)));
    assert_eq!(known.expect("an answer")[0], 0);
    assert!(log_in(trusting_as(&own, &certificate(&stranger), &key(&stranger))).is_err());
    assert!(log_in(trusting(&own)).is_err());
}
