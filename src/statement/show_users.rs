//! `SHOW USERS` lists the users.
//!
//! ```text
//! SHOW USERS [LIKE '<pattern>' | WHERE <condition>]
//!
//! > SHOW USERS
//! name  roles    plugin                 max_user_connections  ...  created_on               creator
//! bob   loaders  mysql_native_password  NULL                  ...  2026-11-24 05:40:44.123  'root'@'127.0.0.1'
//! > SHOW USER
//! ERROR 1064 (42000): Expected a statement such as ... Hint: did you mean SHOW USERS?
//! ```
//!
//! A limit that is NULL is the configuration's, 0 is none. It needs the privilege `CREATE USER`.

use std::fmt;

use crate::access::people::ServerPrivilege;
use crate::error::Result;
use crate::rows::{Column, Outcome, Type, Value};
use crate::session::Session;
use crate::sql::cursor::Cursor;
use crate::statement::Statement;
use crate::statement::show_stages::{Filter, filtered};

/// The words that it begins with.
pub const LEADS: &[&str] = &["SHOW USERS"];

/// What is shown of each.
pub fn columns() -> Vec<Column> {
    vec![
        Column::new("name", Type::Text),
        Column::new("roles", Type::Text),
        Column::new("plugin", Type::Text),
        Column::new("max_user_connections", Type::UInt),
        Column::new("max_user_statements", Type::UInt),
        Column::new("max_stage_bytes", Type::UInt),
        Column::new("created_on", Type::MOMENT),
        Column::new("creator", Type::Text),
    ]
}

/// `SHOW USERS`
#[derive(Debug, Clone, PartialEq)]
pub struct ShowUsers {
    /// Which.
    pub filter: Option<Filter>,
}

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect("SHOW")?;
    cursor.expect("USERS")?;
    let filter = Filter::parse(cursor)?;
    cursor.expect_end(if filter.is_some() { "" } else { "LIKE, WHERE" })?;
    Ok(Statement::ShowUsers(ShowUsers { filter }))
}

fn limit(most: Option<u64>) -> Value {
    most.map_or(Value::Null, Value::UInt)
}

impl ShowUsers {
    /// Lists them.
    pub async fn execute(&self, session: &Session) -> Result<Outcome> {
        session.need(ServerPrivilege::CreateUser).await?;
        let people = session.instance.directory.people().await?;
        let rows = people.users.iter().map(|(name, user)| {
            vec![
                name.as_str().into(),
                user.grants.roles.iter().cloned().collect::<Vec<_>>().join(", ").into(),
                user.plugin.name().into(),
                limit(user.limits.connections),
                limit(user.limits.statements),
                limit(user.limits.stage_bytes),
                Value::moment(user.created_at),
                user.creator.as_str().into(),
            ]
        });
        let columns = columns();
        let rows = filtered(session, self.filter.as_ref(), &columns, rows.collect())?;
        Ok(Outcome::rows(columns, rows))
    }
}

impl fmt::Display for ShowUsers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SHOW USERS")?;
        match &self.filter {
            Some(filter) => write!(f, " {filter}"),
            None => Ok(()),
        }
    }
}
