//! Functions of moments and times.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp, civil};
use sqlparser::ast::{Expr, Function, Interval};

use super::functions::arguments;
use super::{Names, evaluate, types};
use crate::error::{Error, Result};
use crate::rows::{Type, Value};
use crate::statement::variables::offset_minutes;

/// Moments have whole seconds, as MySQL's have unless told otherwise, and are shown in the session's
/// time zone.
pub(super) fn of_time(name: &str, arguments: &[Value], names: Names<'_>) -> Option<Value> {
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
pub(super) fn moved(
    value: &Value,
    interval: &Interval,
    sign: i64,
    names: Names<'_>,
) -> Result<Value> {
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
pub(super) fn date_add(name: &str, function: &Function, names: Names<'_>) -> Option<Result<Value>> {
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
pub(super) fn parse_datetime(text: &str) -> Value {
    let text = text.trim();
    let parsed = text
        .parse::<civil::DateTime>()
        .or_else(|_| text.parse::<civil::Date>().map(|date| date.at(0, 0, 0, 0)));
    let moment = parsed.and_then(|parsed| parsed.to_zoned(TimeZone::UTC));
    moment.map_or(Value::Null, |moment| Value::DateTime(moment.timestamp()))
}

/// `-01:30:00`; `NULL` if it is none.
pub(super) fn parse_time(text: &str) -> Value {
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
