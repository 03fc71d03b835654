//! How files are written: what `FILE_FORMAT=(...)` of a statement and of its stage mean, and what the end of a
//! file's name says.
//!
//! What is written is what our own reader takes with the same options and name. So an ending that says
//! otherwise is refused, and a stage whose files have a line of names (`PARSE_HEADER`, `SKIP_HEADER`) gets one.

use std::collections::BTreeMap;

use datafusion::arrow::ipc::CompressionType as IpcCompression;
use datafusion::arrow_avro::compression::CompressionCodec as AvroCompression;
use datafusion::parquet::basic::{Compression as ParquetCompression, ZstdLevel};

use super::csv::{Binary, Style};
use super::format::{Compression, Kind};
use crate::error::{Error, Result};
use crate::sql::cursor::Cursor;

/// How the files of one unload are written.
#[derive(Debug, Clone)]
pub(super) struct Writing {
    /// What is in them.
    pub(super) form: Form,
    /// By what each is compressed as a whole.
    pub(super) packed: Packed,
    /// What their names end with.
    pub(super) ending: String,
    /// Whether a file begins with the names of the columns.
    pub(super) header: bool,
}

/// What is in a file.
#[derive(Debug, Clone)]
pub(super) enum Form {
    Arrow(Option<IpcCompression>),
    ArrowStream(Option<IpcCompression>),
    Avro(Option<AvroCompression>),
    /// Also with tabs.
    Csv(Style),
    /// An object a line.
    Ndjson,
    Parquet(ParquetCompression),
}

/// The compression of a file as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packed {
    No,
    Gzip,
    Bzip2,
    Zstd,
}

/// What a path says that names a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ending<'a> {
    /// The whole name.
    name: &'a str,
    /// What is in the file.
    pub(super) kind: Option<Kind>,
    compression: Compression,
}

impl Ending<'_> {
    /// Of a file's path.
    pub(super) fn of(path: &str) -> Ending<'_> {
        let name = path.rsplit('/').next().unwrap_or_default();
        let (compression, inner) = Compression::of_name(name);
        Ending { name, kind: Kind::of_name(inner), compression }
    }
}

/// Options that change what is written, and that are understood; the values of others must be the usual ones.
const UNDERSTOOD: &[&str] = &[
    "BINARY_FORMAT",
    "COMPRESSION",
    "EMPTY_FIELD_AS_NULL",
    "ESCAPE",
    "FIELD_DELIMITER",
    "FIELD_OPTIONALLY_ENCLOSED_BY",
    "FILE_EXTENSION",
    "NULL_DISPLAY",
    "NULL_IF",
    "OUTPUT_HEADER",
    "PARSE_HEADER",
    "QUOTE",
    "RECORD_DELIMITER",
    "SKIP_HEADER",
    "SNAPPY_COMPRESSION",
    "TYPE",
];

/// Options that say how files are read, and nothing of how they are written.
const OF_READING: &[&str] = &[
    "ALL_VARCHAR",
    "ALLOW_DUPLICATE",
    "ALLOW_QUOTED_NULLS",
    "BINARY_AS_TEXT",
    "DISABLE_AUTO_CONVERT",
    "EMPTY_FIELD_AS",
    "ENABLE_OCTAL",
    "ENCODING_ERROR_MODE",
    "ERROR_ON_COLUMN_COUNT_MISMATCH",
    "IGNORE_UTF8_ERRORS",
    "MISSING_FIELD_AS",
    "MULTI_LINE",
    "NULL_FIELD_AS",
    "QUOTED_EMPTY_FIELD_AS",
    "REPLACE_INVALID_CHARACTERS",
    "SKIP_BLANK_LINES",
    "SKIP_BYTE_ORDER_MARK",
    "STRIP_NULL_VALUES",
    "STRIP_OUTER_ARRAY",
    "STRIP_OUTER_ELEMENT",
    "TRIM_SPACE",
    "USE_LOGICAL_TYPE",
    "USE_LOGIC_TYPE",
    "USE_VECTORIZED_SCANNER",
];

impl Writing {
    /// How files are written with these options. `file` is the end of the one file's name, where it is known;
    /// `header` what the statement says of a line of names.
    pub(super) fn of(
        options: &BTreeMap<String, String>,
        file: Option<Ending<'_>>,
        header: Option<bool>,
    ) -> Result<Writing> {
        let options = Options(options);
        options.check()?;
        let ty = match (options.get("TYPE"), file.and_then(|file| file.kind)) {
            (Some(ty), _) => ty,
            (None, Some(kind)) => name_of(kind),
            // The one that keeps every type.
            (None, None) => "PARQUET",
        };
        let (form, extension) = options.form(ty)?;
        let is_text = matches!(form, Form::Csv(_) | Form::Ndjson);
        let packed = match is_text {
            true => options.packed(file)?,
            false => Packed::No,
        };
        if let Some(file) = file {
            agrees(file, ty, is_text)?;
        }
        let ending = match options.get("FILE_EXTENSION") {
            Some(own) if own.starts_with('.') || own.is_empty() => own.to_owned(),
            Some(own) => format!(".{own}"),
            None => format!(".{extension}{}", packed.extension()),
        };
        let header = header.or(options.flag("OUTPUT_HEADER"));
        Ok(Writing { form, packed, ending, header: header.unwrap_or(options.names_are_read()?) })
    }
}

/// Fails if the end of a file's name says something else than what will be in it.
fn agrees(file: Ending<'_>, ty: &str, is_text: bool) -> Result<()> {
    let same = |kind| name_of(kind) == ty || family(name_of(kind)) == family(ty);
    let fits = file.kind.is_none_or(same) && (is_text || file.compression == Compression::None);
    if fits {
        return Ok(());
    }
    Err(Error::BadValue {
        option: "TYPE".to_owned(),
        value: ty.to_owned(),
        expected: format!("the type that the name '{}' ends with", file.name),
    })
}

fn name_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Arrow => "ARROW",
        Kind::Avro => "AVRO",
        Kind::Csv => "CSV",
        Kind::Json => "JSON",
        Kind::Ndjson => "NDJSON",
        Kind::Parquet => "PARQUET",
        Kind::Tsv => "TSV",
    }
}

/// Types that are read alike.
fn family(ty: &str) -> &str {
    match ty {
        "ARROW_STREAM" => "ARROW",
        "JSON" => "NDJSON",
        other => other,
    }
}

impl Packed {
    fn extension(self) -> &'static str {
        match self {
            Packed::No => "",
            Packed::Gzip => ".gz",
            Packed::Bzip2 => ".bz2",
            Packed::Zstd => ".zst",
        }
    }
}

/// The options of `FILE_FORMAT`, their keys in upper case.
struct Options<'a>(&'a BTreeMap<String, String>);

impl Options<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    fn flag(&self, key: &str) -> Option<bool> {
        self.get(key).map(|value| value.eq_ignore_ascii_case("TRUE"))
    }

    /// Fails for an option that would be passed over, unless it says what holds anyway.
    fn check(&self) -> Result<()> {
        let unknown = self.0.iter().find(|(key, value)| {
            let usual = ["AUTO", "FALSE", "NONE", "UTF8", "UTF-8"];
            let usual = usual.iter().any(|usual| value.eq_ignore_ascii_case(usual));
            let known = [UNDERSTOOD, OF_READING].iter().any(|keys| keys.contains(&key.as_str()));
            !known && !usual
        });
        match unknown {
            Some((key, value)) => Err(Error::Unsupported {
                what: format!("{key} = {value} in an unload"),
                hint: None,
            }),
            None => Ok(()),
        }
    }

    /// What is in a file of this type, and how its name ends.
    fn form(&self, ty: &str) -> Result<(Form, &'static str)> {
        Ok(match ty {
            "ARROW" => (Form::Arrow(self.arrow()?), "arrow"),
            "ARROW_STREAM" => (Form::ArrowStream(self.arrow()?), "arrows"),
            "AVRO" => (Form::Avro(self.avro()?), "avro"),
            "CSV" => (Form::Csv(self.style(b',')?), "csv"),
            "TSV" => (Form::Csv(self.style(b'\t')?), "tsv"),
            "JSON" => (Form::Ndjson, "json"),
            "NDJSON" => (Form::Ndjson, "ndjson"),
            "PARQUET" => (Form::Parquet(self.parquet()?), "parquet"),
            other => {
                let hint = "ARROW, ARROW_STREAM, AVRO, CSV, JSON, NDJSON, PARQUET and TSV can be";
                return Err(Error::Unsupported {
                    what: format!("Writing files of the type {other}"),
                    hint: Some(hint.to_owned()),
                });
            }
        })
    }

    /// `COMPRESSION` in upper case, where it says anything.
    fn compression(&self) -> Option<String> {
        let asked = self.get("COMPRESSION")?.to_uppercase();
        (!matches!(asked.as_str(), "AUTO" | "AUTO_DETECT")).then_some(asked)
    }

    /// Text files in a directory are compressed as Snowflake compresses them; one that is named is what its
    /// name says.
    fn packed(&self, file: Option<Ending<'_>>) -> Result<Packed> {
        let asked = match self.compression().as_deref() {
            None => None,
            Some("NONE") => Some(Packed::No),
            Some("GZIP") => Some(Packed::Gzip),
            Some("BZ2" | "BZIP2") => Some(Packed::Bzip2),
            Some("ZSTD") => Some(Packed::Zstd),
            Some(other) => return Err(bad_compression(other, "AUTO, NONE, GZIP, BZ2 or ZSTD")),
        };
        let Some(file) = file else { return Ok(asked.unwrap_or(Packed::Gzip)) };
        let named = match file.compression {
            Compression::Gzip => Some(Packed::Gzip),
            Compression::Bzip2 => Some(Packed::Bzip2),
            Compression::Zstd => Some(Packed::Zstd),
            // Of what is not known at all anything may be in it.
            Compression::None => file.kind.map(|_| Packed::No),
            Compression::Xz => return Err(bad_compression(file.name, "no name that ends in .xz")),
        };
        match (asked, named) {
            (Some(asked), Some(named)) if asked != named => Err(bad_compression(
                self.get("COMPRESSION").unwrap_or_default(),
                &format!("the compression that the name '{}' ends with", file.name),
            )),
            (asked, named) => Ok(asked.or(named).unwrap_or(Packed::No)),
        }
    }

    fn parquet(&self) -> Result<ParquetCompression> {
        let zstd = ParquetCompression::ZSTD(ZstdLevel::default());
        Ok(match (self.compression().as_deref(), self.flag("SNAPPY_COMPRESSION")) {
            (None, Some(false)) | (Some("NONE"), _) => ParquetCompression::UNCOMPRESSED,
            (None, Some(true)) | (Some("SNAPPY"), _) => ParquetCompression::SNAPPY,
            (None, None) | (Some("ZSTD"), _) => zstd,
            (Some(other), _) => {
                return Err(bad_compression(other, "AUTO, NONE, SNAPPY or ZSTD"));
            }
        })
    }

    fn arrow(&self) -> Result<Option<IpcCompression>> {
        match self.compression().as_deref() {
            None | Some("NONE") => Ok(None),
            Some("ZSTD") => Ok(Some(IpcCompression::ZSTD)),
            Some("LZ4") => Ok(Some(IpcCompression::LZ4_FRAME)),
            Some(other) => Err(bad_compression(other, "AUTO, NONE, LZ4 or ZSTD")),
        }
    }

    fn avro(&self) -> Result<Option<AvroCompression>> {
        match self.compression().as_deref() {
            Some("NONE") => Ok(None),
            None | Some("DEFLATE") => Ok(Some(AvroCompression::Deflate)),
            Some("SNAPPY") => Ok(Some(AvroCompression::Snappy)),
            Some("ZSTD") => Ok(Some(AvroCompression::ZStandard)),
            Some(other) => Err(bad_compression(other, "AUTO, NONE, DEFLATE, SNAPPY or ZSTD")),
        }
    }

    /// How a line of text is written.
    fn style(&self, delimiter: u8) -> Result<Style> {
        let quote = match (self.get("FIELD_OPTIONALLY_ENCLOSED_BY"), self.get("QUOTE")) {
            (Some(_), _) => self.byte("FIELD_OPTIONALLY_ENCLOSED_BY")?,
            (None, Some(_)) => self.byte("QUOTE")?,
            (None, None) => Some(b'"'),
        };
        let terminator = match self.get("RECORD_DELIMITER") {
            None | Some("\n" | "\\n") => b"\n".to_vec(),
            Some("\r\n" | "\\r\\n") => b"\r\n".to_vec(),
            Some(_) => self.byte("RECORD_DELIMITER")?.into_iter().collect(),
        };
        Ok(Style {
            delimiter: self.byte("FIELD_DELIMITER")?.unwrap_or(delimiter),
            terminator: if terminator.is_empty() { b"\n".to_vec() } else { terminator },
            quote,
            escape: self.byte("ESCAPE")?,
            null: self.null()?,
            quotes_empty: self.flag("EMPTY_FIELD_AS_NULL") != Some(false),
            binary: self.binary()?,
        })
    }

    /// How `NULL` is written: nothing, or what reading takes for it.
    fn null(&self) -> Result<String> {
        if let Some(text) = self.get("NULL_DISPLAY") {
            return Ok(text.to_owned());
        }
        let Some(text) = self.get("NULL_IF") else { return Ok(String::new()) };
        if !text.starts_with('(') {
            return Ok(text.to_owned());
        }
        // Of several the first one, as in Snowflake.
        let mut cursor = Cursor::new(text)?;
        cursor.expect_sign("(")?;
        match cursor.eat_sign(")") {
            true => Ok(String::new()),
            false => cursor.text("a text in quotes for NULL_IF"),
        }
    }

    fn binary(&self) -> Result<Binary> {
        match self.get("BINARY_FORMAT").map(str::to_uppercase).as_deref() {
            None | Some("HEX") => Ok(Binary::Hex),
            Some("BASE64") => Ok(Binary::Base64),
            Some("UTF8" | "UTF-8") => Ok(Binary::Text),
            Some(other) => Err(Error::BadValue {
                option: "BINARY_FORMAT".to_owned(),
                value: other.to_owned(),
                expected: "HEX, BASE64 or UTF8".to_owned(),
            }),
        }
    }

    /// Whether whoever reads files with these options takes the first line for names.
    fn names_are_read(&self) -> Result<bool> {
        match self.get("SKIP_HEADER").unwrap_or("0") {
            "0" => Ok(self.flag("PARSE_HEADER") == Some(true)),
            "1" => Ok(true),
            more => Err(Error::Unsupported {
                what: format!("SKIP_HEADER = {more} in an unload"),
                hint: Some("there is one line of names at most".to_owned()),
            }),
        }
    }

    /// An option that is one character of ASCII, or `NONE`.
    fn byte(&self, key: &str) -> Result<Option<u8>> {
        let Some(text) = self.get(key).filter(|text| !text.is_empty()) else { return Ok(None) };
        match (text, text.as_bytes()) {
            ("\\t", _) => Ok(Some(b'\t')),
            (_, [byte]) if byte.is_ascii() => Ok(Some(*byte)),
            _ if text.eq_ignore_ascii_case("NONE") => Ok(None),
            _ => Err(Error::BadValue {
                option: key.to_owned(),
                value: text.to_owned(),
                expected: "one character of ASCII".to_owned(),
            }),
        }
    }
}

fn bad_compression(value: &str, expected: &str) -> Error {
    Error::BadValue {
        option: "COMPRESSION".to_owned(),
        value: value.to_owned(),
        expected: expected.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writing(path: Option<&str>, options: &[(&str, &str)]) -> Result<Writing> {
        let options = options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Writing::of(&options.collect(), path.map(Ending::of), None)
    }

    #[test]
    fn a_directory_gets_what_is_asked_for() {
        for (options, ending) in [
            (&[][..], ".parquet"),
            (&[("TYPE", "CSV")], ".csv.gz"),
            (&[("TYPE", "CSV"), ("COMPRESSION", "none")], ".csv"),
            (&[("TYPE", "TSV"), ("COMPRESSION", "ZSTD")], ".tsv.zst"),
            (&[("TYPE", "JSON"), ("COMPRESSION", "BZ2")], ".json.bz2"),
            (&[("TYPE", "NDJSON"), ("COMPRESSION", "AUTO")], ".ndjson.gz"),
            (&[("TYPE", "CSV"), ("FILE_EXTENSION", "txt")], ".txt"),
            (&[("TYPE", "ARROW_STREAM")], ".arrows"),
        ] {
            assert_eq!(writing(None, options).expect("known").ending, ending, "{options:?}");
        }
        for options in [
            &[("TYPE", "ORC")][..],
            &[("TYPE", "CSV"), ("COMPRESSION", "LZO")],
            &[("TYPE", "PARQUET"), ("COMPRESSION", "GZIP")],
            &[("TYPE", "CSV"), ("FIELD_DELIMITER", "||")],
            &[("TYPE", "CSV"), ("DATE_FORMAT", "DD.MM.YYYY")],
            &[("TYPE", "CSV"), ("SKIP_HEADER", "2")],
        ] {
            assert!(writing(None, options).is_err(), "{options:?}");
        }
    }

    #[test]
    fn a_file_is_what_its_name_says() {
        let packed = |path, options: &[(&str, &str)]| {
            writing(Some(path), options).map(|writing| writing.packed)
        };
        assert_eq!(packed("a/x.csv", &[]).ok(), Some(Packed::No));
        assert_eq!(packed("a/x.csv.gz", &[]).ok(), Some(Packed::Gzip));
        assert_eq!(packed("x.dat", &[("TYPE", "CSV")]).ok(), Some(Packed::No));
        let gzip = [("TYPE", "CSV"), ("COMPRESSION", "GZIP")];
        assert_eq!(packed("x.dat", &gzip).ok(), Some(Packed::Gzip));
        assert!(packed("x.csv", &gzip).is_err());
        assert!(packed("x.csv.xz", &[]).is_err());
        assert!(packed("x.parquet", &[("TYPE", "CSV")]).is_err());
        assert!(packed("x.parquet.gz", &[]).is_err());
        assert!(packed("x.json", &[("TYPE", "NDJSON")]).is_ok());
        assert!(packed("x.arrow", &[("TYPE", "ARROW_STREAM")]).is_ok());
        let form = |path| writing(Some(path), &[]).map(|writing| writing.form);
        assert!(matches!(form("x.avro"), Ok(Form::Avro(Some(AvroCompression::Deflate)))));
        assert!(matches!(form("x"), Ok(Form::Parquet(ParquetCompression::ZSTD(_)))));
    }

    #[test]
    fn null_and_header_are_what_reading_takes_for_them() {
        let of = |options: &[(&str, &str)]| {
            let writing = writing(Some("x.csv"), options).expect("known");
            let Form::Csv(style) = writing.form else { panic!("no CSV") };
            (style.null, writing.header)
        };
        assert_eq!(of(&[]), (String::new(), false));
        assert_eq!(of(&[("NULL_IF", "('\\\\N', 'x')")]), ("\\N".to_owned(), false));
        assert_eq!(of(&[("NULL_IF", "()"), ("PARSE_HEADER", "TRUE")]), (String::new(), true));
        assert_eq!(of(&[("NULL_DISPLAY", "-"), ("SKIP_HEADER", "1")]), ("-".to_owned(), true));
        assert_eq!(of(&[("OUTPUT_HEADER", "TRUE")]), (String::new(), true));
    }
}
