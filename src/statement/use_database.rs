//! `USE` makes a database the one in which names without a database are looked up.
//!
//! ```text
//! USE <database>
//!
//! > USE sales
//! > USE slaes
//! ERROR 1049 (42000): Unknown database 'slaes'. Hint: SHOW DATABASES lists what exists
//! ```

use std::fmt;

use crate::error::Result;
use crate::rows::Outcome;
use crate::session::Session;
use crate::sql::cursor::Cursor;
use crate::sql::literal;
use crate::statement::Statement;

/// The words that it begins with.
pub const LEADS: &[&str] = &["USE"];

/// `USE`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UseDatabase {
    /// Which.
    pub name: String,
}

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.advance();
    Ok(Statement::UseDatabase(UseDatabase { name: cursor.name("a database name")? }))
}

impl UseDatabase {
    /// Goes there.
    pub async fn execute(&self, session: &mut Session) -> Result<Outcome> {
        session.use_database(&self.name).await?;
        Ok(Outcome::done())
    }
}

impl fmt::Display for UseDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "USE {}", literal::name(&self.name))
    }
}
