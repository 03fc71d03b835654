//! `SET PASSWORD` gives a user another password; without `FOR` it is one's own.
//!
//! ```text
//! SET PASSWORD [FOR <user>] = '<password>'
//!
//! > SET PASSWORD = 'new'
//! > SET PASSWORD FOR bob = ''
//! ERROR 1525 (HY000): Incorrect value '' for the password: expected at least one character
//! ```

use crate::config::Secret;
use crate::error::Result;
use crate::rows::Outcome;
use crate::session::Session;
use crate::sql::cursor::Cursor;
use crate::sql::literal;
use crate::sql::options::Secrets;
use crate::sql::user::user;
use crate::statement::Statement;
use crate::statement::alter_user::set_password;

/// The words that it begins with.
pub const LEADS: &[&str] = &["SET PASSWORD"];

/// `SET PASSWORD`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetPassword {
    /// Whose; `None` for one's own.
    pub user: Option<String>,
    /// The new one.
    pub password: Secret,
}

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect("SET")?;
    cursor.expect("PASSWORD")?;
    let user = if cursor.eat("FOR") { Some(user(cursor)?) } else { None };
    cursor.expect_sign("=")?;
    let password = Secret::new(cursor.text("a password in quotes")?);
    Ok(Statement::SetPassword(SetPassword { user, password }))
}

impl SetPassword {
    /// Changes it.
    pub async fn execute(&self, session: &Session) -> Result<Outcome> {
        let name = self.user.as_ref().unwrap_or(&session.peer.user.name);
        set_password(session, name, &self.password, None).await?;
        Ok(Outcome::done())
    }

    /// As it can be written again, if `secrets` are exposed.
    pub fn print(&self, secrets: Secrets) -> String {
        let user = self.user.as_ref().map(|name| format!(" FOR {}", literal::text(name)));
        let password = match secrets {
            Secrets::Expose => literal::text(self.password.expose_secret()),
            Secrets::Mask => "'****'".to_owned(),
        };
        format!("SET PASSWORD{} = {password}", user.unwrap_or_default())
    }
}
