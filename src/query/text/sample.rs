//! Which columns a file has: what its first rows say.

use std::fmt;

use csv::ByteRecord;
use datafusion::arrow::csv::reader::Format;
use datafusion::arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use datafusion::common::{DataFusionError, Result};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::super::unify::wider;
use super::bytes::{Blocks, How, beginning, text};
use super::csv::{Dialect, line_of};
use super::quotes::Quotes;
use super::{MAX_ROW, Shape, json, line_ends, wrong, wrong_at};

/// How many rows of a file tell what its columns are.
const ROWS: usize = 10_000;

/// How many bytes are read for these rows, if there is a whole one among them.
const BYTES: usize = 4 << 20;

/// What the beginning of a file says.
pub(in super::super) struct Sample {
    /// Its columns.
    pub(in super::super) schema: SchemaRef,
    /// Whether each row is a line, so that a file can be cut at lines.
    pub(in super::super) by_line: bool,
}

/// Looks at the beginning of a file.
pub(in super::super) async fn sample(raw: Blocks, how: &How, shape: &Shape) -> Result<Sample> {
    let mut whole = text(raw, how);
    if let Shape::Json = shape {
        whole = json::elements(whole);
    }
    let (mut start, mut ended) = beginning(&mut whole, BYTES).await?;
    loop {
        let seen = match shape {
            Shape::Csv(dialect) => of_csv(&start, ended, dialect)?,
            Shape::Json => of_json(&start, ended)?,
        };
        match seen {
            Some(seen) => return Ok(Sample { by_line: seen.by_line && !how.is_packed(), ..seen }),
            None if ended => return Ok(Sample { schema: Schema::empty().into(), by_line: false }),
            None if start.len() > MAX_ROW => return Err(wrong("its first row is too long")),
            None => {}
        }
        let more = beginning(&mut whole, start.len()).await?;
        start.extend_from_slice(&more.0);
        ended = more.1;
    }
}

fn of_csv(text: &[u8], ended: bool, dialect: &Dialect) -> Result<Option<Sample>> {
    let first_line = 1;
    let mut quotes = Quotes::of(dialect);
    let followed = quotes.follow(text);
    let followed = if ended { followed.and_then(|()| quotes.end()) } else { followed };
    followed.map_err(|broken| dialect.broken(&broken, text, first_line))?;
    let (mut names, mut rows) = (None, Vec::new());
    let mut reader = dialect.records(text);
    let mut record = ByteRecord::new();
    while rows.len() < ROWS {
        let more = reader.read_byte_record(&mut record);
        if !more.map_err(|error| wrong(error.to_string()))? {
            break;
        }
        let end = usize::try_from(reader.position().byte()).unwrap_or(usize::MAX);
        if end >= text.len() && !ended {
            break;
        }
        if dialect.named && names.is_none() {
            names = Some(record.clone());
            continue;
        }
        let width = names.as_ref().or(rows.first()).map_or(record.len(), ByteRecord::len);
        let checked = dialect.check_width(&record, width);
        checked.map_err(|what| {
            wrong_at(line_of(&record, text, first_line), format_args!("there are {what} in"))
        })?;
        rows.push(record.clone());
    }
    let Some(first) = names.as_ref().or(rows.first()) else { return Ok(None) };
    let names: Vec<String> = match &names {
        Some(names) => names.iter().map(|name| text_of(name).trim().to_owned()).collect(),
        None => (1..=first.len()).map(|number| format!("column_{number}")).collect(),
    };
    let types = types(&rows, names.len(), dialect)?;
    let fields = names.into_iter().zip(types).map(|(name, ty)| Field::new(name, ty, true));
    let schema = Schema::new(fields.collect::<Vec<_>>());
    Ok(Some(Sample { schema: schema.into(), by_line: true }))
}

fn text_of(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// The types of the columns of rows: as Arrow finds them in what the values mean.
fn types(rows: &[ByteRecord], width: usize, dialect: &Dialect) -> Result<Vec<DataType>> {
    if dialect.all_text {
        return Ok(vec![DataType::Utf8; width]);
    }
    if rows.is_empty() {
        return Ok(vec![DataType::Null; width]);
    }
    let value = |row: &ByteRecord, column: usize| {
        let text = row.get(column).map(text_of).unwrap_or_default().to_owned();
        dialect.convert.clean(&text).map(str::to_owned)
    };
    let mut clean = csv::Writer::from_writer(Vec::new());
    for row in rows {
        let values = (0..width).map(|column| value(row, column).unwrap_or_default());
        clean.write_record(values).map_err(|error| wrong(error.to_string()))?;
    }
    let clean = clean.into_inner().map_err(|error| wrong(error.to_string()))?;
    let (schema, _) = Format::default().infer_schema(clean.as_slice(), None)?;
    let found = schema.fields().iter().enumerate().map(|(column, field)| {
        let texts: Vec<String> = match field.data_type() {
            DataType::Null => Vec::new(),
            _ => rows.iter().filter_map(|row| value(row, column)).collect(),
        };
        let formed = dialect.convert.formed(texts.iter().map(String::as_str));
        formed.unwrap_or_else(|| field.data_type().clone())
    });
    Ok(found.collect())
}

fn of_json(text: &[u8], ended: bool) -> Result<Option<Sample>> {
    let mut values = serde_json::Deserializer::from_slice(text).into_iter::<Seen>();
    let (mut all, mut by_line, mut from) = (None, true, 0);
    for _ in 0..ROWS {
        let value = match values.next() {
            None => break,
            Some(Err(error)) if error.is_eof() && !ended => break,
            Some(Err(error)) if error.is_eof() => {
                let blank = text.get(from..).unwrap_or_default();
                let blank = blank.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
                let line = 1 + line_ends(text.get(..from + blank).unwrap_or(text));
                return Err(wrong_at(line, "an object that is never closed begins in"));
            }
            Some(Err(error)) => return Err(of_serde(&error)),
            Some(Ok(Seen(ty))) => ty,
        };
        let own = text.get(from..values.byte_offset()).unwrap_or_default().trim_ascii_start();
        if !matches!(value, DataType::Struct(_)) {
            let line = 1 + line_ends(text.get(..values.byte_offset()).unwrap_or(text));
            return Err(wrong_at(line, "there is no object in"));
        }
        by_line &= line_ends(own) == 0;
        from = values.byte_offset();
        all = Some(match all {
            None => value,
            Some(all) => wider(&all, &value),
        });
    }
    let by_line = by_line && !json::is_array(text);
    Ok(match all {
        Some(DataType::Struct(fields)) => {
            Some(Sample { schema: Schema::new(fields).into(), by_line })
        }
        _ => None,
    })
}

fn of_serde(error: &serde_json::Error) -> DataFusionError {
    let line = u64::try_from(error.line()).unwrap_or(u64::MAX);
    let what = error.to_string();
    // The column is of a text that may be one line.
    let what = what.split(" at line ").next().unwrap_or_default();
    wrong_at(line, format_args!("no JSON: {what}, in"))
}

/// The type of a value of JSON.
struct Seen(DataType);

impl<'de> Deserialize<'de> for Seen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Seen, D::Error> {
        deserializer.deserialize_any(Types).map(Seen)
    }
}

struct Types;

impl<'de> Visitor<'de> for Types {
    type Value = DataType;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> std::result::Result<DataType, E> {
        Ok(DataType::Null)
    }

    fn visit_bool<E>(self, _value: bool) -> std::result::Result<DataType, E> {
        Ok(DataType::Boolean)
    }

    fn visit_i64<E>(self, _value: i64) -> std::result::Result<DataType, E> {
        Ok(DataType::Int64)
    }

    fn visit_u64<E>(self, value: u64) -> std::result::Result<DataType, E> {
        Ok(if i64::try_from(value).is_ok() { DataType::Int64 } else { DataType::UInt64 })
    }

    fn visit_f64<E>(self, _value: f64) -> std::result::Result<DataType, E> {
        Ok(DataType::Float64)
    }

    fn visit_str<E>(self, _value: &str) -> std::result::Result<DataType, E> {
        Ok(DataType::Utf8)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<DataType, A::Error> {
        let mut element = DataType::Null;
        while let Some(Seen(ty)) = seq.next_element()? {
            element = wider(&element, &ty);
        }
        Ok(DataType::new_list(element, true))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<DataType, A::Error> {
        let mut fields: Vec<Field> = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            // Of a name that is there twice the last value counts.
            if let Some(known) = fields.iter_mut().find(|field| *field.name() == name) {
                let Seen(ty) = map.next_value()?;
                *known = Field::new(name, ty, true);
                continue;
            }
            if name.is_empty() {
                // A column needs a name.
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let Seen(ty) = map.next_value()?;
            fields.push(Field::new(name, ty, true));
        }
        Ok(DataType::Struct(Fields::from(fields)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(sample: Result<Option<Sample>>) -> String {
        match sample {
            Ok(Some(sample)) => {
                let fields = sample.schema.fields().iter();
                let fields = fields.map(|field| format!("{} {}", field.name(), field.data_type()));
                fields.collect::<Vec<_>>().join(", ")
            }
            Ok(None) => "nothing".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_first_rows_of_a_csv_tell_its_columns() {
        let csv = |text: &str, named: bool| {
            fields(of_csv(text.as_bytes(), true, &Dialect { named, ..Dialect::of_delimiter(b',') }))
        };
        assert_eq!(csv("a, b\n1,x\n,2024-01-31\n", true), "a Int64, b Utf8");
        assert_eq!(
            csv("1.5,2024-01-31,true\n", false),
            "column_1 Float64, column_2 Date32, column_3 Boolean"
        );
        assert!(csv("1,2\n3\n", false).ends_with("there are 1 values in place of 2 in line 2"));
        assert!(csv("1,\"2\n3\n", false).contains("never closed"));
        assert_eq!(csv("", false), "nothing");
    }

    #[test]
    fn the_first_objects_tell_the_columns_in_their_order() {
        let json = |text: &str| fields(of_json(text.as_bytes(), true));
        assert_eq!(json("{\"z\":1,\"a\":null}\n{\"a\":\"x\",\"z\":2.5}"), "z Float64, a Utf8");
        assert_eq!(json("{\"a\":1}{\"a\":\"x\"}"), "a Utf8");
        assert!(json("{\"a\":1}\n5").ends_with("there is no object in line 2"));
        assert!(json("{\"a\":1}\n{\"a\":").contains("line 2"));
        let cut = of_json(b"{\"a\":1}\n{\"a\":", false);
        assert_eq!(fields(cut), "a Int64");
    }
}
