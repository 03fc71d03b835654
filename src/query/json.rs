//! Parts of values: `col:a.b[0]`, `col -> '$.a'`, `JSON_EXTRACT` and its like, of columns that have parts and of
//! texts that are JSON. The names begin with `mysql_`: `rewrite` calls them, users don't.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, StringArray, UInt64Array, make_array, new_empty_array, new_null_array,
};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion::prelude::SessionContext;
use serde_json::Value;

use super::row::{self, Argument, ByRow, texts};

/// Makes the functions known.
pub(super) fn register(context: &SessionContext) {
    context.register_udf(ScalarUDF::from(Part {
        signature: Signature::any(2, Volatility::Immutable),
    }));
    row::register(context, &OF_DOCUMENTS);
}

/// Whether there is a function of this name.
pub(super) fn is_known(name: &str) -> bool {
    OF_DOCUMENTS.iter().any(|(known, ..)| *known == name)
}

/// A step into a value.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
    EveryKey,
    EveryElement,
}

/// The steps of `$.a."b c"[0]`; `None` for what is no path.
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.trim().strip_prefix('$')?.trim_start();
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let (step, behind) = if let Some(inner) = rest.strip_prefix('[') {
            let (index, behind) = inner.split_once(']')?;
            let step = match index.trim() {
                "*" => Step::EveryElement,
                index => Step::Index(index.parse().ok()?),
            };
            (step, behind)
        } else {
            let key = rest.strip_prefix('.')?.trim_start();
            if let Some(behind) = key.strip_prefix('*') {
                (Step::EveryKey, behind)
            } else if key.starts_with('"') {
                let mut texts = serde_json::Deserializer::from_str(key).into_iter::<String>();
                let text = texts.next()?.ok()?;
                (Step::Key(text), key.get(texts.byte_offset()..)?)
            } else {
                let end = key.find(['.', '[', ' ']).unwrap_or(key.len());
                let (name, behind) = key.split_at(end);
                if name.is_empty() {
                    return None;
                }
                (Step::Key(name.to_owned()), behind)
            }
        };
        steps.push(step);
        rest = behind.trim_start();
    }
    Some(steps)
}

/// The path of these keys and places, as [`steps`] reads it.
pub(super) fn path_of(parts: &[std::result::Result<String, usize>]) -> String {
    let part = |part: &std::result::Result<String, usize>| match part {
        Ok(key) => format!(".{}", Value::from(key.as_str())),
        Err(index) => format!("[{index}]"),
    };
    std::iter::once("$".to_owned()).chain(parts.iter().map(part)).collect()
}

/// What the steps lead to; names are compared with regard to case, or without.
fn walk<'a>(value: &'a Value, steps: &[Step], any_case: bool) -> Vec<&'a Value> {
    let Some((step, rest)) = steps.split_first() else { return vec![value] };
    let next: Vec<&Value> = match (step, value) {
        (Step::Key(key), Value::Object(map)) => {
            let same = |(name, _): &(&String, &Value)| any_case && name.eq_ignore_ascii_case(key);
            map.get(key)
                .or_else(|| map.iter().find(same).map(|(_, value)| value))
                .into_iter()
                .collect()
        }
        (Step::Index(index), Value::Array(values)) => values.get(*index).into_iter().collect(),
        // To MySQL a value is an array of itself.
        (Step::Index(0), value) => vec![value],
        (Step::EveryKey, Value::Object(map)) => map.values().collect(),
        (Step::EveryElement, Value::Array(values)) => values.iter().collect(),
        _ => Vec::new(),
    };
    next.into_iter().flat_map(|value| walk(value, rest, any_case)).collect()
}

/// JSON as MySQL writes it: with blanks, the shorter names first.
fn print(value: &Value) -> String {
    match value {
        Value::Array(values) => {
            let values: Vec<String> = values.iter().map(print).collect();
            format!("[{}]", values.join(", "))
        }
        Value::Object(map) => {
            let mut pairs: Vec<(&String, &Value)> = map.iter().collect();
            pairs.sort_by_key(|(name, _)| (name.len(), name.as_str()));
            let pair = |(name, value): (&String, &Value)| {
                format!("{}: {}", Value::from(name.as_str()), print(value))
            };
            let pairs: Vec<String> = pairs.into_iter().map(pair).collect();
            format!("{{{}}}", pairs.join(", "))
        }
        plain => plain.to_string(),
    }
}

/// A text as itself, everything else as JSON.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(print(other)),
    }
}

/// `value:path`: a part of a column that has parts is what it is there; of a text that is JSON, a text.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Part {
    signature: Signature,
}

impl ScalarUDFImpl for Part {
    fn name(&self) -> &'static str {
        "mysql_part"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        exec_err!("the type of a part is that of a place in a column")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let (Some(field), Some(Some(path))) =
            (args.arg_fields.first(), args.scalar_arguments.get(1))
        else {
            return exec_err!("a part needs a path");
        };
        // The rows of a column of no rows tell the type.
        let column = new_empty_array(field.data_type());
        let part = part(&column, &path_in(path)?)?;
        Ok(Arc::new(Field::new(self.name(), part.data_type().clone(), true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value, ColumnarValue::Scalar(path)] = args.args.as_slice() else {
            return exec_err!("a part needs a path");
        };
        let steps = path_in(path)?;
        match value {
            ColumnarValue::Array(column) => Ok(ColumnarValue::Array(part(column, &steps)?)),
            ColumnarValue::Scalar(value) => {
                let column = part(&value.to_array()?, &steps)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&column, 0)?))
            }
        }
    }
}

fn path_in(path: &ScalarValue) -> Result<Vec<Step>> {
    match path.try_as_str().flatten().and_then(steps) {
        Some(steps) => Ok(steps),
        None => exec_err!("a part needs a path"),
    }
}

fn part(column: &ArrayRef, path: &[Step]) -> Result<ArrayRef> {
    let Some((step, rest)) = path.split_first() else { return Ok(column.clone()) };
    match (column.data_type(), step) {
        (DataType::Struct(fields), Step::Key(key)) => {
            let at = fields.iter().position(|field| field.name() == key);
            let any_case =
                || fields.iter().position(|field| field.name().eq_ignore_ascii_case(key));
            let parts = column.as_struct();
            match at.or_else(any_case) {
                Some(at) => part(&below(parts.column(at), parts.nulls())?, rest),
                None => Ok(new_null_array(&DataType::Utf8, column.len())),
            }
        }
        (DataType::List(_), Step::Index(index)) => {
            let list = column.as_list::<i32>();
            let offsets = list.value_offsets();
            let place = |row: usize| {
                let start = u64::try_from(*offsets.get(row)?).ok()?;
                let end = u64::try_from(*offsets.get(row + 1)?).ok()?;
                let place = start + u64::try_from(*index).ok()?;
                (list.is_valid(row) && place < end).then_some(place)
            };
            let places: UInt64Array = (0..list.len()).map(place).collect();
            part(&take(list.values(), &places, None)?, rest)
        }
        _ => {
            let found = |text: Option<&str>| {
                let value = serde_json::from_str::<Value>(text?).ok()?;
                walk(&value, path, true).first().copied().and_then(plain)
            };
            Ok(Arc::new(texts(column)?.iter().map(found).collect::<StringArray>()))
        }
    }
}

/// A part is not there where the whole is not.
fn below(column: &ArrayRef, nulls: Option<&NullBuffer>) -> Result<ArrayRef> {
    if nulls.is_none() || *column.data_type() == DataType::Null {
        return Ok(column.clone());
    }
    let nulls = NullBuffer::union(column.nulls(), nulls);
    Ok(make_array(column.to_data().into_builder().nulls(nulls).build()?))
}

impl Argument<'_> {
    /// What it says as JSON.
    fn document(&self) -> Option<Value> {
        serde_json::from_str(self.text?).ok()
    }

    /// What it is as a value in JSON.
    fn value(&self) -> Value {
        match (self.text, self.is_json) {
            (None, _) => Value::Null,
            (Some(text), true) => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
            (Some(text), false) => text.into(),
        }
    }
}

const OF_DOCUMENTS: [ByRow; 11] = [
    ("mysql_json_extract", DataType::Utf8, extract),
    ("mysql_json_unquote", DataType::Utf8, unquote),
    ("mysql_json_value", DataType::Utf8, value),
    ("mysql_json_valid", DataType::Int64, valid),
    ("mysql_json_length", DataType::Int64, length),
    ("mysql_json_type", DataType::Utf8, kind),
    ("mysql_json_keys", DataType::Utf8, keys),
    ("mysql_json_quote", DataType::Utf8, quote),
    ("mysql_json_contains", DataType::Int64, contains),
    ("mysql_json_object", DataType::Utf8, object),
    ("mysql_json_array", DataType::Utf8, array),
];

/// What the paths of a call lead to: several values are an array.
fn found(arguments: &[Argument<'_>]) -> Option<Value> {
    let (document, paths) = arguments.split_first()?;
    let document = document.document()?;
    let mut all = Vec::new();
    let mut several = paths.len() > 1;
    for path in paths {
        let steps = steps(path.text?)?;
        several |= steps.iter().any(|step| matches!(step, Step::EveryKey | Step::EveryElement));
        all.extend(walk(&document, &steps, false).into_iter().cloned());
    }
    match several {
        true if all.is_empty() => None,
        true => Some(Value::Array(all)),
        false => all.into_iter().next(),
    }
}

fn extract(arguments: &[Argument<'_>]) -> Option<String> {
    found(arguments).map(|value| print(&value))
}

fn unquote(arguments: &[Argument<'_>]) -> Option<String> {
    let text = arguments.first()?.text?;
    match serde_json::from_str(text) {
        Ok(Value::String(inner)) => Some(inner),
        Ok(_) | Err(_) => Some(text.to_owned()),
    }
}

fn value(arguments: &[Argument<'_>]) -> Option<String> {
    plain(&found(arguments)?)
}

fn valid(arguments: &[Argument<'_>]) -> Option<String> {
    let text = arguments.first()?.text?;
    Some(u8::from(serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()).to_string())
}

/// The document of a call, or what its path leads to in it.
fn meant(arguments: &[Argument<'_>]) -> Option<Value> {
    match arguments {
        [document] => document.document(),
        _ => found(arguments),
    }
}

fn length(arguments: &[Argument<'_>]) -> Option<String> {
    let length = match meant(arguments)? {
        Value::Array(values) => values.len(),
        Value::Object(map) => map.len(),
        _ => 1,
    };
    Some(length.to_string())
}

fn kind(arguments: &[Argument<'_>]) -> Option<String> {
    let kind = match arguments.first()?.document()? {
        Value::Null => "NULL",
        Value::Bool(_) => "BOOLEAN",
        Value::Number(number) if number.is_f64() => "DOUBLE",
        Value::Number(_) => "INTEGER",
        Value::String(_) => "STRING",
        Value::Array(_) => "ARRAY",
        Value::Object(_) => "OBJECT",
    };
    Some(kind.to_owned())
}

fn keys(arguments: &[Argument<'_>]) -> Option<String> {
    let Value::Object(map) = meant(arguments)? else { return None };
    let mut keys: Vec<&String> = map.keys().collect();
    keys.sort_by_key(|name| (name.len(), name.as_str()));
    Some(print(&keys.into_iter().map(|key| Value::from(key.as_str())).collect()))
}

fn quote(arguments: &[Argument<'_>]) -> Option<String> {
    Some(Value::from(arguments.first()?.text?).to_string())
}

fn contains(arguments: &[Argument<'_>]) -> Option<String> {
    let [document, candidate, paths @ ..] = arguments else { return None };
    let document = match paths {
        [] => document.document()?,
        [path] => found(&[*document, *path])?,
        _ => return None,
    };
    Some(u8::from(holds(&document, &candidate.document()?)).to_string())
}

/// Whether all of the candidate is in a value, as `JSON_CONTAINS` has it.
fn holds(value: &Value, candidate: &Value) -> bool {
    match (value, candidate) {
        (Value::Object(map), Value::Object(wanted)) => wanted
            .iter()
            .all(|(name, wanted)| map.get(name).is_some_and(|value| holds(value, wanted))),
        (Value::Array(values), Value::Array(wanted)) => {
            wanted.iter().all(|wanted| values.iter().any(|value| holds(value, wanted)))
        }
        (Value::Array(values), wanted) => values.iter().any(|value| holds(value, wanted)),
        (Value::Number(value), Value::Number(wanted)) => value.as_f64() == wanted.as_f64(),
        (value, wanted) => value == wanted,
    }
}

fn object(arguments: &[Argument<'_>]) -> Option<String> {
    let pairs = arguments.chunks_exact(2).map(|pair| match pair {
        [name, value] => Some((name.text?.to_owned(), value.value())),
        _ => None,
    });
    Some(print(&Value::Object(pairs.collect::<Option<_>>()?)))
}

fn array(arguments: &[Argument<'_>]) -> Option<String> {
    Some(print(&arguments.iter().map(Argument::value).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_as_they_are_written() {
        for (path, printed) in [
            ("$.a.b[0]", "$.\"a\".\"b\"[0]"),
            ("$", "$"),
            ("$ .\"a \\\"b\" [ 12 ]", "$.\"a \\\"b\"[12]"),
        ] {
            let parts = steps(path).expect(path).into_iter().map(|step| match step {
                Step::Key(key) => Ok(key),
                Step::Index(index) => Err(index),
                Step::EveryKey | Step::EveryElement => panic!("a wildcard"),
            });
            let parts: Vec<_> = parts.collect();
            assert_eq!(path_of(&parts), printed);
            assert_eq!(steps(printed), steps(path));
        }
        for wrong in ["", "a", "$a", "$.", "$[x]", "$.a b"] {
            assert_eq!(steps(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn documents_are_searched_as_mysql_does() {
        let call = |compute: row::Compute, texts: &[&str]| {
            let arguments: Vec<Argument<'_>> =
                texts.iter().map(|text| Argument { text: Some(*text), is_json: false }).collect();
            compute(&arguments).unwrap_or_else(|| "NULL".to_owned())
        };
        let text = r#"{"bb":[1,{"c":"x"}],"a":null}"#;
        assert_eq!(call(extract, &[text, "$"]), r#"{"a": null, "bb": [1, {"c": "x"}]}"#);
        assert_eq!(call(extract, &[text, "$.bb[1].c"]), "\"x\"");
        assert_eq!(call(value, &[text, "$.bb[1].c"]), "x");
        assert_eq!(call(extract, &[text, "$.bb[*]"]), r#"[1, {"c": "x"}]"#);
        assert_eq!(call(extract, &[text, "$.a", "$.x"]), "[null]");
        assert_eq!(call(extract, &[text, "$.B"]), "NULL");
        assert_eq!(call(extract, &["no json", "$"]), "NULL");
        assert_eq!(call(length, &[text, "$.bb"]), "2");
        assert_eq!(call(keys, &[text]), "[\"a\", \"bb\"]");
        assert_eq!(call(contains, &["[1,2,[3]]", "[2, 1]"]), "1");
    }
}
