//! Compression on the way, whichever kind.

use bytes::Bytes;

use crate::config;
use crate::error::Result;
use crate::transfer::compression::Compression;
use crate::transfer::gzip::Gzip;
use crate::transfer::zstd::Zstd;

/// What `AUTO_COMPRESS` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AutoCompress {
    /// Leave files as they are.
    No,
    /// Gzip, which every reader of stages knows.
    Gzip,
    /// Zstandard: faster and smaller.
    Zstd,
}

impl AutoCompress {
    /// What a file that is not compressed becomes.
    pub fn target(self) -> Compression {
        match self {
            AutoCompress::No => Compression::None,
            AutoCompress::Gzip => Compression::Gzip,
            AutoCompress::Zstd => Compression::Zstd,
        }
    }

    /// What is added to the name of a file that is compressed on the way.
    pub fn extension(self) -> &'static str {
        match self {
            AutoCompress::No => "",
            AutoCompress::Gzip => ".gz",
            AutoCompress::Zstd => ".zst",
        }
    }

    /// An encoder, if there is anything to do.
    pub fn encoder(self, transfer: &config::Transfer) -> Result<Option<Encoder>> {
        Ok(match self {
            AutoCompress::No => None,
            AutoCompress::Gzip => Some(Encoder::Gzip(Gzip::new(transfer.gzip_level))),
            AutoCompress::Zstd => Some(Encoder::Zstd(Zstd::new(transfer.zstd_level)?)),
        })
    }
}

/// A compressed stream that grows.
pub enum Encoder {
    /// Gzip.
    Gzip(Gzip),
    /// Zstandard.
    Zstd(Zstd),
}

impl Encoder {
    /// Takes bytes; gives what has come out by now, which may be nothing.
    pub async fn push(&mut self, bytes: Bytes) -> Result<Vec<Bytes>> {
        match self {
            Encoder::Gzip(gzip) => gzip.push(bytes).await,
            Encoder::Zstd(zstd) => Ok(vec![zstd.push(bytes).await?]),
        }
    }

    /// Ends the stream; gives the rest of it.
    pub async fn finish(self) -> Result<Vec<Bytes>> {
        match self {
            Encoder::Gzip(gzip) => gzip.finish().await,
            Encoder::Zstd(zstd) => Ok(vec![zstd.finish().await?]),
        }
    }
}
