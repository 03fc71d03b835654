//! Bytes on their way in: cut into packets. Does no I/O itself.

use bytes::{Buf, Bytes, BytesMut};

use super::file::FileIn;
use crate::server::packet::{HEADER, Header, MAX_PAYLOAD};

/// Room for small commands. Grown while a large one comes in, and given back after it.
const COMMAND_ROOM: usize = 8 * 1024;

/// A buffer that has held a packet larger than this is given back.
const KEEP: usize = 64 * 1024;

/// A packet up to this many times too large is read and dropped, so that the client, which cannot
/// listen before it has sent all, gets an answer. A larger one ends the connection.
const TOLERANCE: usize = 4;

/// What came in, as far as it is not used yet.
#[derive(Debug, Default)]
pub(super) struct Inbound {
    pub(super) buffer: BytesMut,
    partial: Option<Partial>,
    skipping: Option<Skipping>,
    pub(super) file: Option<FileIn>,
    /// The buffer has held something large.
    pub(super) grown: bool,
}

/// The packets so far of a payload of 16 MiB and more.
#[derive(Debug)]
struct Partial {
    payload: BytesMut,
    next_sequence: u8,
}

/// A payload that is too large and not wanted.
#[derive(Debug)]
struct Skipping {
    /// Bytes left of the present packet.
    rest: usize,
    /// Whether another packet continues it.
    continued: bool,
    total: usize,
    sequence: u8,
}

/// What the bytes so far amount to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// Not enough: this many are missing, at least.
    Missing(usize),
    /// One whole payload. `sequence` is that of its last packet.
    Packet { sequence: u8, payload: Bytes },
    /// A payload beyond the limit. `dropped`: it has been read to its end.
    TooLarge { sequence: u8, dropped: bool },
    /// A packet with another number than the next.
    OutOfOrder { sequence: u8 },
}

impl Inbound {
    /// Whether a payload has begun and is not complete.
    pub(super) fn in_the_middle(&self) -> bool {
        !self.buffer.is_empty() || self.partial.is_some() || self.skipping.is_some()
    }

    /// Where to read to. There is room for `missing` bytes, but never for much more than have come
    /// already: what a client only announces costs nothing.
    pub(super) fn room_for(&mut self, missing: usize) -> &mut BytesMut {
        let most = self.buffer.len().max(COMMAND_ROOM);
        self.buffer.reserve(missing.clamp(COMMAND_ROOM / 2, most));
        &mut self.buffer
    }

    /// Gives a large buffer back. Called when the answer to a command has been sent.
    pub(super) fn settle(&mut self) {
        if self.grown {
            self.grown = false;
            let mut buffer = BytesMut::with_capacity(COMMAND_ROOM.max(self.buffer.len()));
            buffer.extend_from_slice(&self.buffer);
            self.buffer = buffer;
        }
    }

    /// Takes the next payload of at most `limit` bytes, whose first packet has to have the number
    /// `expected`, if any.
    pub(super) fn next(&mut self, limit: usize, expected: Option<u8>) -> Arrival {
        loop {
            if self.skipping.is_some() {
                return self.skip(limit);
            }
            let Some(header) = Header::of(&self.buffer) else {
                return Arrival::Missing(HEADER - self.buffer.len());
            };
            let next = self.partial.as_ref().map(|p| p.next_sequence);
            let right = expected.map(|first| next.unwrap_or(first));
            if right.is_some_and(|right| header.sequence != right) {
                return Arrival::OutOfOrder { sequence: header.sequence };
            }
            let so_far = self.partial.as_ref().map_or(0, |p| p.payload.len());
            if so_far + header.length > limit {
                self.partial = None;
                self.buffer.advance(HEADER);
                self.skipping = Some(Skipping {
                    rest: header.length,
                    continued: header.length == MAX_PAYLOAD,
                    total: so_far + header.length,
                    sequence: header.sequence,
                });
                continue;
            }
            let whole = HEADER + header.length;
            if self.buffer.len() < whole {
                return Arrival::Missing(whole - self.buffer.len());
            }
            self.grown |= whole > KEEP;
            self.buffer.advance(HEADER);
            let payload = self.buffer.split_to(header.length);
            let payload = match self.partial.take() {
                None => payload,
                Some(mut partial) => {
                    partial.payload.extend_from_slice(&payload);
                    partial.payload
                }
            };
            if header.length < MAX_PAYLOAD {
                return Arrival::Packet { sequence: header.sequence, payload: payload.freeze() };
            }
            let next_sequence = header.sequence.wrapping_add(1);
            self.partial = Some(Partial { payload, next_sequence });
        }
    }

    fn skip(&mut self, limit: usize) -> Arrival {
        let Some(mut skipping) = self.skipping.take() else { return Arrival::Missing(HEADER) };
        loop {
            if skipping.total > limit.saturating_mul(TOLERANCE) {
                return Arrival::TooLarge { sequence: skipping.sequence, dropped: false };
            }
            let here = skipping.rest.min(self.buffer.len());
            self.buffer.advance(here);
            skipping.rest -= here;
            let next = match Header::of(&self.buffer) {
                _ if skipping.rest > 0 => None,
                _ if !skipping.continued => {
                    return Arrival::TooLarge { sequence: skipping.sequence, dropped: true };
                }
                next => next,
            };
            let Some(header) = next else {
                let missing = skipping.rest.max(HEADER);
                self.skipping = Some(skipping);
                return Arrival::Missing(missing);
            };
            self.buffer.advance(HEADER);
            skipping = Skipping {
                rest: header.length,
                continued: header.length == MAX_PAYLOAD,
                total: skipping.total.saturating_add(header.length),
                sequence: header.sequence,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::packet::packet;

    fn inbound(bytes: &[u8]) -> Inbound {
        Inbound { buffer: BytesMut::from(bytes), ..Inbound::default() }
    }

    #[test]
    fn two_packets_in_one_segment_come_one_by_one() {
        let mut inbound = inbound(&[packet(0, b"\x03a"), packet(0, b"\x03b")].concat());
        for expected in [b"\x03a", b"\x03b"] {
            let Arrival::Packet { payload, .. } = inbound.next(99, Some(0)) else {
                panic!("a packet")
            };
            assert_eq!(payload, expected.as_slice());
        }
        assert_eq!(inbound.next(99, Some(0)), Arrival::Missing(HEADER));
        assert!(!inbound.in_the_middle());
    }

    #[test]
    fn fragments_are_put_together() {
        for tail in [0, 1, 5] {
            let mut bytes = packet(0, &vec![b'x'; MAX_PAYLOAD]);
            bytes.extend(packet(1, &vec![b'y'; tail]));
            let Arrival::Packet { sequence, payload } = inbound(&bytes).next(1 << 26, Some(0))
            else {
                panic!("a packet");
            };
            assert_eq!((sequence, payload.len()), (1, MAX_PAYLOAD + tail));
            assert!(payload.ends_with(&vec![b'y'; tail]));
        }
    }

    #[test]
    fn a_large_packet_is_dropped_and_a_huge_one_is_not_read() {
        let mut bytes = packet(0, &[0; 30]);
        bytes.extend(packet(0, b"ok"));
        let mut large = inbound(&bytes);
        assert_eq!(large.next(10, Some(0)), Arrival::TooLarge { sequence: 0, dropped: true });
        assert!(matches!(large.next(10, Some(0)), Arrival::Packet { .. }));
        let mut huge = inbound(&packet(0, &[0; 41])[..HEADER]);
        assert_eq!(huge.next(10, Some(0)), Arrival::TooLarge { sequence: 0, dropped: false });
    }

    #[test]
    fn an_announcement_costs_nothing() {
        let mut inbound = inbound(&Header { length: MAX_PAYLOAD - 1, sequence: 0 }.bytes());
        let Arrival::Missing(missing) = inbound.next(1 << 26, Some(0)) else {
            panic!("incomplete")
        };
        assert!(inbound.room_for(missing).capacity() < 2 * COMMAND_ROOM);
    }
}
