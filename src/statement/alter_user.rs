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
//! Without `WITH` the method stays as it is. Connections that are open stay. It needs the privilege `CREATE USER`, but for one's own
//! password, and `ADMIN` for the password of who has that.

use crate::config::{Plugin, Secret};
use crate::error::{Error, Result};
use crate::rows::Outcome;
use crate::session::Session;
use crate::sql::cursor::Cursor;
use crate::sql::literal;
use crate::sql::options::Secrets;
use crate::sql::user::user;
use crate::statement::Statement;
use crate::statement::create_user::{Identified, check_password};

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
    pub identified: Identified,
}

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect("ALTER")?;
    cursor.expect("USER")?;
    let if_exists = cursor.eat_all(&["IF", "EXISTS"]);
    let name = user(cursor)?;
    let identified = Identified::parse(cursor)?;
    Ok(Statement::AlterUser(AlterUser { if_exists, name, identified }))
}

/// Gives a user another password: one's own, or anybody's with the privilege for it. It is proved as
/// the old one was, unless it is said how.
pub async fn set_password(
    session: &Session,
    name: &str,
    password: &Secret,
    with: Option<Plugin>,
) -> Result<()> {
    let directory = &session.instance.directory;
    let user = if name == session.peer.user.name {
        session.peer.user.clone()
    } else {
        session.need_power_over(name).await?;
        directory.identity(name).await?
    };
    check_password(password)?;
    let plugin = match with {
        Some(plugin) => plugin,
        None => directory.plugin(&user).await?.unwrap_or_default(),
    };
    let kept = session.instance.users.keep(plugin, password).await?;
    directory.set_password(&user, &kept).await
}

impl AlterUser {
    /// Changes it.
    pub async fn execute(&self, session: &Session) -> Result<Outcome> {
        match set_password(session, &self.name, &self.identified.by, self.identified.with).await {
            Err(error @ Error::UnknownPrincipal { .. }) if self.if_exists => {
                Ok(Outcome::done_with(error.to_string()))
            }
            changed => changed.map(|()| Outcome::done()),
        }
    }

    /// As it can be written again, if `secrets` are exposed.
    pub fn print(&self, secrets: Secrets) -> String {
        let if_exists = if self.if_exists { "IF EXISTS " } else { "" };
        let identified = self.identified.print(secrets);
        format!("ALTER USER {if_exists}{}{identified}", literal::text(&self.name))
    }
}
