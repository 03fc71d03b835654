//! How files are read: what `FILE_FORMAT=(...)` of a stage, and the options in a query, mean to DataFusion.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::arrow::ArrowFormat;
use datafusion::datasource::file_format::avro::AvroFormat;
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::datasource::file_format::json::JsonFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;

use datafusion::common::Result as PlanResult;

use crate::error::{Error, Result};

/// How many rows of a file without types tell what they are.
const SAMPLE_ROWS: usize = 10_000;

/// A kind of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Arrow,
    Avro,
    Csv,
    /// One array of objects.
    Json,
    /// An object a line.
    Ndjson,
    Parquet,
    /// CSV with tabs.
    Tsv,
}

/// What a name says of a file's compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Compression {
    None,
    Gzip,
    Bzip2,
    Xz,
    Zstd,
}

/// How one group of files is read.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    pub(super) kind: Kind,
    pub(super) compression: Compression,
    /// Whether the first line of each file has the names of the columns.
    pub(super) named: bool,
    options: Arc<BTreeMap<String, String>>,
}

impl Kind {
    fn of_type(name: &str) -> Result<Kind> {
        Ok(match name {
            "ARROW" | "ARROW_STREAM" => Kind::Arrow,
            "AVRO" => Kind::Avro,
            "CSV" => Kind::Csv,
            "JSON" => Kind::Json,
            "NDJSON" => Kind::Ndjson,
            "PARQUET" => Kind::Parquet,
            "TSV" => Kind::Tsv,
            other => {
                return Err(Error::Unsupported {
                    what: format!("Reading files of the type {other}"),
                    hint: Some(
                        "ARROW, AVRO, CSV, JSON, NDJSON, PARQUET and TSV can be read".to_owned(),
                    ),
                });
            }
        })
    }

    /// By the end of a file's name.
    pub(super) fn of_name(name: &str) -> Option<Kind> {
        let (_, ending) = name.rsplit_once('.')?;
        Some(match ending.to_ascii_lowercase().as_str() {
            "arrow" | "arrows" | "feather" | "ipc" => Kind::Arrow,
            "avro" => Kind::Avro,
            "csv" => Kind::Csv,
            "json" => Kind::Json,
            "jsonl" | "ndjson" => Kind::Ndjson,
            "parquet" | "pq" => Kind::Parquet,
            "tab" | "tsv" => Kind::Tsv,
            _ => return None,
        })
    }

    /// Whether the order of the columns in a file tells which is which.
    pub(super) fn is_positional(self) -> bool {
        matches!(self, Kind::Csv | Kind::Tsv)
    }

    /// Whether a compressed file of it is one that was compressed as a whole.
    fn may_be_compressed(self) -> bool {
        !matches!(self, Kind::Arrow | Kind::Avro | Kind::Parquet)
    }
}

impl Compression {
    /// By the end of a file's name: the compression, and the name without that end.
    pub(super) fn of_name(name: &str) -> (Compression, &str) {
        let endings = [
            (".gz", Compression::Gzip),
            (".bz2", Compression::Bzip2),
            (".xz", Compression::Xz),
            (".zst", Compression::Zstd),
        ];
        let lower = name.to_ascii_lowercase();
        let found = endings.into_iter().find(|(ending, _)| lower.ends_with(ending));
        match found {
            Some((ending, compression)) => {
                (compression, name.get(..name.len() - ending.len()).unwrap_or(name))
            }
            None => (Compression::None, name),
        }
    }

    fn of_option(name: &str) -> Result<Option<Compression>> {
        Ok(match name.to_uppercase().as_str() {
            "AUTO" | "AUTO_DETECT" => None,
            "NONE" => Some(Compression::None),
            "GZIP" => Some(Compression::Gzip),
            "BZ2" | "BZIP2" => Some(Compression::Bzip2),
            "XZ" => Some(Compression::Xz),
            "ZSTD" => Some(Compression::Zstd),
            _ => {
                return Err(Error::BadValue {
                    option: "COMPRESSION".to_owned(),
                    value: name.to_owned(),
                    expected: "AUTO, NONE, GZIP, BZ2, XZ or ZSTD".to_owned(),
                });
            }
        })
    }

    fn of_datafusion(self) -> FileCompressionType {
        match self {
            Compression::None => FileCompressionType::UNCOMPRESSED,
            Compression::Gzip => FileCompressionType::GZIP,
            Compression::Bzip2 => FileCompressionType::BZIP2,
            Compression::Xz => FileCompressionType::XZ,
            Compression::Zstd => FileCompressionType::ZSTD,
        }
    }
}

/// Options that say how a file is read, and those that say how one is written.
const KNOWN: &[&str] = &[
    "COMPRESSION",
    "ERROR_ON_COLUMN_COUNT_MISMATCH",
    "ESCAPE",
    "FIELD_DELIMITER",
    "FIELD_OPTIONALLY_ENCLOSED_BY",
    "FILE_EXTENSION",
    "MULTI_LINE",
    "OUTPUT_HEADER",
    "PARSE_HEADER",
    "QUOTE",
    "RECORD_DELIMITER",
    "SKIP_HEADER",
    "SNAPPY_COMPRESSION",
    "STRIP_OUTER_ARRAY",
    "TYPE",
];

/// Fails for an option that would be passed over, unless it says what holds anyway.
fn check(options: &BTreeMap<String, String>) -> Result<()> {
    let unknown = options.iter().find(|(key, value)| {
        let usual = ["AUTO", "FALSE", "NONE"].iter().any(|usual| value.eq_ignore_ascii_case(usual));
        !KNOWN.contains(&key.as_str()) && !usual
    });
    match unknown {
        Some((key, value)) => {
            Err(Error::Unsupported { what: format!("{key} = {value} in a query"), hint: None })
        }
        None => Ok(()),
    }
}

impl Reading {
    /// How the file of this name is read, with these options.
    pub(super) fn of(name: &str, options: &Arc<BTreeMap<String, String>>) -> Result<Reading> {
        let get = |key: &str| options.get(key).map(String::as_str);
        check(options)?;
        let (by_name, inner) = Compression::of_name(name);
        let asked = get("COMPRESSION").map(Compression::of_option).transpose()?.flatten();
        let kind = match get("TYPE") {
            Some(kind) => Kind::of_type(kind)?,
            None => Kind::of_name(inner)
                .ok_or_else(|| Error::UnknownFormat { path: name.to_owned() })?,
        };
        let compression = match kind.may_be_compressed() {
            true => asked.unwrap_or(by_name),
            false => Compression::None,
        };
        let named = kind.is_positional() && get("PARSE_HEADER") == Some("TRUE");
        Ok(Reading { kind, compression, named, options: options.clone() })
    }

    /// The same for files with an object a line.
    pub(super) fn by_line(self) -> Reading {
        Reading { kind: Kind::Ndjson, ..self }
    }

    /// Whether a file is one text, line by line, with which rows are read one by one.
    pub(super) fn is_lines(&self) -> bool {
        matches!(self.kind, Kind::Csv | Kind::Tsv | Kind::Ndjson)
    }

    /// What a file is when it is not compressed.
    pub(super) fn unpacked(
        &self,
        file: impl std::io::Read + Send + 'static,
    ) -> PlanResult<Box<dyn std::io::Read + Send>> {
        self.compression.of_datafusion().convert_read(file)
    }

    /// A reader of CSV that gives rows one by one, also those that are too long or too short.
    pub(super) fn rows<R: std::io::Read>(&self, file: R) -> Result<csv::Reader<R>> {
        let byte = |key: &str| self.byte(key);
        let quote = byte("FIELD_OPTIONALLY_ENCLOSED_BY")?.or(byte("QUOTE")?);
        let usual = if self.kind == Kind::Tsv { b'\t' } else { b',' };
        let mut builder = csv::ReaderBuilder::new();
        builder
            .has_headers(false)
            .flexible(true)
            .delimiter(byte("FIELD_DELIMITER")?.unwrap_or(usual))
            .quote(quote.unwrap_or(b'"'))
            .escape(byte("ESCAPE")?);
        if let Some(end) = self.terminator()? {
            builder.terminator(csv::Terminator::Any(end));
        }
        Ok(builder.from_reader(file))
    }

    /// How many rows at the beginning are none.
    pub(super) fn skipped_rows(&self) -> Result<u64> {
        match self.get("SKIP_HEADER") {
            None => Ok(0),
            Some(count) => count.parse().map_err(|_| Error::BadValue {
                option: "SKIP_HEADER".to_owned(),
                value: count.to_owned(),
                expected: "a number".to_owned(),
            }),
        }
    }

    /// Whether rows may have more or fewer fields than there are columns.
    pub(super) fn is_ragged(&self) -> bool {
        self.get("ERROR_ON_COLUMN_COUNT_MISMATCH") == Some("FALSE")
    }

    /// DataFusion's reader.
    pub(super) fn format(&self) -> Result<Arc<dyn FileFormat>> {
        Ok(match self.kind {
            Kind::Arrow => Arc::new(ArrowFormat),
            Kind::Avro => Arc::new(AvroFormat),
            Kind::Csv => Arc::new(self.csv(b',')?),
            Kind::Tsv => Arc::new(self.csv(b'\t')?),
            Kind::Json | Kind::Ndjson => Arc::new(
                JsonFormat::default()
                    .with_schema_infer_max_rec(SAMPLE_ROWS)
                    .with_newline_delimited(self.kind == Kind::Ndjson)
                    .with_file_compression_type(self.compression.of_datafusion()),
            ),
            Kind::Parquet => Arc::new(ParquetFormat::default()),
        })
    }

    fn csv(&self, delimiter: u8) -> Result<CsvFormat> {
        let byte = |key: &str| self.byte(key);
        let quote = byte("FIELD_OPTIONALLY_ENCLOSED_BY")?.or(byte("QUOTE")?);
        let format = CsvFormat::default()
            .with_schema_infer_max_rec(SAMPLE_ROWS)
            .with_has_header(self.named || self.skips_a_line()?)
            .with_delimiter(byte("FIELD_DELIMITER")?.unwrap_or(delimiter))
            .with_quote(quote.unwrap_or(b'"'))
            .with_escape(byte("ESCAPE")?)
            .with_terminator(self.terminator()?)
            // A line's end in quotes is part of the value, so no file can be cut at lines.
            .with_newlines_in_values(self.get("MULTI_LINE") != Some("FALSE"))
            .with_truncated_rows(self.get("ERROR_ON_COLUMN_COUNT_MISMATCH") == Some("FALSE"))
            .with_file_compression_type(self.compression.of_datafusion());
        Ok(format)
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.options.get(key).map(String::as_str)
    }

    fn skips_a_line(&self) -> Result<bool> {
        match self.get("SKIP_HEADER").unwrap_or("0") {
            "0" => Ok(false),
            "1" => Ok(true),
            more => Err(Error::Unsupported {
                what: format!("SKIP_HEADER = {more} in a query"),
                hint: Some("0 and 1 can be done".to_owned()),
            }),
        }
    }

    fn terminator(&self) -> Result<Option<u8>> {
        match self.get("RECORD_DELIMITER") {
            // Both are read, whatever a file has.
            None | Some("\n" | "\r\n" | "\\n" | "\\r\\n") => Ok(None),
            Some(_) => self.byte("RECORD_DELIMITER"),
        }
    }

    fn byte(&self, key: &str) -> Result<Option<u8>> {
        let Some(text) = self.get(key).filter(|text| !text.is_empty()) else { return Ok(None) };
        match (text, text.as_bytes()) {
            ("NONE" | "none", _) => Ok(None),
            ("\\t", _) => Ok(Some(b'\t')),
            (_, [byte]) => Ok(Some(*byte)),
            _ => Err(Error::BadValue {
                option: key.to_owned(),
                value: text.to_owned(),
                expected: "one character of ASCII".to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(name: &str, options: &[(&str, &str)]) -> Result<Reading> {
        let options = options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Reading::of(name, &Arc::new(options.collect()))
    }

    #[test]
    fn a_name_tells_kind_and_compression() {
        for (name, kind, compression) in [
            ("a/b.parquet", Kind::Parquet, Compression::None),
            ("b.csv.gz", Kind::Csv, Compression::Gzip),
            ("b.TSV.ZST", Kind::Tsv, Compression::Zstd),
            ("b.jsonl.bz2", Kind::Ndjson, Compression::Bzip2),
            ("b.json.xz", Kind::Json, Compression::Xz),
        ] {
            let found = reading(name, &[]).expect(name);
            assert_eq!((found.kind, found.compression), (kind, compression), "{name}");
        }
        assert!(matches!(reading("b.gz", &[]), Err(Error::UnknownFormat { .. })));
        assert!(matches!(reading("a.csv/b", &[]), Err(Error::UnknownFormat { .. })));
        let found = reading("x", &[("TYPE", "CSV"), ("COMPRESSION", "GZIP")]).expect("known");
        assert_eq!((found.kind, found.compression), (Kind::Csv, Compression::Gzip));
        assert!(reading("x", &[("TYPE", "ORC")]).is_err());
    }

    #[test]
    fn csv_options_are_checked() {
        let refused = |options: &[(&str, &str)]| {
            reading("x.csv", options).and_then(|reading| reading.format().map(drop)).is_err()
        };
        assert!(refused(&[("FIELD_DELIMITER", "||")]));
        assert!(refused(&[("SKIP_HEADER", "2")]));
        assert!(refused(&[("COMPRESSION", "LZO")]));
        assert!(!refused(&[("FIELD_DELIMITER", "|"), ("SKIP_HEADER", "1"), ("QUOTE", "'")]));
        // What is not understood is not passed over.
        assert!(refused(&[("NULL_IF", "x")]));
        assert!(refused(&[("DATE_FORMAT", "%d.%m.%Y")]));
        assert!(!refused(&[("DATE_FORMAT", "AUTO"), ("TRIM_SPACE", "FALSE")]));
    }
}
