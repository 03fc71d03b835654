//! `OPTIMIZE TABLE` tidies up the files of tables.
//!
//! ```text
//! OPTIMIZE [LOCAL | NO_WRITE_TO_BINLOG] TABLE <name> [, <name> ...]
//!
//! > OPTIMIZE TABLE sales
//! Table          Op        Msg_type  Msg_text
//! default.sales  optimize  note      7 small files are put together, 3 old files are gone
//! default.sales  optimize  status    OK
//! > OPTIMIZE TABLE nothing
//! ERROR 1146 (42S02): Table 'default.nothing' doesn't exist
//! ```
//!
//! Each statement that adds rows leaves a file: many small ones are read slowly, and are written together. Files whose
//! rows have changed or gone stay for a day (`query.removed_files_hours`), for who still reads them, and go then.
//! Queries and other statements go on meanwhile.
//!
//! It answers as MySQL does, and needs the same: `SELECT` and `INSERT` on the table. Unlike there, a table that is
//! not there is an error, before anything is done. What fails later is told in rows, and the next table comes.

use std::fmt;

use crate::access::people::StagePrivilege;
use crate::error::Result;
use crate::query::Tidied;
use crate::rows::{Column, Outcome, Type};
use crate::session::Session;
use crate::sql::cursor::Cursor;
use crate::sql::name::QualifiedName;
use crate::statement::{Statement, kept};

/// The words that it begins with.
pub const LEADS: &[&str] =
    &["OPTIMIZE TABLE", "OPTIMIZE LOCAL TABLE", "OPTIMIZE NO_WRITE_TO_BINLOG TABLE"];

/// MySQL's.
pub fn columns() -> Vec<Column> {
    vec![
        Column::new("Table", Type::Text),
        Column::new("Op", Type::Text),
        Column::new("Msg_type", Type::Text),
        Column::new("Msg_text", Type::Text),
    ]
}

/// `OPTIMIZE TABLE`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptimizeTable {
    /// Which.
    pub tables: Vec<QualifiedName>,
}

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect("OPTIMIZE")?;
    // There is no binary log.
    let _ = cursor.eat("LOCAL") || cursor.eat("NO_WRITE_TO_BINLOG");
    cursor.expect("TABLE")?;
    let mut tables = vec![QualifiedName::parse(cursor)?];
    while cursor.eat_sign(",") {
        tables.push(QualifiedName::parse(cursor)?);
    }
    Ok(Statement::OptimizeTable(OptimizeTable { tables }))
}

impl OptimizeTable {
    /// Tidies up, one table after the other.
    pub async fn execute(&self, session: &Session) -> Result<Outcome> {
        let mut tables = Vec::new();
        for name in &self.tables {
            kept::find(session, name, StagePrivilege::Read).await?;
            let (name, table) = kept::find(session, name, StagePrivilege::Write).await?;
            tables.push((kept::rows(session, &name, &table, "the_table")?, name));
        }
        let hours = session.instance.config.query.removed_files_hours;
        let mut rows = Vec::new();
        for (table, name) in tables {
            let mut row = |kind: &str, text: String| {
                rows.push(vec![
                    format!("{}.{}", name.database, name.name).into(),
                    "optimize".into(),
                    kind.into(),
                    text.into(),
                ]);
            };
            match session.instance.engine.tidy(table, hours).await {
                Ok(tidied) => {
                    if let Some(note) = note(&tidied) {
                        row("note", note);
                    }
                    row("status", "OK".to_owned());
                }
                Err(error) => {
                    row("Error", error.to_string());
                    row("status", "Operation failed".to_owned());
                }
            }
        }
        Ok(Outcome::rows(columns(), rows))
    }
}

fn note(tidied: &Tidied) -> Option<String> {
    let merged = match tidied.merged {
        0 => None,
        merged => Some(format!("{merged} small files are put together")),
    };
    let removed = match tidied.removed {
        0 => None,
        1 => Some("1 old file is gone".to_owned()),
        removed => Some(format!("{removed} old files are gone")),
    };
    let parts: Vec<String> = [merged, removed].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

impl fmt::Display for OptimizeTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tables: Vec<String> = self.tables.iter().map(ToString::to_string).collect();
        write!(f, "OPTIMIZE TABLE {}", tables.join(", "))
    }
}
