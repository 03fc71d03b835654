//! `SHOW CONNECTIONS` lists the connections that the user may know of.
//!
//! ```text
//! SHOW CONNECTIONS [LIKE '<pattern>' | WHERE <condition>]
//!
//! > SHOW CONNECTIONS
//! name   storage_type  storage_params                                             ...
//! vault  s3            {"access_key_id":"AKIA...","secret_access_key":"****"}  ...
//! > SHOW CONNECTIONS LIKE vault
//! ERROR 1064 (42000): Expected a pattern in quotes after LIKE, found 'vault' at line 1, column 23
//! ```
//!
//! The first columns are Databend's. Secrets are shown as `****`, whole. One that can't be read is shown with
//! what is wrong with it in the place of a comment, and does not hide the others.

use std::fmt;

use crate::error::Result;
use crate::rows::{Column, Outcome, Row, Type, Value};
use crate::session::Session;
use crate::sql::cursor::Cursor;
use crate::stage::connection::Connection;
use crate::stage::place;
use crate::statement::show_stages::{Filter, filtered, json};
use crate::statement::{Statement, named_connections};

/// The words that it begins with.
pub const LEADS: &[&str] = &["SHOW CONNECTIONS"];

/// What is shown of a connection.
pub fn columns() -> Vec<Column> {
    vec![
        Column::new("name", Type::Text),
        Column::nullable("storage_type", Type::Text),
        Column::nullable("storage_params", Type::Text),
        Column::nullable("creator", Type::Text),
        Column::nullable("created_on", Type::MOMENT),
        Column::new("comment", Type::Text),
    ]
}

/// `SHOW CONNECTIONS`
#[derive(Debug, Clone, PartialEq)]
pub struct ShowConnections {
    /// Which.
    pub filter: Option<Filter>,
}

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect("SHOW")?;
    cursor.expect("CONNECTIONS")?;
    let filter = Filter::parse(cursor)?;
    cursor.expect_end(if filter.is_none() { "LIKE, WHERE" } else { "" })?;
    Ok(Statement::ShowConnections(ShowConnections { filter }))
}

impl ShowConnections {
    /// Lists them.
    pub async fn execute(&self, session: &Session) -> Result<Outcome> {
        let columns = columns();
        let rows = filtered(session, self.filter.as_ref(), &columns, rows(session).await?)?;
        Ok(Outcome::rows(columns, rows))
    }
}

/// All connections that the user may know of.
pub async fn rows(session: &Session) -> Result<Vec<Row>> {
    let all = named_connections::all(session).await?;
    Ok(all
        .into_iter()
        .map(|(name, found)| match found {
            Ok(connection) => row(&connection),
            Err(error) => damaged_row(name, &error.to_string()),
        })
        .collect())
}

/// One connection as a row.
pub fn row(connection: &Connection) -> Row {
    vec![
        connection.name.clone().into(),
        connection.storage_type.clone().into(),
        json(place::shown_connection(connection).into_iter()).into(),
        connection.creator.clone().into(),
        Value::moment(connection.created_at),
        connection.comment.clone().into(),
    ]
}

fn damaged_row(name: String, why: &str) -> Row {
    let mut row: Row = vec![name.into()];
    row.extend([Value::Null, Value::Null, Value::Null, Value::Null]);
    row.push(why.into());
    row
}

impl fmt::Display for ShowConnections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SHOW CONNECTIONS")?;
        match &self.filter {
            Some(filter) => write!(f, " {filter}"),
            None => Ok(()),
        }
    }
}
