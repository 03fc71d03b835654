//! Quoted values of no characters: `""` is a text, where nothing between two delimiters is `NULL`. What reads records
//! can't tell the two apart, so the bytes are looked at again where a record has such a value.

use super::csv::Dialect;

/// Where quoted values of no characters stand in whole records: row and column of each, in order.
pub(in super::super) fn quoted(dialect: &Dialect, text: &[u8]) -> Vec<(usize, usize)> {
    let ends_record = |byte: u8| match dialect.terminator {
        Some(terminator) => byte == terminator,
        None => matches!(byte, b'\n' | b'\r'),
    };
    let (mut row, mut column, mut at) = (0, 0, 0);
    // Blank lines are no rows.
    let (mut begins, mut is_blank) = (true, true);
    let mut found = Vec::new();
    while let Some(&byte) = text.get(at) {
        if begins && byte == dialect.quote {
            let end = closing(dialect, text, at + 1);
            if end == at + 1 {
                found.push((row, column));
            }
            at = end;
            (begins, is_blank) = (false, false);
        } else if byte == dialect.delimiter {
            column += 1;
            (begins, is_blank) = (true, false);
        } else if ends_record(byte) {
            row += usize::from(!is_blank);
            (column, begins, is_blank) = (0, true, true);
        } else {
            (begins, is_blank) = (false, false);
        }
        at += 1;
    }
    found
}

/// Where the quote stands that closes a value, whose first character would be here.
fn closing(dialect: &Dialect, text: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(&byte) = text.get(at) {
        if dialect.escape == Some(byte) {
            at += 2;
        } else if byte != dialect.quote {
            at += 1;
        } else if text.get(at + 1) == Some(&dialect.quote) {
            at += 2;
        } else {
            break;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_quoted_values_are_found() {
        let found = |text: &str| quoted(&Dialect::of_delimiter(b','), text.as_bytes());
        assert_eq!(found("\"\",,a\n"), [(0, 0)]);
        assert_eq!(found("\n\r\n,\"\"\r\n\n\"\"\r\n"), [(0, 1), (1, 0)]);
        // One quote, a delimiter in quotes, what only looks like one.
        assert_eq!(found("\"\"\"\",\",\"\"\",\"\"\na\"\",x"), [(0, 2)]);
        assert_eq!(found("\"a\n\"\"\n\",\"\""), [(0, 1)]);
        let escaped = Dialect { escape: Some(b'\\'), ..Dialect::of_delimiter(b';') };
        assert_eq!(quoted(&escaped, b"\"\\\"\";\"\"\n"), [(0, 1)]);
    }
}
