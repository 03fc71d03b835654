//! CSV: fast by Arrow's reader, and again, with its lines, where that does not understand a value.

use std::sync::Arc;

use csv::{ByteRecord, ReaderBuilder, Terminator};
use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringArray};
use datafusion::arrow::csv::reader::Decoder;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::common::{DataFusionError, Result};

use super::quotes::{Broken, Quotes};
use super::{Convert, Quoted, line_ends, shown, wrong_at};

/// How a CSV is written.
#[derive(Debug, Clone)]
pub(in super::super) struct Dialect {
    /// Between values.
    pub(in super::super) delimiter: u8,
    /// Around values; [`NO_QUOTE`] for none.
    pub(in super::super) quote: u8,
    /// What makes a quote in quotes a plain character.
    pub(in super::super) escape: Option<u8>,
    /// Between records; `None` for the ends of lines.
    pub(in super::super) terminator: Option<u8>,
    /// Whether the first record is names.
    pub(in super::super) named: bool,
    /// Whether values are texts, whatever they look like.
    pub(in super::super) all_text: bool,
    /// Whether a record may end early.
    pub(in super::super) may_be_short: bool,
    /// What its values mean.
    pub(in super::super) convert: Convert,
}

/// A byte that no text has.
pub(in super::super) const NO_QUOTE: u8 = 0xFF;

impl Dialect {
    /// The usual one.
    pub(in super::super) fn of_delimiter(delimiter: u8) -> Dialect {
        Dialect {
            delimiter,
            quote: b'"',
            escape: None,
            terminator: None,
            named: false,
            all_text: false,
            may_be_short: false,
            convert: Convert::default(),
        }
    }

    /// A reader of records of any length.
    pub(in super::super) fn records<R: std::io::Read>(&self, text: R) -> csv::Reader<R> {
        let terminator = self.terminator.map_or(Terminator::CRLF, Terminator::Any);
        ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(self.delimiter)
            .quote(self.quote)
            .escape(self.escape)
            .terminator(terminator)
            .from_reader(text)
    }

    fn decoder(&self, schema: SchemaRef, columns: &[usize], rows: usize) -> Decoder {
        let mut builder = datafusion::arrow::csv::ReaderBuilder::new(schema)
            .with_header(false)
            .with_delimiter(self.delimiter)
            .with_quote(self.quote)
            .with_truncated_rows(self.may_be_short)
            .with_batch_size(rows)
            .with_projection(columns.to_vec());
        if let Some(terminator) = self.terminator {
            builder = builder.with_terminator(terminator);
        }
        if let Some(escape) = self.escape {
            builder = builder.with_escape(escape);
        }
        builder.build_decoder()
    }

    /// What is wrong with the number of values of a record.
    pub(in super::super) fn check_width(
        &self,
        record: &ByteRecord,
        width: usize,
    ) -> std::result::Result<(), String> {
        let found = record.len();
        match found.cmp(&width) {
            std::cmp::Ordering::Equal => Ok(()),
            std::cmp::Ordering::Less if self.may_be_short => Ok(()),
            _ => Err(format!("{found} values in place of {width}")),
        }
    }

    /// What is wrong with quotes, as an error.
    pub(super) fn broken(&self, broken: &Broken, text: &[u8], first_line: u64) -> DataFusionError {
        let line = |at: usize| first_line + line_ends(text.get(..at).unwrap_or(text));
        match broken {
            Broken::Open { opened } => {
                wrong_at(line(*opened), "a quote that is never closed begins in")
            }
            Broken::TextBehind { opened } => {
                wrong_at(line(*opened), "there is text behind the end of the quoted value of")
            }
        }
    }
}

/// The line in which a record of these bytes stands, as far as they are told.
pub(super) fn line_of(record: &ByteRecord, text: &[u8], first_line: u64) -> u64 {
    let Some(position) = record.position() else { return first_line };
    let start = usize::try_from(position.byte()).unwrap_or(usize::MAX);
    // Blank lines before it count as passed over.
    let blank = text.get(start..).unwrap_or_default();
    let blank = blank.iter().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
    first_line + line_ends(text.get(..start + blank).unwrap_or(text))
}

/// Batches of one file.
pub(super) struct Batches {
    dialect: Arc<Dialect>,
    schema: SchemaRef,
    columns: Vec<usize>,
    rows: usize,
    decoder: Decoder,
    /// Whether the decoder gives texts alone.
    texts: bool,
    quotes: Quotes,
}

impl Batches {
    pub(super) fn new(
        dialect: &Arc<Dialect>,
        schema: SchemaRef,
        columns: &[usize],
        rows: usize,
    ) -> Batches {
        let mut batches = Batches {
            dialect: dialect.clone(),
            decoder: dialect.decoder(schema.clone(), columns, rows),
            schema,
            columns: columns.to_vec(),
            rows,
            texts: false,
            quotes: Quotes::of(dialect),
        };
        let own_types = [
            DataType::Utf8,
            DataType::Boolean,
            DataType::Int64,
            DataType::Float64,
            DataType::Date32,
        ];
        let known = |ty: &DataType| own_types.contains(ty) || matches!(ty, DataType::Timestamp(..));
        let all_known =
            columns.iter().all(|column| known(batches.schema.field(*column).data_type()));
        if !dialect.convert.is_plain() || !all_known {
            batches.read_texts();
        }
        batches
    }

    /// From now on texts are read, and then converted.
    fn read_texts(&mut self) {
        self.decoder = self.text_decoder();
        self.texts = true;
    }

    fn text_decoder(&self) -> Decoder {
        let texts =
            self.schema.fields().iter().map(|field| Field::new(field.name(), DataType::Utf8, true));
        let texts = Arc::new(Schema::new(texts.collect::<Vec<_>>()));
        self.dialect.decoder(texts, &self.columns, self.rows)
    }

    pub(super) fn decode(&mut self, text: &[u8]) -> std::result::Result<usize, ArrowError> {
        self.decoder.decode(text)
    }

    /// The rows that were read, of the bytes of just these.
    pub(super) fn flush(
        &mut self,
        pieces: &[bytes::Bytes],
        first_line: u64,
        last: bool,
    ) -> Result<Option<RecordBatch>> {
        let read = self.decoder.flush();
        let mut quotes = std::mem::replace(&mut self.quotes, Quotes::of(&self.dialect));
        let mut followed = pieces.iter().try_for_each(|piece| quotes.follow(piece));
        if last {
            followed = followed.and_then(|()| quotes.end());
        }
        if let Err(broken) = followed {
            return Err(self.dialect.broken(&broken, &pieces.concat(), first_line));
        }
        let quoted = match quotes.saw_short() {
            true => super::quoted(&self.dialect, &pieces.concat()),
            false => Vec::new(),
        };
        match read {
            Ok(None) => Ok(None),
            Ok(Some(batch)) => self.converted(&batch, &quoted, pieces, first_line).map(Some),
            Err(error) if self.texts => Err(error.into()),
            Err(_) => {
                let text = pieces.concat();
                self.read_texts();
                let mut decoder = self.text_decoder();
                let mut at = 0;
                while let Some(rest) = text.get(at..) {
                    let read = decoder.decode(rest)?;
                    at += read;
                    if read == 0 {
                        break;
                    }
                }
                let Some(batch) = decoder.flush()? else { return Ok(None) };
                self.converted(&batch, &quoted, pieces, first_line).map(Some)
            }
        }
    }

    /// Texts as what they are to be.
    fn converted(
        &self,
        batch: &RecordBatch,
        quoted: &[Quoted],
        pieces: &[bytes::Bytes],
        first_line: u64,
    ) -> Result<RecordBatch> {
        let schema = Arc::new(self.schema.project(&self.columns)?);
        let fields = schema.fields().iter().zip(batch.columns()).enumerate();
        let columns = fields.map(|(index, (field, column))| {
            let Some(texts) = super::convert::texts(column) else { return Ok(column.clone()) };
            let column = self.columns.get(index).map_or(index, |column| *column);
            let converted = self.dialect.convert.column(texts, field.data_type());
            let converted = converted.map(|array| with_quoted(array, column, quoted));
            converted.map_err(|row| {
                let value = texts.value(row);
                self.no_value(value, column, row, &pieces.concat(), first_line)
            })
        });
        let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(schema, columns, &options)?)
    }

    fn no_value(
        &self,
        value: &str,
        column: usize,
        row: usize,
        text: &[u8],
        first_line: u64,
    ) -> DataFusionError {
        let field = self.schema.field(column);
        let line = self.dialect.records(text).into_byte_records().nth(row);
        let line = match line {
            Some(Ok(record)) => line_of(&record, text, first_line),
            Some(Err(_)) | None => first_line,
        };
        let what = format!(
            "{} is no {}, as the column {} has, in",
            shown(value),
            name_of(field.data_type()),
            field.name()
        );
        wrong_at(line, what)
    }

    /// What is wrong in text that the decoder refused: these bytes begin with a record.
    pub(super) fn refused(
        &self,
        error: ArrowError,
        text: &[u8],
        first_line: u64,
    ) -> DataFusionError {
        let mut quotes = Quotes::of(&self.dialect);
        if let Err(broken) = quotes.follow(text) {
            return self.dialect.broken(&broken, text, first_line);
        }
        let width = self.schema.fields().len();
        for record in self.dialect.records(text).into_byte_records() {
            let Ok(record) = record else { break };
            if let Err(what) = self.dialect.check_width(&record, width) {
                return wrong_at(
                    line_of(&record, text, first_line),
                    format_args!("there are {what} in"),
                );
            }
        }
        error.into()
    }

    /// A quote that is open at the end of a text.
    pub(super) fn unclosed(&self, text: &[u8], first_line: u64) -> Option<DataFusionError> {
        let mut quotes = Quotes::of(&self.dialect);
        let broken = quotes.follow(text).and_then(|()| quotes.end()).err()?;
        Some(self.dialect.broken(&broken, text, first_line))
    }

    /// How many rows wait.
    pub(super) fn waiting(&self) -> usize {
        self.rows - self.decoder.capacity()
    }
}

/// A column of the file with those of its texts that are not `NULL` because they are quoted.
fn with_quoted(array: ArrayRef, column: usize, quoted: &[Quoted]) -> ArrayRef {
    let Some(texts) = super::convert::texts(&array) else { return array };
    let mut own = quoted.iter().filter(|quoted| quoted.column == column).peekable();
    if own.peek().is_none() {
        return array;
    }
    let with = texts.iter().enumerate().map(|(row, text)| {
        let quoted = own.next_if(|quoted| quoted.row == row);
        quoted.map_or(text, |quoted| Some(quoted.text))
    });
    Arc::new(with.collect::<StringArray>())
}

/// What SQL calls a type.
fn name_of(ty: &DataType) -> &'static str {
    match ty {
        DataType::Boolean => "BOOLEAN",
        ty if ty.is_integer() => "BIGINT",
        ty if ty.is_floating() => "DOUBLE",
        DataType::Date32 => "DATE",
        DataType::Timestamp(..) => "DATETIME",
        DataType::Time32(_) | DataType::Time64(_) => "TIME",
        ty if ty.is_decimal() => "DECIMAL",
        _ => "value",
    }
}
