//! Functions of texts.

use super::compare;
use super::functions::count;
use super::operators::as_number;
use crate::rows::Value;

/// Longer texts are not made here.
const MAX_TEXT: usize = 1 << 20;

pub(super) fn of_texts(name: &str, arguments: &[Value]) -> Option<Value> {
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
        ("HEX", [text]) => hex::encode_upper(text.as_bytes()).into(),
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
