//! `CREATE USER` makes a user who may log in, and nothing else yet.
//!
//! ```text
//! CREATE USER [IF NOT EXISTS] <user> IDENTIFIED [WITH <method>] BY '<password>'
//!
//! > CREATE USER bob IDENTIFIED BY 'secret'
//! > CREATE USER bob IDENTIFIED BY 'secret'
//! ERROR 1396 (HY000): User 'bob' already exists
//! ```
//!
//! Users are the same from every host. The method is `mysql_native_password`, which every client has, or
//! `caching_sha2_password`, of which only a salted hash is kept that is slow to guess at. Without `WITH` it
//! is `default_authentication_plugin` of the configuration. It needs the privilege `CREATE USER`.

use crate::access::people::ServerPrivilege;
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
}

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect("CREATE")?;
    cursor.expect("USER")?;
    let if_not_exists = cursor.eat_all(&["IF", "NOT", "EXISTS"]);
    let name = user(cursor)?;
    let identified = Identified::parse(cursor)?;
    Ok(Statement::CreateUser(CreateUser { if_not_exists, name, identified }))
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
        match instance.directory.create_user(name, &kept, &session.creator()).await? {
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
        format!("CREATE USER {if_not_exists}{}{identified}", literal::text(&self.name))
    }
}
