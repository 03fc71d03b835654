//! Functions of the connection, of choices and of numbers, and where the others are.

use std::cmp::Ordering;

use sqlparser::ast::{
    CeilFloorKind, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, TrimWhereField,
};

use super::aggregates::{aggregate, is_aggregate};
use super::operators::{as_number, remainder, to_int};
use super::texts::of_texts;
use super::times::{DATE_ADD, date_add, of_time, type_of_moved};
use super::types::merge;
use super::{Names, compare, evaluate, truth, types};
use crate::error::{Error, Result};
use crate::instance::SERVER_VERSION;
use crate::rows::decimal::{Decimal, MAX_SCALE};
use crate::rows::{Type, Value};
use crate::session::Session;
use crate::statement::charset;

pub(super) fn name_of(function: &Function) -> String {
    function.name.to_string().to_ascii_uppercase()
}

/// Computes a call.
pub fn call(function: &Function, names: Names<'_>) -> Result<Value> {
    let name = name_of(function);
    if function.over.is_some() {
        return Err(Error::Unsupported { what: format!("{name} OVER"), hint: None });
    }
    if is_aggregate(function) {
        return aggregate(&name, function, names);
    }
    if let Some(value) = date_add(&name, function, names) {
        return value;
    }
    let values = arguments(function)?.into_iter().map(|argument| evaluate(argument, names));
    apply(&name, &values.collect::<Result<Vec<_>>>()?, names)
}

/// What a call gives.
pub fn result_type(function: &Function, names: Names<'_>) -> Result<Type> {
    let name = name_of(function);
    if let (true, Ok([value, rest @ ..])) = (name == "ROUND", arguments(function).as_deref()) {
        let digits = match rest.first() {
            Some(digits) => evaluate(digits, names)?.to_string().parse().unwrap_or(0),
            None => 0,
        };
        let mut ty = types::number(types::of(value, names)?);
        if let Type::Decimal { scale, .. } = &mut ty {
            *scale = (*scale).min(digits);
        }
        return Ok(ty);
    }
    if let (true, Ok([value, interval])) =
        (DATE_ADD.contains(&name.as_str()), arguments(function).as_deref())
    {
        return Ok(type_of_moved(types::of(value, names)?, interval));
    }
    let types = match arguments(function) {
        Ok(arguments) => arguments
            .into_iter()
            .map(|argument| types::of(argument, names))
            .collect::<Result<_>>()?,
        // `COUNT(*)`
        Err(_) => Vec::new(),
    };
    Ok(type_by_name(&name, &types))
}

/// What a function gives, by its name and the types of its arguments.
pub fn type_by_name(name: &str, arguments: &[Type]) -> Type {
    let of_all = |types: &[Type]| types.iter().copied().fold(Type::Null, merge);
    match name {
        "COUNT" | "LENGTH" | "OCTET_LENGTH" | "CHAR_LENGTH" | "CHARACTER_LENGTH" | "LOCATE"
        | "INSTR" | "POSITION" | "ROW_COUNT" | "FOUND_ROWS" | "ISNULL" | "FIELD"
        | "FIND_IN_SET" | "SIGN" | "UNIX_TIMESTAMP" | "YEAR" | "QUARTER" | "MONTH" | "DAY"
        | "DAYOFMONTH" | "DAYOFWEEK" | "DAYOFYEAR" | "WEEKDAY" | "HOUR" | "MINUTE" | "SECOND"
        | "STRCMP" | "ASCII" => Type::Int,
        "FLOOR" | "CEIL" | "CEILING" => {
            let ty = types::number(of_all(arguments));
            if matches!(ty, Type::Decimal { .. }) { Type::Int } else { ty }
        }
        "CONNECTION_ID" | "LAST_INSERT_ID" => Type::UInt,
        "SUM" => types::sum(of_all(arguments)),
        "AVG" => types::quotient(types::sum(of_all(arguments)), Type::Int),
        "ABS" => types::number(of_all(arguments)),
        "MOD" => types::number(of_all(arguments)),
        "NOW" | "CURRENT_TIMESTAMP" | "UTC_TIMESTAMP" | "SYSDATE" | "LOCALTIMESTAMP"
        | "LOCALTIME" | "CONVERT_TZ" | "FROM_UNIXTIME" | "STR_TO_DATE" | "TIMESTAMP" => {
            Type::DateTime(0)
        }
        "CURDATE" | "CURRENT_DATE" | "UTC_DATE" | "DATE" | "LAST_DAY" | "MAKEDATE" => Type::Date,
        "TIMEDIFF" | "CURTIME" | "CURRENT_TIME" | "UTC_TIME" | "SEC_TO_TIME" | "TIME" => {
            Type::Time(0)
        }
        "IF" => of_all(arguments.get(1..).unwrap_or_default()),
        "NULLIF" => of_all(arguments.get(..1).unwrap_or_default()),
        "IFNULL" | "COALESCE" | "LEAST" | "GREATEST" | "MIN" | "MAX" | "ANY_VALUE" => {
            of_all(arguments)
        }
        _ => Type::Text,
    }
}

/// Calls with words in the place of commas, by name and arguments: `TRIM(BOTH x FROM y)`.
#[expect(clippy::wildcard_enum_match_arm, reason = "everything else is none")]
pub fn in_words(expr: &Expr) -> Option<(&'static str, Vec<&Expr>)> {
    Some(match expr {
        Expr::Substring { expr, substring_from, substring_for, .. } => {
            let parts = [Some(expr), substring_from.as_ref(), substring_for.as_ref()];
            ("SUBSTRING", parts.into_iter().flatten().map(|part| &**part).collect())
        }
        Expr::Trim { expr, trim_where, trim_what, trim_characters: None } => {
            let name = match trim_where {
                Some(TrimWhereField::Leading) => "LTRIM",
                Some(TrimWhereField::Trailing) => "RTRIM",
                Some(TrimWhereField::Both) | None => "TRIM",
            };
            (name, std::iter::once(&**expr).chain(trim_what.as_deref()).collect())
        }
        Expr::Position { expr, r#in } => ("LOCATE", vec![&**expr, &**r#in]),
        Expr::Ceil { expr, field: CeilFloorKind::DateTimeField(_) } => ("CEIL", vec![&**expr]),
        Expr::Floor { expr, field: CeilFloorKind::DateTimeField(_) } => ("FLOOR", vec![&**expr]),
        _ => return None,
    })
}

/// A function that needs no parentheses.
pub fn without_parentheses(name: &str, names: Names<'_>) -> Option<Value> {
    let name = name.to_ascii_uppercase();
    let known = [
        "CURRENT_USER",
        "CURRENT_TIMESTAMP",
        "CURRENT_DATE",
        "CURRENT_TIME",
        "LOCALTIME",
        "LOCALTIMESTAMP",
        "UTC_DATE",
        "UTC_TIME",
        "UTC_TIMESTAMP",
    ];
    if known.contains(&name.as_str()) { apply(&name, &[], names).ok() } else { None }
}

/// Computes a function of values.
pub fn apply(name: &str, arguments: &[Value], names: Names<'_>) -> Result<Value> {
    let value = of_connection(name, arguments, names)
        .or_else(|| of_time(name, arguments, names))
        .or_else(|| of_choice(name, arguments))
        .or_else(|| of_numbers(name, arguments))
        .or_else(|| of_texts(name, arguments));
    match value {
        Some(value) => Ok(value),
        // Of moments alone: `LEFT('a', 7)` was answered.
        None if let [Value::Int(digits @ 7..)] = arguments
            && CLOCKS.contains(&name) =>
        {
            Err(Error::TooPrecise { name: name.to_lowercase(), digits: digits.unsigned_abs() })
        }
        None if is_known(name) => Err(Error::WrongArgumentCount { name: name.to_owned() }),
        None => Err(Error::UnknownFunction { name: name.to_owned() }),
    }
}

/// Functions that take the number of digits of a second.
const CLOCKS: &[&str] = &[
    "CURRENT_TIME",
    "CURRENT_TIMESTAMP",
    "CURTIME",
    "LOCALTIME",
    "LOCALTIMESTAMP",
    "NOW",
    "SYSDATE",
    "UTC_TIME",
    "UTC_TIMESTAMP",
];

/// Whether there is such a function, though with other arguments.
fn is_known(name: &str) -> bool {
    const KNOWN: &[&str] = &[
        "ABS",
        "ADDDATE",
        "ASCII",
        "CEIL",
        "CEILING",
        "CHARACTER_LENGTH",
        "CHARSET",
        "CHAR_LENGTH",
        "COALESCE",
        "COLLATION",
        "CONCAT",
        "CONCAT_WS",
        "CONNECTION_ID",
        "CONVERT_TZ",
        "CURDATE",
        "CURRENT_DATE",
        "CURRENT_ROLE",
        "CURRENT_ROLES",
        "CURRENT_TIME",
        "CURRENT_TIMESTAMP",
        "CURRENT_USER",
        "CURTIME",
        "DATABASE",
        "DATE",
        "DATE_ADD",
        "DATE_FORMAT",
        "DATE_SUB",
        "DAY",
        "DAYOFMONTH",
        "DAYOFWEEK",
        "DAYOFYEAR",
        "ELT",
        "FIELD",
        "FIND_IN_SET",
        "FLOOR",
        "FOUND_ROWS",
        "FROM_UNIXTIME",
        "GREATEST",
        "HEX",
        "HOUR",
        "IF",
        "IFNULL",
        "INSTR",
        "ISNULL",
        "LAST_DAY",
        "LAST_INSERT_ID",
        "LCASE",
        "LEAST",
        "LEFT",
        "LENGTH",
        "LOCALTIME",
        "LOCALTIMESTAMP",
        "LOCATE",
        "LOWER",
        "LPAD",
        "LTRIM",
        "MAKEDATE",
        "MID",
        "MINUTE",
        "MOD",
        "MONTH",
        "NOW",
        "NULLIF",
        "OCTET_LENGTH",
        "POSITION",
        "QUARTER",
        "QUOTE",
        "REPEAT",
        "REPLACE",
        "REVERSE",
        "RIGHT",
        "ROUND",
        "ROW_COUNT",
        "RPAD",
        "RTRIM",
        "SCHEMA",
        "SECOND",
        "SEC_TO_TIME",
        "SESSION_USER",
        "SIGN",
        "SPACE",
        "STR_TO_DATE",
        "STRCMP",
        "SUBDATE",
        "SUBSTR",
        "SUBSTRING",
        "SUBSTRING_INDEX",
        "SYSDATE",
        "SYSTEM_USER",
        "TIME",
        "TIMEDIFF",
        "TIMESTAMP",
        "TIME_FORMAT",
        "TRIM",
        "UCASE",
        "UNIX_TIMESTAMP",
        "UPPER",
        "USER",
        "UTC_DATE",
        "UTC_TIME",
        "UTC_TIMESTAMP",
        "UUID",
        "WEEKDAY",
        "VERSION",
        "YEAR",
    ];
    KNOWN.contains(&name)
}

fn of_connection(name: &str, arguments: &[Value], names: Names<'_>) -> Option<Value> {
    let session = names.session;
    Some(match (name, arguments) {
        ("VERSION", []) => SERVER_VERSION.into(),
        ("DATABASE" | "SCHEMA", []) => session.database.clone().into(),
        ("CONNECTION_ID", []) => Value::UInt(u64::from(session.peer.connection_id)),
        ("USER" | "CURRENT_USER" | "SESSION_USER" | "SYSTEM_USER", []) => {
            session.creator().replace('\'', "").into()
        }
        ("CURRENT_ROLE", []) => roles(session, "@`%`"),
        ("CURRENT_ROLES", []) => roles(session, ""),
        ("LAST_INSERT_ID", []) => {
            session.variables.get(session, None, "last_insert_id").unwrap_or(Value::UInt(0))
        }
        ("LAST_INSERT_ID", [value]) => value.clone(),
        ("ROW_COUNT", []) => Value::Int(session.row_count),
        ("FOUND_ROWS", []) => Value::Int(session.found_rows),
        ("UUID", []) => uuid::Uuid::new_v4().to_string().into(),
        ("CHARSET", [value]) => text_or_binary(value, "utf8mb4"),
        ("COLLATION", [value]) => {
            let collation = session.variables.get(session, None, "collation_connection");
            let collation = collation.map_or_else(|_| String::new(), |value| value.to_string());
            match charset::of_collation(&collation) {
                "utf8mb4" => text_or_binary(value, &collation),
                _ => text_or_binary(value, "utf8mb4_0900_ai_ci"),
            }
        }
        _ => return None,
    })
}

/// As MySQL writes roles, whose names may hold a comma; our own function leaves the host out.
fn roles(session: &Session, host: &str) -> Value {
    let quoted = session.roles.iter().map(|role| format!("`{}`{host}", role.replace('`', "``")));
    let roles: Vec<String> = quoted.collect();
    if roles.is_empty() { "NONE".into() } else { roles.join(",").into() }
}

fn text_or_binary(value: &Value, text: &str) -> Value {
    match value {
        Value::Text(_) => text.into(),
        Value::Null
        | Value::Int(_)
        | Value::UInt(_)
        | Value::Float(_)
        | Value::Double(_)
        | Value::Decimal(_)
        | Value::Bytes(_)
        | Value::Date(_)
        | Value::DateTime(_)
        | Value::Time(_) => "binary".into(),
    }
}

fn of_choice(name: &str, arguments: &[Value]) -> Option<Value> {
    Some(match (name, arguments) {
        ("IF", [condition, yes, no]) => {
            if truth(condition) == Some(true) {
                yes.clone()
            } else {
                no.clone()
            }
        }
        ("IFNULL", [value, other]) => {
            if *value == Value::Null {
                other.clone()
            } else {
                value.clone()
            }
        }
        ("NULLIF", [value, other]) => {
            if compare(value, other) == Some(Ordering::Equal) {
                Value::Null
            } else {
                value.clone()
            }
        }
        ("ISNULL", [value]) => Value::Int(i64::from(*value == Value::Null)),
        ("COALESCE", [_, ..]) => {
            arguments.iter().find(|value| **value != Value::Null).cloned().unwrap_or(Value::Null)
        }
        ("LEAST", [_, _, ..]) => extreme(arguments, Ordering::Less),
        ("GREATEST", [_, _, ..]) => extreme(arguments, Ordering::Greater),
        ("FIELD", [wanted, list @ ..]) if !list.is_empty() => {
            let place =
                list.iter().position(|value| compare(wanted, value) == Some(Ordering::Equal));
            count(place.map_or(0, |place| place + 1))
        }
        ("ELT", [place, list @ ..]) => {
            let place =
                place.to_string().parse::<usize>().ok().and_then(|place| place.checked_sub(1));
            place.and_then(|place| list.get(place)).cloned().unwrap_or(Value::Null)
        }
        _ => return None,
    })
}

/// The least or the greatest value; `NULL` if one is.
pub(super) fn extreme(values: &[Value], wanted: Ordering) -> Value {
    if values.contains(&Value::Null) {
        return Value::Null;
    }
    let found = values
        .iter()
        .reduce(|best, value| if compare(value, best) == Some(wanted) { value } else { best });
    found.cloned().unwrap_or(Value::Null)
}

fn of_numbers(name: &str, arguments: &[Value]) -> Option<Value> {
    Some(match (name, arguments) {
        ("ABS", [Value::Int(number)]) => Value::Int(number.saturating_abs()),
        ("ABS", [value @ Value::UInt(_)]) => value.clone(),
        ("ABS", [Value::Decimal(number)]) => {
            let text = number.to_string();
            Decimal::parse(text.trim_start_matches('-')).map_or(Value::Null, Value::Decimal)
        }
        ("ABS", [value]) => {
            as_number(value).map_or(Value::Null, |number| Value::Double(number.abs()))
        }
        ("FLOOR", [value]) => to_whole(value, f64::floor),
        ("CEIL" | "CEILING", [value]) => to_whole(value, f64::ceil),
        ("ROUND", [value]) => rounded(value, 0),
        ("ROUND", [value, digits]) => match (value, as_number(digits)) {
            (Value::Null, _) | (_, None) => Value::Null,
            (value, Some(_)) => rounded(value, digits.to_string().parse().unwrap_or(0)),
        },
        ("MOD", [a, b]) => remainder(a, b),
        ("SIGN", [value]) => as_number(value).map_or(Value::Null, |number| {
            Value::Int(if number == 0.0 {
                0
            } else if number > 0.0 {
                1
            } else {
                -1
            })
        }),
        _ => return None,
    })
}

/// Whole numbers stay, exact ones become whole ones, others keep their type.
fn to_whole(value: &Value, f: fn(f64) -> f64) -> Value {
    match value {
        Value::Int(_) | Value::UInt(_) => value.clone(),
        Value::Decimal(number) => to_int(f(number.to_f64())),
        Value::Null
        | Value::Float(_)
        | Value::Double(_)
        | Value::Text(_)
        | Value::Bytes(_)
        | Value::Date(_)
        | Value::DateTime(_)
        | Value::Time(_) => as_number(value).map_or(Value::Null, |number| Value::Double(f(number))),
    }
}

/// Half away from zero where the number is exact.
fn rounded(value: &Value, digits: u8) -> Value {
    match value {
        Value::Int(_) | Value::UInt(_) => value.clone(),
        Value::Decimal(number) => {
            let rounded = number.with_scale(digits.min(number.scale()));
            rounded.map_or(Value::Null, Value::Decimal)
        }
        Value::Null
        | Value::Float(_)
        | Value::Double(_)
        | Value::Text(_)
        | Value::Bytes(_)
        | Value::Date(_)
        | Value::DateTime(_)
        | Value::Time(_) => as_number(value).map_or(Value::Null, |number| {
            let digits = usize::from(digits.min(MAX_SCALE));
            format!("{number:.digits$}").parse().map_or(Value::Null, Value::Double)
        }),
    }
}

pub(super) fn count(number: usize) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

pub(super) fn arguments(function: &Function) -> Result<Vec<&Expr>> {
    match &function.args {
        FunctionArguments::None => Ok(Vec::new()),
        FunctionArguments::List(list) => unnamed(&list.args),
        FunctionArguments::Subquery(_) => {
            Err(Error::Unsupported { what: "A subquery here".to_owned(), hint: None })
        }
    }
}

pub(super) fn unnamed(arguments: &[FunctionArg]) -> Result<Vec<&Expr>> {
    arguments
        .iter()
        .map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(expr),
            FunctionArg::Named { .. } | FunctionArg::ExprNamed { .. } | FunctionArg::Unnamed(_) => {
                Err(Error::Unsupported { what: format!("The argument {argument}"), hint: None })
            }
        })
        .collect()
}
