//! `@stage/path`: where files are.

use std::fmt;

use crate::error::Result;
use crate::sql::literal;
use crate::stage::name::StagePath;

/// A place for files: an area and a path (a file, a directory, or the beginning of one) inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The area.
    pub area: Area,
    /// The path inside it.
    pub path: StagePath,
}

/// What a location begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Area {
    /// `@stage`, `@db.stage`
    Stage {
        /// The database, where one is named.
        database: Option<String>,
        /// The stage.
        name: String,
    },
    /// `@~`: the user's own.
    User,
    /// `@%table`, `@db.%table`
    Table {
        /// The database, where one is named.
        database: Option<String>,
        /// The table.
        name: String,
    },
}

/// Why a text is no location.
#[derive(Debug)]
pub enum Fault {
    /// It is not formed like one: what would have been right.
    Form(&'static str),
    /// Its path is refused.
    Path(crate::error::Error),
}

impl Location {
    /// Reads a location, as it stands in the text or between single quotes.
    pub fn parse(text: &str) -> Result<Location, Fault> {
        let Some(rest) = text.strip_prefix('@') else {
            return Err(Fault::Form("a stage location (it begins with '@')"));
        };
        let mut names = Names { rest };
        let area = names.area()?;
        let path = match names.rest.strip_prefix('/') {
            Some(path) => path,
            None if names.rest.is_empty() => "",
            None => {
                return Err(Fault::Form(
                    "'/' after the stage's name (a name with other characters than letters, \
                     digits, '_' and '$' needs double quotes, as in '@\"my-stage\"/a')",
                ));
            }
        };
        Ok(Location { area, path: StagePath::new(path).map_err(Fault::Path)? })
    }
}

struct Names<'a> {
    rest: &'a str,
}

impl Names<'_> {
    fn area(&mut self) -> Result<Area, Fault> {
        if self.eat('~') {
            return Ok(Area::User);
        }
        if self.eat('%') {
            return Ok(Area::Table { database: None, name: self.name("a table name after '@%'")? });
        }
        let first = self.name("a stage name after '@'")?;
        if !self.eat('.') {
            return Ok(Area::Stage { database: None, name: first });
        }
        let database = Some(first);
        if self.eat('%') {
            return Ok(Area::Table { database, name: self.name("a table name after '%'")? });
        }
        Ok(Area::Stage { database, name: self.name("a stage name after the database and '.'")? })
    }

    fn eat(&mut self, c: char) -> bool {
        match self.rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// A name, perhaps in double quotes or backticks with the quote doubled inside.
    fn name(&mut self, expected: &'static str) -> Result<String, Fault> {
        for quote in ['"', '`'] {
            if self.eat(quote) {
                return self.quoted(quote);
            }
        }
        let end = self.rest.find(|c| !literal::is_name_char(c)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        if name.is_empty() {
            return Err(Fault::Form(expected));
        }
        self.rest = rest;
        Ok(name.to_owned())
    }

    fn quoted(&mut self, quote: char) -> Result<String, Fault> {
        let mut name = String::new();
        while let Some(c) = self.rest.chars().next() {
            self.rest = &self.rest[c.len_utf8()..];
            if c == quote && !self.eat(quote) {
                return if name.is_empty() {
                    Err(Fault::Form("a name between the quotes"))
                } else {
                    Ok(name)
                };
            }
            name.push(c);
        }
        Err(Fault::Form("a closing quote after the stage's name"))
    }
}

impl Location {
    /// As it stands between quotes.
    pub fn text(&self) -> String {
        let mut text = self.area.to_string();
        if !self.path.is_root() {
            text.push('/');
            text.push_str(self.path.as_str());
        }
        text
    }
}

impl fmt::Display for Location {
    /// As it can be written again: in single quotes where anything in it needs them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text();
        if is_safe(&text) { f.write_str(&text) } else { f.write_str(&literal::text(&text)) }
    }
}

impl fmt::Display for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (database, sign, name) = match self {
            Area::User => return f.write_str("@~"),
            Area::Stage { database, name } => (database, "", name),
            Area::Table { database, name } => (database, "%", name),
        };
        f.write_str("@")?;
        if let Some(database) = database {
            write!(f, "{}.", area_name(database))?;
        }
        write!(f, "{sign}{}", area_name(name))
    }
}

fn area_name(name: &str) -> String {
    if !name.is_empty() && name.chars().all(literal::is_name_char) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// Whether no client takes any of it for a comment, a command of its own or the end.
fn is_safe(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || "@_$./=+:%-~".contains(c))
        && !text.contains("--")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(name: &str) -> Area {
        Area::Stage { database: None, name: name.to_owned() }
    }

    #[test]
    fn every_form_is_read_and_written() {
        let database = Some("db".to_owned());
        let cases = [
            ("@s", stage("s"), "", "@s"),
            ("@s/", stage("s"), "", "@s"),
            ("@s/a/b.csv", stage("s"), "a/b.csv", "@s/a/b.csv"),
            ("@s/a/", stage("s"), "a/", "@s/a/"),
            ("@2024/a", stage("2024"), "a", "@2024/a"),
            (
                "@db.s/x",
                Area::Stage { database: database.clone(), name: "s".into() },
                "x",
                "@db.s/x",
            ),
            ("@~/x", Area::User, "x", "@~/x"),
            ("@%t/x", Area::Table { database: None, name: "t".into() }, "x", "@%t/x"),
            ("@db.%t", Area::Table { database, name: "t".into() }, "", "@db.%t"),
            ("@\"my stage\"/a b", stage("my stage"), "a b", "'@\"my stage\"/a b'"),
            ("@`a\"b`", stage("a\"b"), "", "'@\"a\"\"b\"'"),
            ("@s/#x", stage("s"), "#x", "'@s/#x'"),
            ("@s/a--b", stage("s"), "a--b", "'@s/a--b'"),
            ("@s/it's", stage("s"), "it's", "'@s/it''s'"),
            ("@s/é", stage("s"), "é", "'@s/é'"),
            ("@été/x", stage("été"), "x", "'@été/x'"),
        ];
        for (text, area, path, printed) in cases {
            let location = Location::parse(text).unwrap_or_else(|e| panic!("{text}: {e:?}"));
            assert_eq!((&location.area, location.path.as_str()), (&area, path), "{text}");
            assert_eq!(location.to_string(), printed, "{text}");
        }
    }

    #[test]
    fn what_is_no_location_is_refused() {
        for text in [
            "",
            "s",
            "@",
            "@/",
            "@/a",
            "@.s",
            "@s.",
            "@s.t.u",
            "@%",
            "@~x",
            "@my-stage",
            "@\"s",
            "@\"\"",
            "@\"s\"x",
            "@s/../x",
            "@s//x",
            "@s/a\\b",
            "@s/a\0",
            "@ s",
        ] {
            assert!(Location::parse(text).is_err(), "{text:?}");
        }
    }
}
