//! The catalog: which databases and stages there are.
//!
//! Everything is a history of revisions (see [`history`](super::history)); a name's newest revision
//! says what it stands for. Two things need more than that one look:
//!
//! - A stage belongs to one incarnation of its database. DROP DATABASE ends the incarnation first,
//!   which hides all its stages at once, those included that are made at the same moment.
//! - RENAME touches two names. It first writes the new name, *pending from* the old one, then the
//!   old name's next revision, *moved*: that second write decides. Whoever meets a pending name
//!   looks at the old name's next revision, and who needs the name writes that revision himself,
//!   so that a renamer who has stopped half-way can never finish.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::similar::nearest;
use crate::stage::definition::{Definition, Tombstone};
use crate::stage::history::{History, Record, Revision, Store};
use crate::stage::key;
use crate::stage::name::{DEFAULT_DATABASE, StageName, check_name};
use crate::stage::register::Register;
use crate::stage::revision::{
    Damaged, DatabaseState, Moved, Pending, Present, StageState, decode_database, decode_stage,
    encode_database, encode_stage,
};
use crate::stage::seal::Seal;

/// How often a change is tried from the newest revision when races are lost. Each lost race means
/// that somebody else's change went through.
const TRIES: usize = 100;

/// Databases of the server's own, whether it has something in them or not.
const RESERVED: &[&str] = &["information_schema", "mysql", "performance_schema", "sys"];

/// What `CREATE STAGE` does when the stage is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfExists {
    /// Says so.
    Fail,
    /// Leaves it as it is.
    Keep,
    /// Puts the new one in its place.
    Replace,
    /// As `Replace`, if it is the one with this id; else as `Fail`. For who may not replace just any:
    /// the name may be another's by the time.
    ReplaceThis(Uuid),
}

/// What `CREATE STAGE` did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// Made it.
    New,
    /// Left the old one.
    Kept,
    /// Put it in the place of the old one.
    Replaced,
}

/// A line of `SHOW STAGES`.
#[derive(Debug, Clone)]
pub enum Listed {
    /// A stage.
    Stage(Arc<Definition>),
    /// A name whose newest revision can't be read.
    Damaged {
        /// The name.
        name: StageName,
        /// Why not.
        why: String,
    },
}

/// What a change has taken away: a stage whose internal files are to be removed.
pub(super) type Orphan = Option<Uuid>;

pub(super) struct Catalog {
    stages: Arc<History<StageState>>,
    databases: Arc<History<DatabaseRecord>>,
    seal: Seal,
    store: Arc<Store>,
}

/// A database's newest revision, or why it can't be read.
type DatabaseRecord = Result<DatabaseState, String>;

impl Record for StageState {
    type Key = StageName;
    const ROOT: &'static str = "stages/";

    fn dir(name: &StageName) -> String {
        format!("{}/{}/", key::escape(&name.database), key::escape(&name.name))
    }

    fn key(dir: &str) -> Option<StageName> {
        let (database, name) = dir.split_once('/')?;
        Some(StageName::new(key::unescape(database)?, key::unescape(name)?))
    }
}

impl Record for DatabaseRecord {
    type Key = String;
    const ROOT: &'static str = "databases/";

    fn dir(name: &String) -> String {
        format!("{}/", key::escape(name))
    }

    fn key(dir: &str) -> Option<String> {
        key::unescape(dir)
    }
}

/// What a name stands for, all things considered.
enum Meaning {
    Nothing,
    Stage(Present),
    Damaged(Damaged),
    /// A rename to this name is on its way, or has stopped half-way.
    Undecided(Pending),
}

impl Catalog {
    pub(super) async fn open(store: Store, seal: Seal) -> Result<Catalog> {
        let store = Arc::new(store);
        let opener = seal.clone();
        let decode = move |name: &StageName, bytes: &[u8]| decode_stage(bytes, name, &opener);
        let stages = History::open(Arc::clone(&store), Box::new(decode));
        let databases =
            History::open(Arc::clone(&store), Box::new(|_, bytes| decode_database(bytes)));
        let (stages, databases) = futures::try_join!(stages, databases)?;
        Ok(Catalog { stages, databases, seal, store })
    }

    /// A document of a room above.
    pub(super) async fn register<T>(&self, name: &'static str) -> Result<Register<T>>
    where
        T: Clone + Default + Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        Register::open(Arc::clone(&self.store), self.seal.clone(), name).await
    }

    pub(super) async fn create_database(&self, name: &str, by: &str) -> Result<()> {
        check_name("database", name)?;
        unprotected(name)?;
        let state =
            DatabaseState::Present { id: Uuid::new_v4(), at: Timestamp::now(), by: by.to_owned() };
        let newest = self.databases.newest(&name.to_owned()).await?;
        let exists = || Error::DatabaseExists { name: name.to_owned() };
        let gone = |found: &Revision<DatabaseRecord>| {
            matches!(*found.record, Ok(DatabaseState::Dropped(_)))
        };
        if newest.as_ref().is_some_and(|found| !gone(found)) {
            return Err(exists());
        }
        // Whoever won this race has created it.
        if self.put_database(name, newest.as_ref(), state).await? { Ok(()) } else { Err(exists()) }
    }

    /// Ends a database; what is returned are its stages, which are gone with it.
    pub(super) async fn drop_database(&self, name: &str, by: &str) -> Result<Vec<Orphan>> {
        unprotected(name)?;
        let unknown = || Error::UnknownDatabase { name: name.to_owned() };
        let newest = self.databases.newest(&name.to_owned()).await?.ok_or_else(unknown)?;
        let dropped = match &*newest.record {
            Ok(DatabaseState::Present { id, .. }) => Some(*id),
            Ok(DatabaseState::Dropped(_)) => return Err(unknown()),
            // Nobody knows which incarnation it had: all its stages go.
            Err(_) => None,
        };
        let state = DatabaseState::Dropped(tombstone(by));
        if !self.put_database(name, Some(&newest), state).await? {
            return Err(unknown());
        }
        let mut orphans = Vec::new();
        for (stage, revision) in self.stages.all_now().await? {
            if stage.database != name {
                continue;
            }
            let orphan = match self.decide(&stage, &revision).await? {
                Meaning::Stage(present) if dropped.is_none_or(|id| id == present.database) => {
                    present.definition.is_internal().then_some(present.definition.id)
                }
                Meaning::Damaged(damaged) => damaged.internal,
                Meaning::Nothing | Meaning::Stage(_) | Meaning::Undecided(_) => continue,
            };
            // A lost race changes nothing: the stage's database is gone.
            self.put(&stage, revision.number + 1, StageState::Dropped(tombstone(by))).await?;
            orphans.push(orphan);
        }
        Ok(orphans)
    }

    pub(super) async fn databases(&self) -> Result<Vec<String>> {
        let all = self.databases.all().await?;
        let gone = |record: &DatabaseRecord| matches!(record, Ok(DatabaseState::Dropped(_)));
        let present = all.into_iter().filter(|(_, revision)| !gone(&revision.record));
        let mut names: Vec<String> = present.map(|(name, _)| name).collect();
        names.push(DEFAULT_DATABASE.to_owned());
        names.sort();
        Ok(names)
    }

    pub(super) async fn database_exists(&self, name: &str) -> Result<bool> {
        if name == DEFAULT_DATABASE {
            return Ok(true);
        }
        let newest = self.databases.newest(&name.to_owned()).await?;
        Ok(newest.is_some_and(|found| !matches!(*found.record, Ok(DatabaseState::Dropped(_)))))
    }

    pub(super) async fn create(
        &self,
        definition: Definition,
        how: IfExists,
    ) -> Result<(Created, Orphan)> {
        let name = definition.name.clone();
        name.check()?;
        let definition = Arc::new(definition);
        for _ in 0..TRIES {
            let database = self.incarnation(&name.database).await?;
            let (next, meaning) = self.free(&name, database).await?;
            let (created, orphan) = match (meaning, how) {
                (Meaning::Nothing | Meaning::Undecided(_), _) => (Created::New, None),
                (Meaning::Stage(_), IfExists::Keep) => return Ok((Created::Kept, None)),
                (Meaning::Damaged(damaged), IfExists::Keep) => {
                    return Err(damage(&name, next - 1, damaged));
                }
                (Meaning::Stage(old), IfExists::ReplaceThis(id)) if old.definition.id == id => {
                    (Created::Replaced, orphan_of(&old.definition))
                }
                (_, IfExists::Fail | IfExists::ReplaceThis(_)) => {
                    return Err(Error::StageExists { name: name.to_string() });
                }
                (Meaning::Stage(old), IfExists::Replace) => {
                    (Created::Replaced, orphan_of(&old.definition))
                }
                (Meaning::Damaged(old), IfExists::Replace) => (Created::Replaced, old.internal),
            };
            let state = present(Arc::clone(&definition), database, None);
            if self.put(&name, next, state).await? {
                return Ok((created, orphan));
            }
        }
        Err(Error::Conflict { name: name.to_string() })
    }

    pub(super) async fn get(&self, name: &StageName) -> Result<Arc<Definition>> {
        Ok(self.existing(name).await?.1.definition)
    }

    pub(super) async fn alter(
        &self,
        name: &StageName,
        change: &(dyn Fn(&mut Definition) -> Result<()> + Sync),
    ) -> Result<()> {
        for _ in 0..TRIES {
            let (number, stage) = self.existing(name).await?;
            let mut changed = (*stage.definition).clone();
            change(&mut changed)?;
            changed.id = stage.definition.id;
            changed.name = name.clone();
            if changed == *stage.definition {
                return Ok(());
            }
            let state = present(Arc::new(changed), stage.database, None);
            if self.put(name, number + 1, state).await? {
                return Ok(());
            }
        }
        Err(Error::Conflict { name: name.to_string() })
    }

    pub(super) async fn rename(&self, name: &StageName, to: &StageName, by: &str) -> Result<()> {
        to.check()?;
        for _ in 0..TRIES {
            let (number, stage) = self.existing(name).await?;
            let database = self.incarnation(&to.database).await?;
            let (next, meaning) = self.free(to, database).await?;
            if matches!(meaning, Meaning::Stage(_) | Meaning::Damaged(_)) {
                return Err(Error::StageExists { name: to.to_string() });
            }
            let definition = Definition { name: to.clone(), ..(*stage.definition).clone() };
            let pending = Pending { name: name.clone(), revision: number };
            let arriving = present(Arc::new(definition), database, Some(pending));
            if !self.put(to, next, arriving).await? {
                continue;
            }
            let moved =
                Moved { to: to.clone(), revision: next, at: Timestamp::now(), by: by.to_owned() };
            if self.put(name, number + 1, StageState::Moved(moved)).await? {
                return Ok(());
            }
            // Lost: what was pending is nothing, and this says so to those who would have to look.
            self.put(to, next + 1, StageState::Dropped(tombstone(by))).await?;
        }
        Err(Error::Conflict { name: name.to_string() })
    }

    pub(super) async fn drop(&self, name: &StageName, by: &str) -> Result<Orphan> {
        for _ in 0..TRIES {
            let (newest, meaning) = self.look(name).await?;
            let orphan = match meaning {
                Meaning::Stage(stage) => orphan_of(&stage.definition),
                Meaning::Damaged(damaged) => damaged.internal,
                Meaning::Nothing | Meaning::Undecided(_) => return Err(self.unknown(name)),
            };
            if self.put(name, newest + 1, StageState::Dropped(tombstone(by))).await? {
                return Ok(orphan);
            }
        }
        Err(Error::Conflict { name: name.to_string() })
    }

    pub(super) async fn list(&self, database: Option<&str>) -> Result<Vec<Listed>> {
        if let Some(database) = database {
            self.incarnation(database).await?;
        }
        let (stages, databases) = futures::try_join!(self.stages.all(), self.databases.all())?;
        let incarnations: std::collections::BTreeMap<_, _> = databases.into_iter().collect();
        let mut listed = Vec::new();
        for (name, revision) in stages {
            if database.is_some_and(|database| database != name.database) {
                continue;
            }
            let incarnation = match incarnations.get(&name.database).map(|found| &*found.record) {
                _ if name.database == DEFAULT_DATABASE => Some(Uuid::nil()),
                Some(Ok(DatabaseState::Present { id, .. })) => Some(*id),
                Some(Ok(DatabaseState::Dropped(_)) | Err(_)) | None => continue,
            };
            match self.decide(&name, &revision).await? {
                Meaning::Stage(stage) if Some(stage.database) == incarnation => {
                    listed.push(Listed::Stage(stage.definition));
                }
                Meaning::Damaged(damaged) => {
                    listed.push(Listed::Damaged { name, why: damaged.why });
                }
                Meaning::Nothing | Meaning::Stage(_) | Meaning::Undecided(_) => {}
            }
        }
        Ok(listed)
    }

    /// All stages, with what other servers have made a moment ago.
    pub(super) async fn list_now(&self) -> Result<Vec<Listed>> {
        futures::try_join!(self.stages.all_now(), self.databases.all_now())?;
        self.list(None).await
    }

    /// The incarnation that a database has now.
    async fn incarnation(&self, database: &str) -> Result<Uuid> {
        if database == DEFAULT_DATABASE {
            return Ok(Uuid::nil());
        }
        let key = database.to_owned();
        match self.databases.newest(&key).await? {
            None => Err(Error::UnknownDatabase { name: key }),
            Some(Revision { number, record }) => match &*record {
                Ok(DatabaseState::Present { id, .. }) => Ok(*id),
                Ok(DatabaseState::Dropped(_)) => Err(Error::UnknownDatabase { name: key }),
                Err(why) => Err(Error::CatalogDamaged {
                    object: History::<DatabaseRecord>::object(&key, number),
                    why: why.clone(),
                }),
            },
        }
    }

    /// A stage that is there, with the number of its newest revision.
    async fn existing(&self, name: &StageName) -> Result<(u64, Present)> {
        let (number, meaning) = self.look(name).await?;
        match meaning {
            Meaning::Stage(stage) => Ok((number, stage)),
            Meaning::Damaged(damaged) => Err(damage(name, number, damaged)),
            Meaning::Nothing | Meaning::Undecided(_) => Err(self.unknown(name)),
        }
    }

    /// What a name stands for, with the number of its newest revision, 0 if it has none.
    async fn look(&self, name: &StageName) -> Result<(u64, Meaning)> {
        let (database, newest) =
            futures::try_join!(self.incarnation(&name.database), self.stages.newest(name))?;
        self.meaning(name, database, newest).await
    }

    /// As [`Catalog::look`], for who needs the name: no rename can take it any more. The number is
    /// the one of the revision to write.
    async fn free(&self, name: &StageName, database: Uuid) -> Result<(u64, Meaning)> {
        for _ in 0..TRIES {
            let newest = self.stages.newest(name).await?;
            let (number, meaning) = self.meaning(name, database, newest).await?;
            let Meaning::Undecided(pending) = &meaning else {
                return Ok((number + 1, meaning));
            };
            // The fence: the old name goes on as it is, and the renamer has lost. If this loses
            // instead, the rename is decided.
            match self.stages.at(&pending.name, pending.revision).await?.as_deref() {
                Some(StageState::Present(old)) => {
                    let same = Present { pending_from: None, ..old.clone() };
                    let next = pending.revision + 1;
                    self.put(&pending.name, next, StageState::Present(same)).await?;
                }
                // No renamer of ours writes such a thing.
                _ => return Ok((number + 1, Meaning::Nothing)),
            }
        }
        Err(Error::Conflict { name: name.to_string() })
    }

    async fn meaning(
        &self,
        name: &StageName,
        database: Uuid,
        newest: Option<Revision<StageState>>,
    ) -> Result<(u64, Meaning)> {
        let Some(newest) = newest else { return Ok((0, Meaning::Nothing)) };
        let mut meaning = self.decide(name, &newest).await?;
        if matches!(&meaning, Meaning::Stage(stage) if stage.database != database) {
            // Of an earlier database of this name.
            meaning = Meaning::Nothing;
        }
        Ok((newest.number, meaning))
    }

    /// What a revision means; renames are looked up at their old name.
    async fn decide(&self, name: &StageName, newest: &Revision<StageState>) -> Result<Meaning> {
        let stage = match &*newest.record {
            StageState::Dropped(_) | StageState::Moved(_) => return Ok(Meaning::Nothing),
            StageState::Damaged(damaged) => return Ok(Meaning::Damaged(damaged.clone())),
            StageState::Present(stage) => stage,
        };
        let Some(pending) = &stage.pending_from else { return Ok(Meaning::Stage(stage.clone())) };
        match self.stages.at(&pending.name, pending.revision + 1).await?.as_deref() {
            None => Ok(Meaning::Undecided(pending.clone())),
            Some(StageState::Moved(moved))
                if moved.to == *name && moved.revision == newest.number =>
            {
                // Decided for ever: nobody has to look again.
                let arrived = Present { pending_from: None, ..stage.clone() };
                self.stages.settle(name, newest.number, StageState::Present(arrived.clone()));
                Ok(Meaning::Stage(arrived))
            }
            Some(_) => {
                let gone = Tombstone { at: Timestamp::now(), by: String::new() };
                self.stages.settle(name, newest.number, StageState::Dropped(gone));
                Ok(Meaning::Nothing)
            }
        }
    }

    async fn put(&self, name: &StageName, number: u64, state: StageState) -> Result<bool> {
        let bytes = encode_stage(&state, &self.seal)?;
        self.stages.put(name, number, state, bytes).await
    }

    async fn put_database(
        &self,
        name: &str,
        newest: Option<&Revision<DatabaseRecord>>,
        state: DatabaseState,
    ) -> Result<bool> {
        let bytes = encode_database(&state)?;
        let next = newest.map_or(0, |revision| revision.number) + 1;
        self.databases.put(&name.to_owned(), next, Ok(state), bytes).await
    }

    fn unknown(&self, name: &StageName) -> Error {
        Error::UnknownStage { name: name.to_string(), similar: self.similar(name) }
    }

    /// The known stage of the same database whose name is nearest, if it is near.
    fn similar(&self, name: &StageName) -> Option<String> {
        let known = self.stages.known();
        let there = known.iter().filter(|(other, revision)| {
            other.database == name.database
                && other != name
                && matches!(*revision.record, StageState::Present(_) | StageState::Damaged(_))
        });
        // By the name alone; shown with its database.
        let names: Vec<&StageName> = there.map(|(other, _)| other).collect();
        let near = nearest(&name.name, names.iter().map(|other| other.name.as_str()))?;
        names.iter().find(|other| other.name == near).map(ToString::to_string)
    }
}

fn present(definition: Arc<Definition>, database: Uuid, pending: Option<Pending>) -> StageState {
    StageState::Present(Present { definition, database, pending_from: pending })
}

fn tombstone(by: &str) -> Tombstone {
    Tombstone { at: Timestamp::now(), by: by.to_owned() }
}

fn orphan_of(definition: &Definition) -> Orphan {
    definition.is_internal().then_some(definition.id)
}

fn damage(name: &StageName, number: u64, damaged: Damaged) -> Error {
    Error::CatalogDamaged { object: History::<StageState>::object(name, number), why: damaged.why }
}

fn unprotected(database: &str) -> Result<()> {
    let reserved = RESERVED.iter().any(|name| database.eq_ignore_ascii_case(name));
    if database == DEFAULT_DATABASE || reserved {
        return Err(Error::ProtectedDatabase { name: database.to_owned() });
    }
    Ok(())
}
