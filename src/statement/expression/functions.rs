//! Functions: of the connection, over texts and times, and over groups of rows.

use std::cmp::Ordering;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp, civil};
use sqlparser::ast::{
    CeilFloorKind, DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentClause, FunctionArgumentList, FunctionArguments, Interval, TrimWhereField,
};

use super::operators::{as_number, remainder, to_int};
use super::types::merge;
use super::{Frame, Names, compare, evaluate, truth, types};
use crate::error::{Error, Result};
use crate::instance::SERVER_VERSION;
use crate::rows::{Type, Value};
use crate::statement::charset;
use crate::statement::variables::offset_minutes;

/// Functions over the rows of a group.
const AGGREGATES: &[&str] = &["COUNT", "MIN", "MAX", "SUM", "AVG", "GROUP_CONCAT", "ANY_VALUE"];

/// Whether a call is over the rows of a group.
pub fn is_aggregate(function: &Function) -> bool {
    AGGREGATES.contains(&name_of(function).as_str())
}

fn name_of(function: &Function) -> String {
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
        | "FIND_IN_SET" | "SIGN" | "UNIX_TIMESTAMP" | "YEAR" | "MONTH" | "DAY" | "DAYOFMONTH"
        | "HOUR" | "MINUTE" | "SECOND" | "FLOOR" | "CEIL" | "CEILING" | "STRCMP" | "ASCII" => {
            Type::Int
        }
        "CONNECTION_ID" | "LAST_INSERT_ID" => Type::UInt,
        "AVG" => Type::Double,
        "SUM" | "ABS" | "ROUND" | "MOD" => match of_all(arguments) {
            Type::Int | Type::UInt => Type::Int,
            Type::Double | Type::Text | Type::Bytes | Type::DateTime | Type::Time | Type::Null => {
                Type::Double
            }
        },
        "NOW" | "CURRENT_TIMESTAMP" | "UTC_TIMESTAMP" | "SYSDATE" | "LOCALTIMESTAMP"
        | "LOCALTIME" | "CONVERT_TZ" | "FROM_UNIXTIME" | "DATE_ADD" | "DATE_SUB" | "ADDDATE"
        | "SUBDATE" => Type::DateTime,
        "TIMEDIFF" | "CURTIME" | "CURRENT_TIME" | "UTC_TIME" | "SEC_TO_TIME" => Type::Time,
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
        None if is_known(name) => Err(Error::WrongArgumentCount { name: name.to_owned() }),
        None => Err(Error::UnknownFunction { name: name.to_owned() }),
    }
}

/// Whether there is such a function, though with other arguments.
fn is_known(name: &str) -> bool {
    const KNOWN: &[&str] = &[
        "VERSION",
        "DATABASE",
        "SCHEMA",
        "CONNECTION_ID",
        "USER",
        "CURRENT_USER",
        "SESSION_USER",
        "SYSTEM_USER",
        "ROW_COUNT",
        "FOUND_ROWS",
        "UUID",
        "TIMEDIFF",
        "TIME_FORMAT",
        "DATE_FORMAT",
        "CONVERT_TZ",
        "IF",
        "IFNULL",
        "NULLIF",
        "ISNULL",
        "ABS",
        "MOD",
        "UPPER",
        "LOWER",
        "LENGTH",
        "CHAR_LENGTH",
        "LOCATE",
        "INSTR",
        "SUBSTRING",
        "SUBSTRING_INDEX",
        "LEFT",
        "RIGHT",
        "TRIM",
        "LTRIM",
        "RTRIM",
        "REPLACE",
        "LPAD",
        "RPAD",
        "REPEAT",
        "REVERSE",
        "FIND_IN_SET",
        "HEX",
        "CONCAT",
        "COALESCE",
        "LEAST",
        "GREATEST",
        "QUOTE",
        "STRCMP",
        "SPACE",
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
        ("CURRENT_ROLE", []) => "NONE".into(),
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

fn text_or_binary(value: &Value, text: &str) -> Value {
    match value {
        Value::Text(_) => text.into(),
        Value::Null
        | Value::Int(_)
        | Value::UInt(_)
        | Value::Double(_)
        | Value::Bytes(_)
        | Value::DateTime(_)
        | Value::Time(_) => "binary".into(),
    }
}

/// Moments have whole seconds, as MySQL's have unless told otherwise, and are shown in the session's
/// time zone.
fn of_time(name: &str, arguments: &[Value], names: Names<'_>) -> Option<Value> {
    let utc = whole_seconds(names.session.now);
    let local = || {
        let zone = names.session.variables.get(names.session, None, "time_zone");
        let zone = zone.map_or_else(|_| "SYSTEM".to_owned(), |zone| zone.to_string());
        shift(utc, &zone).unwrap_or(utc)
    };
    let day = |moment: Timestamp| Value::Text(moment.strftime("%Y-%m-%d").to_string());
    let clock = |moment: Timestamp| Value::Time(moment.as_second().rem_euclid(86_400));
    Some(match (name, arguments) {
        ("UTC_TIMESTAMP", _) => Value::DateTime(utc),
        ("NOW" | "CURRENT_TIMESTAMP" | "SYSDATE" | "LOCALTIMESTAMP" | "LOCALTIME", _) => {
            Value::DateTime(local())
        }
        ("CURDATE" | "CURRENT_DATE", []) => day(local()),
        ("UTC_DATE", []) => day(utc),
        ("CURTIME" | "CURRENT_TIME", _) => clock(local()),
        ("UTC_TIME", _) => clock(utc),
        ("UNIX_TIMESTAMP", []) => Value::Int(utc.as_second()),
        ("UNIX_TIMESTAMP", [value]) => {
            let moment = types::convert(value.clone(), Type::DateTime);
            if let Value::DateTime(moment) = moment {
                Value::Int(moment.as_second())
            } else {
                Value::Null
            }
        }
        ("FROM_UNIXTIME", [value]) => {
            let second = types::convert(value.clone(), Type::Int);
            let Value::Int(second) = second else { return Some(Value::Null) };
            Timestamp::from_second(second).map_or(Value::Null, Value::DateTime)
        }
        (
            "YEAR" | "MONTH" | "DAY" | "DAYOFMONTH" | "HOUR" | "MINUTE" | "SECOND" | "DATE",
            [value],
        ) => part(name, value),
        ("TIMEDIFF", [a, b]) => difference(a, b),
        ("SEC_TO_TIME", [Value::Int(seconds)]) => Value::Time(*seconds),
        ("TIME_FORMAT" | "DATE_FORMAT", [value, format]) => formatted(value, format),
        ("CONVERT_TZ", [value, from, to]) => convert_tz(value, from, to),
        _ => return None,
    })
}

/// A part of a moment.
fn part(name: &str, value: &Value) -> Value {
    let Value::DateTime(moment) = types::convert(value.clone(), Type::DateTime) else {
        return Value::Null;
    };
    let at = moment.to_zoned(TimeZone::UTC).datetime();
    Value::Int(i64::from(match name {
        "YEAR" => at.year(),
        "MONTH" => i16::from(at.month()),
        "DAY" | "DAYOFMONTH" => i16::from(at.day()),
        "HOUR" => i16::from(at.hour()),
        "MINUTE" => i16::from(at.minute()),
        "SECOND" => i16::from(at.second()),
        _ => return at.date().to_string().into(),
    }))
}

/// `NOW() + INTERVAL 1 DAY`; `NULL` where there is no such moment.
pub fn moved(value: &Value, interval: &Interval, sign: i64, names: Names<'_>) -> Result<Value> {
    let amount = evaluate(&interval.value, names)?;
    let Value::DateTime(moment) = types::convert(value.clone(), Type::DateTime) else {
        return Ok(Value::Null);
    };
    let Value::Int(amount) = types::convert(amount, Type::Int) else { return Ok(Value::Null) };
    let unit = interval.leading_field.as_ref().map(ToString::to_string).unwrap_or_default();
    let amount = amount.saturating_mul(sign);
    let unit = unit.to_ascii_uppercase();
    let unit = unit.trim_end_matches('S');
    let span = match unit {
        "SECOND" => Span::new().try_seconds(amount),
        "MINUTE" => Span::new().try_minutes(amount),
        "HOUR" => Span::new().try_hours(amount),
        "DAY" => Span::new().try_days(amount),
        "WEEK" => Span::new().try_weeks(amount),
        "MONTH" => Span::new().try_months(amount),
        "QUARTER" => Span::new().try_months(amount.saturating_mul(3)),
        "YEAR" => Span::new().try_years(amount),
        _ => {
            return Err(Error::Unsupported { what: format!("INTERVAL ... {unit}"), hint: None });
        }
    };
    let moved = span.and_then(|span| moment.to_zoned(TimeZone::UTC).checked_add(span));
    Ok(moved.map_or(Value::Null, |moved| Value::DateTime(moved.timestamp())))
}

/// `DATE_ADD(x, INTERVAL ...)` and its kin.
fn date_add(name: &str, function: &Function, names: Names<'_>) -> Option<Result<Value>> {
    let sign = match name {
        "DATE_ADD" | "ADDDATE" => 1,
        "DATE_SUB" | "SUBDATE" => -1,
        _ => return None,
    };
    let arguments = arguments(function).ok()?;
    let [value, Expr::Interval(interval)] = arguments.as_slice() else { return None };
    Some(evaluate(value, names).and_then(|value| moved(&value, interval, sign, names)))
}

fn whole_seconds(moment: Timestamp) -> Timestamp {
    Timestamp::from_second(moment.as_second()).unwrap_or(moment)
}

/// A moment in UTC as clocks of a time zone show it.
fn shift(moment: Timestamp, zone: &str) -> Option<Timestamp> {
    let seconds = offset(zone, moment)?;
    moment.checked_add(SignedDuration::from_secs(seconds)).ok()
}

fn offset(zone: &str, at: Timestamp) -> Option<i64> {
    if zone.eq_ignore_ascii_case("SYSTEM") {
        return Some(0);
    }
    if let Some(minutes) = offset_minutes(zone) {
        return Some(i64::from(minutes) * 60);
    }
    let zone = TimeZone::get(zone).ok()?;
    Some(i64::from(zone.to_offset(at).seconds()))
}

fn convert_tz(value: &Value, from: &Value, to: &Value) -> Value {
    let Value::DateTime(shown) = types::convert(value.clone(), Type::DateTime) else {
        return Value::Null;
    };
    let (from, to) = (from.to_string(), to.to_string());
    let converted = || {
        let behind = SignedDuration::from_secs(offset(&from, shown)?);
        shift(shown.checked_sub(behind).ok()?, &to)
    };
    converted().map_or(Value::Null, Value::DateTime)
}

fn difference(a: &Value, b: &Value) -> Value {
    match (timely(a), timely(b)) {
        (Value::DateTime(a), Value::DateTime(b)) => Value::Time(a.as_second() - b.as_second()),
        (Value::Time(a), Value::Time(b)) => Value::Time(a.saturating_sub(b)),
        _ => Value::Null,
    }
}

/// A moment or a time, as which a text may be written too.
fn timely(value: &Value) -> Value {
    match value {
        Value::DateTime(_) | Value::Time(_) | Value::Null => value.clone(),
        Value::Int(_) | Value::UInt(_) | Value::Double(_) | Value::Text(_) | Value::Bytes(_) => {
            let text = value.to_string();
            let moment = parse_datetime(&text);
            if moment == Value::Null { parse_time(&text) } else { moment }
        }
    }
}

/// `2026-11-24 05:40:44`, `2026-11-24`; `NULL` if it is neither.
pub fn parse_datetime(text: &str) -> Value {
    let text = text.trim();
    let parsed = text
        .parse::<civil::DateTime>()
        .or_else(|_| text.parse::<civil::Date>().map(|date| date.at(0, 0, 0, 0)));
    let moment = parsed.and_then(|parsed| parsed.to_zoned(TimeZone::UTC));
    moment.map_or(Value::Null, |moment| Value::DateTime(moment.timestamp()))
}

/// `-01:30:00`; `NULL` if it is none.
pub fn parse_time(text: &str) -> Value {
    let text = text.trim();
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let parts: Option<Vec<i64>> = digits.split(':').map(|part| part.parse().ok()).collect();
    match parts.as_deref() {
        Some([hours, minutes, seconds]) => {
            Value::Time(sign * (hours.saturating_mul(3600) + minutes * 60 + seconds))
        }
        Some([hours, minutes]) => Value::Time(sign * (hours.saturating_mul(3600) + minutes * 60)),
        _ => Value::Null,
    }
}

/// `DATE_FORMAT` and `TIME_FORMAT`, of whose letters `strftime` has other ones.
fn formatted(value: &Value, format: &Value) -> Value {
    if *format == Value::Null {
        return Value::Null;
    }
    let (sign, moment) = match timely(value) {
        Value::DateTime(moment) => ("", moment),
        Value::Time(seconds) => {
            let moment = Timestamp::from_second(seconds.saturating_abs()).unwrap_or_default();
            (if seconds < 0 { "-" } else { "" }, moment)
        }
        Value::Null
        | Value::Int(_)
        | Value::UInt(_)
        | Value::Double(_)
        | Value::Text(_)
        | Value::Bytes(_) => return Value::Null,
    };
    let mut out = String::new();
    let format = format.to_string();
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            out.push(letter);
            continue;
        }
        let code = match letters.next() {
            Some(code @ ('Y' | 'y' | 'm' | 'd' | 'e' | 'H' | 'j' | 'T' | 'p' | 'a' | 'b')) => code,
            Some('i') => 'M',
            Some('s' | 'S') => 'S',
            Some('M') => 'B',
            Some('W') => 'A',
            Some('h' | 'I') => 'I',
            Some(other) => {
                out.push(other);
                continue;
            }
            None => break,
        };
        if matches!(code, 'H' | 'T') {
            out.push_str(sign);
        }
        out.push_str(&moment.strftime(&format!("%{code}")).to_string());
    }
    out.into()
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
        ("FIELD", [wanted, list @ ..]) => {
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
fn extreme(values: &[Value], wanted: Ordering) -> Value {
    if values.contains(&Value::Null) {
        return Value::Null;
    }
    let found = values
        .iter()
        .reduce(|best, value| if compare(value, best) == Some(wanted) { value } else { best });
    found.cloned().unwrap_or(Value::Null)
}

fn of_numbers(name: &str, arguments: &[Value]) -> Option<Value> {
    let of_number = |value: &Value, f: fn(f64) -> f64| {
        if matches!(value, Value::Int(_) | Value::UInt(_)) {
            return value.clone();
        }
        as_number(value).map_or(Value::Null, |number| to_int(f(number)))
    };
    Some(match (name, arguments) {
        ("ABS", [Value::Int(number)]) => Value::Int(number.saturating_abs()),
        ("ABS", [value]) => {
            as_number(value).map_or(Value::Null, |number| Value::Double(number.abs()))
        }
        ("FLOOR", [value]) => of_number(value, f64::floor),
        ("CEIL" | "CEILING", [value]) => of_number(value, f64::ceil),
        ("ROUND", [value]) => of_number(value, f64::round),
        ("ROUND", [value, digits]) => match (as_number(value), digits.to_string().parse::<usize>())
        {
            (Some(number), Ok(digits)) => {
                format!("{number:.*}", digits.min(30)).parse().map_or(Value::Null, Value::Double)
            }
            _ => Value::Null,
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

fn count(number: usize) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

/// Longer texts are not made here.
const MAX_TEXT: usize = 1 << 20;

fn of_texts(name: &str, arguments: &[Value]) -> Option<Value> {
    // What is NULL makes NULL of all of these but one.
    let texts: Vec<String> = arguments.iter().map(Value::to_string).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    if name == "CONCAT_WS" {
        let [separator, ..] = arguments else { return None };
        let parts = arguments.iter().zip(&texts).skip(1);
        let parts: Vec<&str> =
            parts.filter(|(value, _)| **value != Value::Null).map(|(_, text)| *text).collect();
        let joined = parts.join(texts.first().copied().unwrap_or(""));
        return Some(if *separator == Value::Null { Value::Null } else { joined.into() });
    }
    let number = |text: &str| {
        as_number(&text.into())
            .map_or(0, |number| format!("{number:.0}").parse::<i64>().unwrap_or(0))
    };
    let size = |text: &str| usize::try_from(number(text).max(0)).unwrap_or(0).min(MAX_TEXT);
    let value: Value = match (name, texts.as_slice()) {
        ("CONCAT", [_, ..]) => texts.concat().into(),
        ("UPPER" | "UCASE", [text]) => text.to_uppercase().into(),
        ("LOWER" | "LCASE", [text]) => text.to_lowercase().into(),
        ("LENGTH" | "OCTET_LENGTH", [text]) => match arguments.first() {
            Some(Value::Bytes(bytes)) => count(bytes.len()),
            Some(_) | None => count(text.len()),
        },
        ("CHAR_LENGTH" | "CHARACTER_LENGTH", [text]) => count(text.chars().count()),
        ("LOCATE" | "POSITION", [wanted, text]) => locate(wanted, text, 1),
        ("LOCATE", [wanted, text, from]) => locate(wanted, text, number(from)),
        ("INSTR", [text, wanted]) => locate(wanted, text, 1),
        ("SUBSTRING" | "SUBSTR" | "MID", [text, from]) => substring(text, number(from), i64::MAX),
        ("SUBSTRING" | "SUBSTR" | "MID", [text, from, length]) => {
            substring(text, number(from), number(length))
        }
        ("SUBSTRING_INDEX", [text, separator, count]) => {
            substring_index(text, separator, number(count))
        }
        ("LEFT", [text, length]) => text.chars().take(size(length)).collect::<String>().into(),
        ("RIGHT", [text, length]) => {
            let skipped = text.chars().count().saturating_sub(size(length));
            text.chars().skip(skipped).collect::<String>().into()
        }
        ("TRIM", [text]) => text.trim_matches(' ').into(),
        ("LTRIM", [text]) => text.trim_start_matches(' ').into(),
        ("RTRIM", [text]) => text.trim_end_matches(' ').into(),
        ("TRIM" | "LTRIM" | "RTRIM", [text, ""]) => (*text).into(),
        ("TRIM", [text, what]) => text.trim_start_matches(what).trim_end_matches(what).into(),
        ("LTRIM", [text, what]) => text.trim_start_matches(what).into(),
        ("RTRIM", [text, what]) => text.trim_end_matches(what).into(),
        ("REPLACE", [text, "", _]) => (*text).into(),
        ("REPLACE", [text, from, to]) => text.replace(from, to).into(),
        ("LPAD" | "RPAD", [text, length, pad]) => padded(text, size(length), pad, name == "LPAD"),
        ("REPEAT", [text, times]) if text.len().saturating_mul(size(times)) > MAX_TEXT => {
            Value::Null
        }
        ("REPEAT", [text, times]) => text.repeat(size(times)).into(),
        ("SPACE", [length]) => " ".repeat(size(length)).into(),
        ("REVERSE", [text]) => text.chars().rev().collect::<String>().into(),
        ("FIND_IN_SET", [wanted, list]) => {
            let place = list.split(',').position(|item| item.eq_ignore_ascii_case(wanted));
            count(place.map_or(0, |place| place + 1))
        }
        ("HEX", [text]) => {
            text.bytes().map(|byte| format!("{byte:02X}")).collect::<String>().into()
        }
        ("QUOTE", [text]) => {
            format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")).into()
        }
        ("ASCII", [text]) => count(text.bytes().next().map_or(0, usize::from)),
        ("STRCMP", [_, _]) => match arguments {
            [a, b] => compare(a, b).map_or(Value::Null, |order| Value::Int(order as i64)),
            _ => return None,
        },
        _ => return None,
    };
    Some(if arguments.contains(&Value::Null) { Value::Null } else { value })
}

/// Where a text has another one, from 1, without regard to case; 0 where it has not.
fn locate(wanted: &str, text: &str, from: i64) -> Value {
    let Some(skipped) = from.checked_sub(1).and_then(|skipped| usize::try_from(skipped).ok())
    else {
        return Value::Int(0);
    };
    let (wanted, text) = (wanted.to_lowercase(), text.to_lowercase());
    let Some((start, _)) =
        text.char_indices().map(|(at, _)| (at, ())).chain([(text.len(), ())]).nth(skipped)
    else {
        return Value::Int(0);
    };
    let rest = text.get(start..).unwrap_or("");
    match rest.find(&wanted) {
        Some(at) => count(skipped + rest.get(..at).unwrap_or("").chars().count() + 1),
        None => Value::Int(0),
    }
}

/// From a place that counts from 1, or from the end where it is negative.
fn substring(text: &str, from: i64, length: i64) -> Value {
    let all = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
    let start = match from {
        0 => return "".into(),
        from if from > 0 => from - 1,
        from => all.saturating_add(from),
    };
    if start < 0 || length <= 0 {
        return "".into();
    }
    let skipped = usize::try_from(start).unwrap_or(usize::MAX);
    let taken = usize::try_from(length).unwrap_or(usize::MAX);
    text.chars().skip(skipped).take(taken).collect::<String>().into()
}

/// What is before the n-th separator, or behind the n-th from the end where n is negative.
fn substring_index(text: &str, separator: &str, n: i64) -> Value {
    if separator.is_empty() || n == 0 {
        return "".into();
    }
    let wanted = usize::try_from(n.unsigned_abs()).unwrap_or(usize::MAX);
    let parts: Vec<&str> = text.split(separator).collect();
    let kept = wanted.min(parts.len());
    let kept = if n > 0 { parts.get(..kept) } else { parts.get(parts.len() - kept..) };
    kept.unwrap_or_default().join(separator).into()
}

fn padded(text: &str, length: usize, pad: &str, left: bool) -> Value {
    let have = text.chars().count();
    if have >= length {
        return text.chars().take(length).collect::<String>().into();
    }
    if pad.is_empty() {
        return "".into();
    }
    let filling: String = pad.chars().cycle().take(length - have).collect();
    if left { format!("{filling}{text}") } else { format!("{text}{filling}") }.into()
}

/// `COUNT(*)`, `MIN(x)`, `GROUP_CONCAT(DISTINCT x ORDER BY y SEPARATOR ';')` ...
fn aggregate(name: &str, function: &Function, names: Names<'_>) -> Result<Value> {
    let (Some(group), Some(frame)) = (names.group, names.frame) else { return Err(Error::NoGroup) };
    let FunctionArguments::List(list) = &function.args else {
        return Err(Error::WrongArgumentCount { name: name.to_owned() });
    };
    if name == "COUNT"
        && matches!(list.args.as_slice(), [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)])
    {
        return Ok(count(group.len()));
    }
    let exprs = unnamed(&list.args)?;
    if exprs.is_empty() {
        return Err(Error::WrongArgumentCount { name: name.to_owned() });
    }
    let order = list.clauses.iter().find_map(|clause| {
        if let FunctionArgumentClause::OrderBy(order) = clause { order.first() } else { None }
    });
    let mut found: Vec<(Value, Vec<Value>)> = Vec::new();
    for row in group {
        let frame = Frame { row, ..*frame };
        let names = Names { frame: Some(&frame), group: None, aliases: None, ..names };
        let values = exprs.iter().map(|expr| evaluate(expr, names)).collect::<Result<Vec<_>>>()?;
        let key = order.map_or(Ok(Value::Null), |order| evaluate(&order.expr, names))?;
        if !values.contains(&Value::Null) {
            found.push((key, values));
        }
    }
    if let Some(order) = order {
        found.sort_by(|(a, _), (b, _)| {
            let order_of = compare(a, b).unwrap_or(Ordering::Equal);
            if order.options.asc == Some(false) { order_of.reverse() } else { order_of }
        });
    }
    let mut values: Vec<Vec<Value>> = found.into_iter().map(|(_, values)| values).collect();
    if list.duplicate_treatment == Some(DuplicateTreatment::Distinct) {
        let mut seen = Vec::new();
        values.retain(|value| {
            let new = !seen.contains(value);
            if new {
                seen.push(value.clone());
            }
            new
        });
    }
    if name == "GROUP_CONCAT" {
        return Ok(joined(list, &values));
    }
    Ok(summed(name, values.into_iter().flatten().collect()))
}

fn joined(list: &FunctionArgumentList, values: &[Vec<Value>]) -> Value {
    if values.is_empty() {
        return Value::Null;
    }
    let separator = list.clauses.iter().find_map(|clause| {
        let FunctionArgumentClause::Separator(text) = clause else { return None };
        text.value.clone().into_string()
    });
    let texts: Vec<String> =
        values.iter().map(|values| values.iter().map(Value::to_string).collect()).collect();
    texts.join(separator.as_deref().unwrap_or(",")).into()
}

fn summed(name: &str, values: Vec<Value>) -> Value {
    match name {
        "COUNT" => count(values.len()),
        "MIN" => extreme(&values, Ordering::Less),
        "MAX" => extreme(&values, Ordering::Greater),
        "ANY_VALUE" => values.into_iter().next().unwrap_or(Value::Null),
        _ if values.is_empty() => Value::Null,
        "AVG" => {
            let sum: f64 = values.iter().filter_map(as_number).sum();
            let all = as_number(&count(values.len())).unwrap_or(1.0);
            Value::Double(sum / all)
        }
        _ => {
            let whole = values.iter().all(|value| matches!(value, Value::Int(_) | Value::UInt(_)));
            let sum: f64 = values.iter().filter_map(as_number).sum();
            if whole { to_int(sum) } else { Value::Double(sum) }
        }
    }
}

fn arguments(function: &Function) -> Result<Vec<&Expr>> {
    match &function.args {
        FunctionArguments::None => Ok(Vec::new()),
        FunctionArguments::List(list) => unnamed(&list.args),
        FunctionArguments::Subquery(_) => {
            Err(Error::Unsupported { what: "A subquery here".to_owned(), hint: None })
        }
    }
}

fn unnamed(arguments: &[FunctionArg]) -> Result<Vec<&Expr>> {
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
