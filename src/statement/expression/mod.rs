//! Expressions over constants, variables, functions and columns: what clients ask when they introduce
//! themselves, `WHERE` behind `SHOW`, and queries of the tables that describe the server. Not a query
//! engine.
//!
//! - [`functions`]: what is called by name; `texts`, `times` and `aggregates` are more of them.
//! - `operators`: `=`, `AND`, `LIKE` ...
//! - [`types`]: the type of an expression, before any row is there.

mod aggregates;
pub mod functions;
mod operators;
mod texts;
mod times;
pub mod types;

use std::cmp::Ordering;
use std::fmt;

use sqlparser::ast::{BinaryOperator, CaseWhen, DataType, Expr, Ident, Query, Value as Literal};

pub use self::aggregates::is_aggregate;
use self::operators::{binary, boolean, unary};
pub use self::operators::{compare, like, truth};
use crate::error::{Error, Result};
use crate::rows::decimal::{Decimal, MAX_PRECISION, MAX_SCALE};
use crate::rows::{Column, Row, Value};
use crate::session::Session;
use crate::sql::cursor::Cursor;
use crate::statement::select;
use crate::statement::tables::World;
use crate::statement::variables::Scope;

/// What names stand for while an expression is computed.
#[derive(Clone, Copy)]
pub struct Names<'a> {
    /// The connection: its variables, user, database.
    pub session: &'a Session,
    /// What the tables of queries inside are made of; `None` where there can be no tables.
    pub world: Option<&'a World>,
    /// The columns that a name may mean, with one row of them.
    pub frame: Option<&'a Frame<'a>>,
    /// Columns by the names that the query gives them, with their values: they come first.
    pub aliases: Option<(&'a [Column], &'a [Value])>,
    /// The rows that `COUNT` and the like are over.
    pub group: Option<&'a [&'a Row]>,
    /// Whether any other name stands for itself, as in `SET autocommit = ON`.
    pub bare_words: bool,
}

/// One row of a query's tables, and of the query around it.
#[derive(Clone, Copy)]
pub struct Frame<'a> {
    /// The columns of all its tables.
    pub fields: &'a [Field],
    /// Their values.
    pub row: &'a [Value],
    /// The row of the query around.
    pub outer: Option<&'a Frame<'a>>,
}

/// A column of one of a query's tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The database of its table.
    pub schema: String,
    /// The name that the query has for its table.
    pub table: String,
    /// What it is.
    pub column: Column,
    /// Whether `USING` has merged it into another table's: it has only its full name.
    pub merged: bool,
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
        let names = Names { aliases: Some((columns, row)), ..Names::of(session) };
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

/// What must be left of a stack, and by how much it grows: each level of an expression takes some of it.
const STACK_LEFT: usize = 256 * 1024;
const STACK_MORE: usize = 2 * 1024 * 1024;

/// Computes on a stack that is large enough.
pub(super) fn with_stack<T>(compute: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(STACK_LEFT, STACK_MORE, compute)
}

/// Computes an expression.
pub fn evaluate(expr: &Expr, names: Names<'_>) -> Result<Value> {
    with_stack(|| compute(expr, names))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "everything else is for a query engine")]
fn compute(expr: &Expr, names: Names<'_>) -> Result<Value> {
    match expr {
        Expr::Value(literal) => value_of(&literal.value),
        Expr::Identifier(name) => names.lookup(name),
        Expr::CompoundIdentifier(parts) => names.lookup_compound(parts),
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => evaluate(inner, names),
        // `_utf8mb4'x'`
        Expr::Prefixed { value, .. } => evaluate(value, names),
        // `DATE '2024-05-06'`
        Expr::TypedString(typed) => {
            let value = value_of(&typed.value.value)?;
            let name = typed.data_type.to_string().to_ascii_uppercase();
            match functions::apply(&name, &[value], names)? {
                Value::Null => Err(Error::BadLiteral {
                    what: typed.data_type.to_string(),
                    value: typed.value.to_string(),
                }),
                value => Ok(value),
            }
        }
        Expr::Cast { expr, data_type, .. }
        | Expr::Convert { expr, data_type: Some(data_type), .. } => {
            cast(evaluate(expr, names)?, data_type)
        }
        Expr::Convert { expr, .. } => evaluate(expr, names),
        Expr::UnaryOp { op, expr } => unary(*op, evaluate(expr, names)?, expr),
        Expr::BinaryOp {
            left,
            op: op @ (BinaryOperator::Plus | BinaryOperator::Minus),
            right: interval,
        } if matches!(**interval, Expr::Interval(_)) => {
            let Expr::Interval(interval) = &**interval else { return Err(unsupported(expr)) };
            let sign = if *op == BinaryOperator::Minus { -1 } else { 1 };
            times::moved(&evaluate(left, names)?, interval, sign, names)
        }
        // Only where `sql_mode` wants it; else `||` was read as OR.
        Expr::BinaryOp { left, op: BinaryOperator::StringConcat, right } => {
            let (left, right) = (evaluate(left, names)?, evaluate(right, names)?);
            functions::apply("CONCAT", &[left, right], names)
        }
        Expr::BinaryOp { left, op, right } => {
            binary(evaluate(left, names)?, op, evaluate(right, names)?, expr)
        }
        Expr::IsNull(inner) => Ok(boolean(evaluate(inner, names)? == Value::Null)),
        Expr::IsNotNull(inner) => Ok(boolean(evaluate(inner, names)? != Value::Null)),
        Expr::IsTrue(inner) => Ok(boolean(truth(&evaluate(inner, names)?) == Some(true))),
        Expr::IsNotTrue(inner) => Ok(boolean(truth(&evaluate(inner, names)?) != Some(true))),
        Expr::IsFalse(inner) => Ok(boolean(truth(&evaluate(inner, names)?) == Some(false))),
        Expr::IsNotFalse(inner) => Ok(boolean(truth(&evaluate(inner, names)?) != Some(false))),
        Expr::Like { negated, expr, pattern, escape_char, .. } => {
            let (value, pattern) = (evaluate(expr, names)?, evaluate(pattern, names)?);
            if value == Value::Null || pattern == Value::Null {
                return Ok(Value::Null);
            }
            let escape = escape_char.as_ref().and_then(|escape| escape.value.clone().into_string());
            let pattern = escaped_by(&pattern.to_string(), names.escape(escape.as_deref()));
            Ok(boolean(like(&value.to_string(), &pattern) != *negated))
        }
        Expr::RLike { negated, expr, pattern, .. } => {
            matches(&evaluate(expr, names)?, &evaluate(pattern, names)?, *negated)
        }
        Expr::InList { expr, list, negated } => {
            let value = evaluate(expr, names)?;
            let list = list.iter().map(|candidate| evaluate(candidate, names));
            Ok(is_in(&value, list.collect::<Result<Vec<_>>>()?, *negated))
        }
        Expr::InSubquery { expr, subquery, negated } => {
            let value = evaluate(expr, names)?;
            let list = one_column(names.query(subquery)?)?;
            Ok(is_in(&value, list, *negated))
        }
        Expr::Exists { subquery, negated } => {
            Ok(boolean(names.query(subquery)?.1.is_empty() == *negated))
        }
        Expr::Subquery(query) => {
            let mut values = one_column(names.query(query)?)?;
            match values.len() {
                0 => Ok(Value::Null),
                1 => Ok(values.remove(0)),
                _ => Err(Error::SeveralRows),
            }
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
        Expr::Case { operand, conditions, else_result, .. } => {
            case(operand.as_deref(), conditions, else_result.as_deref(), names)
        }
        Expr::Function(function) => functions::call(function, names),
        other => match functions::in_words(other) {
            Some((name, arguments)) => {
                let values = arguments.iter().map(|argument| evaluate(argument, names));
                functions::apply(name, &values.collect::<Result<Vec<_>>>()?, names)
            }
            None => Err(unsupported(other)),
        },
    }
}

impl<'a> Names<'a> {
    /// Those of a connection alone.
    pub fn of(session: &'a Session) -> Names<'a> {
        Names { session, world: None, frame: None, aliases: None, group: None, bare_words: false }
    }

    /// The character that escapes in `LIKE`: the one that is written; else a backslash, where
    /// `sql_mode` lets it escape anything.
    fn escape<'e>(&self, written: Option<&'e str>) -> Option<&'e str> {
        let plain = written.is_none() && self.session.sql_mode().no_backslash_escapes;
        if plain { Some("") } else { written }
    }

    /// The rows of a query inside an expression, which sees the columns around it.
    fn query(&self, query: &Query) -> Result<(Vec<Column>, Vec<Row>)> {
        select::run(query, self.session, self.world, self.frame)
    }

    fn lookup(&self, name: &Ident) -> Result<Value> {
        let text = &name.value;
        if let Some(variable) = text.strip_prefix("@@") {
            return self.session.variables.get(self.session, None, variable);
        }
        if let Some(variable) = text.strip_prefix('@') {
            return Ok(self.session.variables.user(variable));
        }
        if let Some(value) = self.alias(text) {
            return Ok(value);
        }
        if let Some((_, value)) = self.column(&[name])? {
            return Ok(value);
        }
        match functions::without_parentheses(text, *self) {
            Some(value) => Ok(value),
            None if self.bare_words => Ok(text.as_str().into()),
            // The mysql client asks so whether there are dollar quotes; only 1064 means no.
            None if text.starts_with("$$") => Err(Error::Syntax {
                expected: "an expression".to_owned(),
                found: format!("'{text}'"),
                at: None,
                hint: None,
            }),
            None => Err(Error::UnknownColumn { name: text.clone() }),
        }
    }

    fn alias(&self, name: &str) -> Option<Value> {
        let (columns, row) = self.aliases?;
        let index = columns.iter().position(|column| column.name.eq_ignore_ascii_case(name))?;
        row.get(index).cloned()
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
        let parts: Vec<&Ident> = parts.iter().collect();
        if let Some((_, value)) = self.column(&parts)? {
            return Ok(value);
        }
        // `SHOW` knows no tables.
        let last = parts.last().filter(|_| self.frame.is_none());
        match last.and_then(|name| self.alias(&name.value)) {
            Some(value) => Ok(value),
            None => {
                let parts: Vec<&str> = parts.iter().map(|part| part.value.as_str()).collect();
                Err(Error::UnknownColumn { name: parts.join(".") })
            }
        }
    }

    /// The column that `x`, `t.x` or `db.t.x` means, with its value: of this query, else of the one
    /// around it.
    fn column(&self, parts: &[&Ident]) -> Result<Option<(&'a Field, Value)>> {
        let mut frame = self.frame;
        while let Some(inner) = frame {
            if let Some(index) = find_field(inner.fields, parts)? {
                let found = inner.fields.get(index).zip(inner.row.get(index));
                return Ok(found.map(|(field, value)| (field, value.clone())));
            }
            frame = inner.outer;
        }
        Ok(None)
    }
}

/// The parts of a column's name, if an expression is one.
pub fn name_parts(expr: &Expr) -> Option<Vec<&Ident>> {
    if let Expr::Identifier(name) = expr {
        Some(vec![name])
    } else if let Expr::CompoundIdentifier(parts) = expr {
        Some(parts.iter().collect())
    } else {
        None
    }
}

/// Which of the fields a name means.
pub fn find_field(fields: &[Field], parts: &[&Ident]) -> Result<Option<usize>> {
    let is = |part: &Ident, name: &str| part.value.eq_ignore_ascii_case(name);
    let mut found = fields.iter().enumerate().filter(|(_, field)| match parts {
        [name] => !field.merged && is(name, &field.column.name),
        [table, name] => is(table, &field.table) && is(name, &field.column.name),
        [schema, table, name] => {
            is(schema, &field.schema) && is(table, &field.table) && is(name, &field.column.name)
        }
        _ => false,
    });
    let first = found.next().map(|(index, _)| index);
    if found.next().is_some() {
        let parts: Vec<&str> = parts.iter().map(|part| part.value.as_str()).collect();
        return Err(Error::AmbiguousColumn { name: parts.join(".") });
    }
    Ok(first)
}

/// A pattern with backslashes in the place of another character that escapes: `LIKE 'a!_' ESCAPE '!'`.
/// With an empty one nothing does.
pub fn escaped_by(pattern: &str, escape: Option<&str>) -> String {
    let Some(escape) = escape.filter(|escape| *escape != "\\") else { return pattern.to_owned() };
    let escape = escape.chars().next();
    let mut out = String::with_capacity(pattern.len());
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        if Some(letter) == escape {
            out.push('\\');
            out.extend(letters.next());
        } else if letter == '\\' {
            out.push_str("\\\\");
        } else {
            out.push(letter);
        }
    }
    out
}

fn one_column((columns, rows): (Vec<Column>, Vec<Row>)) -> Result<Vec<Value>> {
    if columns.len() != 1 {
        return Err(Error::SeveralColumns);
    }
    Ok(rows.into_iter().flatten().collect())
}

fn is_in(value: &Value, list: Vec<Value>, negated: bool) -> Value {
    let found = list.iter().any(|other| compare(value, other) == Some(Ordering::Equal));
    let unknown = *value == Value::Null || (!found && list.contains(&Value::Null));
    if unknown && !list.is_empty() { Value::Null } else { boolean(found != negated) }
}

fn case(
    operand: Option<&Expr>,
    conditions: &[CaseWhen],
    otherwise: Option<&Expr>,
    names: Names<'_>,
) -> Result<Value> {
    let operand = operand.map(|operand| evaluate(operand, names)).transpose()?;
    for CaseWhen { condition, result } in conditions {
        let found = evaluate(condition, names)?;
        let holds = match &operand {
            Some(operand) => compare(operand, &found) == Some(Ordering::Equal),
            None => truth(&found) == Some(true),
        };
        if holds {
            return evaluate(result, names);
        }
    }
    otherwise.map_or(Ok(Value::Null), |otherwise| evaluate(otherwise, names))
}

/// `REGEXP`
fn matches(value: &Value, pattern: &Value, negated: bool) -> Result<Value> {
    if *value == Value::Null || *pattern == Value::Null {
        return Ok(Value::Null);
    }
    let pattern = pattern.to_string();
    let regex = regex::RegexBuilder::new(&pattern).case_insensitive(true).build();
    match regex {
        Ok(regex) => Ok(boolean(regex.is_match(&value.to_string()) != negated)),
        Err(error) => {
            let why = error.to_string().lines().last().unwrap_or_default().to_owned();
            Err(Error::BadPattern { pattern, why })
        }
    }
}

/// `CAST(value AS type)`
fn cast(value: Value, to: &DataType) -> Result<Value> {
    match types::of_cast(to) {
        Some(ty) => Ok(types::convert(value, ty)),
        None => Err(Error::Syntax {
            expected: "a type such as CHAR, SIGNED, DECIMAL or DATE".to_owned(),
            found: format!("'{to}'"),
            at: None,
            hint: None,
        }),
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

/// A number without an exponent is exact, as long as it is not too long.
fn number(digits: &str) -> Value {
    if let Ok(number) = digits.parse::<i64>() {
        return Value::Int(number);
    }
    if let Ok(number) = digits.parse::<u64>() {
        return Value::UInt(number);
    }
    match Decimal::parse(digits) {
        Some(number) if number.precision() <= MAX_PRECISION && number.scale() <= MAX_SCALE => {
            Value::Decimal(number)
        }
        Some(_) | None => digits.parse::<f64>().map_or_else(|_| digits.into(), Value::Double),
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

pub(super) fn unsupported(expr: &Expr) -> Error {
    Error::Unsupported { what: format!("The expression {expr}"), hint: None }
}
