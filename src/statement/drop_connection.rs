//! `DROP CONNECTION` forgets a connection.
//!
//! ```text
//! DROP CONNECTION [IF EXISTS] <name>
//!
//! > DROP CONNECTION vault
//! ERROR 1451 (23000): Connection 'vault' is in use by stage 'lake'. Hint: ALTER STAGE ... SET gives a stage another one
//! ```
//!
//! It needs the connection's `OWNERSHIP`. One that stages refer to stays.

use std::fmt;

use uuid::Uuid;

use crate::access::people::StagePrivilege;
use crate::error::{Error, ObjectKind, Result};
use crate::rows::Outcome;
use crate::session::Session;
use crate::sql::cursor::Cursor;
use crate::sql::literal;
use crate::statement::create_connection::in_use;
use crate::statement::{Statement, named_connections};

/// The words that it begins with.
pub const LEADS: &[&str] = &["DROP CONNECTION"];

/// `DROP CONNECTION`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropConnection {
    /// Whether a missing one is no error.
    pub if_exists: bool,
    /// Which.
    pub name: String,
}

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect("DROP")?;
    cursor.expect("CONNECTION")?;
    let if_exists = cursor.eat_all(&["IF", "EXISTS"]);
    let name = cursor.name("a connection name")?;
    Ok(Statement::DropConnection(DropConnection { if_exists, name }))
}

impl DropConnection {
    /// Drops it.
    pub async fn execute(&self, session: &Session) -> Result<Outcome> {
        match self.drop(session).await {
            Err(Error::UnknownObject { kind: ObjectKind::Connection, .. }) if self.if_exists => {
                Ok(Outcome::done_with(format!("Connection '{}' doesn't exist", self.name)))
            }
            dropped => dropped.map(|()| Outcome::done()),
        }
    }

    async fn drop(&self, session: &Session) -> Result<()> {
        let (known, rights) = named_connections::known(session).await?;
        let owner = StagePrivilege::Ownership;
        let id = named_connections::id(session, &known, &rights, &self.name, owner)?;
        if let Some(stages) = named_connections::stages_of(session, id).await? {
            return Err(in_use(&self.name, stages));
        }
        let may = |newest: Uuid| match newest == id {
            true => Ok(()),
            false => Err(Error::Conflict { name: self.name.clone() }),
        };
        session.instance.stages.connections().drop_connection(&self.name, &may).await
    }
}

impl fmt::Display for DropConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let if_exists = if self.if_exists { "IF EXISTS " } else { "" };
        write!(f, "DROP CONNECTION {if_exists}{}", literal::name(&self.name))
    }
}
