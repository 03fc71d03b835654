//! Counters for `/metrics`, in one place so that their names are.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use parking_lot::RwLock;

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
        describe();
        metrics::describe_gauge!("stagewire_connections", "MySQL connections open now");
        metrics::describe_gauge!("stagewire_http_connections", "HTTP connections open now");
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

fn describe() {
    metrics::describe_counter!("stagewire_downloads_total", "GETs by way and outcome");
    metrics::describe_counter!("stagewire_download_bytes_total", "Bytes of files sent");
    metrics::describe_histogram!("stagewire_first_row_seconds", "Time until the first row");
    metrics::describe_counter!("stagewire_log_ins_total", "Log-ins by port and outcome");
    metrics::describe_counter!("stagewire_wire_bytes_total", "Bytes by port and direction");
    metrics::describe_gauge!("stagewire_connection_states", "MySQL connections by what they do");
    metrics::describe_gauge!("stagewire_running_uploads", "Uploads that have their turn");
    metrics::describe_gauge!("stagewire_running_downloads", "Downloads on their way");
    metrics::describe_gauge!(
        "stagewire_upload_memory_bytes",
        "Memory that files on their way may hold"
    );
}

/// Everything counted so far, in Prometheus's text format.
pub fn render() -> String {
    let Some(handle) = HANDLE.get() else { return String::new() };
    handle.run_upkeep();
    handle.render()
}

/// Counters by the kind of a statement. To look them up by name each time costs more than a `SELECT 1` is worth.
type ByKind<T> = RwLock<BTreeMap<&'static str, T>>;

fn of_kind<T: Clone>(all: &ByKind<T>, kind: &'static str, new: impl FnOnce() -> T) -> T {
    if let Some(known) = all.read().get(kind) {
        return known.clone();
    }
    let new = new();
    // Before the recorder is there, nobody's are made.
    if HANDLE.get().is_some() {
        all.write().insert(kind, new.clone());
    }
    new
}

/// What is counted of each statement.
#[derive(Clone)]
struct Statements {
    done: metrics::Counter,
    failed: metrics::Counter,
    seconds: metrics::Histogram,
}

impl Statements {
    fn of(kind: &'static str) -> Statements {
        let count = |outcome: &'static str| metrics::counter!("stagewire_statements_total", "kind" => kind, "outcome" => outcome);
        let seconds = metrics::histogram!("stagewire_statement_seconds", "kind" => kind);
        Statements { done: count("ok"), failed: count("error"), seconds }
    }
}

/// A statement has been answered, or its rows begin.
pub fn statement(kind: &'static str, ok: bool, elapsed: Duration) {
    static KNOWN: ByKind<Statements> = RwLock::new(BTreeMap::new());
    let known = of_kind(&KNOWN, kind, || Statements::of(kind));
    let counter = if ok { &known.done } else { &known.failed };
    counter.increment(1);
    known.seconds.record(elapsed);
}

/// An upload has ended. `way` is `mysql` or `http`; `outcome` as in the result of `PUT`.
pub fn upload(way: &'static str, outcome: &'static str, bytes: u64) {
    metrics::counter!("stagewire_uploads_total", "way" => way, "outcome" => outcome).increment(1);
    metrics::counter!("stagewire_upload_bytes_total", "way" => way).increment(bytes);
}

/// The first row of a statement has come, so long after the statement.
pub fn first_row(kind: &'static str, elapsed: Duration) {
    static KNOWN: ByKind<metrics::Histogram> = RwLock::new(BTreeMap::new());
    let new = || metrics::histogram!("stagewire_first_row_seconds", "kind" => kind);
    of_kind(&KNOWN, kind, new).record(elapsed);
}

/// A download on its way: one `GET` by SQL, whatever the number of its files, or one request.
#[derive(Debug)]
pub struct Download {
    way: &'static str,
    outcome: &'static str,
}

impl Download {
    /// By `mysql` or `http`.
    pub fn begin(way: &'static str) -> Download {
        metrics::gauge!("stagewire_running_downloads", "way" => way).increment(1);
        Download { way, outcome: "CUT OFF" }
    }

    /// Bytes of a file have gone.
    pub fn sent(&mut self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        metrics::counter!("stagewire_download_bytes_total", "way" => self.way).increment(bytes);
    }

    /// All of it has.
    pub fn done(&mut self) {
        self.outcome = "DOWNLOADED";
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        metrics::gauge!("stagewire_running_downloads", "way" => self.way).decrement(1);
        let (way, outcome) = (self.way, self.outcome);
        metrics::counter!("stagewire_downloads_total", "way" => way, "outcome" => outcome)
            .increment(1);
    }
}

/// Somebody has proved who he is (`ok`), has not (`denied`), or has and may not come in (`refused`).
pub fn log_in(port: &'static str, outcome: &'static str) {
    metrics::counter!("stagewire_log_ins_total", "port" => port, "outcome" => outcome).increment(1);
}

/// Counts the bytes of one connection.
pub struct Bytes {
    received: metrics::Counter,
    sent: metrics::Counter,
}

/// Of a connection to this port.
pub fn wire_bytes(port: &'static str) -> Bytes {
    let count = |direction: &'static str| metrics::counter!("stagewire_wire_bytes_total", "port" => port, "direction" => direction);
    Bytes { received: count("in"), sent: count("out") }
}

impl Bytes {
    /// So many have come.
    pub fn received(&self, bytes: usize) {
        self.received.increment(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// So many have gone.
    pub fn sent(&self, bytes: usize) {
        self.sent.increment(u64::try_from(bytes).unwrap_or(u64::MAX));
    }
}

/// What the open connections do.
pub fn connection_states(logging_in: usize, idle: usize, running: usize) {
    for (state, number) in [("logging_in", logging_in), ("idle", idle), ("running", running)] {
        metrics::gauge!("stagewire_connection_states", "state" => state).set(gauge(number));
    }
}

/// Uploads that run, and the memory that they may hold.
pub fn uploads(running: usize, memory: u64) {
    metrics::gauge!("stagewire_running_uploads").set(gauge(running));
    // As exact as a gauge is.
    let kib = u32::try_from(memory / 1024).unwrap_or(u32::MAX);
    metrics::gauge!("stagewire_upload_memory_bytes").set(f64::from(kib) * 1024.0);
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
