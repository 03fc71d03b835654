//! Batches of rows into the bytes of a file: Parquet, lines of text, objects, Arrow, Avro.

use std::io::{self, Write};
use std::mem;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use datafusion::arrow::ipc::{CompressionType, MetadataVersion};
use datafusion::arrow::json::LineDelimitedWriter;
use datafusion::arrow::json::writer::WriterBuilder as JsonBuilder;
use datafusion::arrow_avro::writer::{AvroWriter, WriterBuilder as AvroBuilder};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::Compression;
use datafusion::parquet::file::properties::WriterProperties;
use parking_lot::Mutex;

use super::csv::{MICROS, Style, texts};
use super::writing::{Form, Writing};
use crate::error::{Error, Result};
use crate::rows::{Column, Type};

/// About how much of a Parquet file is kept until it is written: a group of rows.
const GROUP_BYTES: usize = 32 * 1024 * 1024;

/// A file's bytes as they come out of its rows.
pub(super) struct Encoder {
    kind: Kind,
    schema: SchemaRef,
    out: Out,
    /// What was taken.
    taken: u64,
}

enum Kind {
    Arrow(Box<FileWriter<Out>>),
    ArrowStream(Box<StreamWriter<Out>>),
    Avro(Box<AvroWriter<Out>>),
    Csv(Style),
    Ndjson(Box<LineDelimitedWriter<Out>>),
    Parquet(Box<ArrowWriter<Out>>),
}

/// Bytes that are written here and taken there.
#[derive(Debug, Clone, Default)]
struct Out(Arc<Mutex<Vec<u8>>>);

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Encoder {
    /// Of a file whose rows have this schema: see [`schema`].
    pub(super) fn new(writing: &Writing, schema: &SchemaRef) -> Result<Encoder> {
        let out = Out::default();
        let kind = match &writing.form {
            Form::Arrow(compression) => {
                let options = ipc(*compression)?;
                let writer = FileWriter::try_new_with_options(out.clone(), schema, options);
                Kind::Arrow(Box::new(writer.map_err(|error| failed(&error))?))
            }
            Form::ArrowStream(compression) => {
                let options = ipc(*compression)?;
                let writer = StreamWriter::try_new_with_options(out.clone(), schema, options);
                Kind::ArrowStream(Box::new(writer.map_err(|error| failed(&error))?))
            }
            Form::Avro(compression) => {
                let builder = AvroBuilder::new(schema.as_ref().clone());
                let writer = builder.with_compression(*compression).build(out.clone());
                Kind::Avro(Box::new(writer.map_err(|error| unfit(&error))?))
            }
            Form::Csv(style) => Kind::Csv(style.clone()),
            Form::Ndjson => {
                let builder = JsonBuilder::new()
                    .with_explicit_nulls(true)
                    .with_timestamp_format(MICROS.to_owned())
                    .with_timestamp_tz_format(MICROS.to_owned());
                Kind::Ndjson(Box::new(builder.build(out.clone())))
            }
            Form::Parquet(compression) => {
                let properties = parquet(*compression);
                let writer = ArrowWriter::try_new(out.clone(), schema.clone(), Some(properties));
                Kind::Parquet(Box::new(writer.map_err(|error| unfit(&error))?))
            }
        };
        let mut encoder = Encoder { kind, schema: schema.clone(), out, taken: 0 };
        if writing.header {
            encoder.names()?;
        }
        Ok(encoder)
    }

    /// Adds a line with the names of the columns, where a file has one.
    fn names(&mut self) -> Result<()> {
        let Kind::Csv(style) = &self.kind else { return Ok(()) };
        let names: Vec<&str> = self.schema.fields().iter().map(|f| f.name().as_str()).collect();
        style.names(&names, &mut self.out.0.lock())
    }

    /// Adds rows.
    pub(super) fn push(&mut self, rows: &RecordBatch) -> Result<()> {
        match &mut self.kind {
            Kind::Arrow(writer) => writer.write(rows).map_err(|error| failed(&error)),
            Kind::ArrowStream(writer) => writer.write(rows).map_err(|error| failed(&error)),
            Kind::Avro(writer) => writer.write(rows).map_err(|error| unfit(&error)),
            Kind::Csv(style) => style.rows(rows, &mut self.out.0.lock()),
            Kind::Ndjson(writer) => writer.write(rows).map_err(|error| failed(&error)),
            Kind::Parquet(writer) => writer.write(rows).map_err(|error| unfit(&error)),
        }
    }

    /// What has come out by now.
    pub(super) fn take(&mut self) -> Bytes {
        let out = mem::take(&mut *self.out.0.lock());
        self.taken += u64::try_from(out.len()).unwrap_or(u64::MAX);
        out.into()
    }

    /// How much it keeps in memory.
    pub(super) fn memory(&self) -> usize {
        let group = if let Kind::Parquet(writer) = &self.kind { writer.memory_size() } else { 0 };
        group + self.out.0.lock().capacity()
    }

    /// About how many bytes will come out for what has gone in, besides those that have.
    pub(super) fn pending(&self) -> u64 {
        let Kind::Parquet(writer) = &self.kind else { return 0 };
        u64::try_from(writer.in_progress_size()).unwrap_or(u64::MAX)
    }

    /// Keeps as little as it can: what Parquet has collected becomes a group of rows.
    pub(super) fn flush(&mut self) -> Result<()> {
        let Kind::Parquet(writer) = &mut self.kind else { return Ok(()) };
        writer.flush().map_err(|error| unfit(&error))
    }

    /// Ends the file: the rest of it, and how large it is before it is compressed.
    pub(super) fn finish(&mut self) -> Result<(Bytes, u64)> {
        let mut plain = None;
        match &mut self.kind {
            Kind::Arrow(writer) => writer.finish().map_err(|error| failed(&error))?,
            Kind::ArrowStream(writer) => writer.finish().map_err(|error| failed(&error))?,
            Kind::Avro(writer) => writer.finish().map_err(|error| unfit(&error))?,
            Kind::Csv(_) => {}
            Kind::Ndjson(writer) => writer.finish().map_err(|error| failed(&error))?,
            Kind::Parquet(writer) => {
                let known = writer.finish().map_err(|error| unfit(&error))?;
                let groups = known.row_groups().iter().map(|group| group.total_byte_size());
                plain = u64::try_from(groups.sum::<i64>()).ok();
            }
        }
        let rest = self.take();
        Ok((rest, plain.unwrap_or(self.taken)))
    }
}

fn ipc(compression: Option<CompressionType>) -> Result<IpcWriteOptions> {
    // DataFusion's reader finds the schema behind eight bytes alone, which is the alignment that is asked for.
    let options = IpcWriteOptions::try_new(8, false, MetadataVersion::V5);
    let options = options.and_then(|options| options.try_with_compression(compression));
    options.map_err(|error| failed(&error))
}

fn parquet(compression: Compression) -> WriterProperties {
    WriterProperties::builder()
        .set_compression(compression)
        .set_max_row_group_bytes(Some(GROUP_BYTES))
        .build()
}

fn failed(error: &ArrowError) -> Error {
    Error::Query { what: error.to_string() }
}

/// A type that the format has not.
fn unfit(error: &dyn std::error::Error) -> Error {
    Error::Query { what: error.to_string() }
}

/// The schema of the rows as files have them: under the names that the query's columns have, in types that the
/// format keeps.
pub(super) fn schema(form: &Form, columns: &[Column], types: &[DataType]) -> SchemaRef {
    let fields = columns.iter().zip(types).map(|(column, ty)| {
        let ty = kept(ty, column.ty);
        let ty = if matches!(form, Form::Avro(_)) { of_avro(ty) } else { ty };
        Field::new(&column.name, ty, true)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The type that values are written in. What MySQL has no type for is a text, as `SELECT` shows it.
fn kept(ty: &DataType, shown: Type) -> DataType {
    match ty {
        DataType::Dictionary(_, values) => kept(values, shown),
        DataType::Null | DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::Float16 => DataType::Float32,
        DataType::Utf8 | DataType::LargeUtf8 => ty.clone(),
        _ if shown == Type::Text && !ty.is_decimal() => DataType::Utf8,
        other => other.clone(),
    }
}

/// Avro has no unsigned numbers and no small ones.
fn of_avro(ty: DataType) -> DataType {
    match ty {
        DataType::Int8 | DataType::Int16 | DataType::UInt8 | DataType::UInt16 => DataType::Int32,
        DataType::UInt32 => DataType::Int64,
        DataType::UInt64 => DataType::Decimal128(20, 0),
        other => other,
    }
}

/// Rows of a query in the schema of its files. A query may have more columns: those of directories.
pub(super) fn fitted(
    rows: &RecordBatch,
    places: &[usize],
    schema: &SchemaRef,
) -> Result<RecordBatch> {
    let columns = places.iter().zip(schema.fields()).map(|(place, field)| {
        let column = rows
            .columns()
            .get(*place)
            .ok_or_else(|| Error::Internal { what: format!("a query has no column {place}") })?;
        converted(column, field.data_type())
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options)
        .map_err(|error| failed(&error))
}

fn converted(column: &ArrayRef, ty: &DataType) -> Result<ArrayRef> {
    let own = column.data_type();
    if own == ty {
        return Ok(column.clone());
    }
    let is_text = own.is_string() || matches!(own, DataType::Dictionary(..) | DataType::Null);
    if *ty == DataType::Utf8 && !is_text {
        return Ok(Arc::new(StringArray::from(texts(column)?)));
    }
    cast(column, ty).map_err(|error| failed(&error))
}
