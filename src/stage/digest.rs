//! The digests of a file on its way, as `md5sum` and `sha256sum` give them.

use std::collections::VecDeque;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::{Bytes, BytesMut};
use md5::{Digest, Md5};
use parking_lot::Mutex;
use sha2::Sha256;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Error, Result};

/// An MD5.
pub(super) type Md5Bytes = [u8; 16];

/// A SHA-256.
pub(super) type Sha256Bytes = [u8; 32];

/// Both digests of a file. The MD5 is what storages and people compare, the SHA-256 is what can't be
/// forged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Digests {
    /// `None` where it was not computed.
    pub(super) md5: Option<Md5Bytes>,
    pub(super) sha256: Sha256Bytes,
}

/// Small blocks are collected up to this before a thread is woken for them. A file that is no larger is digested at
/// once: that takes 0.1 ms.
const BATCH_BYTES: usize = 64 * 1024;

/// What may wait for a digest: so much that its thread is never without work while the next blocks come, for waking
/// it takes as long as the MD5 of some 64 KiB.
const WAITING_BYTES: usize = 1024 * 1024;

/// Computes the digests of what it is given on threads for blocking work, one for each, while the
/// caller writes the same blocks.
pub(super) struct Digester {
    batch: BytesMut,
    md5: Option<Running<Md5>>,
    sha256: Running<Sha256>,
}

impl Digester {
    /// Computes the SHA-256, and the MD5 if it is wanted.
    pub(super) fn new(with_md5: bool) -> Digester {
        let md5 = with_md5.then(Running::default);
        Digester { batch: BytesMut::new(), md5, sha256: Running::default() }
    }

    /// Takes the next block. Waits while too much of what came before is not digested.
    pub(super) async fn push(&mut self, block: Bytes) -> Result<()> {
        if self.batch.len() + block.len() < BATCH_BYTES {
            self.batch.extend_from_slice(&block);
            return Ok(());
        }
        if !self.batch.is_empty() {
            let batch = std::mem::take(&mut self.batch).freeze();
            self.hand_on(batch).await?;
        }
        self.hand_on(block).await
    }

    async fn hand_on(&self, block: Bytes) -> Result<()> {
        if let Some(md5) = &self.md5 {
            md5.push(block.clone()).await?;
        }
        self.sha256.push(block).await
    }

    /// The digests of everything.
    pub(super) async fn finish(self) -> Result<Digests> {
        let mut sha256 = self.sha256.finish().await?;
        sha256.update(&self.batch);
        let md5 = match self.md5 {
            Some(md5) => Some(md5.finish().await?.chain_update(&self.batch).finalize().into()),
            None => None,
        };
        Ok(Digests { md5, sha256: sha256.finalize().into() })
    }
}

/// One digest. A thread computes it as long as there are blocks, and is free for others when there are none.
struct Running<D> {
    queue: Arc<Mutex<Queue<D>>>,
    /// A permit for each byte that may wait.
    room: Arc<Semaphore>,
}

struct Queue<D> {
    /// With the permits of its bytes.
    blocks: VecDeque<(Bytes, OwnedSemaphorePermit)>,
    /// `None` while a thread has it.
    digest: Option<D>,
}

impl<D: Digest> Default for Running<D> {
    fn default() -> Running<D> {
        let queue = Queue { blocks: VecDeque::new(), digest: Some(D::new()) };
        Running {
            queue: Arc::new(Mutex::new(queue)),
            room: Arc::new(Semaphore::new(WAITING_BYTES)),
        }
    }
}

impl<D: Digest + Send + 'static> Running<D> {
    async fn push(&self, block: Bytes) -> Result<()> {
        let bytes = block.len().min(WAITING_BYTES);
        let permit = self.room(bytes).await?;
        let mut queue = self.queue.lock();
        queue.blocks.push_back((block, permit));
        if let Some(digest) = queue.digest.take() {
            let queue = Arc::clone(&self.queue);
            tokio::task::spawn_blocking(move || compute(&queue, digest));
        }
        Ok(())
    }

    async fn finish(self) -> Result<D> {
        let _all = self.room(WAITING_BYTES).await?;
        let digest = self.queue.lock().digest.take();
        digest.ok_or_else(|| Error::Internal { what: "a digest is still computed".to_owned() })
    }

    async fn room(&self, bytes: usize) -> Result<OwnedSemaphorePermit> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(bytes).await;
        room.map_err(|error| Error::Internal { what: error.to_string() })
    }
}

/// Goes on until no block is left.
fn compute<D: Digest>(queue: &Mutex<Queue<D>>, mut digest: D) {
    let mut done = None;
    loop {
        let mut waiting = queue.lock();
        let Some((block, permit)) = waiting.blocks.pop_front() else {
            waiting.digest = Some(digest);
            break;
        };
        drop(waiting);
        digest.update(&block);
        drop(done.replace(permit));
    }
    // The last bytes make room once the digest is back: who waits for all of it takes it then.
    drop(done);
}

/// The MD5 in a `Content-MD5`.
pub(super) fn of_content_md5(text: &str) -> Option<Md5Bytes> {
    BASE64.decode(text).ok()?.try_into().ok()
}

/// The MD5 that an ETag of S3 and its like is, for what was uploaded in one piece. That of several
/// pieces has a `-` in it.
pub(super) fn of_etag(etag: &str) -> Option<Md5Bytes> {
    of_hex(etag.trim_matches('"'))
}

/// The digest of its hexadecimal digits.
pub(super) fn of_hex<const BYTES: usize>(text: &str) -> Option<[u8; BYTES]> {
    let mut digest = [0; BYTES];
    hex::decode_to_slice(text, &mut digest).ok()?;
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: &str = "d41d8cd98f00b204e9800998ecf8427e";

    #[test]
    fn an_etag_is_a_digest_only_where_it_looks_like_one() {
        let etag = |text| of_etag(text).map(hex::encode);
        assert_eq!(etag("\"D41D8CD98F00B204E9800998ECF8427E\"").as_deref(), Some(NOTHING));
        assert_eq!(etag("\"d41d8cd98f00b204e9800998ecf8427e-2\""), None);
        assert_eq!(etag("W/\"0x8DC\""), None);
        assert_eq!(of_content_md5("1B2M2Y8AsgTpgAmY7PhCfg==").map(hex::encode), etag(NOTHING));
        assert_eq!(of_content_md5("AAAA"), None);
    }

    #[tokio::test]
    async fn the_digest_is_of_all_blocks_in_order() {
        let nothing = Digester::new(true).finish().await.expect("finished");
        assert_eq!(nothing.md5.map(hex::encode).as_deref(), Some(NOTHING));
        let mut digester = Digester::new(true);
        let whole: Vec<u8> = (0..2_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
        for block in [&whole[..10], &whole[10..900_000], &whole[900_000..]] {
            digester.push(Bytes::copy_from_slice(block)).await.expect("taken");
        }
        let found = digester.finish().await.expect("finished");
        assert_eq!(found.md5, Some(<Md5Bytes>::from(Md5::digest(&whole))));
        assert_eq!(found.sha256, <Sha256Bytes>::from(Sha256::digest(&whole)));
        let mut digester = Digester::new(false);
        digester.push(Bytes::from(whole)).await.expect("taken");
        let alone = digester.finish().await.expect("finished");
        assert_eq!(alone, Digests { md5: None, ..found });
    }
}
