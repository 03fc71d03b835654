//! Functions of texts, numbers, days and times of the day that MySQL has and DataFusion has not. Their names
//! begin with `mysql_`: `rewrite` calls them, users don't.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use datafusion::arrow::datatypes::DataType;
use datafusion::prelude::SessionContext;
use jiff::civil::{Date, DateTime, Weekday};
use jiff::{Span, ToSpan};
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use super::row::{self, Argument, ByRow};

/// Makes them known.
pub(super) fn register(context: &SessionContext) {
    row::register(context, FUNCTIONS);
}

/// Whether a call of MySQL's function of this name is one of ours.
pub(super) fn is_called(name: &str, arguments: usize) -> bool {
    let fits = match name {
        // With two arguments it is one of DataFusion's.
        "locate" => arguments == 3,
        "shifted" | "substring" => false,
        _ => true,
    };
    fits && FUNCTIONS.iter().any(|(known, ..)| known.strip_prefix("mysql_") == Some(name))
}

const FUNCTIONS: &[ByRow] = &[
    ("mysql_addtime", DataType::Utf8, addtime),
    ("mysql_bin", DataType::Utf8, bin),
    ("mysql_bit_count", DataType::Int64, bit_count),
    ("mysql_char", DataType::Utf8, char),
    ("mysql_conv", DataType::Utf8, conv),
    ("mysql_elt", DataType::Utf8, elt),
    ("mysql_export_set", DataType::Utf8, export_set),
    ("mysql_field", DataType::Int64, field),
    ("mysql_format", DataType::Utf8, format),
    ("mysql_from_base64", DataType::Utf8, from_base64),
    ("mysql_from_days", DataType::Date32, from_days),
    ("mysql_hex", DataType::Utf8, hex),
    ("mysql_inet_aton", DataType::Int64, inet_aton),
    ("mysql_inet_ntoa", DataType::Utf8, inet_ntoa),
    ("mysql_insert", DataType::Utf8, insert),
    ("mysql_interval", DataType::Int64, interval),
    ("mysql_locate", DataType::Int64, locate),
    ("mysql_makedate", DataType::Date32, makedate),
    ("mysql_maketime", DataType::Utf8, maketime),
    ("mysql_make_set", DataType::Utf8, make_set),
    ("mysql_oct", DataType::Utf8, oct),
    ("mysql_ord", DataType::Int64, ord),
    ("mysql_period_add", DataType::Int64, period_add),
    ("mysql_period_diff", DataType::Int64, period_diff),
    ("mysql_quote", DataType::Utf8, quote),
    ("mysql_sec_to_time", DataType::Utf8, sec_to_time),
    ("mysql_sha", DataType::Utf8, sha1),
    ("mysql_sha1", DataType::Utf8, sha1),
    ("mysql_sha2", DataType::Utf8, sha2),
    ("mysql_shifted", DataType::Utf8, shifted),
    ("mysql_soundex", DataType::Utf8, soundex),
    ("mysql_space", DataType::Utf8, space),
    ("mysql_strcmp", DataType::Int64, strcmp),
    ("mysql_substring", DataType::Utf8, substring),
    ("mysql_subtime", DataType::Utf8, subtime),
    ("mysql_time", DataType::Utf8, time),
    ("mysql_timediff", DataType::Utf8, timediff),
    ("mysql_time_to_sec", DataType::Int64, time_to_sec),
    ("mysql_to_base64", DataType::Utf8, to_base64),
    ("mysql_to_days", DataType::Int64, to_days),
    ("mysql_to_seconds", DataType::Int64, to_seconds),
    ("mysql_unhex", DataType::Utf8, unhex),
    ("mysql_week", DataType::Int64, week),
    ("mysql_yearweek", DataType::Int64, yearweek),
];

fn text<'a>(arguments: &[Argument<'a>], index: usize) -> Option<&'a str> {
    arguments.get(index)?.text
}

fn int(arguments: &[Argument<'_>], index: usize) -> Option<i64> {
    arguments.get(index)?.int()
}

fn bits(arguments: &[Argument<'_>], index: usize) -> Option<u64> {
    let number = int(arguments, index)?;
    Some(u64::from_ne_bytes(number.to_ne_bytes()))
}

fn bin(arguments: &[Argument<'_>]) -> Option<String> {
    Some(format!("{:b}", bits(arguments, 0)?))
}

fn oct(arguments: &[Argument<'_>]) -> Option<String> {
    Some(format!("{:o}", bits(arguments, 0)?))
}

fn bit_count(arguments: &[Argument<'_>]) -> Option<String> {
    Some(bits(arguments, 0)?.count_ones().to_string())
}

fn digits(bytes: &[u8]) -> String {
    hex::encode(bytes)
}

fn hex(arguments: &[Argument<'_>]) -> Option<String> {
    let value = arguments.first()?;
    match value.is_json {
        true => Some(format!("{:X}", bits(arguments, 0)?)),
        false => Some(digits(value.text?.as_bytes()).to_uppercase()),
    }
}

fn unhex(arguments: &[Argument<'_>]) -> Option<String> {
    let digits = text(arguments, 0)?;
    let bytes = digits
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    String::from_utf8(bytes.collect::<Option<_>>()?).ok()
}

fn conv(arguments: &[Argument<'_>]) -> Option<String> {
    let digits = text(arguments, 0)?.trim();
    let base = |index| u32::try_from(int(arguments, index)?.unsigned_abs()).ok();
    let (from, to) = (base(1)?, base(2)?);
    if !(2..=36).contains(&from) || !(2..=36).contains(&to) {
        return None;
    }
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, digits),
    };
    let known = digits.chars().map_while(|c| c.to_digit(from));
    let number = known.fold(0_i128, |number, digit| {
        number.saturating_mul(i128::from(from)).saturating_add(i128::from(digit))
    });
    let low = u128::from_ne_bytes((number * sign).to_ne_bytes()) & u128::from(u64::MAX);
    let mut rest = u64::try_from(low).ok()?;
    let mut out = Vec::new();
    loop {
        let digit = u32::try_from(rest % u64::from(to)).ok()?;
        out.push(std::char::from_digit(digit, to)?.to_ascii_uppercase());
        rest /= u64::from(to);
        if rest == 0 {
            return Some(out.into_iter().rev().collect());
        }
    }
}

fn char(arguments: &[Argument<'_>]) -> Option<String> {
    let bytes =
        arguments.iter().filter_map(Argument::int).filter_map(|code| u8::try_from(code).ok());
    String::from_utf8(bytes.collect()).ok()
}

fn ord(arguments: &[Argument<'_>]) -> Option<String> {
    let first = text(arguments, 0)?.chars().next();
    let code = first.map_or(0, |c| {
        let mut bytes = [0; 4];
        c.encode_utf8(&mut bytes).bytes().fold(0_u32, |code, byte| code * 256 + u32::from(byte))
    });
    Some(code.to_string())
}

fn elt(arguments: &[Argument<'_>]) -> Option<String> {
    let index = usize::try_from(int(arguments, 0)?).ok().filter(|index| *index > 0)?;
    text(arguments, index).map(str::to_owned)
}

fn field(arguments: &[Argument<'_>]) -> Option<String> {
    let (wanted, others) = arguments.split_first()?;
    let same = |other: &Argument<'_>| {
        wanted.text.is_some()
            && other.text.map(str::to_lowercase) == wanted.text.map(str::to_lowercase)
    };
    Some(others.iter().position(same).map_or(0, |index| index + 1).to_string())
}

fn interval(arguments: &[Argument<'_>]) -> Option<String> {
    let number = |argument: &Argument<'_>| argument.text?.trim().parse::<f64>().ok();
    let (value, bounds) = arguments.split_first()?;
    let Some(value) = number(value) else { return Some("-1".to_owned()) };
    let below = bounds.iter().take_while(|bound| number(bound).is_none_or(|bound| bound <= value));
    Some(below.count().to_string())
}

fn make_set(arguments: &[Argument<'_>]) -> Option<String> {
    let (bits, texts) = (bits(arguments, 0)?, arguments.get(1..)?);
    let texts = texts.iter().take(64).enumerate().filter(|(bit, _)| bits >> bit & 1 == 1);
    let texts: Vec<&str> = texts.filter_map(|(_, text)| text.text).collect();
    Some(texts.join(","))
}

fn export_set(arguments: &[Argument<'_>]) -> Option<String> {
    let (bits, on, off) = (bits(arguments, 0)?, text(arguments, 1)?, text(arguments, 2)?);
    let between = if arguments.len() > 3 { text(arguments, 3)? } else { "," };
    let count = if arguments.len() > 4 { int(arguments, 4)?.clamp(0, 64) } else { 64 };
    let all: Vec<&str> =
        (0..count).map(|bit| if bits >> bit & 1 == 1 { on } else { off }).collect();
    Some(all.join(between))
}

/// `FORMAT(1234.5, 2)`: `1,234.50`. Digits are rounded away from zero, as those of exact numbers are.
fn format(arguments: &[Argument<'_>]) -> Option<String> {
    let digits = usize::try_from(int(arguments, 1)?.clamp(0, 30)).ok()?;
    let number = text(arguments, 0)?.trim();
    let value: f64 = number.parse().ok()?;
    let mut shown = std::format!("{value:.digits$}");
    // 0.5 is rounded to 1, not to the even 0.
    if let Some((_, behind)) = number.split_once('.')
        && behind.len() > digits
        && behind.get(digits..).is_some_and(|rest| rest.starts_with('5'))
    {
        let step = 10_f64.powi(-i32::try_from(behind.len()).ok()?) / 10.0;
        shown = std::format!("{:.digits$}", value + step.copysign(value));
    }
    let (sign, shown) = match shown.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", shown.as_str()),
    };
    let (whole, behind) = shown.split_once('.').unwrap_or((shown, ""));
    let mut grouped = String::from(sign);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if digits > 0 {
        grouped.push('.');
        grouped.push_str(behind);
    }
    Some(grouped)
}

fn inet_aton(arguments: &[Argument<'_>]) -> Option<String> {
    let address: std::net::Ipv4Addr = text(arguments, 0)?.parse().ok()?;
    Some(u32::from(address).to_string())
}

fn inet_ntoa(arguments: &[Argument<'_>]) -> Option<String> {
    let number = u32::try_from(int(arguments, 0)?).ok()?;
    Some(std::net::Ipv4Addr::from(number).to_string())
}

fn insert(arguments: &[Argument<'_>]) -> Option<String> {
    let (value, new) = (text(arguments, 0)?, text(arguments, 3)?);
    let (from, count) = (int(arguments, 1)?, int(arguments, 2)?);
    let length = value.chars().count();
    let Some(from) = usize::try_from(from).ok().filter(|from| (1..=length).contains(from)) else {
        return Some(value.to_owned());
    };
    let count = usize::try_from(count).unwrap_or(length).min(length);
    let before = value.chars().take(from - 1);
    let behind = value.chars().skip(from - 1 + count);
    Some(before.chain(new.chars()).chain(behind).collect())
}

fn locate(arguments: &[Argument<'_>]) -> Option<String> {
    let (part, value) = (text(arguments, 0)?, text(arguments, 1)?);
    let Some(skip) = usize::try_from(int(arguments, 2)? - 1).ok() else {
        return Some("0".to_owned());
    };
    let start = value.char_indices().map(|(at, _)| at).nth(skip);
    let found = start.and_then(|start| {
        let at = start + value.get(start..)?.find(part)?;
        Some(value.get(..at)?.chars().count() + 1)
    });
    Some(found.unwrap_or(0).to_string())
}

fn quote(arguments: &[Argument<'_>]) -> Option<String> {
    let Some(value) = text(arguments, 0) else { return Some("NULL".to_owned()) };
    let mut out = String::from("'");
    for c in value.chars() {
        match c {
            '\'' | '\\' => out.extend(['\\', c]),
            '\0' => out.push_str("\\0"),
            '\u{1a}' => out.push_str("\\Z"),
            c => out.push(c),
        }
    }
    out.push('\'');
    Some(out)
}

fn sha1(arguments: &[Argument<'_>]) -> Option<String> {
    Some(digits(&Sha1::digest(text(arguments, 0)?.as_bytes())))
}

fn to_base64(arguments: &[Argument<'_>]) -> Option<String> {
    Some(STANDARD.encode(text(arguments, 0)?))
}

fn from_base64(arguments: &[Argument<'_>]) -> Option<String> {
    String::from_utf8(STANDARD.decode(text(arguments, 0)?.trim()).ok()?).ok()
}

fn sha2(arguments: &[Argument<'_>]) -> Option<String> {
    let bytes = text(arguments, 0)?.as_bytes();
    let digest = match int(arguments, 1)? {
        224 => Sha224::digest(bytes).to_vec(),
        0 | 256 => Sha256::digest(bytes).to_vec(),
        384 => Sha384::digest(bytes).to_vec(),
        512 => Sha512::digest(bytes).to_vec(),
        _ => return None,
    };
    Some(digits(&digest))
}

fn soundex(arguments: &[Argument<'_>]) -> Option<String> {
    let code = |c: char| match c.to_ascii_uppercase() {
        'B' | 'F' | 'P' | 'V' => '1',
        'C' | 'G' | 'J' | 'K' | 'Q' | 'S' | 'X' | 'Z' => '2',
        'D' | 'T' => '3',
        'L' => '4',
        'M' | 'N' => '5',
        'R' => '6',
        _ => '0',
    };
    let mut letters = text(arguments, 0)?.chars().filter(char::is_ascii_alphabetic);
    let Some(first) = letters.next() else { return Some(String::new()) };
    let (mut out, mut last) = (first.to_ascii_uppercase().to_string(), code(first));
    for letter in letters {
        let code = code(letter);
        if code != '0' && code != last {
            out.push(code);
        }
        if !matches!(letter.to_ascii_uppercase(), 'H' | 'W') {
            last = code;
        }
    }
    while out.len() < 4 {
        out.push('0');
    }
    Some(out)
}

fn space(arguments: &[Argument<'_>]) -> Option<String> {
    /// More blanks than a value may have.
    const MOST: i64 = 1 << 24;
    let count = int(arguments, 0)?.clamp(0, MOST);
    Some(" ".repeat(usize::try_from(count).ok()?))
}

fn strcmp(arguments: &[Argument<'_>]) -> Option<String> {
    let order = text(arguments, 0)?.cmp(text(arguments, 1)?);
    Some((order as i8).to_string())
}

fn substring(arguments: &[Argument<'_>]) -> Option<String> {
    let value = text(arguments, 0)?;
    let from = int(arguments, 1)?;
    let count = match arguments.len() {
        2 => usize::MAX,
        _ => usize::try_from(int(arguments, 2)?).unwrap_or(0),
    };
    let length = i64::try_from(value.chars().count()).ok()?;
    let start = if from < 0 { length + from } else { from - 1 };
    match usize::try_from(start) {
        Ok(start) => Some(value.chars().skip(start).take(count).collect()),
        Err(_) => Some(String::new()),
    }
}

/// A moment in any of the forms that values come in.
fn moment(text: &str) -> Option<DateTime> {
    let text = text.trim();
    if text.contains(':') {
        return text.parse().ok();
    }
    Some(text.parse::<Date>().ok()?.to_datetime(jiff::civil::Time::midnight()))
}

/// A span of time in millionths of a second: `-838:59:59.5`, or the time of a moment.
fn span(text: &str) -> Option<i64> {
    let text = text.trim();
    if text.contains('-') && !text.starts_with('-') {
        let time = moment(text)?.time();
        let seconds = i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60;
        let seconds = seconds + i64::from(time.second());
        return Some(seconds * 1_000_000 + i64::from(time.subsec_nanosecond()) / 1000);
    }
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = whole.split(':');
    let mut number = || parts.next().map_or(Some(0), |part| part.parse::<i64>().ok());
    let (hours, minutes, seconds) = match whole.matches(':').count() {
        0 => (0, 0, number()?),
        _ => (number()?, number()?, number()?),
    };
    let micros: i64 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    let seconds = hours.checked_mul(3600)?.checked_add(minutes * 60)?.checked_add(seconds)?;
    seconds.checked_mul(1_000_000)?.checked_add(micros).map(|micros| sign * micros)
}

/// A span as MySQL shows it.
fn shown(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let (seconds, rest) = (micros.abs() / 1_000_000, micros.abs() % 1_000_000);
    let clock = format!("{sign}{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if rest == 0 { clock } else { format!("{clock}.{rest:06}") }
}

/// A moment as MySQL shows it.
fn shown_moment(moment: DateTime) -> String {
    let micros = moment.subsec_nanosecond() / 1000;
    let clock = moment.strftime("%Y-%m-%d %H:%M:%S").to_string();
    if micros == 0 { clock } else { format!("{clock}.{micros:06}") }
}

fn is_moment(text: &str) -> bool {
    text.trim().get(1..).is_some_and(|rest| rest.contains('-'))
}

fn time(arguments: &[Argument<'_>]) -> Option<String> {
    span(text(arguments, 0)?).map(shown)
}

fn moved_by(arguments: &[Argument<'_>], sign: i64) -> Option<String> {
    let (value, by) = (text(arguments, 0)?, span(text(arguments, 1)?)?);
    let by = by.checked_mul(sign)?;
    if is_moment(value) {
        return Some(shown_moment(moment(value)?.checked_add(by.microseconds()).ok()?));
    }
    span(value)?.checked_add(by).map(shown)
}

fn addtime(arguments: &[Argument<'_>]) -> Option<String> {
    moved_by(arguments, 1)
}

fn subtime(arguments: &[Argument<'_>]) -> Option<String> {
    moved_by(arguments, -1)
}

fn timediff(arguments: &[Argument<'_>]) -> Option<String> {
    let (left, right) = (text(arguments, 0)?, text(arguments, 1)?);
    if is_moment(left) != is_moment(right) {
        return None;
    }
    if is_moment(left) {
        let between = moment(left)?.duration_since(moment(right)?);
        return i64::try_from(between.as_micros()).ok().map(shown);
    }
    span(left)?.checked_sub(span(right)?).map(shown)
}

fn sec_to_time(arguments: &[Argument<'_>]) -> Option<String> {
    let seconds: f64 = text(arguments, 0)?.trim().parse().ok()?;
    span(&format!("{seconds:.6}")).map(shown)
}

fn time_to_sec(arguments: &[Argument<'_>]) -> Option<String> {
    Some((span(text(arguments, 0)?)? / 1_000_000).to_string())
}

fn maketime(arguments: &[Argument<'_>]) -> Option<String> {
    let (hours, minutes, seconds) = (int(arguments, 0)?, int(arguments, 1)?, text(arguments, 2)?);
    let (0..=59, true) = (minutes, seconds.parse::<f64>().is_ok_and(|s| (0.0..60.0).contains(&s)))
    else {
        return None;
    };
    let sign = if hours < 0 { "-" } else { "" };
    span(&format!("{sign}{}:{minutes}:{seconds}", hours.abs())).map(shown)
}

/// Day 1 of the year 0 to MySQL is 0000-01-01.
fn day_number(date: Date) -> Option<i64> {
    let epoch = jiff::civil::date(1970, 1, 1);
    Some(719_528 + i64::from(epoch.until(date).ok()?.get_days()))
}

fn to_days(arguments: &[Argument<'_>]) -> Option<String> {
    day_number(moment(text(arguments, 0)?)?.date()).map(|days| days.to_string())
}

fn to_seconds(arguments: &[Argument<'_>]) -> Option<String> {
    let moment = moment(text(arguments, 0)?)?;
    let time = moment.time();
    let clock = i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60;
    Some((day_number(moment.date())? * 86_400 + clock + i64::from(time.second())).to_string())
}

fn from_days(arguments: &[Argument<'_>]) -> Option<String> {
    let days = int(arguments, 0)?.checked_sub(719_528)?;
    let span = Span::new().try_days(days).ok()?;
    jiff::civil::date(1970, 1, 1).checked_add(span).ok().map(|date| date.to_string())
}

fn makedate(arguments: &[Argument<'_>]) -> Option<String> {
    let (year, day) = (int(arguments, 0)?, int(arguments, 1)?);
    let first = Date::new(i16::try_from(year).ok()?, 1, 1).ok()?;
    let span = Span::new().try_days(day.checked_sub(1).filter(|days| *days >= 0)?).ok()?;
    first.checked_add(span).ok().map(|date| date.to_string())
}

fn months(period: i64) -> i64 {
    period / 100 * 12 + period % 100 - 1
}

fn period_add(arguments: &[Argument<'_>]) -> Option<String> {
    let months = months(int(arguments, 0)?).checked_add(int(arguments, 1)?)?;
    Some((months / 12 * 100 + months % 12 + 1).to_string())
}

fn period_diff(arguments: &[Argument<'_>]) -> Option<String> {
    Some((months(int(arguments, 0)?) - months(int(arguments, 1)?)).to_string())
}

/// The week of a day in the modes of `WEEK`, with its year.
fn week_of(date: Date, mode: i64) -> Option<(i64, i64)> {
    let monday = mode & 1 == 1;
    // Whether the first week is the one with four days of the year, or the one that begins in it.
    let four_days = matches!(mode & 7, 1 | 3 | 4 | 6);
    let from_one = mode & 2 == 2;
    let column = |date: Date| match monday {
        true => i64::from(date.weekday().to_monday_zero_offset()),
        false => i64::from(date.weekday().since(Weekday::Sunday)),
    };
    let first_week = |year: i16| {
        let first = Date::new(year, 1, 1).ok()?;
        let column = column(first);
        // Days from the first of January to the first day of week 1; perhaps before it.
        let in_week = if four_days { column <= 3 } else { column == 0 };
        Some((first, if in_week { -column } else { 7 - column }))
    };
    let weeks_in = |year: i16| {
        let (first, offset) = first_week(year)?;
        let days = i64::from(first.until(date).ok()?.get_days()) - offset;
        Some(days.div_euclid(7) + 1)
    };
    let year = date.year();
    let week = weeks_in(year)?;
    if week < 1 {
        return match from_one {
            true => Some((i64::from(year - 1), weeks_in(year - 1)?)),
            false => Some((i64::from(year), 0)),
        };
    }
    if from_one && weeks_in(year + 1)? >= 1 {
        return Some((i64::from(year + 1), 1));
    }
    Some((i64::from(year), week))
}

fn mode(arguments: &[Argument<'_>]) -> Option<i64> {
    if arguments.len() < 2 { Some(0) } else { int(arguments, 1) }
}

fn week(arguments: &[Argument<'_>]) -> Option<String> {
    let date = moment(text(arguments, 0)?)?.date();
    Some(week_of(date, mode(arguments)?)?.1.to_string())
}

fn yearweek(arguments: &[Argument<'_>]) -> Option<String> {
    let date = moment(text(arguments, 0)?)?.date();
    let (year, week) = week_of(date, mode(arguments)? | 2)?;
    Some((year * 100 + week).to_string())
}

/// `DATE_ADD` for what DataFusion has no interval for: a value, a number or text, a unit. A day stays one unless
/// hours are added to it.
fn shifted(arguments: &[Argument<'_>]) -> Option<String> {
    let (value, by, unit) = (text(arguments, 0)?, text(arguments, 1)?, text(arguments, 2)?);
    let from = moment(value)?;
    let amounts = amounts(by, unit)?;
    let mut span = Span::new();
    for (unit, amount) in &amounts {
        span = match *unit {
            "YEAR" => span.try_years(*amount),
            "QUARTER" => span.try_months(amount.checked_mul(3)?),
            "MONTH" => span.try_months(*amount),
            "WEEK" => span.try_weeks(*amount),
            "DAY" => span.try_days(*amount),
            "HOUR" => span.try_hours(*amount),
            "MINUTE" => span.try_minutes(*amount),
            "SECOND" => span.try_seconds(*amount),
            "MICROSECOND" => span.try_microseconds(*amount),
            _ => return None,
        }
        .ok()?;
    }
    let to = from.checked_add(span).ok()?;
    let clock = ["HOUR", "MINUTE", "SECOND", "MICROSECOND"];
    let days = !value.contains(':') && !amounts.keys().any(|unit| clock.contains(unit));
    Some(if days { to.date().to_string() } else { shown_moment(to) })
}

/// How much of which unit: `1-2` of `YEAR_MONTH` is a year and two months.
fn amounts<'a>(by: &str, unit: &'a str) -> Option<BTreeMap<&'a str, i64>> {
    const UNITS: [&str; 6] = ["YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND"];
    let Some((from, to)) = unit.split_once('_') else {
        if unit == "SECOND" && by.contains('.') {
            let micros = span(by)?;
            return Some(BTreeMap::from([("MICROSECOND", micros)]));
        }
        let number: f64 = by.trim().parse().ok()?;
        let number = format!("{:.0}", number.round()).parse().ok()?;
        return Some(BTreeMap::from([(unit, number)]));
    };
    let at = |name: &str| UNITS.iter().position(|unit| *unit == name);
    let units = UNITS.get(at(from)?..=at(to)?)?;
    let sign = if by.trim().starts_with('-') { -1 } else { 1 };
    let numbers = by.split(|c: char| !c.is_ascii_digit()).filter(|text| !text.is_empty());
    let numbers: Vec<i64> = numbers.map(|text| text.parse().ok()).collect::<Option<_>>()?;
    // Fewer numbers than units are those of the last ones.
    let units = units.get(units.len().checked_sub(numbers.len())?..)?;
    Some(units.iter().copied().zip(numbers.into_iter().map(|number| sign * number)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(compute: row::Compute, texts: &[&str]) -> String {
        let arguments: Vec<Argument<'_>> =
            texts.iter().map(|text| Argument { text: Some(*text), is_json: false }).collect();
        compute(&arguments).unwrap_or_else(|| "NULL".to_owned())
    }

    #[test]
    fn weeks_are_counted_in_every_mode() {
        // The manual's table, and MySQL's answers for the turn of a year.
        for (mode, expected) in [
            ("0", "7"),
            ("1", "8"),
            ("2", "7"),
            ("3", "8"),
            ("4", "8"),
            ("5", "7"),
            ("6", "8"),
            ("7", "7"),
        ] {
            assert_eq!(call(week, &["2008-02-20", mode]), expected, "{mode}");
        }
        assert_eq!(call(week, &["2000-01-01", "0"]), "0");
        assert_eq!(call(week, &["2000-01-01", "2"]), "52");
        assert_eq!(call(yearweek, &["1987-01-01"]), "198652");
        assert_eq!(call(week, &["2008-12-31", "3"]), "1");
    }

    #[test]
    fn times_are_spans() {
        assert_eq!(call(addtime, &["2024-01-01 23:59:59.5", "00:00:00.5"]), "2024-01-02 00:00:00");
        assert_eq!(call(timediff, &["10:00:00", "11:00:00"]), "-01:00:00");
        assert_eq!(call(time, &["838:59:59"]), "838:59:59");
        assert_eq!(call(shifted, &["2024-01-31", "1-1", "YEAR_MONTH"]), "2025-02-28");
        assert_eq!(call(shifted, &["2024-01-31", "-1:30", "HOUR_MINUTE"]), "2024-01-30 22:30:00");
        assert_eq!(call(shifted, &["2024-01-31", "1.5", "SECOND"]), "2024-01-31 00:00:01.500000");
        assert_eq!(call(shifted, &["x", "1", "DAY"]), "NULL");
    }

    #[test]
    fn numbers_are_shown_in_groups() {
        for (number, digits, expected) in [
            ("1234567.891", "2", "1,234,567.89"),
            ("-999.5", "0", "-1,000"),
            ("0.5", "0", "1"),
            ("12", "1", "12.0"),
        ] {
            assert_eq!(call(format, &[number, digits]), expected);
        }
        assert_eq!(call(conv, &["-1", "10", "16"]), "FFFFFFFFFFFFFFFF");
        assert_eq!(call(substring, &["abc", "-2"]), "bc");
    }
}
