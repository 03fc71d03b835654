//! The small pieces that packets are made of. Source: the manual's pages "MySQL Packets" and
//! "Protocol Data Types".

use bytes::{BufMut, BytesMut};

use crate::error::{Error, Result};

/// A packet's header: three bytes of length, one of sequence.
pub(super) const HEADER: usize = 4;

/// The longest payload of one packet. A payload of this very length is continued in the next.
pub(super) const MAX_PAYLOAD: usize = 0xFF_FF_FF;

/// A header, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Bytes of payload that follow.
    pub(super) length: usize,
    /// The packet's number; wraps at 256.
    pub(super) sequence: u8,
}

impl Header {
    /// The header at the start of these bytes, if they are enough for one.
    pub(super) fn of(bytes: &[u8]) -> Option<Header> {
        let &[a, b, c, sequence] = bytes.first_chunk::<HEADER>()?;
        let length = usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16;
        Some(Header { length, sequence })
    }

    /// The header's bytes. A length beyond [`MAX_PAYLOAD`] is the caller's mistake and is cut.
    pub(super) fn bytes(self) -> [u8; HEADER] {
        let [a, b, c, ..] = self.length.min(MAX_PAYLOAD).to_le_bytes();
        [a, b, c, self.sequence]
    }
}

/// A whole packet, for tests.
#[cfg(test)]
pub(super) fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Header { length: payload.len(), sequence }.bytes().to_vec();
    bytes.extend_from_slice(payload);
    bytes
}

/// Reads a payload from front to back and never beyond its end.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn of(payload: &'a [u8]) -> Fields<'a> {
        Fields(payload)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is left.
    pub(super) fn rest(self) -> &'a [u8] {
        self.0
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Error::MalformedPacket)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(Error::MalformedPacket)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// `string<NUL>`
    pub(super) fn until_nul(&mut self) -> Result<&'a [u8]> {
        let end = self.0.iter().position(|&byte| byte == 0).ok_or(Error::MalformedPacket)?;
        let text = self.take(end)?;
        self.take(1)?;
        Ok(text)
    }

    /// `string<NUL>`, whose NUL may be missing at the end of the packet.
    pub(super) fn until_nul_or_end(&mut self) -> &'a [u8] {
        self.until_nul().unwrap_or_else(|_| std::mem::take(&mut self.0))
    }

    /// `int<lenenc>`. The 0xFB of a NULL is not a number.
    pub(super) fn lenenc(&mut self) -> Result<u64> {
        match self.u8()? {
            small @ 0..=0xFA => Ok(u64::from(small)),
            0xFC => self.u16().map(u64::from),
            0xFD => {
                let [a, b, c] = self.array()?;
                Ok(u64::from(u32::from_le_bytes([a, b, c, 0])))
            }
            0xFE => self.u64(),
            0xFB | 0xFF => Err(Error::MalformedPacket),
        }
    }

    /// `string<lenenc>`
    pub(super) fn lenenc_bytes(&mut self) -> Result<&'a [u8]> {
        let length = usize::try_from(self.lenenc()?).map_err(|_| Error::MalformedPacket)?;
        self.take(length)
    }
}

/// Appends `int<lenenc>`.
pub(super) fn put_lenenc(out: &mut BytesMut, number: u64) {
    let [a, b, c, ..] = number.to_le_bytes();
    match number {
        0..=0xFA => out.put_u8(a),
        0xFB..=0xFFFF => out.put_slice(&[0xFC, a, b]),
        0x1_0000..=0xFF_FFFF => out.put_slice(&[0xFD, a, b, c]),
        _ => {
            out.put_u8(0xFE);
            out.put_u64_le(number);
        }
    }
}

/// Appends `string<lenenc>`.
pub(super) fn put_lenenc_bytes(out: &mut BytesMut, bytes: &[u8]) {
    put_lenenc(out, bytes.len() as u64);
    out.put_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_it_was_written() {
        for length in [0, 1, 0xFF, 0x100, 0xFFFF, 0x1_0000, MAX_PAYLOAD] {
            let header = Header { length, sequence: 7 };
            assert_eq!(Header::of(&header.bytes()), Some(header));
        }
        assert_eq!(Header::of(&[1, 0, 0]), None);
    }

    #[test]
    fn numbers_keep_their_value_at_every_width() {
        for number in [0, 0xFA, 0xFB, 0xFF, 0xFFFF, 0x1_0000, 0xFF_FFFF, 0x100_0000, u64::MAX] {
            let mut out = BytesMut::new();
            put_lenenc(&mut out, number);
            let mut fields = Fields::of(&out);
            assert_eq!(fields.lenenc().expect("a number"), number);
            assert!(fields.is_empty());
        }
    }

    #[test]
    fn nothing_is_read_beyond_the_end() {
        assert!(Fields::of(&[1]).u16().is_err());
        assert!(
            Fields::of(&[0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1])
                .lenenc_bytes()
                .is_err()
        );
        assert!(Fields::of(b"abc").until_nul().is_err());
        assert_eq!(Fields::of(b"abc").until_nul_or_end(), b"abc");
        assert!(Fields::of(&[0xFB]).lenenc().is_err());
    }
}
