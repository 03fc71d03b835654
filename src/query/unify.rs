//! One schema for many files: columns by name, types that hold the values of all.

use datafusion::arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};

/// Digits before and behind the point of the widest decimal.
const MAX_PRECISION: u8 = 38;

/// The columns of all files, in the order in which they are first seen, under their first spelling. Names
/// are compared without regard to case, as MySQL compares columns.
pub(super) fn unify(schemas: &[SchemaRef]) -> Schema {
    let mut fields: Vec<Field> = Vec::new();
    for schema in schemas {
        for field in schema.fields() {
            let same = |known: &&mut Field| known.name().eq_ignore_ascii_case(field.name());
            match fields.iter_mut().find(same) {
                Some(known) => {
                    let ty = wider(known.data_type(), field.data_type());
                    *known = Field::new(known.name(), ty, true);
                }
                None => fields.push(Field::new(field.name(), plain(field.data_type()), true)),
            }
        }
    }
    Schema::new(fields)
}

/// A type without what only matters to storage.
fn plain(ty: &DataType) -> DataType {
    if let DataType::Dictionary(_, values) = ty { plain(values) } else { ty.clone() }
}

/// A type that holds the values of both. What has nothing in common becomes text.
pub(super) fn wider(left: &DataType, right: &DataType) -> DataType {
    use DataType::{
        Date32, Date64, Decimal128, Float64, Int64, List, Null, Struct, Timestamp, UInt64, Utf8,
    };
    let (left, right) = (plain(left), plain(right));
    if left == right {
        return left;
    }
    match (&left, &right) {
        (Null, other) | (other, Null) => other.clone(),
        (Timestamp(_, left), Timestamp(_, right)) if left == right => {
            Timestamp(TimeUnit::Nanosecond, left.clone())
        }
        (Timestamp(unit, zone), Date32 | Date64) | (Date32 | Date64, Timestamp(unit, zone)) => {
            Timestamp(*unit, zone.clone())
        }
        (Struct(left), Struct(right)) => Struct(union_of(left, right)),
        (List(left), List(right)) => {
            let ty = wider(left.data_type(), right.data_type());
            List(Field::new(left.name(), ty, true).into())
        }
        (Decimal128(..), other) | (other, Decimal128(..)) if other.is_floating() => Float64,
        (left, right) if is_exact(left) && is_exact(right) => wider_exact(left, right),
        (left, right) if left.is_numeric() && right.is_numeric() => Float64,
        (UInt64 | Int64, _) | (_, UInt64 | Int64) | (_, _) => Utf8,
    }
}

fn union_of(left: &Fields, right: &Fields) -> Fields {
    let schema = |fields: &Fields| SchemaRef::new(Schema::new(fields.clone()));
    unify(&[schema(left), schema(right)]).fields
}

fn is_exact(ty: &DataType) -> bool {
    ty.is_integer() || matches!(ty, DataType::Decimal128(..))
}

fn wider_exact(left: &DataType, right: &DataType) -> DataType {
    if left.is_signed_integer() && right.is_signed_integer() {
        return DataType::Int64;
    }
    if left.is_unsigned_integer() && right.is_unsigned_integer() {
        return DataType::UInt64;
    }
    let digits = |ty: &DataType| match ty {
        DataType::Decimal128(precision, scale) => {
            let whole = i16::from(*precision) - i16::from(*scale);
            (whole, i16::from(*scale))
        }
        _ => (20, 0),
    };
    let small = |ty: &DataType| !matches!(ty, DataType::UInt64 | DataType::Decimal128(..));
    if small(left) && small(right) {
        return DataType::Int64;
    }
    let ((left, left_scale), (right, right_scale)) = (digits(left), digits(right));
    let scale = left_scale.max(right_scale);
    let precision = (left.max(right) + scale).clamp(1, i16::from(MAX_PRECISION));
    match (u8::try_from(precision), i8::try_from(scale)) {
        (Ok(precision), Ok(scale)) => DataType::Decimal128(precision, scale),
        _ => DataType::Float64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_grow_until_they_hold_both() {
        use DataType::{
            Boolean, Date32, Decimal128, Float32, Float64, Int16, Int32, Int64, Null, Timestamp,
            UInt32, UInt64, Utf8,
        };
        for (left, right, expected) in [
            (Int16, Int32, Int64),
            (Int32, UInt32, Int64),
            (Int64, UInt64, Decimal128(20, 0)),
            (Int32, Float32, Float64),
            (Int64, Utf8, Utf8),
            (Null, Boolean, Boolean),
            (Boolean, Int32, Utf8),
            (Decimal128(10, 2), Decimal128(8, 4), Decimal128(12, 4)),
            (Decimal128(10, 2), Int64, Decimal128(22, 2)),
            (Decimal128(10, 2), Float64, Float64),
            (Date32, Timestamp(TimeUnit::Second, None), Timestamp(TimeUnit::Second, None)),
        ] {
            assert_eq!(wider(&left, &right), expected, "{left} {right}");
            assert_eq!(wider(&right, &left), expected, "{right} {left}");
        }
    }

    #[test]
    fn columns_meet_by_name_in_any_case() {
        let schema = |fields: &[(&str, DataType)]| {
            let fields = fields.iter().map(|(name, ty)| Field::new(*name, ty.clone(), false));
            SchemaRef::new(Schema::new(fields.collect::<Vec<_>>()))
        };
        let both = unify(&[
            schema(&[("Id", DataType::Int32), ("b", DataType::Utf8)]),
            schema(&[("c", DataType::Null), ("ID", DataType::Float64)]),
        ]);
        let names: Vec<_> = both.fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(names, ["Id", "b", "c"]);
        assert_eq!(both.field(0).data_type(), &DataType::Float64);
    }
}
