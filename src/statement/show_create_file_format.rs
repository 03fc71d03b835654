//! `SHOW CREATE FILE FORMAT` shows the statement that makes such a named file format.
//!
//! ```text
//! SHOW CREATE FILE FORMAT [<database>.]<name>
//!
//! > SHOW CREATE FILE FORMAT semicolons
//! File Format  Create File Format
//! semicolons   CREATE FILE FORMAT semicolons FIELD_DELIMITER = ';' TYPE = 'CSV'
//! > SHOW CREATE FILE FORMAT semicolon
//! ERROR 1305 (42000): File format 'semicolon' doesn't exist. Hint: did you mean 'semicolons'?
//! ```

use std::fmt;

use crate::error::Result;
use crate::rows::{Column, Outcome, Type};
use crate::session::Session;
use crate::sql::cursor::Cursor;
use crate::sql::literal;
use crate::sql::name::QualifiedName;
use crate::statement::named_formats::Seen;
use crate::statement::{Statement, named_formats, show_create_stage};

/// The words that it begins with.
pub const LEADS: &[&str] = &["SHOW CREATE FILE FORMAT"];

/// As `SHOW CREATE TABLE` has them.
pub fn columns() -> Vec<Column> {
    vec![Column::new("File Format", Type::Text), Column::new("Create File Format", Type::Text)]
}

/// `SHOW CREATE FILE FORMAT`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShowCreateFileFormat {
    /// Which.
    pub name: QualifiedName,
}

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect("SHOW")?;
    cursor.expect("CREATE")?;
    cursor.expect("FILE")?;
    cursor.expect("FORMAT")?;
    let name = QualifiedName::parse_of(cursor, "file format")?;
    Ok(Statement::ShowCreateFileFormat(ShowCreateFileFormat { name }))
}

impl ShowCreateFileFormat {
    /// Shows it.
    pub async fn execute(&self, session: &Session) -> Result<Outcome> {
        let seen = named_formats::find(session, &self.name).await?;
        let row = vec![seen.name.name.clone().into(), create_statement(&seen).into()];
        Ok(Outcome::rows(columns(), vec![row]))
    }
}

fn create_statement(seen: &Seen) -> String {
    let temporary = if seen.temporary { "TEMPORARY " } else { "" };
    let mut text = format!("CREATE {temporary}FILE FORMAT {}", literal::name(&seen.name.name));
    for (key, value) in &seen.format.options {
        text.push(' ');
        text.push_str(&show_create_stage::option(key, value));
    }
    if !seen.format.comment.is_empty() {
        text.push_str(&format!(" COMMENT = {}", literal::text(&seen.format.comment)));
    }
    text
}

impl fmt::Display for ShowCreateFileFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SHOW CREATE FILE FORMAT {}", self.name)
    }
}
