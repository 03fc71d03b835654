//! Whether a CSV file can be cut at its lines: whether no line's end is part of a value. All of the file is looked
//! at, far faster than it is read as CSV, so that several processors can read it then.

use bytes::Bytes;
use futures::TryStreamExt;
use futures::stream::BoxStream;

/// How the file is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Marks {
    pub(super) quote: u8,
    pub(super) delimiter: u8,
}

/// Where the look stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Outside of quotes, behind this byte.
    Outside(u8),
    Inside,
    /// Behind a quote that ends the value, or is the first of two that are one.
    Quote,
}

/// Whether each line of a file, which comes block by block, is a row. `false` in doubt too: where a quote stands
/// where none should.
pub(super) async fn are_rows(
    mut blocks: BoxStream<'_, object_store::Result<Bytes>>,
    marks: Marks,
) -> object_store::Result<bool> {
    let mut at = At::Outside(b'\n');
    while let Some(block) = blocks.try_next().await? {
        match pass(at, &block, marks) {
            Some(next) => at = next,
            None => return Ok(false),
        }
    }
    Ok(at != At::Inside)
}

/// Passes over some bytes; `None` if a line's end is in quotes, or it can't be told.
fn pass(mut at: At, mut bytes: &[u8], marks: Marks) -> Option<At> {
    while let Some((first, rest)) = bytes.split_first() {
        match at {
            At::Outside(before) => {
                let Some(quote) = memchr::memchr(marks.quote, bytes) else {
                    return bytes.last().map(|last| At::Outside(*last));
                };
                let before = match quote.checked_sub(1) {
                    Some(index) => *bytes.get(index)?,
                    None => before,
                };
                if before != marks.delimiter && !is_end(before) {
                    return None;
                }
                bytes = bytes.get(quote + 1..)?;
                at = At::Inside;
            }
            At::Inside => {
                let quote = memchr::memchr(marks.quote, bytes);
                let value = bytes.get(..quote.unwrap_or(bytes.len()))?;
                if memchr::memchr2(b'\n', b'\r', value).is_some() {
                    return None;
                }
                let Some(quote) = quote else { return Some(At::Inside) };
                bytes = bytes.get(quote + 1..)?;
                at = At::Quote;
            }
            At::Quote if *first == marks.quote => {
                bytes = rest;
                at = At::Inside;
            }
            At::Quote if *first == marks.delimiter || is_end(*first) => {
                bytes = rest;
                at = At::Outside(*first);
            }
            At::Quote => return None,
        }
    }
    Some(at)
}

fn is_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_row_unless_a_quote_is_in_the_way() {
        let marks = Marks { quote: b'"', delimiter: b',' };
        for (text, rows) in [
            ("a,b\n1,2\n", true),
            ("", true),
            ("a,\"b,c\"\r\n\"\",\"x\"\"y\"\n", true),
            ("\"a\"", true),
            ("a,\"b\nc\"\n", false),
            ("a,\"b\rc\"\n", false),
            ("a,\"b", false),
            // Not a quote to the reader, whose next one then begins a value.
            ("a\"b,\"c\nd\"\n", false),
            ("\"a\"b,c\n", false),
            ("a, \"b\"\n", false),
        ] {
            // However it is cut.
            for cut in 0..=text.len() {
                let (left, right) = text.as_bytes().split_at(cut);
                let end =
                    pass(At::Outside(b'\n'), left, marks).and_then(|at| pass(at, right, marks));
                assert_eq!(end.is_some_and(|at| at != At::Inside), rows, "{text:?} at {cut}");
            }
        }
    }
}
