//! HTTP and HTTPS on one port: the first byte of a connection tells them apart. Connections are bounded in
//! number, and none is waited for that stalls: before its first byte, in a head, or as it reads an answer.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use bytes::Bytes;
use futures::FutureExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;

use super::answer;
use super::patient::Patient;
use crate::counted::Counted;
use crate::error::Error;
use crate::instance::Instance;
use crate::metrics;
use crate::tls::{FIRST_BYTE, Wire};

/// How long to wait when the system has no more sockets.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a client that is one too many may take to be told so.
const REFUSAL: Duration = Duration::from_secs(1);

/// The longest head, and what waits of a body or an answer.
const BUFFER: usize = 128 * 1024;

type Socket = Counted<TcpStream>;

/// Who has connected, and whether nobody can listen in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller {
    pub(super) addr: SocketAddr,
    pub(super) secure: bool,
}

/// What every connection comes through.
pub(super) struct Door {
    instance: Arc<Instance>,
    app: Router,
    /// Connections that are open.
    open: Arc<AtomicUsize>,
    /// The server is stopping: connections end with their request.
    stop: CancellationToken,
    /// They end at once.
    all: CancellationToken,
    /// Connections that came before the server was stopping.
    tasks: TaskTracker,
}

impl Door {
    pub(super) fn new(instance: Arc<Instance>, app: Router, stop: CancellationToken) -> Door {
        Door {
            instance,
            app,
            open: Arc::default(),
            stop,
            all: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }
    }

    /// Serves until the server has stopped, and all is `over` elsewhere. Whoever comes while it is stopping is
    /// answered, one request each.
    pub(super) async fn serve(&self, listener: TcpListener, over: CancellationToken) {
        let drained = async {
            self.stop.cancelled().await;
            self.tasks.close();
            let grace = Duration::from_secs(self.instance.config.limits.shutdown_grace_s);
            if tokio::time::timeout(grace, self.tasks.wait()).await.is_err() {
                tracing::warn!("HTTP requests were cut off at the end of the grace period");
                self.all.cancel();
                self.tasks.wait().await;
            }
            over.cancelled().await;
        };
        tokio::select! {
            () = drained => {}
            () = self.accept(&listener) => {}
        }
        // Those that nobody waits for.
        self.all.cancel();
    }

    async fn accept(&self, listener: &TcpListener) {
        loop {
            let (stream, addr) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::error!(%error, "can't accept an HTTP connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let connection = Connection {
                place: Place::take(&self.open),
                instance: Arc::clone(&self.instance),
                app: self.app.clone(),
                addr,
                stop: self.stop.clone(),
                all: self.all.clone(),
            };
            let task = connection.serve(stream);
            // A late one holds nobody up.
            if self.stop.is_cancelled() {
                tokio::spawn(task);
            } else {
                self.tasks.spawn(task);
            }
        }
    }
}

/// One of the connections that are open.
struct Place {
    open: Arc<AtomicUsize>,
    /// How many there are, with this one.
    number: usize,
}

impl Place {
    fn take(open: &Arc<AtomicUsize>) -> Place {
        let number = open.fetch_add(1, Ordering::Relaxed) + 1;
        metrics::http_connections(number);
        Place { open: Arc::clone(open), number }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        metrics::http_connections(self.open.fetch_sub(1, Ordering::Relaxed) - 1);
    }
}

/// One connection.
struct Connection {
    place: Place,
    instance: Arc<Instance>,
    app: Router,
    addr: SocketAddr,
    stop: CancellationToken,
    all: CancellationToken,
}

impl Connection {
    async fn serve(self, stream: TcpStream) {
        let limits = &self.instance.config.limits;
        let is_late = self.stop.is_cancelled();
        let too_many = self.place.number > limits.max_http_connections;
        // Nobody waits for a client that says nothing.
        let patience = match too_many {
            true => REFUSAL,
            false => Duration::from_secs(limits.connect_timeout_s),
        };
        let greeted = async {
            tokio::select! {
                greeted = tokio::time::timeout(patience, greet(stream, &self.instance)) => greeted.ok(),
                () = self.stop.cancelled(), if !is_late => None,
                () = self.all.cancelled() => None,
            }
        };
        let wire = match greeted.await {
            Some(Ok(wire)) => wire,
            Some(Err(error)) => {
                tracing::debug!(addr = %self.addr, %error, "an HTTP connection has failed");
                return;
            }
            None => return,
        };
        if too_many {
            metrics::refused("http", "max_http_connections");
            // Nobody is left to be told of a failure.
            let _ = tokio::time::timeout(REFUSAL, refuse(wire)).await;
            return;
        }
        self.converse(wire, patience, is_late).await;
    }

    async fn converse(self, wire: Wire<Socket>, patience: Duration, is_late: bool) {
        let caller = Caller { addr: self.addr, secure: wire.is_secure() };
        let app = self.app.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(caller));
            app.clone().call(request.map(Body::new))
        });
        let patient = Patient::new(wire, self.instance.config.limits.net_timeout());
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(patience)
            .max_buf_size(BUFFER)
            .keep_alive(!is_late)
            .serve_connection(TokioIo::new(patient), service);
        let mut served = pin!(served);
        let stop = async {
            match is_late {
                true => std::future::pending().await,
                false => self.stop.cancelled().await,
            }
        };
        let end = tokio::select! {
            biased;
            end = &mut served => Some(end),
            () = self.all.cancelled() => None,
            () = stop => {
                served.as_mut().graceful_shutdown();
                tokio::select! {
                    biased;
                    end = served => Some(end),
                    () = self.all.cancelled() => None,
                }
            }
        };
        if let Some(Err(error)) = end {
            if error.is_timeout() {
                metrics::timed_out("http", "connect");
            }
            tracing::debug!(addr = %self.addr, %error, "an HTTP connection has failed");
        }
    }
}

async fn greet(stream: TcpStream, instance: &Instance) -> io::Result<Wire<Socket>> {
    let mut first = [0];
    stream.peek(&mut first).await?;
    let mut wire = Wire::Plain(Counted::new(stream, "http"));
    if first == [FIRST_BYTE] {
        wire.encrypt(&instance.tls, Bytes::new());
        std::future::poll_fn(|cx| wire.poll_open(cx)).await?;
    }
    Ok(wire)
}

/// Answers whatever is asked by 503.
async fn refuse(mut wire: Wire<Socket>) -> io::Result<()> {
    let body = answer::body(503, &Error::TooManyConnections.to_string());
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    wire.write_all(format!("{head}{body}").as_bytes()).await?;
    wire.shutdown().await?;
    // What was not read would make the system reset the connection, and the answer be lost.
    let mut waste = tokio::io::sink();
    tokio::io::copy(&mut wire, &mut waste).map(|copied| copied.map(|_| ())).await
}
