//! HTTP: Databend's upload API, single files, health and metrics.

mod answer;
mod caller;
mod files;
mod listener;
mod upload_to_stage;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use axum::serve::Listener;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::answer::Failure;
use self::listener::{Caller, Doors};
use crate::error::Error;
use crate::instance::Instance;
use crate::metrics;

/// Tells nothing, and whoever watches over servers asks for it in the clear.
const HEALTH: &str = "/health";

/// Serves until `stop`; running requests then have the grace period of the configuration.
pub async fn serve(listener: TcpListener, instance: Arc<Instance>, stop: CancellationToken) {
    let grace = Duration::from_secs(instance.config.limits.shutdown_grace_s);
    let doors = match Doors::open(listener, Arc::clone(&instance)) {
        Ok(doors) => doors,
        Err(error) => {
            tracing::error!(%error, "HTTP can't begin");
            return;
        }
    };
    if let Ok(addr) = doors.local_addr() {
        // Set once: a second listener of the same server is as good.
        let _known = instance.http_addr.set(addr);
    }
    let app = router(instance).into_make_service_with_connect_info::<Caller>();
    let server = axum::serve(doors, app).with_graceful_shutdown(stop.clone().cancelled_owned());
    let deadline = async {
        stop.cancelled().await;
        tokio::time::sleep(grace).await;
    };
    tokio::select! {
        served = server => {
            if let Err(error) = served {
                tracing::error!(%error, "HTTP ended");
            }
        }
        () = deadline => tracing::warn!("HTTP requests were cut off at the end of the grace period"),
    }
}

/// Everything counted, and what is open at this moment.
async fn counters(State(instance): State<Arc<Instance>>) -> String {
    metrics::connections(instance.connections.load(Ordering::Relaxed));
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
    Route { path: "/metrics", methods: &[GET], answer: |methods| on(methods, counters) },
];

fn router(instance: Arc<Instance>) -> Router {
    let mut router = Router::new();
    for route in ROUTES {
        for (_, method) in route.methods {
            router = router.route(route.path, (route.answer)(*method));
        }
    }
    router
        .fallback(answer::not_found)
        .method_not_allowed_fallback(answer::wrong_method)
        .layer(middleware::from_fn_with_state(Arc::clone(&instance), only_secure))
        .with_state(instance)
}
