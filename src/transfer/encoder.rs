//! Compression on the way, whichever kind.

use async_compression::tokio::write::BzEncoder;
use bytes::Bytes;
use tokio::io::AsyncWriteExt;

use crate::config;
use crate::error::{Error, Result};
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
            AutoCompress::Gzip => Some(Encoder::gzip(transfer)),
            AutoCompress::Zstd => Some(Encoder::zstd(transfer)?),
        })
    }
}

/// A compressed stream that grows.
pub enum Encoder {
    /// Bzip2, on one core.
    Bzip2(Box<BzEncoder<Vec<u8>>>),
    /// Gzip.
    Gzip(Gzip),
    /// Zstandard.
    Zstd(Zstd),
}

impl Encoder {
    /// A stream of gzip.
    pub fn gzip(transfer: &config::Transfer) -> Encoder {
        Encoder::Gzip(Gzip::new(transfer.gzip_level))
    }

    /// A frame of Zstandard.
    pub fn zstd(transfer: &config::Transfer) -> Result<Encoder> {
        Ok(Encoder::Zstd(Zstd::new(transfer.zstd_level)?))
    }

    /// A stream of bzip2.
    pub fn bzip2() -> Encoder {
        Encoder::Bzip2(Box::new(BzEncoder::new(Vec::new())))
    }

    /// Takes bytes; gives what has come out by now, which may be nothing.
    pub async fn push(&mut self, bytes: Bytes) -> Result<Vec<Bytes>> {
        match self {
            Encoder::Bzip2(bzip2) => {
                bzip2.write_all(&bytes).await.map_err(|_| broken())?;
                Ok(vec![std::mem::take(bzip2.get_mut()).into()])
            }
            Encoder::Gzip(gzip) => gzip.push(bytes).await,
            Encoder::Zstd(zstd) => Ok(vec![zstd.push(bytes).await?]),
        }
    }

    /// Ends the stream; gives the rest of it.
    pub async fn finish(self) -> Result<Vec<Bytes>> {
        match self {
            Encoder::Bzip2(mut bzip2) => {
                bzip2.shutdown().await.map_err(|_| broken())?;
                Ok(vec![bzip2.into_inner().into()])
            }
            Encoder::Gzip(gzip) => gzip.finish().await,
            Encoder::Zstd(zstd) => Ok(vec![zstd.finish().await?]),
        }
    }
}

fn broken() -> Error {
    Error::Internal { what: "the bzip2 encoder failed".to_owned() }
}
