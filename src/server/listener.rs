//! Accepts connections, and lets them go when the server stops.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::{self, Stop};
use super::packet::{HEADER, Header};
use super::places::Places;
use super::reply;
use crate::counted::Counted;
use crate::error::Error;
use crate::instance::Instance;
use crate::metrics;

/// How long to wait when the system has no more sockets.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a client that is one too many may take to be told so.
const REFUSAL: Duration = Duration::from_secs(1);

/// Serves MySQL clients until `stop`. Then idle connections end at once, running statements get
/// [`Limits::shutdown_grace_s`](crate::config::Limits::shutdown_grace_s), and the rest is cut off;
/// returns when all sessions are closed. Whoever comes meanwhile is told so.
pub async fn serve(listener: TcpListener, instance: Arc<Instance>, stop: CancellationToken) {
    let door = Door {
        tasks: TaskTracker::new(),
        refusals: TaskTracker::new(),
        stops: Stop { idle: stop.clone(), all: CancellationToken::new() },
        places: Places::new(Arc::clone(&instance)),
        instance,
    };
    tokio::select! {
        biased;
        () = stop.cancelled() => {}
        () = accept(&listener, |stream, peer| door.admit(stream, peer)) => {}
    }
    door.tasks.close();
    tokio::select! {
        () = door.drained() => {}
        () = accept(&listener, |stream, _| door.refuse(stream, "shutdown", Error::Shutdown)) => {}
    }
    drop(listener);
    // They have a time-out of their own.
    door.refusals.close();
    door.refusals.wait().await;
}

/// Takes one connection after the other.
async fn accept(listener: &TcpListener, mut take: impl FnMut(TcpStream, SocketAddr)) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => take(stream, peer),
            Err(error) => {
                tracing::error!(%error, "can't accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// What every connection comes through.
struct Door {
    instance: Arc<Instance>,
    places: Arc<Places>,
    stops: Stop,
    tasks: TaskTracker,
    refusals: TaskTracker,
}

impl Door {
    fn admit(&self, stream: TcpStream, peer: SocketAddr) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "can't set TCP_NODELAY");
        }
        let Some(place) = self.places.take() else {
            tracing::info!(%peer, "too many connections");
            return self.refuse(stream, "max_connections", Error::TooManyConnections);
        };
        let (instance, stops) = (Arc::clone(&self.instance), self.stops.clone());
        let id = instance.last_connection_id.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let ip = peer.ip().to_canonical();
        let stream = Counted::new(stream, "mysql");
        self.tasks.spawn(connection::serve(stream, instance, id, ip, stops, place));
    }

    fn refuse(&self, stream: TcpStream, why: &'static str, error: Error) {
        metrics::refused("mysql", why);
        self.refusals.spawn(tokio::time::timeout(REFUSAL, refuse(stream, error)));
    }

    /// Waits until all connections are gone, and cuts off what runs for too long.
    async fn drained(&self) {
        let grace = Duration::from_secs(self.instance.config.limits.shutdown_grace_s);
        if tokio::time::timeout(grace, self.tasks.wait()).await.is_err() {
            self.stops.all.cancel();
            self.tasks.wait().await;
        }
    }
}

/// Sends an ERR in the place of a greeting.
async fn refuse(mut stream: TcpStream, error: Error) -> io::Result<()> {
    let mut packet = BytesMut::new();
    packet.put_slice(&[0; HEADER]);
    reply::put_err(&mut packet, &error);
    let header = Header { length: packet.len() - HEADER, sequence: 0 };
    if let Some(start) = packet.first_chunk_mut() {
        *start = header.bytes();
    }
    stream.write_all(&packet).await?;
    stream.shutdown().await
}
