//! What a database has besides stages: views. One document of the catalog, so that every server sees a change
//! of it whole and at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::rows::Column;
use crate::stage::name::{StageName, check_name};
use crate::stage::{Register, SCHEMA, Stages};

/// Views, by database and name.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Schema {
    /// Names for queries.
    #[serde(default)]
    views: BTreeMap<String, BTreeMap<String, View>>,
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

impl Schema {
    /// The view of this name.
    pub fn view(&self, name: &StageName) -> Option<&View> {
        self.views.get(&name.database)?.get(&name.name)
    }

    /// All views: database, name, view.
    pub fn views(&self) -> impl Iterator<Item = (&str, &str, &View)> {
        self.views.iter().flat_map(|(database, views)| {
            views.iter().map(move |(name, view)| (database.as_str(), name.as_str(), view))
        })
    }
}

/// The door to views.
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
        let change = |schema: &mut Schema| {
            let views = schema.views.entry(name.database.clone()).or_default();
            if views.contains_key(&name.name) && taken != Taken::Replace {
                return Err(Error::TableExists { name: name.to_string() });
            }
            views.insert(name.name.clone(), view.clone());
            Ok(())
        };
        match self.register.change(&change).await {
            Err(Error::TableExists { .. }) if taken == Taken::Keep => Ok(false),
            made => made.map(|()| true),
        }
    }

    /// Forgets a view.
    pub async fn drop_view(&self, name: &StageName) -> Result<()> {
        let unknown = || Error::UnknownTable { name: format!("{}.{}", name.database, name.name) };
        let change = |schema: &mut Schema| {
            let views = schema.views.get_mut(&name.database).ok_or_else(unknown)?;
            views.remove(&name.name).ok_or_else(unknown)?;
            if views.is_empty() {
                schema.views.remove(&name.database);
            }
            Ok(())
        };
        self.register.change(&change).await
    }

    /// A database is gone, and what is in it.
    pub async fn forget_database(&self, name: &str) -> Result<()> {
        if !self.read().await?.views.contains_key(name) {
            return Ok(());
        }
        let change = |schema: &mut Schema| {
            schema.views.remove(name);
            Ok(())
        };
        self.register.change(&change).await
    }
}
