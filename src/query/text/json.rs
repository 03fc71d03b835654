//! JSON: objects one behind the other, or the elements of one array.

use bytes::{Bytes, BytesMut};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::json::ReaderBuilder;
use datafusion::arrow::json::reader::Decoder;
use datafusion::common::{DataFusionError, Result};
use futures::stream::{self, StreamExt, TryStreamExt};

use super::bytes::Blocks;
use super::{line_ends, wrong, wrong_at};

/// The elements of an array one behind the other, with as many lines; a text that is no array as it is.
pub(super) fn elements(text: Blocks) -> Blocks {
    let state = (Some(text), Array { state: State::Unknown, line: 1 });
    stream::try_unfold(state, |(text, mut array)| async move {
        let Some(mut text) = text else { return Ok(None) };
        match text.try_next().await? {
            Some(block) => {
                let block = array.unwrap(block)?;
                Ok::<_, DataFusionError>(Some((block, (Some(text), array))))
            }
            None => {
                array.end()?;
                Ok(None)
            }
        }
    })
    .boxed()
}

/// Whether a text is an array.
pub(super) fn is_array(text: &[u8]) -> bool {
    text.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[')
}

struct Array {
    state: State,
    line: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Unknown,
    /// It is no array.
    Plain,
    /// In an element, that deep in objects and arrays.
    Value {
        depth: usize,
    },
    Text {
        depth: usize,
    },
    /// Behind a backslash in a text.
    Escaped {
        depth: usize,
    },
    Ended,
}

impl Array {
    fn unwrap(&mut self, block: Bytes) -> Result<Bytes> {
        if self.state == State::Plain {
            return Ok(block);
        }
        if self.state == State::Unknown {
            match block.iter().find(|byte| !byte.is_ascii_whitespace()) {
                None => {
                    self.line += line_ends(&block);
                    return Ok(block);
                }
                Some(b'[') => {}
                Some(_) => {
                    self.state = State::Plain;
                    return Ok(block);
                }
            }
        }
        let mut text = BytesMut::from(block);
        for byte in text.iter_mut() {
            self.step(byte)?;
        }
        Ok(text.freeze())
    }

    fn step(&mut self, byte: &mut u8) -> Result<()> {
        if *byte == b'\n' {
            self.line += 1;
        }
        self.state = match (self.state, *byte) {
            (State::Unknown, b'[') => {
                *byte = b' ';
                State::Value { depth: 0 }
            }
            (State::Value { depth: 0 }, b',') => {
                *byte = b' ';
                State::Value { depth: 0 }
            }
            (State::Value { depth: 0 }, b']') => {
                *byte = b' ';
                State::Ended
            }
            (State::Value { depth }, b'{' | b'[') => State::Value { depth: depth + 1 },
            (State::Value { depth }, b'}' | b']') => {
                State::Value { depth: depth.saturating_sub(1) }
            }
            (State::Value { depth }, b'"') => State::Text { depth },
            (State::Text { depth }, b'"') => State::Value { depth },
            (State::Text { depth }, b'\\') => State::Escaped { depth },
            (State::Escaped { depth }, _) => State::Text { depth },
            (State::Ended, byte) if !byte.is_ascii_whitespace() => {
                return Err(wrong_at(self.line, "there is text behind the end of the array, in"));
            }
            (state, _) => state,
        };
        Ok(())
    }

    fn end(&self) -> Result<()> {
        match self.state {
            State::Unknown | State::Plain | State::Ended => Ok(()),
            State::Value { .. } | State::Text { .. } | State::Escaped { .. } => {
                Err(wrong("its array is never closed"))
            }
        }
    }
}

/// Batches of one file.
pub(super) struct Batches {
    schema: SchemaRef,
    rows: usize,
    decoder: Decoder,
}

fn decoder(schema: &SchemaRef, rows: usize) -> Result<Decoder> {
    // A number where texts are is one of them.
    let builder = ReaderBuilder::new(schema.clone()).with_coerce_primitive(true);
    Ok(builder.with_batch_size(rows).build_decoder()?)
}

impl Batches {
    pub(super) fn new(schema: SchemaRef, rows: usize) -> Result<Batches> {
        let decoder = decoder(&schema, rows)?;
        Ok(Batches { schema, rows, decoder })
    }

    pub(super) fn decode(&mut self, text: &[u8]) -> std::result::Result<usize, ArrowError> {
        self.decoder.decode(text)
    }

    /// The rows that were read, of the bytes of just these.
    pub(super) fn flush(
        &mut self,
        pieces: &[Bytes],
        first_line: u64,
    ) -> Result<Option<RecordBatch>> {
        let read = self.decoder.flush();
        read.map_err(|error| self.refused(error, &pieces.concat(), first_line))
    }

    /// What is wrong in text that the decoder refused: these bytes begin with a row.
    pub(super) fn refused(
        &self,
        error: ArrowError,
        text: &[u8],
        first_line: u64,
    ) -> DataFusionError {
        match self.row_by_row(text) {
            Ok(None) => error.into(),
            Ok(Some((at, why))) => {
                let blank = text.get(at..).unwrap_or_default();
                let blank = blank.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
                let line = first_line + line_ends(text.get(..at + blank).unwrap_or(text));
                wrong_at(line, format_args!("{}, in", sentence(&why)))
            }
            Err(error) => error,
        }
    }

    /// Where the row begins that is wrong, and what is.
    fn row_by_row(&self, text: &[u8]) -> Result<Option<(usize, ArrowError)>> {
        let mut decoder = decoder(&self.schema, 1)?;
        let mut at = 0;
        loop {
            let rest = text.get(at..).unwrap_or_default();
            let read = match decoder.decode(rest).and_then(|read| decoder.flush().map(|_| read)) {
                Ok(read) => read,
                Err(error) => return Ok(Some((at, error))),
            };
            if read == 0 {
                return Ok(None);
            }
            at += read;
        }
    }

    /// How many rows wait.
    pub(super) fn waiting(&self) -> usize {
        self.decoder.len().min(self.rows)
    }
}

/// What Arrow says, without the kind of error before it.
fn sentence(error: &ArrowError) -> String {
    let text = error.to_string();
    let text = text.strip_prefix("Json error: ").unwrap_or(&text);
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unwrapped(text: &str, cut: usize) -> std::result::Result<String, String> {
        let mut array = Array { state: State::Unknown, line: 1 };
        let mut out = String::new();
        for piece in text.as_bytes().chunks(cut) {
            let piece =
                array.unwrap(Bytes::copy_from_slice(piece)).map_err(|error| error.to_string())?;
            out.push_str(&String::from_utf8_lossy(&piece));
        }
        array.end().map(|()| out).map_err(|error| error.to_string())
    }

    #[test]
    fn an_array_is_its_elements() {
        for cut in 1..7 {
            let text = " [\n{\"a\":[1,{\"b\":\"],\\\"}\"}]},\n{}\n] \n";
            let expected = "  \n{\"a\":[1,{\"b\":\"],\\\"}\"}]} \n{}\n  \n";
            assert_eq!(unwrapped(text, cut).as_deref(), Ok(expected));
            assert_eq!(unwrapped("{\"a\":1}\n{}", cut).as_deref(), Ok("{\"a\":1}\n{}"));
            assert!(unwrapped("[{}\n", cut).is_err_and(|why| why.contains("never closed")));
            assert!(unwrapped("[]\n,{}", cut).is_err_and(|why| why.contains("line 2")));
        }
    }
}
