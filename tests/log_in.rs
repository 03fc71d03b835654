//! Log-ins by every method, and becoming somebody else.

mod support;

use std::fmt::Write;

use sha1::{Digest, Sha1};
use sha2::Sha256;
use stagewire::config::{Plugin, Secret};
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

/// A server with users of both methods, whose password is `word`.
fn with_users(default: Plugin) -> (tempfile::TempDir, Server) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut config = config(dir.path());
    config.default_authentication_plugin = default;
    let server = Server::open(config).expect("a fresh directory");
    let root = Options { plugin: default.name().to_owned(), ..Options::default() };
    let mut client = Client::with(server.addr, &root).expect("a log-in");
    for (user, method) in [("old", NATIVE), ("new", SHA2)] {
        let sql = format!("CREATE USER {user} IDENTIFIED WITH {method} BY 'word'");
        assert!(matches!(client.query(&sql)[..], [Response::Ok { .. }]), "{sql}");
    }
    (dir, server)
}

fn of(user: &str, plugin: &str) -> Options {
    Options { user: user.to_owned(), password: "word".to_owned(), ..by(plugin) }
}

#[test]
fn an_account_has_a_method_of_its_own() {
    let (_dir, server) = with_users(Plugin::Native);
    assert_eq!(Client::greeted(server.addr).expect("a greeting").greeting.plugin, NATIVE);
    let other = |user| Options { auth_response: Some(vec![7; 20]), ..of(user, "client_ed25519") };
    for (secure, options, first, later) in [
        // The first time the password is needed, by TLS or RSA; later a proof will do.
        (false, of("new", SHA2), vec!["the password"], vec!["nothing more"]),
        (true, of("new", SHA2), vec!["the password"], vec!["nothing more"]),
        (false, of("new", NATIVE), vec![SHA2, "the password"], vec![SHA2, "nothing more"]),
        (true, of("new", NATIVE), vec![SHA2, "the password"], vec![SHA2, "nothing more"]),
        (false, other("new"), vec![SHA2, "the password"], vec![SHA2, "nothing more"]),
        // Others are never sent anything that could be decrypted, unless by TLS.
        (false, of("old", NATIVE), vec![], vec![]),
        (false, of("old", SHA2), vec![NATIVE], vec![NATIVE]),
        (true, of("old", SHA2), vec!["the password"], vec!["nothing more"]),
        (false, other("old"), vec![NATIVE], vec![NATIVE]),
    ] {
        for expected in [first, later] {
            assert_eq!(
                asked(&server, secure, &options),
                (strings(&expected), Ok(())),
                "{options:?}"
            );
        }
        // Kept anew, nothing of it was seen.
        let mut root = Client::connect(server.addr);
        let sql = format!("ALTER USER {} IDENTIFIED BY 'word'", options.user);
        assert!(matches!(root.query(&sql)[..], [Response::Ok { .. }]));
    }
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

#[test]
fn the_greeting_offers_the_method_of_the_configuration() {
    let (_dir, server) = with_users(Plugin::Sha2);
    let mut client = Client::greeted(server.addr).expect("a greeting");
    assert_eq!(client.greeting.plugin, SHA2);
    client.log_in(&of("old", SHA2)).expect("by the other method");
    assert_eq!(client.asked, [NATIVE]);
    // root's password is known since the start, so nobody sends it.
    assert_eq!(asked(&server, false, &by(SHA2)), (strings(&["nothing more"]), Ok(())));
    assert_eq!(asked(&server, false, &by(NATIVE)), (strings(&[SHA2, "nothing more"]), Ok(())));
    let mut root = Client::with(server.addr, &by(SHA2)).expect("a log-in");
    root.query("CREATE USER usual IDENTIFIED BY 'word'");
    assert_eq!(asked(&server, true, &of("usual", SHA2)).0, ["the password"]);
    let row = texts(&mut root, "SELECT @@default_authentication_plugin, @@authentication_policy");
    assert_eq!(row, [Some(SHA2.to_owned()), Some(format!("*:{SHA2},,"))]);
}

#[test]
fn who_becomes_an_account_of_another_method_proves_it_so() {
    let (_dir, server) = with_users(Plugin::Native);
    let mut client = Client::connect(server.addr);
    client.change_user(&of("new", NATIVE)).expect("a proof");
    assert_eq!(client.asked, [SHA2, "the password"]);
    assert_eq!(texts(&mut client, "SELECT CURRENT_USER()"), [Some("new@127.0.0.1".into())]);
    client.change_user(&of("old", NATIVE)).expect("a proof");
    client.change_user(&of("new", SHA2)).expect("a proof");
    assert_eq!(client.asked, ["nothing more"]);
    let wrong = Options { password: "Word".to_owned(), ..of("new", SHA2) };
    assert_eq!(client.change_user(&wrong).expect_err("a refusal").code, 1045);
    assert_eq!(client.asked, [SHA2, "the password"]);
}

/// Names that nobody has look like those that somebody has: some of one method, some of the other.
#[test]
fn who_is_not_there_has_a_method_too() {
    let (_dir, server) = with_users(Plugin::Native);
    let attempt = |user: &str, secure, plugin| {
        let wrong = Options { password: "wrong".to_owned(), ..of(user, plugin) };
        let (asked, verdict) = asked(&server, secure, &wrong);
        let refusal = verdict.expect_err("no log-in");
        assert_eq!(refusal.code, 1045);
        (asked, refusal.message.replace(user, "x"))
    };
    for (secure, plugin) in [(false, NATIVE), (true, NATIVE), (false, SHA2), (true, SHA2)] {
        let known = ["old", "new"].map(|user| attempt(user, secure, plugin));
        let mut seen = [0, 0];
        for n in 0..12 {
            let found = attempt(&format!("nobody{n}"), secure, plugin);
            assert_eq!(found.1, known[0].1);
            let like = known.iter().position(|known| known.0 == found.0);
            seen[like.unwrap_or_else(|| panic!("as nobody: {found:?}"))] += 1;
        }
        assert_eq!(attempt("nobody", secure, plugin), attempt("nobody", secure, plugin));
        // By chance of one in two thousand that the names are all of one method.
        let differ = known[0].0 != known[1].0;
        assert!(!differ || seen.iter().all(|&count| count > 0), "{seen:?}");
    }
}

#[test]
fn what_can_not_be_decrypted_is_a_wrong_password() {
    let (_dir, server) = with_users(Plugin::Native);
    for sent in [&b""[..], &[7; 256], &[0; 256], &[7; 255], &[7; 60_000], b"word\0"] {
        let mut client = Client::greeted(server.addr).expect("a greeting");
        let options = of("new", SHA2);
        let proof = support::client::sha2_password("word", &client.greeting.salt.clone());
        client.write(&support::client::handshake_response(&options, &proof));
        assert_eq!(client.read(), [0x01, 0x04]);
        client.write(sent);
        let payload = client.read();
        assert_eq!((payload[0], &payload[1..3]), (0xFF, &1045_u16.to_le_bytes()[..]), "{sent:?}");
    }
    // With the key of the data directory nobody has to ask for it.
    let pem = std::fs::read_to_string(server.data_dir().join("public_key.pem")).expect("a key");
    let mut client = Client::greeted(server.addr).expect("a greeting");
    let salt = client.greeting.salt.clone();
    let proof = support::client::sha2_password("word", &salt);
    client.write(&support::client::handshake_response(&of("new", SHA2), &proof));
    assert_eq!(client.read(), [0x01, 0x04]);
    client.write(&support::client::encrypted(&pem, "word", &salt));
    assert_eq!(client.read()[0], 0x00);
}

/// A flood of wrong passwords leaves room for who was here before, and for everything else.
#[test]
fn a_flood_of_log_ins_stops_nobody() {
    let (_dir, server) = with_users(Plugin::Native);
    asked(&server, true, &of("new", SHA2)).1.expect("a log-in");
    let addr = server.addr;
    let flood: Vec<_> = (0..40)
        .map(|_| {
            std::thread::spawn(move || {
                let wrong = Options { password: "wrong".to_owned(), ..of("new", SHA2) };
                Client::with(addr, &wrong).err().expect("no log-in").code
            })
        })
        .collect();
    let begun = std::time::Instant::now();
    assert_eq!(asked(&server, false, &of("new", SHA2)), (strings(&["nothing more"]), Ok(())));
    assert_eq!(asked(&server, false, &of("old", NATIVE)).1, Ok(()));
    assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
    for one in flood {
        assert_eq!(one.join().expect("an end"), 1045);
    }
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
