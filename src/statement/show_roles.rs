//! `SHOW ROLES` lists the roles.
//!
//! ```text
//! SHOW ROLES [LIKE '<pattern>' | WHERE <condition>]
//!
//! > SHOW ROLES
//! name     created_on               creator
//! loaders  2026-11-24 05:40:44.123  'root'@'127.0.0.1'
//! > SHOW ROLE
//! ERROR 1064 (42000): Expected a statement such as ... Hint: did you mean SHOW ROLES?
//! ```
//!
//! It needs the privilege `CREATE USER`.

use std::fmt;

use crate::access::people::ServerPrivilege;
use crate::error::Result;
use crate::rows::{Column, Outcome, Type, Value};
use crate::session::Session;
use crate::sql::cursor::Cursor;
use crate::statement::Statement;
use crate::statement::show_stages::{Filter, filtered};

/// The words that it begins with.
pub const LEADS: &[&str] = &["SHOW ROLES"];

/// What is shown of each.
pub fn columns() -> Vec<Column> {
    vec![
        Column::new("name", Type::Text),
        Column::new("created_on", Type::MOMENT),
        Column::new("creator", Type::Text),
    ]
}

/// `SHOW ROLES`
#[derive(Debug, Clone, PartialEq)]
pub struct ShowRoles {
    /// Which.
    pub filter: Option<Filter>,
}

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect("SHOW")?;
    cursor.expect("ROLES")?;
    let filter = Filter::parse(cursor)?;
    cursor.expect_end(if filter.is_some() { "" } else { "LIKE, WHERE" })?;
    Ok(Statement::ShowRoles(ShowRoles { filter }))
}

impl ShowRoles {
    /// Lists them.
    pub async fn execute(&self, session: &Session) -> Result<Outcome> {
        session.need(ServerPrivilege::CreateUser).await?;
        let people = session.instance.directory.people().await?;
        let rows = people.roles.iter().map(|(name, role)| {
            vec![name.as_str().into(), Value::moment(role.created_at), role.creator.as_str().into()]
        });
        let columns = columns();
        let rows = filtered(session, self.filter.as_ref(), &columns, rows.collect())?;
        Ok(Outcome::rows(columns, rows))
    }
}

impl fmt::Display for ShowRoles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SHOW ROLES")?;
        match &self.filter {
            Some(filter) => write!(f, " {filter}"),
            None => Ok(()),
        }
    }
}
