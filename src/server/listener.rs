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
use super::reply;
use crate::error::Error;
use crate::instance::Instance;

/// How long to wait when the system has no more sockets.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a client that is one too many may take to be told so.
const REFUSAL: Duration = Duration::from_secs(1);

/// Serves MySQL clients until `stop`. Then idle connections end at once, running statements get
/// [`Limits::shutdown_grace_s`](crate::config::Limits::shutdown_grace_s), and the rest is cut off;
/// returns when all sessions are closed.
pub async fn serve(listener: TcpListener, instance: Arc<Instance>, stop: CancellationToken) {
    let tasks = TaskTracker::new();
    let stops = Stop { idle: stop.clone(), all: CancellationToken::new() };
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => accept(stream, peer, &instance, &stops, &tasks),
            Err(error) => {
                tracing::error!(%error, "can't accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    tasks.close();
    let grace = Duration::from_secs(instance.config.limits.shutdown_grace_s);
    if tokio::time::timeout(grace, tasks.wait()).await.is_err() {
        stops.all.cancel();
        tasks.wait().await;
    }
}

fn accept(
    stream: TcpStream,
    peer: SocketAddr,
    instance: &Arc<Instance>,
    stops: &Stop,
    tasks: &TaskTracker,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "can't set TCP_NODELAY");
    }
    let place = Place::take(instance);
    if instance.connections.load(Ordering::Relaxed) > instance.config.limits.max_connections {
        drop(place);
        tracing::info!(%peer, "too many connections");
        tasks.spawn(tokio::time::timeout(REFUSAL, refuse(stream)));
        return;
    }
    let id = instance.last_connection_id.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
    let (instance, stops) = (instance.clone(), stops.clone());
    tasks.spawn(async move {
        let _place = place;
        connection::serve(stream, instance, id, peer.ip().to_canonical(), stops).await;
    });
}

/// Sends an ERR in the place of a greeting.
async fn refuse(mut stream: TcpStream) -> io::Result<()> {
    let mut packet = BytesMut::new();
    packet.put_slice(&[0; HEADER]);
    reply::put_err(&mut packet, &Error::TooManyConnections);
    let header = Header { length: packet.len() - HEADER, sequence: 0 };
    if let Some(start) = packet.first_chunk_mut() {
        *start = header.bytes();
    }
    stream.write_all(&packet).await?;
    stream.shutdown().await
}

/// One of the connections that may be open at a time.
struct Place(Arc<Instance>);

impl Place {
    fn take(instance: &Arc<Instance>) -> Place {
        instance.connections.fetch_add(1, Ordering::Relaxed);
        Place(instance.clone())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
