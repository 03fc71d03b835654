//! Log-ins by every method, and becoming somebody else.

mod support;

use std::fmt::Write;

use sha1::{Digest, Sha1};
use sha2::Sha256;
use stagewire::config::Secret;
use stagewire::tls::Tls;
use support::client::{Client, Options, Refusal, Response, cap, change_user};
use support::line::trusting;
use support::server::{PASSWORD, Server, config};

const NATIVE: &str = "mysql_native_password";
const SHA2: &str = "caching_sha2_password";

fn by(plugin: &str) -> Options {
    Options { plugin: plugin.to_owned(), ..Options::default() }
}

fn greeted(server: &Server, secure: bool) -> Client {
    let mut client = Client::greeted(server.addr).expect("a greeting");
    if secure {
        client.encrypt(trusting(&server.data_dir().join("tls-cert.pem")));
    }
    client
}

/// What the server asks for on the way to its verdict.
fn asked(server: &Server, secure: bool, options: &Options) -> (Vec<String>, Result<(), Refusal>) {
    let mut client = greeted(server, secure);
    let verdict = client.log_in(options);
    if verdict.is_ok() {
        assert!(matches!(client.query("SELECT 1")[..], [Response::Rows { .. }]));
    }
    (client.asked, verdict)
}

/// A server whose `root` has no password.
fn open_server(dir: &tempfile::TempDir) -> Server {
    let mut config = config(dir.path());
    config.root_password = Secret::default();
    Server::open(config).expect("a fresh directory")
}

#[test]
fn each_method_asks_for_no_more_than_it_needs() {
    let server = Server::start();
    let garbage = |plugin| Options { auth_response: Some(vec![7; 32]), ..by(plugin) };
    let silent = |plugin| Options { auth_response: Some(Vec::new()), ..by(plugin) };
    for (secure, options, expected) in [
        (false, by(NATIVE), vec![]),
        (true, by(NATIVE), vec![]),
        (false, by(SHA2), vec!["nothing more"]),
        (true, by(SHA2), vec!["nothing more"]),
        // For some other challenge, as after the password was changed: the password itself is
        // never asked for where others can listen in.
        (false, garbage(SHA2), vec![NATIVE]),
        (true, garbage(SHA2), vec!["the password"]),
        // Waits to be asked.
        (false, silent(SHA2), vec![NATIVE]),
        (true, silent(SHA2), vec![SHA2, "nothing more"]),
        (false, garbage("client_ed25519"), vec![NATIVE]),
        (true, garbage("client_ed25519"), vec![NATIVE]),
    ] {
        let (found, verdict) = asked(&server, secure, &options);
        assert_eq!((found, verdict), (expected.iter().map(ToString::to_string).collect(), Ok(())));
    }
}

#[test]
fn who_is_not_there_is_told_the_same_as_who_is_wrong() {
    let server = Server::start();
    for secure in [false, true] {
        for plugin in [NATIVE, SHA2] {
            for silent in [false, true] {
                let attempt = |user: &str| {
                    let auth_response = silent.then(Vec::new);
                    let password = "wrong".to_owned();
                    let user = user.to_owned();
                    let (asked, verdict) = asked(
                        &server,
                        secure,
                        &Options { user, password, auth_response, ..by(plugin) },
                    );
                    (asked, verdict.expect_err("no log-in"))
                };
                let (known, root) = attempt("root");
                let (unknown, nobody) = attempt("nobody");
                assert_eq!(known, unknown, "{secure} {plugin} {silent}");
                assert_eq!((root.code, nobody.code), (1045, 1045));
                assert_eq!(root.message, nobody.message.replace("'nobody'", "'root'"));
            }
        }
    }
}

#[test]
fn no_password_is_a_password_too() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let server = open_server(&dir);
    for secure in [false, true] {
        for (plugin, answer) in [(NATIVE, &b""[..]), (SHA2, b""), (SHA2, b"\0")] {
            let options = Options {
                password: String::new(),
                auth_response: Some(answer.to_vec()),
                ..by(plugin)
            };
            assert_eq!(asked(&server, secure, &options).1, Ok(()), "{secure} {plugin} {answer:?}");
            let other = Options { user: "other".to_owned(), ..options.clone() };
            assert!(asked(&server, secure, &other).1.is_err());
            let wrong = Options { password: "x".to_owned(), auth_response: None, ..options };
            assert!(asked(&server, secure, &wrong).1.is_err());
        }
    }
}

/// MariaDB's clients take a certificate that they can't verify if its owner knows the password.
#[test]
fn the_certificate_is_vouched_for() {
    let server = Server::start();
    let mut client = greeted(&server, true);
    client.log_in(&by(NATIVE)).expect("a log-in");
    let tls = Tls::open(&server.instance.config).expect("the same certificate");
    let mut proof = Sha256::new();
    proof.update(Sha1::digest(Sha1::digest(PASSWORD)));
    proof.update(&client.salt);
    proof.update(tls.fingerprint());
    let mut expected = "\u{1}".to_owned();
    for byte in proof.finalize() {
        write!(expected, "{byte:02X}").expect("written");
    }
    assert_eq!(client.welcome, expected);
    let mut client = greeted(&server, false);
    client.log_in(&by(NATIVE)).expect("a log-in");
    assert_eq!(client.welcome, "");
}

fn texts(client: &mut Client, sql: &str) -> Vec<Option<String>> {
    match client.query(sql).pop() {
        Some(Response::Rows { mut rows, .. }) => rows.remove(0),
        other => panic!("{sql}: {other:?}"),
    }
}

#[test]
fn who_becomes_somebody_else_starts_anew() {
    let server = Server::start();
    for secure in [false, true] {
        let mut client = greeted(&server, secure);
        client.log_in(&Options::default()).expect("a log-in");
        client.query("CREATE DATABASE IF NOT EXISTS sales");
        client.query("CREATE TEMPORARY STAGE mine; SET @a = 1; SET autocommit = 0; USE sales");
        let statement = client.prepare("SELECT 1").expect("prepared");
        client.change_user(&Options::default()).expect("the same user");
        assert_eq!(client.asked, [""; 0]);
        let row = texts(&mut client, "SELECT @a, @@autocommit, DATABASE(), CONNECTION_ID()");
        let id = client.greeting.connection_id.to_string();
        assert_eq!(row, [None, Some("1".into()), Some("default".into()), Some(id)]);
        let answers = client.execute(&statement, &[]);
        assert!(matches!(&answers[..], [Response::Err(refusal)] if refusal.code == 1243));
        let answers = client.query("LIST @mine");
        assert!(matches!(&answers[..], [Response::Err(refusal)] if refusal.code == 1146));

        // Into a database, and by the other method.
        let database = Some("sales".to_owned());
        let first = client.salt.clone();
        client.change_user(&Options { database, ..by(SHA2) }).expect("the same user");
        assert_eq!(client.asked, ["nothing more"]);
        assert_eq!(texts(&mut client, "SELECT DATABASE()"), [Some("sales".into())]);
        // Some clients answer another challenge than that of the greeting.
        let auth_response = Some(vec![7; 20]);
        client.change_user(&Options { auth_response, ..by(NATIVE) }).expect("asked again");
        assert_eq!(client.asked, [NATIVE]);
        assert_ne!(client.salt, first, "a challenge was used twice");
    }
}

#[test]
fn who_fails_to_become_somebody_else_is_nobody() {
    let server = Server::start();
    for (options, code) in [
        (Options { password: "wrong".to_owned(), ..by(NATIVE) }, 1045),
        (Options { password: "wrong".to_owned(), ..by(SHA2) }, 1045),
        (Options { user: "nobody".to_owned(), ..by(NATIVE) }, 1045),
        (Options { database: Some("nowhere".to_owned()), ..by(NATIVE) }, 1049),
    ] {
        let mut client = Client::connect(server.addr);
        assert_eq!(client.change_user(&options).expect_err("a refusal").code, code);
        assert!(client.is_closed());
    }
    let whole = change_user(&Options::default(), &[7; 20]);
    for end in 1..whole.len() {
        let mut client = Client::connect(server.addr);
        client.command(&whole[..end]);
        let answer = client.read();
        // Another proof is asked for, or it is an ERR.
        assert!(matches!(answer[0], 0xFE | 0xFF), "{end}: {answer:?}");
    }
    // A client that has not said that it names methods is not read as if it did.
    let capabilities = cap::USUAL & !(cap::PLUGIN_AUTH | cap::CONNECT_ATTRS);
    let old = Options { capabilities, ..Options::default() };
    let mut client = Client::with(server.addr, &old).expect("a log-in");
    client.change_user(&old).expect("the same user");
}
