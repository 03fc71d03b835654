//! What operators do, as MySQL has it: truth with `NULL`, comparison, arithmetic, `LIKE`.

use std::cmp::Ordering;

use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator};

use super::unsupported;
use crate::error::Result;
use crate::rows::Value;

pub(super) fn boolean(value: bool) -> Value {
    Value::Int(i64::from(value))
}

/// MySQL's truth: `None` for `NULL`.
pub fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Null => None,
        Value::Int(number) => Some(*number != 0),
        Value::UInt(number) => Some(*number != 0),
        Value::Double(number) => Some(*number != 0.0),
        Value::Text(_) | Value::Bytes(_) | Value::DateTime(_) | Value::Time(_) => {
            as_number(value).map(|number| number != 0.0)
        }
    }
}

/// The number at the beginning of a text, as MySQL takes it; zero where there is none.
pub(super) fn as_number(value: &Value) -> Option<f64> {
    match value {
        Value::Null => None,
        Value::Double(number) => Some(*number),
        Value::Time(seconds) => value_of_time(*seconds),
        Value::DateTime(moment) => moment.strftime("%Y%m%d%H%M%S").to_string().parse().ok(),
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

/// `-01:30:00` is -13000 in a sum.
fn value_of_time(seconds: i64) -> Option<f64> {
    let digits = Value::Time(seconds).to_string().replace(':', "");
    digits.parse().ok()
}

pub(super) fn unary(op: UnaryOperator, value: Value, expr: &Expr) -> Result<Value> {
    match (op, value) {
        (_, Value::Null) => Ok(Value::Null),
        (UnaryOperator::Plus, value) => Ok(value),
        (UnaryOperator::Minus, Value::Int(number)) => Ok(Value::Int(number.saturating_neg())),
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
        BinaryOperator::Plus => Ok(arithmetic(&left, &right, i64::checked_add, |a, b| a + b)),
        BinaryOperator::Minus => Ok(arithmetic(&left, &right, i64::checked_sub, |a, b| a - b)),
        BinaryOperator::Multiply => Ok(arithmetic(&left, &right, i64::checked_mul, |a, b| a * b)),
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
        BinaryOperator::Divide => Ok(match (as_number(&left), as_number(&right)) {
            (Some(_), Some(0.0)) | (None, _) | (_, None) => Value::Null,
            (Some(left), Some(right)) => Value::Double(left / right),
        }),
        _ => Err(unsupported(expr)),
    }
}

fn as_int(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        Value::UInt(number) => i64::try_from(*number).ok(),
        Value::Null
        | Value::Double(_)
        | Value::Text(_)
        | Value::Bytes(_)
        | Value::DateTime(_)
        | Value::Time(_) => None,
    }
}

/// On numbers without a sign.
fn bits(left: &Value, right: &Value, op: fn(u64, u64) -> u64) -> Value {
    let unsigned = |value: &Value| match value {
        Value::UInt(number) => Some(*number),
        Value::Int(number) => Some(u64::from_ne_bytes(number.to_ne_bytes())),
        Value::Null => None,
        Value::Double(_)
        | Value::Text(_)
        | Value::Bytes(_)
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

/// `NULL` behind a division by zero.
pub(super) fn remainder(left: &Value, right: &Value) -> Value {
    match (as_number(left), as_number(right)) {
        (Some(_), Some(0.0)) | (None, _) | (_, None) => Value::Null,
        (Some(_), Some(_)) => arithmetic(left, right, i64::checked_rem, |a, b| a % b),
    }
}

/// On whole numbers where both are and the result is one, else on floating point numbers.
fn arithmetic(
    left: &Value,
    right: &Value,
    whole: fn(i64, i64) -> Option<i64>,
    float: fn(f64, f64) -> f64,
) -> Value {
    if let (Some(a), Some(b)) = (as_int(left), as_int(right))
        && let Some(result) = whole(a, b)
    {
        return Value::Int(result);
    }
    match (as_number(left), as_number(right)) {
        (Some(a), Some(b)) => Value::Double(float(a, b)),
        _ => Value::Null,
    }
}

/// How two values compare: as texts without regard to case where both are texts, else as numbers;
/// `None` where one is `NULL`.
pub fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Null, _) | (_, Value::Null) => None,
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::UInt(a), Value::UInt(b)) => Some(a.cmp(b)),
        (Value::DateTime(a), Value::DateTime(b)) => Some(a.cmp(b)),
        (Value::Time(a), Value::Time(b)) => Some(a.cmp(b)),
        (
            Value::Text(_) | Value::DateTime(_) | Value::Time(_) | Value::Bytes(_),
            Value::Text(_) | Value::Bytes(_),
        )
        | (Value::Text(_) | Value::Bytes(_), Value::DateTime(_) | Value::Time(_)) => {
            Some(left.to_string().to_lowercase().cmp(&right.to_string().to_lowercase()))
        }
        _ => as_number(left)?.partial_cmp(&as_number(right)?),
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
