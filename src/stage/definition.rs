//! What a stage is: the contents of one revision in the catalog.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::config::Secret;
use crate::stage::name::StageName;

/// One stage, as its creator described it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// Its name. Changes by `RENAME`.
    pub name: StageName,
    /// Never changes; the files of an internal stage are kept below it.
    pub id: Uuid,
    /// Where its files are.
    pub place: Place,
    /// Gone, with its files, when the connection ends.
    pub temporary: bool,
    /// `FILE_FORMAT=(...)`: keys in upper case, values as written.
    pub file_format: BTreeMap<String, String>,
    /// `COMMENT='...'`
    pub comment: String,
    /// `'root'@'127.0.0.1'`
    pub creator: String,
    /// The user whose bytes its files are, if it is internal; nil for nobody's.
    pub owner: Uuid,
    /// When.
    pub created_at: Timestamp,
}

/// Where a stage's files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// On the server's own storage.
    Internal,
    /// Somewhere else.
    External(External),
}

/// An external place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct External {
    /// `s3://bucket/prefix/`, with the scheme in its canonical spelling and a trailing `/`.
    pub url: String,
    /// Connection options by their canonical OpenDAL names, such as `access_key_id`. All values
    /// are taken for secrets here; [`crate::stage::place`] knows which may be shown.
    pub options: BTreeMap<String, Secret>,
    /// The connection that says what the options don't.
    pub connection: Option<Via>,
}

/// A connection that a stage refers to. A later one of the name is another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Via {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
}

impl Definition {
    /// Whether the server owns the files.
    pub fn is_internal(&self) -> bool {
        self.place == Place::Internal
    }
}

/// How a revision says that a stage is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: String,
}
