//! Arrow's values to ours.

use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::array::cast::AsArray;
use datafusion::arrow::array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time64MicrosecondType, TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use datafusion::arrow::array::{Array, ArrayRef, RecordBatch, StringArray, new_empty_array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, Field, Schema, TimeUnit};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::{DataFusionError, Result as PlanResult, ScalarValue};
use datafusion::datasource::MemTable;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::RowTable;
use crate::error::{Error, Result};
use crate::rows::decimal::{Decimal, MAX_SCALE};
use crate::rows::moment::{DateTime as Moment, MAX_FRACTION, Time};
use crate::rows::{Row, Type, Value};

/// MySQL's type for one of Arrow's.
pub(super) fn type_of(ty: &DataType) -> Type {
    match ty {
        DataType::Null => Type::Null,
        DataType::Boolean => Type::Bool,
        ty if ty.is_signed_integer() => Type::Int,
        ty if ty.is_unsigned_integer() => Type::UInt,
        DataType::Float16 | DataType::Float32 => Type::Float,
        DataType::Float64 => Type::Double,
        DataType::Decimal128(precision, scale) => decimal_type(*precision, *scale),
        DataType::Date32 => Type::Date,
        DataType::Time32(TimeUnit::Second) => Type::Time(0),
        DataType::Time32(_) => Type::Time(3),
        DataType::Time64(_) => Type::Time(6),
        // A moment of a time zone is one of UTC: a DATETIME would be shown as it is written there.
        DataType::Timestamp(TimeUnit::Second, zone) => moment_type(0, zone.is_some()),
        DataType::Timestamp(TimeUnit::Millisecond, zone) => moment_type(3, zone.is_some()),
        DataType::Timestamp(_, zone) => moment_type(MAX_FRACTION, zone.is_some()),
        DataType::Date64 => Type::DateTime(3),
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => Type::Bytes,
        DataType::Dictionary(_, values) => type_of(values),
        ty if ty.is_nested() => Type::Json,
        _ => Type::Text,
    }
}

fn decimal_type(precision: u8, scale: i8) -> Type {
    match u8::try_from(scale) {
        Ok(scale) if scale <= MAX_SCALE => Type::Decimal { precision, scale },
        // Zeros before the point, or more digits behind it than MySQL has.
        Ok(_) => Type::Text,
        Err(_) => {
            let precision = precision.saturating_add(scale.unsigned_abs());
            Type::Decimal { precision, scale: 0 }
        }
    }
}

fn moment_type(fraction: u8, zoned: bool) -> Type {
    if zoned { Type::Timestamp(fraction) } else { Type::DateTime(fraction) }
}

/// The rows of a batch.
pub(super) fn rows(batch: &RecordBatch) -> Result<Vec<Row>> {
    let mut rows: Vec<Row> =
        (0..batch.num_rows()).map(|_| Vec::with_capacity(batch.num_columns())).collect();
    for column in batch.columns() {
        append(column, &mut rows)?;
    }
    Ok(rows)
}

/// Adds a column to the rows.
fn append(column: &ArrayRef, rows: &mut [Row]) -> Result<()> {
    macro_rules! each {
        ($array:expr, $value:expr) => {{
            let array = $array;
            for (index, row) in rows.iter_mut().enumerate() {
                row.push(if array.is_null(index) {
                    Value::Null
                } else {
                    $value(array.value(index))
                });
            }
        }};
    }
    let text = |text: &str| Value::Text(text.to_owned());
    let bytes = |bytes: &[u8]| Value::Bytes(Bytes::copy_from_slice(bytes));
    match column.data_type() {
        DataType::Null => rows.iter_mut().for_each(|row| row.push(Value::Null)),
        DataType::Boolean => each!(column.as_boolean(), |value| Value::Int(i64::from(value))),
        DataType::Int8 => each!(column.as_primitive::<Int8Type>(), |v| Value::Int(i64::from(v))),
        DataType::Int16 => each!(column.as_primitive::<Int16Type>(), |v| Value::Int(i64::from(v))),
        DataType::Int32 => each!(column.as_primitive::<Int32Type>(), |v| Value::Int(i64::from(v))),
        DataType::Int64 => each!(column.as_primitive::<Int64Type>(), Value::Int),
        DataType::UInt8 => each!(column.as_primitive::<UInt8Type>(), |v| Value::UInt(u64::from(v))),
        DataType::UInt16 => {
            each!(column.as_primitive::<UInt16Type>(), |v| Value::UInt(u64::from(v)))
        }
        DataType::UInt32 => {
            each!(column.as_primitive::<UInt32Type>(), |v| Value::UInt(u64::from(v)))
        }
        DataType::UInt64 => each!(column.as_primitive::<UInt64Type>(), Value::UInt),
        DataType::Float32 => each!(column.as_primitive::<Float32Type>(), Value::Float),
        DataType::Float64 => each!(column.as_primitive::<Float64Type>(), Value::Double),
        DataType::Utf8 => each!(column.as_string::<i32>(), text),
        DataType::LargeUtf8 => each!(column.as_string::<i64>(), text),
        DataType::Utf8View => each!(column.as_string_view(), text),
        DataType::Binary => each!(column.as_binary::<i32>(), bytes),
        DataType::LargeBinary => each!(column.as_binary::<i64>(), bytes),
        DataType::BinaryView => each!(column.as_binary_view(), bytes),
        DataType::FixedSizeBinary(_) => each!(column.as_fixed_size_binary(), bytes),
        DataType::Date32 => each!(column.as_primitive::<Date32Type>(), date),
        DataType::Decimal128(_, scale) => {
            let scale = *scale;
            each!(column.as_primitive::<Decimal128Type>(), |v| decimal(v, scale));
        }
        DataType::Timestamp(unit, zone) => {
            let fraction = match unit {
                TimeUnit::Second => 0,
                TimeUnit::Millisecond => 3,
                TimeUnit::Microsecond | TimeUnit::Nanosecond => MAX_FRACTION,
            };
            let micros = DataType::Timestamp(TimeUnit::Microsecond, zone.clone());
            let column = local(&converted(column, &micros)?)?;
            each!(column.as_primitive::<TimestampMicrosecondType>(), |v| moment(v, fraction));
        }
        DataType::Time32(unit) => {
            let fraction = if *unit == TimeUnit::Second { 0 } else { 3 };
            let column = converted(column, &DataType::Time64(TimeUnit::Microsecond))?;
            each!(column.as_primitive::<Time64MicrosecondType>(), |v| time(v, fraction));
        }
        DataType::Time64(_) => {
            let column = converted(column, &DataType::Time64(TimeUnit::Microsecond))?;
            each!(column.as_primitive::<Time64MicrosecondType>(), |v| time(v, MAX_FRACTION));
        }
        DataType::Date64 => {
            return append(
                &converted(column, &DataType::Timestamp(TimeUnit::Millisecond, None))?,
                rows,
            );
        }
        DataType::Float16 => return append(&converted(column, &DataType::Float32)?, rows),
        DataType::Dictionary(_, values) => return append(&converted(column, values)?, rows),
        ty if ty.is_nested() => return nested(column, rows),
        _ => return shown(column, rows),
    }
    Ok(())
}

/// Moments as the clock of their time zone shows them.
pub(super) fn local(column: &ArrayRef) -> Result<ArrayRef> {
    let DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) = column.data_type() else {
        return Ok(column.clone());
    };
    let moments = column.as_primitive::<TimestampMicrosecondType>();
    if matches!(zone.as_ref(), "UTC" | "+00:00" | "Z") {
        return Ok(Arc::new(moments.clone().with_timezone_opt::<&str>(None)));
    }
    let zone = zone_named(zone).ok_or_else(|| Error::UnknownTimeZone { name: zone.to_string() })?;
    let shifted = moments.unary_opt::<_, TimestampMicrosecondType>(|micros| {
        let at = Timestamp::from_microsecond(micros).ok()?;
        micros.checked_add(i64::from(zone.to_offset(at).seconds()).checked_mul(1_000_000)?)
    });
    Ok(Arc::new(shifted))
}

/// A time zone by its name or its offset.
pub(super) fn zone_named(name: &str) -> Option<TimeZone> {
    if name.eq_ignore_ascii_case("SYSTEM") || name == "Z" {
        return Some(TimeZone::UTC);
    }
    if let Some(rest) = name.strip_prefix(['+', '-']) {
        let (hours, minutes) = rest.split_once(':')?;
        let seconds = hours.parse::<i32>().ok()? * 3600 + minutes.parse::<i32>().ok()? * 60;
        let seconds = if name.starts_with('-') { -seconds } else { seconds };
        return Some(TimeZone::fixed(jiff::tz::Offset::from_seconds(seconds).ok()?));
    }
    TimeZone::get(name).ok()
}

fn converted(column: &ArrayRef, ty: &DataType) -> Result<ArrayRef> {
    cast(column, ty).map_err(|error| Error::Query { what: error.to_string() })
}

fn date(days: i32) -> Value {
    let epoch = jiff::civil::date(1970, 1, 1);
    match epoch.checked_add(jiff::Span::new().days(days)) {
        Ok(date) => Value::Date(date),
        Err(_) => Value::Null,
    }
}

fn moment(micros: i64, fraction: u8) -> Value {
    let moment = Timestamp::from_microsecond(micros);
    moment.map_or(Value::Null, |at| Value::DateTime(Moment::new(at, fraction)))
}

fn time(micros: i64, fraction: u8) -> Value {
    Value::Time(Time::new(micros, fraction))
}

fn decimal(value: i128, scale: i8) -> Value {
    match u8::try_from(scale) {
        Ok(scale) if scale <= MAX_SCALE => Value::Decimal(Decimal::new(value, scale)),
        Ok(scale) => Value::Text(format!("{value}e-{scale}")),
        Err(_) => {
            let zeros = 10_i128.checked_pow(u32::from(scale.unsigned_abs()));
            let whole = zeros.and_then(|zeros| value.checked_mul(zeros));
            whole.map_or(Value::Null, |whole| Value::Decimal(Decimal::new(whole, 0)))
        }
    }
}

/// What has parts: as JSON.
fn nested(column: &ArrayRef, rows: &mut [Row]) -> Result<()> {
    use datafusion::arrow::json::writer::{EncoderOptions, make_encoder};
    let failed = |error: ArrowError| Error::Query { what: error.to_string() };
    let options = EncoderOptions::default().with_explicit_nulls(true);
    let field = Arc::new(Field::new("value", column.data_type().clone(), true));
    let mut encoder = make_encoder(&field, column, &options).map_err(failed)?;
    for (index, row) in rows.iter_mut().enumerate() {
        if column.is_null(index) {
            row.push(Value::Null);
            continue;
        }
        let mut out = Vec::new();
        encoder.encode(index, &mut out);
        row.push(Value::Text(String::from_utf8_lossy(&out).into_owned()));
    }
    Ok(())
}

/// What has parts, as texts of JSON.
pub(super) fn as_json(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    use datafusion::arrow::json::writer::{EncoderOptions, make_encoder};
    let options = EncoderOptions::default().with_explicit_nulls(true);
    let field = Arc::new(Field::new("value", column.data_type().clone(), true));
    let mut encoder = make_encoder(&field, column, &options)?;
    let text = |row: usize| {
        (!column.is_null(row)).then(|| {
            let mut out = Vec::new();
            encoder.encode(row, &mut out);
            String::from_utf8_lossy(&out).into_owned()
        })
    };
    Ok(Arc::new((0..column.len()).map(text).collect::<StringArray>()))
}

/// What MySQL has no type for: as Arrow shows it.
fn shown(column: &ArrayRef, rows: &mut [Row]) -> Result<()> {
    let failed = |error: ArrowError| Error::Query { what: error.to_string() };
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(column, &options).map_err(failed)?;
    for (index, row) in rows.iter_mut().enumerate() {
        let value = (!column.is_null(index)).then(|| formatter.value(index).to_string());
        row.push(value.into());
    }
    Ok(())
}

/// A table of ours as one of DataFusion's.
pub(super) fn table(table: &RowTable) -> Result<MemTable> {
    let failed = |error: DataFusionError| super::fault::of(&error, None);
    let schema = Arc::new(Schema::new(
        table
            .columns
            .iter()
            .map(|column| Field::new(column.name.to_lowercase(), arrow_type(column.ty), true))
            .collect::<Vec<_>>(),
    ));
    let arrays = schema.fields().iter().enumerate().map(|(index, field)| {
        let values = table.rows.iter().map(|row| scalar(row.get(index), field.data_type()));
        // Of no values at all no type could be told.
        match table.rows.is_empty() {
            true => Ok(new_empty_array(field.data_type())),
            false => ScalarValue::iter_to_array(values.collect::<PlanResult<Vec<_>>>()?),
        }
    });
    let arrays = arrays.collect::<PlanResult<Vec<_>>>().map_err(failed)?;
    let batch = RecordBatch::try_new(schema.clone(), arrays);
    let batch = batch.map_err(|error| Error::Query { what: error.to_string() })?;
    MemTable::try_new(schema, vec![vec![batch]]).map_err(failed)
}

fn arrow_type(ty: Type) -> DataType {
    match ty {
        Type::Bool => DataType::Boolean,
        Type::Int => DataType::Int64,
        Type::UInt => DataType::UInt64,
        Type::Float => DataType::Float32,
        Type::Double => DataType::Float64,
        Type::Decimal { precision, scale } => match i8::try_from(scale) {
            Ok(scale) if precision <= DECIMAL128_MAX_PRECISION => {
                DataType::Decimal128(precision, scale)
            }
            _ => DataType::Float64,
        },
        Type::Text | Type::Json | Type::Time(_) | Type::Null => DataType::Utf8,
        Type::Bytes => DataType::Binary,
        Type::Date => DataType::Date32,
        Type::DateTime(_) | Type::Timestamp(_) => DataType::Timestamp(TimeUnit::Microsecond, None),
    }
}

fn scalar(value: Option<&Value>, ty: &DataType) -> PlanResult<ScalarValue> {
    let known = match value {
        None | Some(Value::Null) => return ScalarValue::try_from(ty),
        Some(Value::Int(number)) => ScalarValue::Int64(Some(*number)),
        Some(Value::UInt(number)) => ScalarValue::UInt64(Some(*number)),
        Some(Value::Float(number)) => ScalarValue::Float32(Some(*number)),
        Some(Value::Double(number)) => ScalarValue::Float64(Some(*number)),
        Some(Value::Text(text)) => ScalarValue::Utf8(Some(text.clone())),
        Some(Value::Bytes(bytes)) => ScalarValue::Binary(Some(bytes.to_vec())),
        Some(Value::DateTime(moment)) => {
            ScalarValue::TimestampMicrosecond(Some(moment.at.as_microsecond()), None)
        }
        Some(other @ (Value::Time(_) | Value::Date(_) | Value::Decimal(_))) => {
            ScalarValue::Utf8(Some(other.to_string()))
        }
    };
    known.cast_to(ty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_keep_every_digit() {
        for (value, scale, expected) in
            [(12345, 2, "123.45"), (-5, 2, "-0.05"), (0, 3, "0.000"), (7, 0, "7"), (7, -2, "700")]
        {
            assert_eq!(decimal(value, scale).to_string(), expected);
        }
        assert_eq!(date(19_723).to_string(), "2024-01-01");
        assert_eq!(date(-1).to_string(), "1969-12-31");
    }
}
