//! Connections: what `CONNECTION=(...)` would say each time, under a name. A stage that is made with one refers
//! to it, so that a new secret is that of all its stages, on all servers, from their next statement on.
//!
//! All of them are one document of the catalog, each secret sealed and bound to its connection.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::config::Secret;
use crate::error::{Error, ObjectKind, Result};
use crate::similar::nearest;
use crate::stage::catalog::{Created, IfExists};
use crate::stage::definition::{External, Via};
use crate::stage::name::check_name;
use crate::stage::place;
use crate::stage::register::Register;
use crate::stage::revision::StoredOption;

/// Who is at a storage, and perhaps where that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Stays when the connection is replaced: its stages and grants are its own.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// `s3`, `gcs` ...
    pub storage_type: String,
    /// As those of [`External`]; all are taken for secrets here.
    pub options: BTreeMap<String, Secret>,
    /// `COMMENT = '...'`
    pub comment: String,
    /// `'root'@'127.0.0.1'`
    pub creator: String,
    /// When.
    pub created_at: Timestamp,
}

/// All connections, by name.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Document {
    #[serde(default)]
    connections: BTreeMap<String, Stored>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Stored {
    id: Uuid,
    storage_type: String,
    options: BTreeMap<String, StoredOption>,
    #[serde(default)]
    comment: String,
    creator: String,
    created_at: Timestamp,
}

/// Whether the connection with this id may be replaced, changed or dropped. Asked of what is newest, so that
/// no other one takes its place in between.
pub type May<'a> = &'a (dyn Fn(Uuid) -> Result<()> + Sync);

/// The door to connections. Cheap to clone.
#[derive(Clone)]
pub struct Connections {
    register: Arc<Register<Document>>,
}

/// Connections as they were at one moment. A secret is opened when it is asked for: one that can't be opened is
/// one connection that can't be used.
pub struct Known {
    document: Arc<Document>,
    register: Arc<Register<Document>>,
}

impl Connections {
    pub(super) fn new(register: Register<Document>) -> Connections {
        Connections { register: Arc::new(register) }
    }

    /// All of them, now.
    pub async fn read(&self) -> Result<Known> {
        let document = self.register.read().await?;
        Ok(Known { document, register: Arc::clone(&self.register) })
    }

    /// Makes a connection. One that is replaced keeps its id.
    pub async fn create(
        &self,
        connection: &Connection,
        how: IfExists,
        may: May<'_>,
    ) -> Result<Created> {
        let name = &connection.name;
        check_name("connection", name)?;
        let replaces = self.read().await?.document.connections.contains_key(name);
        let change = |document: &mut Document| {
            let mut connection = connection.clone();
            match (document.connections.get(name), how) {
                (Some(old), IfExists::Replace) => {
                    may(old.id)?;
                    connection.id = old.id;
                }
                (Some(_), _) => {
                    let kind = ObjectKind::Connection;
                    return Err(Error::ObjectExists { kind, name: name.clone() });
                }
                (None, _) => {}
            }
            document.connections.insert(name.clone(), self.store(&connection)?);
            Ok(())
        };
        match self.register.change(&change).await {
            Err(Error::ObjectExists { .. }) if how == IfExists::Keep => Ok(Created::Kept),
            made => made.map(|()| if replaces { Created::Replaced } else { Created::New }),
        }
    }

    /// Changes a connection. What is done to its name or id is undone.
    pub async fn alter(
        &self,
        name: &str,
        change: &(dyn Fn(&mut Connection) -> Result<()> + Sync),
    ) -> Result<()> {
        let change = |document: &mut Document| {
            let known = Known {
                document: Arc::new(document.clone()),
                register: Arc::clone(&self.register),
            };
            let old = known.get(name)?;
            let mut changed = old.clone();
            change(&mut changed)?;
            changed.id = old.id;
            document.connections.insert(name.to_owned(), self.store(&changed)?);
            Ok(())
        };
        self.register.change(&change).await
    }

    /// Forgets a connection, whether or not its secrets can be read.
    pub async fn drop_connection(&self, name: &str, may: May<'_>) -> Result<()> {
        let change = |document: &mut Document| {
            let old = document.connections.remove(name).ok_or_else(|| unknown(name, None))?;
            may(old.id)
        };
        self.register.change(&change).await
    }

    fn store(&self, connection: &Connection) -> Result<Stored> {
        let mut options = BTreeMap::new();
        for (name, value) in &connection.options {
            let option = match place::is_secret(&place::url_of(&connection.storage_type), name) {
                true => StoredOption::Sealed(self.register.close(value, connection.id, name)?),
                false => StoredOption::Text(value.expose_secret().to_owned()),
            };
            options.insert(name.clone(), option);
        }
        Ok(Stored {
            id: connection.id,
            storage_type: connection.storage_type.clone(),
            options,
            comment: connection.comment.clone(),
            creator: connection.creator.clone(),
            created_at: connection.created_at,
        })
    }
}

impl Known {
    /// The names, each with the id.
    pub fn names(&self) -> impl Iterator<Item = (&str, Uuid)> {
        self.document.connections.iter().map(|(name, stored)| (name.as_str(), stored.id))
    }

    /// The id of the connection of this name.
    pub fn id(&self, name: &str) -> Option<Uuid> {
        self.document.connections.get(name).map(|stored| stored.id)
    }

    /// The type of the storage of the connection of this name.
    pub fn storage_type(&self, name: &str) -> Option<&str> {
        self.document.connections.get(name).map(|stored| stored.storage_type.as_str())
    }

    /// The connection of this name.
    pub fn get(&self, name: &str) -> Result<Connection> {
        let found = self.document.connections.get(name);
        self.open(name, found.ok_or_else(|| unknown(name, None))?)
    }

    /// The error for a name that none of these has, with the nearest of them.
    pub fn unknown<'a>(name: &str, seen: impl IntoIterator<Item = &'a str>) -> Error {
        unknown(name, nearest(name, seen).map(str::to_owned))
    }

    /// A place with what its connection says, as that is now: what can be opened.
    pub fn resolve(&self, external: &External) -> Result<External> {
        let Some(Via { id, name }) = &external.connection else { return Ok(external.clone()) };
        match self.document.connections.get(name).filter(|stored| stored.id == *id) {
            Some(stored) => place::joined(external, &self.open(name, stored)?),
            None => Err(unknown(name, None)),
        }
    }

    fn open(&self, name: &str, stored: &Stored) -> Result<Connection> {
        let mut options = BTreeMap::new();
        for (option, value) in &stored.options {
            let value = match value {
                StoredOption::Sealed(sealed) => {
                    self.register.open_sealed(sealed, stored.id, option)?
                }
                StoredOption::Text(text) => Secret::new(text.as_str()),
            };
            options.insert(option.clone(), value);
        }
        Ok(Connection {
            id: stored.id,
            name: name.to_owned(),
            storage_type: stored.storage_type.clone(),
            options,
            comment: stored.comment.clone(),
            creator: stored.creator.clone(),
            created_at: stored.created_at,
        })
    }
}

fn unknown(name: &str, similar: Option<String>) -> Error {
    Error::UnknownObject { kind: ObjectKind::Connection, name: name.to_owned(), similar }
}
