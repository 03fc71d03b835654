//! Zstandard on the way, on all cores. Equal files give equal frames: libzstd's jobs have a fixed
//! size.

use std::io::Write;

use ::zstd::stream::write::Encoder;
use bytes::Bytes;

use crate::error::{Error, Result};

/// A zstd frame that grows.
pub struct Zstd {
    /// `None` only while a block is compressed on another thread, or after that failed.
    encoder: Option<Encoder<'static, Vec<u8>>>,
}

impl Zstd {
    /// An empty frame. `level` is 1 to 19.
    pub fn new(level: i32) -> Result<Zstd> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = u32::try_from(cores).unwrap_or(1);
        let encoder = Encoder::new(Vec::new(), level).and_then(|mut encoder| {
            encoder.multithread(workers)?;
            encoder.include_checksum(true)?;
            Ok(encoder)
        });
        Ok(Zstd { encoder: Some(encoder.map_err(|_| broken())?) })
    }

    /// Takes bytes; gives what has come out by now, which may be nothing.
    pub async fn push(&mut self, bytes: Bytes) -> Result<Bytes> {
        let mut encoder = self.encoder.take().ok_or_else(broken)?;
        let work = move || {
            encoder.write_all(&bytes).map_err(|_| broken())?;
            let out = std::mem::take(encoder.get_mut());
            Ok((encoder, out))
        };
        let (encoder, out) = tokio::task::spawn_blocking(work).await.map_err(|_| broken())??;
        self.encoder = Some(encoder);
        Ok(out.into())
    }

    /// Ends the frame; gives the rest of it.
    pub async fn finish(mut self) -> Result<Bytes> {
        let encoder = self.encoder.take().ok_or_else(broken)?;
        let out =
            tokio::task::spawn_blocking(move || encoder.finish()).await.map_err(|_| broken())?;
        out.map(Bytes::from).map_err(|_| broken())
    }
}

fn broken() -> Error {
    Error::Internal { what: "the zstd encoder failed".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_goes_in_comes_out_whatever_pieces_it_comes_in() {
        let file: Vec<u8> = (0..3_000_000_u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        let mut packed = Vec::new();
        for piece in [file.len(), 100_000] {
            let mut stream = Zstd::new(3).unwrap();
            let mut out = Vec::new();
            for block in file.chunks(piece) {
                out.extend_from_slice(&stream.push(Bytes::copy_from_slice(block)).await.unwrap());
            }
            out.extend_from_slice(&stream.finish().await.unwrap());
            assert!(::zstd::decode_all(out.as_slice()).unwrap() == file);
            packed.push(out);
        }
        assert!(packed[0] == packed[1]);
    }
}
