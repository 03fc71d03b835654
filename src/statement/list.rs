//! `LIST` shows the files at a location.
//!
//! ```text
//! { LIST | LS | SHOW FILES IN STAGE } <location> [PATTERN = '<regex>']
//!
//! > LIST @lake/2024/ PATTERN='.*[.]csv'
//! name        size  md5                               last_modified            creator
//! 2024/a.csv  16    52c8bf25369fd75db75f482465a97cc0  2026-11-24 05:40:44.123  NULL
//! > LIST lake
//! ERROR 1064 (42000): Expected a stage location after LIST, found 'lake' at line 1, column 6
//! ```
//!
//! The location's path is a prefix: `@lake/ab` shows `ab.csv` and `ab/cd.csv`. Names are relative to
//! the stage's root, in byte order, directories are not shown, and nothing is an empty set. The
//! pattern must match the whole name as it is shown. `SHOW FILES IN STAGE` is the same for drivers
//! that give rows for `SHOW` and `SELECT` only.
//!
//! Unlike Databend's, `md5` is what `md5sum` gives for the file as it is stored, or `NULL` where nobody knows,
//! never an ETag in quotes, and `last_modified` is a
//! `DATETIME(3)` in UTC, not a text. Unlike Snowflake's, names do not begin with the stage's.

use std::fmt;

use futures::stream::StreamExt;

use crate::access::people::StagePrivilege;
use crate::error::Result;
use crate::rows::{Column, Outcome, Row, Type, Value};
use crate::session::Session;
use crate::sql::cursor::Cursor;
use crate::sql::literal;
use crate::sql::location::Location;
use crate::stage::files::Entry;
use crate::stage::pattern::Pattern;
use crate::statement::Statement;

/// The words that it begins with.
pub const LEADS: &[&str] = &["LIST", "LS", "SHOW FILES IN STAGE"];

/// Databend's five columns.
pub fn columns() -> Vec<Column> {
    vec![
        Column::new("name", Type::Text),
        Column::new("size", Type::UInt),
        Column::nullable("md5", Type::Text),
        Column::nullable("last_modified", Type::MOMENT),
        Column::nullable("creator", Type::Text),
    ]
}

/// `LIST`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// Where.
    pub location: Location,
    /// Which, as a regular expression over the whole name.
    pub pattern: Option<String>,
}

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let after = if cursor.eat_all(&["SHOW", "FILES", "IN", "STAGE"]) {
        "SHOW FILES IN STAGE"
    } else {
        cursor.advance();
        "LIST"
    };
    let location = cursor.location(after)?;
    let mut pattern = None;
    while !cursor.at_end() {
        if cursor.sees("PATTERN") && pattern.is_none() {
            pattern = Some(parse_pattern(cursor)?);
        } else {
            return Err(cursor.expected_one_of(&["PATTERN"]));
        }
    }
    Ok(Statement::List(List { location, pattern }))
}

/// `PATTERN = '...'`, shared with `REMOVE`.
pub fn parse_pattern(cursor: &mut Cursor<'_>) -> Result<String> {
    cursor.expect("PATTERN")?;
    cursor.eat_sign("=");
    cursor.text("a regular expression in quotes after PATTERN")
}

impl List {
    /// Lists, page by page.
    pub async fn execute(&self, session: &Session) -> Result<Outcome> {
        let pattern = self.pattern.as_deref().map(Pattern::new).transpose()?;
        let files = session.files_at(&self.location.area, StagePrivilege::Read).await?;
        let rows = files
            .list(&self.location.path)
            .filter_map(move |entry| {
                let keep = match (&entry, &pattern) {
                    (Ok(entry), Some(pattern)) => pattern.matches(&entry.path),
                    (Ok(_), None) | (Err(_), _) => true,
                };
                std::future::ready(keep.then(|| entry.map(row)))
            })
            .boxed();
        Ok(Outcome::Rows { columns: columns(), rows })
    }
}

/// One file as a row.
pub fn row(entry: Entry) -> Row {
    vec![
        Value::Text(entry.path),
        Value::UInt(entry.size),
        entry.md5.into(),
        entry.last_modified.map_or(Value::Null, Value::moment),
        Value::Null,
    ]
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LIST {}", self.location)?;
        match &self.pattern {
            Some(pattern) => write!(f, " PATTERN = {}", literal::text(pattern)),
            None => Ok(()),
        }
    }
}
