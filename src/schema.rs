//! What a database has besides stages: views and file formats. One document of the catalog, so that every
//! server sees a change of it whole and at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::rows::Column;
use crate::stage::name::{StageName, check_name};
use crate::stage::{Register, SCHEMA, Stages};

/// Views and file formats, by database and name.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Schema {
    /// Names for queries.
    #[serde(default)]
    views: BTreeMap<String, BTreeMap<String, View>>,
    /// How files are read.
    #[serde(default)]
    formats: BTreeMap<String, BTreeMap<String, Format>>,
}

/// A name for a query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Not the one of an earlier view of this name.
    pub id: Uuid,
    /// The query, as it can be read again. Its tables have their databases.
    pub query: String,
    /// The stages that it reads, by itself and by other views: who may not know of one may not know of it.
    pub reads: Vec<StageName>,
    /// What it answered when it was made.
    pub columns: Vec<Column>,
    /// `'root'@'127.0.0.1'`
    pub creator: String,
    /// The id of its maker, who may drop it; nobody's in the case of `root`.
    pub owner: Uuid,
    /// When.
    pub created_at: Timestamp,
}

/// How files are read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Format {
    /// As `FILE_FORMAT=(...)` has them: keys in upper case.
    pub options: BTreeMap<String, String>,
    /// `COMMENT='...'`
    pub comment: String,
    /// `'root'@'127.0.0.1'`
    pub creator: String,
    /// The id of its maker, who may drop it; nobody's in the case of `root`.
    pub owner: Uuid,
    /// When.
    pub created_at: Timestamp,
}

/// What to do where something of the name is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// Fail.
    Fail,
    /// Leave it as it is.
    Keep,
    /// Put the new one in its place.
    Replace,
}

/// What is kept by database and name.
type Named<T> = BTreeMap<String, BTreeMap<String, T>>;

impl Schema {
    /// The view of this name.
    pub fn view(&self, name: &StageName) -> Option<&View> {
        self.views.get(&name.database)?.get(&name.name)
    }

    /// The file format of this name.
    pub fn format(&self, name: &StageName) -> Option<&Format> {
        self.formats.get(&name.database)?.get(&name.name)
    }

    /// All views: database, name, view.
    pub fn views(&self) -> impl Iterator<Item = (&str, &str, &View)> {
        all(&self.views)
    }

    /// All file formats: database, name, format.
    pub fn formats(&self) -> impl Iterator<Item = (&str, &str, &Format)> {
        all(&self.formats)
    }
}

fn all<T>(named: &Named<T>) -> impl Iterator<Item = (&str, &str, &T)> {
    named.iter().flat_map(|(database, named)| {
        named.iter().map(move |(name, what)| (database.as_str(), name.as_str(), what))
    })
}

/// The door to views and file formats.
pub struct Schemas {
    register: Register<Schema>,
}

impl Schemas {
    /// Opens what is kept beside the stages.
    pub async fn open(stages: &Stages) -> Result<Schemas> {
        Ok(Schemas { register: stages.register(SCHEMA).await? })
    }

    /// All of it, now.
    pub async fn read(&self) -> Result<Arc<Schema>> {
        self.register.read().await
    }

    /// Makes a view; `false` if there is one already and it is kept.
    pub async fn create_view(&self, name: &StageName, view: &View, taken: Taken) -> Result<bool> {
        check_name("view", &name.name)?;
        let exists = || Error::TableExists { name: name.to_string() };
        self.create(name, view, taken, &exists, |schema| &mut schema.views).await
    }

    /// Forgets a view.
    pub async fn drop_view(&self, name: &StageName) -> Result<()> {
        let unknown = || Error::UnknownTable { name: format!("{}.{}", name.database, name.name) };
        self.remove(name, &unknown, |schema| &mut schema.views).await
    }

    /// Makes a file format; `false` if there is one already and it is kept.
    pub async fn create_format(
        &self,
        name: &StageName,
        format: &Format,
        taken: Taken,
    ) -> Result<bool> {
        check_name("file format", &name.name)?;
        let exists = || Error::FormatExists { name: name.to_string() };
        self.create(name, format, taken, &exists, |schema| &mut schema.formats).await
    }

    /// Forgets a file format. Stages that were made with it have its options still.
    pub async fn drop_format(&self, name: &StageName) -> Result<()> {
        let unknown = || Error::UnknownFileFormat { name: name.to_string() };
        self.remove(name, &unknown, |schema| &mut schema.formats).await
    }

    /// A database is gone, and what is in it.
    pub async fn forget_database(&self, name: &str) -> Result<()> {
        let known = self.read().await?;
        if !known.views.contains_key(name) && !known.formats.contains_key(name) {
            return Ok(());
        }
        let change = |schema: &mut Schema| {
            schema.views.remove(name);
            schema.formats.remove(name);
            Ok(())
        };
        self.register.change(&change).await
    }

    async fn create<T: Clone + Sync>(
        &self,
        name: &StageName,
        what: &T,
        taken: Taken,
        exists: &(dyn Fn() -> Error + Sync),
        of: fn(&mut Schema) -> &mut Named<T>,
    ) -> Result<bool> {
        let change = |schema: &mut Schema| {
            let named = of(schema).entry(name.database.clone()).or_default();
            if named.contains_key(&name.name) && taken != Taken::Replace {
                return Err(exists());
            }
            named.insert(name.name.clone(), what.clone());
            Ok(())
        };
        match self.register.change(&change).await {
            Err(Error::TableExists { .. } | Error::FormatExists { .. }) if taken == Taken::Keep => {
                Ok(false)
            }
            made => made.map(|()| true),
        }
    }

    async fn remove<T>(
        &self,
        name: &StageName,
        unknown: &(dyn Fn() -> Error + Sync),
        of: fn(&mut Schema) -> &mut Named<T>,
    ) -> Result<()> {
        let change = |schema: &mut Schema| {
            let all = of(schema);
            let named = all.get_mut(&name.database).ok_or_else(unknown)?;
            named.remove(&name.name).ok_or_else(unknown)?;
            if named.is_empty() {
                all.remove(&name.database);
            }
            Ok(())
        };
        self.register.change(&change).await
    }
}
