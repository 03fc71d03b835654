//! MySQL's dialect, as a type of our own: the statements that are not ours are read by `sqlparser`
//! with it, as with its [`MySqlDialect`], but as the session's `sql_mode` wants it, and with MySQL's
//! precedence of `||` and `DIV`.
//!
//! Our own statements never reach `sqlparser`'s parser (its Snowflake stage parsing loses data:
//! `REMOVE @s/#x` becomes `REMOVE @s/`); they are read above it, from the tokens, by
//! [`crate::sql::cursor::Cursor`].

use std::any::TypeId;
use std::fmt::Display;
use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, Expr, Ident, ObjectName, ObjectNamePart, Query, Statement, Value,
    ValueWithSpan, VisitMut, VisitorMut,
};
use sqlparser::dialect::{Dialect, MySqlDialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use crate::sql::Span;
use crate::sql::cursor::excerpt;
use crate::sql::literal;
use crate::sql::mode::SqlMode;

/// MySQL's dialect, extended by what is read above it.
#[derive(Debug, Default, Clone, Copy)]
pub struct StageDialect {
    mysql: MySqlDialect,
    mode: SqlMode,
}

impl StageDialect {
    /// As a session's `sql_mode` wants it.
    pub fn new(mode: SqlMode) -> StageDialect {
        StageDialect { mysql: MySqlDialect {}, mode }
    }

    /// How tight `||` holds its sides: as `OR`, or tighter than `*`. (`sqlparser` has it as `*`.)
    fn precedence_of_pipes(&self) -> u8 {
        match self.mode.pipes_as_concat {
            true => self.prec_value(Precedence::MulDivModOp) + 1,
            false => self.prec_value(Precedence::Or),
        }
    }
}

/// Forwards each listed method without arguments to the MySQL dialect.
macro_rules! forward {
    ($($name:ident),* $(,)?) => {
        $(fn $name(&self) -> bool {
            self.mysql.$name()
        })*
    };
}

// A method that is overridden by MySqlDialect and missing here would silently change string
// escapes or SET NAMES. `forwards_every_override` compares the two.
impl Dialect for StageDialect {
    /// So that `dialect_of!(self is MySqlDialect)` in the tokenizer and parser holds.
    fn dialect(&self) -> TypeId {
        self.mysql.dialect()
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        self.mysql.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        self.mysql.is_identifier_part(ch)
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        self.mysql.is_delimited_identifier_start(ch) || (ch == '"' && self.mode.ansi_quotes)
    }

    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        self.mysql.identifier_quote_style(identifier)
    }

    fn parse_infix(
        &self,
        parser: &mut Parser,
        expr: &Expr,
        precedence: u8,
    ) -> Option<Result<Expr, ParserError>> {
        if parser.consume_token(&Token::StringConcat) {
            let concat = self.mode.pipes_as_concat;
            let op = if concat { BinaryOperator::StringConcat } else { BinaryOperator::Or };
            return Some(infix(parser, expr, op, precedence));
        }
        // MySqlDialect would take all that follows for its right side: `5 DIV 2 = 2`.
        if parser.parse_keyword(Keyword::DIV) {
            return Some(infix(parser, expr, BinaryOperator::MyIntegerDivide, precedence));
        }
        if parser.parse_keyword(Keyword::MOD) {
            return Some(infix(parser, expr, BinaryOperator::Modulo, precedence));
        }
        self.mysql.parse_infix(parser, expr, precedence)
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        let next = &parser.peek_token_ref().token;
        if *next == Token::StringConcat {
            return Some(Ok(self.precedence_of_pipes()));
        }
        // `5 MOD 2`; sqlparser would take it for an alias.
        let is_mod = matches!(next, Token::Word(word) if word.keyword == Keyword::MOD);
        is_mod.then(|| Ok(self.prec_value(Precedence::MulDivModOp)))
    }

    fn supports_string_literal_backslash_escape(&self) -> bool {
        !self.mode.no_backslash_escapes && self.mysql.supports_string_literal_backslash_escape()
    }

    /// `GROUP BY a WITH ROLLUP`
    fn supports_group_by_with_modifier(&self) -> bool {
        true
    }

    /// `EXTRACT(YEAR_MONTH FROM day)`
    fn allow_extract_custom(&self) -> bool {
        true
    }

    fn parse_statement(&self, parser: &mut Parser) -> Option<Result<Statement, ParserError>> {
        self.mysql.parse_statement(parser)
    }

    fn is_table_factor_alias(&self, explicit: bool, kw: &Keyword, parser: &mut Parser) -> bool {
        self.mysql.is_table_factor_alias(explicit, kw, parser)
    }

    forward! {
        ignores_wildcard_escapes,
        require_interval_qualifier,
        requires_single_line_comment_whitespace,
        supports_binary_kw_as_cast,
        supports_bitwise_shift_operators,
        supports_comma_separated_set_assignments,
        supports_comment_optimizer_hint,
        supports_constraint_keyword_without_name,
        supports_create_table_select,
        supports_cross_join_constraint,
        supports_data_type_signed_suffix,
        supports_double_ampersand_operator,
        supports_insert_set,
        supports_key_column_option,
        supports_limit_comma,
        supports_match_against,
        supports_multiline_comment_hints,
        supports_numeric_prefix,
        supports_select_modifiers,
        supports_set_names,
        supports_string_literal_concatenation,
        supports_table_hints,
        supports_update_order_by,
        supports_user_host_grantee,
    }
}

/// Reads the right side of an operator that was taken.
fn infix(
    parser: &mut Parser,
    left: &Expr,
    op: BinaryOperator,
    precedence: u8,
) -> Result<Expr, ParserError> {
    let right = Box::new(parser.parse_subexpr(precedence)?);
    Ok(Expr::BinaryOp { left: Box::new(left.clone()), op, right })
}

/// The tokens of a text, without blanks and comments.
pub fn tokens(dialect: &StageDialect, text: &str) -> Result<Vec<TokenWithSpan>, ParserError> {
    let mut tokens = Tokenizer::new(dialect, text).tokenize_with_location()?;
    tokens.retain(|token| !matches!(token.token, Token::Whitespace(_)));
    Ok(tokens)
}

/// A parser of a text.
pub fn parser<'d>(dialect: &'d StageDialect, text: &str) -> Result<Parser<'d>, ParserError> {
    parser_of(dialect, tokens(dialect, text)?)
}

/// A parser of [`tokens`]. What MySQL allows and `sqlparser` does not know is taken out: see [`is_character_set`].
pub fn parser_of(
    dialect: &StageDialect,
    mut kept: Vec<TokenWithSpan>,
) -> Result<Parser<'_>, ParserError> {
    if is_too_deep(&kept) {
        return Err(ParserError::RecursionLimitExceeded);
    }
    let mut at = 0;
    while at < kept.len() {
        if is_character_set(kept.iter().skip(at)) {
            kept.drain(at..at + CHARACTER_SET);
        } else {
            at += 1;
        }
    }
    Ok(Parser::new(dialect).with_tokens_with_locations(kept))
}

/// How many tokens [`is_character_set`] means.
pub const CHARACTER_SET: usize = 3;

/// Whether tokens begin with the character set in `CAST(x AS CHAR CHARACTER SET utf8mb4)`, which may be passed
/// over, for there is one here.
pub fn is_character_set<'a>(tokens: impl Iterator<Item = &'a TokenWithSpan>) -> bool {
    let mut tokens = tokens.map(|token| &token.token);
    let mut is = |wanted: &str| {
        matches!(tokens.next(), Some(Token::Word(word))
            if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(wanted))
    };
    is("CHARACTER") && is("SET") && matches!(tokens.next(), Some(Token::Word(_)))
}

/// `sqlparser` says "Expected: x, found: y at Line: 1, Column: 8"; this is our form of it.
pub fn broken(statement: &str, error: &ParserError) -> crate::error::Error {
    let message = match error {
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message.clone(),
        ParserError::RecursionLimitExceeded => {
            return crate::error::Error::Syntax {
                expected: "a shorter expression".to_owned(),
                found: "one that is nested too deep".to_owned(),
                at: None,
                hint: None,
            };
        }
    };
    let (said, place) = match message.rsplit_once(" at Line: ") {
        Some((said, place)) => (said, place.split_once(", Column: ")),
        None => (message.as_str(), None),
    };
    let at = place.and_then(|(line, column)| {
        let span =
            Span { line: line.parse().ok()?, column: column.trim().parse().ok()?, length: 1 };
        Some(Box::new(excerpt(statement, span)))
    });
    let (expected, found) =
        match said.strip_prefix("Expected: ").and_then(|said| said.split_once(", found: ")) {
            Some((expected, "EOF")) => (expected, "the end of the statement".to_owned()),
            Some((expected, found)) => (expected, format!("'{found}'")),
            None => ("valid SQL", said.to_owned()),
        };
    crate::error::Error::Syntax { expected: expected.to_owned(), found, at, hint: None }
}

/// How many operators may follow each other: `1 + 1 + 1 ...` is a tree as deep as it is long, which
/// `sqlparser` does not bound, and whoever walks it needs so much of the stack.
const MAX_OPERATORS: usize = 400;

/// Words that take what stands before them into a deeper tree.
const OPERATORS: &[&str] = &[
    "AND",
    "OR",
    "XOR",
    "NOT",
    "DIV",
    "MOD",
    "LIKE",
    "ILIKE",
    "RLIKE",
    "REGEXP",
    "SIMILAR",
    "IN",
    "IS",
    "ISNULL",
    "NOTNULL",
    "BETWEEN",
    "COLLATE",
    "MEMBER",
    "OVERLAPS",
    "AT",
    "UNION",
    "EXCEPT",
    "INTERSECT",
    "MINUS",
];

/// Whether an expression or a chain of `UNION` in these tokens is deeper than anybody needs.
pub fn is_too_deep(tokens: &[TokenWithSpan]) -> bool {
    // Of each open parenthesis, the operators since the last comma.
    let mut chains = vec![0_usize];
    let mut operators = 0;
    for token in tokens {
        let is = |known: &[&str]| known.iter().any(|word| is_keyword(token, word));
        if token.token == Token::LParen {
            chains.push(0);
        } else if token.token == Token::RParen {
            operators -= chains.pop().unwrap_or_default();
            if chains.is_empty() {
                chains.push(0);
            }
        } else if let Some(chain) = chains.last_mut() {
            if token.token == Token::Comma || is(&["WHEN", "THEN", "ELSE"]) {
                operators -= std::mem::take(chain);
            } else if is(OPERATORS) || is_sign(&token.token) {
                *chain += 1;
                operators += 1;
            }
        }
        if operators + chains.len() > MAX_OPERATORS {
            return true;
        }
    }
    false
}

/// Whether a token is neither a word nor a value, nor what only separates.
fn is_sign(token: &Token) -> bool {
    // The most frequent ones, without printing them.
    if let Token::Word(_) | Token::Number(..) | Token::Period | Token::EOF = token {
        return false;
    }
    let text = token.to_string();
    !text.starts_with(|c: char| c.is_alphanumeric() || "_@$'\"`.;,() \n\t".contains(c))
}

/// Reads a query of ours.
pub fn query(text: &str) -> crate::error::Result<Query> {
    let dialect = StageDialect::default();
    let read = parser(&dialect, text).and_then(|mut parser| parser.parse_query());
    read.map(|query| *query)
        .map_err(|error| crate::error::Error::Internal { what: format!("'{text}': {error}") })
}

/// A query or an expression as it is read again with the usual `sql_mode`: printed by itself it has texts as they are,
/// and what reads it takes their backslashes for escapes.
pub fn printed<N: Clone + Display + VisitMut>(node: &N) -> String {
    let mut node = node.clone();
    // Never breaks off.
    let _ = VisitMut::visit(&mut node, &mut Texts);
    node.to_string()
}

struct Texts;

impl VisitorMut for Texts {
    type Break = ();

    fn pre_visit_value(&mut self, value: &mut ValueWithSpan) -> ControlFlow<()> {
        if let Value::SingleQuotedString(text)
        | Value::DoubleQuotedString(text)
        | Value::NationalStringLiteral(text) = &value.value
        {
            // What is printed as it is.
            value.value = Value::Placeholder(literal::text(text));
        }
        ControlFlow::Continue(())
    }

    /// Names in double quotes, of a session with `ANSI_QUOTES`, are texts elsewhere.
    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Identifier(name) = expr {
            in_backticks(name);
        } else if let Expr::CompoundIdentifier(parts) = expr {
            parts.iter_mut().for_each(in_backticks);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, name: &mut ObjectName) -> ControlFlow<()> {
        for part in &mut name.0 {
            let ObjectNamePart::Identifier(ident) = part else { continue };
            in_backticks(ident);
            // A location.
            if ident.quote_style == Some('\'') {
                ident.value = literal::text(&ident.value);
                ident.quote_style = None;
            }
        }
        ControlFlow::Continue(())
    }
}

fn in_backticks(name: &mut Ident) {
    if name.quote_style == Some('"') {
        name.quote_style = Some('`');
    }
}

/// The same query with all names in lower case and without quotes, for who tells `ID` from `id`.
pub fn in_lower_case(query: &Query) -> crate::error::Result<Query> {
    let dialect = StageDialect::default();
    let again = || -> Result<Query, ParserError> {
        let tokens = Tokenizer::new(&dialect, &printed(query)).tokenize_with_location()?;
        let tokens = tokens.into_iter().map(|mut token| {
            if let Token::Word(word) = &mut token.token {
                let quoted = word.quote_style.take().is_some();
                if quoted || word.keyword == Keyword::NoKeyword {
                    word.value = word.value.to_lowercase();
                    word.keyword = Keyword::NoKeyword;
                }
            }
            token
        });
        Parser::new(&dialect)
            .with_tokens_with_locations(tokens.collect())
            .parse_query()
            .map(|query| *query)
    };
    again().map_err(|error| crate::error::Error::Internal {
        what: format!("a query can't be read again: {error}"),
    })
}

/// Where what a query selects begins: behind its first `SELECT`, but for those in the parentheses of its `WITH`.
fn behind_select(tokens: &[TokenWithSpan]) -> usize {
    let is_word = |token: &&TokenWithSpan| matches!(&token.token, Token::Word(word) if word.quote_style.is_none());
    let with = tokens.iter().find(is_word).is_some_and(|token| is_keyword(token, "WITH"));
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate() {
        if token.token == Token::LParen {
            depth += 1;
        } else if token.token == Token::RParen {
            depth = depth.saturating_sub(1);
        } else if is_keyword(token, "SELECT") && (depth == 0 || !with) {
            return index + 1;
        }
    }
    tokens.len()
}

/// What a query selects, each as it is written: MySQL names columns so. Of a text and its [`tokens`]; empty where they
/// are no query.
pub fn selected(text: &str, tokens: &[TokenWithSpan]) -> Vec<String> {
    let begins = behind_select(tokens);
    let end = |token: &&TokenWithSpan| token.token == Token::EOF;
    let mut tokens = tokens.iter().skip(begins).filter(|token| !end(token)).peekable();
    while tokens.peek().is_some_and(|token| is_modifier(token)) {
        tokens.next();
    }
    let (mut items, mut item, mut depth) = (Vec::new(), None, 0_usize);
    for token in tokens {
        let is_end = ENDS.iter().any(|word| is_keyword(token, word));
        if depth == 0 && (is_end || token.token == Token::RParen) {
            break;
        }
        if depth == 0 && token.token == Token::Comma {
            items.push(piece(text, item.take()));
            continue;
        }
        if token.token == Token::LParen {
            depth += 1;
        } else if token.token == Token::RParen {
            depth -= 1;
        }
        let (start, end) = (token.span.start, token.span.end);
        item = Some((item.map_or(start, |(first, _)| first), end));
    }
    items.push(piece(text, item));
    items
}

/// Words behind what is selected.
const ENDS: &[&str] = &[
    "FROM",
    "WHERE",
    "GROUP",
    "HAVING",
    "ORDER",
    "LIMIT",
    "UNION",
    "INTO",
    "FOR",
    "EXCEPT",
    "INTERSECT",
];

/// Words between `SELECT` and what is selected.
fn is_modifier(token: &TokenWithSpan) -> bool {
    let known = ["ALL", "DISTINCT", "DISTINCTROW", "HIGH_PRIORITY", "STRAIGHT_JOIN"];
    let Token::Word(word) = &token.token else { return false };
    let begins = |with: &str| {
        word.value.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with))
    };
    known.iter().any(|word| is_keyword(token, word))
        || (word.quote_style.is_none() && begins("SQL_"))
}

/// Whether a token is this word, without quotes.
fn is_keyword(token: &TokenWithSpan, wanted: &str) -> bool {
    matches!(&token.token, Token::Word(word)
        if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(wanted))
}

fn piece(text: &str, place: Option<(Location, Location)>) -> String {
    let Some((start, end)) = place else { return String::new() };
    text.get(byte_at(text, start)..byte_at(text, end)).unwrap_or_default().to_owned()
}

/// Where in a text a line and a column are, both from 1.
fn byte_at(text: &str, place: Location) -> usize {
    let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).saturating_sub(1);
    let mut lines = text.split_inclusive('\n');
    let before: usize = lines.by_ref().take(number(place.line)).map(str::len).sum();
    let line = lines.next().unwrap_or_default();
    let within = line.char_indices().nth(number(place.column)).map_or(line.len(), |(at, _)| at);
    before + within
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ordinary MySQL, each line near one of the dialect's peculiarities.
    const CORPUS: &[&str] = &[
        "SELECT 'it\\'s', 'a''b', '\\%', \"double\", 'a' 'b', N'x', x'00', b'1'",
        "SELECT `a b`, a.`c`, é FROM `t 1` AS x",
        "SELECT @x, @@session.sql_mode, @@global.port, @@version_comment LIMIT 1",
        "SELECT 1 -- comment\n, 2 # comment\n, 3 /* comment */",
        "SELECT 1--1",
        "SELECT 5 DIV 2, 5 % 2, 1 << 2, 8 >> 1, 1 && 0, NOT 1, !1",
        "SELECT 1 /*!40101 + 1 */",
        "SELECT /*+ MAX_EXECUTION_TIME(1000) */ 1",
        "SELECT SQL_NO_CACHE DISTINCT a FROM t LIMIT 5, 10",
        "SELECT a FROM t USE INDEX (i) WHERE a LIKE '50\\%' ORDER BY b DESC",
        "SELECT MATCH (a) AGAINST ('x' IN BOOLEAN MODE) FROM t",
        "SELECT DATE_ADD(NOW(), INTERVAL 1 DAY), CAST(a AS SIGNED), BINARY 'a'",
        "SELECT 1a, 2b FROM 3c",
        "SELECT a FROM t STRAIGHT_JOIN u ON t.a = u.a",
        "SELECT a FROM t CROSS JOIN u ON t.a = u.a",
        "SET NAMES utf8mb4 COLLATE 'utf8mb4_0900_ai_ci'",
        "SET NAMES DEFAULT",
        "SET @a = 1, @b = 2",
        "SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_TRANS_TABLES')",
        "SET autocommit=1, sql_mode = 'ANSI'",
        "INSERT INTO t SET a = 1, b = 'x'",
        "INSERT INTO t (a) VALUES (1) ON DUPLICATE KEY UPDATE a = VALUES(a)",
        "UPDATE t SET a = 1 ORDER BY b LIMIT 1",
        "CREATE TABLE t (a INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, b TEXT KEY)",
        "CREATE TABLE t SELECT 1 AS a",
        "CREATE TABLE t (a INT, CONSTRAINT CHECK (a > 0))",
        "GRANT SELECT ON db.* TO 'u'@'h'",
        "LOCK TABLES t READ, u WRITE",
        "UNLOCK TABLES",
        "SHOW VARIABLES LIKE 'a%'",
        "SHOW FULL TABLES FROM `db`",
        "START TRANSACTION READ ONLY",
        "SELECT FROM",
        "SELECT 'open",
        "LIST @s",
    ];

    #[test]
    fn what_is_too_deep_is_not_read() {
        let deep = |text: &str| parser(&StageDialect::default(), text).is_err();
        let many = |piece: &str, n: usize| piece.repeat(n);
        for piece in
            [" + 1", " OR a = 1", " IS NULL", " UNION SELECT 1", " COLLATE x", " || 'x'", " -1"]
        {
            assert!(deep(&format!("SELECT 1{}", many(piece, 1000))), "{piece}");
            assert!(!deep(&format!("SELECT 1{}", many(piece, 100))), "{piece}");
        }
        assert!(deep(&format!("SELECT {}1{}", many("(1 + 1 + ", 300), many(")", 300))));
        // What is long and not deep.
        assert!(!deep(&format!("SELECT a IN (1{})", many(", 1", 10_000))));
        assert!(!deep(&format!("SELECT 1{}", many(", a + 1", 10_000))));
        assert!(!deep(&format!(
            "SELECT CASE{} END",
            many(" WHEN a = 1 AND b = 2 THEN c + 1", 1000)
        )));
    }

    #[test]
    fn what_is_selected_is_told_as_it_is_written() {
        let of = |text| {
            let tokens = tokens(&StageDialect::default(), text).unwrap_or_default();
            selected(text, &tokens).join("|")
        };
        assert_eq!(
            of("SELECT 1+1, now( ) AS n,\n concat('é,', (SELECT 1, 2)) FROM t, u"),
            "1+1|now( ) AS n|concat('é,', (SELECT 1, 2))"
        );
        assert_eq!(of("(select SQL_NO_CACHE distinct count(*) ) UNION SELECT 2"), "count(*)");
        assert_eq!(of("WITH t AS (SELECT 1) SELECT a+1 FROM t"), "a+1");
        assert_eq!(of("SELECT a /* x */ , -b LIMIT 1"), "a|-b");
        assert_eq!(of("SELECT"), "");
        assert_eq!(of("SET x = 'open"), "");
    }

    #[test]
    fn pipes_are_or_unless_they_join() {
        let read = |text: &str, mode: &str| {
            let dialect = StageDialect::new(SqlMode::of(mode));
            let mut parser = parser(&dialect, text).expect("tokens");
            let Expr::BinaryOp { op, right, .. } = parser.parse_expr().expect("an expression")
            else {
                panic!("{text}");
            };
            format!("{op} {right}")
        };
        assert_eq!(read("1 || 0 AND 0", ""), "OR 0 AND 0");
        assert_eq!(read("1 || 0 AND 0", "PIPES_AS_CONCAT"), "AND 0");
        assert_eq!(read("2 * 1 || 0", "PIPES_AS_CONCAT"), "* 1 || 0");
        assert_eq!(read("5 DIV 2 = 2", ""), "= 2");
    }

    #[test]
    fn reads_ordinary_mysql_as_mysql_dialect_does() {
        for sql in CORPUS {
            let ours = Parser::parse_sql(&StageDialect::default(), sql);
            let mysql = Parser::parse_sql(&MySqlDialect {}, sql);
            assert_eq!(ours, mysql, "{sql}");
        }
    }

    /// A forwarding that is lost in an edit is noticed even where the corpus has no line for it.
    #[test]
    fn forwards_every_override() {
        let ours = include_str!("dialect.rs");
        for method in OVERRIDES {
            let forwarded = ours.contains(&format!("        {method},\n"));
            let written = ours.contains(&format!("    fn {method}("));
            assert!(forwarded || written, "{method} is not forwarded");
        }
    }

    /// What `MySqlDialect` of sqlparser 0.62 overrides. To be read again with every new version.
    const OVERRIDES: &[&str] = &[
        "identifier_quote_style",
        "ignores_wildcard_escapes",
        "is_delimited_identifier_start",
        "is_identifier_part",
        "is_identifier_start",
        "is_table_factor_alias",
        "parse_infix",
        "parse_statement",
        "require_interval_qualifier",
        "requires_single_line_comment_whitespace",
        "supports_binary_kw_as_cast",
        "supports_bitwise_shift_operators",
        "supports_comma_separated_set_assignments",
        "supports_comment_optimizer_hint",
        "supports_constraint_keyword_without_name",
        "supports_create_table_select",
        "supports_cross_join_constraint",
        "supports_data_type_signed_suffix",
        "supports_double_ampersand_operator",
        "supports_insert_set",
        "supports_key_column_option",
        "supports_limit_comma",
        "supports_match_against",
        "supports_multiline_comment_hints",
        "supports_numeric_prefix",
        "supports_select_modifiers",
        "supports_set_names",
        "supports_string_literal_backslash_escape",
        "supports_string_literal_concatenation",
        "supports_table_hints",
        "supports_update_order_by",
        "supports_user_host_grantee",
    ];
}
