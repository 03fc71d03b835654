//! Text to statement. The only room that names `sqlparser`'s tokens; never touches a storage.

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
