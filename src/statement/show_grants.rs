//! `SHOW GRANTS` shows what a user or role may do, as the statements that grant it.
//!
//! ```text
//! SHOW GRANTS [FOR { CURRENT_USER[()] | [USER] <user> | ROLE <role> }]
//!
//! > SHOW GRANTS FOR ROLE loaders
//! Grants for loaders@%
//! GRANT READ, WRITE ON STAGE default.lake TO ROLE 'loaders'
//! > SHOW GRANTS FOR nobody
//! ERROR 1141 (42000): There is no such grant defined for user 'nobody'
//! ```
//!
//! Without `FOR`, one's own. A host behind the user is taken as MySQL's tools send it, and passed over:
//! users are the same from everywhere. `root`'s line is MySQL's, for tools read it. Those of others need the privilege `CREATE USER`; those of one's own roles
//! don't.

use std::collections::BTreeMap;
use std::fmt;

use crate::access::ROOT;
use crate::access::people::{Grantee, Grants, ServerPrivilege};
use crate::error::{Error, Result};
use crate::rows::{Column, Outcome, Type};
use crate::session::Session;
use crate::sql::cursor::Cursor;
use crate::sql::name::QualifiedName;
use crate::sql::user::{role, user_of_any_host};
use crate::stage::Listed;
use crate::statement::Statement;
use crate::statement::grant::{Grant, Granted, print_grantee};

/// The words that it begins with.
pub const LEADS: &[&str] = &["SHOW GRANTS"];

/// `SHOW GRANTS`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShowGrants {
    /// Whose; `None` for one's own.
    pub of: Option<Grantee>,
}

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect("SHOW")?;
    cursor.expect("GRANTS")?;
    if !cursor.eat("FOR") {
        return Ok(Statement::ShowGrants(ShowGrants { of: None }));
    }
    let of = if cursor.eat("CURRENT_USER") {
        if cursor.eat_sign("(") {
            cursor.expect_sign(")")?;
        }
        None
    } else if cursor.eat("ROLE") {
        Some(Grantee::Role(role(cursor)?))
    } else {
        cursor.eat("USER");
        Some(Grantee::User(user_of_any_host(cursor)?))
    };
    Ok(Statement::ShowGrants(ShowGrants { of }))
}

impl ShowGrants {
    fn of(&self, session: &Session) -> Grantee {
        self.of.clone().unwrap_or_else(|| Grantee::User(session.peer.user.name.clone()))
    }

    /// MySQL's one column.
    pub fn columns(&self, session: &Session) -> Vec<Column> {
        let (Grantee::User(name) | Grantee::Role(name)) = self.of(session);
        vec![Column::new(format!("Grants for {name}@%"), Type::Text)]
    }

    /// Shows them.
    pub async fn execute(&self, session: &Session) -> Result<Outcome> {
        let of = self.of(session);
        let rights = session.rights().await?;
        let own = match &of {
            Grantee::User(name) => {
                *name == session.peer.user.name && rights.need_presence(&session.peer.user).is_ok()
            }
            Grantee::Role(name) => rights.roles.contains(name),
        };
        if !own {
            session.need(ServerPrivilege::CreateUser).await?;
        }
        if of == Grantee::User(ROOT.to_owned()) {
            let all = format!("GRANT ALL PRIVILEGES ON *.* TO `{ROOT}`@`%` WITH GRANT OPTION");
            return Ok(Outcome::rows(self.columns(session), vec![vec![all.into()]]));
        }
        let people = session.instance.directory.people().await?;
        let (Grantee::User(name) | Grantee::Role(name)) = &of;
        let unknown = || Error::NoSuchGrant { user: name.clone() };
        let granted = all(session, people.grants(&of).ok_or_else(unknown)?).await?;
        let rows = granted
            .into_iter()
            .map(|granted| vec![Grant { granted, to: of.clone() }.to_string().into()]);
        Ok(Outcome::rows(self.columns(session), rows.collect()))
    }
}

async fn all(session: &Session, grants: &Grants) -> Result<Vec<Granted>> {
    let mut all = Vec::new();
    if !grants.server.is_empty() {
        all.push(Granted::Server(grants.server.clone()));
    }
    all.extend(grants.databases.iter().cloned().map(Granted::Database));
    let mut tables: Vec<_> = Vec::new();
    let schema = session.instance.schemas.read().await?;
    for (database, name, table) in schema.tables() {
        if let Some(privileges) = grants.stages.get(&table.id) {
            let name = QualifiedName { database: Some(database.to_owned()), name: name.to_owned() };
            tables.push(Granted::Table(privileges.clone(), name));
        }
    }
    let names: BTreeMap<_, _> = match grants.stages.is_empty() {
        true => BTreeMap::new(),
        false => {
            let listed = session.instance.stages.list(None).await?;
            let named = listed.into_iter().filter_map(|listed| match listed {
                Listed::Stage(definition) => Some((definition.id, definition.name.clone())),
                Listed::Damaged { .. } => None,
            });
            named.collect()
        }
    };
    let mut stages: Vec<_> = grants
        .stages
        .iter()
        .filter_map(|(id, privileges)| Some((names.get(id)?, privileges)))
        .collect();
    stages.sort();
    for (name, privileges) in stages {
        let database = Some(name.database.clone());
        let name = QualifiedName { database, name: name.name.clone() };
        all.push(Granted::Stage(privileges.clone(), name));
    }
    all.extend(tables);
    if !grants.connections.is_empty() {
        let known = session.instance.stages.connections().read().await?;
        // By name, as they are kept.
        all.extend(known.names().filter_map(|(name, id)| {
            let privileges = grants.connections.get(&id)?.clone();
            Some(Granted::Connection(privileges, name.to_owned()))
        }));
    }
    all.extend(grants.roles.iter().cloned().map(Granted::Role));
    Ok(all)
}

impl fmt::Display for ShowGrants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SHOW GRANTS")?;
        match &self.of {
            Some(of) => write!(f, " FOR {}", print_grantee(of)),
            None => Ok(()),
        }
    }
}
