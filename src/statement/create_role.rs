//! `CREATE ROLE` makes a role: privileges under one name, for many users.
//!
//! ```text
//! CREATE ROLE [IF NOT EXISTS] <role>
//!
//! > CREATE ROLE loaders
//! > CREATE ROLE loaders
//! ERROR 1396 (HY000): Role 'loaders' already exists
//! ```
//!
//! It needs the privilege `CREATE USER`.

use std::fmt;

use crate::access::people::ServerPrivilege;
use crate::error::{Error, Result};
use crate::rows::Outcome;
use crate::session::Session;
use crate::sql::cursor::Cursor;
use crate::sql::literal;
use crate::sql::user::role;
use crate::statement::Statement;

/// The words that it begins with.
pub const LEADS: &[&str] = &["CREATE ROLE"];

/// `CREATE ROLE`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateRole {
    /// Whether an existing one is no error.
    pub if_not_exists: bool,
    /// The name.
    pub name: String,
}

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect("CREATE")?;
    cursor.expect("ROLE")?;
    let if_not_exists = cursor.eat_all(&["IF", "NOT", "EXISTS"]);
    Ok(Statement::CreateRole(CreateRole { if_not_exists, name: role(cursor)? }))
}

impl CreateRole {
    /// Makes it.
    pub async fn execute(&self, session: &Session) -> Result<Outcome> {
        session.need(ServerPrivilege::CreateUser).await?;
        let name = &self.name;
        match session.instance.directory.create_role(name, &session.creator()).await? {
            true => Ok(Outcome::done()),
            false if self.if_not_exists => {
                Ok(Outcome::done_with(format!("Role '{name}' already exists")))
            }
            false => Err(Error::PrincipalExists { what: "Role", name: name.clone() }),
        }
    }
}

impl fmt::Display for CreateRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let if_not_exists = if self.if_not_exists { "IF NOT EXISTS " } else { "" };
        write!(f, "CREATE ROLE {if_not_exists}{}", literal::text(&self.name))
    }
}
