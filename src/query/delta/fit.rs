//! Values into the columns of a table, or what is wrong with them: as MySQL's strict mode has it, but nothing is
//! cut or bent silently.
//!
//! It works by columns: a value that a cast turns into nothing was wrong. What MySQL does and the cast doesn't is
//! done before: numbers are rounded, blanks around numbers and dates don't count.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::cast::AsArray;
use datafusion::arrow::array::types::{
    Float32Type, Float64Type, Int64Type, Time64MicrosecondType, TimestampMicrosecondType,
};
use datafusion::arrow::array::{
    Array, ArrayRef, BooleanArray, PrimitiveArray, RecordBatch, StringArray, new_null_array,
};
use datafusion::arrow::compute::{CastOptions, cast_with_options, filter_record_batch};
use datafusion::arrow::datatypes::{DataType, SchemaRef, TimeUnit};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use jiff::civil::Date;
use serde::de::IgnoredAny;

use super::columns::{seen, stored};
use crate::error::{Error, Misfit, Result};
use crate::rows::declared::{Declared, DeclaredColumn, Width};

/// So many characters of a value are shown in an error.
const SHOWN: usize = 64;

/// The greatest number of 3 bytes, signed and unsigned.
const MEDIUM: (i64, i64) = (8_388_607, 16_777_215);

/// Rows that were to be put into a table.
pub(super) struct Fitted {
    /// Those that fit, as the files hold them.
    pub(super) rows: RecordBatch,
    /// Those that don't, in order.
    pub(super) bad: Vec<Bad>,
}

/// What is wrong with a row.
#[derive(Debug, Clone)]
pub(super) struct Bad {
    /// Which one of the batch.
    pub(super) row: usize,
    /// The first column that is wrong.
    pub(super) column: String,
    /// Why.
    pub(super) misfit: Misfit,
    /// What stands there.
    pub(super) value: String,
}

impl Bad {
    /// The error of a statement whose row this is, from 1 on.
    pub(super) fn error(self, row: u64) -> Error {
        let Bad { column, misfit, value, .. } = self;
        Error::ColumnValue { misfit, column, value, row }
    }

    /// The sentence, without the row.
    pub(super) fn why(&self) -> String {
        let mut text = String::new();
        // A `String` takes everything.
        let _ = self.misfit.tell(&mut text, &self.column, &self.value);
        text
    }
}

/// Fits as many rows as there are. A column without an array has `NULL` in each.
pub(super) fn fit(
    columns: &[DeclaredColumn],
    zone: Option<&str>,
    schema: &SchemaRef,
    arrays: &[Option<ArrayRef>],
    rows: usize,
) -> Result<Fitted> {
    let mut bad = BTreeMap::new();
    let mut fitted = Vec::with_capacity(columns.len());
    for (index, column) in columns.iter().enumerate() {
        let array = match arrays.get(index) {
            Some(Some(array)) => array.clone(),
            _ => new_null_array(&stored(column.ty), rows),
        };
        fitted.push(fit_column(column, zone, &array, &mut bad).map_err(failed)?);
    }
    let rows = RecordBatch::try_new(schema.clone(), fitted).map_err(failed)?;
    let bad: Vec<Bad> = bad.into_values().collect();
    if bad.is_empty() {
        return Ok(Fitted { rows, bad });
    }
    let mut good = vec![true; rows.num_rows()];
    for Bad { row, .. } in &bad {
        if let Some(good) = good.get_mut(*row) {
            *good = false;
        }
    }
    let rows = filter_record_batch(&rows, &BooleanArray::from(good)).map_err(failed)?;
    Ok(Fitted { rows, bad })
}

fn failed(error: ArrowError) -> Error {
    Error::Query { what: error.to_string() }
}

/// One column, as the files hold it; what is wrong is added to `bad`.
fn fit_column(
    column: &DeclaredColumn,
    zone: Option<&str>,
    given: &ArrayRef,
    bad: &mut BTreeMap<usize, Bad>,
) -> Result<ArrayRef, ArrowError> {
    let given = prepared(given, column.ty)?;
    let checked = cast(&given, &checked(column.ty, zone))?;
    let checked = rounded(checked, column.ty);
    let mut tell = |row: usize, misfit: Misfit| {
        bad.entry(row).or_insert_with(|| Bad {
            row,
            column: column.name.clone(),
            misfit,
            value: shown(&given, row),
        });
    };
    if checked.null_count() > given.null_count() {
        for row in (0..given.len()).filter(|row| given.is_valid(*row) && checked.is_null(*row)) {
            tell(row, why(&given, row, column.ty));
        }
    }
    if !column.nullable && given.null_count() > 0 {
        (0..given.len()).filter(|row| given.is_null(*row)).for_each(|row| tell(row, Misfit::Null));
    }
    match column.ty {
        Declared::Char(chars) | Declared::VarChar(chars) => too_long(&checked, chars, &mut tell),
        Declared::VarBinary(bytes) => {
            for (row, value) in checked.as_binary::<i32>().iter().enumerate() {
                if value.is_some_and(|value| value.len() > size(bytes)) {
                    tell(row, Misfit::TooLong);
                }
            }
        }
        Declared::Json => {
            for (row, value) in checked.as_string::<i32>().iter().enumerate() {
                if value.is_some_and(|text| serde_json::from_str::<IgnoredAny>(text).is_err()) {
                    tell(row, Misfit::Json);
                }
            }
        }
        Declared::Integer { width: Width::Medium, unsigned } => {
            let wide = cast(&checked, &DataType::Int64)?;
            let (least, most) = if unsigned { (0, MEDIUM.1) } else { (-MEDIUM.0 - 1, MEDIUM.0) };
            for (row, value) in wide.as_primitive::<Int64Type>().iter().enumerate() {
                if value.is_some_and(|value| value < least || value > most) {
                    tell(row, Misfit::OutOfRange);
                }
            }
        }
        _ => {}
    }
    cast(&checked, &stored(column.ty))
}

fn too_long(array: &ArrayRef, chars: u32, tell: &mut impl FnMut(usize, Misfit)) {
    let chars = size(chars);
    for (row, value) in array.as_string::<i32>().iter().enumerate() {
        // No text has more characters than bytes.
        if value.is_some_and(|text| text.len() > chars && text.chars().count() > chars) {
            tell(row, Misfit::TooLong);
        }
    }
}

fn size(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// What values become first: a type in which every value that is right has a place, and no other.
fn checked(ty: Declared, zone: Option<&str>) -> DataType {
    match ty {
        // What says no zone is of the session's.
        Declared::Timestamp(_) if zone.is_some() => {
            DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into))
        }
        Declared::Integer { .. } => seen(ty),
        Declared::Time(_) => DataType::Time64(TimeUnit::Microsecond),
        other => stored(other),
    }
}

/// A cast that turns what it can't into `NULL`.
fn cast(array: &ArrayRef, ty: &DataType) -> Result<ArrayRef, ArrowError> {
    if array.data_type() == ty {
        return Ok(array.clone());
    }
    cast_with_options(array, ty, &CastOptions { safe: true, ..CastOptions::default() })
}

/// What MySQL does before it looks whether a value fits.
fn prepared(given: &ArrayRef, ty: Declared) -> Result<ArrayRef, ArrowError> {
    let is_text =
        matches!(ty, Declared::Char(_) | Declared::VarChar(_) | Declared::Text | Declared::Json);
    match given.data_type() {
        DataType::Null => Ok(new_null_array(&stored(ty), given.len())),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(..) => {
            let given = match given.data_type() {
                DataType::Dictionary(_, values) => cast(given, values)?,
                _ => given.clone(),
            };
            if !matches!(
                given.data_type(),
                DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
            ) {
                return prepared(&given, ty);
            }
            let given = cast(&given, &DataType::Utf8)?;
            if is_text || matches!(ty, Declared::VarBinary(_) | Declared::Blob) {
                return Ok(given);
            }
            Ok(Arc::new(plain(given.as_string::<i32>(), ty)))
        }
        // Not `true` but 1.
        DataType::Boolean if is_text => cast(given, &DataType::Int8),
        DataType::Float32 if whole(ty) => {
            Ok(Arc::new(given.as_primitive::<Float32Type>().unary::<_, Float32Type>(f32::round)))
        }
        DataType::Float64 if whole(ty) => {
            Ok(Arc::new(given.as_primitive::<Float64Type>().unary::<_, Float64Type>(f64::round)))
        }
        DataType::Decimal128(_, scale) if whole(ty) && *scale > 0 => {
            cast(given, &DataType::Decimal128(38, 0))
        }
        nested if nested.is_nested() && is_text => super::super::values::as_json(given),
        _ => Ok(given.clone()),
    }
}

fn whole(ty: Declared) -> bool {
    matches!(ty, Declared::Integer { .. })
}

/// Texts for numbers and moments, in the one form that the cast knows.
fn plain(texts: &StringArray, ty: Declared) -> StringArray {
    let form = |text: &str| -> String {
        let text = text.trim();
        match ty {
            Declared::Integer { .. } if text.parse::<i128>().is_err() => text
                .parse::<f64>()
                .ok()
                .filter(|number| number.abs() < 9e15)
                .map_or_else(|| text.to_owned(), |number| format!("{:.0}", number.round())),
            Declared::Date | Declared::DateTime(_) | Declared::Timestamp(_) => {
                moment(text).unwrap_or_else(|| text.to_owned())
            }
            _ => text.to_owned(),
        }
    };
    texts.iter().map(|text| text.map(form)).collect()
}

/// `2024-1-5`, `2024/01/05`, `20240105`, each with a time or without, in the usual form.
fn moment(text: &str) -> Option<String> {
    let at = text.find([' ', 'T']);
    let (day, rest) = at.map_or((text, ""), |at| text.split_at(at));
    let numbers: Vec<&str> = match day.len() == 8 && day.bytes().all(|b| b.is_ascii_digit()) {
        true => vec![day.get(..4)?, day.get(4..6)?, day.get(6..)?],
        false => day.split(['-', '/', '.']).collect(),
    };
    let [year, month, day] = numbers.as_slice() else { return None };
    let date = Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()?;
    Some(format!("{date}{rest}"))
}

/// Moments and times with as many digits of a second as were declared.
fn rounded(array: ArrayRef, ty: Declared) -> ArrayRef {
    let (Declared::Time(fraction) | Declared::DateTime(fraction) | Declared::Timestamp(fraction)) =
        ty
    else {
        return array;
    };
    let unit = 10_i64.pow(6_u32.saturating_sub(u32::from(fraction)));
    let round = |micros: i64| micros.saturating_add(unit / 2).div_euclid(unit) * unit;
    match array.data_type() {
        _ if unit == 1 => array,
        DataType::Time64(_) => {
            // There is no time behind the last one of a day.
            let last = 86_400_000_000 - unit;
            let times = array.as_primitive::<Time64MicrosecondType>();
            Arc::new(times.unary::<_, Time64MicrosecondType>(|micros| round(micros).min(last)))
        }
        DataType::Timestamp(_, zone) => {
            let moments = array.as_primitive::<TimestampMicrosecondType>();
            let moments: PrimitiveArray<TimestampMicrosecondType> = moments.unary(round);
            Arc::new(moments.with_timezone_opt(zone.clone()))
        }
        _ => array,
    }
}

/// Why a cast has found no value.
fn why(given: &ArrayRef, row: usize, ty: Declared) -> Misfit {
    let numeric = matches!(
        ty,
        Declared::Integer { .. } | Declared::Float | Declared::Double | Declared::Decimal { .. }
    );
    let is_number = given.data_type().is_numeric()
        || (given.data_type() == &DataType::Utf8
            && given.as_string::<i32>().value(row).parse::<f64>().is_ok());
    if numeric && is_number { Misfit::OutOfRange } else { Misfit::Incorrect(ty.noun()) }
}

fn shown(array: &ArrayRef, row: usize) -> String {
    let options = FormatOptions::default();
    let Ok(formatter) = ArrayFormatter::try_new(array, &options) else { return String::new() };
    let text = formatter.value(row).to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or(&text)),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(ty: Declared, nullable: bool) -> DeclaredColumn {
        let (default, comment) = (None, String::new());
        DeclaredColumn { name: "a".to_owned(), ty, nullable, default, comment }
    }

    /// What texts become in a column, and what is wrong: `row: sentence`.
    fn fitted(ty: Declared, texts: &[&str]) -> (Vec<String>, Vec<String>) {
        let columns = [column(ty, false)];
        let schema = super::super::columns::schema(&columns);
        let given = texts.iter().map(|text| Some(*text).filter(|text| *text != "NULL"));
        let array: ArrayRef = Arc::new(given.collect::<StringArray>());
        let fitted = fit(&columns, None, &schema, &[Some(array)], texts.len()).expect("a batch");
        let values = fitted.rows.column(0);
        let shown = (0..values.len()).map(|row| shown(values, row)).collect();
        let bad = fitted.bad.iter().map(|bad| format!("{}: {}", bad.row, bad.why())).collect();
        (shown, bad)
    }

    #[test]
    fn values_are_checked_as_mysql_checks_them() {
        let tiny = Declared::Integer { width: Width::Tiny, unsigned: true };
        let (values, bad) = fitted(tiny, &["1", " 2 ", "2.5", "256", "-1", "abc", "NULL", "255"]);
        assert_eq!(values, ["1", "2", "3", "255"]);
        assert_eq!(
            bad,
            [
                "3: Out of range value for column 'a'",
                "4: Out of range value for column 'a'",
                "5: Incorrect integer value: 'abc' for column 'a'",
                "6: Column 'a' cannot be null",
            ]
        );
        let medium = Declared::Integer { width: Width::Medium, unsigned: false };
        assert_eq!(fitted(medium, &["8388607", "8388608"]).1.len(), 1);
        assert_eq!(fitted(Declared::VarChar(2), &["äö", "abc"]).0, ["äö"]);
        assert_eq!(fitted(Declared::Json, &["{\"a\": 1}", "{a}"]).0, ["{\"a\": 1}"]);
    }

    #[test]
    fn unsigned_numbers_and_decimals_keep_every_digit() {
        let unsigned = Declared::Integer { width: Width::Big, unsigned: true };
        assert_eq!(fitted(unsigned, &["18446744073709551615"]).0, ["18446744073709551615"]);
        let decimal = Declared::Decimal { precision: 5, scale: 2 };
        let (values, bad) = fitted(decimal, &["123.455", "-0.01", "1000"]);
        assert_eq!(values, ["123.46", "-0.01"]);
        assert_eq!(bad, ["2: Out of range value for column 'a'"]);
    }

    #[test]
    fn moments_are_read_in_many_forms_and_rounded() {
        let (values, bad) =
            fitted(Declared::Date, &["2024-1-5", "20240105", "2024/01/05", "2024-02-30", "soon"]);
        assert_eq!(values, ["2024-01-05"; 3]);
        assert_eq!(bad.len(), 2);
        let (values, _) = fitted(Declared::DateTime(0), &["2024-01-05 10:11:12.5", "2024-01-05"]);
        assert_eq!(values, ["2024-01-05T10:11:13", "2024-01-05T00:00:00"]);
        let (values, _) = fitted(Declared::DateTime(3), &["2024-01-05 10:11:12.3456"]);
        assert_eq!(values, ["2024-01-05T10:11:12.346"]);
    }
}
