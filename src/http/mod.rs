//! HTTP: Databend's upload API, single files, health and metrics.

mod answer;
mod caller;
mod files;
mod listener;
mod patient;
mod upload_to_stage;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use headers::{Date, HeaderMapExt};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use self::answer::Failure;
use self::listener::{Caller, Door};
use crate::error::Error;
use crate::instance::Instance;
use crate::{metrics, spans};

/// Tells nothing, and whoever watches over servers asks for it in the clear.
const HEALTH: &str = "/health";

const METRICS: &str = "/metrics";

/// Serves until `stop`; running requests then have the grace period of the configuration. Until they have ended, and
/// all is `over` elsewhere too, `/health` tells that the server is draining, and nothing else is begun.
pub async fn serve(
    listener: TcpListener,
    instance: Arc<Instance>,
    stop: CancellationToken,
    over: CancellationToken,
) {
    if let Ok(addr) = listener.local_addr() {
        // Set once: a second listener of the same server is as good.
        let _known = instance.http_addr.set(addr);
    }
    let app = router(Arc::clone(&instance), stop.clone());
    Door::new(instance, app, stop).serve(listener, over).await;
}

/// Whoever comes while the server is stopping is sent to another one.
async fn only_before_the_end(
    State(stop): State<CancellationToken>,
    request: Request,
    next: Next,
) -> Response {
    match (stop.is_cancelled(), request.uri().path()) {
        (true, HEALTH) => (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response(),
        (false, _) | (true, METRICS) => next.run(request).await,
        (true, _) => Failure(Error::Shutdown).into_response(),
    }
}

/// Everything counted, and what is open at this moment.
async fn counters(State(instance): State<Arc<Instance>>) -> String {
    metrics::connections(instance.connections.load(Ordering::Relaxed));
    let known = instance.processes.all();
    let running = known.iter().filter(|process| process.statement.is_some()).count();
    let open = instance.connections.load(Ordering::Relaxed);
    let logging_in = open.saturating_sub(known.len());
    metrics::connection_states(logging_in, known.len() - running, running);
    metrics::uploads(instance.running_uploads(), instance.stages.upload_memory());
    metrics::query_tasks(instance.engine.tasks());
    metrics::render()
}

/// Nothing else is answered in the clear where that is forbidden.
async fn only_secure(
    State(instance): State<Arc<Instance>>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    request: Request,
    next: Next,
) -> Response {
    let open = caller.secure || request.uri().path() == HEALTH;
    match instance.config.require_secure_transport && !open {
        true => Failure(Error::InsecureTransport).into_response(),
        false => next.run(request).await,
    }
}

/// When it is. hyper's own `Date` stands still where a clock was set back, until it is as late again.
async fn dated(mut answer: Response) -> Response {
    answer.headers_mut().typed_insert(Date::from(SystemTime::now()));
    answer
}

/// Whoever only watches over servers asks too often to be told of.
async fn in_a_span(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if matches!(path, HEALTH | METRICS) {
        return next.run(request).await;
    }
    let span = spans::request(request.method().as_str(), path, request.headers());
    let answer = next.run(request).instrument(span.clone()).await;
    spans::answered(&span, answer.status().as_u16());
    answer
}

/// A path, and what is answered there.
pub struct Route {
    /// As `axum` writes it: a name in braces is any text.
    pub path: &'static str,
    /// The methods that it is there for, each with its name. `HEAD` comes with `GET`.
    pub methods: &'static [(&'static str, MethodFilter)],
    answer: fn(MethodFilter) -> MethodRouter<Arc<Instance>>,
}

const GET: (&str, MethodFilter) = ("GET", MethodFilter::GET);
const PUT: (&str, MethodFilter) = ("PUT", MethodFilter::PUT);
const POST: (&str, MethodFilter) = ("POST", MethodFilter::POST);
const DELETE: (&str, MethodFilter) = ("DELETE", MethodFilter::DELETE);

/// Everything that is answered. Tests ask of each who may use it.
pub const ROUTES: &[Route] = &[
    Route {
        path: "/v1/upload_to_stage",
        methods: &[PUT, POST],
        answer: |methods| on(methods, upload_to_stage::handle).layer(DefaultBodyLimit::disable()),
    },
    Route {
        path: "/v1/stages/{stage}/{*path}",
        methods: &[GET, PUT, DELETE],
        answer: |methods| on(methods, files::handle).layer(DefaultBodyLimit::disable()),
    },
    Route { path: HEALTH, methods: &[GET], answer: |methods| on(methods, || async { "ok\n" }) },
    Route { path: METRICS, methods: &[GET], answer: |methods| on(methods, counters) },
];

/// What is answered to a form of this kind, for this path of the stage of `root`: the status, and the names of the files
/// that are there now. `None` if the two are nothing that a request can have in its head.
#[cfg(any(test, fuzzing))]
pub(crate) async fn answer_form(
    instance: Arc<Instance>,
    kind: &[u8],
    dir: &[u8],
    body: impl futures::Stream<Item = std::io::Result<bytes::Bytes>> + Send + 'static,
) -> Option<(u16, Vec<String>)> {
    use axum::http::header::CONTENT_TYPE;
    use tower_service::Service;

    let addr = ([127, 0, 0, 1], 1).into();
    let request = http::Request::put("/v1/upload_to_stage")
        .header("stage_name", "~")
        .header(CONTENT_TYPE, kind)
        .header("relative_path", dir)
        .extension(ConnectInfo(Caller { addr, secure: false }))
        .body(axum::body::Body::from_stream(body))
        .ok()?;
    let answer = router(instance, CancellationToken::new()).call(request).await;
    let answer = answer.unwrap_or_else(|never| match never {});
    let status = answer.status();
    let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.expect("an answer");
    let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    let files = body.get("files").and_then(serde_json::Value::as_array);
    let names = files.into_iter().flatten().filter_map(serde_json::Value::as_str);
    Some((status.as_u16(), names.map(str::to_owned).collect()))
}

fn router(instance: Arc<Instance>, stop: CancellationToken) -> Router {
    let mut router = Router::new();
    for route in ROUTES {
        for (_, method) in route.methods {
            router = router.route(route.path, (route.answer)(*method));
        }
    }
    router
        .fallback(answer::not_found)
        .method_not_allowed_fallback(answer::wrong_method)
        .layer(middleware::from_fn_with_state(stop, only_before_the_end))
        .layer(middleware::from_fn_with_state(Arc::clone(&instance), only_secure))
        .layer(middleware::from_fn(in_a_span))
        .layer(middleware::map_response(dated))
        .with_state(instance)
}
