//! `ALTER STAGE` changes what a stage is, or its name.
//!
//! ```text
//! ALTER STAGE [IF EXISTS] [<database>.]<name>
//!     { SET <clause> ... | UNSET { COMMENT | FILE_FORMAT } [, ...] | RENAME TO <new name> }
//!
//! > ALTER STAGE lake SET COMMENT='raw data'
//! > ALTER STAGE lake RENAME TO sea
//! > ALTER STAGE my_internal_stage SET URL='s3://bucket/'
//! ERROR 1235 (42000): URL of an internal stage is not supported. Hint: create an external stage ...
//! ```
//!
//! The clauses of `SET` are those of `CREATE STAGE`. If one of them says where the files are (`URL`,
//! `CREDENTIALS`, `CONNECTION`, `ENDPOINT`, `ENCRYPTION`), the place is described anew as a whole,
//! with the old URL where none is named: credentials never follow to another endpoint by accident.
//! An internal stage stays internal. Databend has no `RENAME`.

use crate::error::{Error, Result};
use crate::rows::Outcome;
use crate::session::Session;
use crate::sql::cursor::Cursor;
use crate::sql::name::QualifiedName;
use crate::sql::options::Secrets;
use crate::stage::Stages;
use crate::stage::definition::{Definition, Place};
use crate::statement::Statement;
use crate::statement::create_stage::Clauses;
use crate::statement::named_connections::Usable;
use crate::statement::named_formats::Bound;

/// The words that it begins with.
pub const LEADS: &[&str] = &["ALTER STAGE"];

/// `ALTER STAGE`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlterStage {
    /// Whether a missing stage is no error.
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
    Set(Clauses),
    /// `UNSET ...`
    Unset {
        /// Forget the comment.
        comment: bool,
        /// Forget the file format.
        file_format: bool,
    },
    /// `RENAME TO ...`
    Rename(QualifiedName),
}

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect("ALTER")?;
    cursor.expect("STAGE")?;
    let if_exists = cursor.eat_all(&["IF", "EXISTS"]);
    let name = QualifiedName::parse(cursor)?;
    let change = if cursor.eat("SET") {
        if cursor.at_end() {
            return Err(cursor.expected("a clause after SET, as in SET COMMENT='...'"));
        }
        Change::Set(Clauses::parse(cursor)?)
    } else if cursor.eat("UNSET") {
        parse_unset(cursor)?
    } else if cursor.eat("RENAME") {
        cursor.expect("TO")?;
        Change::Rename(QualifiedName::parse(cursor)?)
    } else {
        return Err(cursor.expected("SET, UNSET or RENAME TO"));
    };
    Ok(Statement::AlterStage(AlterStage { if_exists, name, change }))
}

fn parse_unset(cursor: &mut Cursor<'_>) -> Result<Change> {
    let (mut comment, mut file_format) = (false, false);
    loop {
        if cursor.sees("COMMENT") && !comment {
            comment = true;
        } else if cursor.sees("FILE_FORMAT") && !file_format {
            file_format = true;
        } else if cursor.sees("COMMENT") || cursor.sees("FILE_FORMAT") {
            return Err(cursor.expected_one_of(&["COMMENT", "FILE_FORMAT"]));
        } else {
            return Err(cursor.expected("COMMENT or FILE_FORMAT to UNSET"));
        }
        cursor.advance();
        if !cursor.eat_sign(",") {
            return Ok(Change::Unset { comment, file_format });
        }
    }
}

impl AlterStage {
    /// Changes it.
    pub async fn execute(&self, session: &mut Session) -> Result<Outcome> {
        let name = session.stage_name(&self.name)?;
        let changed = match &self.change {
            Change::Rename(to) => {
                let to = session.new_stage_name(to)?;
                to.check()?;
                session.rename_stage(&name, &to).await
            }
            Change::Set(clauses) => {
                let stages = session.instance.stages.clone();
                let parts = Parts {
                    format: clauses.file_format(session).await?,
                    connection: clauses.connection(session).await?,
                };
                let set = |definition: &mut Definition| set(definition, clauses, &parts, &stages);
                session.alter_stage(&name, &set).await
            }
            Change::Unset { comment, file_format } => {
                let unset = |definition: &mut Definition| {
                    if *comment {
                        definition.comment.clear();
                    }
                    if *file_format {
                        definition.file_format.clear();
                    }
                    Ok(())
                };
                session.alter_stage(&name, &unset).await
            }
        };
        match changed {
            Err(Error::UnknownStage { .. }) if self.if_exists => {
                Ok(Outcome::done_with(format!("Stage '{name}' doesn't exist")))
            }
            changed => changed.map(|()| Outcome::done()),
        }
    }

    /// As it can be written again, if `secrets` are exposed.
    pub fn print(&self, secrets: Secrets) -> String {
        let if_exists = if self.if_exists { "IF EXISTS " } else { "" };
        let change = match &self.change {
            Change::Set(clauses) => format!("SET{}", clauses.print(secrets)),
            Change::Unset { comment, file_format } => {
                let names = [(*comment, "COMMENT"), (*file_format, "FILE_FORMAT")];
                let names: Vec<&str> =
                    names.into_iter().filter(|(on, _)| *on).map(|(_, name)| name).collect();
                format!("UNSET {}", names.join(", "))
            }
            Change::Rename(to) => format!("RENAME TO {to}"),
        };
        format!("ALTER STAGE {if_exists}{} {change}", self.name)
    }
}

/// What the clauses name.
struct Parts {
    format: Bound,
    connection: Option<Usable>,
}

fn set(
    definition: &mut Definition,
    clauses: &Clauses,
    parts: &Parts,
    stages: &Stages,
) -> Result<()> {
    if clauses.names_a_place() {
        if definition.place == Place::Internal {
            return Err(Error::Unsupported {
                what: "URL or CONNECTION of an internal stage".to_owned(),
                hint: Some("create an external stage under another name".to_owned()),
            });
        }
        definition.place = clauses.place(Some(&definition.place), parts.connection.as_ref())?;
        if let Place::External(external) = &definition.place {
            stages
                .check_place(external, parts.connection.as_ref().map(|known| &known.connection))?;
        }
    }
    if clauses.file_format.is_some() {
        definition.file_format = parts.format.for_stage(definition.temporary)?;
    }
    if let Some(comment) = &clauses.comment {
        definition.comment.clone_from(comment);
    }
    Ok(())
}
