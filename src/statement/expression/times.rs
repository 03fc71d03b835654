//! Functions of moments and times.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp, civil};
use sqlparser::ast::{Expr, Function, Interval};

use super::functions::arguments;
use super::{Names, evaluate, types};
use crate::error::{Error, Result};
use crate::rows::moment::{DateTime, MAX_FRACTION, Time};
use crate::rows::{Type, Value};
use crate::sql::date_format;
use crate::statement::variables::offset_minutes;

/// Moments have whole seconds, as MySQL's have unless told otherwise, and are shown in the session's
/// time zone.
pub(super) fn of_time(name: &str, arguments: &[Value], names: Names<'_>) -> Option<Value> {
    let utc = names.session.now;
    let local = || {
        let zone = names.session.variables.get(names.session, None, "time_zone");
        let zone = zone.map_or_else(|_| "SYSTEM".to_owned(), |zone| zone.to_string());
        shift(utc, &zone).unwrap_or(utc)
    };
    let moment = |at: Timestamp| Some(Value::DateTime(DateTime::new(at, digits(arguments)?)));
    let clock = |at: Timestamp| {
        let micros = at.as_microsecond().rem_euclid(86_400_000_000);
        Some(Value::Time(Time::new(micros, digits(arguments)?)))
    };
    Some(match (name, arguments) {
        ("UTC_TIMESTAMP", _) => moment(utc)?,
        ("NOW" | "CURRENT_TIMESTAMP" | "SYSDATE" | "LOCALTIMESTAMP" | "LOCALTIME", _) => {
            moment(local())?
        }
        ("CURDATE" | "CURRENT_DATE", []) => day(local()),
        ("UTC_DATE", []) => day(utc),
        ("CURTIME" | "CURRENT_TIME", _) => clock(local())?,
        ("UTC_TIME", _) => clock(utc)?,
        ("UNIX_TIMESTAMP", []) => Value::Int(utc.as_second()),
        ("UNIX_TIMESTAMP", [value]) => {
            to_moment(value).map_or(Value::Null, |at| Value::Int(at.as_second()))
        }
        ("FROM_UNIXTIME", [value]) => {
            let second = types::convert(value.clone(), Type::Int);
            let Value::Int(second) = second else { return Some(Value::Null) };
            let at = Timestamp::from_second(second);
            at.map_or(Value::Null, |at| Value::DateTime(DateTime::new(at, 0)))
        }
        ("DATE", [value]) => types::convert(value.clone(), Type::Date),
        ("TIME", [value]) => types::convert(value.clone(), Type::Time(digits_of(value))),
        ("TIMESTAMP", [value]) => types::convert(value.clone(), Type::DateTime(digits_of(value))),
        ("LAST_DAY", [value]) => {
            let day = types::convert(value.clone(), Type::Date);
            if let Value::Date(day) = day { Value::Date(day.last_of_month()) } else { Value::Null }
        }
        (
            "YEAR" | "QUARTER" | "MONTH" | "DAY" | "DAYOFMONTH" | "DAYOFWEEK" | "DAYOFYEAR"
            | "WEEKDAY" | "HOUR" | "MINUTE" | "SECOND",
            [value],
        ) => part(name, value),
        ("TIMEDIFF", [a, b]) => difference(a, b),
        ("SEC_TO_TIME", [value]) => {
            let seconds = types::convert(value.clone(), Type::Int);
            let Value::Int(seconds) = seconds else { return Some(Value::Null) };
            Value::Time(Time::of_seconds(seconds))
        }
        ("TIME_FORMAT" | "DATE_FORMAT", [value, format]) => formatted(value, format),
        ("STR_TO_DATE", [text, format]) => moment_of(text, format),
        ("MAKEDATE", [year, day]) => day_of(year, day),
        ("CONVERT_TZ", [value, from, to]) => convert_tz(value, from, to),
        _ => return None,
    })
}

fn day(at: Timestamp) -> Value {
    Value::Date(at.to_zoned(TimeZone::UTC).date())
}

/// The digits of a second that `NOW(3)` and its kin are asked for; none if nothing is said.
fn digits(arguments: &[Value]) -> Option<u8> {
    match arguments {
        [] => Some(0),
        [Value::Int(digits)] => u8::try_from(*digits).ok().filter(|digits| *digits <= MAX_FRACTION),
        _ => None,
    }
}

/// The digits of a second that a value has.
fn digits_of(value: &Value) -> u8 {
    match value {
        Value::DateTime(moment) => moment.fraction,
        Value::Time(time) => time.fraction,
        Value::Text(_) | Value::Bytes(_) => {
            let text = value.to_string();
            let digits = text.rsplit_once('.').map_or(0, |(_, digits)| digits.len());
            u8::try_from(digits).unwrap_or(MAX_FRACTION).min(MAX_FRACTION)
        }
        Value::Null
        | Value::Int(_)
        | Value::UInt(_)
        | Value::Float(_)
        | Value::Double(_)
        | Value::Decimal(_)
        | Value::Date(_) => 0,
    }
}

/// A part of a moment.
fn part(name: &str, value: &Value) -> Value {
    let small = |number: u64| i64::try_from(number).map_or(Value::Null, Value::Int);
    if let ("HOUR" | "MINUTE" | "SECOND", Some(Value::Time(time))) = (name, timely(value)) {
        let seconds = time.micros.unsigned_abs() / 1_000_000;
        return match name {
            "HOUR" => small(seconds / 3600),
            "MINUTE" => small(seconds / 60 % 60),
            _ => small(seconds % 60),
        };
    }
    let Some(moment) = to_moment(value) else { return Value::Null };
    let at = moment.to_zoned(TimeZone::UTC).datetime();
    Value::Int(i64::from(match name {
        "YEAR" => at.year(),
        "QUARTER" => i16::from((at.month() + 2) / 3),
        "MONTH" => i16::from(at.month()),
        "DAY" | "DAYOFMONTH" => i16::from(at.day()),
        // Sunday is the first day for one, Monday the zeroth for the other.
        "DAYOFWEEK" => i16::from(at.weekday().to_sunday_one_offset()),
        "WEEKDAY" => i16::from(at.weekday().to_monday_zero_offset()),
        "DAYOFYEAR" => at.day_of_year(),
        "HOUR" => i16::from(at.hour()),
        "MINUTE" => i16::from(at.minute()),
        "SECOND" => i16::from(at.second()),
        _ => i16::from(at.day()),
    }))
}

/// `STR_TO_DATE`: what `DATE_FORMAT` has written; `NULL` where the text is not so.
fn moment_of(text: &Value, format: &Value) -> Value {
    if *text == Value::Null || *format == Value::Null {
        return Value::Null;
    }
    let format = format.to_string();
    let fraction = if format.contains("%f") { MAX_FRACTION } else { 0 };
    let moment = date_format::parse(&text.to_string(), &format)
        .and_then(|moment| moment.to_zoned(TimeZone::UTC).ok());
    moment
        .map_or(Value::Null, |moment| Value::DateTime(DateTime::new(moment.timestamp(), fraction)))
}

/// `MAKEDATE`: a day of a year by its number.
fn day_of(year: &Value, day: &Value) -> Value {
    let number = |value: &Value| {
        let Value::Int(number) = types::convert(value.clone(), Type::Int) else { return None };
        i16::try_from(number).ok()
    };
    let date = || {
        let first = civil::Date::new(number(year)?, 1, 1).ok()?;
        let day = number(day).filter(|day| *day > 0)?;
        first.checked_add(Span::new().try_days(i64::from(day) - 1).ok()?).ok()
    };
    date().map_or(Value::Null, Value::Date)
}

/// `NOW() + INTERVAL 1 DAY`; `NULL` where there is no such moment. A day that is moved by days is one.
pub(super) fn moved(
    value: &Value,
    interval: &Interval,
    sign: i64,
    names: Names<'_>,
) -> Result<Value> {
    let amount = evaluate(&interval.value, names)?;
    let Some(moment) = to_moment(value) else { return Ok(Value::Null) };
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
    let Ok(moved) = moved else { return Ok(Value::Null) };
    let at = DateTime::new(moved.timestamp(), digits_of(value));
    Ok(match (value, is_of_days(interval)) {
        (Value::Date(_), true) => Value::Date(moved.date()),
        // As it was written, so it is answered.
        (Value::Text(_), true) if to_day(value).is_some() => moved.date().to_string().into(),
        (Value::Text(_), _) => at.to_string().into(),
        _ => Value::DateTime(at),
    })
}

/// Whether an interval moves a day to another day.
fn is_of_days(interval: &Interval) -> bool {
    let unit = interval.leading_field.as_ref().map(ToString::to_string).unwrap_or_default();
    let unit = unit.to_ascii_uppercase();
    ["DAY", "WEEK", "MONTH", "QUARTER", "YEAR"].contains(&unit.trim_end_matches('S'))
}

/// The type of a value that is moved.
pub(super) fn type_of_moved(ty: Type, interval: &Expr) -> Type {
    let of_days = matches!(interval, Expr::Interval(interval) if is_of_days(interval));
    match ty {
        Type::Date if of_days => Type::Date,
        Type::DateTime(fraction) | Type::Timestamp(fraction) => Type::DateTime(fraction),
        Type::Text | Type::Json | Type::Bytes => Type::Text,
        Type::Bool
        | Type::Int
        | Type::UInt
        | Type::Float
        | Type::Double
        | Type::Decimal { .. }
        | Type::Date
        | Type::Time(_)
        | Type::Null => Type::DateTime(0),
    }
}

/// Functions that move a moment.
pub(super) const DATE_ADD: &[&str] = &["DATE_ADD", "ADDDATE", "DATE_SUB", "SUBDATE"];

/// `DATE_ADD(x, INTERVAL ...)` and its kin.
pub(super) fn date_add(name: &str, function: &Function, names: Names<'_>) -> Option<Result<Value>> {
    if !DATE_ADD.contains(&name) {
        return None;
    }
    let sign = if matches!(name, "DATE_ADD" | "ADDDATE") { 1 } else { -1 };
    let arguments = arguments(function).ok()?;
    let [value, Expr::Interval(interval)] = arguments.as_slice() else { return None };
    Some(evaluate(value, names).and_then(|value| moved(&value, interval, sign, names)))
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
    let Some(shown) = to_moment(value) else { return Value::Null };
    let (from, to) = (from.to_string(), to.to_string());
    let converted = || {
        let behind = SignedDuration::from_secs(offset(&from, shown)?);
        shift(shown.checked_sub(behind).ok()?, &to)
    };
    converted().map_or(Value::Null, |at| Value::DateTime(DateTime::new(at, digits_of(value))))
}

fn difference(a: &Value, b: &Value) -> Value {
    let fraction = digits_of(a).max(digits_of(b));
    let micros = match (timely(a), timely(b)) {
        (Some(Value::DateTime(a)), Some(Value::DateTime(b))) => {
            a.at.as_microsecond() - b.at.as_microsecond()
        }
        (Some(Value::Time(a)), Some(Value::Time(b))) => a.micros.saturating_sub(b.micros),
        _ => return Value::Null,
    };
    Value::Time(Time::new(micros.clamp(-MAX_MICROS, MAX_MICROS), fraction))
}

/// `838:59:59`, the longest `TIME`.
const MAX_MICROS: i64 = (838 * 3600 + 59 * 60 + 59) * 1_000_000;

/// A moment or a time, as which a text may be written too.
fn timely(value: &Value) -> Option<Value> {
    if let Value::Time(_) = value {
        return Some(value.clone());
    }
    let fraction = digits_of(value);
    if let Some(at) = to_moment(value) {
        return Some(Value::DateTime(DateTime::new(at, fraction)));
    }
    to_micros(value).map(|micros| Value::Time(Time::new(micros, fraction)))
}

/// The moment that a value is: `2026-11-24 05:40:44`, `2026-11-24`, 20261124.
pub(super) fn to_moment(value: &Value) -> Option<Timestamp> {
    let of = |at: civil::DateTime| Some(at.to_zoned(TimeZone::UTC).ok()?.timestamp());
    match value {
        Value::DateTime(moment) => Some(moment.at),
        Value::Date(day) => of(day.at(0, 0, 0, 0)),
        Value::Text(_) | Value::Bytes(_) => {
            let text = value.to_string();
            let moment = text.trim().parse::<civil::DateTime>().ok();
            moment.map_or_else(|| of(to_day(value)?.at(0, 0, 0, 0)), of)
        }
        Value::Int(_) | Value::UInt(_) => {
            let digits = value.to_string();
            let (day, clock) = digits.split_at_checked(8)?;
            let day = day.parse::<civil::Date>().ok()?;
            let clock = match clock.len() {
                0 => civil::Time::midnight(),
                _ => format!("T{clock}").parse().ok()?,
            };
            of(day.to_datetime(clock))
        }
        Value::Null | Value::Float(_) | Value::Double(_) | Value::Decimal(_) | Value::Time(_) => {
            None
        }
    }
}

/// The day that a text names, if it names nothing else.
fn to_day(value: &Value) -> Option<civil::Date> {
    let text = value.to_string();
    let text = text.trim();
    // jiff would read the day of a moment too.
    if text.len() > "2026-11-24".len() { None } else { text.parse().ok() }
}

/// A moment rounded to its last digit.
pub(super) fn rounded(at: Timestamp, fraction: u8) -> Option<Timestamp> {
    let half = 500_000_000 / 10_i64.pow(u32::from(fraction.min(MAX_FRACTION)));
    at.checked_add(SignedDuration::from_nanos(half)).ok()
}

/// A span rounded to its last digit, away from zero.
pub(super) fn rounded_micros(micros: i64, fraction: u8) -> i64 {
    let half = 500_000 / 10_i64.pow(u32::from(fraction.min(MAX_FRACTION)));
    micros.saturating_add(half * micros.signum())
}

/// The span that a value is: `-01:30:00.5`, the clock of a moment.
pub(super) fn to_micros(value: &Value) -> Option<i64> {
    match value {
        Value::Time(time) => Some(time.micros),
        Value::DateTime(moment) => Some(moment.at.as_microsecond().rem_euclid(86_400_000_000)),
        Value::Date(_) => Some(0),
        Value::Text(_) | Value::Bytes(_) => {
            let text = value.to_string();
            let text = text.trim();
            match text.parse::<civil::DateTime>() {
                Ok(_) if text.contains(' ') || text.contains('T') => {
                    to_moment(value).map(|at| at.as_microsecond().rem_euclid(86_400_000_000))
                }
                _ => parse_time(text),
            }
        }
        Value::Null
        | Value::Int(_)
        | Value::UInt(_)
        | Value::Float(_)
        | Value::Double(_)
        | Value::Decimal(_) => None,
    }
}

/// `-01:30:00.5` in millionths of a second.
fn parse_time(text: &str) -> Option<i64> {
    let (sign, clock) = text.strip_prefix('-').map_or((1, text), |clock| (-1, clock));
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let number = |part: &str| {
        let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse::<i64>().ok().filter(|_| digits)
    };
    let parts: Option<Vec<i64>> = clock.split(':').map(number).collect();
    let seconds = match parts.as_deref()? {
        [hours, minutes, seconds] if *minutes < 60 && *seconds < 60 => {
            hours.checked_mul(3600)? + minutes * 60 + seconds
        }
        [hours, minutes] if *minutes < 60 => hours.checked_mul(3600)? + minutes * 60,
        _ => return None,
    };
    let micros: String = fraction.chars().chain("000000".chars()).take(6).collect();
    let micros = seconds.checked_mul(1_000_000)?.checked_add(number(&micros)?)?;
    Some(sign * micros.min(MAX_MICROS))
}

/// `DATE_FORMAT` and `TIME_FORMAT`.
fn formatted(value: &Value, format: &Value) -> Value {
    if *format == Value::Null {
        return Value::Null;
    }
    let (sign, moment) = match timely(value) {
        Some(Value::DateTime(moment)) => ("", moment.at),
        Some(Value::Time(time)) => {
            let moment = Timestamp::from_microsecond(time.micros.saturating_abs());
            (if time.micros < 0 { "-" } else { "" }, moment.unwrap_or_default())
        }
        _ => return Value::Null,
    };
    let format = format.to_string();
    // A negative time has its sign before the hours.
    let format = match sign {
        "" => format,
        sign => format.replace("%H", &format!("{sign}%H")).replace("%T", &format!("{sign}%T")),
    };
    date_format::format(moment, &format).into()
}
