//! `DROP USER` forgets a user. Connections that are open stay, and may do nothing any more;
//! the files of the user's stage `@~` stay for whoever gets the name.
//!
//! ```text
//! DROP USER [IF EXISTS] <user>
//!
//! > DROP USER bob
//! > DROP USER bob
//! ERROR 1396 (HY000): User 'bob' doesn't exist
//! ```
//!
//! It needs the privilege `CREATE USER`, and `ADMIN` for who has that.

use std::fmt;

use crate::error::{Error, Result};
use crate::rows::Outcome;
use crate::session::Session;
use crate::sql::cursor::Cursor;
use crate::sql::literal;
use crate::sql::user::user;
use crate::statement::Statement;

/// The words that it begins with.
pub const LEADS: &[&str] = &["DROP USER"];

/// `DROP USER`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropUser {
    /// Whether a missing one is no error.
    pub if_exists: bool,
    /// The name.
    pub name: String,
}

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect("DROP")?;
    cursor.expect("USER")?;
    let if_exists = cursor.eat_all(&["IF", "EXISTS"]);
    Ok(Statement::DropUser(DropUser { if_exists, name: user(cursor)? }))
}

impl DropUser {
    /// Drops it.
    pub async fn execute(&self, session: &Session) -> Result<Outcome> {
        session.need_power_over(&self.name).await?;
        match session.instance.directory.drop_user(&self.name).await {
            Err(error @ Error::UnknownPrincipal { .. }) if self.if_exists => {
                Ok(Outcome::done_with(error.to_string()))
            }
            dropped => dropped.map(|()| Outcome::done()),
        }
    }
}

impl fmt::Display for DropUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let if_exists = if self.if_exists { "IF EXISTS " } else { "" };
        write!(f, "DROP USER {if_exists}{}", literal::text(&self.name))
    }
}
