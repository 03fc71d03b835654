//! The types of columns: as they were declared, as the files hold them, and as queries see them.
//!
//! Delta Lake has no unsigned numbers, no times of day, and moments of one precision. So an unsigned number is
//! kept in the next larger type, a time as microseconds, and both are what they were again when they are read.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use deltalake_core::kernel::{DataType as DeltaType, PrimitiveType, StructField};

use crate::error::{Error, Result};
use crate::rows::declared::{Declared, DeclaredColumn, Width};

/// The digits of the greatest `BIGINT UNSIGNED`.
const UNSIGNED_DIGITS: u8 = 20;

/// The time zone of moments.
const UTC: &str = "UTC";

/// As the files hold it.
pub(super) fn stored(ty: Declared) -> DataType {
    match ty {
        Declared::Bool => DataType::Boolean,
        Declared::Integer { width, unsigned: false } => match width {
            Width::Tiny => DataType::Int8,
            Width::Small => DataType::Int16,
            Width::Medium | Width::Normal => DataType::Int32,
            Width::Big => DataType::Int64,
        },
        Declared::Integer { width, unsigned: true } => match width {
            Width::Tiny => DataType::Int16,
            Width::Small | Width::Medium => DataType::Int32,
            Width::Normal => DataType::Int64,
            Width::Big => DataType::Decimal128(UNSIGNED_DIGITS, 0),
        },
        Declared::Float => DataType::Float32,
        Declared::Double => DataType::Float64,
        Declared::Decimal { precision, scale } => decimal(precision, scale),
        Declared::Char(_) | Declared::VarChar(_) | Declared::Text | Declared::Json => {
            DataType::Utf8
        }
        Declared::VarBinary(_) | Declared::Blob => DataType::Binary,
        Declared::Date => DataType::Date32,
        Declared::Time(_) => DataType::Int64,
        Declared::DateTime(_) => DataType::Timestamp(TimeUnit::Microsecond, None),
        Declared::Timestamp(_) => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
    }
}

/// As queries see it, and as values are checked.
pub(super) fn seen(ty: Declared) -> DataType {
    match ty {
        Declared::Integer { width, unsigned: true } => match width {
            Width::Tiny => DataType::UInt8,
            Width::Small => DataType::UInt16,
            Width::Medium | Width::Normal => DataType::UInt32,
            Width::Big => DataType::UInt64,
        },
        Declared::Time(fraction) => match unit(fraction) {
            unit @ (TimeUnit::Second | TimeUnit::Millisecond) => DataType::Time32(unit),
            unit @ (TimeUnit::Microsecond | TimeUnit::Nanosecond) => DataType::Time64(unit),
        },
        Declared::DateTime(fraction) => DataType::Timestamp(unit(fraction), None),
        Declared::Timestamp(fraction) => DataType::Timestamp(unit(fraction), Some(UTC.into())),
        other => stored(other),
    }
}

/// The way from what the files hold to what queries see in a time zone, a cast a step.
pub(super) fn way(ty: Declared, zone: Option<&str>) -> Vec<DataType> {
    let seen = match (seen(ty), zone) {
        (DataType::Timestamp(unit, Some(_)), Some(zone)) => {
            DataType::Timestamp(unit, Some(zone.into()))
        }
        (seen, _) => seen,
    };
    match (stored(ty), seen) {
        (stored, seen) if stored == seen => Vec::new(),
        // Microseconds first, then the coarser unit.
        (DataType::Int64, seen @ DataType::Time32(_)) => {
            vec![DataType::Time64(TimeUnit::Microsecond), seen]
        }
        (_, seen) => vec![seen],
    }
}

/// The schema of the files.
pub(super) fn schema(columns: &[DeclaredColumn]) -> SchemaRef {
    let field = |column: &DeclaredColumn| Field::new(&column.name, stored(column.ty), true);
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

/// As the table's log has them. All may be `NULL` there: what may not is checked by who writes.
pub(super) fn fields(columns: &[DeclaredColumn]) -> Result<Vec<StructField>> {
    let field = |column: &DeclaredColumn| {
        Ok(StructField::new(column.name.clone(), delta(column.ty)?, true))
    };
    columns.iter().map(field).collect()
}

fn delta(ty: Declared) -> Result<DeltaType> {
    let primitive = match stored(ty) {
        DataType::Boolean => PrimitiveType::Boolean,
        DataType::Int8 => PrimitiveType::Byte,
        DataType::Int16 => PrimitiveType::Short,
        DataType::Int32 => PrimitiveType::Integer,
        DataType::Int64 => PrimitiveType::Long,
        DataType::Float32 => PrimitiveType::Float,
        DataType::Float64 => PrimitiveType::Double,
        DataType::Decimal128(precision, scale) => {
            let scale = u8::try_from(scale).unwrap_or_default();
            let decimal = PrimitiveType::decimal(precision, scale);
            decimal.map_err(|error| Error::Internal { what: error.to_string() })?
        }
        DataType::Utf8 => PrimitiveType::String,
        DataType::Binary => PrimitiveType::Binary,
        DataType::Date32 => PrimitiveType::Date,
        DataType::Timestamp(_, None) => PrimitiveType::TimestampNtz,
        DataType::Timestamp(_, Some(_)) => PrimitiveType::Timestamp,
        other => return Err(Error::Internal { what: format!("no type for {other}") }),
    };
    Ok(DeltaType::Primitive(primitive))
}

fn decimal(precision: u8, scale: u8) -> DataType {
    // The scale is no more than the precision, which is at most 38.
    DataType::Decimal128(precision, i8::try_from(scale).unwrap_or_default())
}

fn unit(fraction: u8) -> TimeUnit {
    match fraction {
        0 => TimeUnit::Second,
        1..=3 => TimeUnit::Millisecond,
        _ => TimeUnit::Microsecond,
    }
}
