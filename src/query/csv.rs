//! Rows as lines of text, as our own reader takes them.
//!
//! A value is in quotes where it needs them: with a delimiter, a quote or a line's end in it; where it is
//! empty, for an empty field is `NULL`; and where it is the text that stands for `NULL`.

use std::fmt::Write as _;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use datafusion::arrow::array::cast::AsArray;
use datafusion::arrow::array::{Array, ArrayRef, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::json::writer::{EncoderOptions, NullableEncoder, make_encoder};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

use super::text::USUAL_NULL;
use crate::error::{Error, Result};

/// How a line is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Style {
    pub(super) delimiter: u8,
    pub(super) terminator: Vec<u8>,
    pub(super) quote: Option<u8>,
    /// What stands before a quote between quotes, in the place of another quote.
    pub(super) escape: Option<u8>,
    /// What `NULL` is.
    pub(super) null: String,
    /// Whether an empty text is told from an empty field.
    pub(super) quotes_empty: bool,
    pub(super) binary: Binary,
}

/// How bytes become text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binary {
    Hex,
    Base64,
    /// As they are.
    Text,
}

/// How moments are written: as `SELECT` shows them.
const SECONDS: &str = "%Y-%m-%d %H:%M:%S";
const MILLIS: &str = "%Y-%m-%d %H:%M:%S%.3f";
pub(super) const MICROS: &str = "%Y-%m-%d %H:%M:%S%.6f";

impl Style {
    /// Adds the names of the columns.
    pub(super) fn names(&self, fields: &[&str], out: &mut Vec<u8>) -> Result<()> {
        for (index, name) in fields.iter().enumerate() {
            if index > 0 {
                out.push(self.delimiter);
            }
            self.field(name.as_bytes(), name, out)?;
        }
        out.extend_from_slice(&self.terminator);
        Ok(())
    }

    /// Adds the rows of a batch.
    pub(super) fn rows(&self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let schema = batch.schema();
        let mut columns = Vec::with_capacity(batch.num_columns());
        for (field, column) in schema.fields().iter().zip(batch.columns()) {
            columns.push((field.name().as_str(), Cells::of(field, column, self.binary)?));
        }
        let mut scratch = Vec::new();
        let alone = columns.len() == 1;
        for row in 0..batch.num_rows() {
            for (index, (name, cells)) in columns.iter_mut().enumerate() {
                if index > 0 {
                    out.push(self.delimiter);
                }
                match cells.value(row, &mut scratch)? {
                    Some(value) => self.field(value, name, out)?,
                    // Readers pass over an empty line.
                    None if alone && self.null.is_empty() => {
                        out.extend_from_slice(USUAL_NULL.as_bytes());
                    }
                    None => out.extend_from_slice(self.null.as_bytes()),
                }
            }
            out.extend_from_slice(&self.terminator);
        }
        Ok(())
    }

    /// Adds a value that is not `NULL`.
    fn field(&self, value: &[u8], column: &str, out: &mut Vec<u8>) -> Result<()> {
        let empty = value.is_empty() && self.quotes_empty;
        // Our own reader, Snowflake's and Databend's take it for NULL by themselves.
        let usual_null = self.quote.is_some() && value == USUAL_NULL.as_bytes();
        let special = empty
            || usual_null
            || (!value.is_empty() && value == self.null.as_bytes())
            || value.iter().any(|byte| self.is_special(*byte));
        match (self.quote, self.escape) {
            _ if !special => out.extend_from_slice(value),
            (Some(quote), escape) => {
                let escape = escape.unwrap_or(quote);
                out.push(quote);
                for byte in value {
                    if *byte == quote || *byte == escape {
                        out.push(escape);
                    }
                    out.push(*byte);
                }
                out.push(quote);
            }
            // Without quotes it can't be told from NULL.
            (None, _) if value.is_empty() => {}
            (None, Some(escape)) => {
                for byte in value {
                    if self.is_special(*byte) {
                        out.push(escape);
                    }
                    out.push(*byte);
                }
            }
            (None, None) => {
                return Err(Error::BadValue {
                    option: "FIELD_OPTIONALLY_ENCLOSED_BY".to_owned(),
                    value: "NONE".to_owned(),
                    expected: format!("a quote, for column '{column}' has a delimiter in a value"),
                });
            }
        }
        Ok(())
    }

    fn is_special(&self, byte: u8) -> bool {
        byte == self.delimiter
            || Some(byte) == self.quote
            || Some(byte) == self.escape
            || matches!(byte, b'\n' | b'\r')
            || self.terminator.contains(&byte)
    }
}

/// One column's values as texts.
enum Cells<'a> {
    Text(&'a dyn Texts),
    Bytes(&'a dyn Texts, Binary),
    Shown(ArrayFormatter<'a>, &'a dyn Array),
    Json(NullableEncoder<'a>),
}

/// A column whose values are bytes as they are.
trait Texts: Array {
    fn at(&self, row: usize) -> &[u8];
}

macro_rules! texts {
    ($($array:ty => $bytes:expr),* $(,)?) => {
        $(impl Texts for $array {
            fn at(&self, row: usize) -> &[u8] {
                $bytes(self.value(row))
            }
        })*
    };
}

mod arrays {
    pub(super) use datafusion::arrow::array::{
        BinaryArray, BinaryViewArray, FixedSizeBinaryArray, LargeBinaryArray, LargeStringArray,
        StringArray, StringViewArray,
    };
}

texts! {
    arrays::StringArray => str::as_bytes,
    arrays::LargeStringArray => str::as_bytes,
    arrays::StringViewArray => str::as_bytes,
    arrays::BinaryArray => std::convert::identity,
    arrays::LargeBinaryArray => std::convert::identity,
    arrays::BinaryViewArray => std::convert::identity,
    arrays::FixedSizeBinaryArray => std::convert::identity,
}

impl<'a> Cells<'a> {
    fn of(field: &'a FieldRef, column: &'a ArrayRef, binary: Binary) -> Result<Cells<'a>> {
        let bytes = |texts: &'a dyn Texts| match binary {
            Binary::Text => Cells::Text(texts),
            Binary::Hex | Binary::Base64 => Cells::Bytes(texts, binary),
        };
        Ok(match column.data_type() {
            DataType::Utf8 => Cells::Text(column.as_string::<i32>()),
            DataType::LargeUtf8 => Cells::Text(column.as_string::<i64>()),
            DataType::Utf8View => Cells::Text(column.as_string_view()),
            DataType::Binary => bytes(column.as_binary::<i32>()),
            DataType::LargeBinary => bytes(column.as_binary::<i64>()),
            DataType::BinaryView => bytes(column.as_binary_view()),
            DataType::FixedSizeBinary(_) => bytes(column.as_fixed_size_binary()),
            ty if ty.is_nested() => {
                Cells::Json(make_encoder(field, column, &JSON).map_err(|error| failed(&error))?)
            }
            ty => {
                let options = FormatOptions::new()
                    .with_display_error(false)
                    .with_timestamp_format(Some(moment_format(ty)))
                    .with_timestamp_tz_format(Some(moment_format(ty)));
                let formatter =
                    ArrayFormatter::try_new(column, &options).map_err(|e| failed(&e))?;
                Cells::Shown(formatter, column)
            }
        })
    }

    /// A row's value; `None` for `NULL`.
    fn value<'b>(&'b mut self, row: usize, scratch: &'b mut Vec<u8>) -> Result<Option<&'b [u8]>> {
        scratch.clear();
        match self {
            Cells::Text(texts) => return Ok((!texts.is_null(row)).then(|| texts.at(row))),
            Cells::Bytes(texts, _) if texts.is_null(row) => return Ok(None),
            Cells::Shown(_, array) if array.is_null(row) => return Ok(None),
            Cells::Json(encoder) if encoder.is_null(row) => return Ok(None),
            Cells::Bytes(texts, Binary::Base64) => {
                scratch.extend_from_slice(BASE64_STANDARD.encode(texts.at(row)).as_bytes());
            }
            Cells::Bytes(texts, _) => {
                let digit = |half: u8| b"0123456789abcdef".get(usize::from(half)).copied();
                for byte in texts.at(row) {
                    scratch.extend(digit(byte >> 4).into_iter().chain(digit(byte & 15)));
                }
            }
            Cells::Shown(formatter, _) => {
                // What is shown is written into the same bytes.
                let mut text = String::from_utf8(std::mem::take(scratch)).unwrap_or_default();
                write!(text, "{}", formatter.value(row))
                    .map_err(|_| Error::Query { what: "a value can't be shown".to_owned() })?;
                *scratch = text.into_bytes();
            }
            Cells::Json(encoder) => encoder.encode(row, scratch),
        }
        Ok(Some(scratch))
    }
}

/// What has parts is written as JSON.
static JSON: LazyLock<EncoderOptions> =
    LazyLock::new(|| EncoderOptions::default().with_explicit_nulls(true));

/// With as many digits of a second as `SELECT` shows.
fn moment_format(ty: &DataType) -> &'static str {
    match ty {
        DataType::Timestamp(TimeUnit::Second, _) => SECONDS,
        DataType::Timestamp(TimeUnit::Millisecond, _) => MILLIS,
        _ => MICROS,
    }
}

fn failed(error: &ArrowError) -> Error {
    Error::Query { what: error.to_string() }
}

/// The texts of a column's values, each as it would be in a file: for the names of directories.
pub(super) fn texts(column: &ArrayRef) -> Result<Vec<Option<String>>> {
    let field = FieldRef::new(Field::new("value", column.data_type().clone(), true));
    let mut cells = Cells::of(&field, column, Binary::Hex)?;
    let mut scratch = Vec::new();
    (0..column.len())
        .map(|row| {
            let value = cells.value(row, &mut scratch)?;
            Ok(value.map(|value| String::from_utf8_lossy(value).into_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{
        BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array,
        StringArray, TimestampMicrosecondArray,
    };

    use super::*;

    fn style() -> Style {
        Style {
            delimiter: b',',
            terminator: b"\n".to_vec(),
            quote: Some(b'"'),
            escape: None,
            null: String::new(),
            quotes_empty: true,
            binary: Binary::Hex,
        }
    }

    fn written(style: &Style, columns: &[(&str, ArrayRef)]) -> Result<String> {
        let batch = RecordBatch::try_from_iter(columns.iter().cloned()).expect("a batch");
        let mut out = Vec::new();
        style.rows(&batch, &mut out)?;
        Ok(String::from_utf8(out).expect("text"))
    }

    fn texts_of(values: &[Option<&str>]) -> ArrayRef {
        Arc::new(StringArray::from(values.to_vec()))
    }

    #[test]
    fn quotes_are_where_they_are_needed() {
        let values =
            [Some("a b"), Some("a,b"), Some("\"q\""), Some("l\n"), Some("\r"), Some(""), None];
        let column = texts_of(&values);
        let other: ArrayRef = Arc::new(Int64Array::from(vec![1; 7]));
        let found = written(&style(), &[("a", column), ("b", other)]).expect("written");
        assert_eq!(found, "a b,1\n\"a,b\",1\n\"\"\"q\"\"\",1\n\"l\n\",1\n\"\r\",1\n\"\",1\n,1\n");
    }

    #[test]
    fn null_is_told_from_what_looks_like_it() {
        let style = Style { null: "\\N".to_owned(), ..style() };
        let column = texts_of(&[None, Some("\\N"), Some("")]);
        assert_eq!(written(&style, &[("a", column)]).expect("written"), "\\N\n\"\\N\"\n\"\"\n");
        // A line must not be empty.
        let style = Style { null: String::new(), ..style };
        let found = written(&style, &[("a", texts_of(&[None, Some("\\N"), Some("")]))]);
        assert_eq!(found.expect("written"), "\\N\n\"\\N\"\n\"\"\n");
        let style = Style { quotes_empty: false, ..style };
        let two = [("a", texts_of(&[Some("")])), ("b", texts_of(&[None]))];
        assert_eq!(written(&style, &two).expect("written"), ",\n");
    }

    #[test]
    fn escapes_take_the_place_of_quotes() {
        let escape = Style { escape: Some(b'\\'), ..style() };
        let column = || texts_of(&[Some("a\"b\\c"), Some("x|y")]);
        assert_eq!(
            written(&escape, &[("a", column())]).expect("written"),
            "\"a\\\"b\\\\c\"\nx|y\n"
        );
        let bare = Style { quote: None, delimiter: b'|', ..escape };
        assert_eq!(written(&bare, &[("a", column())]).expect("written"), "a\"b\\\\c\nx\\|y\n");
        let none = Style { escape: None, ..bare };
        assert!(matches!(written(&none, &[("a", column())]), Err(Error::BadValue { .. })));
    }

    #[test]
    fn values_are_written_as_select_shows_them() {
        let moment = TimestampMicrosecondArray::from(vec![1_500_000]);
        let decimal = Decimal128Array::from(vec![-5]).with_precision_and_scale(9, 2).expect("fits");
        let columns: [(&str, ArrayRef); 6] = [
            ("a", Arc::new(BooleanArray::from(vec![true]))),
            ("b", Arc::new(Float64Array::from(vec![1.0]))),
            ("c", Arc::new(decimal)),
            ("d", Arc::new(Date32Array::from(vec![19_723]))),
            ("e", Arc::new(moment)),
            ("f", Arc::new(BinaryArray::from(vec![&[0_u8, 255][..]]))),
        ];
        let line = "true,1.0,-0.05,2024-01-01,1970-01-01 00:00:01.500000,00ff\n";
        assert_eq!(written(&style(), &columns).expect("written"), line);
        let [.., bytes] = columns;
        let base64 = Style { binary: Binary::Base64, ..style() };
        assert_eq!(written(&base64, &[bytes]).expect("written"), "AP8=\n");
    }
}
