//! Where stages may point: not to what only this server, or only its network, can reach.

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use stagewire::config::{Config, Place, Secret};
use support::client::{Client, Response};
use support::s3::Bucket;
use support::server::{Server, config, until};

/// What S3 says of a bucket with nothing in it.
const LISTING: &str = "<?xml version=\"1.0\"?><ListBucketResult><Name>b</Name><Prefix></Prefix>\
    <KeyCount>0</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated></ListBucketResult>";

/// A web server that gives everybody one answer.
struct Web {
    port: u16,
    asked: Arc<AtomicUsize>,
}

impl Web {
    fn serve(head: impl Into<String>, body: &'static str) -> Web {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let asked = Arc::new(AtomicUsize::new(0));
        let (head, count) = (head.into(), Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                count.fetch_add(1, Ordering::SeqCst);
                let Ok(mut stream) = stream else { return };
                let mut request = [0; 4096];
                let bytes = stream.read(&mut request).unwrap_or_default();
                let body = if request[..bytes].starts_with(b"HEAD") { "" } else { body };
                let _ = write!(stream, "{head}\r\nConnection: close\r\n\r\n{body}");
            }
        });
        Web { port, asked }
    }

    /// An empty bucket.
    fn of_a_bucket() -> Web {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}", LISTING.len());
        Web::serve(head, LISTING)
    }

    fn that_moves_to(target: &str) -> Web {
        let head = format!("HTTP/1.1 307 Moved\r\nLocation: {target}\r\nContent-Length: 0");
        Web::serve(head, "")
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// A server that says to listen for everybody, which is what its defaults go by.
fn open_server(dir: &Path, change: impl FnOnce(&mut Config)) -> (Server, Client) {
    let mut config = config(dir);
    config.mysql_addr = SocketAddr::from(([0, 0, 0, 0], 3307));
    change(&mut config);
    let mut server = None;
    // The directory of a server that has just ended may be locked for a moment.
    until("the directory is free", || {
        server = Server::open(config.clone()).ok();
        server.is_some()
    });
    let server = server.expect("a server");
    let client = Client::connect(server.addr);
    (server, client)
}

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn done(client: &mut Client, sql: &str) {
    let answers = client.query(sql);
    assert!(!matches!(answers[..], [Response::Err(_)]), "{sql}: {answers:?}");
}

/// Where a stage is: in a bucket at this endpoint.
fn at(endpoint: impl std::fmt::Display) -> String {
    format!("URL='s3://b/' CONNECTION=(ENDPOINT_URL='{endpoint}')")
}

/// Refused, by this setting.
fn refused(client: &mut Client, sql: &str, setting: &str) {
    let answers = client.query(sql);
    let [Response::Err(refusal)] = &answers[..] else { panic!("{sql}: {answers:?}") };
    assert_eq!(refusal.code, 1290, "{sql}: {}", refusal.message);
    let hint = format!("'{setting}' in the configuration file");
    assert!(refusal.message.contains(&hint), "{sql}: {}", refusal.message);
}

const PRIVATE: &str = "external.allow_private_endpoints";
const NAMED: &str = "external.allowed_endpoints";

#[test]
fn private_addresses_are_refused_by_a_server_for_everybody() {
    let web = Web::of_a_bucket();
    let dir = directory();
    let (_server, mut client) = open_server(dir.path(), |_| {});
    for host in ["127.0.0.1", "localhost", "2130706433", "[::1]", "0.0.0.0", "10.0.0.1"] {
        let endpoint = format!("http://{host}:{}", web.port);
        refused(&mut client, &format!("CREATE STAGE s URL='{endpoint}/'"), PRIVATE);
        refused(&mut client, &format!("CREATE STAGE s {}", at(&endpoint)), PRIVATE);
    }
    refused(&mut client, "CREATE STAGE s URL='http://169.254.169.254/'", NAMED);
    refused(&mut client, "CREATE STAGE s URL='http://metadata.google.internal/'", NAMED);
    // What is changed, and what goes with the connection, is seen when it is opened.
    done(&mut client, &format!("CREATE STAGE s {}", at("https://nowhere.invalid")));
    let local = at(format!("http://localhost:{}", web.port));
    let moved = format!("ALTER STAGE s SET {local}");
    done(&mut client, &moved);
    refused(&mut client, "LIST @s", PRIVATE);
    refused(&mut client, &format!("ALTER STAGE s SET {}", at("http://127.0.0.1")), PRIVATE);
    let temporary = format!("CREATE TEMPORARY STAGE t {local}");
    done(&mut client, &temporary);
    refused(&mut client, "LIST @t", PRIVATE);
    refused(&mut client, "PUT 'file:///tmp/x' @t", PRIVATE);
    assert_eq!(web.asked(), 0);
}

#[test]
fn what_was_allowed_is_looked_at_again() {
    let web = Web::of_a_bucket();
    let dir = directory();
    let create = format!("CREATE STAGE s {}", at(format!("http://127.0.0.1:{}", web.port)));
    {
        let mut server = Server::open(config(dir.path())).expect("a server");
        let mut client = Client::connect(server.addr);
        // By default a server for this host alone takes what is beside it, as MinIO.
        done(&mut client, &create);
        done(&mut client, "LIST @s");
        refused(&mut client, "CREATE STAGE t URL='http://169.254.169.254/'", NAMED);
        server.stop();
    }
    let asked = web.asked();
    assert!(asked > 0);
    let (_server, mut client) = open_server(dir.path(), |_| {});
    refused(&mut client, "LIST @s", PRIVATE);
    assert_eq!(web.asked(), asked);
}

#[test]
fn a_connection_leads_nowhere_that_a_stage_may_not_go() {
    let web = Web::of_a_bucket();
    let dir = directory();
    let to = |endpoint: &str| {
        format!(
            "CREATE OR REPLACE CONNECTION c STORAGE_TYPE='s3' ENDPOINT_URL='{endpoint}' \
             REGION='x' ACCESS_KEY_ID='k' SECRET_ACCESS_KEY='s'"
        )
    };
    let stage = "CREATE OR REPLACE STAGE s URL='s3://b/' CONNECTION=(CONNECTION_NAME=c)";
    let local = format!("http://localhost:{}", web.port);
    {
        let (mut server, mut client) = open_server(dir.path(), |_| {});
        // An address is seen at once, a name when a stage is made or opened.
        refused(&mut client, &to(&format!("http://127.0.0.1:{}", web.port)), PRIVATE);
        refused(&mut client, &to("http://169.254.169.254"), NAMED);
        done(&mut client, &to(&local));
        refused(&mut client, stage, PRIVATE);
        done(&mut client, &to("https://nowhere.invalid"));
        done(&mut client, stage);
        done(&mut client, &to(&local));
        refused(&mut client, "LIST @s", PRIVATE);
        let moved = "ALTER CONNECTION c SET ENDPOINT_URL='http://10.0.0.1' SECRET_ACCESS_KEY='s'";
        refused(&mut client, moved, PRIVATE);
        done(&mut client, "CREATE CONNECTION w STORAGE_TYPE='http' TOKEN='s'");
        for url in [format!("{local}/"), format!("http://127.0.0.1:{}/", web.port)] {
            let sql = format!("CREATE STAGE t URL='{url}' CONNECTION=(CONNECTION_NAME=w)");
            refused(&mut client, &sql, PRIVATE);
        }
        server.stop();
    }
    assert_eq!(web.asked(), 0);
    let (_server, mut client) = open_server(dir.path(), |config| {
        config.external.allow_private_endpoints = Some(true);
    });
    done(&mut client, "LIST @s");
    assert!(web.asked() > 0);
}

#[test]
fn the_operator_allows_all_or_names_some() {
    let web = Web::of_a_bucket();
    let other = Web::of_a_bucket();
    let dir = directory();
    let (_server, mut client) = open_server(dir.path(), |config| {
        config.external.allow_private_endpoints = Some(true);
    });
    for host in ["127.0.0.1", "localhost"] {
        done(
            &mut client,
            &format!("CREATE OR REPLACE STAGE s {}", at(format!("http://{host}:{}", web.port))),
        );
        done(&mut client, "LIST @s");
    }
    refused(&mut client, "CREATE STAGE t URL='http://169.254.169.254/'", NAMED);
    let dir = directory();
    let (_server, mut client) = open_server(dir.path(), |config| {
        config.external.allowed_endpoints = vec![format!("http://localhost:{}", web.port)];
    });
    done(&mut client, &format!("CREATE STAGE s {}", at(format!("http://localhost:{}", web.port))));
    done(&mut client, "LIST @s");
    for host in ["localhost", "127.0.0.1"] {
        let sql = format!("CREATE STAGE t {}", at(format!("http://{host}:{}", other.port)));
        refused(&mut client, &sql, NAMED);
    }
    // And one for this host alone may be told to be stricter.
    let dir = directory();
    let mut strict = config(dir.path());
    strict.external.allow_private_endpoints = Some(false);
    let server = Server::open(strict).expect("a server");
    let sql = format!("CREATE STAGE s {}", at(format!("http://localhost:{}", web.port)));
    refused(&mut Client::connect(server.addr), &sql, PRIVATE);
}

#[test]
fn redirections_lead_to_nothing_that_is_refused() {
    let hidden = Web::of_a_bucket();
    for (target, setting) in [
        ("http://169.254.169.254/latest/meta-data/iam/".to_owned(), NAMED),
        ("http://192.168.0.1/".to_owned(), PRIVATE),
        (format!("http://localhost:{}/file", hidden.port), PRIVATE),
        (format!("http://127.0.0.1:{}/file", hidden.port), NAMED),
    ] {
        let web = Web::that_moves_to(&target);
        let dir = directory();
        let (_server, mut client) = open_server(dir.path(), |config| {
            config.external.allowed_endpoints = vec![format!("http://127.0.0.1:{}", web.port)];
        });
        done(
            &mut client,
            &format!("CREATE STAGE s {}", at(format!("http://127.0.0.1:{}", web.port))),
        );
        refused(&mut client, "LIST @s", setting);
        // Not tried again and again.
        assert_eq!(web.asked(), 1, "{target}");
    }
    assert_eq!(hidden.asked(), 0);
    // Nor for a server that takes what is beside it.
    let web = Web::that_moves_to("http://169.254.169.254/latest/meta-data/");
    let dir = directory();
    let server = Server::open(config(dir.path())).expect("a server");
    let mut client = Client::connect(server.addr);
    done(&mut client, &format!("CREATE STAGE s {}", at(format!("http://127.0.0.1:{}", web.port))));
    refused(&mut client, "LIST @s", NAMED);
}

/// Where the server itself keeps its files is the operator's to say.
#[test]
fn the_servers_own_storage_may_be_anywhere() {
    let Some(bucket) = Bucket::from_env() else { return };
    let dir = directory();
    let run = uuid::Uuid::new_v4().simple().to_string();
    let (_server, mut client) = open_server(dir.path(), |config| {
        let options = bucket.options().into_iter();
        config.storage = Some(Place {
            url: format!("s3://{}/{run}/", bucket.name),
            options: options.map(|(key, value)| (key.to_owned(), Secret::new(value))).collect(),
        });
    });
    done(&mut client, "CREATE STAGE lake");
    client.serve_files(|_| Some(b"data".to_vec()));
    done(&mut client, "PUT 'file:///tmp/a' @lake AUTO_COMPRESS=FALSE");
    done(&mut client, "GET @lake/a");
    let options: Vec<String> =
        bucket.options().into_iter().map(|(key, value)| format!("{key}='{value}'")).collect();
    let url = format!("s3://{}/{run}/x/", bucket.name);
    let create = format!("CREATE STAGE out URL='{url}' CONNECTION=({})", options.join(" "));
    refused(&mut client, &create, PRIVATE);
    done(&mut client, "DROP STAGE lake");
}
