//! `DROP STAGE` forgets a stage; the files of an internal one go with it.
//!
//! ```text
//! DROP STAGE [IF EXISTS] [<database>.]<name>
//!
//! > DROP STAGE lake
//! > DROP STAGE lake
//! ERROR 1146 (42S02): Stage 'lake' doesn't exist. Hint: SHOW STAGES lists what exists
//! ```
//!
//! The files of an external stage are never touched.

use std::fmt;

use crate::error::{Error, Result};
use crate::rows::Outcome;
use crate::session::Session;
use crate::sql::cursor::Cursor;
use crate::sql::name::QualifiedName;
use crate::statement::Statement;

/// The words that it begins with.
pub const LEADS: &[&str] = &["DROP STAGE"];

/// `DROP STAGE`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropStage {
    /// Whether a missing stage is no error.
    pub if_exists: bool,
    /// Which.
    pub name: QualifiedName,
}

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect("DROP")?;
    cursor.expect("STAGE")?;
    let if_exists = cursor.eat_all(&["IF", "EXISTS"]);
    Ok(Statement::DropStage(DropStage { if_exists, name: QualifiedName::parse(cursor)? }))
}

impl DropStage {
    /// Drops it.
    pub async fn execute(&self, session: &mut Session) -> Result<Outcome> {
        let name = session.stage_name(&self.name)?;
        match session.drop_stage(&name).await {
            Err(Error::UnknownStage { .. }) if self.if_exists => {
                Ok(Outcome::done_with(format!("Stage '{name}' doesn't exist")))
            }
            dropped => dropped.map(|()| Outcome::done()),
        }
    }
}

impl fmt::Display for DropStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let if_exists = if self.if_exists { "IF EXISTS " } else { "" };
        write!(f, "DROP STAGE {if_exists}{}", self.name)
    }
}
