//! What a database has besides stages: views and tables. One document of the catalog, so that every server sees
//! a change of it whole and at once.

pub mod table;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use self::table::Table;
use crate::error::{Error, Result};
use crate::rows::Column;
use crate::stage::name::{StageName, check_name};
use crate::stage::{Register, SCHEMA, Stages};

/// Views and tables, by database and name.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Schema {
    /// Names for queries.
    #[serde(default)]
    views: BTreeMap<String, BTreeMap<String, View>>,
    /// Rows that are kept.
    #[serde(default)]
    tables: BTreeMap<String, BTreeMap<String, Table>>,
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

    /// The table of this name.
    pub fn table(&self, name: &StageName) -> Option<&Table> {
        self.tables.get(&name.database)?.get(&name.name)
    }

    /// All tables: database, name, table.
    pub fn tables(&self) -> impl Iterator<Item = (&str, &str, &Table)> {
        self.tables.iter().flat_map(|(database, tables)| {
            tables.iter().map(move |(name, table)| (database.as_str(), name.as_str(), table))
        })
    }

    /// All views: database, name, view.
    pub fn views(&self) -> impl Iterator<Item = (&str, &str, &View)> {
        self.views.iter().flat_map(|(database, views)| {
            views.iter().map(move |(name, view)| (database.as_str(), name.as_str(), view))
        })
    }
}

/// The door to views and tables.
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
            let exists = || Error::TableExists { name: name.to_string() };
            if schema.table(name).is_some() {
                return Err(exists());
            }
            let views = schema.views.entry(name.database.clone()).or_default();
            if views.contains_key(&name.name) && taken != Taken::Replace {
                return Err(exists());
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
        let change = |schema: &mut Schema| take(&mut schema.views, name).map(drop);
        self.register.change(&change).await
    }

    /// Makes a table, whose rows are there already; `false` if there is one already and it is kept. A table is
    /// replaced if it is the one of the id `old`, or there is none.
    pub async fn create_table(
        &self,
        name: &StageName,
        table: &Table,
        taken: Taken,
        old: Option<Uuid>,
    ) -> Result<bool> {
        check_name("table", &name.name)?;
        let change = |schema: &mut Schema| {
            let exists = || Error::TableExists { name: name.to_string() };
            if schema.view(name).is_some() {
                return Err(exists());
            }
            let tables = schema.tables.entry(name.database.clone()).or_default();
            let known = tables.get(&name.name).map(|known| known.id);
            if known.is_some() && (taken != Taken::Replace || known != old) {
                return Err(exists());
            }
            tables.insert(name.name.clone(), table.clone());
            Ok(())
        };
        match self.register.change(&change).await {
            Err(Error::TableExists { .. }) if taken == Taken::Keep => Ok(false),
            made => made.map(|()| true),
        }
    }

    /// Forgets the table of this name, if it is still the one of this id.
    pub async fn drop_table(&self, name: &StageName, id: Uuid) -> Result<()> {
        let change = |schema: &mut Schema| {
            if schema.table(name).is_none_or(|table| table.id != id) {
                return Err(unknown(name));
            }
            take(&mut schema.tables, name).map(drop)
        };
        self.register.change(&change).await
    }

    /// A database is gone, and what is in it. The tables that it had.
    pub async fn forget_database(&self, name: &str) -> Result<Vec<(String, Table)>> {
        let known = self.read().await?;
        if !known.views.contains_key(name) && !known.tables.contains_key(name) {
            return Ok(Vec::new());
        }
        let gone = parking_lot::Mutex::new(Vec::new());
        let change = |schema: &mut Schema| {
            schema.views.remove(name);
            let tables = schema.tables.remove(name).unwrap_or_default();
            *gone.lock() = tables.into_iter().collect();
            Ok(())
        };
        self.register.change(&change).await?;
        Ok(gone.into_inner())
    }
}

/// Removes what has this name.
fn take<T>(all: &mut BTreeMap<String, BTreeMap<String, T>>, name: &StageName) -> Result<T> {
    let known = all.get_mut(&name.database).ok_or_else(|| unknown(name))?;
    let taken = known.remove(&name.name).ok_or_else(|| unknown(name))?;
    if known.is_empty() {
        all.remove(&name.database);
    }
    Ok(taken)
}

fn unknown(name: &StageName) -> Error {
    Error::UnknownTable { name: format!("{}.{}", name.database, name.name) }
}
