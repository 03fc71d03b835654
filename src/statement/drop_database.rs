//! `DROP DATABASE` forgets a database and all of its stages, as `DROP STAGE` does each of them.
//!
//! ```text
//! DROP { DATABASE | SCHEMA } [IF EXISTS] <name>
//!
//! > DROP DATABASE sales
//! > DROP DATABASE default
//! ERROR 3552 (HY000): Database 'default' can't be changed
//! ```
//!
//! The number of affected rows is that of the stages dropped.

use std::fmt;

use crate::access::people::ServerPrivilege;
use crate::error::{Error, Result};
use crate::rows::Outcome;
use crate::session::Session;
use crate::sql::cursor::Cursor;
use crate::sql::literal;
use crate::statement::Statement;

/// The words that it begins with.
pub const LEADS: &[&str] = &["DROP DATABASE", "DROP SCHEMA"];

/// `DROP DATABASE`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropDatabase {
    /// Whether a missing one is no error.
    pub if_exists: bool,
    /// Its name.
    pub name: String,
}

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.advance();
    cursor.advance();
    let if_exists = cursor.eat_all(&["IF", "EXISTS"]);
    Ok(Statement::DropDatabase(DropDatabase { if_exists, name: cursor.name("a database name")? }))
}

impl DropDatabase {
    /// Drops it.
    pub async fn execute(&self, session: &mut Session) -> Result<Outcome> {
        session.need(ServerPrivilege::Admin).await?;
        match session.instance.stages.drop_database(&self.name, &session.creator()).await {
            Ok(stages) => {
                session.database_dropped(&self.name).await;
                session.instance.directory.forget_database(&self.name).await?;
                for (name, table) in session.instance.schemas.forget_database(&self.name).await? {
                    session.instance.stages.discard_rows(table.id, &name).await;
                    session.instance.stages.discard_table_files(&self.name, &name).await;
                }
                session.instance.formats.forget_database(&self.name).await?;
                Ok(Outcome::affected(stages))
            }
            Err(error @ Error::UnknownDatabase { .. }) if self.if_exists => {
                Ok(Outcome::done_with(error.to_string()))
            }
            Err(Error::UnknownDatabase { name }) => Err(Error::CantDropDatabase { name }),
            Err(error) => Err(error),
        }
    }
}

impl fmt::Display for DropDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let if_exists = if self.if_exists { "IF EXISTS " } else { "" };
        write!(f, "DROP DATABASE {if_exists}{}", literal::name(&self.name))
    }
}
