//! Documents of the catalog, most of which belong to rooms above: what is in them is theirs, that no change is
//! lost is ours. Each change is a revision, as with stages.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::config::Secret;
use crate::error::{Error, Result};
use crate::stage::history::{History, Record, Store};
use crate::stage::revision;
use crate::stage::seal::{Seal, Sealed};

/// How often a change is tried from the newest revision when races are lost.
const TRIES: usize = 100;

/// A revision's content, or why it can't be read.
type Document<T> = Result<Arc<T>, Unreadable>;

/// Why a revision can't be read.
#[derive(Debug, Clone)]
pub(super) struct Unreadable(String);

/// Which document: the name of its directory.
type Name = &'static str;

/// Users, roles and grants.
pub const PEOPLE: Name = "people";

/// Views.
pub const SCHEMA: Name = "schema";

/// Connections; the one that is the stages' own.
pub(super) const CONNECTIONS: Name = "connections";

/// Named file formats.
pub const FORMATS: Name = "formats";

impl<T: Send + Sync + 'static> Record for Document<T> {
    type Key = Name;
    const ROOT: &'static str = "access/";

    fn dir(name: &Name) -> String {
        format!("{name}/")
    }

    fn key(dir: &str) -> Option<Name> {
        [PEOPLE, SCHEMA, FORMATS, CONNECTIONS].into_iter().find(|name| *name == dir)
    }
}

/// A document.
pub struct Register<T: Clone + Send + Sync + 'static> {
    name: Name,
    history: Arc<History<Document<T>>>,
    seal: Seal,
}

impl<T> Register<T>
where
    T: Clone + Default + Serialize + DeserializeOwned + Send + Sync + 'static,
{
    pub(super) async fn open(store: Arc<Store>, seal: Seal, name: Name) -> Result<Register<T>> {
        // The others of this kind hold something else, and are nobody's here.
        let decode =
            |_: &Name, bytes: &[u8]| revision::decode(bytes).map(Arc::new).map_err(Unreadable);
        Ok(Register { name, history: History::open(store, Box::new(decode)).await?, seal })
    }

    /// What it says now, on any server.
    pub async fn read(&self) -> Result<Arc<T>> {
        Ok(self.newest().await?.1)
    }

    /// Changes it. `change` is called again on what is newest, when somebody else has changed it
    /// meanwhile.
    pub async fn change(&self, change: &(dyn Fn(&mut T) -> Result<()> + Sync)) -> Result<()> {
        for _ in 0..TRIES {
            let (number, content) = self.newest().await?;
            let mut content = T::clone(&content);
            change(&mut content)?;
            let bytes = revision::encode(&content)?;
            if self.history.put(&self.name, number + 1, Ok(Arc::new(content)), bytes).await? {
                return Ok(());
            }
        }
        Err(Error::Conflict { name: format!("the {} of the catalog", self.name) })
    }

    async fn newest(&self) -> Result<(u64, Arc<T>)> {
        let Some(newest) = self.history.newest(&self.name).await? else {
            return Ok((0, Arc::default()));
        };
        match &*newest.record {
            Ok(content) => Ok((newest.number, Arc::clone(content))),
            Err(Unreadable(why)) => Err(Error::CatalogDamaged {
                object: History::<Document<T>>::object(&self.name, newest.number),
                why: why.clone(),
            }),
        }
    }

    /// Seals a secret that is to be kept in it. It opens only for the same owner and use.
    pub fn close(&self, secret: &Secret, owner: Uuid, what: &str) -> Result<Sealed> {
        self.seal.close(secret, owner, what)
    }

    /// Bytes that look random, and are always the same for this text and use, on all servers.
    pub fn tag(&self, what: &str, text: &str) -> [u8; 32] {
        self.seal.tag(what, text)
    }

    /// Opens a secret that was sealed.
    pub fn open_sealed(&self, sealed: &Sealed, owner: Uuid, what: &str) -> Result<Secret> {
        let object = || format!("access/{}/", self.name);
        let opened = self.seal.open(sealed, owner, what);
        opened.map_err(|why| Error::CatalogDamaged { object: object(), why })
    }
}
