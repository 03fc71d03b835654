//! Whether every quote of a CSV is closed, and closed where a value ends. Arrow's reader takes the rest of a
//! file, or what stands behind a closed quote, for a part of the value.

use super::csv::Dialect;
use super::empty;

/// Quotes are followed over pieces of text; the first begins with a record.
pub(super) struct Quotes {
    quote: u8,
    escape: Option<u8>,
    delimiter: u8,
    terminator: Option<u8>,
    state: State,
    /// How many bytes were seen.
    seen: usize,
    /// Where the last quote opens.
    opened: usize,
    /// Whether a quoted value was so short that it may be one that is `NULL` without quotes.
    saw_short: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Outside of quotes; whether a value begins here.
    Outside {
        begins: bool,
    },
    Inside,
    /// Behind the sign that makes the next one a plain character.
    Escaped,
    /// Behind a quote in quotes: another one would be part of the value.
    Quote,
    /// Behind the end of a quoted value, where only blanks may stand.
    Closed,
}

/// What is wrong.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// Text behind a closed quote, and where the quote opens.
    TextBehind { opened: usize },
    /// A quote that is open at the end, and where it opens.
    Open { opened: usize },
}

impl Quotes {
    pub(super) fn of(dialect: &Dialect) -> Quotes {
        Quotes {
            quote: dialect.quote,
            escape: dialect.escape,
            delimiter: dialect.delimiter,
            terminator: dialect.terminator,
            state: State::Outside { begins: true },
            seen: 0,
            opened: 0,
            saw_short: false,
        }
    }

    /// Whether there may be a quoted value that would be `NULL` without quotes.
    pub(super) fn saw_short(&self) -> bool {
        self.saw_short
    }

    fn ends_value(&self, byte: u8) -> bool {
        byte == self.delimiter || self.ends_record(byte)
    }

    fn ends_record(&self, byte: u8) -> bool {
        match self.terminator {
            Some(terminator) => byte == terminator,
            None => matches!(byte, b'\n' | b'\r'),
        }
    }

    /// Follows the quotes through the next piece.
    pub(super) fn follow(&mut self, piece: &[u8]) -> Result<(), Broken> {
        let mut at = 0;
        while let Some(&byte) = piece.get(at) {
            match self.state {
                State::Outside { begins: true } if byte == self.quote => {
                    self.opened = self.seen + at;
                    self.state = State::Inside;
                    at += 1;
                }
                State::Outside { .. } => at = self.next_value(piece, at),
                State::Inside => {
                    at = self.next_quote(piece, at);
                    let is_quote = self.state == State::Quote;
                    self.saw_short |= is_quote && self.seen + at <= self.opened + empty::LONGEST;
                }
                State::Escaped => {
                    self.state = State::Inside;
                    at += 1;
                }
                State::Quote if byte == self.quote => {
                    self.state = State::Inside;
                    at += 1;
                }
                State::Quote | State::Closed if self.ends_value(byte) => {
                    self.state = State::Outside { begins: true };
                    at += 1;
                }
                State::Quote | State::Closed if matches!(byte, b' ' | b'\t') => {
                    self.state = State::Closed;
                    at += 1;
                }
                State::Quote | State::Closed => {
                    return Err(Broken::TextBehind { opened: self.opened });
                }
            }
        }
        self.seen += piece.len();
        Ok(())
    }

    /// Goes to a quote that a value begins with, or to the end.
    fn next_value(&mut self, piece: &[u8], from: usize) -> usize {
        let mut at = from;
        while let Some(found) = piece.get(at..).and_then(|rest| memchr::memchr(self.quote, rest)) {
            let quote = at + found;
            let before = quote.checked_sub(1).filter(|before| *before >= from);
            let before = before.and_then(|before| piece.get(before));
            if before.is_some_and(|before| self.ends_value(*before)) {
                self.state = State::Outside { begins: true };
                return quote;
            }
            at = quote + 1;
        }
        let begins = piece.last().is_some_and(|last| self.ends_value(*last));
        self.state = State::Outside { begins };
        piece.len()
    }

    fn next_quote(&mut self, piece: &[u8], from: usize) -> usize {
        let rest = piece.get(from..).unwrap_or_default();
        let escape = self.escape.unwrap_or(self.quote);
        match memchr::memchr2(self.quote, escape, rest) {
            Some(found) => {
                let is_quote = rest.get(found) == Some(&self.quote);
                self.state = if is_quote { State::Quote } else { State::Escaped };
                from + found + 1
            }
            None => piece.len(),
        }
    }

    /// Nothing follows.
    pub(super) fn end(&self) -> Result<(), Broken> {
        match self.state {
            State::Inside | State::Escaped => Err(Broken::Open { opened: self.opened }),
            State::Outside { .. } | State::Quote | State::Closed => Ok(()),
        }
    }

    /// Where the first record that is not blank ends, its end included.
    pub(super) fn first_record(dialect: &Dialect, text: &[u8]) -> Option<usize> {
        let mut quotes = Quotes::of(dialect);
        let mut blank = true;
        for (index, byte) in text.iter().enumerate() {
            let outside = !matches!(quotes.state, State::Inside | State::Escaped);
            if outside && quotes.ends_record(*byte) {
                if !blank {
                    return Some(index + 1);
                }
                continue;
            }
            blank = false;
            // What is wrong with it is found later.
            quotes.follow(std::slice::from_ref(byte)).ok()?;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, escape: Option<u8>, cut: usize) -> Result<(), Broken> {
        let dialect = Dialect { escape, ..Dialect::of_delimiter(b',') };
        let mut quotes = Quotes::of(&dialect);
        for piece in text.as_bytes().chunks(cut) {
            quotes.follow(piece)?;
        }
        quotes.end()
    }

    #[test]
    fn quotes_are_followed_over_every_cut() {
        for cut in 1..9 {
            for fine in [
                "a,b\n1,2\n",
                "\"a\",\"b\"\n\"\",\"x\ny\"",
                "\"a\"\"b\",c\r\n\"\"\"\"\r\n",
                "5\" disk,a\"b\n",
                "\"a\" ,\"b\"\t\n",
            ] {
                assert_eq!(check(fine, None, cut), Ok(()), "{fine} {cut}");
            }
            assert_eq!(check("\"a\\\"b\",c", Some(b'\\'), cut), Ok(()));
            assert_eq!(check("1,2\n3,\"a", None, cut), Err(Broken::Open { opened: 6 }));
            assert_eq!(check("1,\"a\"\"", None, cut), Err(Broken::Open { opened: 2 }));
            assert_eq!(check("\"a\\\"", Some(b'\\'), cut), Err(Broken::Open { opened: 0 }));
            assert_eq!(check("1,\"a\n2,\"b\"\n", None, cut), Err(Broken::TextBehind { opened: 2 }));
        }
    }

    #[test]
    fn the_first_record_is_cut_off() {
        let first =
            |text: &str| Quotes::first_record(&Dialect::of_delimiter(b','), text.as_bytes());
        assert_eq!(first("a,b\n1"), Some(4));
        // What is left of its end is a blank line.
        assert_eq!(first("\r\n\"a\nb\",c\r\n1"), Some(10));
        assert_eq!(first("\"a\nb"), None);
    }
}
