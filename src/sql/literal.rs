//! How names and texts are written in SQL.

use crate::sql::mode::SqlMode;

/// A text in single quotes, with MySQL's escapes: what [`crate::sql::cursor`] reads back as it was.
pub fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('\'');
    for c in text.chars() {
        match c {
            '\'' => out.push_str("''"),
            '\\' => out.push_str("\\\\"),
            '\0' => out.push_str("\\0"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{1a}' => out.push_str("\\Z"),
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}

/// A text in single quotes, as a session with this `sql_mode` reads it.
pub fn text_in(mode: SqlMode, value: &str) -> String {
    match mode.no_backslash_escapes {
        true => format!("'{}'", value.replace('\'', "''")),
        false => text(value),
    }
}

/// A name: as it is where that is enough, else in backticks.
pub fn name(name: &str) -> String {
    if is_plain_name(name) { name.to_owned() } else { format!("`{}`", name.replace('`', "``")) }
}

/// Whether a name needs no quotes: letters, digits, `_`, `$`, not beginning with a digit.
pub fn is_plain_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(is_name_char)
}

/// Whether this character may stand in an unquoted name.
pub fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '$' || (!c.is_ascii() && c.is_alphanumeric())
}

/// `TRUE` or `FALSE`.
pub fn boolean(value: bool) -> &'static str {
    if value { "TRUE" } else { "FALSE" }
}

/// Bytes as a hexadecimal literal.
pub fn hex(bytes: &[u8]) -> String {
    format!("x'{}'", hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_names_are_quoted_as_mysql_reads_them() {
        assert_eq!(text("it's C:\\t"), "'it''s C:\\\\t'");
        let mode = SqlMode::of("NO_BACKSLASH_ESCAPES");
        assert_eq!(text_in(mode, "it's C:\\t"), "'it''s C:\\t'");
        assert_eq!(name("lake"), "lake");
        assert_eq!(name("my stage"), "`my stage`");
        assert_eq!(name("a`b"), "`a``b`");
        assert_eq!(name("1a"), "`1a`");
        assert_eq!(hex(&[0, 255]), "x'00ff'");
    }
}
