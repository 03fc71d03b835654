//! `SHOW DATABASES` lists the databases.
//!
//! ```text
//! SHOW { DATABASES | SCHEMAS } [LIKE '<pattern>' | WHERE <condition>]
//!
//! > SHOW DATABASES
//! Database
//! default
//! information_schema
//! mysql
//! performance_schema
//! ```

use std::fmt;

use crate::error::Result;
use crate::rows::{Column, Outcome, Type};
use crate::session::Session;
use crate::sql::cursor::Cursor;
use crate::statement::show_stages::{Filter, filtered};
use crate::statement::{Statement, tables};

/// The words that it begins with.
pub const LEADS: &[&str] = &["SHOW DATABASES", "SHOW SCHEMAS"];

/// MySQL's one column.
pub fn columns() -> Vec<Column> {
    vec![Column::new("Database", Type::Text)]
}

/// `SHOW DATABASES`
#[derive(Debug, Clone, PartialEq)]
pub struct ShowDatabases {
    /// Which.
    pub filter: Option<Filter>,
}

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.advance();
    cursor.advance();
    let filter = Filter::parse(cursor)?;
    cursor.expect_end(if filter.is_some() { "" } else { "LIKE, WHERE" })?;
    Ok(Statement::ShowDatabases(ShowDatabases { filter }))
}

impl ShowDatabases {
    /// Lists them.
    pub async fn execute(&self, session: &Session) -> Result<Outcome> {
        let mut names = session.instance.stages.databases().await?;
        names.extend(tables::schemas().map(str::to_owned));
        names.sort();
        names.dedup();
        let rows = names.into_iter().map(|name| vec![name.into()]).collect();
        let columns = columns();
        let rows = filtered(session, self.filter.as_ref(), &columns, rows)?;
        Ok(Outcome::rows(columns, rows))
    }
}

impl fmt::Display for ShowDatabases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SHOW DATABASES")?;
        match &self.filter {
            Some(filter) => write!(f, " {filter}"),
            None => Ok(()),
        }
    }
}
