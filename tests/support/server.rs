//! A server inside the test, on a port of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use stagewire::config::{Config, Limits, Overrides, Secret};
use stagewire::instance::Instance;
use tokio_util::sync::CancellationToken;

/// The password of `root`.
pub const PASSWORD: &str = "pass";

/// A server that runs until it is dropped.
pub struct Server {
    /// Where MySQL clients connect.
    pub addr: SocketAddr,
    /// What it shares between its connections.
    pub instance: Arc<Instance>,
    stop: CancellationToken,
    runtime: Option<tokio::runtime::Runtime>,
    serving: Option<tokio::task::JoinHandle<()>>,
    /// Where it keeps its files.
    pub data_dir: tempfile::TempDir,
}

/// The only place where the tests build an [`Instance`].
pub async fn instance(data_dir: &Path, limits: Limits) -> Arc<Instance> {
    let mut config = Config::load(None, Overrides::default()).expect("defaults are valid");
    config.root_password = Secret::new(PASSWORD);
    config.data_dir = data_dir.to_owned();
    config.limits = limits;
    Instance::open(config).await.expect("a fresh directory")
}

impl Server {
    /// With the limits that a server has by default.
    pub fn start() -> Server {
        Server::with_limits(Limits::default())
    }

    /// With other limits.
    pub fn with_limits(limits: Limits) -> Server {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let data_dir = tempfile::tempdir().expect("a temporary directory");
        let instance = runtime.block_on(instance(data_dir.path(), limits));
        let stop = CancellationToken::new();
        let listener =
            runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
        let addr = listener.local_addr().expect("an address");
        let serving =
            runtime.spawn(stagewire::server::serve(listener, instance.clone(), stop.clone()));
        Server { addr, instance, stop, runtime: Some(runtime), serving: Some(serving), data_dir }
    }

    /// Asks the server to stop.
    pub fn begin_stop(&self) {
        self.stop.cancel();
    }

    /// Stops the server and waits until all of its connections are gone.
    pub fn stop(&mut self) {
        self.begin_stop();
        if let (Some(runtime), Some(serving)) = (&self.runtime, self.serving.take()) {
            runtime.block_on(serving).expect("the server ends without a panic");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.begin_stop();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
