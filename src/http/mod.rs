//! HTTP: Databend's upload API, single files, health and metrics.

mod answer;
mod caller;
mod files;
mod upload_to_stage;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::{get, put};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::instance::Instance;
use crate::metrics;

/// Serves until `stop`; running requests then have the grace period of the configuration.
pub async fn serve(listener: TcpListener, instance: Arc<Instance>, stop: CancellationToken) {
    let grace = Duration::from_secs(instance.config.limits.shutdown_grace_s);
    if let Ok(addr) = listener.local_addr() {
        // Set once: a second listener of the same server is as good.
        let _known = instance.http_addr.set(addr);
    }
    let app = router(instance).into_make_service_with_connect_info::<SocketAddr>();
    let server = axum::serve(listener, app).with_graceful_shutdown(stop.clone().cancelled_owned());
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
    metrics::render()
}

fn router(instance: Arc<Instance>) -> Router {
    let upload = put(upload_to_stage::handle).post(upload_to_stage::handle);
    let file = get(files::handle).put(files::handle).delete(files::handle);
    Router::new()
        .route("/v1/upload_to_stage", upload.layer(DefaultBodyLimit::disable()))
        .route("/v1/stages/{stage}/{*path}", file.layer(DefaultBodyLimit::disable()))
        .route("/health", get(|| async { "ok\n" }))
        .route("/metrics", get(counters))
        .fallback(answer::not_found)
        .method_not_allowed_fallback(answer::wrong_method)
        .with_state(instance)
}
