//! A server inside the test, on a port of its own.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicUsize};
use std::sync::{Arc, Once};
use std::time::Instant;

use stagewire::access::Users;
use stagewire::config::{Config, Limits, Overrides, Secret};
use stagewire::instance::Instance;
use tokio_util::sync::CancellationToken;

/// The password of `root`.
pub const PASSWORD: &str = "pass";

/// The name of a server's threads.
const THREADS: &str = "a server";

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
    /// What it shares between its connections.
    pub instance: Arc<Instance>,
    stop: CancellationToken,
    runtime: Option<tokio::runtime::Runtime>,
    serving: Option<tokio::task::JoinHandle<()>>,
}

/// The only place where the tests build an [`Instance`].
pub fn instance(limits: Limits) -> Arc<Instance> {
    let mut config = Config::load(None, Overrides::default()).expect("defaults are valid");
    config.root_password = Secret::new(PASSWORD);
    config.limits = limits;
    Arc::new(Instance {
        users: Users::new(&config.root_password),
        config,
        started: Instant::now(),
        last_connection_id: AtomicU32::new(0),
        connections: AtomicUsize::new(0),
    })
}

impl Server {
    /// With the limits that a server has by default.
    pub fn start() -> Server {
        Server::with_limits(Limits::default())
    }

    /// With other limits.
    pub fn with_limits(limits: Limits) -> Server {
        alarm();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name(THREADS)
            .enable_all()
            .build()
            .expect("a runtime");
        let instance = instance(limits);
        let stop = CancellationToken::new();
        let listener =
            runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
        let addr = listener.local_addr().expect("an address");
        let serving =
            runtime.spawn(stagewire::server::serve(listener, instance.clone(), stop.clone()));
        Server { addr, instance, stop, runtime: Some(runtime), serving: Some(serving) }
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
