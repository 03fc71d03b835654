//! What operators do, as MySQL has it: truth with `NULL`, comparison, arithmetic, `LIKE`.

use std::cmp::Ordering;

use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator};

use super::types::convert;
use super::unsupported;
use crate::error::{Error, Result};
use crate::rows::decimal::{Decimal, MAX_PRECISION};
use crate::rows::moment::MAX_FRACTION;
use crate::rows::{Type, Value};

pub(super) fn boolean(value: bool) -> Value {
    Value::Int(i64::from(value))
}

/// MySQL's truth: `None` for `NULL`.
pub fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Null => None,
        Value::Int(number) => Some(*number != 0),
        Value::UInt(number) => Some(*number != 0),
        Value::Float(_)
        | Value::Double(_)
        | Value::Decimal(_)
        | Value::Text(_)
        | Value::Bytes(_)
        | Value::Date(_)
        | Value::DateTime(_)
        | Value::Time(_) => as_number(value).map(|number| number != 0.0),
    }
}

/// The number at the beginning of a text, as MySQL takes it; zero where there is none.
pub(super) fn as_number(value: &Value) -> Option<f64> {
    match value {
        Value::Null => None,
        Value::Float(number) => Some(f64::from(*number)),
        Value::Double(number) => Some(*number),
        Value::Decimal(number) => Some(number.to_f64()),
        Value::Date(_) | Value::Time(_) | Value::DateTime(_) => {
            exact(value).map(|number| number.to_f64())
        }
        Value::Int(_) | Value::UInt(_) | Value::Text(_) | Value::Bytes(_) => {
            Some(leading_number(value.to_string().trim_start()))
        }
    }
}

/// `2026-11-24` is 2026, `1e3 apples` 1000.
fn leading_number(text: &str) -> f64 {
    let digits = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        from + rest.bytes().take_while(u8::is_ascii_digit).count()
    };
    let is = |at: usize, wanted: &[u8]| text.as_bytes().get(at).is_some_and(|b| wanted.contains(b));
    let mut end = digits(usize::from(is(0, b"+-")));
    if is(end, b".") {
        end = digits(end + 1);
    }
    if is(end, b"eE") {
        let exponent = end + 1 + usize::from(is(end + 1, b"+-"));
        let behind = digits(exponent);
        end = if behind > exponent { behind } else { end };
    }
    text.get(..end).unwrap_or_default().parse().unwrap_or(0.0)
}

/// A number that loses nothing, where a value is one: `-01:30:00` is -13000 in a sum.
pub(super) fn exact(value: &Value) -> Option<Decimal> {
    match value {
        Value::Int(number) => Some(Decimal::from(*number)),
        Value::UInt(number) => Some(Decimal::from(*number)),
        Value::Decimal(number) => Some(number.clone()),
        Value::Date(_) | Value::Time(_) | Value::DateTime(_) => {
            let text = value.to_string();
            let (sign, text) = text.strip_prefix('-').map_or(("", &*text), |text| ("-", text));
            let digits: String = text.chars().filter(|c| c.is_ascii_digit() || *c == '.').collect();
            Decimal::parse(&format!("{sign}{digits}"))
        }
        Value::Null | Value::Float(_) | Value::Double(_) | Value::Text(_) | Value::Bytes(_) => None,
    }
}

pub(super) fn unary(op: UnaryOperator, value: Value, expr: &Expr) -> Result<Value> {
    match (op, value) {
        (_, Value::Null) => Ok(Value::Null),
        (UnaryOperator::Plus, value) => Ok(value),
        (UnaryOperator::Minus, Value::Int(number)) => {
            number.checked_neg().map(Value::Int).ok_or_else(|| out_of_range("BIGINT", expr))
        }
        (UnaryOperator::Minus, Value::Decimal(number)) => {
            let text = number.to_string();
            let negated = text.strip_prefix('-').map_or_else(|| format!("-{text}"), str::to_owned);
            Ok(Decimal::parse(&negated).map_or(Value::Null, Value::Decimal))
        }
        (UnaryOperator::Minus, value) => {
            // The smallest number is written as one that is too large, and a sign.
            if let Value::UInt(number) = value
                && let Some(number) = 0_i64.checked_sub_unsigned(number)
            {
                return Ok(Value::Int(number));
            }
            Ok(as_number(&value).map_or(Value::Null, |n| Value::Double(-n)))
        }
        (UnaryOperator::Not | UnaryOperator::BangNot, value) => {
            Ok(truth(&value).map_or(Value::Null, |truth| boolean(!truth)))
        }
        _ => Err(unsupported(expr)),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "everything else is for a query engine")]
pub(super) fn binary(left: Value, op: &BinaryOperator, right: Value, expr: &Expr) -> Result<Value> {
    let compared = |test: fn(Ordering) -> bool| {
        Ok(compare(&left, &right).map_or(Value::Null, |order| boolean(test(order))))
    };
    match op {
        BinaryOperator::Eq => compared(Ordering::is_eq),
        BinaryOperator::NotEq => compared(Ordering::is_ne),
        BinaryOperator::Lt => compared(Ordering::is_lt),
        BinaryOperator::LtEq => compared(Ordering::is_le),
        BinaryOperator::Gt => compared(Ordering::is_gt),
        BinaryOperator::GtEq => compared(Ordering::is_ge),
        BinaryOperator::Spaceship => Ok(boolean(match (&left, &right) {
            (Value::Null, Value::Null) => true,
            (Value::Null, _) | (_, Value::Null) => false,
            _ => compare(&left, &right) == Some(Ordering::Equal),
        })),
        BinaryOperator::And => Ok(match (truth(&left), truth(&right)) {
            (Some(false), _) | (_, Some(false)) => boolean(false),
            (Some(true), Some(true)) => boolean(true),
            _ => Value::Null,
        }),
        BinaryOperator::Or => Ok(match (truth(&left), truth(&right)) {
            (Some(true), _) | (_, Some(true)) => boolean(true),
            (Some(false), Some(false)) => boolean(false),
            _ => Value::Null,
        }),
        BinaryOperator::Plus => arithmetic(&left, &right, &PLUS, expr),
        BinaryOperator::Minus => arithmetic(&left, &right, &MINUS, expr),
        BinaryOperator::Multiply => arithmetic(&left, &right, &TIMES, expr),
        BinaryOperator::Modulo => Ok(remainder(&left, &right)),
        BinaryOperator::MyIntegerDivide => Ok(match (as_number(&left), as_number(&right)) {
            (Some(_), Some(0.0)) | (None, _) | (_, None) => Value::Null,
            (Some(a), Some(b)) => to_int((a / b).trunc()),
        }),
        BinaryOperator::BitwiseAnd => Ok(bits(&left, &right, |a, b| a & b)),
        BinaryOperator::BitwiseOr => Ok(bits(&left, &right, |a, b| a | b)),
        BinaryOperator::Xor => Ok(match (truth(&left), truth(&right)) {
            (Some(left), Some(right)) => boolean(left != right),
            _ => Value::Null,
        }),
        BinaryOperator::Divide => Ok(quotient(&left, &right)),
        _ => Err(unsupported(expr)),
    }
}

/// On numbers without a sign.
fn bits(left: &Value, right: &Value, op: fn(u64, u64) -> u64) -> Value {
    let unsigned = |value: &Value| match value {
        Value::UInt(number) => Some(*number),
        Value::Int(number) => Some(u64::from_ne_bytes(number.to_ne_bytes())),
        Value::Null => None,
        Value::Float(_)
        | Value::Double(_)
        | Value::Decimal(_)
        | Value::Text(_)
        | Value::Bytes(_)
        | Value::Date(_)
        | Value::DateTime(_)
        | Value::Time(_) => as_number(value).and_then(|number| format!("{number:.0}").parse().ok()),
    };
    match (unsigned(left), unsigned(right)) {
        (Some(left), Some(right)) => Value::UInt(op(left, right)),
        _ => Value::Null,
    }
}

/// A number without its fraction, as a whole one where that fits.
pub(super) fn to_int(number: f64) -> Value {
    // Through a text, for a cast would cut in silence.
    format!("{number:.0}").parse().map_or(Value::Double(number), Value::Int)
}

/// What a sum, a difference or a product is made by.
struct Arithmetic {
    whole: fn(i128, i128) -> Option<i128>,
    exact: fn(&Decimal, &Decimal) -> Option<Decimal>,
    float: fn(f64, f64) -> f64,
}

const PLUS: Arithmetic =
    Arithmetic { whole: i128::checked_add, exact: Decimal::add, float: |a, b| a + b };
const MINUS: Arithmetic =
    Arithmetic { whole: i128::checked_sub, exact: Decimal::sub, float: |a, b| a - b };
const TIMES: Arithmetic =
    Arithmetic { whole: i128::checked_mul, exact: Decimal::mul, float: |a, b| a * b };

fn whole(value: &Value) -> Option<i128> {
    match value {
        Value::Int(number) => Some(i128::from(*number)),
        Value::UInt(number) => Some(i128::from(*number)),
        Value::Date(_) | Value::DateTime(_) | Value::Time(_) => {
            exact(value).filter(|number| number.scale() == 0)?.unscaled()
        }
        Value::Null
        | Value::Float(_)
        | Value::Double(_)
        | Value::Decimal(_)
        | Value::Text(_)
        | Value::Bytes(_) => None,
    }
}

fn out_of_range(ty: &'static str, expr: &Expr) -> Error {
    Error::OutOfRange { ty, what: expr.to_string() }
}

/// On whole numbers where both are, without a sign where one is; on exact ones where both are; else
/// on floating point numbers.
fn arithmetic(left: &Value, right: &Value, by: &Arithmetic, expr: &Expr) -> Result<Value> {
    if let (Some(a), Some(b)) = (whole(left), whole(right)) {
        let unsigned = matches!(left, Value::UInt(_)) || matches!(right, Value::UInt(_));
        let ty = if unsigned { "BIGINT UNSIGNED" } else { "BIGINT" };
        let result = (by.whole)(a, b);
        let value = match unsigned {
            true => result.and_then(|n| u64::try_from(n).ok()).map(Value::UInt),
            false => result.and_then(|n| i64::try_from(n).ok()).map(Value::Int),
        };
        return value.ok_or_else(|| out_of_range(ty, expr));
    }
    if let (Some(a), Some(b)) = (exact(left), exact(right)) {
        let result = (by.exact)(&a, &b).filter(|number| number.precision() <= MAX_PRECISION);
        return result.map(Value::Decimal).ok_or_else(|| out_of_range("DECIMAL", expr));
    }
    Ok(match (as_number(left), as_number(right)) {
        (Some(a), Some(b)) => Value::Double((by.float)(a, b)),
        _ => Value::Null,
    })
}

/// `NULL` behind a division by zero.
pub(super) fn quotient(left: &Value, right: &Value) -> Value {
    if let (Some(a), Some(b)) = (exact(left), exact(right)) {
        return a.div(&b).map_or(Value::Null, Value::Decimal);
    }
    match (as_number(left), as_number(right)) {
        (Some(_), Some(0.0)) | (None, _) | (_, None) => Value::Null,
        (Some(left), Some(right)) => Value::Double(left / right),
    }
}

/// `NULL` behind a division by zero.
pub(super) fn remainder(left: &Value, right: &Value) -> Value {
    if let (Some(a), Some(b)) = (whole(left), whole(right)) {
        let Some(rest) = a.checked_rem(b) else { return Value::Null };
        return match matches!(left, Value::UInt(_)) {
            true => u64::try_from(rest).map_or(Value::Null, Value::UInt),
            false => i64::try_from(rest).map_or(Value::Null, Value::Int),
        };
    }
    if let (Some(a), Some(b)) = (exact(left), exact(right)) {
        return a.rem(&b).map_or(Value::Null, Value::Decimal);
    }
    match (as_number(left), as_number(right)) {
        (Some(_), Some(0.0)) | (None, _) | (_, None) => Value::Null,
        (Some(a), Some(b)) => Value::Double(a % b),
    }
}

/// How two values compare: as texts without regard to case where both are texts, else as numbers;
/// `None` where one is `NULL`.
pub fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Null, _) | (_, Value::Null) => None,
        (Value::Date(a), Value::Date(b)) => Some(a.cmp(b)),
        (Value::DateTime(a), Value::DateTime(b)) => Some(a.at.cmp(&b.at)),
        (Value::Time(a), Value::Time(b)) => Some(a.micros.cmp(&b.micros)),
        (Value::Text(_) | Value::Bytes(_), Value::Text(_) | Value::Bytes(_)) => {
            Some(left.to_string().to_lowercase().cmp(&right.to_string().to_lowercase()))
        }
        // A day is its first moment, and a text is read as what it is compared with.
        (Value::Date(_) | Value::DateTime(_), Value::Date(_) | Value::DateTime(_)) => {
            compare_as(Type::DateTime(MAX_FRACTION), left, right)
        }
        (Value::Date(_) | Value::DateTime(_), Value::Text(_) | Value::Bytes(_))
        | (Value::Text(_) | Value::Bytes(_), Value::Date(_) | Value::DateTime(_)) => {
            compare_as(Type::DateTime(MAX_FRACTION), left, right)
        }
        (Value::Time(_), Value::Text(_) | Value::Bytes(_))
        | (Value::Text(_) | Value::Bytes(_), Value::Time(_)) => {
            compare_as(Type::Time(MAX_FRACTION), left, right)
        }
        _ => match (exact(left), exact(right)) {
            (Some(a), Some(b)) => a.compare(&b),
            _ => as_number(left)?.partial_cmp(&as_number(right)?),
        },
    }
}

/// How two values compare as those of a type; as texts, where one of them is none.
fn compare_as(ty: Type, left: &Value, right: &Value) -> Option<Ordering> {
    match (convert(left.clone(), ty), convert(right.clone(), ty)) {
        (Value::Null, _) | (_, Value::Null) => Some(left.to_string().cmp(&right.to_string())),
        (left, right) => compare(&left, &right),
    }
}

/// `LIKE` with `%`, `_` and backslash, without regard to case, as in MySQL's default collation.
pub fn like(text: &str, pattern: &str) -> bool {
    let text: Vec<char> = text.chars().flat_map(char::to_lowercase).collect();
    let pattern: Vec<char> = pattern.chars().flat_map(char::to_lowercase).collect();
    // Greedy with one point to come back to: linear in practice, never exponential.
    let (mut t, mut p) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        let (escaped, wanted) = match (pattern.get(p), pattern.get(p + 1)) {
            (Some('\\'), Some(next)) => (true, Some(next)),
            (found, _) => (false, found),
        };
        let step = if escaped { 2 } else { 1 };
        match wanted {
            Some('%') if !escaped => {
                retry = Some((p + 1, t));
                p += 1;
            }
            Some('_') if !escaped => {
                t += 1;
                p += 1;
            }
            Some(c) if text.get(t) == Some(c) => {
                t += 1;
                p += step;
            }
            Some(_) | None => match retry {
                Some((after, from)) => {
                    p = after;
                    t = from + 1;
                    retry = Some((after, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|c| *c == '%')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_follows_mysql() {
        for (text, pattern) in [
            ("lake", "l%"),
            ("lake", "LAKE"),
            ("lake", "l_k_"),
            ("", "%"),
            ("a%b", "a\\%b"),
            ("aaab", "%ab"),
            ("abcabc", "%b%c"),
            ("x_y", "x\\_y"),
            ("é", "_"),
        ] {
            assert!(like(text, pattern), "{text} LIKE {pattern}");
        }
        for (text, pattern) in [("lake", "l"), ("lake", "%x%"), ("axb", "a\\%b"), ("", "_")] {
            assert!(!like(text, pattern), "{text} LIKE {pattern}");
        }
    }

    #[test]
    fn values_compare_as_in_mysql() {
        let text = |text: &str| Value::Text(text.to_owned());
        assert_eq!(compare(&text("A"), &text("a")), Some(Ordering::Equal));
        assert_eq!(compare(&text("10"), &Value::Int(9)), Some(Ordering::Greater));
        assert_eq!(compare(&Value::Null, &Value::Int(9)), None);
        assert_eq!(compare(&text("2026-11-24"), &Value::Int(2026)), Some(Ordering::Equal));
        assert_eq!(compare(&text(" -1.5e1x"), &Value::Int(-15)), Some(Ordering::Equal));
        assert_eq!(compare(&text("1e"), &Value::Int(1)), Some(Ordering::Equal));
        for odd in ["", "x", ".", "-", "é", "+é", "1.é", "1eé"] {
            assert!(compare(&text(odd), &Value::Int(2)).is_some(), "{odd}");
        }
    }
}
