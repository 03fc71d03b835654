//! `KILL` ends a statement or a connection.
//!
//! ```text
//! KILL [CONNECTION | QUERY] <number>
//!
//! > KILL QUERY 7
//! > KILL 8
//! ERROR 1094 (HY000): Unknown thread id: 8. Hint: SHOW PROCESSLIST lists what exists
//! ```
//!
//! A statement that is killed ends with error 1317, behind what its client is sending: an upload leaves
//! nothing. A connection ends at once; a client that waits for an answer gets error 1927.

use std::fmt;

use sqlparser::ast::Expr;

use crate::error::{Error, Result};
use crate::rows::{Outcome, Value};
use crate::session::Session;
use crate::sql::cursor::Cursor;
use crate::sql::scan::Scan;
use crate::statement::Statement;
use crate::statement::expression::{Names, evaluate};

/// `KILL`
#[derive(Debug, Clone, PartialEq)]
pub struct Kill {
    /// Which connection.
    pub id: Expr,
    /// Only the statement that runs in it.
    pub query: bool,
}

/// Reads it.
pub fn parse(scan: &Scan<'_>) -> Result<Statement> {
    let mut cursor = Cursor::from_scan(scan.statement, scan)?;
    cursor.expect("KILL")?;
    let query = cursor.eat("QUERY");
    if !query {
        let _ = cursor.eat("CONNECTION");
    }
    let id = cursor.expression()?;
    cursor.expect_end("")?;
    Ok(Statement::Kill(Box::new(Kill { id, query })))
}

impl Kill {
    /// Ends it.
    pub async fn execute(&self, session: &Session) -> Result<Outcome> {
        let value = evaluate(&self.id, Names::of(session))?;
        let id = match value {
            Value::Int(id) => u64::try_from(id).unwrap_or(u64::MAX),
            Value::UInt(id) => id,
            Value::Text(ref text) => text.parse().unwrap_or(0),
            Value::Null
            | Value::Float(_)
            | Value::Double(_)
            | Value::Decimal(_)
            | Value::Bytes(_)
            | Value::Date(_)
            | Value::DateTime(_)
            | Value::Time(_) => {
                return Err(Error::BadValue {
                    option: "KILL".to_owned(),
                    value: value.to_string(),
                    expected: "the number of a connection".to_owned(),
                });
            }
        };
        session.kill(id, self.query).await?;
        Ok(Outcome::done())
    }
}

impl fmt::Display for Kill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KILL {}{}", if self.query { "QUERY " } else { "" }, self.id)
    }
}
