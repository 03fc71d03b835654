//! Counters for `/metrics`, in one place so that their names are.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

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
        metrics::describe_gauge!("stagewire_connections", "MySQL connections open now");
        metrics::describe_counter!(
            "stagewire_storage_calls_total",
            "Calls to storages over the network, by operation and outcome, each try by itself"
        );
        metrics::describe_histogram!(
            "stagewire_storage_call_seconds",
            "Time until the answer of a storage began"
        );
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

/// The number of open connections.
pub fn connections(open: usize) {
    metrics::gauge!("stagewire_connections").set(gauge(open));
}

/// The number of tasks that compute queries of files.
pub fn query_tasks(alive: usize) {
    metrics::gauge!("stagewire_query_tasks").set(gauge(alive));
}

/// A call to a storage on its way. One that is dropped has been given up: it took too long, or nobody waits any more.
pub struct StorageCall {
    operation: &'static str,
    outcome: &'static str,
    begun: Instant,
}

impl StorageCall {
    /// `operation` such as `read`.
    pub fn begin(operation: &'static str) -> StorageCall {
        StorageCall { operation, outcome: "given up", begun: Instant::now() }
    }

    /// It was answered, or could not be.
    pub fn end(mut self, outcome: &'static str) {
        self.outcome = outcome;
    }
}

impl Drop for StorageCall {
    fn drop(&mut self) {
        let (operation, outcome) = (self.operation, self.outcome);
        metrics::counter!(
            "stagewire_storage_calls_total", "operation" => operation, "outcome" => outcome
        )
        .increment(1);
        metrics::histogram!("stagewire_storage_call_seconds", "operation" => operation)
            .record(self.begun.elapsed());
    }
}

fn gauge(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}
