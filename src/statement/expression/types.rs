//! The type of an expression before any row is there, as a result set without rows needs it too.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use sqlparser::ast::{BinaryOperator, DataType, Expr};

use super::operators::{as_number, boolean, exact, to_int, truth};
use super::{Names, evaluate, functions, times, with_stack};
use crate::error::Result;
use crate::rows::decimal::{Decimal, MAX_PRECISION, MAX_SCALE};
use crate::rows::moment::{DateTime, MAX_FRACTION, Time};
use crate::rows::{Column, Row, Type, Value};

/// What an expression gives, as far as its form tells. Values have the last word: see [`fit`].
pub fn of(expr: &Expr, names: Names<'_>) -> Result<Type> {
    with_stack(|| of_form(expr, names))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the value tells of everything else")]
fn of_form(expr: &Expr, names: Names<'_>) -> Result<Type> {
    Ok(match expr {
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => of(inner, names)?,
        Expr::Cast { expr, data_type, .. }
        | Expr::Convert { expr, data_type: Some(data_type), .. } => match of_cast(data_type) {
            Some(ty) => ty,
            None => of(expr, names)?,
        },
        Expr::Like { .. }
        | Expr::RLike { .. }
        | Expr::InList { .. }
        | Expr::InSubquery { .. }
        | Expr::Exists { .. }
        | Expr::Between { .. }
        | Expr::IsNull(_)
        | Expr::IsNotNull(_) => Type::Int,
        Expr::BinaryOp { left, right, .. } if matches!(**right, Expr::Interval(_)) => {
            times::type_of_moved(of(left, names)?, right)
        }
        Expr::BinaryOp { left, op, right } => {
            let (left, right) = (of(left, names)?, of(right, names)?);
            match op {
                BinaryOperator::StringConcat => Type::Text,
                BinaryOperator::Divide => quotient(left, right),
                BinaryOperator::BitwiseAnd | BinaryOperator::BitwiseOr => Type::UInt,
                BinaryOperator::Plus | BinaryOperator::Minus | BinaryOperator::Modulo => {
                    number(arithmetic(left, right))
                }
                BinaryOperator::Multiply => match (decimal(left), decimal(right)) {
                    (Some((a, b)), Some((c, d))) if b + d > 0 => of_digits(a + c, b + d),
                    _ => number(arithmetic(left, right)),
                },
                _ => Type::Int,
            }
        }
        Expr::Case { conditions, else_result, .. } => {
            let results = conditions.iter().map(|when| &when.result);
            let results = results.chain(else_result.as_deref());
            let types = results.map(|result| of(result, names)).collect::<Result<Vec<_>>>()?;
            types.into_iter().fold(Type::Null, merge)
        }
        // An argument of DATE_ADD.
        Expr::Interval(_) => Type::Null,
        Expr::Function(function) => functions::result_type(function, names)?,
        other => match functions::in_words(other) {
            Some((name, arguments)) => {
                let types = arguments.iter().map(|argument| of(argument, names));
                functions::type_by_name(name, &types.collect::<Result<Vec<_>>>()?)
            }
            // Also of a column: the row that is there without rows has a value of each type.
            None => evaluate(other, names)?.ty(),
        },
    })
}

/// A value of a type, for want of a better one.
pub fn sample(ty: Type) -> Value {
    match ty {
        Type::Bool | Type::Int => Value::Int(0),
        Type::UInt => Value::UInt(0),
        Type::Float => Value::Float(0.0),
        Type::Double => Value::Double(0.0),
        Type::Decimal { scale, .. } => Value::Decimal(Decimal::new(0, scale)),
        Type::Text | Type::Json => Value::Text(String::new()),
        Type::Bytes => Value::Bytes(bytes::Bytes::new()),
        Type::Date => Value::Date(Date::ZERO),
        Type::Time(fraction) => Value::Time(Time::new(0, fraction)),
        Type::DateTime(fraction) | Type::Timestamp(fraction) => {
            Value::DateTime(DateTime::new(Timestamp::UNIX_EPOCH, fraction))
        }
        Type::Null => Value::Null,
    }
}

/// All digits of an exact number, and those behind the point.
fn decimal(ty: Type) -> Option<(u8, u8)> {
    match ty {
        Type::Bool => Some((1, 0)),
        Type::Int => Some((19, 0)),
        Type::UInt => Some((20, 0)),
        Type::Decimal { precision, scale } => Some((precision, scale)),
        Type::Float
        | Type::Double
        | Type::Text
        | Type::Json
        | Type::Bytes
        | Type::Date
        | Type::Time(_)
        | Type::DateTime(_)
        | Type::Timestamp(_)
        | Type::Null => None,
    }
}

fn of_digits(precision: u8, scale: u8) -> Type {
    Type::Decimal { precision: precision.min(MAX_PRECISION), scale: scale.min(MAX_SCALE) }
}

/// The type of a number made of one of this type.
pub fn number(ty: Type) -> Type {
    match ty {
        Type::Bool => Type::Int,
        Type::Int | Type::UInt | Type::Decimal { .. } => ty,
        // Numbers such as 20261124054044.
        Type::Date | Type::Time(0) | Type::DateTime(0) | Type::Timestamp(0) => Type::Int,
        Type::Time(fraction) | Type::DateTime(fraction) | Type::Timestamp(fraction) => {
            of_digits(14 + fraction, fraction)
        }
        Type::Float | Type::Double | Type::Text | Type::Json | Type::Bytes | Type::Null => {
            Type::Double
        }
    }
}

/// The type of a sum, a difference or a remainder.
fn arithmetic(a: Type, b: Type) -> Type {
    match (number(a), number(b)) {
        // NULL has no type of its own.
        _ if a == Type::Null || b == Type::Null => number(merge(a, b)),
        (Type::UInt, Type::Int) | (Type::Int, Type::UInt) => Type::UInt,
        (a, b) => merge(a, b),
    }
}

/// The type of `SUM`.
pub fn sum(ty: Type) -> Type {
    match decimal(number(ty)) {
        Some((precision, scale)) => of_digits(precision.saturating_add(22), scale),
        None => Type::Double,
    }
}

/// The type of a division.
pub fn quotient(a: Type, b: Type) -> Type {
    match (decimal(number(a)), decimal(number(b))) {
        (Some((precision, scale)), Some((_, other))) => {
            of_digits(precision.saturating_add(4).saturating_add(other), scale.saturating_add(4))
        }
        _ => Type::Double,
    }
}

/// A type for the values of both.
pub fn merge(a: Type, b: Type) -> Type {
    match (a, b) {
        (a, b) if a == b => a,
        (Type::Null, other) | (other, Type::Null) => other,
        (Type::Bool, Type::Int) | (Type::Int, Type::Bool) => Type::Int,
        (Type::Bool, Type::UInt) | (Type::UInt, Type::Bool) => Type::UInt,
        (Type::Time(a), Type::Time(b)) => Type::Time(a.max(b)),
        (Type::Timestamp(a), Type::Timestamp(b)) => Type::Timestamp(a.max(b)),
        (Type::DateTime(a) | Type::Timestamp(a), Type::DateTime(b) | Type::Timestamp(b)) => {
            Type::DateTime(a.max(b))
        }
        (Type::Date, Type::DateTime(a) | Type::Timestamp(a))
        | (Type::DateTime(a) | Type::Timestamp(a), Type::Date) => Type::DateTime(a),
        (a, b) => match (decimal(a), decimal(b)) {
            (Some((p, s)), Some((q, t))) => of_digits((p - s).max(q - t) + s.max(t), s.max(t)),
            _ if is_number(a) && is_number(b) => Type::Double,
            _ => Type::Text,
        },
    }
}

fn is_number(ty: Type) -> bool {
    matches!(ty, Type::Float | Type::Double) || decimal(ty).is_some()
}

/// The type that `CAST` and `CONVERT` name.
pub fn of_cast(to: &DataType) -> Option<Type> {
    let name = to.to_string().to_ascii_uppercase();
    let word: String = name.chars().take_while(char::is_ascii_alphabetic).collect();
    let digits: Vec<u8> = name
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect();
    let fraction = digits.first().copied().unwrap_or(0).min(MAX_FRACTION);
    Some(match word.as_str() {
        "CHAR" | "CHARACTER" | "VARCHAR" | "NCHAR" | "TEXT" => Type::Text,
        "JSON" => Type::Json,
        "SIGNED" | "INT" | "INTEGER" | "BIGINT" | "YEAR" => Type::Int,
        "UNSIGNED" => Type::UInt,
        "DECIMAL" | "NUMERIC" | "DEC" => match digits.as_slice() {
            // More digits behind the point than there are is an error with MySQL too.
            [precision, scale, ..] if scale > precision => return None,
            [precision, scale, ..] => of_digits(*precision, *scale),
            [precision] => of_digits(*precision, 0),
            [] => of_digits(10, 0),
        },
        "FLOAT" => Type::Float,
        "DOUBLE" | "REAL" => Type::Double,
        "DATE" => Type::Date,
        "TIME" => Type::Time(fraction),
        "DATETIME" | "TIMESTAMP" => Type::DateTime(fraction),
        "BINARY" => Type::Bytes,
        _ => return None,
    })
}

/// A value as one of another type; `NULL` where there is none.
pub fn convert(value: Value, to: Type) -> Value {
    match (to, value) {
        (_, Value::Null) => Value::Null,
        (Type::Bool, value) => truth(&value).map_or(Value::Null, boolean),
        (Type::Int, value) => to_signed(&value),
        (Type::UInt, value) => to_unsigned(&value),
        (Type::Float, Value::Float(number)) => Value::Float(number),
        (Type::Float, value) => value.to_string().parse().map_or(Value::Null, Value::Float),
        (Type::Double, value) => as_number(&value).map_or(Value::Null, Value::Double),
        (Type::Decimal { precision, scale }, value) => to_decimal(&value, precision, scale),
        (Type::Text | Type::Json, Value::Bytes(bytes)) => {
            Value::Text(String::from_utf8_lossy(&bytes).into_owned())
        }
        (Type::Text | Type::Json, value) => Value::Text(value.to_string()),
        (Type::Bytes, Value::Bytes(bytes)) => Value::Bytes(bytes),
        (Type::Bytes, value) => Value::Bytes(value.to_string().into_bytes().into()),
        (Type::Date, Value::Date(day)) => Value::Date(day),
        (Type::Date, value) => match times::to_moment(&value) {
            Some(moment) => Value::Date(moment.to_zoned(TimeZone::UTC).date()),
            None => Value::Null,
        },
        (Type::DateTime(fraction) | Type::Timestamp(fraction), value) => {
            let moment = times::to_moment(&value).and_then(|at| times::rounded(at, fraction));
            moment.map_or(Value::Null, |at| Value::DateTime(DateTime::new(at, fraction)))
        }
        (Type::Time(fraction), value) => {
            let micros =
                times::to_micros(&value).map(|micros| times::rounded_micros(micros, fraction));
            micros.map_or(Value::Null, |micros| Value::Time(Time::new(micros, fraction)))
        }
        (Type::Null, value) => value,
    }
}

fn to_signed(value: &Value) -> Value {
    match value {
        Value::Int(number) => Value::Int(*number),
        Value::UInt(number) => Value::Int(i64::from_ne_bytes(number.to_ne_bytes())),
        Value::Text(_) | Value::Bytes(_) => {
            as_number(value).map_or(Value::Null, |n| to_int(n.trunc()))
        }
        Value::Null
        | Value::Float(_)
        | Value::Double(_)
        | Value::Decimal(_)
        | Value::Date(_)
        | Value::DateTime(_)
        | Value::Time(_) => match exact(value).and_then(|number| number.with_scale(0)) {
            Some(number) => number.to_string().parse().map_or(Value::Null, Value::Int),
            None => as_number(value).map_or(Value::Null, to_int),
        },
    }
}

/// Of a negative number its two's complement, as in MySQL.
fn to_unsigned(value: &Value) -> Value {
    let text = match exact(value).and_then(|number| number.with_scale(0)) {
        Some(number) => number.to_string(),
        None => as_number(value).map_or_else(String::new, |number| format!("{number:.0}")),
    };
    match (text.parse::<u64>(), text.parse::<i64>()) {
        (Ok(number), _) => Value::UInt(number),
        (_, Ok(number)) => Value::UInt(u64::from_ne_bytes(number.to_ne_bytes())),
        _ => Value::Null,
    }
}

/// Rounded to the scale; what is too large becomes the largest, as in MySQL.
fn to_decimal(value: &Value, precision: u8, scale: u8) -> Value {
    let exactly = match (exact(value), value) {
        (Some(number), _) => Some(number),
        (None, Value::Text(text)) => Decimal::parse(text.trim()),
        (None, _) => None,
    };
    let number = exactly.or_else(|| {
        as_number(value).and_then(|number| {
            Decimal::parse(&format!("{number:.digits$}", digits = usize::from(scale)))
        })
    });
    let Some(number) = number.and_then(|number| number.with_scale(scale)) else {
        return Value::Null;
    };
    if number.precision() <= precision {
        return Value::Decimal(number);
    }
    let sign = if number.to_string().starts_with('-') { "-" } else { "" };
    let nines = |digits: u8| "9".repeat(usize::from(digits));
    let largest = format!("{sign}{}.{}", nines(precision.saturating_sub(scale)), nines(scale));
    Decimal::parse(&largest).map_or(Value::Null, Value::Decimal)
}

/// Whether a column of the one type can show a value of the other as it is.
fn fits(column: Type, value: Type) -> bool {
    match (column, value) {
        (_, Type::Null) | (Type::Bool | Type::Int | Type::UInt, Type::Int | Type::UInt) => true,
        (Type::Json, Type::Text) => true,
        (
            Type::Decimal { precision, scale },
            Type::Decimal { precision: digits, scale: behind },
        ) => scale == behind && digits <= precision,
        (Type::Timestamp(shown), Type::DateTime(has)) => shown == has,
        (column, value) => column == value,
    }
}

/// Makes columns that hold their values: where one has others than its form told, all of its values
/// become what holds them all.
pub fn fit(columns: &mut [Column], rows: &mut [Row]) {
    for (index, column) in columns.iter_mut().enumerate() {
        let values = rows.iter().filter_map(|row| row.get(index)).map(Value::ty);
        let wanted = values.filter(|ty| !fits(column.ty, *ty)).fold(column.ty, merge);
        let all_fit =
            rows.iter().filter_map(|row| row.get(index)).all(|value| fits(column.ty, value.ty()));
        if wanted == column.ty && all_fit {
            continue;
        }
        column.ty = wanted;
        for value in rows.iter_mut().filter_map(|row| row.get_mut(index)) {
            *value = convert(std::mem::replace(value, Value::Null), wanted);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_made_to_hold_their_values() {
        let column = |ty| Column::nullable("c", ty);
        let mut columns =
            [column(Type::Null), column(Type::Int), column(Type::Int), column(Type::Text)];
        let row = |a: Value, b: Value, c: Value, d: Value| vec![a, b, c, d];
        let mut rows = vec![
            row(Value::Int(1), Value::UInt(u64::MAX), Value::Double(0.5), Value::Null),
            row(Value::Null, Value::Int(-1), Value::Int(2), Value::Int(3)),
        ];
        fit(&mut columns, &mut rows);
        assert_eq!(
            columns.map(|column| column.ty),
            [Type::Int, Type::Int, Type::Double, Type::Text]
        );
        assert_eq!(rows[1][2..], [Value::Double(2.0), Value::Text("3".to_owned())]);
        assert_eq!(rows[0][1], Value::UInt(u64::MAX));
    }

    #[test]
    fn values_become_others_or_null() {
        let text = |text: &str| Value::Text(text.to_owned());
        assert_eq!(convert(text("12 apples"), Type::Int), Value::Int(12));
        assert_eq!(convert(text("x"), Type::DateTime(0)), Value::Null);
        assert_eq!(convert(Value::Time(Time::of_seconds(-5400)), Type::Text), text("-01:30:00"));
        assert_eq!(convert(text("-01:30:00"), Type::Time(0)), Value::Time(Time::of_seconds(-5400)));
        let moment = convert(text("2026-11-24 05:06:07"), Type::DateTime(3));
        assert_eq!(convert(moment, Type::Text), text("2026-11-24 05:06:07.000"));
    }
}
