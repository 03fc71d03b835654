//! The tokens of one statement, and what a statement's parser asks of them.

use std::fmt::Display;

use sqlparser::ast::{Expr, Query};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token as SqlToken, TokenWithSpan, Tokenizer};

use crate::error::{Error, Excerpt, Result};
use crate::similar::nearest;
use crate::sql::Span;
use crate::sql::dialect::{self, StageDialect, is_too_deep};
use crate::sql::location::{Fault, Location};
use crate::sql::mode::SqlMode;
use crate::sql::scan::{Mode, Place, Scan, scan};

/// One token, as far as our statements tell them apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// A word without quotes: a keyword or a name.
    Word(String),
    /// A name in backticks.
    Name(String),
    /// A text in single or double quotes, unescaped. Double quotes also hold names.
    Text(String),
    /// A number, as written.
    Number(String),
    /// An unquoted `@...`, as written.
    Location(String),
    /// An unquoted `file://...`, as written.
    Uri(String),
    /// Anything else, as written: `=`, `(`, `,` ...
    Sign(String),
    /// The end of the statement.
    End,
}

#[derive(Debug)]
struct Placed {
    token: Token,
    span: Span,
    /// As `sqlparser` has it, for expressions.
    read: TokenWithSpan,
}

/// A place in the tokens of one statement.
#[derive(Debug)]
pub struct Cursor<'a> {
    text: &'a str,
    tokens: Vec<Placed>,
    at: usize,
    dialect: StageDialect,
    /// The text with its locations masked.
    masked: String,
    /// The locations.
    places: Vec<Place<'a>>,
}

/// A query inside one of our statements.
#[derive(Debug)]
pub struct Inner {
    /// What is asked.
    pub query: Query,
    /// What is selected, each as it was written.
    pub texts: Vec<String>,
}

impl<'a> Cursor<'a> {
    /// Splits one of our statements into tokens, as a session reads it that has set no `sql_mode`.
    pub fn new(text: &'a str) -> Result<Cursor<'a>> {
        let scan = scan(text, Mode::Stage, SqlMode::default());
        Cursor::from_scan(scan.statement, &scan)
    }

    /// As [`Cursor::new`], where the text was scanned already.
    pub fn from_scan(text: &'a str, scan: &Scan<'a>) -> Result<Cursor<'a>> {
        let dialect = StageDialect::new(scan.sql_mode);
        let tokens = Tokenizer::new(&dialect, &scan.masked)
            .tokenize_with_location()
            .map_err(|error| broken_token(text, &error.message, error.location))?;
        let mut placed: Vec<Placed> = tokens
            .into_iter()
            .filter(|token| !matches!(token.token, SqlToken::Whitespace(_) | SqlToken::EOF))
            .map(|token| place(token, scan))
            .collect();
        placed.push(Placed {
            token: Token::End,
            span: end_of(scan.statement),
            read: TokenWithSpan::wrap(SqlToken::EOF),
        });
        let (masked, places) = (scan.masked.clone(), scan.places.clone());
        Ok(Cursor { text, tokens: placed, at: 0, dialect, masked, places })
    }

    /// The next token.
    pub fn peek(&self) -> &Token {
        self.peek_at(0)
    }

    /// The token `n` places further.
    pub fn peek_at(&self, n: usize) -> &Token {
        self.tokens.get(self.at + n).map_or(&Token::End, |placed| &placed.token)
    }

    /// Takes the next token. The end is never passed.
    pub fn advance(&mut self) {
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
    }

    /// Whether the statement ends here.
    pub fn at_end(&self) -> bool {
        *self.peek() == Token::End
    }

    /// Whether this keyword comes next.
    pub fn sees(&self, keyword: &str) -> bool {
        matches!(self.peek(), Token::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    /// Takes this keyword, if it comes next.
    pub fn eat(&mut self, keyword: &str) -> bool {
        let found = self.sees(keyword);
        if found {
            self.advance();
        }
        found
    }

    /// Takes these keywords, if all of them come next.
    pub fn eat_all(&mut self, keywords: &[&str]) -> bool {
        let found = keywords.iter().enumerate().all(|(n, keyword)| {
            matches!(self.peek_at(n), Token::Word(word) if word.eq_ignore_ascii_case(keyword))
        });
        if found {
            self.at += keywords.len();
        }
        found
    }

    /// Takes this keyword or fails.
    pub fn expect(&mut self, keyword: &str) -> Result<()> {
        if self.eat(keyword) { Ok(()) } else { Err(self.expected(keyword)) }
    }

    /// Takes this sign, if it comes next.
    pub fn eat_sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Token::Sign(found) if found == sign);
        if found {
            self.advance();
        }
        found
    }

    /// Takes this sign or fails.
    pub fn expect_sign(&mut self, sign: &str) -> Result<()> {
        if self.eat_sign(sign) { Ok(()) } else { Err(self.expected(format_args!("'{sign}'"))) }
    }

    /// The end of the statement, or an error that says what else could have come.
    pub fn expect_end(&self, or: &str) -> Result<()> {
        match (self.at_end(), or) {
            (true, _) => Ok(()),
            (false, "") => Err(self.expected("the end of the statement")),
            (false, or) => Err(self.expected(format_args!("{or} or the end of the statement"))),
        }
    }

    /// A name: a word, or anything in backticks or double quotes.
    pub fn name(&mut self, what: &str) -> Result<String> {
        let name = match self.peek() {
            Token::Word(name) | Token::Name(name) => name.clone(),
            Token::Text(name) if self.is_double_quoted() => name.clone(),
            Token::Text(_)
            | Token::Number(_)
            | Token::Location(_)
            | Token::Uri(_)
            | Token::Sign(_)
            | Token::End => return Err(self.expected(what)),
        };
        self.advance();
        Ok(name)
    }

    /// A text in quotes.
    pub fn text(&mut self, what: &str) -> Result<String> {
        let Token::Text(text) = self.peek() else { return Err(self.expected(what)) };
        let text = text.clone();
        self.advance();
        Ok(text)
    }

    /// A location, unquoted or as a text in quotes.
    pub fn location(&mut self, after: &str) -> Result<Location> {
        let expected = format!("a stage location after {after}");
        let text = match self.peek() {
            Token::Location(text) | Token::Text(text) => text.clone(),
            Token::Word(word) | Token::Name(word) => {
                let hint = match word.starts_with('@') {
                    // A name, where `sql_mode` has ANSI_QUOTES.
                    true => format!("in quotes it needs single ones, as in {after} '{word}'"),
                    false => format!("locations start with '@', as in {after} @{word}"),
                };
                return Err(self.expected_hinting(expected, Some(hint)));
            }
            Token::Number(_) | Token::Uri(_) | Token::Sign(_) | Token::End => {
                let hint = format!("locations start with '@', as in {after} @lake/2024");
                return Err(self.expected_hinting(expected, Some(hint)));
            }
        };
        self.parse_location(&text)
    }

    /// A location from the text of the next token, which is taken.
    pub fn parse_location(&mut self, text: &str) -> Result<Location> {
        match Location::parse(text) {
            Ok(location) => {
                self.advance();
                Ok(location)
            }
            Err(Fault::Form(expected)) => Err(self.expected(expected)),
            Err(Fault::Path(error)) => Err(error),
        }
    }

    /// `TRUE` or `FALSE`.
    pub fn boolean(&mut self, option: &str) -> Result<bool> {
        let value = match self.keyword().as_deref() {
            Some("TRUE") => true,
            Some("FALSE") => false,
            Some(_) | None => return Err(self.expected(format_args!("TRUE or FALSE for {option}"))),
        };
        self.advance();
        Ok(value)
    }

    /// A whole number within bounds.
    pub fn number(&mut self, option: &str, min: u64, max: u64) -> Result<u64> {
        let found = match self.peek() {
            Token::Number(number) => number.parse::<u64>().ok(),
            Token::Word(_)
            | Token::Name(_)
            | Token::Text(_)
            | Token::Location(_)
            | Token::Uri(_)
            | Token::Sign(_)
            | Token::End => None,
        };
        match found.filter(|number| (min..=max).contains(number)) {
            Some(number) => {
                self.advance();
                Ok(number)
            }
            None => {
                Err(self.expected(format_args!("a whole number from {min} to {max} for {option}")))
            }
        }
    }

    /// The next word in upper case, if a word comes next.
    pub fn keyword(&self) -> Option<String> {
        match self.peek() {
            Token::Word(word) => Some(word.to_ascii_uppercase()),
            Token::Name(_)
            | Token::Text(_)
            | Token::Number(_)
            | Token::Location(_)
            | Token::Uri(_)
            | Token::Sign(_)
            | Token::End => None,
        }
    }

    /// The rest of the text, from the next token on.
    pub fn rest(&self) -> &'a str {
        let Some(placed) = self.tokens.get(self.at) else { return "" };
        self.text.get(offset(self.text, placed.span)..).unwrap_or("")
    }

    /// A word or a text in quotes: how MySQL lets character sets be written.
    pub fn word_or_text(&mut self, what: &str) -> Result<String> {
        if let Token::Text(text) = self.peek() {
            let text = text.clone();
            self.advance();
            return Ok(text);
        }
        self.name(what)
    }

    /// An expression, read by `sqlparser`; the cursor goes behind it.
    pub fn expression(&mut self) -> Result<Expr> {
        let rest: Vec<TokenWithSpan> =
            self.tokens.iter().skip(self.at).map(|placed| placed.read.clone()).collect();
        if is_too_deep(&rest) {
            return Err(self.expected("a shorter expression"));
        }
        let mut parser = Parser::new(&self.dialect).with_tokens_with_locations(rest);
        let parsed = parser.parse_expr();
        // Also behind what could not be read, so that the error points at it.
        self.at = (self.at + parser.index()).min(self.tokens.len().saturating_sub(1));
        parsed.map_err(|_| self.expected("an expression"))
    }

    /// A query, read by `sqlparser`; the cursor goes behind it. Its locations are names that begin with `@`, at
    /// [`Cursor::places`].
    pub fn query(&mut self) -> Result<Inner> {
        let mut rest = self.tokens.iter().skip(self.at);
        let begins =
            rest.next().map_or(self.masked.len(), |first| offset(&self.masked, first.span));
        let text = self.masked.get(begins..).unwrap_or_default();
        let tokens = dialect::tokens(&self.dialect, text).unwrap_or_default();
        let texts = dialect::selected(text, &tokens);
        self.pass_over_character_sets();
        let rest: Vec<TokenWithSpan> =
            self.tokens.iter().skip(self.at).map(|placed| placed.read.clone()).collect();
        if is_too_deep(&rest) {
            return Err(self.expected("a shorter query"));
        }
        let mut parser = Parser::new(&self.dialect).with_tokens_with_locations(rest);
        let parsed = parser.parse_query();
        // Also behind what could not be read, so that the error points at it.
        self.at = (self.at + parser.index()).min(self.tokens.len().saturating_sub(1));
        match parsed {
            Ok(query) => Ok(Inner { query: *query, texts }),
            Err(error) => Err(dialect::broken(self.text, &error)),
        }
    }

    fn pass_over_character_sets(&mut self) {
        let mut at = self.at;
        while at < self.tokens.len() {
            if dialect::is_character_set(self.tokens.iter().skip(at).map(|placed| &placed.read)) {
                self.tokens.drain(at..at + dialect::CHARACTER_SET);
            } else {
                at += 1;
            }
        }
    }

    /// The locations of the statement.
    pub fn places(&self) -> &[Place<'a>] {
        &self.places
    }

    /// The statement's text.
    pub fn whole(&self) -> &'a str {
        self.text
    }

    /// "Expected ..., found ...", pointing at the next token.
    pub fn expected(&self, expected: impl Display) -> Error {
        self.expected_hinting(expected, None)
    }

    /// As [`Cursor::expected`], with what to try.
    pub fn expected_hinting(&self, expected: impl Display, hint: Option<String>) -> Error {
        let (found, span) = match self.tokens.get(self.at) {
            Some(placed) => (describe(&placed.token), placed.span),
            None => (describe(&Token::End), end_of(self.text)),
        };
        Error::Syntax {
            expected: expected.to_string(),
            found,
            at: Some(Box::new(excerpt(self.text, span))),
            hint,
        }
    }

    /// "Expected one of these clauses", with the likely one as the hint. One of them that is not
    /// wanted here was there before.
    pub fn expected_one_of(&self, keywords: &[&str]) -> Error {
        if let Some(twice) = self.keyword().filter(|word| keywords.contains(&word.as_str())) {
            return self.expected(format_args!("{twice} only once"));
        }
        let list = keywords.join(", ");
        let hint = self.keyword().and_then(|word| {
            nearest(&word, keywords.iter().copied()).map(|near| format!("did you mean {near}?"))
        });
        self.expected_hinting(format_args!("{list} or the end of the statement"), hint)
    }

    fn is_double_quoted(&self) -> bool {
        self.rest().starts_with('"')
    }
}

/// An error at a place that a `sqlparser` message names.
pub fn excerpt(text: &str, span: Span) -> Excerpt {
    let line = text.lines().nth(span.line.saturating_sub(1)).unwrap_or("");
    Excerpt { span, line: line.to_owned() }
}

fn describe(token: &Token) -> String {
    match token {
        Token::Word(text)
        | Token::Name(text)
        | Token::Number(text)
        | Token::Location(text)
        | Token::Uri(text)
        | Token::Sign(text) => format!("'{}'", shortened(text)),
        // Never the text itself: it may be a password in the wrong place.
        Token::Text(_) => "a text in quotes".to_owned(),
        Token::End => "the end of the statement".to_owned(),
    }
}

fn shortened(text: &str) -> String {
    const MOST: usize = 40;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or("")),
        None => text.to_owned(),
    }
}

fn place(mut read: TokenWithSpan, scan: &Scan<'_>) -> Placed {
    let span = to_span(&read.span);
    let masked = scan
        .places
        .iter()
        .find(|place| place.line == span.line && place.column == span.column)
        .map(|place| place.text);
    let token = match masked {
        Some(text) => {
            read.token = SqlToken::make_word(text, None);
            if text.starts_with('@') {
                Token::Location(text.to_owned())
            } else {
                Token::Uri(text.to_owned())
            }
        }
        None => simplify(read.token.clone()),
    };
    Placed { token, span, read }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "every other token is a sign to us")]
fn simplify(token: SqlToken) -> Token {
    match token {
        SqlToken::Word(word) if word.quote_style.is_some() => Token::Name(word.value),
        SqlToken::Word(word) => Token::Word(word.value),
        SqlToken::Number(number, _) => Token::Number(number),
        SqlToken::SingleQuotedString(text) | SqlToken::DoubleQuotedString(text) => {
            Token::Text(text)
        }
        other => Token::Sign(other.to_string()),
    }
}

fn to_span(span: &sqlparser::tokenizer::Span) -> Span {
    let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let (line, column) = (number(span.start.line).max(1), number(span.start.column).max(1));
    let length = if span.start.line == span.end.line {
        number(span.end.column).saturating_sub(column)
    } else {
        usize::MAX
    };
    Span { line, column, length: length.max(1) }
}

/// The place right behind the last character that counts.
fn end_of(text: &str) -> Span {
    let text = text.trim_end();
    let line = text.lines().count().max(1);
    let column = text.lines().last().map_or(0, |line| line.chars().count()) + 1;
    Span { line, column, length: 1 }
}

/// The byte offset of a span's beginning.
fn offset(text: &str, span: Span) -> usize {
    let mut lines = text.split_inclusive('\n');
    let before: usize = lines.by_ref().take(span.line.saturating_sub(1)).map(str::len).sum();
    let line = lines.next().unwrap_or("");
    let within =
        line.char_indices().nth(span.column.saturating_sub(1)).map_or(line.len(), |(n, _)| n);
    before + within
}

fn broken_token(text: &str, message: &str, location: sqlparser::tokenizer::Location) -> Error {
    let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).max(1);
    let span = Span { line: number(location.line), column: number(location.column), length: 1 };
    Error::Syntax {
        expected: "complete text".to_owned(),
        found: format!("this fault: {message}"),
        at: Some(Box::new(excerpt(text, span))),
        hint: Some("a quote or a comment that was opened must be closed".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_told_apart() {
        let mut cursor =
            Cursor::new("PUT file:///a#b @s/#x K=5 'it''s' \"n m\" `b` -- c").expect("valid");
        let mut tokens = Vec::new();
        while !cursor.at_end() {
            tokens.push(cursor.peek().clone());
            cursor.advance();
        }
        assert_eq!(
            tokens,
            [
                Token::Word("PUT".into()),
                Token::Uri("file:///a#b".into()),
                Token::Location("@s/#x".into()),
                Token::Word("K".into()),
                Token::Sign("=".into()),
                Token::Number("5".into()),
                Token::Text("it's".into()),
                Token::Text("n m".into()),
                Token::Name("b".into()),
            ]
        );
    }

    #[test]
    fn an_error_points_at_the_token() {
        let mut cursor = Cursor::new("LIST\n  lake/2024").expect("valid");
        cursor.advance();
        assert_eq!(
            cursor.location("LIST").expect_err("no '@'").message(),
            "Expected a stage location after LIST, found 'lake' at line 2, column 3\n  lake/2024\n\
             \x20 ^^^^ Hint: locations start with '@', as in LIST @lake"
        );
    }

    #[test]
    fn an_open_quote_is_pointed_at() {
        let error = Cursor::new("LIST '@s").expect_err("open quote").message();
        assert!(error.contains("at line 1, column 6"), "{error}");
    }

    #[test]
    fn passwords_in_the_wrong_place_are_not_repeated() {
        let cursor = Cursor::new("'hunter2'").expect("valid");
        let error = cursor.expected("a name");
        assert_eq!(
            error.to_string(),
            "Expected a name, found a text in quotes at line 1, column 1"
        );
    }
}
