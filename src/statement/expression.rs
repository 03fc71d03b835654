//! Expressions over constants, variables, functions of the connection and the columns of a `SHOW`:
//! what clients ask when they introduce themselves, and `WHERE` behind `SHOW`. Not a query engine.

use std::cmp::Ordering;
use std::fmt;

use jiff::Timestamp;
use sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident,
    UnaryOperator, Value as Literal,
};

use crate::error::{Error, Result};
use crate::instance::SERVER_VERSION;
use crate::rows::{Column, Row, Value};
use crate::session::Session;
use crate::sql::cursor::Cursor;
use crate::statement::variables::Scope;

/// What names stand for while an expression is computed.
#[derive(Clone, Copy)]
pub struct Names<'a> {
    /// The connection: its variables, user, database.
    pub session: &'a Session,
    /// The columns that a name may mean, with one row of them.
    pub row: Option<(&'a [Column], &'a Row)>,
    /// Whether any other name stands for itself, as in `SET autocommit = ON`.
    pub bare_words: bool,
}

/// A `WHERE` condition.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition(Box<Expr>);

impl Condition {
    /// Reads a condition that goes on to the end of the statement.
    pub fn parse(cursor: &mut Cursor<'_>) -> Result<Condition> {
        let expr = cursor.expression()?;
        cursor.expect_end("")?;
        Ok(Condition(Box::new(expr)))
    }

    /// Whether it is true for a row: not false, not zero, not `NULL`.
    pub fn holds(&self, session: &Session, columns: &[Column], row: &Row) -> Result<bool> {
        let names = Names { session, row: Some((columns, row)), bare_words: false };
        Ok(truth(&evaluate(&self.0, names)?) == Some(true))
    }
}

impl From<Expr> for Condition {
    fn from(expr: Expr) -> Condition {
        Condition(Box::new(expr))
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Computes an expression.
#[expect(clippy::wildcard_enum_match_arm, reason = "everything else is for a query engine")]
pub fn evaluate(expr: &Expr, names: Names<'_>) -> Result<Value> {
    match expr {
        Expr::Value(literal) => value_of(&literal.value),
        Expr::Identifier(name) => names.lookup(name),
        Expr::CompoundIdentifier(parts) => names.lookup_compound(parts),
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => evaluate(inner, names),
        Expr::Cast { expr, .. } => evaluate(expr, names),
        Expr::UnaryOp { op, expr } => unary(*op, evaluate(expr, names)?, expr),
        Expr::BinaryOp { left, op, right } => {
            binary(evaluate(left, names)?, op, evaluate(right, names)?, expr)
        }
        Expr::IsNull(inner) => Ok(boolean(evaluate(inner, names)? == Value::Null)),
        Expr::IsNotNull(inner) => Ok(boolean(evaluate(inner, names)? != Value::Null)),
        Expr::Like { negated, expr, pattern, .. } => {
            let (value, pattern) = (evaluate(expr, names)?, evaluate(pattern, names)?);
            if value == Value::Null || pattern == Value::Null {
                return Ok(Value::Null);
            }
            Ok(boolean(like(&value.to_string(), &pattern.to_string()) != *negated))
        }
        Expr::InList { expr, list, negated } => {
            let value = evaluate(expr, names)?;
            let mut found = false;
            for candidate in list {
                found |= compare(&value, &evaluate(candidate, names)?) == Some(Ordering::Equal);
            }
            Ok(if value == Value::Null { Value::Null } else { boolean(found != *negated) })
        }
        Expr::Between { expr, negated, low, high } => {
            let value = evaluate(expr, names)?;
            let above = compare(&value, &evaluate(low, names)?).map(Ordering::is_ge);
            let below = compare(&value, &evaluate(high, names)?).map(Ordering::is_le);
            Ok(match (above, below) {
                (Some(above), Some(below)) => boolean((above && below) != *negated),
                _ => Value::Null,
            })
        }
        Expr::Function(function) => call(function, names),
        other => Err(unsupported(other)),
    }
}

impl Names<'_> {
    fn lookup(&self, name: &Ident) -> Result<Value> {
        let text = &name.value;
        if let Some(variable) = text.strip_prefix("@@") {
            return self.session.variables.get(self.session, None, variable);
        }
        if let Some(variable) = text.strip_prefix('@') {
            return Ok(self.session.variables.user(variable));
        }
        if let Some((columns, row)) = self.row {
            let index = columns.iter().position(|column| column.name.eq_ignore_ascii_case(text));
            if let Some(value) = index.and_then(|index| row.get(index)) {
                return Ok(value.clone());
            }
        }
        match text.to_ascii_uppercase().as_str() {
            "CURRENT_USER" | "USER" => Ok(self.session.creator().replace('\'', "").into()),
            "CURRENT_TIMESTAMP" => Ok(Value::DateTime(Timestamp::now())),
            _ if self.bare_words => Ok(text.as_str().into()),
            // The mysql client asks so whether there are dollar quotes; only 1064 means no.
            _ if text.starts_with("$$") => Err(Error::Syntax {
                expected: "an expression".to_owned(),
                found: format!("'{text}'"),
                at: None,
                hint: None,
            }),
            _ => Err(Error::UnknownColumn { name: text.clone() }),
        }
    }

    /// `@@session.x`, `@@global.x`; a column with its table's name.
    fn lookup_compound(&self, parts: &[Ident]) -> Result<Value> {
        if let [scope, name] = parts {
            let scope = match scope.value.to_ascii_lowercase().as_str() {
                "@@session" | "@@local" => Some(Scope::Session),
                "@@global" => Some(Scope::Global),
                _ => None,
            };
            if let Some(scope) = scope {
                return self.session.variables.get(self.session, Some(scope), &name.value);
            }
        }
        match parts.last() {
            Some(name) if self.row.is_some() => self.lookup(name),
            Some(_) | None => {
                let parts: Vec<&str> = parts.iter().map(|part| part.value.as_str()).collect();
                Err(Error::UnknownColumn { name: parts.join(".") })
            }
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "MySQL has no other literals")]
fn value_of(literal: &Literal) -> Result<Value> {
    Ok(match literal {
        Literal::Number(digits, _) => number(digits),
        Literal::SingleQuotedString(text)
        | Literal::DoubleQuotedString(text)
        | Literal::NationalStringLiteral(text) => text.as_str().into(),
        Literal::HexStringLiteral(digits) => unhex(digits)?,
        Literal::Boolean(value) => boolean(*value),
        Literal::Null => Value::Null,
        other => {
            return Err(Error::Unsupported { what: format!("The literal {other}"), hint: None });
        }
    })
}

fn number(digits: &str) -> Value {
    if let Ok(number) = digits.parse::<i64>() {
        Value::Int(number)
    } else if let Ok(number) = digits.parse::<u64>() {
        Value::UInt(number)
    } else {
        digits.parse::<f64>().map_or_else(|_| digits.into(), Value::Double)
    }
}

fn unhex(digits: &str) -> Result<Value> {
    let pairs = digits.as_bytes().chunks(2);
    let bytes: Option<Vec<u8>> = pairs
        .map(|pair| {
            std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok())
        })
        .collect();
    match bytes {
        Some(bytes) => Ok(Value::Bytes(bytes.into())),
        None => Err(Error::Unsupported { what: format!("The literal x'{digits}'"), hint: None }),
    }
}

fn boolean(value: bool) -> Value {
    Value::Int(i64::from(value))
}

/// MySQL's truth: `None` for `NULL`.
fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Null => None,
        Value::Int(number) => Some(*number != 0),
        Value::UInt(number) => Some(*number != 0),
        Value::Double(number) => Some(*number != 0.0),
        Value::Text(_) | Value::Bytes(_) | Value::DateTime(_) => {
            as_number(value).map(|number| number != 0.0)
        }
    }
}

/// The number at the beginning of a text, as MySQL takes it; zero where there is none.
fn as_number(value: &Value) -> Option<f64> {
    match value {
        Value::Null => None,
        Value::Double(number) => Some(*number),
        Value::Int(_) | Value::UInt(_) | Value::Text(_) | Value::Bytes(_) | Value::DateTime(_) => {
            let text = value.to_string();
            let text = text.trim();
            let end = text.find(|c: char| !c.is_ascii_digit() && !".-+".contains(c));
            Some(text.get(..end.unwrap_or(text.len())).unwrap_or("").parse().unwrap_or(0.0))
        }
    }
}

fn unary(op: UnaryOperator, value: Value, expr: &Expr) -> Result<Value> {
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
fn binary(left: Value, op: &BinaryOperator, right: Value, expr: &Expr) -> Result<Value> {
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
        BinaryOperator::Divide => Ok(match (as_number(&left), as_number(&right)) {
            (Some(_), Some(0.0)) | (None, _) | (_, None) => Value::Null,
            (Some(left), Some(right)) => Value::Double(left / right),
        }),
        _ => Err(unsupported(expr)),
    }
}

/// On whole numbers where both are and the result is one, else on floating point numbers.
fn arithmetic(
    left: &Value,
    right: &Value,
    whole: fn(i64, i64) -> Option<i64>,
    float: fn(f64, f64) -> f64,
) -> Value {
    if let (Value::Int(a), Value::Int(b)) = (left, right)
        && let Some(result) = whole(*a, *b)
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
fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Null, _) | (_, Value::Null) => None,
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::UInt(a), Value::UInt(b)) => Some(a.cmp(b)),
        (Value::DateTime(a), Value::DateTime(b)) => Some(a.cmp(b)),
        (
            Value::Text(_) | Value::DateTime(_) | Value::Bytes(_),
            Value::Text(_) | Value::Bytes(_),
        )
        | (Value::Text(_) | Value::Bytes(_), Value::DateTime(_)) => {
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

fn call(function: &Function, names: Names<'_>) -> Result<Value> {
    let name = function.name.to_string().to_ascii_uppercase();
    let arguments = arguments(function, names)?;
    let session = names.session;
    let text = |f: fn(&str) -> String| match arguments.first() {
        Some(Value::Null) | None => Value::Null,
        Some(value) => f(&value.to_string()).into(),
    };
    Ok(match (name.as_str(), arguments.as_slice()) {
        ("VERSION", []) => SERVER_VERSION.into(),
        ("DATABASE" | "SCHEMA", []) => session.database.clone().into(),
        ("CONNECTION_ID", []) => Value::UInt(u64::from(session.peer.connection_id)),
        ("USER" | "CURRENT_USER" | "SESSION_USER" | "SYSTEM_USER", []) => {
            session.creator().replace('\'', "").into()
        }
        ("LAST_INSERT_ID" | "ROW_COUNT" | "FOUND_ROWS", []) => Value::Int(0),
        ("NOW" | "CURRENT_TIMESTAMP" | "UTC_TIMESTAMP" | "SYSDATE" | "LOCALTIMESTAMP", _) => {
            Value::DateTime(Timestamp::now())
        }
        ("CONCAT", values) if values.contains(&Value::Null) => Value::Null,
        ("CONCAT", values) => values.iter().map(Value::to_string).collect::<String>().into(),
        ("UPPER" | "UCASE", [_]) => text(str::to_uppercase),
        ("LOWER" | "LCASE", [_]) => text(str::to_lowercase),
        ("IFNULL", [value, other]) => {
            if *value == Value::Null {
                other.clone()
            } else {
                value.clone()
            }
        }
        ("COALESCE", values) => {
            values.iter().find(|value| **value != Value::Null).cloned().unwrap_or(Value::Null)
        }
        ("IF", [condition, yes, no]) => {
            if truth(condition) == Some(true) {
                yes.clone()
            } else {
                no.clone()
            }
        }
        _ => return Err(Error::UnknownFunction { name }),
    })
}

fn arguments(function: &Function, names: Names<'_>) -> Result<Vec<Value>> {
    let list = match &function.args {
        FunctionArguments::None => return Ok(Vec::new()),
        FunctionArguments::List(list) => &list.args,
        FunctionArguments::Subquery(_) => {
            return Err(Error::Unsupported { what: "A subquery here".to_owned(), hint: None });
        }
    };
    list.iter()
        .map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => evaluate(expr, names),
            FunctionArg::Named { .. } | FunctionArg::ExprNamed { .. } | FunctionArg::Unnamed(_) => {
                Err(Error::Unsupported { what: format!("The argument {argument}"), hint: None })
            }
        })
        .collect()
}

fn unsupported(expr: &Expr) -> Error {
    Error::Unsupported { what: format!("The expression {expr}"), hint: None }
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
    }
}
