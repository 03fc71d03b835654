//! A server inside the test, on ports of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use stagewire::config::{Config, Limits, Overrides, Secret};
use stagewire::instance::Instance;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The password of `root`.
pub const PASSWORD: &str = "pass";

/// The name of a server's threads.
const THREADS: &str = "a server";

/// No test waits longer for what has to come: a hang is a failure, not a timing.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for something that the server does on its own.
pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The server contains the panics of its connections. A test must not miss one.
fn alarm() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            print(panic);
            if std::thread::current().name() == Some(THREADS) {
                std::process::abort();
            }
        }));
    });
}

/// A server that runs until it is dropped.
pub struct Server {
    /// Where MySQL clients connect.
    pub addr: SocketAddr,
    /// Where HTTP clients connect.
    pub http_addr: SocketAddr,
    /// What it shares between its connections.
    pub instance: Arc<Instance>,
    stop: CancellationToken,
    runtime: Option<tokio::runtime::Runtime>,
    serving: Vec<tokio::task::JoinHandle<()>>,
    /// Where it keeps its files, if that goes with the server.
    _data_dir: Option<tempfile::TempDir>,
}

/// A configuration for tests: defaults, a password, a data directory.
pub fn config(data_dir: &Path) -> Config {
    let mut config = Config::load(None, Overrides::default()).expect("defaults are valid");
    config.root_password = Secret::new(PASSWORD);
    config.data_dir = data_dir.to_owned();
    config
}

impl Server {
    /// With the limits that a server has by default.
    pub fn start() -> Server {
        Server::with_limits(Limits::default())
    }

    /// With other limits.
    pub fn with_limits(limits: Limits) -> Server {
        let data_dir = tempfile::tempdir().expect("a temporary directory");
        let mut config = config(data_dir.path());
        config.limits = limits;
        let mut server = Server::open(config).expect("a fresh directory");
        server._data_dir = Some(data_dir);
        server
    }

    /// With a configuration of one's own.
    pub fn open(config: Config) -> stagewire::error::Result<Server> {
        alarm();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name(THREADS)
            .enable_all()
            .build()
            .expect("a runtime");
        let stop = CancellationToken::new();
        let listen = || runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let (mysql, web) = (listen(), listen());
        let addr = mysql.local_addr().expect("an address");
        let http_addr = web.local_addr().expect("an address");
        let instance = runtime.block_on(Instance::open(config))?;
        let over = CancellationToken::new();
        let mysql = stagewire::server::serve(mysql, instance.clone(), stop.clone());
        let web = stagewire::http::serve(web, instance.clone(), stop.clone(), over.clone());
        let serving = vec![
            runtime.spawn(async move {
                let _over = over.drop_guard();
                mysql.await;
            }),
            runtime.spawn(web),
        ];
        let runtime = Some(runtime);
        Ok(Server { addr, http_addr, instance, stop, runtime, serving, _data_dir: None })
    }

    /// Where it keeps its files.
    pub fn data_dir(&self) -> &Path {
        &self.instance.config.data_dir
    }

    /// Runs something on the server's own threads, and waits for it.
    pub fn block_on<F>(&self, work: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let runtime = self.runtime.as_ref().expect("a server that runs");
        runtime.block_on(work)
    }

    /// Asks the server to stop.
    pub fn begin_stop(&self) {
        self.stop.cancel();
    }

    /// Stops the server and waits until all of its connections are gone.
    pub fn stop(&mut self) {
        self.begin_stop();
        if let Some(runtime) = &self.runtime {
            for serving in self.serving.drain(..) {
                runtime.block_on(serving).expect("the server ends without a panic");
            }
        }
    }
}

/// The threads stay: OpenDAL keeps one pool of HTTP connections for the whole process, and each of
/// them is driven by the runtime that opened it. Without its threads, a connection would break under
/// the next test that takes it from the pool.
impl Drop for Server {
    fn drop(&mut self) {
        self.begin_stop();
        std::mem::forget(self.runtime.take());
    }
}
