//! Names: of databases, of stages, of files on them, and what each may be.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The database that always exists, and that a session starts in.
pub const DEFAULT_DATABASE: &str = "default";

/// MySQL's limit for identifiers, in characters.
pub const MAX_NAME_CHARS: usize = 64;

/// A name becomes one component of an object's key, and directories keep at most 255 bytes of one;
/// the rest is room for escaping and endings.
pub const MAX_NAME_BYTES: usize = 192;

/// The longest path inside a stage, in bytes: S3 allows keys of 1024, and the stage's own prefix
/// needs some of it.
pub const MAX_PATH_BYTES: usize = 900;

/// A directory of ours in the root of `fs` stages, where unfinished uploads grow. Never listed.
pub const UPLOAD_DIR: &str = ".stagewire-upload";

/// A named stage: the name and the database that it lives in. Both are case-sensitive.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StageName {
    /// The database.
    pub database: String,
    /// The stage.
    pub name: String,
}

impl StageName {
    /// A name whose parts are known to be valid, or will be looked up only.
    pub fn new(database: impl Into<String>, name: impl Into<String>) -> StageName {
        StageName { database: database.into(), name: name.into() }
    }

    /// Checks both parts. Needed before something of this name is made.
    pub fn check(&self) -> Result<()> {
        check_name("database", &self.database)?;
        check_name("stage", &self.name)
    }
}

impl fmt::Display for StageName {
    /// As people say it: without the database where it is the default one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.database == DEFAULT_DATABASE {
            f.write_str(&self.name)
        } else {
            write!(f, "{}.{}", self.database, self.name)
        }
    }
}

/// Whether a database, stage or table may have this name: as in MySQL, anything up to 64
/// characters that is not empty, has no NUL or other control character, and doesn't end in a space.
pub fn check_name(what: &'static str, name: &str) -> Result<()> {
    let bad = |why| Err(Error::BadName { what, name: name.to_owned(), why });
    if name.is_empty() {
        return bad("it is empty");
    }
    if name.chars().count() > MAX_NAME_CHARS || name.len() > MAX_NAME_BYTES {
        return Err(Error::NameTooLong { name: name.to_owned() });
    }
    if name.chars().any(char::is_control) {
        return bad("it has a control character in it");
    }
    if name.ends_with(char::is_whitespace) || name.starts_with(char::is_whitespace) {
        return bad("it begins or ends with a space");
    }
    if name == "~" || name.starts_with('%') {
        return bad("'~' is the user's stage and '%' starts a table's stage");
    }
    Ok(())
}

/// A path inside a stage, checked: no way leads from it out of the stage's root, and every storage
/// keeps it as it is. A trailing `/` is kept; empty means the root.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct StagePath(String);

impl StagePath {
    /// Checks a path.
    ///
    /// Refused: `.`, `..` and empty segments, a leading `/`, backslashes, NUL and other control
    /// characters, blanks before the first and behind any segment (OpenDAL would cut them off), our own
    /// [`UPLOAD_DIR`], and more than [`MAX_PATH_BYTES`].
    pub fn new(path: impl Into<String>) -> Result<StagePath> {
        let path = path.into();
        match fault(&path) {
            Some(why) => Err(Error::BadPath { path: printable(&path), why }),
            None => Ok(StagePath(path)),
        }
    }

    /// The root of the stage.
    pub fn root() -> StagePath {
        StagePath::default()
    }

    /// The path, without a leading `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// A file below this path taken as a directory, whether or not it ends in `/`.
    pub fn join(&self, file: &str) -> Result<StagePath> {
        let dir = self.0.trim_end_matches('/');
        StagePath::new(if dir.is_empty() { file.to_owned() } else { format!("{dir}/{file}") })
    }
}

impl fmt::Display for StagePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn fault(path: &str) -> Option<&'static str> {
    if path.is_empty() {
        return None;
    }
    if path.len() > MAX_PATH_BYTES {
        return Some("it is longer than 900 bytes");
    }
    if path.starts_with('/') {
        return Some("it begins with '/'");
    }
    if path.contains('\\') {
        return Some("it has a backslash in it");
    }
    if path.chars().any(char::is_control) {
        return Some("it has a control character in it");
    }
    if path.trim() != path {
        return Some("it begins or ends with a space");
    }
    let segments = path.strip_suffix('/').unwrap_or(path).split('/');
    for (index, segment) in segments.enumerate() {
        match segment {
            "" => return Some("it has an empty segment ('//')"),
            "." | ".." => return Some("'.' and '..' are not followed"),
            UPLOAD_DIR if index == 0 => return Some("the name is the server's own"),
            // OpenDAL's listing of directories cuts it off, and the file would not be found.
            _ if segment.ends_with(char::is_whitespace) => {
                return Some("a segment ends with a space");
            }
            _ if segment.len() > 255 => return Some("a segment is longer than 255 bytes"),
            _ => {}
        }
    }
    None
}

/// The path with its control characters escaped, for messages.
fn printable(path: &str) -> String {
    path.chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_leave_the_stage_are_refused() {
        for path in [
            "..",
            "../x",
            "a/../b",
            "a/..",
            ".",
            "./a",
            "a/./b",
            "a//b",
            "/a",
            "//",
            "/",
            "a\\b",
            "a\0b",
            "a\nb",
            " a",
            "a ",
            "a /b",
            ".stagewire-upload/x",
        ] {
            assert!(StagePath::new(path).is_err(), "{path:?}");
        }
    }

    #[test]
    fn ordinary_and_odd_names_are_kept() {
        for path in [
            "",
            "a",
            "a/",
            "a/b.csv",
            "été/ü x.csv",
            "#x",
            "a--b",
            "50%",
            "a+b",
            "a?b",
            "...",
            "..a",
            "a..",
            "a/.hidden",
            "a/.stagewire-upload",
            "a b/c d",
            "*.csv",
            "日本",
        ] {
            assert_eq!(StagePath::new(path).expect(path).as_str(), path);
        }
    }

    #[test]
    fn a_file_is_joined_to_a_directory_with_or_without_slash() {
        for dir in ["a/b", "a/b/"] {
            let dir = StagePath::new(dir).expect("valid");
            assert_eq!(dir.join("c").expect("valid").as_str(), "a/b/c");
        }
        assert_eq!(StagePath::root().join("c").expect("valid").as_str(), "c");
        assert!(StagePath::root().join("..").is_err());
    }

    #[test]
    fn names_follow_mysql() {
        for name in ["lake", "my stage", "été", "a.b", "1", &"x".repeat(64)] {
            assert!(check_name("stage", name).is_ok(), "{name:?}");
        }
        for name in ["", "a ", "a\0", "~", "%t", &"x".repeat(65)] {
            assert!(check_name("stage", name).is_err(), "{name:?}");
        }
    }
}
