//! Tables by name: which there are for whom, and the way to their rows. What several statements share.

use crate::access::people::StagePrivilege;
use crate::error::{Error, Result};
use crate::query::KeptTable;
use crate::schema::table::Table;
use crate::session::Session;
use crate::sql::name::QualifiedName;
use crate::stage::name::StageName;
use crate::statement::select::files;

/// The table of this name, for who may do this with it.
pub async fn find(
    session: &Session,
    name: &QualifiedName,
    privilege: StagePrivilege,
) -> Result<(StageName, Table)> {
    let name = session.stage_name(name)?;
    let schema = session.instance.schemas.read().await?;
    let Some(table) = schema.table(&name) else {
        let full = format!("{}.{}", name.database, name.name);
        return Err(match schema.view(&name) {
            Some(_) => Error::NotATable { name: full },
            None => Error::UnknownTable { name: full },
        });
    };
    need(session, &name, table, privilege).await?;
    Ok((name, table.clone()))
}

/// Fails for who may not do this with the table; it looks to him as if there were none, if he may do nothing.
pub async fn need(
    session: &Session,
    name: &StageName,
    table: &Table,
    privilege: StagePrivilege,
) -> Result<()> {
    let rights = session.rights().await?;
    if table.owner == session.peer.user.id
        || rights.has_on(&name.database, table.id, privilege)
        || (privilege == StagePrivilege::Usage && rights.sees(&name.database, table.id))
    {
        return Ok(());
    }
    if !rights.sees(&name.database, table.id) {
        return Err(unknown(name));
    }
    Err(Error::TableDenied {
        privilege: word(privilege).to_owned(),
        user: session.peer.user.name.clone(),
        table: name.to_string(),
    })
}

/// What a privilege is called where it is one on a table.
pub fn word(privilege: StagePrivilege) -> &'static str {
    match privilege {
        StagePrivilege::Usage => "USAGE",
        StagePrivilege::Read => "SELECT",
        StagePrivilege::Write => "INSERT",
        StagePrivilege::Ownership => "OWNERSHIP",
    }
}

/// Whether the user may know of a table.
pub async fn is_seen(session: &Session, name: &StageName, table: &Table) -> Result<bool> {
    match need(session, name, table, StagePrivilege::Usage).await {
        Ok(()) => Ok(true),
        Err(Error::UnknownTable { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The way to the rows of a table that a query has under a name of its own.
pub fn rows(
    session: &Session,
    name: &StageName,
    table: &Table,
    in_query: &str,
) -> Result<KeptTable> {
    Ok(KeptTable {
        name: in_query.to_owned(),
        label: name.to_string(),
        id: table.id,
        files: session.instance.stages.row_files(table.id, &name.name),
        columns: table.columns.clone(),
        zone: files::zone_of(session)?,
    })
}

/// The error for a table that is not there, or that somebody may not know of.
pub fn unknown(name: &StageName) -> Error {
    Error::UnknownTable { name: format!("{}.{}", name.database, name.name) }
}
