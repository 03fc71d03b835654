//! Gzip on the way, block by block, with the same bytes out for the same bytes in: no time, no name.

use std::io::Write;

use bytes::Bytes;
use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};

use crate::error::{Error, Result};

/// Level 1: an upload is rarely kept waiting by it, and better levels gain little on tables.
const LEVEL: u32 = 1;

/// Blocks below this are compressed where they are: a thread change costs more.
const INLINE_BYTES: usize = 16 * 1024;

/// A gzip stream that grows.
pub struct Gzip {
    /// `None` only while a block is compressed elsewhere, or after that failed.
    encoder: Option<GzEncoder<Vec<u8>>>,
}

impl Default for Gzip {
    /// An empty stream.
    fn default() -> Gzip {
        let encoder = GzBuilder::new().write(Vec::new(), Compression::new(LEVEL));
        Gzip { encoder: Some(encoder) }
    }
}

impl Gzip {
    /// Takes a block; gives what has come out, which may be nothing yet. Runs on a thread for
    /// blocking work, for a megabyte takes milliseconds.
    pub async fn push(&mut self, block: Bytes) -> Result<Bytes> {
        let encoder = self.encoder.take().ok_or_else(broken)?;
        let (encoder, out) = if block.len() <= INLINE_BYTES {
            compress(encoder, &block)?
        } else {
            tokio::task::spawn_blocking(move || compress(encoder, &block))
                .await
                .map_err(|_| broken())??
        };
        self.encoder = Some(encoder);
        Ok(out)
    }

    /// Ends the stream; gives the last of it.
    pub fn finish(mut self) -> Result<Bytes> {
        let encoder = self.encoder.take().ok_or_else(broken)?;
        encoder.finish().map(Bytes::from).map_err(|_| broken())
    }
}

type Compressed = (GzEncoder<Vec<u8>>, Bytes);

fn compress(mut encoder: GzEncoder<Vec<u8>>, block: &[u8]) -> Result<Compressed> {
    // Writing to a Vec fails only if the encoder itself is broken.
    encoder.write_all(block).map_err(|_| broken())?;
    let out = std::mem::take(encoder.get_mut());
    Ok((encoder, out.into()))
}

fn broken() -> Error {
    Error::Internal { what: "the gzip encoder failed".to_owned() }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    async fn gzip(blocks: &[&[u8]]) -> Vec<u8> {
        let mut stream = Gzip::default();
        let mut out = Vec::new();
        for block in blocks {
            out.extend(stream.push(Bytes::copy_from_slice(block)).await.unwrap());
        }
        out.extend(stream.finish().unwrap());
        out
    }

    #[tokio::test]
    async fn what_goes_in_comes_out_and_always_the_same() {
        let big = vec![b'x'; 100_000];
        let packed = gzip(&[b"a", &big, b"", b"b"]).await;
        assert_eq!(packed, gzip(&[b"a", &big, b"", b"b"]).await);
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, [b"a", big.as_slice(), b"b"].concat());
        // No flags, no time (RFC 1952, 2.3).
        assert_eq!(packed[3..8], [0; 5]);
    }
}
