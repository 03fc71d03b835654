//! The bytes of a file as text: unpacked, in UTF-8, without byte order mark and without lines to skip.

use std::io;

use async_compression::tokio::bufread::{BzDecoder, GzipDecoder, XzDecoder, ZstdDecoder};
use bytes::{Bytes, BytesMut};
use datafusion::common::{DataFusionError, Result};
use encoding_rs::{DecoderResult, Encoding, UTF_8};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use tokio::io::{AsyncRead, BufReader};
use tokio_util::io::{ReaderStream, StreamReader};

use super::super::format::Compression;
use super::{line_ends, wrong, wrong_at};

/// Bytes of one block that was unpacked.
const BLOCK: usize = 256 << 10;

/// What the text of a file begins with that says that it is UTF-8.
const MARK: &[u8] = b"\xEF\xBB\xBF";

/// How the bytes of a file become text.
#[derive(Debug, Clone)]
pub(in super::super) struct How {
    /// How it is packed.
    pub(in super::super) compression: Compression,
    /// The encoding of its characters.
    pub(in super::super) encoding: &'static Encoding,
    /// Whether what is no character becomes U+FFFD.
    pub(in super::super) lossy: bool,
    /// Lines to pass over at the beginning.
    pub(in super::super) skip: u64,
}

impl How {
    /// Whether a part of a file can't be read without what is before it.
    pub(super) fn is_packed(&self) -> bool {
        self.compression != Compression::None || self.encoding != UTF_8
    }
}

/// A stream of blocks.
pub(in super::super) type Blocks = BoxStream<'static, Result<Bytes>>;

/// The text of a whole file.
pub(super) fn text(raw: Blocks, how: &How) -> Blocks {
    let text = decoded(unpacked(raw, how.compression), how, true);
    if how.skip == 0 { text } else { without_lines(text, how.skip) }
}

/// The text of a part that begins with a line.
pub(super) fn part(raw: Blocks, how: &How) -> Blocks {
    decoded(raw, how, false)
}

fn unpacked(raw: Blocks, compression: Compression) -> Blocks {
    macro_rules! by {
        ($decoder:ident, $name:expr) => {{
            let bytes = StreamReader::new(raw.map_err(io::Error::other));
            let mut decoder = $decoder::new(BufReader::with_capacity(BLOCK, bytes));
            decoder.multiple_members(true);
            blocks(decoder, $name)
        }};
    }
    match compression {
        Compression::None => raw,
        Compression::Gzip => by!(GzipDecoder, "gzip"),
        Compression::Bzip2 => by!(BzDecoder, "bzip2"),
        Compression::Xz => by!(XzDecoder, "xz"),
        Compression::Zstd => by!(ZstdDecoder, "zstd"),
    }
}

fn blocks(reader: impl AsyncRead + Send + 'static, name: &'static str) -> Blocks {
    let failed = move |error: io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof => wrong(format!("its {name} data ends too early")),
        // One of the storage's, on its way through the decoder.
        _ if error.get_ref().is_some_and(|inner| inner.is::<DataFusionError>()) => {
            DataFusionError::IoError(error)
        }
        _ => wrong(format!("its {name} data is damaged: {error}")),
    };
    ReaderStream::with_capacity(reader, BLOCK).map_err(failed).boxed()
}

/// Text in UTF-8 of blocks that are cut anywhere.
fn decoded(bytes: Blocks, how: &How, skips_mark: bool) -> Blocks {
    let decoder = match how.encoding == UTF_8 && !how.lossy {
        true => Decoder::Check { open: Bytes::new(), starts: skips_mark },
        false if skips_mark => {
            Decoder::Decode(Box::new(how.encoding.new_decoder_with_bom_removal()))
        }
        false => Decoder::Decode(Box::new(how.encoding.new_decoder_without_bom_handling())),
    };
    let state =
        State { bytes: Some(bytes), decoder, lossy: how.lossy, line: 1, name: how.encoding.name() };
    stream::try_unfold(state, |mut state| async move {
        loop {
            let Some(bytes) = &mut state.bytes else { return Ok(None) };
            let block = bytes.try_next().await?;
            let last = block.is_none();
            let text = state.take(block.unwrap_or_default(), last)?;
            if last {
                state.bytes = None;
            }
            if !text.is_empty() {
                return Ok(Some((text, state)));
            }
        }
    })
    .boxed()
}

enum Decoder {
    /// UTF-8, which is only looked at: the bytes of a character that is not yet whole, and whether a mark may
    /// come.
    Check { open: Bytes, starts: bool },
    /// Another encoding.
    Decode(Box<encoding_rs::Decoder>),
}

struct State {
    /// `None` behind the end.
    bytes: Option<Blocks>,
    decoder: Decoder,
    lossy: bool,
    line: u64,
    name: &'static str,
}

impl State {
    fn take(&mut self, block: Bytes, last: bool) -> Result<Bytes> {
        let (line, name) = (self.line, self.name);
        let text = match &mut self.decoder {
            Decoder::Check { open, starts } => {
                let mut block = match open.is_empty() {
                    true => block,
                    false => [std::mem::take(open), block].concat().into(),
                };
                if *starts && block.len() < MARK.len() && MARK.starts_with(&block) && !last {
                    *open = block;
                    return Ok(Bytes::new());
                }
                if std::mem::take(starts) && block.starts_with(MARK) {
                    block = block.slice(MARK.len()..);
                }
                let whole = whole(&block, last).map_err(|at| broken(&block, at, line, name))?;
                *open = block.split_off(whole);
                block
            }
            Decoder::Decode(decoder) => decode(decoder, &block, last, self.lossy)
                .map_err(|before| broken(before.as_bytes(), before.len(), line, name))?,
        };
        self.line += line_ends(&text);
        Ok(text)
    }
}

/// What is no character begins at this byte of a block, which begins in this line.
fn broken(block: &[u8], at: usize, line: u64, encoding: &str) -> DataFusionError {
    let line = line + line_ends(block.get(..at).unwrap_or(block));
    wrong_at(line, format_args!("there are bytes that are no {encoding} in"))
}

/// How many bytes are whole characters; or where what is none begins.
fn whole(block: &[u8], last: bool) -> std::result::Result<usize, usize> {
    match std::str::from_utf8(block) {
        Ok(_) => Ok(block.len()),
        Err(error) if error.error_len().is_none() && !last => Ok(error.valid_up_to()),
        Err(error) => Err(error.valid_up_to()),
    }
}

/// The text of a block; or the text before what is none.
fn decode(
    decoder: &mut encoding_rs::Decoder,
    block: &[u8],
    last: bool,
    lossy: bool,
) -> std::result::Result<Bytes, String> {
    let mut text =
        String::with_capacity(decoder.max_utf8_buffer_length(block.len()).unwrap_or(block.len()));
    if lossy {
        // The capacity is enough for all of it.
        let _ = decoder.decode_to_string(block, &mut text, last);
        return Ok(text.into());
    }
    match decoder.decode_to_string_without_replacement(block, &mut text, last) {
        (DecoderResult::InputEmpty | DecoderResult::OutputFull, _) => Ok(text.into()),
        (DecoderResult::Malformed(..), _) => Err(text),
    }
}

/// Everything but the first lines.
fn without_lines(text: Blocks, lines: u64) -> Blocks {
    let state = (text, lines);
    stream::try_unfold(state, |(mut text, mut left)| async move {
        while let Some(block) = text.try_next().await? {
            let mut rest = block;
            while left > 0 && !rest.is_empty() {
                match memchr::memchr(b'\n', &rest) {
                    Some(end) => {
                        left -= 1;
                        rest = rest.split_off(end + 1);
                    }
                    None => rest.clear(),
                }
            }
            if !rest.is_empty() {
                return Ok(Some((rest, (text, left))));
            }
        }
        Ok(None)
    })
    .boxed()
}

/// The beginning of a text: at least this many bytes, or all there are; and whether these are all.
pub(super) async fn beginning(text: &mut Blocks, bytes: usize) -> Result<(BytesMut, bool)> {
    let mut all = BytesMut::new();
    while all.len() < bytes {
        match text.try_next().await? {
            Some(block) => all.extend_from_slice(&block),
            None => return Ok((all, true)),
        }
    }
    Ok((all, false))
}
