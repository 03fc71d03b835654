//! `SHOW STAGES` lists the stages of all databases, or of one.
//!
//! ```text
//! SHOW STAGES [{ IN | FROM } <database>] [LIKE '<pattern>' | WHERE <condition>]
//!
//! > SHOW STAGES LIKE 'l%'
//! > SHOW STAGES WHERE stage_type = 'External'
//! > SHOW STAGES LIKE lake
//! ERROR 1064 (42000): Expected a pattern in quotes after LIKE, found 'lake' at line 1, column 18
//! ```
//!
//! Secrets are shown as `****`. A stage whose description in the catalog is damaged is shown as such
//! and does not hide the others. The columns are Databend's, with the database.

use std::fmt;

use serde_json::{Map, Value as Json};

use crate::error::Result;
use crate::rows::{Column, Outcome, Row, Type, Value};
use crate::session::Session;
use crate::sql::cursor::Cursor;
use crate::sql::literal;
use crate::stage::definition::{Definition, Place};
use crate::stage::name::StageName;
use crate::stage::{Listed, place};
use crate::statement::Statement;
use crate::statement::expression::{self, Condition};

/// The words that it begins with.
pub const LEADS: &[&str] = &["SHOW STAGES"];

/// What is shown of a stage.
pub fn columns() -> Vec<Column> {
    vec![
        Column::new("name", Type::Text),
        Column::new("database", Type::Text),
        Column::new("stage_type", Type::Text),
        Column::nullable("storage_type", Type::Text),
        Column::nullable("url", Type::Text),
        Column::nullable("endpoint", Type::Text),
        Column::new("has_credentials", Type::Text),
        Column::nullable("storage_params", Type::Text),
        Column::new("file_format_options", Type::Text),
        Column::nullable("creator", Type::Text),
        Column::nullable("created_on", Type::MOMENT),
        Column::new("comment", Type::Text),
    ]
}

/// `SHOW STAGES`
#[derive(Debug, Clone, PartialEq)]
pub struct ShowStages {
    /// Of which database.
    pub database: Option<String>,
    /// Which.
    pub filter: Option<Filter>,
}

/// Which rows of a `SHOW` are wanted.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// `LIKE '...'`, over the first column.
    Like(String),
    /// `WHERE ...`
    Where(Condition),
}

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect("SHOW")?;
    cursor.expect("STAGES")?;
    let database = if cursor.eat("IN") || cursor.eat("FROM") {
        Some(cursor.name("a database")?)
    } else {
        None
    };
    let filter = Filter::parse(cursor)?;
    cursor.expect_end(match (&database, &filter) {
        (None, None) => "IN, LIKE, WHERE",
        (Some(_), None) => "LIKE, WHERE",
        (_, Some(_)) => "",
    })?;
    Ok(Statement::ShowStages(ShowStages { database, filter }))
}

impl Filter {
    /// `LIKE '...'` or `WHERE ...`, if one of them comes next. A condition goes to the end of the
    /// statement.
    pub fn parse(cursor: &mut Cursor<'_>) -> Result<Option<Filter>> {
        if cursor.eat("LIKE") {
            return Ok(Some(Filter::Like(cursor.text("a pattern in quotes after LIKE")?)));
        }
        if cursor.eat("WHERE") {
            let condition = Condition::parse(cursor)?;
            return Ok(Some(Filter::Where(condition)));
        }
        Ok(None)
    }

    /// Whether a row is wanted.
    pub fn keeps(&self, session: &Session, columns: &[Column], row: &Row) -> Result<bool> {
        match self {
            Filter::Like(pattern) => {
                let name = row.first().map(Value::to_string).unwrap_or_default();
                let plain = session.sql_mode().no_backslash_escapes;
                let pattern = expression::escaped_by(pattern, plain.then_some(""));
                Ok(expression::like(&name, &pattern))
            }
            Filter::Where(condition) => condition.holds(session, columns, row),
        }
    }
}

/// The rows that a filter wants.
pub fn filtered(
    session: &Session,
    filter: Option<&Filter>,
    columns: &[Column],
    rows: Vec<Row>,
) -> Result<Vec<Row>> {
    let Some(filter) = filter else { return Ok(rows) };
    let mut kept = Vec::new();
    for row in rows {
        if filter.keeps(session, columns, &row)? {
            kept.push(row);
        }
    }
    Ok(kept)
}

impl ShowStages {
    /// Lists them.
    pub async fn execute(&self, session: &Session) -> Result<Outcome> {
        let listed = session.list_stages(self.database.as_deref()).await?;
        let rows = listed.iter().map(listed_row).collect();
        let columns = columns();
        let rows = filtered(session, self.filter.as_ref(), &columns, rows)?;
        Ok(Outcome::rows(columns, rows))
    }
}

/// One stage as a row, if only with what is wrong with it.
pub fn listed_row(listed: &Listed) -> Row {
    match listed {
        Listed::Stage(definition) => row(definition),
        Listed::Damaged { name, why } => damaged_row(name, why),
    }
}

/// One stage as a row.
pub fn row(definition: &Definition) -> Row {
    let kind = match (&definition.place, definition.temporary) {
        (Place::Internal, false) => "Internal",
        (Place::Internal, true) => "Internal Temporary",
        (Place::External(_), false) => "External",
        (Place::External(_), true) => "External Temporary",
    };
    let external = match &definition.place {
        Place::Internal => None,
        Place::External(external) => Some(external),
    };
    let format = definition.file_format.iter().map(|(key, value)| (key.clone(), value.clone()));
    vec![
        definition.name.name.clone().into(),
        definition.name.database.clone().into(),
        kind.into(),
        external.map(place::storage_type).into(),
        external.map(|external| external.url.clone()).into(),
        external.and_then(place::endpoint).into(),
        if external.is_some_and(place::has_credentials) { "YES" } else { "NO" }.into(),
        external.map(|external| json(place::shown_options(external).into_iter())).into(),
        json(format).into(),
        definition.creator.clone().into(),
        Value::moment(definition.created_at),
        definition.comment.clone().into(),
    ]
}

fn damaged_row(name: &StageName, why: &str) -> Row {
    let mut row: Row =
        vec![name.name.clone().into(), name.database.clone().into(), "Damaged".into()];
    row.extend([Value::Null, Value::Null, Value::Null]);
    row.extend(["NO".into(), Value::Null, "{}".into(), Value::Null, Value::Null]);
    row.push(why.into());
    row
}

/// Options as JSON, their names in lower case.
pub fn json(pairs: impl Iterator<Item = (String, String)>) -> String {
    let pairs = pairs.map(|(key, value)| (key.to_lowercase(), Json::String(value)));
    Json::Object(pairs.collect::<Map<_, _>>()).to_string()
}

impl fmt::Display for ShowStages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SHOW STAGES")?;
        if let Some(database) = &self.database {
            write!(f, " IN {}", literal::name(database))?;
        }
        match &self.filter {
            Some(filter) => write!(f, " {filter}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Filter::Like(pattern) => write!(f, "LIKE {}", literal::text(pattern)),
            Filter::Where(condition) => write!(f, "WHERE {condition}"),
        }
    }
}
