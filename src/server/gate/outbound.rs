//! Bytes on their way out: packets with headers, until the socket has taken them. Does no I/O.

use bytes::{BufMut, BytesMut};

use crate::error::Result;
use crate::server::packet::{HEADER, Header, MAX_PAYLOAD};

/// With more than this waiting, the writer of an answer has to wait for the client.
const ENOUGH: usize = 64 * 1024;

/// A buffer larger than this is given back once it is empty.
const KEEP: usize = 4 * ENOUGH;

/// What an idle connection keeps: enough for a short answer.
const IDLE: usize = 1024;

/// What goes out, as far as the socket has not taken it.
#[derive(Debug, Default)]
pub(super) struct Outbound {
    buffer: BytesMut,
    /// Bytes at the front that the socket has taken.
    written: usize,
    /// The number of the next packet.
    pub(super) sequence: u8,
}

impl Outbound {
    /// Adds the packet, or packets, of one payload. Nothing is added when `fill` fails.
    pub(super) fn packet(&mut self, fill: impl FnOnce(&mut BytesMut) -> Result<()>) -> Result<()> {
        let start = self.buffer.len();
        self.buffer.put_slice(&[0; HEADER]);
        if let Err(error) = fill(&mut self.buffer) {
            self.buffer.truncate(start);
            return Err(error);
        }
        let length = self.buffer.len() - start - HEADER;
        if length < MAX_PAYLOAD {
            let header = self.next_header(length);
            if let Some(place) = self.buffer.get_mut(start..start + HEADER) {
                place.copy_from_slice(&header);
            }
        } else {
            let payload = self.buffer.split_off(start + HEADER);
            self.buffer.truncate(start);
            self.fragments(&payload);
        }
        Ok(())
    }

    /// A payload whose length is a multiple of [`MAX_PAYLOAD`] ends with an empty packet.
    fn fragments(&mut self, mut payload: &[u8]) {
        loop {
            let (fragment, rest) = payload.split_at(payload.len().min(MAX_PAYLOAD));
            let header = self.next_header(fragment.len());
            self.buffer.put_slice(&header);
            self.buffer.put_slice(fragment);
            if fragment.len() < MAX_PAYLOAD {
                return;
            }
            payload = rest;
        }
    }

    fn next_header(&mut self, length: usize) -> [u8; HEADER] {
        let header = Header { length, sequence: self.sequence };
        self.sequence = self.sequence.wrapping_add(1);
        header.bytes()
    }

    /// What the socket should take next.
    pub(super) fn waiting(&self) -> &[u8] {
        self.buffer.get(self.written..).unwrap_or_default()
    }

    /// Whether a writer should wait before it adds more.
    pub(super) fn is_full(&self) -> bool {
        self.waiting().len() > ENOUGH
    }

    /// The socket has taken some.
    pub(super) fn took(&mut self, bytes: usize) {
        self.written += bytes;
        if self.written >= self.buffer.len() {
            self.clear();
        }
    }

    /// Gives a large buffer back, unless something waits in it. Called when the next command is waited for, perhaps
    /// for hours.
    pub(super) fn settle(&mut self) {
        if self.buffer.is_empty() && self.buffer.capacity() > IDLE {
            self.buffer = BytesMut::new();
        }
    }

    /// Forgets what waits.
    pub(super) fn clear(&mut self) {
        self.written = 0;
        self.buffer.clear();
        if self.buffer.capacity() > KEEP {
            self.buffer = BytesMut::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(payload: usize) -> Vec<Header> {
        let mut out = Outbound { sequence: 255, ..Outbound::default() };
        out.packet(|buffer| {
            buffer.put_bytes(1, payload);
            Ok(())
        })
        .expect("written");
        let mut bytes = out.waiting();
        let mut headers = Vec::new();
        while let Some(header) = Header::of(bytes) {
            headers.push(header);
            bytes = &bytes[HEADER + header.length..];
        }
        assert!(bytes.is_empty());
        headers
    }

    #[test]
    fn a_payload_becomes_as_many_packets_as_it_needs() {
        let lengths = |payload| headers(payload).iter().map(|h| h.length).collect::<Vec<_>>();
        assert_eq!(lengths(0), [0]);
        assert_eq!(lengths(MAX_PAYLOAD - 1), [MAX_PAYLOAD - 1]);
        assert_eq!(lengths(MAX_PAYLOAD), [MAX_PAYLOAD, 0]);
        assert_eq!(lengths(MAX_PAYLOAD + 1), [MAX_PAYLOAD, 1]);
        let numbers: Vec<u8> = headers(MAX_PAYLOAD + 1).iter().map(|h| h.sequence).collect();
        assert_eq!(numbers, [255, 0]);
    }

    #[test]
    fn a_payload_that_fails_leaves_no_trace() {
        let mut out = Outbound::default();
        let failed = out.packet(|buffer| {
            buffer.put_slice(b"half");
            Err(crate::error::Error::MalformedPacket)
        });
        assert!(failed.is_err());
        assert_eq!((out.waiting().len(), out.sequence), (0, 0));
    }
}
