//! `ALTER USER` gives a user another password, or other limits.
//!
//! ```text
//! ALTER USER [IF EXISTS] <user> [IDENTIFIED [WITH <method>] BY '<password>'] [WITH <limit> ...]
//!
//! > ALTER USER bob IDENTIFIED BY 'new'
//! > ALTER USER nobody IDENTIFIED BY 'new'
//! ERROR 1396 (HY000): User 'nobody' doesn't exist
//! ```
//!
//! Without `WITH` the method stays as it is. Connections that are open stay. It needs the privilege `CREATE USER`, but for one's own
//! password, and `ADMIN` for who has that. Limits of connections and statements are those of the log-in;
//! that of bytes is at once.

use crate::access::people::OwnLimits;
use crate::config::{Plugin, Secret};
use crate::error::{Error, Result};
use crate::rows::Outcome;
use crate::session::Session;
use crate::sql::cursor::Cursor;
use crate::sql::literal;
use crate::sql::options::Secrets;
use crate::sql::user::user;
use crate::statement::Statement;
use crate::statement::create_user::{
    Identified, Limit, check_password, parse_limits, print_limits,
};

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
    pub identified: Option<Identified>,
    /// What the user can take.
    pub limits: Vec<Limit>,
}

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect("ALTER")?;
    cursor.expect("USER")?;
    let if_exists = cursor.eat_all(&["IF", "EXISTS"]);
    let name = user(cursor)?;
    let identified = match cursor.sees("WITH") {
        true => None,
        false => Some(Identified::parse(cursor)?),
    };
    let limits = parse_limits(cursor)?;
    Ok(Statement::AlterUser(AlterUser { if_exists, name, identified, limits }))
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
        match self.change(session).await {
            Err(error @ Error::UnknownPrincipal { .. }) if self.if_exists => {
                Ok(Outcome::done_with(error.to_string()))
            }
            changed => changed.map(|()| Outcome::done()),
        }
    }

    async fn change(&self, session: &Session) -> Result<()> {
        // Both are allowed, or none is done.
        let user = match self.limits.is_empty() {
            true => None,
            false => {
                session.need_power_over(&self.name).await?;
                Some(session.instance.directory.identity(&self.name).await?)
            }
        };
        if let Some(Identified { with, by }) = &self.identified {
            set_password(session, &self.name, by, *with).await?;
        }
        let Some(user) = user else { return Ok(()) };
        let change =
            |limits: &mut OwnLimits| self.limits.iter().for_each(|limit| limit.apply(limits));
        session.instance.directory.set_limits(&user, &change).await
    }

    /// As it can be written again, if `secrets` are exposed.
    pub fn print(&self, secrets: Secrets) -> String {
        let if_exists = if self.if_exists { "IF EXISTS " } else { "" };
        let identified = self.identified.as_ref().map(|identified| identified.print(secrets));
        let (identified, limits) = (identified.unwrap_or_default(), print_limits(&self.limits));
        format!("ALTER USER {if_exists}{}{identified}{limits}", literal::text(&self.name))
    }
}
