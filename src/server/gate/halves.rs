//! What opensrv takes for a socket.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{GateHandle, Phase, Stream};

/// opensrv reads the log-in and one stub a command from here.
pub(in crate::server) struct Reader<S>(GateHandle<S>);

/// opensrv writes its greeting here, and flushes here what the shim has written.
pub(in crate::server) struct Writer<S>(GateHandle<S>);

impl<S> Reader<S> {
    pub(super) fn new(gate: GateHandle<S>) -> Reader<S> {
        Reader(gate)
    }
}

impl<S> Writer<S> {
    pub(super) fn new(gate: GateHandle<S>) -> Writer<S> {
        Writer(gate)
    }
}

impl<S: Stream> AsyncRead for Reader<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let bytes = ready!(self.0.0.lock().poll_hand_on(cx, to.initialize_unfilled()))?;
        to.advance(bytes);
        Poll::Ready(Ok(()))
    }
}

impl<S: Stream> AsyncWrite for Writer<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.0.lock().take_from_opensrv(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut gate = self.0.0.lock();
        slices.iter().for_each(|bytes| gate.take_from_opensrv(bytes));
        Poll::Ready(Ok(slices.iter().map(|bytes| bytes.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut gate = self.0.0.lock();
        if matches!(gate.phase, Phase::Greeting) {
            gate.greet().map_err(io::Error::other)?;
        }
        gate.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}
