//! Spans, as a collector gets them by OTLP: whose they are, what they tell, and that a collector that is not there, or
//! hangs, costs nobody anything.

mod support;

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use support::bare_s3::BareS3;
use support::client::{Client, Response};
use support::http;
use support::process::{Process, program};
use support::proxy::{read_body, read_head};
use support::server::until;

/// The least of a collector.
struct Collector {
    addr: SocketAddr,
    got: Arc<Mutex<Vec<(String, ExportTraceServiceRequest)>>>,
    /// Connections that have come, whether or not they are answered.
    come: Arc<AtomicUsize>,
}

impl Collector {
    fn start() -> Collector {
        Collector::with(true)
    }

    /// One that takes connections and never says a word, unless it answers.
    fn with(answers: bool) -> Collector {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let addr = listener.local_addr().expect("an address");
        let (got, come) = (Arc::default(), Arc::new(AtomicUsize::new(0)));
        let (into, counted) = (Arc::clone(&got), Arc::clone(&come));
        thread::spawn(move || {
            let mut silent = Vec::new();
            for client in listener.incoming().flatten() {
                counted.fetch_add(1, Ordering::SeqCst);
                match answers {
                    true => drop(take(client, &into)),
                    false => silent.push(client),
                }
            }
        });
        Collector { addr, got, come }
    }

    fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// All that has come.
    fn spans(&self) -> Vec<Span> {
        let got = self.got.lock().expect("no panic");
        let scopes = got.iter().flat_map(|(_, request)| &request.resource_spans);
        let spans = scopes.flat_map(|resource| &resource.scope_spans);
        spans.flat_map(|scope| scope.spans.clone()).collect()
    }

    /// The first span that fits, once it has come.
    fn wait(&self, what: &str, fits: impl Fn(&Span) -> bool) -> Span {
        let mut found = None;
        until(what, || {
            found = self.spans().into_iter().find(&fits);
            found.is_some()
        });
        found.expect("a span")
    }

    fn statement(&self, text: &str) -> Span {
        self.wait(text, |span| attributes(span).get("db.query.text").is_some_and(|t| t == text))
    }
}

fn take(
    mut client: TcpStream,
    into: &Mutex<Vec<(String, ExportTraceServiceRequest)>>,
) -> std::io::Result<()> {
    let (head, early) = read_head(&mut client)?;
    let body = read_body(&mut client, &head, early)?;
    let request = ExportTraceServiceRequest::decode(body.as_slice()).expect("a request by OTLP");
    into.lock().expect("no panic").push((head, request));
    client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

fn texts(pairs: &[KeyValue]) -> BTreeMap<String, String> {
    let pairs = pairs.iter().filter_map(|pair| {
        let value = pair.value.as_ref()?.value.as_ref()?;
        let text = if let Value::StringValue(text) = value {
            text.clone()
        } else if let Value::IntValue(number) = value {
            number.to_string()
        } else {
            format!("{value:?}")
        };
        Some((pair.key.clone(), text))
    });
    pairs.collect()
}

fn attributes(span: &Span) -> BTreeMap<String, String> {
    texts(&span.attributes)
}

/// Sends what there is every now and then.
fn traced(data_dir: &Path, endpoint: &str) -> Command {
    let mut command = program(data_dir);
    command.env("STAGEWIRE_OTLP_ENDPOINT", endpoint).env("OTEL_BSP_SCHEDULE_DELAY", "50");
    command
}

/// With its storage in a store of S3's kind.
fn on_s3(dir: &Path, store: &BareS3) -> std::path::PathBuf {
    let mut text = "[storage]\nurl = 's3://bucket/internal/'\n[storage.options]\n".to_owned();
    for (name, value) in store.options() {
        text += &format!("{name} = '{value}'\n");
    }
    text += "[otlp.headers]\nx-token = 'hush'\n";
    let file = dir.join("stagewire.toml");
    std::fs::write(&file, text).expect("written");
    file
}

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn put(client: &mut Client, sql: &str, content: &[u8]) {
    client.begin_upload(sql);
    client.send_part(content);
    let answer = client.end_upload();
    assert!(matches!(answer, Response::Rows { .. }), "{answer:?}");
}

#[test]
fn an_upload_is_told_with_all_that_it_took() {
    let (dir, collector, store) = (directory(), Collector::start(), BareS3::start());
    let mut command = traced(&dir.path().join("data"), &collector.url());
    command.arg("--config").arg(on_s3(dir.path(), &store)).env("OTEL_SERVICE_NAME", "lakes");
    let server = Process::spawn(command);
    let mut client = Client::connect(server.addr);
    client.query("CREATE STAGE lake");
    // Of a trace that another system has begun.
    let (trace, parent) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    let comment = format!("/*action='x',traceparent='00-{trace}-{parent}-01'*/");
    put(&mut client, &format!("PUT file:///tmp/a @lake AUTO_COMPRESS=FALSE {comment}"), b"content");
    let statement = collector.statement("PUT 'file:///tmp/a' @lake AUTO_COMPRESS = FALSE");
    assert_eq!(hex(&statement.trace_id), trace);
    assert_eq!(hex(&statement.parent_span_id), parent);
    let told = attributes(&statement);
    assert_eq!(told.get("user.name").map(String::as_str), Some("root"), "{told:?}");
    assert_eq!(told.get("db.response.returned_rows").map(String::as_str), Some("1"), "{told:?}");
    let below = |of: &Span| {
        let id = of.span_id.clone();
        move |span: &Span| span.parent_span_id == id
    };
    let is_upload = |span: &Span| span.name == "upload";
    let upload = collector.wait("the file", |span| is_upload(span) && below(&statement)(span));
    assert_eq!(hex(&upload.trace_id), trace);
    let told = attributes(&upload);
    assert_eq!(told.get("file.path").map(String::as_str), Some("a"), "{told:?}");
    assert_eq!(told.get("file.size").map(String::as_str), Some("7"), "{told:?}");
    let is_write = |span: &Span| attributes(span).get("operation").is_some_and(|o| o == "write");
    let call = collector.wait("its call", |span| below(&upload)(span) && is_write(span));
    assert_eq!(attributes(&call).get("outcome").map(String::as_str), Some("ok"));
    assert!(call.start_time_unix_nano >= upload.start_time_unix_nano);
    // A listing calls the storage while its rows come.
    client.query("LIST @lake");
    let list = collector.statement("LIST @lake");
    collector.wait("the listing's call", below(&list));
    assert_ne!(hex(&list.trace_id), trace);
    // Its connection is told at its end, and linked until then.
    let link = list.links.first().expect("a link").clone();
    drop(client);
    let connection = collector.wait("the connection", |span| span.name == "connection");
    assert_eq!(connection.span_id, link.span_id);
    let told = attributes(&connection);
    assert_eq!(told.get("user.name").map(String::as_str), Some("root"), "{told:?}");
    assert_eq!(told.get("client.address").map(String::as_str), Some("127.0.0.1"), "{told:?}");
    let got = collector.got.lock().expect("no panic");
    let (head, request) = &got[0];
    assert!(head.starts_with("POST /v1/traces ") && head.contains("hush"), "{head}");
    let resource = request.resource_spans[0].resource.as_ref().expect("a resource");
    let told = texts(&resource.attributes);
    assert_eq!(told.get("service.name").map(String::as_str), Some("lakes"), "{told:?}");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn failures_are_told_and_secrets_are_not() {
    let (dir, collector) = (directory(), Collector::start());
    let server = Process::spawn(traced(&dir.path().join("data"), &collector.url()));
    let mut client = Client::connect(server.addr);
    client.query("LIST @nowhere");
    let failed = collector.statement("LIST @nowhere");
    assert_eq!(failed.status.as_ref().map(|status| status.code), Some(2), "{failed:?}");
    assert!(failed.status.is_some_and(|status| status.message.contains("doesn't exist")));
    client.query("CREATE USER bob IDENTIFIED BY 'hush1'");
    client.query(
        "CREATE STAGE s URL='s3://b/' CONNECTION=(SECRET_ACCESS_KEY='hush2' ACCESS_KEY_ID='k')",
    );
    client.query("SELEC 'hush3'");
    client.query("SELECT 'the end'");
    collector.statement("SELECT 'the end'");
    assert!(!format!("{:?}", collector.spans()).contains("hush"), "{:?}", collector.spans());
}

#[test]
fn a_request_is_below_who_has_sent_it() {
    let (dir, collector) = (directory(), Collector::start());
    let mut command = program(&dir.path().join("data"));
    // By the standard's own variable.
    command
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url())
        .env("OTEL_BSP_SCHEDULE_DELAY", "50");
    let server = Process::spawn(command);
    let (trace, parent) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    let traceparent = format!("00-{trace}-{parent}-01");
    let headers = [("Authorization", http::ROOT), ("traceparent", traceparent.as_str())];
    let stored = http::send(server.http_addr, "PUT", "/v1/stages/~/a", &headers, b"content");
    assert_eq!(stored.status, 201, "{}", stored.body);
    let request = collector.wait("the request", |span| span.name == "PUT");
    assert_eq!(
        (hex(&request.trace_id), hex(&request.parent_span_id)),
        (trace.into(), parent.into())
    );
    assert_eq!(
        attributes(&request).get("http.response.status_code").map(String::as_str),
        Some("201")
    );
    let upload = collector.wait("the file", |span| span.name == "upload");
    assert_eq!(upload.parent_span_id, request.span_id);
    // What is not to be recorded is not.
    let unwanted = format!("00-{trace}-{parent}-00");
    let headers = [("Authorization", http::ROOT), ("traceparent", unwanted.as_str())];
    http::send(server.http_addr, "GET", "/v1/stages/~/a", &headers, b"");
    http::send(server.http_addr, "DELETE", "/v1/stages/~/a", &headers[..1], b"");
    collector.wait("the last request", |span| span.name == "DELETE");
    assert!(collector.spans().iter().all(|span| span.name != "GET"));
}

/// At SIGTERM, without waiting for the next time that spans are sent.
#[test]
fn the_last_spans_are_sent_at_the_end() {
    let (dir, collector) = (directory(), Collector::start());
    let mut command = traced(&dir.path().join("data"), &collector.url());
    command.env("OTEL_BSP_SCHEDULE_DELAY", "3600000");
    let server = Process::spawn(command);
    let mut client = Client::connect(server.addr);
    client.query("SELECT 'the last'");
    assert_eq!(collector.spans().len(), 0);
    server.terminate();
    let (status, log) = server.wait();
    assert!(status.success(), "{log}");
    collector.statement("SELECT 'the last'");
    collector.wait("the connection", |span| span.name == "connection");
}

#[test]
fn a_collector_that_is_down_or_hangs_is_told_once() {
    let hangs = Collector::with(false);
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a port");
    let closed = nobody.local_addr().expect("an address");
    drop(nobody);
    for (endpoint, hanging) in [(format!("http://{closed}"), None), (hangs.url(), Some(&hangs))] {
        let dir = directory();
        let mut command = traced(&dir.path().join("data"), &endpoint);
        // More come than may wait to be sent: the rest is lost, and nobody waits.
        command.env("OTEL_BSP_MAX_QUEUE_SIZE", "8").env("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "8");
        let server = Process::spawn(command);
        let mut client = Client::connect(server.addr);
        for _ in 0..50 {
            let answer = client.query("SELECT 1");
            assert!(matches!(answer[..], [Response::Rows { .. }]), "{answer:?}");
        }
        put(&mut client, "PUT file:///tmp/a @~", b"content");
        if let Some(hanging) = hanging {
            until("it is asked", || hanging.come.load(Ordering::SeqCst) > 0);
        }
        server.terminate();
        let (status, log) = server.wait();
        assert!(status.success(), "{log}");
        let told = log.matches("spans can't be sent").count();
        match hanging {
            None => assert_eq!(told, 1, "{log}"),
            // It has all the time that it is given, which may not be over.
            Some(_) => {
                assert!(told <= 1 && log.contains("the last spans could not be sent"), "{log}")
            }
        }
    }
}

#[test]
fn nothing_is_sent_unless_asked_for() {
    let (dir, collector) = (directory(), Collector::start());
    let mut off = program(&dir.path().join("data"));
    off.env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url()).env("OTEL_SDK_DISABLED", "true");
    for command in [off, program(&dir.path().join("data"))] {
        let server = Process::spawn(command);
        let mut client = Client::connect(server.addr);
        client.query("SELECT 1");
        server.terminate();
        let (status, log) = server.wait();
        assert!(status.success() && !log.contains("span"), "{log}");
    }
    assert_eq!(collector.come.load(Ordering::SeqCst), 0);
}
