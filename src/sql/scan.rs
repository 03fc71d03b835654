//! One pass over the characters of a statement, before any tokenizer sees it.
//!
//! A location (`@s/a--b`, `@s/#x`, `@s/*.csv`) and a `file://` URI contain what MySQL takes for
//! comments. So they are cut out here: each is replaced by as many `_` as it has characters, which
//! every tokenizer reads as one word, and lines and columns stay true.
//!
//! What stands in `/*!40101 ... */` counts if that version is not above ours. Then the frame becomes
//! blanks, anywhere in a statement; else the whole does.

use crate::sql::from::Tables;
use crate::sql::literal::is_name_char;
use crate::sql::mode::SqlMode;

/// What the pass found.
#[derive(Debug, PartialEq, Eq)]
pub struct Scan<'a> {
    /// The first statement as it was written, without its `;`.
    pub statement: &'a str,
    /// What follows the `;`.
    pub rest: &'a str,
    /// The first statement with locations and URIs masked.
    pub masked: String,
    /// What was masked, in order.
    pub places: Vec<Place<'a>>,
    /// The words that the statement begins with, in upper case, up to the first other token.
    pub words: Vec<String>,
    /// Where `?` stand as parameters: byte offsets into `statement`.
    pub parameters: Vec<usize>,
    /// How it was read, and is to be read further.
    pub sql_mode: SqlMode,
}

/// A masked piece of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// The text.
    pub text: &'a str,
}

/// How to read a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Ordinary SQL: `@x` is a variable.
    Plain,
    /// One of ours: `@x` begins a location, `file://` a URI.
    Stage,
    /// A query: `@x` begins a location where a table may stand, and is a variable elsewhere.
    Query,
    /// `COPY INTO`: as in a query, and behind its `INTO`.
    Copy,
}

/// The version that we announce, as version comments write it: 8.4.6.
const VERSION: u32 = 80_406;

/// More leading words than any statement needs to be recognised.
const MAX_WORDS: usize = 8;

/// Scans the first statement of a text.
pub fn scan(text: &str, mode: Mode, sql_mode: SqlMode) -> Scan<'_> {
    let mut scanner = Scanner {
        text,
        at: 0,
        line: 1,
        column: 1,
        mode,
        sql_mode,
        masked: String::with_capacity(text.len()),
        places: Vec::new(),
        words: Vec::new(),
        leading: true,
        open_versions: 0,
        parameters: Vec::new(),
        tables: if mode == Mode::Copy { Tables::of_copy() } else { Tables::default() },
    };
    let end = scanner.run();
    let rest = text.get(end..).map_or("", |rest| rest.strip_prefix(';').unwrap_or(rest));
    Scan {
        statement: text.get(..end).unwrap_or(text),
        rest,
        masked: scanner.masked,
        places: scanner.places,
        words: scanner.words,
        parameters: scanner.parameters,
        sql_mode,
    }
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    column: usize,
    mode: Mode,
    sql_mode: SqlMode,
    masked: String,
    places: Vec<Place<'a>>,
    words: Vec<String>,
    leading: bool,
    /// How many `/*!` wait for their `*/`.
    open_versions: usize,
    parameters: Vec<usize>,
    tables: Tables,
}

impl<'a> Scanner<'a> {
    /// Runs to the first `;` outside of everything, or to the end; returns where that is.
    fn run(&mut self) -> usize {
        while let Some(c) = self.peek() {
            match c {
                ';' => return self.at,
                c if c.is_whitespace() => self.copy(),
                '#' => self.line_comment(),
                '-' if self.is_dash_comment() => self.line_comment(),
                '/' if self.rest().starts_with("/*") => self.block_comment(),
                '*' if self.open_versions > 0 && self.rest().starts_with("*/") => {
                    self.open_versions -= 1;
                    self.blank_n(2);
                }
                '\'' => self.quoted(c, !self.sql_mode.no_backslash_escapes),
                '"' if !self.sql_mode.ansi_quotes => {
                    self.quoted(c, !self.sql_mode.no_backslash_escapes);
                }
                '"' | '`' => self.quoted(c, false),
                '@' if self.begins_location() => self.location(),
                c if is_name_char(c) || c == '@' => self.word(),
                '?' => {
                    self.leading = false;
                    self.parameters.push(self.at);
                    self.tables.other();
                    self.copy();
                }
                c => {
                    self.leading = false;
                    self.tables.sign(c);
                    self.copy();
                }
            }
        }
        self.at
    }

    fn begins_location(&self) -> bool {
        match self.mode {
            Mode::Plain => false,
            Mode::Stage => true,
            Mode::Query | Mode::Copy => self.tables.expected(),
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Takes one character, counting lines and columns.
    fn advance(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        if c == '\n' {
            self.line += 1;
            self.column = 1;
        } else {
            self.column += 1;
        }
        Some(c)
    }

    fn copy(&mut self) {
        if let Some(c) = self.advance() {
            self.masked.push(c);
        }
    }

    fn copy_n(&mut self, n: usize) {
        for _ in 0..n {
            self.copy();
        }
    }

    /// Takes a character that no tokenizer is to see; the lines stay.
    fn blank(&mut self) {
        if let Some(c) = self.advance() {
            self.masked.push(if c == '\n' { '\n' } else { ' ' });
        }
    }

    fn blank_n(&mut self, n: usize) {
        for _ in 0..n {
            self.blank();
        }
    }

    fn copy_while(&mut self, keep: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&keep) {
            self.copy();
        }
    }

    /// MySQL's `-- ` needs a blank or the end of the text behind it.
    fn is_dash_comment(&self) -> bool {
        self.rest()
            .strip_prefix("--")
            .is_some_and(|rest| rest.chars().next().is_none_or(|c| c.is_whitespace()))
    }

    fn line_comment(&mut self) {
        self.copy_while(|c| c != '\n');
    }

    /// `/* ... */` is passed over; of `/*!40101 ... */` only the frame is, for its contents count.
    fn block_comment(&mut self) {
        if let Some(version) = self.rest().strip_prefix("/*!") {
            let digits = version.chars().take_while(char::is_ascii_digit).take(6).count();
            let digits = if digits < 5 { 0 } else { digits };
            let wanted = version.get(..digits).and_then(|digits| digits.parse::<u32>().ok());
            if wanted.is_none_or(|wanted| wanted <= VERSION) {
                self.open_versions += 1;
                return self.blank_n("/*!".len() + digits);
            }
            return self.skip_newer();
        }
        self.copy_n(2);
        while self.peek().is_some() {
            if self.rest().starts_with("*/") {
                return self.copy_n(2);
            }
            self.copy();
        }
    }

    /// What is for a newer server. A comment inside it does not end it.
    fn skip_newer(&mut self) {
        let mut depth = 0_usize;
        while self.peek().is_some() {
            if self.rest().starts_with("/*") {
                depth += 1;
                self.blank_n(2);
            } else if self.rest().starts_with("*/") {
                depth -= 1;
                self.blank_n(2);
                if depth == 0 {
                    return;
                }
            } else {
                self.blank();
            }
        }
    }

    /// A quoted text: a doubled quote does not end it, nor one behind a backslash.
    fn quoted(&mut self, quote: char, backslashes: bool) {
        self.leading = false;
        self.tables.other();
        self.copy();
        while let Some(c) = self.peek() {
            self.copy();
            if c == '\\' && backslashes {
                self.copy();
            } else if c == quote {
                if self.peek() != Some(quote) {
                    return;
                }
                self.copy();
            }
        }
    }

    fn word(&mut self) {
        let start = self.at;
        let (line, column) = (self.line, self.column);
        let is_uri = self.mode == Mode::Stage && starts_with_ignore_case(self.rest(), "file://");
        if is_uri {
            while self.peek().is_some_and(|c| !ends_uri(c)) {
                self.advance();
            }
            return self.mask(start, line, column);
        }
        self.copy_while(|c| is_name_char(c) || c == '@');
        let word = self.text.get(start..self.at).unwrap_or("");
        self.tables.word(word);
        if self.leading && self.words.len() < MAX_WORDS {
            self.words.push(word.to_uppercase());
        }
    }

    /// `@`, then names up to a `/`, each perhaps in quotes; then a path up to a blank or a
    /// character that needs the whole to be in single quotes.
    fn location(&mut self) {
        let start = self.at;
        let (line, column) = (self.line, self.column);
        let mut name_begins = true;
        self.advance();
        while let Some(c) = self.peek() {
            match c {
                '/' => {
                    while self.peek().is_some_and(|c| !ends_path(c)) {
                        self.advance();
                    }
                    break;
                }
                '"' | '`' if name_begins => self.skip_quoted_name(c),
                c if ends_path(c) => break,
                c => {
                    self.advance();
                    name_begins = matches!(c, '.' | '%');
                    continue;
                }
            }
            name_begins = false;
        }
        self.mask(start, line, column);
    }

    fn skip_quoted_name(&mut self, quote: char) {
        self.advance();
        while let Some(c) = self.advance() {
            if c == quote {
                if self.peek() != Some(quote) {
                    return;
                }
                self.advance();
            }
        }
    }

    fn mask(&mut self, start: usize, line: usize, column: usize) {
        self.leading = false;
        self.tables.other();
        let text = self.text.get(start..self.at).unwrap_or("");
        for c in text.chars() {
            // A quoted name may span lines; the lines must stay.
            self.masked.push(if c == '\n' { '\n' } else { '_' });
        }
        self.places.push(Place { line, column, text });
    }
}

fn starts_with_ignore_case(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

fn ends_path(c: char) -> bool {
    c.is_whitespace() || matches!(c, ';' | ',' | '(' | ')' | '\'' | '"' | '`')
}

fn ends_uri(c: char) -> bool {
    c.is_whitespace() || matches!(c, ';' | ',' | '\'')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &str) -> Vec<&str> {
        scan(text, Mode::Stage, SqlMode::default()).places.iter().map(|place| place.text).collect()
    }

    #[test]
    fn comments_end_at_a_location() {
        for path in ["@s/a--b", "@s/#x", "@s/*.csv", "@s/a/*b*/c", "@s/--", "@~/#", "@%t/x"] {
            let text = format!("LIST {path} -- a comment @no/no\n/* @no */ # @no");
            assert_eq!(places(&text), [path], "{text}");
        }
        assert_eq!(places("PUT file:///a/*.csv#1 @s"), ["file:///a/*.csv#1", "@s"]);
        assert_eq!(places(r"PUT FILE://C:\t\n.csv @s;"), [r"FILE://C:\t\n.csv", "@s"]);
    }

    #[test]
    fn quoted_names_are_part_of_a_location() {
        assert_eq!(places(r#"LIST @"my ""stage"/a b"#), [r#"@"my ""stage"/a"#]);
        assert_eq!(places("LIST @`d b`.`s t`/a;"), ["@`d b`.`s t`/a"]);
        assert_eq!(places(r#"LIST @%"t 1"/a,"#), [r#"@%"t 1"/a"#]);
    }

    #[test]
    fn the_mask_keeps_lines_and_columns() {
        let found = scan("LIST\n é @s/ü#1 PATTERN='@x'", Mode::Stage, SqlMode::default());
        assert_eq!(found.masked, "LIST\n é ______ PATTERN='@x'");
        assert_eq!(found.places, [Place { line: 2, column: 4, text: "@s/ü#1" }]);
    }

    #[test]
    fn the_first_statement_is_split_off() {
        let found =
            scan("SELECT ';' /* ; */, `;` -- ;\n ; SELECT 2;", Mode::Plain, SqlMode::default());
        assert_eq!(found.statement, "SELECT ';' /* ; */, `;` -- ;\n ");
        assert_eq!(found.rest, " SELECT 2;");
        let found = scan("LIST @s/#x; LIST @t", Mode::Stage, SqlMode::default());
        assert_eq!((found.statement, found.rest), ("LIST @s/#x", " LIST @t"));
        assert_eq!(scan("SELECT 'a\\';b'", Mode::Plain, SqlMode::default()).rest, "");
    }

    #[test]
    fn leading_words_skip_comments_and_open_version_comments() {
        let words = |text| scan(text, Mode::Plain, SqlMode::default()).words.join(" ");
        assert_eq!(
            words("/* x */ create -- y\n or # z\n replace stage s"),
            "CREATE OR REPLACE STAGE S"
        );
        assert_eq!(words("/*!40101 SET NAMES utf8 */"), "SET NAMES UTF8");
        assert_eq!(words("'LIST'"), "");
        assert_eq!(words("SHOW STAGES = LIKE"), "SHOW STAGES");
    }

    #[test]
    fn a_version_comment_counts_up_to_our_version() {
        let masked = |text| {
            scan(text, Mode::Plain, SqlMode::default())
                .masked
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(masked("SELECT /*!40101 1 + */ 2"), "SELECT 1 + 2");
        assert_eq!(masked("SELECT /*! 1 + */ 2 /*!80406+ 3*/"), "SELECT 1 + 2 + 3");
        assert_eq!(masked("SELECT /*!80407 1 + /* x */ ? */ 2"), "SELECT 2");
        assert_eq!(masked("SELECT /*!999999 1 + */ 2 /*!100100 x"), "SELECT 2");
        assert_eq!(masked("SELECT 2 */ 1"), "SELECT 2 */ 1");
        assert!(
            scan("SELECT /*!90000 ? */ 2", Mode::Plain, SqlMode::default()).parameters.is_empty()
        );
        let text = "SELECT /*!90000 é\n */ '/*!40101 */'";
        let found = scan(text, Mode::Plain, SqlMode::default()).masked;
        assert_eq!(found.chars().count(), text.chars().count());
        assert!(found.ends_with("'/*!40101 */'"));
        assert_eq!(places("LIST /*!40101 @s/*!99999.csv */"), ["@s/*!99999.csv"]);
    }

    #[test]
    fn parameters_are_found_outside_of_texts() {
        let found = scan("LIST @s/a?b PATTERN=? COMMENT '?' -- ?", Mode::Stage, SqlMode::default());
        assert_eq!(found.parameters, [20]);
    }

    #[test]
    fn a_query_has_locations_where_tables_stand() {
        let found = |text| {
            let places = scan(text, Mode::Query, SqlMode::default()).places;
            places.iter().map(|place| place.text).collect::<Vec<_>>()
        };
        for text in [
            "SELECT @a, @@b, SUBSTRING(x FROM @c) WHERE @d = 1 ORDER BY @e LIMIT 1",
            "SELECT TRIM(LEADING 'x' FROM @v), f(a, @b) FROM t, u WHERE a IN (@x, @y)",
            "SELECT 1 FROM t JOIN u ON t.a = @x AND f(@y) GROUP BY @z",
            "SET @x = (SELECT @y)",
        ] {
            assert_eq!(found(text), [""; 0], "{text}");
        }
        assert_eq!(found("SELECT @a FROM @s/a--b.csv x, @t WHERE y = @b"), ["@s/a--b.csv", "@t"]);
        assert_eq!(
            found(
                "WITH c AS (SELECT @a FROM @s/#1) SELECT * FROM c JOIN @t/x (PATTERN => '@u') ON @b = 1 LEFT JOIN @v"
            ),
            ["@s/#1", "@t/x", "@v"]
        );
        assert_eq!(
            found(
                "(SELECT 1 FROM (@a JOIN (SELECT * FROM @b) AS x) , @c) UNION SELECT 2 FROM @d/*.csv"
            ),
            ["@a", "@b", "@c", "@d/*.csv"]
        );
        assert_eq!(
            found(
                "SELECT * FROM DIRECTORY(@a) d, INFER_SCHEMA(LOCATION => @b/c, FILE_FORMAT => 'x') WHERE d.x => @v"
            ),
            ["@a", "@b/c"]
        );
        assert_eq!(found("SELECT (SELECT MAX(x) FROM @a), @b FROM t"), ["@a"]);
    }

    #[test]
    fn a_copy_has_locations_behind_into_and_from() {
        let found = |text| {
            let places = scan(text, Mode::Copy, SqlMode::default()).places;
            places.iter().map(|place| place.text).collect::<Vec<_>>()
        };
        assert_eq!(found("COPY INTO @a/#x FROM @b/--y SINGLE = TRUE"), ["@a/#x", "@b/--y"]);
        assert_eq!(
            found("COPY INTO t (a, b) FROM (SELECT @v, $1 FROM @b/*.csv (PATTERN => '@') t)"),
            ["@b/*.csv"]
        );
        assert_eq!(
            found("COPY INTO @a FROM (SELECT 1 INTO @v) PARTITION BY (TRIM('x' FROM @w), @x)"),
            ["@a"]
        );
    }

    #[test]
    fn nothing_panics_on_broken_text() {
        for text in
            ["", ";", "'", "\"", "`", "@", "@\"", "/*", "/*!", "--", "@s/", "file://", "\\", "'\\"]
        {
            for mode in [Mode::Plain, Mode::Stage, Mode::Query, Mode::Copy] {
                let _ = scan(text, mode, SqlMode::default());
            }
        }
    }

    #[test]
    fn quotes_and_backslashes_are_read_as_sql_mode_says() {
        let ends =
            |text: &str, mode: &str| scan(text, Mode::Plain, SqlMode::of(mode)).rest.to_owned();
        let text = r"SELECT 'a\'; b' ; c";
        assert_eq!(ends(text, ""), " c");
        assert_eq!(ends(text, "NO_BACKSLASH_ESCAPES"), " b' ; c");
        let text = r#"SELECT "a\"; b" ; c"#;
        assert_eq!(ends(text, "PIPES_AS_CONCAT"), " c");
        assert_eq!(ends(text, "ANSI_QUOTES"), r#" b" ; c"#);
        assert_eq!(ends(text, "ANSI_QUOTES,NO_BACKSLASH_ESCAPES"), r#" b" ; c"#);
    }
}
