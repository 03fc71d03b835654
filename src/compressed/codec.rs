//! zlib and zstd, a frame at a time.

use std::io;

use flate2::{Compress, Decompress, FlushCompress, FlushDecompress, Status};
use zstd::bulk::Compressor;
use zstd::stream::raw::{DParameter, Decoder, Operation};

use super::Compression;
use crate::config::Algorithm;

/// A frame becomes less than 2^24 bytes, so nothing in it is ever farther back.
const WINDOW_LOG: u32 = 24;

/// Unpacks frames.
pub(super) enum Unpacker {
    Zlib(Box<Decompress>),
    Zstd(Box<Decoder<'static>>),
}

/// What one step of unpacking did.
#[derive(Debug)]
pub(super) struct Step {
    /// Bytes of the input.
    pub(super) taken: usize,
    /// Bytes of the output.
    pub(super) given: usize,
    /// Whether that was the last.
    pub(super) end: bool,
}

impl Unpacker {
    pub(super) fn new(algorithm: Algorithm) -> io::Result<Unpacker> {
        Ok(match algorithm {
            Algorithm::Zlib => Unpacker::Zlib(Box::new(Decompress::new(true))),
            Algorithm::Zstd => {
                let mut decoder = Decoder::new()?;
                decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG))?;
                Unpacker::Zstd(Box::new(decoder))
            }
        })
    }

    /// A frame begins.
    pub(super) fn begin(&mut self) -> io::Result<()> {
        match self {
            Unpacker::Zlib(inflate) => inflate.reset(true),
            Unpacker::Zstd(decoder) => decoder.reinit()?,
        }
        Ok(())
    }

    /// Unpacks what there is room for.
    pub(super) fn step(&mut self, from: &[u8], to: &mut [u8]) -> io::Result<Step> {
        match self {
            Unpacker::Zlib(inflate) => {
                let (taken, given) = (inflate.total_in(), inflate.total_out());
                let status = inflate.decompress(from, to, FlushDecompress::None)?;
                let step = |before, after: u64| usize::try_from(after - before).unwrap_or_default();
                Ok(Step {
                    taken: step(taken, inflate.total_in()),
                    given: step(given, inflate.total_out()),
                    end: status == Status::StreamEnd,
                })
            }
            Unpacker::Zstd(decoder) => {
                let status = decoder.run_on_buffers(from, to)?;
                Ok(Step {
                    taken: status.bytes_read,
                    given: status.bytes_written,
                    end: status.remaining == 0,
                })
            }
        }
    }
}

/// Packs frames.
pub(super) enum Packer {
    Zlib(Box<Compress>),
    Zstd(Box<Compressor<'static>>),
}

impl Packer {
    pub(super) fn new(how: Compression) -> io::Result<Packer> {
        Ok(match how.algorithm {
            Algorithm::Zlib => {
                let level = flate2::Compression::new(u32::from(how.level));
                Packer::Zlib(Box::new(Compress::new(level, true)))
            }
            Algorithm::Zstd => Packer::Zstd(Box::new(Compressor::new(i32::from(how.level))?)),
        })
    }

    /// Packs bytes; how long they have become. `None`: longer than there is room.
    pub(super) fn pack(&mut self, bytes: &[u8], room: &mut [u8]) -> io::Result<Option<usize>> {
        match self {
            Packer::Zlib(deflate) => {
                deflate.reset();
                let status = deflate.compress(bytes, room, FlushCompress::Finish)?;
                let length = usize::try_from(deflate.total_out()).unwrap_or(usize::MAX);
                Ok((status == Status::StreamEnd).then_some(length))
            }
            // That there is no room is the one way in which this fails.
            Packer::Zstd(compressor) => Ok(compressor.compress_to_buffer(bytes, room).ok()),
        }
    }
}
