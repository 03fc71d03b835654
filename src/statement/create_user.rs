//! `CREATE USER` makes a user who may log in, and nothing else yet.
//!
//! ```text
//! CREATE USER [IF NOT EXISTS] <user> IDENTIFIED [WITH <method>] BY '<password>' [WITH <limit> ...]
//!
//! limit: { MAX_USER_CONNECTIONS | MAX_USER_STATEMENTS | MAX_STAGE_BYTES } { <number> | DEFAULT }
//!
//! > CREATE USER bob IDENTIFIED BY 'secret'
//! > CREATE USER bob IDENTIFIED BY 'secret'
//! ERROR 1396 (HY000): User 'bob' already exists
//! ```
//!
//! Users are the same from every host. The method is `mysql_native_password`, which every client has, or
//! `caching_sha2_password`, of which only a salted hash is kept that is slow to guess at. Without `WITH` it
//! is `default_authentication_plugin` of the configuration. It needs the privilege `CREATE USER`.
//!
//! A limit of 0 is none; without one it is the configuration's (`[limits]`).

use std::fmt;

use crate::access::people::{OwnLimits, ServerPrivilege};
use crate::config::{Plugin, Secret};
use crate::error::{Error, Result};
use crate::rows::Outcome;
use crate::session::Session;
use crate::sql::cursor::Cursor;
use crate::sql::literal;
use crate::sql::options::Secrets;
use crate::sql::user::user;
use crate::statement::Statement;

/// The words that it begins with.
pub const LEADS: &[&str] = &["CREATE USER"];

/// `IDENTIFIED [WITH <method>] BY '<password>'`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identified {
    /// How the password is kept and proved; `None` for what is usual.
    pub with: Option<Plugin>,
    /// The password.
    pub by: Secret,
}

/// `CREATE USER`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateUser {
    /// Whether an existing one is no error.
    pub if_not_exists: bool,
    /// The name.
    pub name: String,
    /// The password.
    pub identified: Identified,
    /// What the user can take.
    pub limits: Vec<Limit>,
}

/// One of `WITH MAX_USER_CONNECTIONS 3 MAX_STAGE_BYTES DEFAULT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Of what.
    pub of: Limited,
    /// How much; 0 for no limit, `None` for the configuration's.
    pub most: Option<u64>,
}

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limited {
    /// Connections at a time.
    Connections,
    /// Statements at a time.
    Statements,
    /// Bytes of `@~` and of the internal stages that the user has made.
    StageBytes,
}

const LIMITS: &[(&str, Limited)] = &[
    ("MAX_USER_CONNECTIONS", Limited::Connections),
    ("MAX_USER_STATEMENTS", Limited::Statements),
    ("MAX_STAGE_BYTES", Limited::StageBytes),
];

/// MySQL's others.
const PER_HOUR: &[&str] =
    &["MAX_QUERIES_PER_HOUR", "MAX_UPDATES_PER_HOUR", "MAX_CONNECTIONS_PER_HOUR"];

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect("CREATE")?;
    cursor.expect("USER")?;
    let if_not_exists = cursor.eat_all(&["IF", "NOT", "EXISTS"]);
    let name = user(cursor)?;
    let identified = Identified::parse(cursor)?;
    let limits = parse_limits(cursor)?;
    Ok(Statement::CreateUser(CreateUser { if_not_exists, name, identified, limits }))
}

impl Identified {
    /// Reads it.
    pub fn parse(cursor: &mut Cursor<'_>) -> Result<Identified> {
        cursor.expect("IDENTIFIED")?;
        let with = if cursor.eat("WITH") { Some(method(cursor)?) } else { None };
        cursor.expect("BY")?;
        Ok(Identified { with, by: Secret::new(cursor.text("a password in quotes after BY")?) })
    }

    /// ` IDENTIFIED WITH ... BY '...'`, with the password if `secrets` are exposed.
    pub fn print(&self, secrets: Secrets) -> String {
        let text = match secrets {
            Secrets::Expose => literal::text(self.by.expose_secret()),
            Secrets::Mask => "'****'".to_owned(),
        };
        match self.with {
            Some(plugin) => format!(" IDENTIFIED WITH {} BY {text}", plugin.name()),
            None => format!(" IDENTIFIED BY {text}"),
        }
    }
}

/// `[WITH <limit> ...]`
pub fn parse_limits(cursor: &mut Cursor<'_>) -> Result<Vec<Limit>> {
    let mut limits = Vec::new();
    if !cursor.eat("WITH") {
        return Ok(limits);
    }
    while limits.is_empty() || !cursor.at_end() {
        limits.push(Limit::parse(cursor)?);
    }
    Ok(limits)
}

/// ` WITH ...`
pub fn print_limits(limits: &[Limit]) -> String {
    let limits: Vec<String> = limits.iter().map(ToString::to_string).collect();
    if limits.is_empty() { String::new() } else { format!(" WITH {}", limits.join(" ")) }
}

impl Limit {
    fn parse(cursor: &mut Cursor<'_>) -> Result<Limit> {
        if let Some(name) = PER_HOUR.iter().find(|name| cursor.sees(name)) {
            return Err(Error::Unsupported {
                what: (*name).to_owned(),
                hint: Some(
                    "limits are for what goes on at a time: MAX_USER_CONNECTIONS, \
                     MAX_USER_STATEMENTS, MAX_STAGE_BYTES"
                        .to_owned(),
                ),
            });
        }
        let Some((name, of)) = LIMITS.iter().find(|(name, _)| cursor.sees(name)) else {
            return Err(cursor.expected_one_of(&[
                "MAX_USER_CONNECTIONS",
                "MAX_USER_STATEMENTS",
                "MAX_STAGE_BYTES",
            ]));
        };
        cursor.advance();
        let most = match cursor.eat("DEFAULT") {
            true => None,
            false => Some(cursor.number(name, 0, u64::MAX)?),
        };
        Ok(Limit { of: *of, most })
    }

    /// Notes it.
    pub fn apply(self, limits: &mut OwnLimits) {
        match self.of {
            Limited::Connections => limits.connections = self.most,
            Limited::Statements => limits.statements = self.most,
            Limited::StageBytes => limits.stage_bytes = self.most,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.of {
            Limited::Connections => "MAX_USER_CONNECTIONS",
            Limited::Statements => "MAX_USER_STATEMENTS",
            Limited::StageBytes => "MAX_STAGE_BYTES",
        })?;
        match self.most {
            Some(most) => write!(f, " {most}"),
            None => f.write_str(" DEFAULT"),
        }
    }
}

fn method(cursor: &mut Cursor<'_>) -> Result<Plugin> {
    let known = Plugin::ALL.into_iter().find(|plugin| cursor.sees(plugin.name()));
    let Some(plugin) = known else {
        return Err(cursor.expected("mysql_native_password or caching_sha2_password"));
    };
    cursor.advance();
    Ok(plugin)
}

/// Whoever has no password is anybody.
pub fn check_password(password: &Secret) -> Result<()> {
    if !password.expose_secret().is_empty() {
        return Ok(());
    }
    Err(Error::BadValue {
        option: "the password".to_owned(),
        value: String::new(),
        expected: "at least one character".to_owned(),
    })
}

impl CreateUser {
    /// Makes the user.
    pub async fn execute(&self, session: &Session) -> Result<Outcome> {
        session.need(ServerPrivilege::CreateUser).await?;
        check_password(&self.identified.by)?;
        let (instance, name) = (&session.instance, &self.name);
        let plugin = self.identified.with.unwrap_or(instance.config.default_authentication_plugin);
        let kept = instance.users.keep(plugin, &self.identified.by).await?;
        let mut limits = OwnLimits::default();
        self.limits.iter().for_each(|limit| limit.apply(&mut limits));
        match instance.directory.create_user(name, &kept, limits, &session.creator()).await? {
            true => Ok(Outcome::done()),
            false if self.if_not_exists => {
                Ok(Outcome::done_with(format!("User '{name}' already exists")))
            }
            false => Err(Error::PrincipalExists { what: "User", name: name.clone() }),
        }
    }

    /// As it can be written again, if `secrets` are exposed.
    pub fn print(&self, secrets: Secrets) -> String {
        let if_not_exists = if self.if_not_exists { "IF NOT EXISTS " } else { "" };
        let identified = self.identified.print(secrets);
        let limits = print_limits(&self.limits);
        format!("CREATE USER {if_not_exists}{}{identified}{limits}", literal::text(&self.name))
    }
}
