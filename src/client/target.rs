//! A location as the user wrote it: `@lake/2026/`, `'@"my stage"/a b'` without the outer quotes.

use super::{Failure, Result};
use crate::sql::literal;

/// A location, split where its path begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `@lake`, `@db.lake`, `@~`, `@%table`
    area: String,
    /// What follows the `/`.
    path: String,
}

impl Target {
    /// Splits it. What a name may be is for the server to say.
    pub fn parse(text: &str) -> Result<Target> {
        if !text.starts_with('@') {
            return Err(Failure::hinting(
                format!("Expected a stage location, found '{text}'"),
                format!("locations start with '@', as in @{}", text.trim_start_matches('/')),
            ));
        }
        let mut quote = None;
        for (at, c) in text.char_indices() {
            match (quote, c) {
                (None, '/') => {
                    let (area, path) = text.split_at(at);
                    return Ok(Target { area: area.to_owned(), path: path[1..].to_owned() });
                }
                (None, '"' | '`') => quote = Some(c),
                (Some(open), c) if c == open => quote = None,
                _ => {}
            }
        }
        Ok(Target { area: text.to_owned(), path: String::new() })
    }

    /// As a statement takes it, with anything in it.
    pub fn sql(&self) -> String {
        literal::text(&self.to_string())
    }

    /// The directory below it, as `PUT` takes it.
    pub fn below(&self, dir: &str) -> Target {
        let own = self.path.trim_end_matches('/');
        let path = match (own, dir) {
            (own, "") => own.to_owned(),
            ("", dir) => dir.to_owned(),
            (own, dir) => format!("{own}/{dir}"),
        };
        Target { area: self.area.clone(), path }
    }

    /// The file of this name, relative to the stage's root as `LIST` shows it.
    pub fn file(&self, name: &str) -> Target {
        Target { area: self.area.clone(), path: name.to_owned() }
    }

    /// What `PATTERN` takes for the file of just this path.
    pub fn pattern(&self) -> String {
        regex::escape(&self.path)
    }

    /// A listed name relative to the directory that the location's path is in.
    pub fn relative<'a>(&self, name: &'a str) -> &'a str {
        let dir = self.path.rfind('/').map_or(0, |at| at + 1);
        if name.get(..dir) == self.path.get(..dir) { name.get(dir..).unwrap_or(name) } else { name }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.area)?;
        if self.path.is_empty() { Ok(()) } else { write!(f, "/{}", self.path) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_begins_behind_the_names() {
        let target = |text| Target::parse(text).expect("a location");
        assert_eq!(target("@lake").below("a/b").to_string(), "@lake/a/b");
        assert_eq!(target("@lake/x/").below("a").to_string(), "@lake/x/a");
        assert_eq!(target("@lake/x/").below("").to_string(), "@lake/x");
        assert_eq!(target("@\"a/b\"/it's").sql(), "'@\"a/b\"/it''s'");
        assert_eq!(target("@db.`a``/b`/c").file("d e").to_string(), "@db.`a``/b`/d e");
        assert_eq!(target("@lake/x/").relative("x/a/b"), "a/b");
        assert_eq!(target("@lake/x/y").relative("x/yz/b"), "yz/b");
        assert_eq!(target("@lake").relative("x"), "x");
        assert!(Target::parse("lake/x").is_err());
    }
}
