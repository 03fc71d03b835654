//! `DROP FILE FORMAT` forgets a named file format.
//!
//! ```text
//! DROP FILE FORMAT [IF EXISTS] [<database>.]<name>
//!
//! > DROP FILE FORMAT semicolons
//! > DROP FILE FORMAT semicolons
//! ERROR 1305 (42000): File format 'semicolons' doesn't exist. Hint: SHOW FILE FORMATS lists what exists
//! ```
//!
//! One that stages name stays: they would not know any more what is in their files.

use std::fmt;

use crate::error::{Error, ObjectKind, Result};
use crate::rows::Outcome;
use crate::session::Session;
use crate::sql::cursor::Cursor;
use crate::sql::name::QualifiedName;
use crate::stage::name::StageName;
use crate::statement::{Statement, named_formats};

/// The words that it begins with.
pub const LEADS: &[&str] = &["DROP FILE FORMAT"];

/// `DROP FILE FORMAT`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropFileFormat {
    /// Whether a missing one is no error.
    pub if_exists: bool,
    /// Which.
    pub name: QualifiedName,
}

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect("DROP")?;
    cursor.expect("FILE")?;
    cursor.expect("FORMAT")?;
    let if_exists = cursor.eat_all(&["IF", "EXISTS"]);
    let name = QualifiedName::parse_of(cursor, "file format")?;
    Ok(Statement::DropFileFormat(DropFileFormat { if_exists, name }))
}

impl DropFileFormat {
    /// Drops it; a temporary one first.
    pub async fn execute(&self, session: &mut Session) -> Result<Outcome> {
        let name = session.stage_name(&self.name)?;
        if session.formats.remove(&name).is_some() {
            return Ok(Outcome::done());
        }
        match drop_kept(session, &name).await {
            Err(Error::UnknownObject { kind: ObjectKind::FileFormat, .. }) if self.if_exists => {
                Ok(Outcome::done_with(format!("File format '{name}' doesn't exist")))
            }
            dropped => dropped.map(|()| Outcome::done()),
        }
    }
}

async fn drop_kept(session: &Session, name: &StageName) -> Result<()> {
    let may = named_formats::may_change(session, &name.database).await?;
    may(&named_formats::find_kept(session, name).await?)?;
    named_formats::check_unused(session, name).await?;
    session.instance.formats.drop_format(name, &may).await
}

impl fmt::Display for DropFileFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let if_exists = if self.if_exists { "IF EXISTS " } else { "" };
        write!(f, "DROP FILE FORMAT {if_exists}{}", self.name)
    }
}
