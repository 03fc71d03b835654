//! `REVOKE` takes what [`GRANT`](super::grant) gave. What was not there is no mistake.
//!
//! ```text
//! REVOKE <as in GRANT> FROM <grantee>
//!
//! > REVOKE WRITE ON STAGE lake FROM ROLE loaders
//! > REVOKE WRITE ON STAGE nowhere FROM bob
//! ERROR 1146 (42S02): Stage 'nowhere' doesn't exist. Hint: SHOW STAGES lists what exists
//! ```
//!
//! `ALL` and `OWNERSHIP` take every privilege on the stage. What somebody has by a role stays.

use std::fmt;

use crate::access::people::Grantee;
use crate::error::Result;
use crate::rows::Outcome;
use crate::session::Session;
use crate::sql::cursor::Cursor;
use crate::statement::Statement;
use crate::statement::grant::{Granted, parse_grantee, print_grantee};

/// The words that it begins with.
pub const LEADS: &[&str] = &["REVOKE"];

/// `REVOKE`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoke {
    /// What.
    pub granted: Granted,
    /// From whom.
    pub from: Grantee,
}

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect("REVOKE")?;
    let granted = Granted::parse(cursor)?;
    cursor.expect("FROM")?;
    Ok(Statement::Revoke(Revoke { granted, from: parse_grantee(cursor)? }))
}

impl Revoke {
    /// Revokes it.
    pub async fn execute(&self, session: &Session) -> Result<Outcome> {
        self.granted.change(session, &self.from, false).await?;
        Ok(Outcome::done())
    }
}

impl fmt::Display for Revoke {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "REVOKE {} FROM {}", self.granted, print_grantee(&self.from))
    }
}
