//! What the rest of the server may do with a gate.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::io::AsyncWrite;
use tokio_util::io::poll_read_buf;
use tokio_util::sync::CancellationToken;

use super::file::Piece;
use super::halves::{Reader, Writer};
use super::{Bounds, Gate, Layers, Phase, Stream};
use crate::error::{Error, Result};
use crate::metrics;
use crate::server::capability::Capabilities;
use crate::server::command::Command;
use crate::server::handshake::HandshakeResponse;
use crate::session::Fed;
use crate::tls::Cipher;

/// How long a client is given to read an ERR before its connection is closed.
const FAREWELL: Duration = Duration::from_secs(1);

/// Room for bytes that nobody wants.
const WASTE: usize = 4 * 1024;

/// How often somebody who computes an answer looks whether there is still a client.
const LOOK: Duration = Duration::from_millis(200);

/// A handle to a [`Gate`].
pub(in crate::server) struct GateHandle<S>(pub(super) Arc<Mutex<Gate<S>>>);

impl<S> Clone for GateHandle<S> {
    fn clone(&self) -> GateHandle<S> {
        GateHandle(Arc::clone(&self.0))
    }
}

impl<S: Stream> GateHandle<S> {
    /// A gate before this stream. `stop` ends it as soon as no command runs.
    pub(in crate::server) fn new(
        stream: S,
        bounds: Bounds,
        layers: Layers,
        stop: CancellationToken,
    ) -> GateHandle<S> {
        GateHandle(Arc::new(Mutex::new(Gate::new(stream, bounds, layers, stop))))
    }

    /// What opensrv reads from and writes to.
    pub(in crate::server) fn halves(&self) -> (Reader<S>, Writer<S>) {
        (Reader::new(self.clone()), Writer::new(self.clone()))
    }

    /// What the client said of itself.
    pub(in crate::server) fn client(&self) -> HandshakeResponse {
        self.0.lock().client.clone()
    }

    /// How the stream is encrypted, if it is.
    pub(in crate::server) fn cipher(&self) -> Option<Cipher> {
        self.0.lock().stream.inner().cipher()
    }

    /// What both sides can do.
    pub(in crate::server) fn capabilities(&self) -> Capabilities {
        self.0.lock().client.capabilities
    }

    /// The client has become somebody else.
    pub(in crate::server) fn change_client(&self, client: HandshakeResponse) {
        self.0.lock().client = client;
    }

    /// Sends what waits and reads the client's next packet of a log-in; `None` if the client is
    /// gone, or has been refused.
    pub(in crate::server) async fn next_of_log_in(&self) -> Option<Bytes> {
        {
            let mut gate = self.0.lock();
            let stalled = gate.bounds.stalled;
            gate.restart_clock(stalled);
        }
        match poll_fn(|cx| self.0.lock().poll_log_in_packet(cx)).await {
            Ok(Some(Ok(payload))) => Some(payload),
            Ok(Some(Err(error))) => {
                self.refuse(&error);
                None
            }
            Ok(None) | Err(_) => None,
        }
    }

    /// The certificate's, all zeros where there is none.
    pub(in crate::server) fn fingerprint(&self) -> [u8; 32] {
        self.0.lock().layers.tls.as_ref().map(|tls| tls.fingerprint()).unwrap_or_default()
    }

    /// Sets what the OK of the log-in says.
    pub(in crate::server) fn welcome(&self, info: String) {
        self.0.lock().welcome = info;
    }

    /// What the OK of the log-in says.
    pub(in crate::server) fn take_welcome(&self) -> String {
        std::mem::take(&mut self.0.lock().welcome)
    }

    /// The log-in has succeeded: commands may come.
    pub(in crate::server) fn admit(&self) {
        self.0.lock().phase = Phase::Commands { waiting: false };
    }

    /// How long the client may be idle.
    pub(in crate::server) fn set_idle(&self, time: Duration) {
        self.0.lock().bounds.idle = time;
    }

    /// The command behind the stub that opensrv has got.
    pub(in crate::server) fn take_command(&self) -> Option<Command> {
        self.0.lock().command.take()
    }

    /// Whether the present command has no answer because the client has gone on to its next.
    pub(in crate::server) fn declined(&self) -> bool {
        self.0.lock().declined
    }

    /// Adds a packet to the answer.
    pub(in crate::server) fn packet(&self, fill: impl FnOnce(&mut BytesMut)) {
        self.0.lock().packet(fill);
    }

    /// Adds a packet to the answer, unless `fill` fails. Then nothing is added.
    pub(in crate::server) fn try_packet(
        &self,
        fill: impl FnOnce(&mut BytesMut) -> Result<()>,
    ) -> Result<()> {
        self.0.lock().outbound.packet(fill)
    }

    /// Writes an ERR after which the connection closes.
    pub(in crate::server) fn refuse(&self, error: &Error) {
        self.0.lock().refuse(error);
    }

    /// Whether the writer of an answer should wait for [`GateHandle::flush`].
    pub(in crate::server) fn is_full(&self) -> bool {
        self.0.lock().outbound.is_full()
    }

    /// Sends what waits.
    pub(in crate::server) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.lock().poll_flush(cx)
    }

    /// Sends what waits.
    pub(in crate::server) async fn flush(&self) -> io::Result<()> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// Ends when the client has closed the connection: nobody reads the answer.
    pub(in crate::server) async fn left(&self) {
        loop {
            tokio::time::sleep(LOOK).await;
            if !self.is_there() {
                return;
            }
        }
    }

    /// Sends a packet that is no part of an answer, if it can go out now: it is worth no wait, and
    /// has no place inside a file. A half of it that the socket takes is completed by the next
    /// flush.
    pub(in crate::server) fn aside(&self, fill: impl FnOnce(&mut BytesMut)) {
        let mut gate = self.0.lock();
        if gate.inbound.uploading() || !gate.outbound.waiting().is_empty() {
            return;
        }
        gate.packet(fill);
        // A failure of the socket is told to whoever uses it next.
        let _ = gate.poll_flush(&mut Context::from_waker(Waker::noop()));
    }

    /// Whether the client has not closed the connection.
    pub(in crate::server) fn is_there(&self) -> bool {
        !self.0.lock().stream.inner().socket().is_some_and(Stream::is_left)
    }

    /// Asks the client for a file. Source: "Protocol::LOCAL_INFILE_Request".
    pub(in crate::server) async fn request_file(&self, name: &str) -> io::Result<()> {
        {
            let mut gate = self.0.lock();
            gate.packet(|out| {
                out.put_u8(0xFB);
                out.put_slice(name.as_bytes());
            });
            let expected = gate.outbound.sequence;
            let one_empty = matches!(
                gate.client.attributes.get("_client_name").map(String::as_str),
                Some("MariaDB connector/Node" | "aiomysql")
            );
            gate.inbound.begin_upload(expected, one_empty);
            gate.stream.begin_file();
        }
        self.flush().await?;
        let mut gate = self.0.lock();
        // Most clients number packets by frames.
        if gate.stream.next_number() == Some(0) {
            gate.inbound.begins_with_zero();
        }
        let stalled = gate.bounds.stalled;
        gate.clock.restart(stalled);
        Ok(())
    }

    /// Whether a file is on its way.
    pub(in crate::server) fn uploading(&self) -> bool {
        self.0.lock().inbound.uploading()
    }

    /// The next block of the file.
    pub(in crate::server) async fn next_of_file(&self) -> io::Result<Fed> {
        if !self.uploading() {
            return Ok(Fed::End);
        }
        let piece = poll_fn(|cx| self.0.lock().poll_piece(cx)).await?;
        Ok(match piece {
            Piece::Data(data) => Fed::Data(data),
            Piece::Declined => Fed::Declined,
            Piece::End { .. } | Piece::Missing => Fed::End,
        })
    }

    /// The connection ends whatever runs. A client that waits for an answer and is not in the middle
    /// of a file can be told why.
    pub(in crate::server) fn cut_off(&self, why: &Error) {
        let mut gate = self.0.lock();
        if matches!(gate.phase, Phase::Commands { waiting: false }) && !gate.inbound.uploading() {
            gate.refuse(why);
        }
    }

    /// There is no place for the client. It is told so.
    pub(in crate::server) fn send_away(&self, error: &Error) {
        metrics::refused("mysql", "max_connections");
        self.0.lock().refuse(error);
    }

    /// Closes the stream. A client that was refused gets time to read why: bytes of its that were
    /// not read would make the system reset the connection and drop the ERR on its way.
    pub(in crate::server) async fn farewell(&self) {
        let refused = self.0.lock().refused;
        let end = async {
            self.flush().await?;
            poll_fn(|cx| Pin::new(&mut self.0.lock().stream).poll_shutdown(cx)).await?;
            if refused { self.discard().await } else { Ok(()) }
        };
        // Nobody is left to be told of a failure.
        let _ = tokio::time::timeout(FAREWELL, end).await;
    }

    /// Reads and forgets, to the end of the stream.
    async fn discard(&self) -> io::Result<()> {
        let mut waste = BytesMut::with_capacity(WASTE);
        loop {
            let read = |cx: &mut Context<'_>| {
                poll_read_buf(Pin::new(self.0.lock().stream.inner_mut()), cx, &mut waste)
            };
            if poll_fn(read).await? == 0 {
                return Ok(());
            }
            waste.clear();
        }
    }
}

#[cfg(test)]
impl<S: Stream> GateHandle<S> {
    /// A gate after the log-in of this client.
    pub(in crate::server) fn logged_in(
        stream: S,
        limits: &crate::config::Limits,
        client: HandshakeResponse,
    ) -> Self {
        let stop = CancellationToken::new();
        let bounds = Bounds::from(limits);
        let gate = GateHandle::new(stream, bounds, Layers::default(), stop);
        {
            let mut inner = gate.0.lock();
            inner.client = client;
            inner.outbound.sequence = 1;
        }
        gate.admit();
        gate
    }

    /// What opensrv's reading of a command does.
    pub(in crate::server) async fn next_command(&self) -> Option<Command> {
        let mut bytes = [0; 16];
        let _ = poll_fn(|cx| self.0.lock().poll_hand_on(cx, &mut bytes)).await;
        self.take_command()
    }
}
