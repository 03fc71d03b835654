//! `SHOW CREATE STAGE` shows the statement that makes such a stage.
//!
//! ```text
//! SHOW CREATE STAGE [<database>.]<name>
//!
//! > SHOW CREATE STAGE lake
//! Stage  Create Stage
//! lake   CREATE STAGE lake URL = 's3://bucket/data/' CONNECTION = (SECRET_ACCESS_KEY = '****')
//! ```
//!
//! It can be run again once each `****` is replaced by the secret that stood there.

use std::fmt;

use crate::error::Result;
use crate::rows::{Column, Outcome, Type};
use crate::session::Session;
use crate::sql::cursor::Cursor;
use crate::sql::literal;
use crate::sql::name::QualifiedName;
use crate::stage::definition::{Definition, Place};
use crate::stage::place;
use crate::statement::Statement;

/// The words that it begins with.
pub const LEADS: &[&str] = &["SHOW CREATE STAGE"];

/// As `SHOW CREATE TABLE` has them.
pub fn columns() -> Vec<Column> {
    vec![Column::new("Stage", Type::Text), Column::new("Create Stage", Type::Text)]
}

/// `SHOW CREATE STAGE`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShowCreateStage {
    /// Which.
    pub name: QualifiedName,
}

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect("SHOW")?;
    cursor.expect("CREATE")?;
    cursor.expect("STAGE")?;
    Ok(Statement::ShowCreateStage(ShowCreateStage { name: QualifiedName::parse(cursor)? }))
}

impl ShowCreateStage {
    /// Shows it.
    pub async fn execute(&self, session: &Session) -> Result<Outcome> {
        let name = session.stage_name(&self.name)?;
        let definition = session.stage(&name).await?;
        let row = vec![definition.name.name.clone().into(), create_statement(&definition).into()];
        Ok(Outcome::rows(columns(), vec![row]))
    }
}

fn create_statement(definition: &Definition) -> String {
    let temporary = if definition.temporary { "TEMPORARY " } else { "" };
    let mut text = format!("CREATE {temporary}STAGE {}", literal::name(&definition.name.name));
    if let Place::External(external) = &definition.place {
        text.push_str(&format!(" URL = {}", literal::text(&external.url)));
        push_options(&mut text, "CONNECTION", place::shown_options(external));
    }
    let format = definition.file_format.iter().map(|(key, value)| (key.clone(), value.clone()));
    push_options(&mut text, "FILE_FORMAT", format.collect());
    if !definition.comment.is_empty() {
        text.push_str(&format!(" COMMENT = {}", literal::text(&definition.comment)));
    }
    text
}

fn push_options(text: &mut String, clause: &str, options: Vec<(String, String)>) {
    if options.is_empty() {
        return;
    }
    let options: Vec<String> = options.iter().map(|(key, value)| option(key, value)).collect();
    text.push_str(&format!(" {clause} = ({})", options.join(", ")));
}

/// An option as it can be written again.
pub fn option(key: &str, value: &str) -> String {
    // A list is kept in the form in which it is written.
    let is_list = key == "NULL_IF" && value.starts_with('(');
    let value = if is_list { value.to_owned() } else { literal::text(value) };
    format!("{} = {value}", literal::name(key))
}

impl fmt::Display for ShowCreateStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SHOW CREATE STAGE {}", self.name)
    }
}
