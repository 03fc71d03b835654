//! Spans: what a statement or request was about and how long each part of it took, sent by OTLP to a collector, for who
//! follows one through several systems. Alone in naming `opentelemetry`.
//!
//! Off, unless a collector is named. Then no span is ever made, and each function here costs a look at one number.
//!
//! | span | its parent |
//! |---|---|
//! | `connection` | none |
//! | a request | what its header `traceparent` says |
//! | a statement | what a comment in it says, as in `/*traceparent='00-..-..-01'*/`; linked to its connection |
//! | `upload`: one file | its statement or request |
//! | `storage`: one call over the network | whose it is |
//!
//! A statement is no child of its connection: that one may last for weeks, and is told at its end. Files in a directory
//! of this machine cost no calls.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream;
use http::HeaderMap;
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;
use tracing::field::Empty;
use tracing::{Metadata, Span, Subscriber, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::registry::LookupSpan;

use crate::config::Otlp;
use crate::error::{Error, Result};
use crate::rows::Outcome;

/// What only spans of ours have.
const TARGET: &str = "stagewire_span";

/// As the server is called, unless the environment says something else.
const SERVICE: &str = "stagewire";

/// The standard variables that name a collector: for spans, and for everything.
const FOR_SPANS: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
const FOR_ALL: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// What is below the address of a collector.
const PATH: &str = "/v1/traces";

/// How long the collector may take. Nobody waits for it, but at the end of the server.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the end of the server waits for the last spans to be taken.
const LAST_PATIENCE: Duration = Duration::from_secs(5);

/// As much of a statement as a span tells.
const MAX_TEXT_BYTES: usize = 2048;

/// Whether a message, or span, is for the collector and not for the log.
pub fn is_one(of: &Metadata<'_>) -> bool {
    of.target() == TARGET
}

/// A connection by SQL; [`logged_in`] adds the user.
pub fn connection(id: u32, ip: IpAddr) -> Span {
    info_span!(
        target: TARGET,
        parent: None,
        "connection",
        otel.kind = "server",
        connection.id = id,
        client.address = %ip,
        user.name = Empty,
    )
}

/// Tells the span of this connection whose it is.
pub fn logged_in(user: &str) {
    Span::current().record("user.name", user);
}

/// A request by HTTP.
pub fn request(method: &str, path: &str, headers: &HeaderMap) -> Span {
    let span = info_span!(
        target: TARGET,
        parent: None,
        "request",
        otel.name = method,
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        url.path = path,
        http.response.status_code = Empty,
    );
    if !span.is_disabled() {
        let parent = headers.get("traceparent").and_then(|value| value.to_str().ok());
        adopt(&span, parent);
    }
    span
}

/// How the request was answered.
pub fn answered(span: &Span, status: u16) {
    span.record("http.response.status_code", status);
    if status >= 500 {
        span.record("otel.status_code", "ERROR");
    }
}

/// A statement. `sql` is how it came, and is only looked at for a parent; `text` has no secrets.
pub fn statement(kind: &'static str, sql: &str, text: &str, user: &str) -> Span {
    let span = info_span!(
        target: TARGET,
        parent: None,
        "statement",
        otel.name = kind,
        otel.kind = "server",
        otel.status_code = Empty,
        otel.status_description = Empty,
        db.system.name = SERVICE,
        db.operation.name = kind,
        db.query.text = head(text),
        user.name = user,
        db.response.status_code = Empty,
        db.response.returned_rows = Empty,
        affected_rows = Empty,
    );
    if !span.is_disabled() {
        adopt(&span, commented(sql));
        span.follows_from(Span::current());
    }
    span
}

/// Tells how a statement has ended, or will: its span is open as long as its rows come.
pub fn outcome(span: Span, outcome: Result<Outcome>) -> Result<Outcome> {
    if span.is_disabled() {
        return outcome;
    }
    match outcome {
        Ok(Outcome::Rows { columns, mut rows }) => {
            let mut count = 0_u64;
            let told = stream::poll_fn(move |cx| {
                let next = span.in_scope(|| rows.poll_next_unpin(cx));
                match &next {
                    std::task::Poll::Ready(Some(Ok(_))) => count += 1,
                    std::task::Poll::Ready(Some(Err(error))) => failed(&span, error),
                    std::task::Poll::Ready(None) => {
                        span.record("db.response.returned_rows", count);
                    }
                    std::task::Poll::Pending => {}
                }
                next
            });
            Ok(Outcome::Rows { columns, rows: told.boxed() })
        }
        Ok(Outcome::Done(done)) => {
            span.record("affected_rows", done.affected);
            Ok(Outcome::Done(done))
        }
        Ok(Outcome::Nothing) => Ok(Outcome::Nothing),
        Err(error) => {
            failed(&span, &error);
            Err(error)
        }
    }
}

/// One file on its way to a stage.
pub fn upload(stage: &str, path: &str) -> Span {
    info_span!(
        target: TARGET,
        "upload",
        otel.status_code = Empty,
        otel.status_description = Empty,
        db.response.status_code = Empty,
        stage,
        file.path = path,
        file.size = Empty,
    )
}

/// How the current one has ended, and what was written.
pub fn uploaded(outcome: std::result::Result<Option<u64>, &Error>) {
    match outcome {
        Ok(size) => drop(Span::current().record("file.size", size)),
        Err(error) => failed(&Span::current(), error),
    }
}

/// A call to a storage. Without an outcome it was given up.
pub fn storage_call(operation: &'static str) -> Span {
    info_span!(
        target: TARGET,
        "storage",
        otel.name = operation,
        otel.kind = "client",
        otel.status_code = Empty,
        operation,
        outcome = Empty,
    )
}

/// How that has ended.
pub fn called(span: &Span, outcome: &'static str) {
    span.record("outcome", outcome);
    if !matches!(outcome, "ok" | "absent") {
        span.record("otel.status_code", "ERROR");
    }
}

fn failed(span: &Span, error: &Error) {
    span.record("db.response.status_code", error.code().number);
    span.record("otel.status_code", "ERROR");
    span.record("otel.status_description", error.logged());
}

fn head(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_TEXT_BYTES)).unwrap_or_default()
}

/// Puts a span below one of another system.
fn adopt(span: &Span, parent: Option<&str>) {
    if let Some(parent) = parent.and_then(parsed) {
        let parent = Context::new().with_remote_span_context(parent);
        // Its own layer has just made the span.
        let _put = span.set_parent(parent);
    }
}

/// The last `traceparent` of a comment. Source: sqlcommenter's specification, whose values are quoted.
fn commented(sql: &str) -> Option<&str> {
    let (before, rest) = sql.rsplit_once("traceparent='")?;
    let (value, after) = rest.split_once('\'')?;
    (before.contains("/*") && after.contains("*/")).then_some(value)
}

/// Source: W3C's "Trace Context", version 00; newer ones have more behind it.
fn parsed(text: &str) -> Option<SpanContext> {
    let mut parts = text.trim().split('-');
    let (version, trace, span) = (parts.next()?, parts.next()?, parts.next()?);
    let flags = parts.next()?;
    let is_hex = |part: &str, length| {
        part.len() == length && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let fine = is_hex(version, 2) && is_hex(trace, 32) && is_hex(span, 16) && is_hex(flags, 2);
    if !fine || version == "ff" || (version == "00" && parts.next().is_some()) {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    let context = SpanContext::new(trace, span, flags, true, TraceState::NONE);
    context.is_valid().then_some(context)
}

/// The way of spans to the collector.
#[derive(Debug)]
pub struct Sender {
    provider: SdkTracerProvider,
}

impl Sender {
    /// `None` where no collector is named, by the configuration or the standard's own variables.
    pub fn open(config: &Otlp, runtime: &Handle) -> Result<Option<Sender>> {
        let off = std::env::var("OTEL_SDK_DISABLED").is_ok_and(|off| off == "true");
        let Some(endpoint) = endpoint(config).filter(|_| !off) else { return Ok(None) };
        let unusable = |why: String| Error::Startup {
            what: format!("Can't send spans to {endpoint}: {why}"),
            hint: "give --otlp-endpoint the URL of a collector, as in http://localhost:4318"
                .to_owned(),
        };
        // Headers may hold secrets that are for the collector alone.
        let stays = reqwest::redirect::Policy::none();
        let way = reqwest::Client::builder().timeout(PATIENCE).redirect(stays).build();
        let collector = Collector {
            way: way.map_err(|error| unusable(error.to_string()))?,
            runtime: runtime.clone(),
            refuses: AtomicBool::new(false),
        };
        let headers = config.headers.iter();
        let headers = headers.map(|(name, value)| (name.clone(), value.expose_secret().to_owned()));
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(collector)
            .with_headers(headers.collect::<HashMap<_, _>>())
            .with_endpoint(&endpoint)
            .with_timeout(PATIENCE)
            .build()
            .map_err(|error| unusable(error.to_string()))?;
        let mut resource = Resource::builder();
        if std::env::var_os("OTEL_SERVICE_NAME").is_none() {
            resource = resource.with_service_name(SERVICE);
        }
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource.with_attribute(version).build());
        Ok(Some(Sender { provider: provider.build() }))
    }

    /// What hands spans to it.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer(SERVICE))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_target(false)
            .with_level(false)
            .with_context_activation(false)
    }

    /// Sends what there still is, as far as that is possible soon.
    pub fn end(self) {
        if let Err(error) = self.provider.shutdown_with_timeout(LAST_PATIENCE) {
            tracing::warn!("the last spans could not be sent: {error}");
        }
    }
}

/// The whole address.
fn endpoint(config: &Otlp) -> Option<String> {
    let named = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let below = |base: String| match base.trim_end_matches('/') {
        whole if whole.ends_with(PATH) => whole.to_owned(),
        base => format!("{base}{PATH}"),
    };
    let configured = config.endpoint.clone().filter(|endpoint| !endpoint.is_empty());
    match configured {
        Some(base) => Some(below(base)),
        None => named(FOR_SPANS).or_else(|| named(FOR_ALL).map(below)),
    }
}

/// A client of the collector. Batches are sent by a thread of their own; what is asked of the network runs where all of
/// that runs.
#[derive(Debug)]
struct Collector {
    way: reqwest::Client,
    runtime: Handle,
    /// Whether it was told that it takes nothing.
    refuses: AtomicBool,
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, HttpError> {
        let way = self.way.clone();
        let answer = self.runtime.spawn(async move {
            let answer = way.execute(request.try_into()?).await?;
            let status = answer.status();
            Ok::<_, reqwest::Error>((status, answer.bytes().await?))
        });
        let answer = answer.await?;
        match &answer {
            Ok((status, _)) if status.is_success() => self.takes(),
            Ok((status, _)) => self.refuses(&status.to_string()),
            // Without the address, which may hold a password.
            Err(error) => self.refuses(&sources(error)),
        }
        let (status, body) = answer?;
        Ok(http::Response::builder().status(status).body(body)?)
    }
}

impl Collector {
    fn takes(&self) {
        if self.refuses.swap(false, Ordering::Relaxed) {
            tracing::info!("spans are taken again");
        }
    }

    /// Told once, not with each batch.
    fn refuses(&self, why: &str) {
        if !self.refuses.swap(true, Ordering::Relaxed) {
            tracing::warn!("spans can't be sent, and are lost until they can: {why}");
        }
    }
}

fn sources(error: &reqwest::Error) -> String {
    let mut text =
        if error.is_timeout() { "no answer in time" } else { "no connection" }.to_owned();
    let mut next = std::error::Error::source(error);
    while let Some(error) = next {
        text = format!("{text}: {error}");
        next = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_parent_is_what_the_standard_says() {
        let context = parsed(PARENT).expect("a parent");
        assert!(context.is_sampled() && context.is_remote());
        assert_eq!(context.span_id().to_string(), "b7ad6b7169203331");
        let later = format!("01{}-more", &PARENT[2..]);
        assert!(parsed(&later).is_some());
        let zeros = PARENT.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32));
        let more = format!("{PARENT}-more");
        for wrong in ["", "00", &PARENT[1..], &PARENT.to_uppercase(), &zeros, &more] {
            assert!(parsed(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_comment_names_the_parent() {
        let sql = format!("SELECT 1 /*action='x',traceparent='{PARENT}'*/");
        assert_eq!(commented(&sql), Some(PARENT));
        assert_eq!(commented(&format!("SELECT 'traceparent=''{PARENT}'''")), None);
        assert_eq!(commented("SELECT 1 /*traceparent='00"), None);
    }

    #[test]
    fn long_statements_are_cut_between_characters() {
        assert_eq!(head("SELECT 1"), "SELECT 1");
        assert_eq!(head(&"é".repeat(3000)).len(), MAX_TEXT_BYTES);
    }
}
