//! `DESCRIBE CONNECTION` shows one connection, with the columns of `SHOW CONNECTIONS`.
//!
//! ```text
//! { DESC | DESCRIBE } CONNECTION <name>
//!
//! > DESC CONNECTION vault
//! > DESC CONNECTION valt
//! ERROR 1477 (HY000): Connection 'valt' doesn't exist. Hint: did you mean 'vault'?
//! ```

use std::fmt;

use crate::access::people::StagePrivilege;
use crate::error::Result;
use crate::rows::Outcome;
use crate::session::Session;
use crate::sql::cursor::Cursor;
use crate::sql::literal;
use crate::statement::{Statement, named_connections, show_connections};

/// The words that it begins with.
pub const LEADS: &[&str] = &["DESC CONNECTION", "DESCRIBE CONNECTION"];

/// `DESCRIBE CONNECTION`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribeConnection {
    /// Which.
    pub name: String,
}

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.advance();
    cursor.expect("CONNECTION")?;
    let name = cursor.name("a connection name")?;
    Ok(Statement::DescribeConnection(DescribeConnection { name }))
}

impl DescribeConnection {
    /// Shows it.
    pub async fn execute(&self, session: &Session) -> Result<Outcome> {
        let connection =
            named_connections::find(session, &self.name, StagePrivilege::Usage).await?;
        let row = show_connections::row(&connection);
        Ok(Outcome::rows(show_connections::columns(), vec![row]))
    }
}

impl fmt::Display for DescribeConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DESCRIBE CONNECTION {}", literal::name(&self.name))
    }
}
