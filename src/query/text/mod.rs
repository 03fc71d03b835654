//! Files of text: CSV, TSV and JSON, from bytes to batches.
//!
//! - `bytes`: unpacked, in UTF-8, without what is to be skipped.
//! - `quotes`: whether every quote of a CSV is closed.
//! - `convert`: values that `NULL_IF`, `DATE_FORMAT` and the like tell of.
//! - `csv`, `json`: the two formats; `empty`: values of CSV that are texts because they are quoted.
//! - `sample`: which columns a file has.
//! - `source`: the scan.
//!
//! Arrow's readers are fast and say little of what is wrong. So the bytes of a batch are kept until it is made;
//! what Arrow refuses is looked at once more, slowly, and told with its line.

mod bytes;
mod convert;
mod csv;
mod empty;
mod json;
mod place;
mod quotes;
mod sample;
mod source;

use datafusion::common::DataFusionError;

pub(super) use self::bytes::{Blocks, How};
pub(super) use self::convert::{Convert, Form};
pub(super) use self::csv::{Dialect, NO_QUOTE};
pub(super) use self::empty::{Quoted, quoted};
pub(super) use self::place::{character, not_utf8};
pub(super) use self::sample::sample;
pub(super) use self::source::TextSource;

/// What stands for `NULL` unless `NULL_IF` says otherwise: Snowflake, Databend and `LOAD DATA` agree on it.
pub(super) const USUAL_NULL: &str = "\\N";

/// More bytes than one row may have: a quote that is never closed would make the rest of a file one value.
const MAX_ROW: usize = 128 << 20;

/// What a file of text is.
#[derive(Debug, Clone)]
pub(super) enum Shape {
    /// Values between delimiters.
    Csv(Dialect),
    /// Objects, one behind the other or in one array.
    Json,
}

/// The text of a whole file; of JSON the elements of an array, which stay in their lines.
pub(super) fn text(raw: Blocks, how: &How, shape: &Shape) -> Blocks {
    let text = bytes::text(raw, how);
    match shape {
        Shape::Csv(_) => text,
        Shape::Json => json::elements(text),
    }
}

/// Something is wrong in a file.
fn wrong(what: impl Into<String>) -> DataFusionError {
    DataFusionError::Execution(what.into())
}

/// Something is wrong in a line of a file.
fn wrong_at(line: u64, what: impl std::fmt::Display) -> DataFusionError {
    wrong(format!("{what} line {line}"))
}

/// How many lines end in these bytes.
fn line_ends(bytes: &[u8]) -> u64 {
    u64::try_from(memchr::memchr_iter(b'\n', bytes).count()).unwrap_or(u64::MAX)
}

/// The most characters of a value that an error shows.
const SHOWN: usize = 40;

/// A value as an error shows it.
fn shown(value: &str) -> String {
    let mut text = String::new();
    for c in value.chars().take(SHOWN) {
        match c.is_control() {
            true => text.extend(c.escape_default()),
            false => text.push(c),
        }
    }
    if value.chars().nth(SHOWN).is_some() {
        text.push_str("...");
    }
    format!("'{text}'")
}
