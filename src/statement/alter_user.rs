//! `ALTER USER` gives a user another password.
//!
//! ```text
//! ALTER USER [IF EXISTS] <user> IDENTIFIED [WITH <method>] BY '<password>'
//!
//! > ALTER USER bob IDENTIFIED BY 'new'
//! > ALTER USER nobody IDENTIFIED BY 'new'
//! ERROR 1396 (HY000): User 'nobody' doesn't exist
//! ```
//!
//! Connections that are open stay. It needs the privilege `CREATE USER`, but for one's own
//! password, and `ADMIN` for the password of who has that.

use crate::config::Secret;
use crate::error::{Error, Result};
use crate::rows::Outcome;
use crate::session::Session;
use crate::sql::cursor::Cursor;
use crate::sql::literal;
use crate::sql::options::Secrets;
use crate::sql::user::user;
use crate::statement::Statement;
use crate::statement::create_user::{check_password, parse_password, print_password};

/// The words that it begins with.
pub const LEADS: &[&str] = &["ALTER USER"];

/// `ALTER USER`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlterUser {
    /// Whether a missing one is no error.
    pub if_exists: bool,
    /// The name.
    pub name: String,
    /// The new password.
    pub password: Secret,
}

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect("ALTER")?;
    cursor.expect("USER")?;
    let if_exists = cursor.eat_all(&["IF", "EXISTS"]);
    let name = user(cursor)?;
    let password = parse_password(cursor)?;
    Ok(Statement::AlterUser(AlterUser { if_exists, name, password }))
}

/// Gives a user another password: one's own, or anybody's with the privilege for it.
pub async fn set_password(session: &Session, name: &str, password: &Secret) -> Result<()> {
    let directory = &session.instance.directory;
    let user = if name == session.peer.user.name {
        session.peer.user.clone()
    } else {
        session.need_power_over(name).await?;
        directory.identity(name).await?
    };
    check_password(password)?;
    directory.set_password(&user, password).await
}

impl AlterUser {
    /// Changes it.
    pub async fn execute(&self, session: &Session) -> Result<Outcome> {
        match set_password(session, &self.name, &self.password).await {
            Err(error @ Error::UnknownPrincipal { .. }) if self.if_exists => {
                Ok(Outcome::done_with(error.to_string()))
            }
            changed => changed.map(|()| Outcome::done()),
        }
    }

    /// As it can be written again, if `secrets` are exposed.
    pub fn print(&self, secrets: Secrets) -> String {
        let if_exists = if self.if_exists { "IF EXISTS " } else { "" };
        let password = print_password(&self.password, secrets);
        format!("ALTER USER {if_exists}{}{password}", literal::text(&self.name))
    }
}
