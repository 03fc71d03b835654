//! HTTP and HTTPS on one port: the first byte of a connection tells them apart.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use bytes::Bytes;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::instance::Instance;
use crate::tls::{FIRST_BYTE, Wire};

/// How long to wait when the system has no more sockets.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Connections that are ready and wait for a task of theirs: they get it at once.
const READY: usize = 64;

/// Who has connected, and whether nobody can listen in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller {
    pub(super) addr: SocketAddr,
    pub(super) secure: bool,
}

/// Connections whose first byte has come, and whose handshake is over.
pub(super) struct Doors {
    addr: SocketAddr,
    ready: mpsc::Receiver<(Wire<TcpStream>, SocketAddr)>,
}

impl Doors {
    /// Accepts connections for as long as it is asked for them.
    pub(super) fn open(listener: TcpListener, instance: Arc<Instance>) -> io::Result<Doors> {
        let addr = listener.local_addr()?;
        let (sender, ready) = mpsc::channel(READY);
        tokio::spawn(accept(listener, instance, sender));
        Ok(Doors { addr, ready })
    }
}

async fn accept(
    listener: TcpListener,
    instance: Arc<Instance>,
    sender: mpsc::Sender<(Wire<TcpStream>, SocketAddr)>,
) {
    let patience = Duration::from_secs(instance.config.limits.connect_timeout_s);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = sender.closed() => return,
        };
        let (stream, addr) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::error!(%error, "can't accept an HTTP connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (instance, sender) = (Arc::clone(&instance), sender.clone());
        // Nobody waits for a client that says nothing.
        tokio::spawn(tokio::time::timeout(patience, async move {
            match greet(stream, &instance).await {
                // Not sent if the server has just stopped.
                Ok(wire) => drop(sender.send((wire, addr)).await),
                Err(error) => tracing::debug!(%addr, %error, "an HTTP connection has failed"),
            }
        }));
    }
}

async fn greet(stream: TcpStream, instance: &Instance) -> io::Result<Wire<TcpStream>> {
    let mut first = [0];
    stream.peek(&mut first).await?;
    let mut wire = Wire::Plain(stream);
    if first == [FIRST_BYTE] {
        wire.encrypt(&instance.tls, Bytes::new());
        std::future::poll_fn(|cx| wire.poll_open(cx)).await?;
    }
    Ok(wire)
}

impl Listener for Doors {
    type Io = Wire<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Wire<TcpStream>, SocketAddr) {
        match self.ready.recv().await {
            Some(ready) => ready,
            // The other end lives as long as this one.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.addr)
    }
}

impl Connected<IncomingStream<'_, Doors>> for Caller {
    fn connect_info(stream: IncomingStream<'_, Doors>) -> Caller {
        Caller { addr: *stream.remote_addr(), secure: stream.io().is_secure() }
    }
}
