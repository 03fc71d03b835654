//! One connection, from its first byte to the end of its session.

use std::io;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use opensrv_mysql::{AsyncMysqlIntermediary, IntermediaryOptions};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::capability::Capabilities;
use super::gate::{Bounds, GateHandle, Layers, Stream};
use super::handshake::{SALT, salt};
use super::places::Place;
use super::prepared::Statements;
use super::shim::Shim;
use crate::access::people::Identity;
use crate::error::Error;
use crate::instance::Instance;
use crate::session::Session;
use crate::spans;

/// One connection's state, as far as it is not its session's.
pub(super) struct Connection<S> {
    pub(super) instance: Arc<Instance>,
    pub(super) id: u32,
    pub(super) ip: IpAddr,
    pub(super) salt: [u8; SALT],
    pub(super) gate: GateHandle<S>,
    /// Who has proved that he is it, between the proof and the session.
    pub(super) who: Mutex<Option<Identity>>,
    /// `None` before the log-in.
    pub(super) session: Option<Session>,
    pub(super) statements: Statements,
    /// Whether a text may hold several statements: said in the handshake, changed by
    /// COM_SET_OPTION.
    pub(super) several: bool,
    /// Cancelled by `KILL CONNECTION`.
    pub(super) killed: CancellationToken,
    pub(super) place: Place,
}

/// How the server asks its connections to end.
#[derive(Debug, Clone, Default)]
pub(super) struct Stop {
    /// As soon as no statement runs.
    pub(super) idle: CancellationToken,
    /// At once.
    pub(super) all: CancellationToken,
}

/// Serves one client until it leaves, fails or has to go. However it ends, its session is closed.
pub(super) async fn serve<S: Stream>(
    stream: S,
    instance: Arc<Instance>,
    id: u32,
    ip: IpAddr,
    stop: Stop,
    place: Place,
) {
    let salt = match salt() {
        Ok(salt) => salt,
        Err(error) => {
            tracing::error!(%error, "no random numbers");
            return;
        }
    };
    let bounds = Bounds::from(&instance.config.limits);
    let config = &instance.config;
    let layers = Layers {
        tls: Some(Arc::clone(&instance.tls)),
        tls_required: config.require_secure_transport,
        compression: Capabilities::compression(&config.protocol_compression_algorithms),
    };
    let gate = GateHandle::new(stream, bounds, layers, stop.idle.child_token());
    let mut connection = Connection {
        instance,
        id,
        ip,
        salt,
        gate,
        who: Mutex::default(),
        session: None,
        statements: Statements::default(),
        several: false,
        killed: CancellationToken::new(),
        place,
    };
    tracing::debug!(connection = id, %ip, "connected");

    let all = stop.all.child_token();
    let killed = connection.killed.clone();
    let needed = connection.place.needed.clone();
    let run = connection.run().instrument(spans::connection(id, ip));
    let run = AssertUnwindSafe(run).catch_unwind();
    tokio::select! {
        biased;
        end = run => match end {
            Ok(Ok(())) => tracing::debug!(connection = id, "left"),
            Ok(Err(error)) => tracing::debug!(connection = id, %error, "lost"),
            // The panic hook has printed where and why.
            Err(_) => tracing::error!(connection = id, "a connection has panicked"),
        },
        () = all.cancelled() => {
            tracing::info!(connection = id, "a statement was cut off");
            connection.gate.cut_off(&Error::Shutdown);
        }
        () = killed.cancelled() => {
            tracing::info!(connection = id, "killed");
            connection.gate.cut_off(&Error::ConnectionKilled);
        }
        () = needed.cancelled() => connection.gate.send_away(&Error::TooManyConnections),
    }
    if let Some(session) = &mut connection.session
        && AssertUnwindSafe(session.close()).catch_unwind().await.is_err()
    {
        tracing::error!(connection = id, "the end of a session has panicked");
    }
    connection.gate.farewell().await;
}

/// The same for a client that is no socket, from this host.
#[cfg(any(test, fuzzing))]
pub(crate) async fn serve_in_memory(stream: tokio::io::DuplexStream, instance: Arc<Instance>) {
    let place = super::places::Places::new(Arc::clone(&instance)).take();
    let place = place.expect("they are all free");
    serve(stream, instance, 1, std::net::Ipv4Addr::LOCALHOST.into(), Stop::default(), place).await;
}

impl<S: Stream> Connection<S> {
    async fn run(&mut self) -> io::Result<()> {
        let (reader, writer) = self.gate.halves();
        let options = IntermediaryOptions::default();
        AsyncMysqlIntermediary::run_with_options(Shim(self), reader, writer, &options).await
    }
}
