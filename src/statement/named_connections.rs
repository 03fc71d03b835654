//! The connections that a user may know of, and what he may do with them. One that he may not know of looks to
//! him like one that is not there.

use uuid::Uuid;

use crate::access::people::{Rights, StagePrivilege};
use crate::error::{Error, Result};
use crate::session::Session;
use crate::stage::connection::{Connection, Known};
use crate::stage::definition::{Definition, Place};
use crate::stage::place;
use crate::statement::named_formats::users;

/// A connection that somebody wants to make a stage with.
#[derive(Debug, Clone)]
pub struct Usable {
    /// What it is.
    pub connection: Connection,
    /// Whether it is his own.
    owned: bool,
    user: String,
}

/// The connections that are there, and what the user may do.
pub async fn known(session: &Session) -> Result<(Known, Rights)> {
    let rights = session.rights().await?;
    rights.need_presence(&session.peer.user)?;
    Ok((session.instance.stages.connections().read().await?, rights))
}

/// The connection of this name, for who may do this with it.
pub async fn find(session: &Session, name: &str, privilege: StagePrivilege) -> Result<Connection> {
    let (known, rights) = known(session).await?;
    id(session, &known, &rights, name, privilege)?;
    known.get(name)
}

/// Its id alone: also of one whose secrets can't be read.
pub fn id(
    session: &Session,
    known: &Known,
    rights: &Rights,
    name: &str,
    privilege: StagePrivilege,
) -> Result<Uuid> {
    let Some(id) = known.id(name).filter(|id| rights.sees_connection(*id)) else {
        let seen = known.names().filter(|(_, id)| rights.sees_connection(*id));
        return Err(Known::unknown(name, seen.map(|(name, _)| name)));
    };
    match rights.has_on_connection(id, privilege) {
        true => Ok(id),
        false => Err(denied(name, privilege, &session.peer.user.name)),
    }
}

/// The connections that the user may know of, by name; the error of one that can't be read.
pub async fn all(session: &Session) -> Result<Vec<(String, Result<Connection>)>> {
    let (known, rights) = known(session).await?;
    let seen = known.names().filter(|(_, id)| rights.sees_connection(*id));
    Ok(seen.map(|(name, _)| (name.to_owned(), known.get(name))).collect())
}

/// The connection that a stage is to be made with.
pub async fn usable(session: &Session, name: &str) -> Result<Usable> {
    let (known, rights) = known(session).await?;
    let id = id(session, &known, &rights, name, StagePrivilege::Usage)?;
    let owned = rights.has_on_connection(id, StagePrivilege::Ownership);
    Ok(Usable { connection: known.get(name)?, owned, user: session.peer.user.name.clone() })
}

impl Usable {
    /// The place of a stage with this URL and these options beside the connection. Where the URL says which host
    /// the secrets are sent to, they have to be the user's own.
    pub fn place(&self, url: &str, options: &[(String, String)]) -> Result<Place> {
        let external = place::behind(url, options, &self.connection)?;
        if place::names_the_host(&external.url) && !self.owned {
            let name = &self.connection.name;
            return Err(denied(name, StagePrivilege::Ownership, &self.user));
        }
        Ok(Place::External(external))
    }
}

/// The stages that refer to a connection, in words.
pub async fn stages_of(session: &Session, id: Uuid) -> Result<Option<String>> {
    let uses = |stage: &Definition| match &stage.place {
        Place::External(external) => external.connection.as_ref().is_some_and(|via| via.id == id),
        Place::Internal => false,
    };
    users(session, uses).await
}

fn denied(name: &str, privilege: StagePrivilege, user: &str) -> Error {
    Error::ConnectionDenied {
        privilege: privilege.to_string(),
        user: user.to_owned(),
        connection: name.to_owned(),
    }
}
