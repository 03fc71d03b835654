//! A file in parts, as object stores take it: what has come is collected until a part is full.
//!
//! S3 and its like take 10,000 parts of one file. So the first [`EQUAL_PARTS`] are equal, which some
//! stores insist on, and later ones grow: with parts of 8 MiB a file may have 290 GiB, with parts of
//! 64 MiB 2.2 TiB. Source: "Amazon S3 multipart upload limits".

use bytes::Bytes;
use opendal::Buffer;

/// Below this no part but the last may be.
const MIN_BYTES: u64 = 5 * 1024 * 1024;

/// So much of a file waits in memory before its first part is sent.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// What the parts in flight may take of memory: for one file, in parts of the first size.
const MAX_IN_FLIGHT_BYTES: u64 = 128 * 1024 * 1024;

/// So many parts have the first one's size.
const EQUAL_PARTS: u64 = 5000;

/// Then each so many parts are larger by the first one's size.
const GROWS_AFTER: u64 = 500;

/// The part that is collected, and the one that OpenDAL keeps until it knows whether it is the last.
const NOT_IN_FLIGHT: u64 = 2;

/// How a file is cut, and how many parts travel at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    bytes: u64,
    in_flight: u64,
}

/// A part, unless another size is asked for.
const DEFAULT_BYTES: u64 = 8 * 1024 * 1024;

impl Default for Parts {
    /// Four parts: they fill a link of 1 Gbit/s at 200 ms of latency.
    fn default() -> Parts {
        Parts::of(4)
    }
}

impl Parts {
    /// Parts of the usual size, 8 MiB, so many at a time.
    pub fn of(in_flight: u64) -> Parts {
        Parts::new(in_flight, DEFAULT_BYTES)
    }

    /// Parts of about so many bytes, so many at a time: the size is kept between 5 and 64 MiB, and
    /// what is in flight below 128 MiB. What is smaller than a part is stored by one request.
    pub fn new(in_flight: u64, bytes: u64) -> Parts {
        let bytes = bytes.clamp(MIN_BYTES, MAX_BYTES);
        Parts { bytes, in_flight: in_flight.clamp(1, MAX_IN_FLIGHT_BYTES / bytes) }
    }

    /// What they may take of memory: for as many in flight as are wanted, and for fewer, down to one.
    pub(super) fn needs(self) -> impl Iterator<Item = u64> {
        (1..=self.in_flight).rev().map(move |in_flight| (in_flight + NOT_IN_FLIGHT) * self.bytes)
    }

    /// As many of them in flight as so much memory allows.
    pub(super) fn within(self, memory: u64) -> Parts {
        let fit = (memory / self.bytes).saturating_sub(NOT_IN_FLIGHT);
        Parts { in_flight: self.in_flight.min(fit).max(1), ..self }
    }

    /// The size of the part with this number, from zero on.
    fn size_of(self, number: u64) -> u64 {
        let larger = number.saturating_sub(EQUAL_PARTS - GROWS_AFTER) / GROWS_AFTER;
        self.bytes * (1 + larger)
    }
}

/// What has come of a file and is not sent yet.
#[derive(Debug)]
pub(super) struct Collected {
    parts: Parts,
    sent: u64,
    blocks: Vec<Bytes>,
    bytes: u64,
}

impl Collected {
    pub(super) fn new(parts: Parts) -> Collected {
        Collected { parts, sent: 0, blocks: Vec::new(), bytes: 0 }
    }

    /// How many parts may travel at a time.
    pub(super) fn in_flight(&self) -> usize {
        usize::try_from(self.parts.in_flight).unwrap_or(1)
    }

    pub(super) fn push(&mut self, block: Bytes) {
        self.bytes += length(&block);
        self.blocks.push(block);
    }

    /// The next part, if more has come than fits into it: the last one may be the only one.
    pub(super) fn full_part(&mut self) -> Option<Buffer> {
        let size = self.parts.size_of(self.sent);
        if self.bytes <= size {
            return None;
        }
        let (mut part, mut missing) = (Vec::new(), size);
        let mut blocks = std::mem::take(&mut self.blocks).into_iter();
        while let Some(mut block) = blocks.next() {
            if length(&block) <= missing {
                missing -= length(&block);
                part.push(block);
                continue;
            }
            // What is left of one block, and the blocks behind it.
            part.push(block.split_to(usize::try_from(missing).unwrap_or(0)));
            self.blocks.push(block);
            self.blocks.extend(blocks);
            break;
        }
        self.bytes -= size;
        self.sent += 1;
        Some(Buffer::from(part))
    }

    /// The last part.
    pub(super) fn rest(&mut self) -> Buffer {
        self.bytes = 0;
        Buffer::from(std::mem::take(&mut self.blocks))
    }
}

fn length(block: &Bytes) -> u64 {
    u64::try_from(block.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    #[test]
    fn less_memory_is_fewer_parts_in_flight() {
        let parts = Parts::of(4);
        let needs: Vec<u64> = parts.needs().map(|bytes| bytes / MIB).collect();
        assert_eq!(needs, [48, 40, 32, 24]);
        for (bytes, in_flight) in [(100, 4), (48, 4), (47, 3), (32, 2), (24, 1), (1, 1)] {
            assert_eq!(parts.within(bytes * MIB), Parts::of(in_flight), "{bytes}");
        }
    }

    #[test]
    fn ten_thousand_parts_hold_a_large_file() {
        let holds = |parts: Parts| (0..10_000).map(|number| parts.size_of(number)).sum::<u64>();
        assert!(holds(Parts::default()) > 290 * 1024 * MIB);
        assert!(holds(Parts::new(4, 64 * MIB)) > 2250 * 1024 * MIB);
        let first = Parts::default();
        assert!((0..EQUAL_PARTS).all(|number| first.size_of(number) == 8 * MIB));
        assert_eq!(first.size_of(EQUAL_PARTS), 16 * MIB);
    }

    #[test]
    fn what_is_in_flight_is_bounded() {
        for (wanted, bytes, in_flight) in
            [(4, 8 * MIB, 4), (99, 8 * MIB, 16), (99, 1, 25), (99, u64::MAX, 2), (0, 1, 1)]
        {
            let parts = Parts::new(wanted, bytes);
            assert_eq!(parts.in_flight, in_flight, "{wanted} {bytes}");
            assert!((MIN_BYTES..=MAX_BYTES).contains(&parts.bytes));
        }
    }

    #[test]
    fn blocks_of_any_size_are_cut_into_equal_parts() {
        let parts = Parts::new(1, MIN_BYTES);
        let part = usize::try_from(MIN_BYTES).expect("fits");
        let file: Vec<u8> = (0..3 * part + 17).map(|n| n.to_le_bytes()[1]).collect();
        for block in [1000, part, part - 1, 2 * part + 5, file.len()] {
            let mut collected = Collected::new(parts);
            let (mut sizes, mut whole) = (Vec::new(), Vec::new());
            for block in file.chunks(block) {
                collected.push(Bytes::copy_from_slice(block));
                while let Some(part) = collected.full_part() {
                    sizes.push(part.len());
                    whole.extend(part.to_vec());
                }
            }
            let rest = collected.rest();
            sizes.push(rest.len());
            whole.extend(rest.to_vec());
            assert_eq!(sizes, [part, part, part, 17], "{block}");
            assert!(whole == file);
        }
    }

    #[test]
    fn a_file_of_one_part_is_the_last_part() {
        let mut collected = Collected::new(Parts::new(1, MIN_BYTES));
        collected.push(vec![1; usize::try_from(MIN_BYTES).expect("fits")].into());
        assert!(collected.full_part().is_none());
        assert_eq!(length(&collected.rest().to_bytes()), MIN_BYTES);
    }
}
