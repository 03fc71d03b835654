//! How files are read: what `FILE_FORMAT=(...)` of a stage, and the options in a query, mean to DataFusion.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::arrow::ArrowFormat;
use datafusion::datasource::file_format::avro::AvroFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;

use encoding_rs::{Encoding, UTF_8};

use super::lines::Marks;
use super::text::{Convert, Dialect, How, Shape, USUAL_NULL};
use crate::error::{Error, Result};
use crate::sql::{date_format, options};

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
    /// Whether each row of a text is a line of its own.
    pub(super) by_line: bool,
    /// Whether each line of a CSV file is a row, once somebody has looked.
    pub(super) lines_are_rows: Option<bool>,
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
}

/// Options that say how a file is read, and those that say how one is written.
const KNOWN: &[&str] = &[
    "ALL_VARCHAR",
    "ALLOW_DUPLICATE",
    "BINARY_FORMAT",
    "COMPRESSION",
    "DATE_FORMAT",
    "EMPTY_FIELD_AS",
    "EMPTY_FIELD_AS_NULL",
    "ENCODING",
    "ERROR_ON_COLUMN_COUNT_MISMATCH",
    "ESCAPE",
    "FIELD_DELIMITER",
    "FIELD_OPTIONALLY_ENCLOSED_BY",
    "FILE_EXTENSION",
    "IGNORE_UTF8_ERRORS",
    "MULTI_LINE",
    "NULL_DISPLAY",
    "NULL_IF",
    "OUTPUT_HEADER",
    "PARSE_HEADER",
    "QUOTE",
    "QUOTED_EMPTY_FIELD_AS",
    "RECORD_DELIMITER",
    "REPLACE_INVALID_CHARACTERS",
    "SKIP_BLANK_LINES",
    "SKIP_HEADER",
    "SNAPPY_COMPRESSION",
    "STRIP_OUTER_ARRAY",
    "TIMESTAMP_FORMAT",
    "TIME_FORMAT",
    "TRIM_SPACE",
    "TYPE",
];

/// Fails for an option that would be passed over, unless it says what holds anyway.
fn check(options: &BTreeMap<String, String>) -> Result<()> {
    let unknown = options.iter().find(|(key, value)| {
        // The reader of CSV passes over a mark by itself.
        if *key == "SKIP_BYTE_ORDER_MARK" {
            return *value == "FALSE";
        }
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

/// A reader.
pub(super) enum Reader {
    /// DataFusion's.
    Format(Arc<dyn FileFormat>),
    /// Ours, of text.
    Text(How, Shape),
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
        let lines_are_rows = (get("MULTI_LINE") == Some("FALSE")).then_some(true);
        let options = options.clone();
        Ok(Reading { kind, compression, named, by_line: true, lines_are_rows, options })
    }

    /// What reads it.
    pub(super) fn reader(&self) -> Result<Reader> {
        let shape = match self.kind {
            Kind::Arrow => return Ok(Reader::Format(Arc::new(ArrowFormat))),
            Kind::Avro => return Ok(Reader::Format(Arc::new(AvroFormat))),
            Kind::Parquet => return Ok(Reader::Format(Arc::new(ParquetFormat::default()))),
            Kind::Csv => Shape::Csv(self.dialect(b',')?),
            Kind::Tsv => Shape::Csv(self.dialect(b'\t')?),
            Kind::Json | Kind::Ndjson => Shape::Json,
        };
        Ok(Reader::Text(self.how()?, shape))
    }

    /// Whether a file may be cut at the ends of lines.
    pub(super) fn may_be_cut(&self) -> bool {
        // A line's end in quotes is part of the value.
        self.by_line && (!self.kind.is_positional() || self.lines_are_rows == Some(true))
    }

    /// What to look for to tell whether each line is a row; `None` if that is known, or of no use.
    pub(super) fn marks(&self) -> Option<Marks> {
        let usual = if self.kind == Kind::Tsv { b'\t' } else { b',' };
        let dialect = self.dialect(usual).ok()?;
        let plain = self.kind.is_positional()
            && self.compression == Compression::None
            && self.get("ENCODING").is_none();
        let simple = dialect.escape.is_none() && dialect.terminator.is_none();
        (plain && simple && self.lines_are_rows.is_none())
            .then_some(Marks { quote: dialect.quote, delimiter: dialect.delimiter })
    }

    fn how(&self) -> Result<How> {
        let skip = self.get("SKIP_HEADER").filter(|_| self.kind.is_positional());
        let skip = skip.map_or(Ok(0), str::parse::<u64>).map_err(|_| Error::BadValue {
            option: "SKIP_HEADER".to_owned(),
            value: skip.unwrap_or_default().to_owned(),
            expected: "a number of lines".to_owned(),
        })?;
        if skip > 0 && self.named {
            return Err(Error::Unsupported {
                what: "PARSE_HEADER together with SKIP_HEADER".to_owned(),
                hint: Some("the names stand in the first line: SKIP_HEADER => 0".to_owned()),
            });
        }
        Ok(How {
            compression: self.compression,
            encoding: self.encoding()?,
            lossy: self.is_set("REPLACE_INVALID_CHARACTERS") || self.is_set("IGNORE_UTF8_ERRORS"),
            skip,
        })
    }

    /// Snowflake writes the names without the signs that others have in them.
    fn encoding(&self) -> Result<&'static Encoding> {
        let Some(name) = self.get("ENCODING") else { return Ok(UTF_8) };
        let plain = |name: &str| -> String {
            name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_uppercase()
        };
        let label = match plain(name).as_str() {
            "AUTO" | "UTF8" => return Ok(UTF_8),
            "EUCJP" => "euc-jp".to_owned(),
            "EUCKR" => "euc-kr".to_owned(),
            "KOI8R" => "koi8-r".to_owned(),
            "SHIFTJIS" => "shift_jis".to_owned(),
            "UTF16BE" => "utf-16be".to_owned(),
            "UTF16" | "UTF16LE" => "utf-16le".to_owned(),
            other => match other.strip_prefix("WINDOWS") {
                Some(page) => format!("windows-{page}"),
                None => other.to_lowercase(),
            },
        };
        Encoding::for_label(label.as_bytes()).ok_or_else(|| Error::BadValue {
            option: "ENCODING".to_owned(),
            value: name.to_owned(),
            expected: "UTF8, UTF16LE, UTF16BE, ISO88591, WINDOWS1252, SHIFTJIS, GB18030 ..."
                .to_owned(),
        })
    }

    fn dialect(&self, delimiter: u8) -> Result<Dialect> {
        let quote = match self.get("FIELD_OPTIONALLY_ENCLOSED_BY").or(self.get("QUOTE")) {
            Some(none) if none.eq_ignore_ascii_case("NONE") => super::text::NO_QUOTE,
            _ => {
                let enclosed = self.byte("FIELD_OPTIONALLY_ENCLOSED_BY")?;
                enclosed.or(self.byte("QUOTE")?).unwrap_or(b'"')
            }
        };
        Ok(Dialect {
            quote,
            escape: self.byte("ESCAPE")?,
            terminator: self.terminator()?,
            named: self.named,
            all_text: self.is_set("ALL_VARCHAR"),
            may_be_short: self.get("ERROR_ON_COLUMN_COUNT_MISMATCH") == Some("FALSE"),
            convert: self.convert()?,
            ..Dialect::of_delimiter(self.byte("FIELD_DELIMITER")?.unwrap_or(delimiter))
        })
    }

    fn convert(&self) -> Result<Convert> {
        let nulls = match self.get("NULL_IF").or(self.get("NULL_DISPLAY")) {
            Some(texts) => options::texts(texts)?,
            None => vec![USUAL_NULL.to_owned()],
        };
        let empty = match self.get("EMPTY_FIELD_AS").map(str::to_uppercase).as_deref() {
            Some("STRING") => true,
            Some("NULL") => false,
            None => self.get("EMPTY_FIELD_AS_NULL") == Some("FALSE"),
            Some(other) => {
                return Err(Error::Unsupported {
                    what: format!("EMPTY_FIELD_AS = {other} in a query"),
                    hint: Some("NULL and STRING can be done".to_owned()),
                });
            }
        };
        let quoted = self.get("QUOTED_EMPTY_FIELD_AS").map(str::to_uppercase);
        let quoted_is_null = match quoted.as_deref() {
            Some("NULL") => true,
            Some("STRING") | None => false,
            Some(other) => {
                return Err(Error::Unsupported {
                    what: format!("QUOTED_EMPTY_FIELD_AS = {other} in a query"),
                    hint: Some("NULL and STRING can be done".to_owned()),
                });
            }
        };
        Ok(Convert {
            quoted_is_null,
            usual_nulls: self.get("NULL_IF").or(self.get("NULL_DISPLAY")).is_none(),
            trim: self.is_set("TRIM_SPACE"),
            nulls,
            empty_is_text: empty,
            dates: self.form("DATE_FORMAT")?,
            times: self.form("TIME_FORMAT")?,
            moments: self.form("TIMESTAMP_FORMAT")?,
        })
    }

    /// A form of dates, in the letters of `DATE_FORMAT`.
    fn form(&self, key: &str) -> Result<Option<String>> {
        let Some(form) = self.get(key).filter(|form| !form.eq_ignore_ascii_case("AUTO")) else {
            return Ok(None);
        };
        date_format::of_snowflake(form).map(Some).ok_or_else(|| Error::BadValue {
            option: key.to_owned(),
            value: form.to_owned(),
            expected: "a form as 'DD.MM.YYYY HH24:MI:SS' or '%d.%m.%Y %H:%i:%s'".to_owned(),
        })
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.options.get(key).map(String::as_str)
    }

    fn is_set(&self, key: &str) -> bool {
        self.get(key) == Some("TRUE")
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
            reading("x.csv", options).and_then(|reading| reading.reader().map(drop)).is_err()
        };
        assert!(refused(&[("FIELD_DELIMITER", "||")]));
        assert!(refused(&[("SKIP_HEADER", "2"), ("PARSE_HEADER", "TRUE")]));
        assert!(refused(&[("ENCODING", "KLINGON")]));
        assert!(refused(&[("EMPTY_FIELD_AS", "FIELD_DEFAULT")]));
        assert!(refused(&[("COMPRESSION", "LZO")]));
        assert!(!refused(&[("FIELD_DELIMITER", "|"), ("SKIP_HEADER", "1"), ("QUOTE", "'")]));
        // What is not understood is not passed over.
        assert!(refused(&[("MISSING_FIELD_AS", "x")]));
        assert!(refused(&[("DATE_FORMAT", "DD.MM.YYYY TZH")]));
        for fine in
            [("NULL_IF", "('a', 'b')"), ("DATE_FORMAT", "DD.MM.YYYY"), ("ENCODING", "ISO-8859-1")]
        {
            assert!(!refused(&[fine]), "{fine:?}");
        }
        assert!(!refused(&[("DATE_FORMAT", "AUTO"), ("TRIM_SPACE", "FALSE")]));
    }
}
