//! Quoted values that would be `NULL` without the quotes: `""` and `"\N"` are texts, where nothing, or `\N`, between two
//! delimiters is not. What reads records can't tell them apart, so the bytes are looked at again where a record has
//! such a value.

use super::USUAL_NULL;
use super::csv::Dialect;

/// A quoted value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Quoted {
    pub(in super::super) row: usize,
    pub(in super::super) column: usize,
    pub(in super::super) text: &'static str,
}

/// The longest of them, with its quotes, and an escape.
pub(super) const LONGEST: usize = USUAL_NULL.len() + 3;

/// Those in whole records, in order.
pub(in super::super) fn quoted(dialect: &Dialect, text: &[u8]) -> Vec<Quoted> {
    let convert = &dialect.convert;
    let kept = |value: &[u8]| match value {
        b"" => convert.keeps_empty().then_some(""),
        value => {
            let escaped = dialect.escape == Some(b'\\') && value == b"\\\\N";
            let usual = escaped || value == USUAL_NULL.as_bytes();
            (usual && convert.usual_nulls).then_some(USUAL_NULL)
        }
    };
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
            if let Some(text) = text.get(at + 1..end).and_then(kept) {
                found.push(Quoted { row, column, text });
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
pub(super) fn closing(dialect: &Dialect, text: &[u8], from: usize) -> usize {
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
    use super::super::Convert;
    use super::*;

    #[test]
    fn only_quoted_values_are_found() {
        let places = |dialect: &Dialect, text: &str| -> Vec<(usize, usize)> {
            let found = quoted(dialect, text.as_bytes());
            found.iter().map(|found| (found.row, found.column)).collect()
        };
        let usual = Dialect::of_delimiter(b',');
        let found = |text: &str| places(&usual, text);
        assert_eq!(found("\"\",,a\n"), [(0, 0)]);
        assert_eq!(found("\n\r\n,\"\"\r\n\n\"\"\r\n"), [(0, 1), (1, 0)]);
        // One quote, a delimiter in quotes, what only looks like one.
        assert_eq!(found("\"\"\"\",\",\"\"\",\"\"\na\"\",x"), [(0, 2)]);
        assert_eq!(found("\"a\n\"\"\n\",\"\""), [(0, 1)]);
        let escaped = Dialect { escape: Some(b'\\'), ..Dialect::of_delimiter(b';') };
        assert_eq!(places(&escaped, "\"\\\"\";\"\"\n"), [(0, 1)]);
        // What NULL_IF names is NULL in quotes too.
        assert_eq!(found("\"\\N\",\\N"), [(0, 0); 0]);
        let convert = Convert { usual_nulls: true, ..Convert::default() };
        assert_eq!(places(&Dialect { convert, ..usual }, "\"\\N\",\\N,\"\""), [(0, 0), (0, 2)]);
    }
}
