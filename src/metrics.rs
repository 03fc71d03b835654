//! Counters for `/metrics`, in one place so that their names are.

use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();

/// Begins to count. Once per process; later calls do nothing.
pub fn install() {
    HANDLE.get_or_init(|| {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        // Fails only if somebody else's recorder is there, and then that one counts.
        let _ = metrics::set_global_recorder(recorder);
        metrics::describe_counter!("stagewire_statements_total", "Statements by kind and outcome");
        metrics::describe_histogram!("stagewire_statement_seconds", "Time until the answer began");
        metrics::describe_counter!("stagewire_uploads_total", "Files by way and outcome");
        metrics::describe_counter!("stagewire_upload_bytes_total", "Bytes of files received");
        metrics::describe_counter!(
            "stagewire_refused_connections_total",
            "Connections refused, by port and reason"
        );
        metrics::describe_counter!(
            "stagewire_timeouts_total",
            "Connections ended by a time-out, by port and setting"
        );
        metrics::describe_gauge!("stagewire_connections", "MySQL connections open now");
        metrics::describe_gauge!("stagewire_http_connections", "HTTP connections open now");
        metrics::describe_gauge!(
            "stagewire_query_tasks",
            "Tasks that compute queries of files now"
        );
        handle
    });
}

/// Everything counted so far, in Prometheus's text format.
pub fn render() -> String {
    let Some(handle) = HANDLE.get() else { return String::new() };
    handle.run_upkeep();
    handle.render()
}

/// A statement has been answered, or its rows begin.
pub fn statement(kind: &'static str, ok: bool, elapsed: Duration) {
    let outcome = if ok { "ok" } else { "error" };
    metrics::counter!("stagewire_statements_total", "kind" => kind, "outcome" => outcome)
        .increment(1);
    metrics::histogram!("stagewire_statement_seconds", "kind" => kind).record(elapsed);
}

/// An upload has ended. `way` is `mysql` or `http`; `outcome` as in the result of `PUT`.
pub fn upload(way: &'static str, outcome: &'static str, bytes: u64) {
    metrics::counter!("stagewire_uploads_total", "way" => way, "outcome" => outcome).increment(1);
    metrics::counter!("stagewire_upload_bytes_total", "way" => way).increment(bytes);
}

/// A connection was refused. `port` is `mysql` or `http`; `why` is the limit, or `shutdown`.
pub fn refused(port: &'static str, why: &'static str) {
    metrics::counter!("stagewire_refused_connections_total", "port" => port, "reason" => why)
        .increment(1);
}

/// A connection has ended because its client took too long. `what` is `connect`, `wait` or `net`, as the
/// setting begins.
pub fn timed_out(port: &'static str, what: &'static str) {
    metrics::counter!("stagewire_timeouts_total", "port" => port, "timeout" => what).increment(1);
}

/// The number of open connections.
pub fn connections(open: usize) {
    metrics::gauge!("stagewire_connections").set(gauge(open));
}

/// The number of open HTTP connections.
pub fn http_connections(open: usize) {
    metrics::gauge!("stagewire_http_connections").set(gauge(open));
}

/// The number of tasks that compute queries of files.
pub fn query_tasks(alive: usize) {
    metrics::gauge!("stagewire_query_tasks").set(gauge(alive));
}

fn gauge(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}
