//! `DESCRIBE STAGE` shows one stage, with the columns of `SHOW STAGES`.
//!
//! ```text
//! { DESC | DESCRIBE } STAGE [<database>.]<name>
//!
//! > DESC STAGE lake
//! > DESC STAGE lakee
//! ERROR 1146 (42S02): Stage 'lakee' doesn't exist. Hint: did you mean 'lake'?
//! ```
//!
//! Databend answers an unknown name with an empty set.

use std::fmt;

use crate::error::Result;
use crate::rows::Outcome;
use crate::session::Session;
use crate::sql::cursor::Cursor;
use crate::sql::name::QualifiedName;
use crate::statement::{Statement, show_stages};

/// The words that it begins with.
pub const LEADS: &[&str] = &["DESC STAGE", "DESCRIBE STAGE"];

/// `DESCRIBE STAGE`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribeStage {
    /// Which.
    pub name: QualifiedName,
}

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.advance();
    cursor.expect("STAGE")?;
    Ok(Statement::DescribeStage(DescribeStage { name: QualifiedName::parse(cursor)? }))
}

impl DescribeStage {
    /// Shows it.
    pub async fn execute(&self, session: &Session) -> Result<Outcome> {
        let name = session.stage_name(&self.name)?;
        let definition = session.stage(&name).await?;
        Ok(Outcome::rows(show_stages::columns(), vec![show_stages::row(&definition)]))
    }
}

impl fmt::Display for DescribeStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DESCRIBE STAGE {}", self.name)
    }
}
