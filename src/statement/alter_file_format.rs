//! `ALTER FILE FORMAT` changes a named file format, or its name.
//!
//! ```text
//! ALTER FILE FORMAT [IF EXISTS] [<database>.]<name>
//!     { SET <option> = <value> ... [COMMENT = '...'] | RENAME TO <new name> }
//!
//! > ALTER FILE FORMAT semicolons SET SKIP_HEADER = 1 PARSE_HEADER = FALSE
//! > ALTER FILE FORMAT semicolons RENAME TO semi
//! ERROR 1451 (23000): File format 'semicolons' is in use by stage 'lake'. Hint: ALTER STAGE ... SET ...
//! ```
//!
//! Options that are not named stay. A change holds for all stages that name the format, from their next query
//! on. A stage knows its format by name, so one that stages name keeps it.

use std::fmt;

use crate::error::{Error, ObjectKind, Result};
use crate::formats::{self, Format};
use crate::rows::Outcome;
use crate::session::Session;
use crate::sql::cursor::Cursor;
use crate::sql::name::QualifiedName;
use crate::sql::options::{Options, Secrets};
use crate::stage::name::StageName;
use crate::statement::create_file_format::comment;
use crate::statement::{Statement, file_format, named_formats};

/// The words that it begins with.
pub const LEADS: &[&str] = &["ALTER FILE FORMAT"];

/// `ALTER FILE FORMAT`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlterFileFormat {
    /// Whether a missing one is no error.
    pub if_exists: bool,
    /// Which.
    pub name: QualifiedName,
    /// What to do with it.
    pub change: Change,
}

/// What to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// `SET ...`
    Set(Options),
    /// `RENAME TO ...`
    Rename(QualifiedName),
}

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect("ALTER")?;
    cursor.expect("FILE")?;
    cursor.expect("FORMAT")?;
    let if_exists = cursor.eat_all(&["IF", "EXISTS"]);
    let name = QualifiedName::parse_of(cursor, "file format")?;
    let change = if cursor.eat("SET") {
        if cursor.at_end() {
            return Err(cursor.expected("an option after SET, as in SET SKIP_HEADER = 1"));
        }
        Change::Set(Options::parse_open(cursor, "ALTER FILE FORMAT")?)
    } else if cursor.eat("RENAME") {
        cursor.expect("TO")?;
        Change::Rename(QualifiedName::parse_of(cursor, "file format")?)
    } else {
        return Err(cursor.expected("SET or RENAME TO"));
    };
    Ok(Statement::AlterFileFormat(AlterFileFormat { if_exists, name, change }))
}

impl AlterFileFormat {
    /// Changes it.
    pub async fn execute(&self, session: &mut Session) -> Result<Outcome> {
        let name = session.stage_name(&self.name)?;
        let changed = match &self.change {
            Change::Set(options) => set(session, &name, options).await,
            Change::Rename(to) => rename(session, &name, to).await,
        };
        match changed {
            Err(Error::UnknownObject { kind: ObjectKind::FileFormat, .. }) if self.if_exists => {
                Ok(Outcome::done_with(format!("File format '{name}' doesn't exist")))
            }
            changed => changed.map(|()| Outcome::done()),
        }
    }
}

impl fmt::Display for AlterFileFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let if_exists = if self.if_exists { "IF EXISTS " } else { "" };
        write!(f, "ALTER FILE FORMAT {if_exists}{} ", self.name)?;
        match &self.change {
            Change::Set(options) => {
                write!(f, "SET{}", options.print_open(Secrets::Expose, &[]))
            }
            Change::Rename(to) => write!(f, "RENAME TO {to}"),
        }
    }
}

async fn set(session: &mut Session, name: &StageName, options: &Options) -> Result<()> {
    let mut options = options.clone();
    let comment = comment(&mut options)?;
    let options = file_format::check_changed(&options)?;
    let change = |format: &mut Format| {
        format.options.extend(options.clone());
        if let Some(comment) = &comment {
            format.comment.clone_from(comment);
        }
        Ok(())
    };
    if let Some(format) = session.formats.get_mut(name) {
        return change(format);
    }
    let may = named_formats::may_change(session, &name.database).await?;
    session.instance.formats.alter(name, &change, &may).await
}

async fn rename(session: &mut Session, name: &StageName, to: &QualifiedName) -> Result<()> {
    let to = session.new_stage_name(to)?;
    named_formats::check_name(&to)?;
    if let Some(format) = session.formats.get(name).cloned() {
        if session.formats.contains_key(&to) {
            return Err(formats::exists(&to));
        }
        session.formats.remove(name);
        session.formats.insert(to, format);
        return Ok(());
    }
    let may = named_formats::may_change(session, &name.database).await?;
    may(&named_formats::find_kept(session, name).await?)?;
    if to.database != name.database {
        named_formats::need_room_in(session, &to.database).await?;
    }
    named_formats::check_unused(session, name).await?;
    session.instance.formats.rename(name, &to, &may).await
}
