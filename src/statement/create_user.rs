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
//! Users are the same from every host. Every method works with every password; what `WITH` names is
//! not kept. It needs the privilege `CREATE USER`.

use crate::access::people::ServerPrivilege;
use crate::config::Secret;
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

/// Ways to prove a password; which of them is up to the client.
const METHODS: &[&str] = &["MYSQL_NATIVE_PASSWORD", "CACHING_SHA2_PASSWORD"];

/// `CREATE USER`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateUser {
    /// Whether an existing one is no error.
    pub if_not_exists: bool,
    /// The name.
    pub name: String,
    /// The password.
    pub password: Secret,
}

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect("CREATE")?;
    cursor.expect("USER")?;
    let if_not_exists = cursor.eat_all(&["IF", "NOT", "EXISTS"]);
    let name = user(cursor)?;
    let password = parse_password(cursor)?;
    Ok(Statement::CreateUser(CreateUser { if_not_exists, name, password }))
}

/// `IDENTIFIED [WITH <method>] BY '<password>'`
pub fn parse_password(cursor: &mut Cursor<'_>) -> Result<Secret> {
    cursor.expect("IDENTIFIED")?;
    if cursor.eat("WITH") {
        let known = METHODS.iter().any(|method| cursor.eat(method));
        if !known {
            return Err(cursor.expected("mysql_native_password or caching_sha2_password"));
        }
    }
    cursor.expect("BY")?;
    Ok(Secret::new(cursor.text("a password in quotes after BY")?))
}

/// ` IDENTIFIED BY '...'`, with the password if `secrets` are exposed.
pub fn print_password(password: &Secret, secrets: Secrets) -> String {
    let text = match secrets {
        Secrets::Expose => literal::text(password.expose_secret()),
        Secrets::Mask => "'****'".to_owned(),
    };
    format!(" IDENTIFIED BY {text}")
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
        check_password(&self.password)?;
        let (directory, name) = (&session.instance.directory, &self.name);
        match directory.create_user(name, &self.password, &session.creator()).await? {
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
        let password = print_password(&self.password, secrets);
        format!("CREATE USER {if_not_exists}{}{password}", literal::text(&self.name))
    }
}
