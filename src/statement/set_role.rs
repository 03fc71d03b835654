//! `SET ROLE`, `SET DEFAULT ROLE`: all roles of a user are in effect, always, so nothing is left to choose.
//!
//! ```text
//! SET ROLE { ALL [EXCEPT <role> [, ...]] | DEFAULT | NONE | <role> [, ...] }
//! SET DEFAULT ROLE { ALL | NONE | <role> [, ...] } TO <user> [, ...]
//!
//! > SET ROLE ALL
//! > SET ROLE NONE
//! ERROR 1235 (42000): A choice of roles is not supported. Hint: all roles of a user are always in effect ...
//! ```
//!
//! What connectors send is answered; who wants fewer privileges than he has is told that he has them.

use std::fmt;

use crate::error::{Error, Result};
use crate::rows::Outcome;
use crate::session::Session;
use crate::sql::cursor::Cursor;
use crate::sql::literal;
use crate::sql::user::user;
use crate::statement::Statement;

/// The words that it begins with.
pub const LEADS: &[&str] = &["SET ROLE", "SET DEFAULT ROLE"];

/// `SET ROLE`, `SET DEFAULT ROLE`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetRole {
    /// Which.
    pub roles: Roles,
    /// Whose they are from the log-in on; `None` for this connection's.
    pub to: Option<Vec<String>>,
}

/// Which roles are to be in effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Roles {
    /// All.
    All,
    /// Those that are in effect from the log-in on.
    Default,
    /// None.
    None,
    /// All but these.
    Except(Vec<String>),
    /// These.
    Named(Vec<String>),
}

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect("SET")?;
    let default = cursor.eat("DEFAULT");
    cursor.expect("ROLE")?;
    let roles = Roles::parse(cursor)?;
    let to = match default {
        true => {
            cursor.expect("TO")?;
            Some(users(cursor)?)
        }
        false => None,
    };
    Ok(Statement::SetRole(SetRole { roles, to }))
}

impl Roles {
    fn parse(cursor: &mut Cursor<'_>) -> Result<Roles> {
        Ok(if cursor.eat_all(&["ALL", "EXCEPT"]) {
            Roles::Except(users(cursor)?)
        } else if cursor.eat("ALL") {
            Roles::All
        } else if cursor.eat("DEFAULT") {
            Roles::Default
        } else if cursor.eat("NONE") {
            Roles::None
        } else {
            Roles::Named(users(cursor)?)
        })
    }
}

/// Roles may have a host, as users have.
fn users(cursor: &mut Cursor<'_>) -> Result<Vec<String>> {
    let mut names = vec![user(cursor)?];
    while cursor.eat_sign(",") {
        names.push(user(cursor)?);
    }
    Ok(names)
}

impl SetRole {
    /// Changes nothing.
    pub async fn execute(&self, session: &Session) -> Result<Outcome> {
        match self.roles {
            Roles::All | Roles::Default => {}
            Roles::None | Roles::Except(_) | Roles::Named(_) => {
                return Err(Error::Unsupported {
                    what: "A choice of roles".to_owned(),
                    hint: Some(
                        "all roles of a user are always in effect, as after SET ROLE ALL; \
                         REVOKE ROLE takes one away"
                            .to_owned(),
                    ),
                });
            }
        }
        for name in self.to.iter().flatten() {
            if *name != session.peer.user.name {
                session.need_power_over(name).await?;
            }
            session.instance.directory.identity(name).await?;
        }
        Ok(Outcome::done())
    }
}

impl fmt::Display for SetRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |names: &[String]| {
            names.iter().map(|name| literal::text(name)).collect::<Vec<_>>().join(", ")
        };
        f.write_str(if self.to.is_some() { "SET DEFAULT ROLE " } else { "SET ROLE " })?;
        match &self.roles {
            Roles::All => f.write_str("ALL")?,
            Roles::Default => f.write_str("DEFAULT")?,
            Roles::None => f.write_str("NONE")?,
            Roles::Except(roles) => write!(f, "ALL EXCEPT {}", names(roles))?,
            Roles::Named(roles) => f.write_str(&names(roles))?,
        }
        match &self.to {
            Some(users) => write!(f, " TO {}", names(users)),
            None => Ok(()),
        }
    }
}
