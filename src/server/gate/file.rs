//! The bytes of a file on their way in: packets become blocks. Does no I/O itself.
//!
//! Clients send packets of 4 KiB up to 16 MiB. Their headers are squeezed out where the bytes lie,
//! so that a block leaves as it came from the socket, without another copy.

use bytes::{Buf, Bytes, BytesMut};

use super::inbound::Inbound;
use crate::server::packet::{HEADER, Header, MAX_PAYLOAD};

/// The first block of a file, so that small files are cheap.
const FIRST_BLOCK: usize = 64 * 1024;

/// Every other block: large enough for few reads, small enough to stay in the processor's cache.
const BLOCK: usize = 512 * 1024;

/// With less room than this a block counts as full: reads should not become small.
const LEAST_ROOM: usize = 32 * 1024;

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
pub(super) struct FileIn {
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
    /// A file was asked for; the client's first packet should have the number `expected`.
    pub(super) fn begin_upload(&mut self, expected: u8, one_empty: bool) {
        self.grown = true;
        self.file = Some(FileIn {
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

    /// The number of the file's first packet may be 0, which else tells of another command.
    pub(super) fn begins_with_zero(&mut self) {
        if let Some(file) = &mut self.file {
            file.expected = 0;
        }
    }

    /// Whether a file was asked for and has not ended.
    pub(super) fn uploading(&self) -> bool {
        self.file.is_some()
    }

    /// The number of the file's newest packet, if there is one.
    pub(super) fn newest_of_file(&self) -> Option<u8> {
        self.file.as_ref().and_then(|file| file.newest)
    }

    /// Whether the file may have ended already, and only the client's silence can tell.
    pub(super) fn upload_may_be_over(&self) -> bool {
        self.file.as_ref().is_some_and(|file| file.maybe_over)
    }

    /// The client is silent, so the file has ended.
    pub(super) fn upload_is_over(&mut self) {
        if let Some(file) = &mut self.file {
            let newest = file.newest.unwrap_or(file.expected);
            file.over = Some(Piece::End { newest });
        }
    }

    /// Where to read a file's bytes to.
    pub(super) fn room_for_upload(&mut self) -> &mut BytesMut {
        if self.buffer.capacity() - self.buffer.len() < LEAST_ROOM {
            let begun = self.file.as_ref().is_some_and(|file| file.newest.is_some());
            self.buffer.reserve(if begun { BLOCK } else { FIRST_BLOCK });
        }
        &mut self.buffer
    }

    /// Takes the next block of the file that was asked for.
    pub(super) fn next_piece(&mut self) -> Piece {
        let Some(file) = &mut self.file else { return Piece::Missing };
        if file.over.is_none() {
            file.strip_headers(&mut self.buffer);
        }
        let full = self.buffer.capacity() - self.buffer.len() < LEAST_ROOM;
        if file.clean > 0 && (full || file.over.is_some()) {
            let data = self.buffer.split_to(file.clean).freeze();
            self.buffer.advance(file.raw - file.clean);
            (file.clean, file.raw) = (0, 0);
            return Piece::Data(data);
        }
        match file.over.take() {
            None => Piece::Missing,
            Some(over) => {
                self.buffer.advance(file.raw);
                self.file = None;
                over
            }
        }
    }
}

impl FileIn {
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
    use super::super::inbound::Arrival;
    use super::*;
    use crate::server::packet::packet;

    fn inbound(bytes: &[u8]) -> Inbound {
        let mut inbound = Inbound::default();
        inbound.buffer.extend_from_slice(bytes);
        inbound
    }

    fn upload(packets: &[Vec<u8>], one_empty: bool) -> Inbound {
        let mut inbound = inbound(&packets.concat());
        inbound.begin_upload(2, one_empty);
        inbound
    }

    #[test]
    fn the_payloads_of_a_file_are_joined() {
        let packets = [packet(2, b"one,"), packet(3, b"two,"), packet(4, b"three"), packet(5, b"")];
        let mut inbound = upload(&packets, false);
        inbound.buffer.extend(packet(0, b"\x03next"));
        assert_eq!(inbound.next_piece(), Piece::Data(Bytes::from_static(b"one,two,three")));
        assert_eq!(inbound.next_piece(), Piece::End { newest: 5 });
        assert!(matches!(inbound.next(99, Some(0)), Arrival::Packet { .. }));
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
        assert!(matches!(inbound.next(99, Some(0)), Arrival::Packet { .. }));
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
