//! Where in a record of CSV a value stands, for who has to find it.

use super::csv::Dialect;
use super::empty::closing;

/// The character of a record that a value begins with, from 1 on, with its quote. Of a value that is not there it is
/// the one behind the record.
pub(in super::super) fn character(dialect: &Dialect, record: &[u8], column: usize) -> u64 {
    let record = of_lines(dialect, record);
    let before = record.get(..begins(dialect, record, column)).unwrap_or(record);
    characters(before) + 1
}

/// The first character that is not UTF-8, from 1 on.
pub(in super::super) fn not_utf8(dialect: &Dialect, record: &[u8]) -> Option<u64> {
    let record = of_lines(dialect, record);
    let valid = std::str::from_utf8(record).err()?.valid_up_to();
    record.get(..valid).map(|before| characters(before) + 1)
}

fn characters(text: &[u8]) -> u64 {
    u64::try_from(String::from_utf8_lossy(text).chars().count()).unwrap_or_default()
}

/// Without the ends of lines around it: those before it are blank lines, or a rest of the last one.
fn of_lines<'a>(dialect: &Dialect, record: &'a [u8]) -> &'a [u8] {
    let ends = |byte: &u8| match dialect.terminator {
        Some(terminator) => *byte == terminator,
        None => matches!(byte, b'\n' | b'\r'),
    };
    let from = record.iter().position(|byte| !ends(byte)).unwrap_or(record.len());
    let to = record.iter().rposition(|byte| !ends(byte)).map_or(from, |last| last + 1);
    record.get(from..to).unwrap_or_default()
}

/// The byte that a value begins with.
fn begins(dialect: &Dialect, record: &[u8], column: usize) -> usize {
    let (mut passed, mut at, mut begins) = (0, 0, true);
    while passed < column
        && let Some(&byte) = record.get(at)
    {
        if begins && byte == dialect.quote {
            at = closing(dialect, record, at + 1);
        }
        begins = record.get(at) == Some(&dialect.delimiter);
        passed += usize::from(begins);
        at += 1;
    }
    if passed < column { record.len() } else { at }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_in_their_record() {
        let usual = Dialect::of_delimiter(b',');
        let at = |record: &str, column| character(&usual, record.as_bytes(), column);
        assert_eq!(
            [at("a,bc,d", 0), at("a,bc,d", 1), at("a,bc,d", 2), at("a,bc,d", 3)],
            [1, 3, 6, 7]
        );
        // Quotes, delimiters and lines in quotes; characters, not bytes; what is left of the line before.
        assert_eq!(
            [at("\"a,\"\"\nb\",x", 1), at("é\u{1f600},x", 1), at("\n\r\na,x\r\n", 1)],
            [10, 4, 3]
        );
        assert_eq!([at(",,", 1), at(",,", 2), at(",,", 3), at("", 1)], [2, 3, 3, 1]);
        let escaped =
            Dialect { escape: Some(b'\\'), terminator: Some(b'|'), ..Dialect::of_delimiter(b';') };
        assert_eq!(character(&escaped, b"|\"\\\";\";x|", 1), 7);
        assert_eq!(not_utf8(&usual, b"\n\xc3\xa9,\xff,a"), Some(3));
    }
}
