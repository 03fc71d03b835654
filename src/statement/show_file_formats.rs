//! `SHOW FILE FORMATS` lists the named file formats of all databases, or of one.
//!
//! ```text
//! SHOW FILE FORMATS [{ IN | FROM } <database>] [LIKE '<pattern>' | WHERE <condition>]
//! SHOW FILE FORMATS LIKE '<pattern>' { IN | FROM } <database>
//!
//! > SHOW FILE FORMATS LIKE 's%' IN sales
//! > SHOW FILE FORMATS WHERE type = 'CSV'
//! > SHOW FILE FORMATS IN slaes
//! ERROR 1049 (42000): Unknown database 'slaes'. Hint: SHOW DATABASES lists what exists
//! ```
//!
//! Databend has the first columns, Snowflake the others under other names.

use std::fmt;

use crate::error::Result;
use crate::rows::{Column, Outcome, Row, Type, Value};
use crate::session::Session;
use crate::sql::cursor::Cursor;
use crate::sql::literal;
use crate::statement::named_formats::Seen;
use crate::statement::show_stages::{Filter, filtered, json};
use crate::statement::{Statement, named_formats};

/// The words that it begins with.
pub const LEADS: &[&str] = &["SHOW FILE FORMATS"];

/// What is shown of a format.
pub fn columns() -> Vec<Column> {
    vec![
        Column::new("name", Type::Text),
        Column::new("database", Type::Text),
        Column::new("type", Type::Text),
        Column::new("format_options", Type::Text),
        Column::new("is_temporary", Type::Text),
        Column::new("creator", Type::Text),
        Column::new("created_on", Type::MOMENT),
        Column::new("comment", Type::Text),
    ]
}

/// `SHOW FILE FORMATS`
#[derive(Debug, Clone, PartialEq)]
pub struct ShowFileFormats {
    /// Of which database.
    pub database: Option<String>,
    /// Which.
    pub filter: Option<Filter>,
}

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect("SHOW")?;
    cursor.expect("FILE")?;
    cursor.expect("FORMATS")?;
    let mut database = parse_database(cursor)?;
    let filter = Filter::parse(cursor)?;
    if let (None, Some(Filter::Like(_))) = (&database, &filter) {
        database = parse_database(cursor)?;
    }
    cursor.expect_end(match (&database, &filter) {
        (None, None) => "IN, LIKE, WHERE",
        (None, Some(_)) => "IN",
        (Some(_), None) => "LIKE, WHERE",
        (Some(_), Some(_)) => "",
    })?;
    Ok(Statement::ShowFileFormats(ShowFileFormats { database, filter }))
}

fn parse_database(cursor: &mut Cursor<'_>) -> Result<Option<String>> {
    match cursor.eat("IN") || cursor.eat("FROM") {
        true => cursor.name("a database").map(Some),
        false => Ok(None),
    }
}

impl ShowFileFormats {
    /// Lists them.
    pub async fn execute(&self, session: &Session) -> Result<Outcome> {
        let all = named_formats::all(session, self.database.as_deref()).await?;
        let rows = all.iter().map(row).collect();
        let columns = columns();
        let rows = filtered(session, self.filter.as_ref(), &columns, rows)?;
        Ok(Outcome::rows(columns, rows))
    }
}

/// One format as a row.
pub fn row(seen: &Seen) -> Row {
    let options = seen.format.options.iter().map(|(key, value)| (key.clone(), value.clone()));
    vec![
        seen.name.name.clone().into(),
        seen.name.database.clone().into(),
        seen.format.kind().into(),
        json(options).into(),
        if seen.temporary { "YES" } else { "NO" }.into(),
        seen.format.creator.clone().into(),
        Value::moment(seen.format.created_at),
        seen.format.comment.clone().into(),
    ]
}

impl fmt::Display for ShowFileFormats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SHOW FILE FORMATS")?;
        if let Some(database) = &self.database {
            write!(f, " IN {}", literal::name(database))?;
        }
        match &self.filter {
            Some(filter) => write!(f, " {filter}"),
            None => Ok(()),
        }
    }
}
