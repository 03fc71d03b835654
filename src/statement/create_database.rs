//! `CREATE DATABASE` makes a namespace for stages.
//!
//! ```text
//! CREATE { DATABASE | SCHEMA } [IF NOT EXISTS] <name>
//!
//! > CREATE DATABASE sales
//! > CREATE DATABASE sales
//! ERROR 1007 (HY000): Can't create database 'sales'; database exists
//! ```

use std::fmt;

use crate::access::people::ServerPrivilege;
use crate::error::{Error, Result};
use crate::rows::Outcome;
use crate::session::Session;
use crate::sql::cursor::Cursor;
use crate::sql::literal;
use crate::stage::name::check_name;
use crate::statement::Statement;

/// The words that it begins with.
pub const LEADS: &[&str] = &["CREATE DATABASE", "CREATE SCHEMA"];

/// `CREATE DATABASE`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateDatabase {
    /// Whether an existing one is no error.
    pub if_not_exists: bool,
    /// Its name.
    pub name: String,
}

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.advance();
    cursor.advance();
    let if_not_exists = cursor.eat_all(&["IF", "NOT", "EXISTS"]);
    let name = cursor.name("a database name")?;
    Ok(Statement::CreateDatabase(CreateDatabase { if_not_exists, name }))
}

impl CreateDatabase {
    /// Creates it.
    pub async fn execute(&self, session: &Session) -> Result<Outcome> {
        session.need(ServerPrivilege::Admin).await?;
        check_name("database", &self.name)?;
        match session.instance.stages.create_database(&self.name, &session.creator()).await {
            Err(error @ (Error::DatabaseExists { .. } | Error::ProtectedDatabase { .. }))
                if self.if_not_exists =>
            {
                Ok(Outcome::done_with(error.to_string()))
            }
            created => created.map(|()| Outcome::affected(1)),
        }
    }
}

impl fmt::Display for CreateDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let if_not_exists = if self.if_not_exists { "IF NOT EXISTS " } else { "" };
        write!(f, "CREATE DATABASE {if_not_exists}{}", literal::name(&self.name))
    }
}
