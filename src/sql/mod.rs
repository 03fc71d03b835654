//! Text to tokens to nouns. The only room that names `sqlparser`'s tokens; never touches a storage
//! and knows no statement.
//!
//! - [`scan`]: one pass over the characters: cuts the first statement off, finds its leading words,
//!   masks stage locations and `file://` URIs so that no `#`, `--` or `/*` in them is a comment.
//! - [`dialect`]: MySQL's dialect, as a type of our own.
//! - [`cursor`]: the tokens with what a statement's parser asks of them, and the errors.
//! - [`location`] reads `@stage/path`.
//! - [`name`] reads `db.stage`.
//! - [`options`]: `(KEY = 'value' ...)`.
//! - [`date_format`]: the letters of `DATE_FORMAT`.
//! - [`literal`]: how names and texts are written.
//! - [`mode`]: what `sql_mode` changes in all of this.

pub mod cursor;
pub mod date_format;
pub mod dialect;
mod from;
pub mod literal;
pub mod location;
pub mod mode;
pub mod name;
pub mod options;
pub mod scan;
pub mod user;

/// A place in a text. Lines and columns count from 1; columns and lengths are characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
    /// How many characters, on that line.
    pub length: usize,
}
