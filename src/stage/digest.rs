//! The digests of a file on its way, as `md5sum` and `sha256sum` give them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use md5::{Digest, Md5};
use sha2::Sha256;
use tokio::task::JoinHandle;

use crate::error::{Error, Result};

/// An MD5.
pub(super) type Md5Bytes = [u8; 16];

/// A SHA-256.
pub(super) type Sha256Bytes = [u8; 32];

/// Both digests of a file. The MD5 is what storages and people compare, the SHA-256 is what can't be
/// forged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Digests {
    pub(super) md5: Md5Bytes,
    pub(super) sha256: Sha256Bytes,
}

/// Small blocks are collected up to this before a thread is given them: below it the change of the
/// thread would cost more than the digests.
const BATCH_BYTES: usize = 256 * 1024;

/// Computes the digests of what it is given on threads for blocking work, one for each, while the
/// caller writes the same block: neither is ahead of the other by more than a batch.
#[derive(Default)]
pub(super) struct Digester {
    waiting: Vec<Bytes>,
    waiting_bytes: usize,
    md5: Running<Md5>,
    sha256: Running<Sha256>,
}

impl Digester {
    /// Takes the next block.
    pub(super) async fn push(&mut self, block: Bytes) -> Result<()> {
        self.waiting_bytes += block.len();
        self.waiting.push(block);
        if self.waiting_bytes >= BATCH_BYTES { self.start().await } else { Ok(()) }
    }

    /// The digests of everything.
    pub(super) async fn finish(mut self) -> Result<Digests> {
        self.start().await?;
        let (md5, sha256) = (self.md5.last().await?, self.sha256.last().await?);
        Ok(Digests { md5: md5.finalize().into(), sha256: sha256.finalize().into() })
    }

    async fn start(&mut self) -> Result<()> {
        let blocks = std::mem::take(&mut self.waiting);
        self.waiting_bytes = 0;
        self.md5.start(blocks.clone()).await?;
        self.sha256.start(blocks).await
    }
}

/// One digest, and the thread that computes it.
struct Running<D>(Option<JoinHandle<D>>);

impl<D> Default for Running<D> {
    fn default() -> Running<D> {
        Running(None)
    }
}

impl<D: Digest + Send + 'static> Running<D> {
    async fn start(&mut self, blocks: Vec<Bytes>) -> Result<()> {
        let mut digest = self.last().await?;
        self.0 = Some(tokio::task::spawn_blocking(move || {
            blocks.iter().for_each(|block| digest.update(block));
            digest
        }));
        Ok(())
    }

    async fn last(&mut self) -> Result<D> {
        match self.0.take() {
            Some(running) => {
                running.await.map_err(|error| Error::Internal { what: error.to_string() })
            }
            None => Ok(D::new()),
        }
    }
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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
    if text.len() != 2 * BYTES || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, digits) in digest.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: &str = "d41d8cd98f00b204e9800998ecf8427e";

    #[test]
    fn an_etag_is_a_digest_only_where_it_looks_like_one() {
        let etag = |text| of_etag(text).map(|md5| hex(&md5));
        assert_eq!(etag("\"D41D8CD98F00B204E9800998ECF8427E\"").as_deref(), Some(NOTHING));
        assert_eq!(etag("\"d41d8cd98f00b204e9800998ecf8427e-2\""), None);
        assert_eq!(etag("W/\"0x8DC\""), None);
        assert_eq!(of_content_md5("1B2M2Y8AsgTpgAmY7PhCfg==").map(|md5| hex(&md5)), etag(NOTHING));
        assert_eq!(of_content_md5("AAAA"), None);
    }

    #[tokio::test]
    async fn the_digest_is_of_all_blocks_in_order() {
        let nothing = Digester::default().finish().await.expect("finished");
        assert_eq!(hex(&nothing.md5), NOTHING);
        let mut digester = Digester::default();
        let whole: Vec<u8> = (0..2_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
        for block in [&whole[..10], &whole[10..900_000], &whole[900_000..]] {
            digester.push(Bytes::copy_from_slice(block)).await.expect("taken");
        }
        let found = digester.finish().await.expect("finished");
        assert_eq!(found.md5, <Md5Bytes>::from(Md5::digest(&whole)));
        assert_eq!(found.sha256, <Sha256Bytes>::from(Sha256::digest(&whole)));
    }
}
