//! `ALTER CONNECTION` changes a connection, such as its secret.
//!
//! ```text
//! ALTER CONNECTION [IF EXISTS] <name> SET <option> = '<value>' ... [COMMENT = '...']
//!
//! > ALTER CONNECTION vault SET ACCESS_KEY_ID = '...' SECRET_ACCESS_KEY = '...'
//! > ALTER CONNECTION vault SET ENDPOINT_URL = 'https://elsewhere.example'
//! ERROR 1525 (HY000): Incorrect value '****' for ENDPOINT_URL: expected SECRET_ACCESS_KEY beside it: a secret ...
//! ```
//!
//! Options that are not named stay. The next statement of each stage of the connection, on any server, has the
//! new ones. A secret does not follow to another endpoint unless it is said again: whoever may change a
//! connection would learn it so. The type of the storage stays; `CREATE OR REPLACE CONNECTION` describes it
//! anew. It needs the connection's `OWNERSHIP`.

use crate::access::people::StagePrivilege;
use crate::error::{Error, ObjectKind, Result};
use crate::rows::Outcome;
use crate::session::Session;
use crate::sql::cursor::Cursor;
use crate::sql::literal;
use crate::sql::options::{Options, Secrets};
use crate::stage::connection::Connection;
use crate::stage::place;
use crate::statement::create_connection::OPEN;
use crate::statement::create_file_format::comment;
use crate::statement::{Statement, named_connections};

/// The words that it begins with.
pub const LEADS: &[&str] = &["ALTER CONNECTION"];

/// `ALTER CONNECTION`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlterConnection {
    /// Whether a missing one is no error.
    pub if_exists: bool,
    /// Which.
    pub name: String,
    /// What to set; `COMMENT` may be among them.
    pub options: Options,
}

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect("ALTER")?;
    cursor.expect("CONNECTION")?;
    let if_exists = cursor.eat_all(&["IF", "EXISTS"]);
    let name = cursor.name("a connection name")?;
    cursor.expect("SET")?;
    if cursor.at_end() {
        return Err(cursor.expected("an option after SET, as in SET SECRET_ACCESS_KEY = '...'"));
    }
    let options = Options::parse_open(cursor, "ALTER CONNECTION")?;
    Ok(Statement::AlterConnection(AlterConnection { if_exists, name, options }))
}

impl AlterConnection {
    /// Changes it.
    pub async fn execute(&self, session: &Session) -> Result<Outcome> {
        match self.set(session).await {
            Err(Error::UnknownObject { kind: ObjectKind::Connection, .. }) if self.if_exists => {
                Ok(Outcome::done_with(format!("Connection '{}' doesn't exist", self.name)))
            }
            changed => changed.map(|()| Outcome::done()),
        }
    }

    async fn set(&self, session: &Session) -> Result<()> {
        let (known, rights) = named_connections::known(session).await?;
        let owner = StagePrivilege::Ownership;
        let id = named_connections::id(session, &known, &rights, &self.name, owner)?;
        let mut options = self.options.clone();
        let comment = comment(&mut options)?;
        let pairs = options.pairs();
        let stages = &session.instance.stages;
        let change = |connection: &mut Connection| {
            if connection.id != id {
                return Err(Error::Conflict { name: self.name.clone() });
            }
            connection.options = place::over_connection(connection, &pairs)?;
            stages.check_connection(connection)?;
            if let Some(comment) = &comment {
                connection.comment.clone_from(comment);
            }
            Ok(())
        };
        stages.connections().alter(&self.name, &change).await
    }

    /// As it can be written again, if `secrets` are exposed.
    pub fn print(&self, secrets: Secrets) -> String {
        let if_exists = if self.if_exists { "IF EXISTS " } else { "" };
        let (name, options) = (literal::name(&self.name), self.options.print_open(secrets, OPEN));
        format!("ALTER CONNECTION {if_exists}{name} SET{options}")
    }
}
