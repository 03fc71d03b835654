//! The gate between the socket and opensrv: the only place that knows how packets are framed.
//!
//! opensrv greets, asks for the log-in's verdict and drives the loop over commands. It never sees
//! what a client has sent: the gate reads whole packets, checks them, and hands opensrv a log-in
//! that it is sure to understand and then, for each command, the same short stub. The shim takes
//! the true command from here and writes the answer here. So lengths are checked before a payload
//! is read, commands in one segment come one at a time, and an upload can read from the socket
//! while opensrv waits for its `on_query` to return.
//!
//! All of a connection runs in one task, so the lock is never contended; it is never held over an
//! await. The stream is any; compression and, below it, TLS are below the gate, which only says when they begin.

mod clock;
mod file;
mod halves;
mod handle;
mod inbound;
mod outbound;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures::FutureExt;
use tokio::io::{AsyncRead, AsyncWrite, Interest};
use tokio::net::TcpStream;
use tokio_util::io::poll_read_buf;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use self::clock::Clock;
use self::file::Piece;
pub(super) use self::halves::Writer;
pub(super) use self::handle::GateHandle;
use self::inbound::{Arrival, Inbound};
use self::outbound::Outbound;
use super::capability::Capabilities;
use super::command::Command;
use super::handshake::{self, HandshakeResponse};
use super::packet::HEADER;
use super::reply;
use crate::compressed::{Compressed, Compression};
use crate::config::Limits;
use crate::counted::Counted;
use crate::error::{Error, Result};
use crate::metrics;
use crate::tls::{Tls, Wire};

/// Longest packet before the log-in: names, a proof, and connection attributes (MySQL allows them
/// 64 KiB).
const LOG_IN_LIMIT: usize = 64 * 1024;

/// What opensrv gets for every command: a COM_QUERY whose text means nothing to it.
const STUB: Bytes = Bytes::from_static(b"\x02\0\0\0\x03?");

/// How long a client is given to go on with a file that may have ended: see
/// [`Inbound::upload_may_be_over`].
const EDGE_WAIT: Duration = Duration::from_secs(5);

/// A stream that the gate can stand before.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Whether the other side has closed it, without reading what it may have sent before.
    fn is_left(&self) -> bool;
}

impl Stream for Counted<TcpStream> {
    fn is_left(&self) -> bool {
        let ready = self.stream().ready(Interest::READABLE).now_or_never();
        matches!(ready, Some(Ok(ready)) if ready.is_read_closed())
    }
}

#[cfg(any(test, fuzzing))]
impl Stream for tokio::io::DuplexStream {
    fn is_left(&self) -> bool {
        false
    }
}

/// What a connection may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    packet: usize,
    log_in: Duration,
    idle: Duration,
    stalled: Duration,
}

impl From<&Limits> for Bounds {
    fn from(limits: &Limits) -> Bounds {
        Bounds {
            packet: limits.max_allowed_packet,
            log_in: Duration::from_secs(limits.connect_timeout_s),
            idle: Duration::from_secs(limits.wait_timeout_s),
            stalled: limits.net_timeout(),
        }
    }
}

/// What a connection may go through, between the packets and the socket.
#[derive(Clone, Default)]
pub(super) struct Layers {
    /// With this certificate; `None` offers no encryption.
    pub(super) tls: Option<Arc<Tls>>,
    /// Clients that go without encryption are refused.
    pub(super) tls_required: bool,
    /// Capabilities that stand for ways to compress.
    pub(super) compression: Capabilities,
}

impl Layers {
    /// All that the greeting offers.
    fn offered(&self) -> Capabilities {
        let tls = self.tls.as_ref().map(|_| Capabilities::SSL).unwrap_or_default();
        Capabilities::SERVER | self.compression | tls
    }
}

/// Where a connection stands.
#[derive(Debug)]
enum Phase {
    /// opensrv writes its greeting.
    Greeting,
    /// The client answers the greeting.
    LogIn,
    /// The log-in is decided; the client may be asked for more.
    Deciding,
    /// The client sends commands. `waiting`: for the next one.
    Commands { waiting: bool },
    /// Nothing more is read; what waits is still written.
    Closing,
    /// The stream is of no use any more.
    Broken,
}

/// One connection's packets. Shared by its two halves and the shim.
pub(super) struct Gate<S> {
    stream: Compressed<Wire<S>>,
    /// How the stream becomes compressed once the log-in is over.
    compression: Option<Compression>,
    /// Whether the stream has taken bytes that it may not have sent.
    unsent: bool,
    layers: Layers,
    inbound: Inbound,
    outbound: Outbound,
    phase: Phase,
    bounds: Bounds,
    clock: Clock,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
    client: HandshakeResponse,
    /// What the OK of the log-in says.
    welcome: String,
    /// Bytes for opensrv.
    handed: Bytes,
    /// opensrv's greeting, as far as it has written it.
    greeting: BytesMut,
    /// The command behind the stub that opensrv has got.
    command: Option<Command>,
    /// The client has declined a file: the statement that asked for it has no answer.
    declined: bool,
    /// An ERR was written that the client should read before the connection closes.
    refused: bool,
    /// The client takes a while: the clock runs.
    blocked: bool,
}

impl<S: Stream> Gate<S> {
    fn new(stream: S, bounds: Bounds, layers: Layers, stop: CancellationToken) -> Gate<S> {
        Gate {
            stream: Compressed::new(Wire::Plain(stream)),
            compression: None,
            unsent: false,
            layers,
            inbound: Inbound::default(),
            outbound: Outbound::default(),
            phase: Phase::Greeting,
            bounds,
            clock: Clock::new(bounds.log_in),
            stop: Box::pin(stop.cancelled_owned()),
            client: HandshakeResponse::default(),
            welcome: String::new(),
            handed: Bytes::new(),
            greeting: BytesMut::new(),
            command: None,
            declined: false,
            refused: false,
            blocked: false,
        }
    }

    /// The log-in as a whole has one deadline; later each wait has its own.
    fn restart_clock(&mut self, time: Duration) {
        if !matches!(self.phase, Phase::Greeting | Phase::LogIn | Phase::Deciding) {
            self.clock.restart(time);
        }
    }

    /// The stream has failed or ended: nothing more is read or written.
    fn broken(&mut self, kind: io::ErrorKind) -> io::Error {
        self.phase = Phase::Broken;
        self.outbound.clear();
        self.command = None;
        kind.into()
    }

    /// Nothing more can be read. Who was refused still gets to know why.
    fn unreadable(&mut self, kind: io::ErrorKind) -> io::Error {
        if self.refused { kind.into() } else { self.broken(kind) }
    }

    /// Nothing has come for too long. A client that only slept reads why when it wakes up.
    fn time_out(&mut self) {
        let wire = self.stream.inner();
        if wire.is_secure() && wire.cipher().is_none() {
            // Nothing can be said in the middle of a handshake.
            metrics::timed_out("mysql", "connect");
            drop(self.broken(io::ErrorKind::TimedOut));
            return;
        }
        let (what, error) = match self.phase {
            Phase::Commands { .. } if self.inbound.uploading() => {
                if let Some(newest) = self.inbound.newest_of_file() {
                    self.outbound.sequence = newest.wrapping_add(1);
                }
                ("net", Error::ReadTimeout)
            }
            // Numbered as MySQL does it: in the place of an answer whose command has not begun.
            Phase::Commands { .. } if !self.inbound.in_the_middle() => {
                self.outbound.sequence = 0;
                ("wait", Error::IdleTimeout)
            }
            Phase::Commands { .. } => {
                self.outbound.sequence = 1;
                ("net", Error::ReadTimeout)
            }
            Phase::Greeting | Phase::LogIn | Phase::Deciding => ("connect", Error::ReadTimeout),
            Phase::Closing | Phase::Broken => return,
        };
        metrics::timed_out("mysql", what);
        self.refuse(&error);
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if matches!(self.phase, Phase::Broken) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        loop {
            let waiting = self.outbound.waiting();
            let stream = Pin::new(&mut self.stream);
            let sent = match (waiting.is_empty(), self.unsent) {
                (true, false) => return Poll::Ready(Ok(())),
                (true, true) => stream.poll_flush(cx).map_ok(|()| None),
                (false, _) => stream.poll_write(cx, waiting).map_ok(Some),
            };
            match sent {
                Poll::Ready(Ok(Some(0))) => {
                    return Poll::Ready(Err(self.broken(io::ErrorKind::WriteZero)));
                }
                Poll::Ready(Ok(Some(bytes))) => {
                    self.outbound.took(bytes);
                    self.unsent = true;
                    self.blocked = false;
                }
                Poll::Ready(Ok(None)) => {
                    self.unsent = false;
                    self.blocked = false;
                }
                Poll::Ready(Err(error)) => {
                    return Poll::Ready(Err(self.broken(error.kind())));
                }
                Poll::Pending => {
                    if !self.blocked {
                        self.blocked = true;
                        self.restart_clock(self.bounds.stalled);
                    }
                    ready!(self.clock.poll(cx));
                    tracing::debug!("the client has stopped reading");
                    metrics::timed_out("mysql", "net");
                    return Poll::Ready(Err(self.broken(io::ErrorKind::TimedOut)));
                }
            }
        }
    }

    /// Reads some bytes, of which `missing` are known to come. `false` at the stream's end.
    fn poll_fill(&mut self, cx: &mut Context<'_>, missing: usize) -> Poll<io::Result<bool>> {
        if matches!(self.phase, Phase::Broken) || self.refused {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = match self.inbound.uploading() {
            true => self.inbound.room_for_upload(),
            false => self.inbound.room_for(missing),
        };
        match poll_read_buf(Pin::new(&mut self.stream), cx, room) {
            Poll::Ready(Ok(0)) => Poll::Ready(Ok(false)),
            Poll::Ready(Ok(_)) => {
                self.restart_clock(self.bounds.stalled);
                Poll::Ready(Ok(true))
            }
            Poll::Ready(Err(error)) => {
                match self.stream.take_fault() {
                    Some(fault) => self.refuse(&fault),
                    None => drop(self.broken(error.kind())),
                }
                Poll::Ready(Err(error))
            }
            Poll::Pending => {
                ready!(self.clock.poll(cx));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }

    /// Reads one whole payload; `None` when there is none and the phase says so. Below compression
    /// nobody numbers packets in one way, and MySQL looks at the numbers of the frames alone.
    fn poll_payload(
        &mut self,
        cx: &mut Context<'_>,
        limit: usize,
        expected: u8,
    ) -> Poll<io::Result<Option<Result<Bytes>>>> {
        let expected = (!self.stream.is_compressed()).then_some(expected);
        loop {
            let missing = match self.inbound.next(limit, expected) {
                Arrival::Missing(missing) => missing,
                Arrival::Packet { sequence, payload } => {
                    self.outbound.sequence = sequence.wrapping_add(1);
                    return Poll::Ready(Ok(Some(Ok(payload))));
                }
                Arrival::TooLarge { sequence, dropped } => {
                    self.outbound.sequence = sequence.wrapping_add(1);
                    let error = Error::PacketTooLarge { limit };
                    if dropped && matches!(self.phase, Phase::Commands { .. }) {
                        return Poll::Ready(Ok(Some(Err(error))));
                    }
                    self.refuse(&error);
                    return Poll::Ready(Ok(None));
                }
                Arrival::OutOfOrder { sequence } => {
                    self.outbound.sequence = sequence.wrapping_add(1);
                    self.refuse(&Error::OutOfOrder);
                    return Poll::Ready(Ok(None));
                }
            };
            match self.poll_fill(cx, missing) {
                Poll::Ready(Ok(true)) => {}
                Poll::Ready(Ok(false)) => {
                    if self.inbound.in_the_middle() {
                        tracing::debug!("the client has gone away in the middle of a packet");
                    }
                    self.broken(io::ErrorKind::UnexpectedEof);
                    return Poll::Ready(Ok(None));
                }
                Poll::Ready(Err(error)) => {
                    tracing::debug!(%error, "nothing comes from the client");
                    if error.kind() == io::ErrorKind::TimedOut {
                        self.time_out();
                    } else {
                        self.unreadable(error.kind());
                    }
                    return Poll::Ready(Ok(None));
                }
                Poll::Pending => {
                    ready!(self.stop.as_mut().poll(cx));
                    self.phase = Phase::Closing;
                    return Poll::Ready(Ok(None));
                }
            }
        }
    }

    /// Reads the client's next packet of a log-in, after what waits has been sent.
    fn poll_log_in_packet(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Option<Result<Bytes>>>> {
        ready!(self.poll_flush(cx))?;
        self.poll_payload(cx, LOG_IN_LIMIT, self.outbound.sequence)
    }

    /// Reads the client's answer to the greeting, by TLS if it asks for that.
    fn poll_log_in(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let Some(payload) = ready!(self.poll_log_in_packet(cx))? else {
                return Poll::Ready(Ok(()));
            };
            if self.begin_encryption(&payload) {
                continue;
            }
            let offered = self.layers.offered();
            let response = payload.and_then(|payload| HandshakeResponse::parse(&payload, offered));
            match response {
                Ok(response) if self.stream.inner().is_secure() || !self.layers.tls_required => {
                    self.compression = response.compression;
                    self.handed = response.normalised();
                    self.client = response;
                    self.phase = Phase::Deciding;
                }
                Ok(_) => self.refuse_log_in(&Error::InsecureTransport),
                Err(error) => self.refuse_log_in(&error),
            }
            return Poll::Ready(Ok(()));
        }
    }

    fn refuse_log_in(&mut self, error: &Error) {
        tracing::info!(%error, "a log-in was refused");
        self.refuse(error);
    }

    /// Encrypts the stream, if that is what the client has asked for. What came in one segment with
    /// the request was sent in the clear, perhaps by somebody else: it goes to TLS, which takes
    /// nothing but its own handshake.
    fn begin_encryption(&mut self, payload: &Result<Bytes>) -> bool {
        let asked = payload.as_ref().is_ok_and(|payload| handshake::asks_for_tls(payload));
        let first = !self.stream.inner().is_secure();
        match &self.layers.tls {
            Some(tls) if asked && first => {
                let ahead = std::mem::take(&mut self.inbound.buffer).freeze();
                self.stream.inner_mut().encrypt(tls, ahead);
                true
            }
            Some(_) | None => false,
        }
    }

    /// Compresses the stream, if the client has asked for that, now that it has read that it is in.
    fn begin_compression(&mut self) -> io::Result<()> {
        match self.compression.take() {
            Some(how) => {
                let ahead = std::mem::take(&mut self.inbound.buffer);
                self.stream.compress(how, &ahead)
            }
            None => Ok(()),
        }
    }

    /// Reads one command, after the answer to the last has been sent.
    fn poll_command(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_flush(cx))?;
        self.begin_compression()?;
        if let Phase::Commands { waiting } = &mut self.phase
            && !*waiting
        {
            *waiting = true;
            self.inbound.settle();
            self.outbound.settle();
            self.stream.begin_command();
            let time = match self.inbound.in_the_middle() {
                true => self.bounds.stalled,
                false => self.bounds.idle,
            };
            self.clock.restart(time);
        }
        let Some(payload) = ready!(self.poll_payload(cx, self.bounds.packet, 0))? else {
            return Poll::Ready(Ok(()));
        };
        self.phase = Phase::Commands { waiting: false };
        let command = payload.map(Command::parse).unwrap_or_else(Command::Malformed);
        if matches!(command, Command::Quit) {
            self.phase = Phase::Closing;
        } else {
            self.command = Some(command);
            self.declined = false;
            self.handed = STUB;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Piece>> {
        loop {
            match self.inbound.next_piece() {
                Piece::Missing => {}
                end @ Piece::End { newest } => {
                    self.outbound.sequence = newest.wrapping_add(1);
                    return Poll::Ready(Ok(end));
                }
                Piece::Declined => {
                    self.declined = true;
                    return Poll::Ready(Ok(Piece::Declined));
                }
                data @ Piece::Data(_) => return Poll::Ready(Ok(data)),
            }
            if self.inbound.upload_may_be_over() && !self.blocked {
                self.blocked = true;
                self.clock.restart(EDGE_WAIT.min(self.bounds.stalled));
            }
            match ready!(self.poll_fill(cx, 0)) {
                Ok(true) => self.blocked = false,
                Ok(false) => {
                    return Poll::Ready(Err(self.broken(io::ErrorKind::UnexpectedEof)));
                }
                Err(error)
                    if error.kind() == io::ErrorKind::TimedOut
                        && self.inbound.upload_may_be_over() =>
                {
                    self.blocked = false;
                    self.inbound.upload_is_over();
                }
                Err(error) => {
                    if error.kind() == io::ErrorKind::TimedOut {
                        self.time_out();
                    }
                    return Poll::Ready(Err(self.unreadable(error.kind())));
                }
            }
        }
    }

    /// What opensrv reads next. At the end of the connection it gets nothing.
    fn poll_hand_on(&mut self, cx: &mut Context<'_>, to: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.handed.is_empty() {
            match self.phase {
                Phase::LogIn => ready!(self.poll_log_in(cx))?,
                Phase::Commands { .. } => ready!(self.poll_command(cx))?,
                Phase::Greeting | Phase::Deciding | Phase::Closing | Phase::Broken => {}
            }
            if matches!(self.phase, Phase::Closing) {
                ready!(self.poll_flush(cx))?;
            }
        }
        let bytes = self.handed.len().min(to.len());
        self.handed.copy_to_slice(to.get_mut(..bytes).unwrap_or_default());
        Poll::Ready(Ok(bytes))
    }

    /// Takes opensrv's greeting and sends a complete one. Nothing else that opensrv writes is
    /// wanted.
    fn take_from_opensrv(&mut self, bytes: &[u8]) {
        if matches!(self.phase, Phase::Greeting) {
            self.greeting.extend_from_slice(bytes);
        }
    }

    fn greet(&mut self) -> Result<()> {
        let mut greeting = std::mem::take(&mut self.greeting);
        greeting.advance(HEADER.min(greeting.len()));
        handshake::complete_greeting(&mut greeting, self.layers.offered())?;
        self.packet(|out| out.put_slice(&greeting));
        self.phase = Phase::LogIn;
        Ok(())
    }

    /// Adds a packet that can't fail to be written.
    fn packet(&mut self, fill: impl FnOnce(&mut BytesMut)) {
        // An `Err` comes from the closure only.
        let _ = self.outbound.packet(|out| {
            fill(out);
            Ok(())
        });
    }

    /// Writes an ERR after which the connection closes.
    fn refuse(&mut self, error: &Error) {
        self.packet(|out| reply::put_err(out, error));
        self.refused = true;
        self.phase = Phase::Closing;
    }
}
