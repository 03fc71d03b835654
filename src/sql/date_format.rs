//! The letters of `DATE_FORMAT` and `STR_TO_DATE`, of which `strftime` has other ones. Source: the manual's
//! page "Date and Time Functions".

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::strtime::BrokenDownTime;

/// `strftime`'s letters for one of MySQL's; `None` for a letter that stands for itself.
fn letters(letter: char) -> Option<&'static str> {
    Some(match letter {
        'Y' => "%Y",
        'y' => "%y",
        'm' => "%m",
        'c' => "%-m",
        'd' => "%d",
        'e' => "%-d",
        'H' => "%H",
        'k' => "%-H",
        'h' | 'I' => "%I",
        'l' => "%-I",
        'i' => "%M",
        's' | 'S' => "%S",
        'f' => "%6f",
        'p' => "%p",
        'r' => "%I:%M:%S %p",
        'T' => "%H:%M:%S",
        'j' => "%j",
        'a' => "%a",
        'b' => "%b",
        'M' => "%B",
        'W' => "%A",
        'w' => "%w",
        'U' => "%U",
        'u' => "%W",
        'V' | 'v' => "%V",
        'X' | 'x' => "%G",
        _ => return None,
    })
}

/// The same format in `strftime`'s letters.
fn strftime(format: &str) -> String {
    let mut out = String::with_capacity(format.len());
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        match (c, chars.as_str().chars().next()) {
            ('%', Some(letter)) => {
                chars.next();
                match letters(letter) {
                    Some(letters) => out.push_str(letters),
                    None if letter == '%' => out.push_str("%%"),
                    None => out.push(letter),
                }
            }
            (c, _) => out.push(c),
        }
    }
    out
}

/// A form of dates with Snowflake's elements (`DD.MM.YYYY HH24:MI:SS`) in our letters; one that has our letters
/// stays as it is. `None` for an element that we have no letter for.
pub fn of_snowflake(form: &str) -> Option<String> {
    /// Longer elements first.
    const ELEMENTS: &[(&str, &str)] = &[
        ("YYYY", "%Y"),
        ("MMMM", "%M"),
        ("HH24", "%H"),
        ("HH12", "%h"),
        ("MON", "%b"),
        ("YY", "%y"),
        ("MM", "%m"),
        ("DD", "%d"),
        ("DY", "%a"),
        ("MI", "%i"),
        ("SS", "%s"),
        ("FF", "%f"),
        ("AM", "%p"),
        ("PM", "%p"),
    ];
    if form.contains('%') {
        return Some(form.to_owned());
    }
    let mut out = String::new();
    let mut rest = form;
    while let Some(first) = rest.chars().next() {
        let is = |element: &str| {
            rest.get(..element.len()).is_some_and(|start| start.eq_ignore_ascii_case(element))
        };
        if let Some(quoted) = rest.strip_prefix('"') {
            let (text, behind) = quoted.split_once('"')?;
            out.push_str(text);
            rest = behind;
        } else if let Some((element, letter)) = ELEMENTS.iter().find(|(element, _)| is(element)) {
            out.push_str(letter);
            rest = rest.get(element.len()..)?;
            if *element == "FF" {
                rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
            }
        } else if is("TZ") || (first.is_ascii_alphabetic() && first != 'T') {
            return None;
        } else {
            out.push(first);
            rest = rest.get(first.len_utf8()..)?;
        }
    }
    Some(out)
}

/// A moment in UTC as text.
pub fn format(moment: Timestamp, format: &str) -> String {
    let day = moment.to_zoned(jiff::tz::TimeZone::UTC).day();
    // The only letter that `strftime` has nothing for.
    let ordinal = match (day, day % 10) {
        (11..=13, _) | (_, 0 | 4..=9) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        _ => "rd",
    };
    let format = format.replace("%D", &format!("%e{ordinal}"));
    moment.strftime(&strftime(&format)).to_string()
}

/// What a text says in this format; `None` if it says something else.
pub fn parse(text: &str, format: &str) -> Option<DateTime> {
    // One digit is enough to MySQL, and to `strptime`'s letters too.
    let broken = BrokenDownTime::parse(strftime(format), text.trim()).ok()?;
    let date = broken.to_date().ok()?;
    Some(date.to_datetime(broken.to_time().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_mean_what_they_mean_to_mysql() {
        let moment: Timestamp = "2024-05-06T17:08:09.010203Z".parse().expect("a moment");
        for (letters, expected) in [
            ("%Y-%m-%d %H:%i:%s", "2024-05-06 17:08:09"),
            ("%c/%e/%y %l %p %r", "5/6/24 5 PM 05:08:09 PM"),
            ("%D %M %W %a %b %j", "6th May Monday Mon May 127"),
            ("%f %T %% %q %v", "010203 17:08:09 % q 19"),
        ] {
            assert_eq!(format(moment, letters), expected, "{letters}");
        }
        for (day, expected) in [(1, "1st"), (2, "2nd"), (3, "3rd"), (11, "11th"), (21, "21st")] {
            let moment = jiff::civil::date(2024, 5, day).to_zoned(jiff::tz::TimeZone::UTC);
            assert_eq!(format(moment.expect("a day").timestamp(), "%D"), expected);
        }
    }

    #[test]
    fn the_elements_of_snowflake_are_letters() {
        for (form, expected) in [
            ("DD.MM.YYYY", Some("%d.%m.%Y")),
            ("YYYY-MM-DDTHH24:MI:SS.FF3", Some("%Y-%m-%dT%H:%i:%s.%f")),
            ("DY, DD MON yy \"o'clock\" HH12 AM", Some("%a, %d %b %y o'clock %h %p")),
            ("%d/%m", Some("%d/%m")),
            ("HH24 TZH", None),
            ("X", None),
        ] {
            assert_eq!(of_snowflake(form).as_deref(), expected, "{form}");
        }
    }

    #[test]
    fn texts_are_read_by_the_same_letters() {
        let read = |text, format| parse(text, format).map(|moment| moment.to_string());
        assert_eq!(read("6/5/2024", "%d/%m/%Y").as_deref(), Some("2024-05-06T00:00:00"));
        assert_eq!(
            read("2024-05-06 17:08:09", "%Y-%m-%d %H:%i:%s").as_deref(),
            Some("2024-05-06T17:08:09")
        );
        assert_eq!(read("May 6, 2024", "%M %e, %Y").as_deref(), Some("2024-05-06T00:00:00"));
        assert_eq!(read("2024-13-06", "%Y-%m-%d"), None);
        assert_eq!(read("x", "%Y"), None);
    }
}
