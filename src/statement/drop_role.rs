//! `DROP ROLE` forgets a role; nobody has it any more.
//!
//! ```text
//! DROP ROLE [IF EXISTS] <role>
//!
//! > DROP ROLE loaders
//! > DROP ROLE loaders
//! ERROR 1396 (HY000): Role 'loaders' doesn't exist
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
pub const LEADS: &[&str] = &["DROP ROLE"];

/// `DROP ROLE`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropRole {
    /// Whether a missing one is no error.
    pub if_exists: bool,
    /// The name.
    pub name: String,
}

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect("DROP")?;
    cursor.expect("ROLE")?;
    let if_exists = cursor.eat_all(&["IF", "EXISTS"]);
    Ok(Statement::DropRole(DropRole { if_exists, name: role(cursor)? }))
}

impl DropRole {
    /// Drops it.
    pub async fn execute(&self, session: &Session) -> Result<Outcome> {
        session.need(ServerPrivilege::CreateUser).await?;
        match session.instance.directory.drop_role(&self.name).await {
            Err(error @ Error::UnknownPrincipal { .. }) if self.if_exists => {
                Ok(Outcome::done_with(error.to_string()))
            }
            dropped => dropped.map(|()| Outcome::done()),
        }
    }
}

impl fmt::Display for DropRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let if_exists = if self.if_exists { "IF EXISTS " } else { "" };
        write!(f, "DROP ROLE {if_exists}{}", literal::text(&self.name))
    }
}
