//! A frame's header.

/// Bytes of a header: three of the frame's length, one of its number, three of what it becomes.
pub(super) const HEADER: usize = 7;

/// A header, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Bytes that follow.
    pub(super) length: usize,
    /// The frame's number; wraps at 256.
    pub(super) number: u8,
    /// How many bytes they become; 0 if they are sent as they are.
    pub(super) becomes: usize,
}

impl Header {
    /// The header at the start of these bytes, if they are enough for one.
    pub(super) fn of(bytes: &[u8]) -> Option<Header> {
        let &[a, b, c, number, d, e, f] = bytes.first_chunk::<HEADER>()?;
        Some(Header { length: number_of([a, b, c]), number, becomes: number_of([d, e, f]) })
    }

    /// The header's bytes.
    pub(super) fn bytes(self) -> [u8; HEADER] {
        let [a, b, c, ..] = self.length.to_le_bytes();
        let [d, e, f, ..] = self.becomes.to_le_bytes();
        [a, b, c, self.number, d, e, f]
    }
}

fn number_of([a, b, c]: [u8; 3]) -> usize {
    usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_it_was_written() {
        let header = Header { length: 0x01_02_03, number: 7, becomes: 0xFF_FF_FF };
        assert_eq!(header.bytes(), *b"\x03\x02\x01\x07\xFF\xFF\xFF");
        assert_eq!(Header::of(&header.bytes()), Some(header));
        assert_eq!(Header::of(&[0; HEADER - 1]), None);
    }
}
