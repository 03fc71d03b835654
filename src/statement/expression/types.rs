//! The type of an expression before any row is there, as a result set without rows needs it too.

use sqlparser::ast::{BinaryOperator, DataType, Expr};

use super::operators::{as_number, to_int};
use super::{Names, evaluate, functions, times, with_stack};
use crate::error::Result;
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
        Expr::BinaryOp { right, .. } if matches!(**right, Expr::Interval(_)) => Type::DateTime,
        Expr::BinaryOp { left, op, right } => {
            let (left, right) = (of(left, names)?, of(right, names)?);
            match op {
                BinaryOperator::StringConcat => Type::Text,
                BinaryOperator::Divide => Type::Double,
                BinaryOperator::BitwiseAnd | BinaryOperator::BitwiseOr => Type::UInt,
                BinaryOperator::Plus | BinaryOperator::Minus | BinaryOperator::Multiply => {
                    let whole = |ty| matches!(ty, Type::Int | Type::UInt | Type::Null);
                    if whole(left) && whole(right) { Type::Int } else { Type::Double }
                }
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
        Type::Int => Value::Int(0),
        Type::UInt => Value::UInt(0),
        Type::Double => Value::Double(0.0),
        Type::Text => Value::Text(String::new()),
        Type::Bytes => Value::Bytes(bytes::Bytes::new()),
        Type::DateTime => Value::DateTime(jiff::Timestamp::UNIX_EPOCH),
        Type::Time => Value::Time(0),
        Type::Null => Value::Null,
    }
}

/// A type for the values of both.
pub fn merge(a: Type, b: Type) -> Type {
    match (a, b) {
        (a, b) if a == b => a,
        (Type::Null, other) | (other, Type::Null) => other,
        (Type::Int | Type::UInt, Type::Int | Type::UInt) => Type::Int,
        (Type::Int | Type::UInt | Type::Double, Type::Int | Type::UInt | Type::Double) => {
            Type::Double
        }
        (_, _) => Type::Text,
    }
}

/// The type that `CAST` and `CONVERT` name.
pub fn of_cast(to: &DataType) -> Option<Type> {
    let name = to.to_string().to_ascii_uppercase();
    let word: String = name.chars().take_while(char::is_ascii_alphabetic).collect();
    Some(match word.as_str() {
        "CHAR" | "CHARACTER" | "VARCHAR" | "NCHAR" | "TEXT" | "JSON" => Type::Text,
        "SIGNED" | "INT" | "INTEGER" | "BIGINT" | "YEAR" => Type::Int,
        "UNSIGNED" => Type::UInt,
        "DECIMAL" | "DOUBLE" | "FLOAT" | "REAL" | "NUMERIC" => Type::Double,
        "DATETIME" | "TIMESTAMP" => Type::DateTime,
        "BINARY" => Type::Bytes,
        _ => return None,
    })
}

/// A value as one of another type; `NULL` where there is none.
pub fn convert(value: Value, to: Type) -> Value {
    match (to, value) {
        (_, Value::Null) => Value::Null,
        (Type::Int | Type::UInt, value @ (Value::Int(_) | Value::UInt(_))) => value,
        (Type::Int | Type::UInt, value) => as_number(&value).map_or(Value::Null, to_int),
        (Type::Double, value) => as_number(&value).map_or(Value::Null, Value::Double),
        (Type::Text, Value::Bytes(bytes)) => {
            Value::Text(String::from_utf8_lossy(&bytes).into_owned())
        }
        (Type::Text, value) => Value::Text(value.to_string()),
        (Type::Bytes, Value::Bytes(bytes)) => Value::Bytes(bytes),
        (Type::Bytes, value) => Value::Bytes(value.to_string().into_bytes().into()),
        (Type::DateTime, value @ Value::DateTime(_)) => value,
        (Type::DateTime, value) => times::parse_datetime(&value.to_string()),
        (Type::Time, value @ Value::Time(_)) => value,
        (Type::Time, value) => times::parse_time(&value.to_string()),
        (Type::Null, value) => value,
    }
}

/// Makes columns that hold their values: where one has others than its form told, all of its values
/// become what holds them all.
pub fn fit(columns: &mut [Column], rows: &mut [Row]) {
    for (index, column) in columns.iter_mut().enumerate() {
        let values = rows.iter().filter_map(|row| row.get(index));
        let fits = |ty: Type| {
            matches!(
                (column.ty, ty),
                (_, Type::Null) | (Type::Int | Type::UInt, Type::Int | Type::UInt)
            ) || column.ty == ty
        };
        let wanted = values.map(Value::ty).filter(|ty| !fits(*ty)).fold(column.ty, merge);
        if wanted == column.ty
            && !rows.iter().any(|row| row.get(index).is_some_and(|v| !fits(v.ty())))
        {
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
        assert_eq!(convert(text("x"), Type::DateTime), Value::Null);
        assert_eq!(convert(Value::Time(-5400), Type::Text), text("-01:30:00"));
        assert_eq!(convert(text("-01:30:00"), Type::Time), Value::Time(-5400));
        let moment = convert(text("2026-11-24 05:06:07"), Type::DateTime);
        assert_eq!(convert(moment, Type::Text), text("2026-11-24 05:06:07.000"));
    }
}
