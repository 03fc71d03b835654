//! What `sql_mode` changes in how a text is read.

/// The modes that a reader of SQL has to know. The default is that of a session that has set none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SqlMode {
    /// `ANSI_QUOTES`: double quotes hold a name, not a text.
    pub ansi_quotes: bool,
    /// `NO_BACKSLASH_ESCAPES`: a backslash is a character like any other.
    pub no_backslash_escapes: bool,
    /// `PIPES_AS_CONCAT`: `||` joins texts. Else it is `OR`.
    pub pipes_as_concat: bool,
}

impl SqlMode {
    /// Of the variable's value, where combined modes are spelled out.
    pub fn of(value: &str) -> SqlMode {
        let has = |wanted: &str| value.split(',').any(|mode| mode == wanted);
        SqlMode {
            ansi_quotes: has("ANSI_QUOTES"),
            no_backslash_escapes: has("NO_BACKSLASH_ESCAPES"),
            pipes_as_concat: has("PIPES_AS_CONCAT"),
        }
    }
}
