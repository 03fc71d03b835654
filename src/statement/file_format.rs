//! `FILE_FORMAT = (TYPE = CSV ...)`: which options there are. A noun that stages, named file formats and
//! queries share; what the options mean is for those who read files.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::similar::nearest;
use crate::sql::options::Options;

/// The kinds of files that Databend and Snowflake have.
const TYPES: &[&str] = &[
    "ARROW",
    "ARROW_STREAM",
    "AVRO",
    "CSV",
    "JSON",
    "NDJSON",
    "ORC",
    "PARQUET",
    "TEXT",
    "TSV",
    "XML",
];

/// Options whose value is `TRUE` or `FALSE`.
const FLAGS: &[&str] = &[
    "ALL_VARCHAR",
    "ALLOW_DUPLICATE",
    "ALLOW_QUOTED_NULLS",
    "BINARY_AS_TEXT",
    "DISABLE_AUTO_CONVERT",
    "EMPTY_FIELD_AS_NULL",
    "ENABLE_OCTAL",
    "ERROR_ON_COLUMN_COUNT_MISMATCH",
    "IGNORE_UTF8_ERRORS",
    "MULTI_LINE",
    "OUTPUT_HEADER",
    "PARSE_HEADER",
    "REPLACE_INVALID_CHARACTERS",
    "SKIP_BLANK_LINES",
    "SKIP_BYTE_ORDER_MARK",
    "SNAPPY_COMPRESSION",
    "STRIP_NULL_VALUES",
    "STRIP_OUTER_ARRAY",
    "STRIP_OUTER_ELEMENT",
    "TRIM_SPACE",
    "USE_LOGICAL_TYPE",
    "USE_LOGIC_TYPE",
    "USE_VECTORIZED_SCANNER",
];

/// Options with other values.
const VALUES: &[&str] = &[
    "BINARY_FORMAT",
    "COMPRESSION",
    "DATE_FORMAT",
    "EMPTY_FIELD_AS",
    "ENCODING",
    "ENCODING_ERROR_MODE",
    "ESCAPE",
    "ESCAPE_UNENCLOSED_FIELD",
    "FIELD_DELIMITER",
    "FIELD_OPTIONALLY_ENCLOSED_BY",
    "FILE_EXTENSION",
    "FORMAT_NAME",
    "MISSING_FIELD_AS",
    "NAN_DISPLAY",
    "NULL_DISPLAY",
    "NULL_FIELD_AS",
    "NULL_IF",
    "QUOTE",
    "QUOTED_EMPTY_FIELD_AS",
    "QUOTE_STYLE",
    "RECORD_DELIMITER",
    "ROW_TAG",
    "SKIP_HEADER",
    "TIMESTAMP_FORMAT",
    "TIME_FORMAT",
    "TYPE",
];

/// Checks names and values.
pub fn check(options: &Options) -> Result<BTreeMap<String, String>> {
    let checked = check_pairs(options.pairs())?;
    if !checked.is_empty() && !checked.contains_key("TYPE") && !checked.contains_key("FORMAT_NAME")
    {
        return Err(Error::BadValue {
            option: "FILE_FORMAT".to_owned(),
            value: options.0.first().map(|(key, _)| key.clone()).unwrap_or_default(),
            expected: "TYPE = CSV | PARQUET | ... among the options".to_owned(),
        });
    }
    Ok(checked)
}

/// The same, where the type may be known already.
pub fn check_pairs(pairs: Vec<(String, String)>) -> Result<BTreeMap<String, String>> {
    pairs.into_iter().map(|(key, value)| check_one(key, value)).collect()
}

/// The same of a named format.
pub fn check_named(options: &Options) -> Result<BTreeMap<String, String>> {
    let checked = check_changed(options)?;
    match checked.contains_key("TYPE") {
        true => Ok(checked),
        false => Err(Error::BadValue {
            option: "TYPE".to_owned(),
            value: String::new(),
            expected: TYPES.join(", "),
        }),
    }
}

/// The same, where the type is known. A format refers to no other.
pub fn check_changed(options: &Options) -> Result<BTreeMap<String, String>> {
    if options.0.iter().any(|(key, _)| key == FORMAT_NAME) {
        return Err(Error::UnknownOption {
            clause: "FILE FORMAT".to_owned(),
            option: FORMAT_NAME.to_owned(),
            expected: "the options themselves".to_owned(),
        });
    }
    check_pairs(options.pairs())
}

/// The option that names a format.
pub const FORMAT_NAME: &str = "FORMAT_NAME";

/// Whether a word is the name of a type, which no format can have.
pub fn is_type(name: &str) -> bool {
    TYPES.iter().any(|ty| ty.eq_ignore_ascii_case(name))
}

/// The types, for "did you mean".
pub fn types() -> impl Iterator<Item = &'static str> {
    TYPES.iter().copied()
}

/// What a value of this option is, in Snowflake's words.
pub fn kind_of(key: &str) -> &'static str {
    match key {
        "NULL_IF" => "List",
        "SKIP_HEADER" => "Integer",
        _ if FLAGS.contains(&key) => "Boolean",
        _ => "String",
    }
}

/// What holds for files of a type where an option is not said; empty for nothing.
pub fn default_of(key: &str, ty: &str) -> &'static str {
    match (key, ty) {
        ("TYPE", _) => "",
        ("FIELD_DELIMITER", "TSV") => "\\t",
        ("FIELD_DELIMITER", _) => ",",
        ("FIELD_OPTIONALLY_ENCLOSED_BY" | "QUOTE", _) => "\"",
        ("RECORD_DELIMITER", _) => "\\n",
        ("SKIP_HEADER", _) => "0",
        ("ERROR_ON_COLUMN_COUNT_MISMATCH" | "MULTI_LINE" | "SNAPPY_COMPRESSION", _) => "TRUE",
        ("COMPRESSION" | "DATE_FORMAT" | "TIME_FORMAT" | "TIMESTAMP_FORMAT", _) => "AUTO",
        ("ENCODING", _) => "UTF8",
        _ if FLAGS.contains(&key) => "FALSE",
        _ => "",
    }
}

fn check_one(key: String, value: String) -> Result<(String, String)> {
    if key == "TYPE" {
        return one_of("TYPE", value, TYPES);
    }
    if FLAGS.contains(&key.as_str()) {
        return one_of(&key, value, &["TRUE", "FALSE"]);
    }
    if key == "SKIP_HEADER" && value.parse::<u32>().is_err() {
        return Err(Error::BadValue {
            option: key,
            value,
            expected: "a number of lines".to_owned(),
        });
    }
    if VALUES.contains(&key.as_str()) {
        return Ok((key, value));
    }
    let known = FLAGS.iter().chain(VALUES).copied();
    let expected =
        nearest(&key, known).unwrap_or("TYPE, COMPRESSION, FIELD_DELIMITER, SKIP_HEADER ...");
    Err(Error::UnknownOption {
        clause: "FILE_FORMAT".to_owned(),
        expected: expected.to_owned(),
        option: key,
    })
}

fn one_of(key: &str, value: String, allowed: &[&str]) -> Result<(String, String)> {
    let upper = value.to_uppercase();
    if allowed.contains(&upper.as_str()) {
        return Ok((key.to_owned(), upper));
    }
    Err(Error::BadValue { option: key.to_owned(), value, expected: allowed.join(", ") })
}
