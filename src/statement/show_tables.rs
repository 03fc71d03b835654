//! `SHOW TABLES`: an empty set, for there are no tables. The command line clients ask on their own.
//!
//! ```text
//! > SHOW TABLES
//! Tables_in_default
//! ```

use std::fmt;

use crate::error::{Error, Result};
use crate::rows::{Column, Outcome, Type};
use crate::session::Session;
use crate::sql::literal;

/// `SHOW TABLES`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShowTables {
    /// Whether to show their types.
    pub full: bool,
    /// Of which database.
    pub database: Option<String>,
}

impl ShowTables {
    /// MySQL's columns, the first named after the database.
    pub fn columns(&self, session: &Session) -> Result<Vec<Column>> {
        let database = self.database(session)?;
        let mut columns = vec![Column::new(format!("Tables_in_{database}"), Type::Text)];
        if self.full {
            columns.push(Column::new("Table_type", Type::Text));
        }
        Ok(columns)
    }

    /// Shows none.
    pub async fn execute(&self, session: &Session) -> Result<Outcome> {
        let database = self.database(session)?;
        if !session.instance.stages.database_exists(database).await? {
            return Err(Error::UnknownDatabase { name: database.to_owned() });
        }
        Ok(Outcome::rows(self.columns(session)?, Vec::new()))
    }

    fn database<'a>(&'a self, session: &'a Session) -> Result<&'a str> {
        self.database.as_deref().or(session.database.as_deref()).ok_or(Error::NoDatabase)
    }
}

impl fmt::Display for ShowTables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let full = if self.full { "FULL " } else { "" };
        write!(f, "SHOW {full}TABLES")?;
        match &self.database {
            Some(database) => write!(f, " FROM {}", literal::name(database)),
            None => Ok(()),
        }
    }
}
