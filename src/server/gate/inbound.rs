//! Bytes on their way in: cut into packets, or into the blocks of a file. Does no I/O itself.

use bytes::{Buf, Bytes, BytesMut};

use crate::server::packet::{HEADER, Header, MAX_PAYLOAD};

/// Room for small commands. Grown while a large one comes in, and given back after it.
const COMMAND_ROOM: usize = 8 * 1024;

/// A buffer that has held a packet larger than this is given back.
const KEEP: usize = 64 * 1024;

/// A packet up to this many times too large is read and dropped, so that the client, which cannot
/// listen before it has sent all, gets an answer. A larger one ends the connection.
const TOLERANCE: usize = 4;

/// The first block of a file, so that small files are cheap.
const FIRST_BLOCK: usize = 64 * 1024;

/// Every other block: large enough for few reads, small enough to stay in the processor's cache.
const BLOCK: usize = 512 * 1024;

/// With less room than this a block counts as full: reads should not become small.
const LEAST_ROOM: usize = 32 * 1024;

/// What came in, as far as it is not used yet.
#[derive(Debug, Default)]
pub(super) struct Inbound {
    buffer: BytesMut,
    partial: Option<Partial>,
    skipping: Option<Skipping>,
    upload: Option<Upload>,
    /// The buffer has held something large.
    grown: bool,
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

/// What the bytes of a file so far amount to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Not enough for a block.
    Missing,
    /// Bytes of the file.
    Data(Bytes),
    /// The file has ended; `newest` is the number of its last packet.
    End { newest: u8 },
    /// The client has sent its next command instead of a file.
    Declined,
}

/// A file that is coming in. The buffer holds, from the front: payload without headers up to
/// `clean`, waste up to `raw`, bytes not looked at yet.
#[derive(Debug)]
struct Upload {
    clean: usize,
    raw: usize,
    /// Bytes of the present packet's payload that have not come yet.
    rest: usize,
    /// Whether the present packet is as long as packets can be.
    full: bool,
    /// The number that the first packet should have.
    expected: u8,
    /// The number of the newest packet; `None` before the first.
    newest: Option<u8>,
    /// The client ends a file whose last packet is full with one empty packet, not with two.
    one_empty: bool,
    /// A full packet was followed by an empty one: that was its continuation, or the end.
    maybe_over: bool,
    over: Option<Piece>,
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
    /// `expected`.
    pub(super) fn next(&mut self, limit: usize, expected: u8) -> Arrival {
        loop {
            if self.skipping.is_some() {
                return self.skip(limit);
            }
            let Some(header) = Header::of(&self.buffer) else {
                return Arrival::Missing(HEADER - self.buffer.len());
            };
            let expected = self.partial.as_ref().map_or(expected, |p| p.next_sequence);
            if header.sequence != expected {
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

    /// A file was asked for; the client's first packet should have the number `expected`.
    pub(super) fn begin_upload(&mut self, expected: u8, one_empty: bool) {
        self.grown = true;
        self.upload = Some(Upload {
            clean: 0,
            raw: 0,
            rest: 0,
            full: false,
            expected,
            newest: None,
            one_empty,
            maybe_over: false,
            over: None,
        });
    }

    /// Whether a file was asked for and has not ended.
    pub(super) fn uploading(&self) -> bool {
        self.upload.is_some()
    }

    /// Whether the file may have ended already, and only the client's silence can tell.
    pub(super) fn upload_may_be_over(&self) -> bool {
        self.upload.as_ref().is_some_and(|upload| upload.maybe_over)
    }

    /// The client is silent, so the file has ended.
    pub(super) fn upload_is_over(&mut self) {
        if let Some(upload) = &mut self.upload {
            let newest = upload.newest.unwrap_or(upload.expected);
            upload.over = Some(Piece::End { newest });
        }
    }

    /// Where to read a file's bytes to.
    pub(super) fn room_for_upload(&mut self) -> &mut BytesMut {
        if self.buffer.capacity() - self.buffer.len() < LEAST_ROOM {
            let begun = self.upload.as_ref().is_some_and(|upload| upload.newest.is_some());
            self.buffer.reserve(if begun { BLOCK } else { FIRST_BLOCK });
        }
        &mut self.buffer
    }

    /// Takes the next block of the file that was asked for.
    pub(super) fn next_piece(&mut self) -> Piece {
        let Some(upload) = &mut self.upload else { return Piece::Missing };
        if upload.over.is_none() {
            upload.strip_headers(&mut self.buffer);
        }
        let full = self.buffer.capacity() - self.buffer.len() < LEAST_ROOM;
        if upload.clean > 0 && (full || upload.over.is_some()) {
            let data = self.buffer.split_to(upload.clean).freeze();
            self.buffer.advance(upload.raw - upload.clean);
            (upload.clean, upload.raw) = (0, 0);
            return Piece::Data(data);
        }
        match upload.over.take() {
            None => Piece::Missing,
            Some(over) => {
                self.buffer.advance(upload.raw);
                self.upload = None;
                over
            }
        }
    }
}

impl Upload {
    /// Moves the payloads of the packets in `buffer` together, in place.
    fn strip_headers(&mut self, buffer: &mut BytesMut) {
        loop {
            let payload = self.rest.min(buffer.len() - self.raw);
            if self.raw != self.clean {
                buffer.copy_within(self.raw..self.raw + payload, self.clean);
            }
            self.clean += payload;
            self.raw += payload;
            self.rest -= payload;
            if self.rest > 0 {
                return;
            }
            let Some(header) = buffer.get(self.raw..).and_then(Header::of) else { return };
            if self.newest.is_none() && header.sequence == 0 && self.expected != 0 {
                self.over = Some(Piece::Declined);
                return;
            }
            self.raw += HEADER;
            self.newest = Some(header.sequence);
            if header.length == 0 && (!self.full || self.one_empty || self.maybe_over) {
                self.over = Some(Piece::End { newest: header.sequence });
                return;
            }
            self.maybe_over = header.length == 0;
            self.full = header.length == MAX_PAYLOAD;
            self.rest = header.length;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Header { length: payload.len(), sequence }.bytes().to_vec();
        bytes.extend_from_slice(payload);
        bytes
    }

    fn inbound(bytes: &[u8]) -> Inbound {
        Inbound { buffer: BytesMut::from(bytes), ..Inbound::default() }
    }

    fn upload(packets: &[Vec<u8>], one_empty: bool) -> Inbound {
        let mut inbound = inbound(&packets.concat());
        inbound.begin_upload(2, one_empty);
        inbound
    }

    #[test]
    fn two_packets_in_one_segment_come_one_by_one() {
        let mut inbound = inbound(&[packet(0, b"\x03a"), packet(0, b"\x03b")].concat());
        for expected in [b"\x03a", b"\x03b"] {
            let Arrival::Packet { payload, .. } = inbound.next(99, 0) else { panic!("a packet") };
            assert_eq!(payload, expected.as_slice());
        }
        assert_eq!(inbound.next(99, 0), Arrival::Missing(HEADER));
        assert!(!inbound.in_the_middle());
    }

    #[test]
    fn fragments_are_put_together() {
        for tail in [0, 1, 5] {
            let mut bytes = packet(0, &vec![b'x'; MAX_PAYLOAD]);
            bytes.extend(packet(1, &vec![b'y'; tail]));
            let Arrival::Packet { sequence, payload } = inbound(&bytes).next(1 << 26, 0) else {
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
        assert_eq!(large.next(10, 0), Arrival::TooLarge { sequence: 0, dropped: true });
        assert!(matches!(large.next(10, 0), Arrival::Packet { .. }));
        let mut huge = inbound(&packet(0, &[0; 41])[..HEADER]);
        assert_eq!(huge.next(10, 0), Arrival::TooLarge { sequence: 0, dropped: false });
    }

    #[test]
    fn an_announcement_costs_nothing() {
        let mut inbound = inbound(&Header { length: MAX_PAYLOAD - 1, sequence: 0 }.bytes());
        let Arrival::Missing(missing) = inbound.next(1 << 26, 0) else { panic!("incomplete") };
        assert!(inbound.room_for(missing).capacity() < 2 * COMMAND_ROOM);
    }

    #[test]
    fn the_payloads_of_a_file_are_joined() {
        let packets = [packet(2, b"one,"), packet(3, b"two,"), packet(4, b"three"), packet(5, b"")];
        let mut inbound = upload(&packets, false);
        inbound.buffer.extend(packet(0, b"\x03next"));
        assert_eq!(inbound.next_piece(), Piece::Data(Bytes::from_static(b"one,two,three")));
        assert_eq!(inbound.next_piece(), Piece::End { newest: 5 });
        assert!(matches!(inbound.next(99, 0), Arrival::Packet { .. }));
    }

    #[test]
    fn a_file_may_come_byte_by_byte() {
        let bytes = [packet(2, b"ab"), packet(3, b"c"), packet(4, b"")].concat();
        let mut inbound = upload(&[], false);
        let mut pieces = Vec::new();
        for byte in bytes {
            inbound.room_for_upload().extend_from_slice(&[byte]);
            let piece = inbound.next_piece();
            if piece != Piece::Missing {
                pieces.push(piece);
            }
        }
        assert_eq!(pieces, [Piece::Data(Bytes::from_static(b"abc"))]);
        assert_eq!(inbound.next_piece(), Piece::End { newest: 4 });
    }

    #[test]
    fn the_next_command_is_not_a_file() {
        let mut inbound = upload(&[packet(0, b"\x03SELECT 1")], false);
        assert_eq!(inbound.next_piece(), Piece::Declined);
        assert!(matches!(inbound.next(99, 0), Arrival::Packet { .. }));
    }

    #[test]
    fn numbers_wrap_at_256() {
        let mut inbound = inbound(&[packet(0, b"data"), packet(1, b"")].concat());
        inbound.begin_upload(0, false);
        assert_eq!(inbound.next_piece(), Piece::Data(Bytes::from_static(b"data")));
        assert_eq!(inbound.next_piece(), Piece::End { newest: 1 });
    }

    #[test]
    fn a_full_packet_may_end_a_file_in_two_ways() {
        let full = packet(2, &vec![b'x'; MAX_PAYLOAD]);
        let total = |inbound: &mut Inbound| {
            let mut total = 0;
            loop {
                let piece = inbound.next_piece();
                let Piece::Data(data) = piece else { return (total, piece) };
                total += data.len();
            }
        };
        let mut one = upload(&[full.clone(), packet(3, b"")], true);
        assert_eq!(total(&mut one), (MAX_PAYLOAD, Piece::End { newest: 3 }));
        let mut two = upload(&[full.clone(), packet(3, b""), packet(4, b"")], false);
        assert_eq!(total(&mut two), (MAX_PAYLOAD, Piece::End { newest: 4 }));
        let mut more =
            upload(&[full.clone(), packet(3, b""), packet(4, b"z"), packet(5, b"")], false);
        assert_eq!(total(&mut more), (MAX_PAYLOAD + 1, Piece::End { newest: 5 }));
        let mut silent = upload(&[full, packet(3, b"")], false);
        assert_eq!(total(&mut silent).1, Piece::Missing);
        assert!(silent.upload_may_be_over());
        silent.upload_is_over();
        let _ = total(&mut silent);
        assert!(!silent.uploading());
    }
}
