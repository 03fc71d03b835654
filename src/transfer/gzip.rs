//! Gzip on the way, on all cores, with the same bytes out for the same bytes in: no time, no name,
//! and blocks that do not depend on how the file came.
//!
//! A file is cut into blocks of [`BLOCK`]. Each is compressed on its own thread, with the end of
//! the block before it as its dictionary, and ends on a byte boundary (`Z_SYNC_FLUSH`), so that one
//! behind the other they are one gzip member (RFC 1952), as any tool reads it. pigz does the same.

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};
use flate2::{Compress, Compression, Crc, FlushCompress, Status};
use tokio::task::JoinHandle;

use crate::error::{Error, Result};

/// Large enough that block ends cost nothing (0.1 %), small enough that short files use all cores.
const BLOCK: usize = 256 * 1024;

/// As far back as deflate can refer.
const WINDOW: usize = 32 * 1024;

/// Magic, deflate, no flags, no time, fastest, unknown system (RFC 1952, 2.3).
const HEADER: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255];

/// What a block without anything left to do costs to compress where it is, in bytes.
const INLINE_BYTES: usize = 16 * 1024;

/// A gzip stream that grows.
pub struct Gzip {
    level: Compression,
    /// What has come since the last full block.
    block: BytesMut,
    /// The end of the last full block.
    window: Bytes,
    /// Blocks that are being compressed, in order.
    running: VecDeque<JoinHandle<Result<Bytes>>>,
    /// So many at a time.
    cores: usize,
    crc: Crc,
    begun: bool,
}

impl Gzip {
    /// An empty stream. `level` is 1 to 9.
    pub fn new(level: u32) -> Gzip {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Gzip {
            level: Compression::new(level.clamp(1, 9)),
            block: BytesMut::new(),
            window: Bytes::new(),
            running: VecDeque::new(),
            cores,
            crc: Crc::new(),
            begun: false,
        }
    }

    /// Takes bytes; gives what has come out by now, in order, which may be nothing.
    pub async fn push(&mut self, mut bytes: Bytes) -> Result<Vec<Bytes>> {
        let mut out = self.header();
        while !bytes.is_empty() {
            let wanted = (BLOCK - self.block.len()).min(bytes.len());
            self.block.extend_from_slice(&bytes.split_to(wanted));
            if self.block.len() == BLOCK {
                let block = self.block.split().freeze();
                self.start(block);
            }
            while self.running.len() > self.cores {
                out.extend(self.oldest().await?);
            }
        }
        Ok(out)
    }

    /// Ends the stream; gives the rest of it.
    pub async fn finish(mut self) -> Result<Vec<Bytes>> {
        let mut out = self.header();
        while !self.running.is_empty() {
            out.extend(self.oldest().await?);
        }
        let block = self.block.split().freeze();
        self.crc.update(&block);
        let (level, window) = (self.level, self.window.clone());
        out.push(if block.len() <= INLINE_BYTES {
            compress(level, &window, &block, FlushCompress::Finish)?
        } else {
            on_a_thread(move || compress(level, &window, &block, FlushCompress::Finish)).await?
        });
        let mut trailer = BytesMut::with_capacity(8);
        trailer.put_u32_le(self.crc.sum());
        trailer.put_u32_le(self.crc.amount());
        out.push(trailer.freeze());
        Ok(out)
    }

    fn header(&mut self) -> Vec<Bytes> {
        if std::mem::replace(&mut self.begun, true) {
            Vec::new()
        } else {
            vec![Bytes::from_static(HEADER)]
        }
    }

    fn start(&mut self, block: Bytes) {
        self.crc.update(&block);
        let window = std::mem::replace(&mut self.window, block.slice(BLOCK - WINDOW..));
        let level = self.level;
        self.running.push_back(tokio::task::spawn_blocking(move || {
            compress(level, &window, &block, FlushCompress::Sync)
        }));
    }

    async fn oldest(&mut self) -> Result<Option<Bytes>> {
        match self.running.pop_front() {
            Some(running) => running.await.map_err(|_| broken())?.map(Some),
            None => Ok(None),
        }
    }
}

async fn on_a_thread(work: impl FnOnce() -> Result<Bytes> + Send + 'static) -> Result<Bytes> {
    tokio::task::spawn_blocking(work).await.map_err(|_| broken())?
}

/// One block, as raw deflate.
fn compress(
    level: Compression,
    window: &[u8],
    block: &[u8],
    flush: FlushCompress,
) -> Result<Bytes> {
    let mut deflate = Compress::new(level, false);
    if !window.is_empty() {
        deflate.set_dictionary(window).map_err(|_| broken())?;
    }
    // Most blocks shrink; one that doesn't grows by less than this.
    let mut out = Vec::with_capacity(block.len() + block.len() / 1000 + 64);
    loop {
        let taken = usize::try_from(deflate.total_in()).map_err(|_| broken())?;
        let rest = block.get(taken..).unwrap_or_default();
        let status = deflate.compress_vec(rest, &mut out, flush).map_err(|_| broken())?;
        let all_taken = deflate.total_in() == u64::try_from(block.len()).unwrap_or(u64::MAX);
        let done = if matches!(flush, FlushCompress::Finish) {
            status == Status::StreamEnd
        } else {
            // A flush is complete once it leaves room in the output.
            all_taken && out.len() < out.capacity()
        };
        if done {
            return Ok(out.into());
        }
        out.reserve(block.len() / 8 + 64);
    }
}

fn broken() -> Error {
    Error::Internal { what: "the gzip encoder failed".to_owned() }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    async fn gzip(blocks: &[&[u8]]) -> Vec<u8> {
        let mut stream = Gzip::new(1);
        let mut out = Vec::new();
        for block in blocks {
            out.extend(stream.push(Bytes::copy_from_slice(block)).await.unwrap());
        }
        out.extend(stream.finish().await.unwrap());
        out.concat()
    }

    fn gunzip(packed: &[u8]) -> Vec<u8> {
        let mut unpacked = Vec::new();
        // One member: a reader that stops behind the first sees all.
        flate2::read::GzDecoder::new(packed).read_to_end(&mut unpacked).unwrap();
        unpacked
    }

    /// Text-like, so that it shrinks, with a period that no block shares.
    fn text(bytes: usize) -> Vec<u8> {
        (0..bytes).map(|n| b'a' + u8::try_from((n * n / 7) % 23).unwrap()).collect()
    }

    #[tokio::test]
    async fn what_goes_in_comes_out() {
        for bytes in [0, 1, 100, WINDOW, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 5 * BLOCK + 17] {
            let file = text(bytes);
            assert!(gunzip(&gzip(&[&file]).await) == file, "{bytes} bytes");
        }
    }

    #[tokio::test]
    async fn the_same_whatever_pieces_it_comes_in() {
        let file = text(3 * BLOCK + 5);
        let whole = gzip(&[&file]).await;
        let pieces: Vec<&[u8]> = file.chunks(4093).collect();
        assert!(whole == gzip(&pieces).await);
        assert_eq!(whole.get(3..8), Some([0; 5].as_slice()), "no flags, no time");
    }

    #[tokio::test]
    async fn noise_grows_by_next_to_nothing() {
        let mut state = 1_u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56).to_le_bytes()[0]
        })
        .take(4 * BLOCK)
        .collect();
        let packed = gzip(&[&noise]).await;
        assert!(gunzip(&packed) == noise);
        assert!(packed.len() < noise.len() + noise.len() / 500, "{}", packed.len());
    }
}
