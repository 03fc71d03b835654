//! Named file formats: what `FILE_FORMAT=(...)` would say each time, under a name. One document of the
//! catalog, so that every server sees a change of it whole and at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::{Error, ObjectKind, Result};
use crate::similar::nearest;
use crate::stage::name::StageName;
use crate::stage::{Created, FORMATS, IfExists, Register, Stages};

/// File formats, by database and name.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Formats {
    #[serde(default)]
    formats: BTreeMap<String, BTreeMap<String, Format>>,
}

/// How files are read and written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Format {
    /// Options of `FILE_FORMAT`, `TYPE` among them: keys in upper case, values as written.
    pub options: BTreeMap<String, String>,
    /// `COMMENT = '...'`
    #[serde(default)]
    pub comment: String,
    /// `'root'@'127.0.0.1'`
    pub creator: String,
    /// The id of its maker, who may change and drop it; nobody's in the case of `root`.
    pub owner: Uuid,
    /// When.
    pub created_at: Timestamp,
}

/// Whether a format may be changed by who wants to. Asked of the newest one, so that no other takes its
/// place in between.
pub type May<'a> = &'a (dyn Fn(&Format) -> Result<()> + Sync);

impl Format {
    /// `CSV`, `PARQUET` ...
    pub fn kind(&self) -> &str {
        self.options.get("TYPE").map_or("", String::as_str)
    }
}

impl Formats {
    /// The format of this name.
    pub fn get(&self, name: &StageName) -> Option<&Format> {
        self.formats.get(&name.database)?.get(&name.name)
    }

    /// All formats, sorted by database and name.
    pub fn all(&self) -> impl Iterator<Item = (StageName, &Format)> {
        self.formats.iter().flat_map(|(database, formats)| {
            formats.iter().map(move |(name, format)| (StageName::new(database, name), format))
        })
    }

    /// The error for a name that no format has.
    pub fn unknown(&self, name: &StageName) -> Error {
        let there = self.formats.get(&name.database).into_iter().flat_map(BTreeMap::keys);
        let similar = nearest(&name.name, there.map(String::as_str));
        let similar = similar.map(|similar| StageName::new(&name.database, similar).to_string());
        let kind = ObjectKind::FileFormat;
        Error::UnknownObject { kind, name: name.to_string(), similar }
    }

    fn insert(&mut self, name: &StageName, format: Format) {
        let there = self.formats.entry(name.database.clone()).or_default();
        there.insert(name.name.clone(), format);
    }

    fn existing(&mut self, name: &StageName) -> Result<&mut Format> {
        let unknown = self.unknown(name);
        let there = self.formats.get_mut(&name.database);
        there.and_then(|there| there.get_mut(&name.name)).ok_or(unknown)
    }

    fn remove(&mut self, name: &StageName) {
        if let Some(there) = self.formats.get_mut(&name.database) {
            there.remove(&name.name);
            if there.is_empty() {
                self.formats.remove(&name.database);
            }
        }
    }
}

/// The error for a name that a format has already.
pub fn exists(name: &StageName) -> Error {
    Error::ObjectExists { kind: ObjectKind::FileFormat, name: name.to_string() }
}

/// The door to file formats.
pub struct FormatRegister {
    register: Register<Formats>,
}

impl FormatRegister {
    /// Opens what is kept beside the stages.
    pub async fn open(stages: &Stages) -> Result<FormatRegister> {
        Ok(FormatRegister { register: stages.register(FORMATS).await? })
    }

    /// All of them, now.
    pub async fn read(&self) -> Result<Arc<Formats>> {
        self.register.read().await
    }

    /// Makes a format.
    pub async fn create(
        &self,
        name: &StageName,
        format: &Format,
        how: IfExists,
        may: May<'_>,
    ) -> Result<Created> {
        let replaces = self.read().await?.get(name).is_some();
        let change = |formats: &mut Formats| {
            match (formats.get(name), how) {
                (Some(old), IfExists::Replace) => may(old)?,
                (Some(_), _) => return Err(exists(name)),
                (None, _) => {}
            }
            formats.insert(name, format.clone());
            Ok(())
        };
        match self.register.change(&change).await {
            Err(Error::ObjectExists { .. }) if how == IfExists::Keep => Ok(Created::Kept),
            made => made.map(|()| if replaces { Created::Replaced } else { Created::New }),
        }
    }

    /// Changes a format.
    pub async fn alter(
        &self,
        name: &StageName,
        change: &(dyn Fn(&mut Format) -> Result<()> + Sync),
        may: May<'_>,
    ) -> Result<()> {
        let change = |formats: &mut Formats| {
            let format = formats.existing(name)?;
            may(format)?;
            change(format)
        };
        self.register.change(&change).await
    }

    /// Gives a format another name.
    pub async fn rename(&self, name: &StageName, to: &StageName, may: May<'_>) -> Result<()> {
        let change = |formats: &mut Formats| {
            let format = formats.existing(name)?.clone();
            may(&format)?;
            if formats.get(to).is_some() {
                return Err(exists(to));
            }
            formats.remove(name);
            formats.insert(to, format);
            Ok(())
        };
        self.register.change(&change).await
    }

    /// Forgets a format.
    pub async fn drop_format(&self, name: &StageName, may: May<'_>) -> Result<()> {
        let change = |formats: &mut Formats| {
            may(formats.existing(name)?)?;
            formats.remove(name);
            Ok(())
        };
        self.register.change(&change).await
    }

    /// A database is gone, and what is in it.
    pub async fn forget_database(&self, name: &str) -> Result<()> {
        if !self.read().await?.formats.contains_key(name) {
            return Ok(());
        }
        let change = |formats: &mut Formats| {
            formats.formats.remove(name);
            Ok(())
        };
        self.register.change(&change).await
    }
}
