//! The histories that the catalog is made of: one object a revision, written once.
//!
//! Two rules carry everything else. A revision is written only if nobody has written it, so of any
//! number of servers that change one thing at the same time one wins. And a revision never changes,
//! so what was read once is known for ever; only "is there a newer one?" has to be asked.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt, TryStreamExt};
use opendal::Operator;
use parking_lot::RwLock;
use tracing::Instrument;

use crate::error::{Error, Result};
use crate::stage::fault;
use crate::stage::lock::{Locks, sync_dir};

/// The error texts' name for it.
const LABEL: &str = "the catalog";

/// Digits of a revision's number in a key: enough for every `u64`, so that keys sort as numbers.
const DIGITS: usize = 20;

const ENDING: &str = ".json";

/// How long a listing of all keys is good for. Without it, a burst of SHOW STAGES would list the
/// bucket once each; what was changed by this server is known in any case.
const LISTING_AGE: Duration = Duration::from_secs(1);

/// Revisions that are read at a time after a listing.
const READS: usize = 32;

/// Where the catalog is kept.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) operator: Operator,
    /// The directory, if this server alone writes to it. Then what it remembers is the truth.
    pub(super) owned: Option<PathBuf>,
}

/// What one kind of object is.
pub(super) trait Record: Clone + Send + Sync + 'static {
    /// What it is the history of.
    type Key: Ord + Clone + Send + Sync + 'static;

    /// The directory of all histories of this kind, ending in `/`.
    const ROOT: &'static str;

    /// The directory of one history below that, ending in `/`.
    fn dir(key: &Self::Key) -> String;

    /// The inverse.
    fn key(dir: &str) -> Option<Self::Key>;
}

/// Reads an object; what can't be read has to be a value as well.
type Decode<R> = Box<dyn Fn(&<R as Record>::Key, &[u8]) -> R + Send + Sync>;

/// A revision and its number.
#[derive(Debug)]
pub(super) struct Revision<R> {
    pub(super) number: u64,
    pub(super) record: Arc<R>,
}

impl<R> Clone for Revision<R> {
    fn clone(&self) -> Revision<R> {
        Revision { number: self.number, record: Arc::clone(&self.record) }
    }
}

/// All histories of one kind.
pub(super) struct History<R: Record> {
    store: Arc<Store>,
    decode: Decode<R>,
    /// The newest revision known of each.
    newest: RwLock<BTreeMap<R::Key, Revision<R>>>,
    /// For a directory of our own: one writer a key.
    writers: Locks,
    /// When the last complete listing began.
    listed: tokio::sync::Mutex<Option<Instant>>,
}

impl<R: Record> History<R> {
    /// Opens the histories; those in a directory of our own are read completely.
    pub(super) async fn open(store: Arc<Store>, decode: Decode<R>) -> Result<Arc<History<R>>> {
        let history = History {
            store,
            decode,
            newest: RwLock::default(),
            writers: Locks::default(),
            listed: tokio::sync::Mutex::default(),
        };
        if history.store.owned.is_some() {
            history.read_all().await?;
        }
        Ok(Arc::new(history))
    }

    /// The newest revision, other servers' included; `None` if there never was one.
    pub(super) async fn newest(&self, key: &R::Key) -> Result<Option<Revision<R>>> {
        let known = self.newest.read().get(key).cloned();
        if self.store.owned.is_some() {
            return Ok(known);
        }
        let mut newest = match known {
            Some(known) => known,
            None => match self.find(key).await? {
                Some(found) => found,
                None => return Ok(None),
            },
        };
        while let Some(record) = self.read(key, newest.number + 1).await? {
            newest = Revision { number: newest.number + 1, record };
        }
        self.remember(key, newest.clone());
        Ok(Some(newest))
    }

    /// One revision, if it is written.
    pub(super) async fn at(&self, key: &R::Key, number: u64) -> Result<Option<Arc<R>>> {
        let known = self.newest.read().get(key).cloned();
        match known {
            Some(known) if known.number == number => Ok(Some(known.record)),
            Some(known) if known.number < number && self.store.owned.is_some() => Ok(None),
            _ => self.read(key, number).await,
        }
    }

    /// Writes a revision, unless somebody has written it; says whether it is ours. Once begun this
    /// is not interrupted, whatever happens to the caller.
    pub(super) async fn put(
        self: &Arc<Self>,
        key: &R::Key,
        number: u64,
        record: R,
        bytes: Vec<u8>,
    ) -> Result<bool> {
        let (history, key) = (Arc::clone(self), key.clone());
        let revision = Revision { number, record: Arc::new(record) };
        let put = async move {
            if history.store.owned.is_some() {
                history.put_owned(&key, revision, bytes).await
            } else {
                history.put_shared(&key, revision, bytes).await
            }
        };
        let done = tokio::spawn(put.in_current_span()).await;
        done.map_err(|error| Error::Internal { what: error.to_string() })?
    }

    /// The newest revision of everything.
    pub(super) async fn all(&self) -> Result<Vec<(R::Key, Revision<R>)>> {
        self.all_since(Instant::now().checked_sub(LISTING_AGE)).await
    }

    /// As [`History::all`], as it is now.
    pub(super) async fn all_now(&self) -> Result<Vec<(R::Key, Revision<R>)>> {
        self.all_since(Some(Instant::now())).await
    }

    /// What is remembered, without asking the storage.
    pub(super) fn known(&self) -> Vec<(R::Key, Revision<R>)> {
        let newest = self.newest.read();
        newest.iter().map(|(key, revision)| (key.clone(), revision.clone())).collect()
    }

    /// Puts the outcome of an open question in the place of what was remembered of a revision.
    pub(super) fn settle(&self, key: &R::Key, number: u64, record: R) {
        let mut newest = self.newest.write();
        if let Some(known) = newest.get_mut(key).filter(|known| known.number == number) {
            known.record = Arc::new(record);
        }
    }

    /// An object's name, for messages.
    pub(super) fn object(key: &R::Key, number: u64) -> String {
        format!("{}{}{number:0DIGITS$}{ENDING}", R::ROOT, R::dir(key))
    }

    async fn all_since(&self, oldest: Option<Instant>) -> Result<Vec<(R::Key, Revision<R>)>> {
        if self.store.owned.is_none() {
            // Those who come meanwhile wait for this listing instead of beginning their own.
            let mut listed = self.listed.lock().await;
            let fresh = listed.is_some_and(|at| oldest.is_none_or(|oldest| at >= oldest));
            if !fresh {
                let begun = Instant::now();
                self.read_all().await?;
                *listed = Some(begun);
            }
        }
        Ok(self.known())
    }

    /// Lists all keys and reads what is newer than what is known.
    async fn read_all(&self) -> Result<()> {
        let mut numbers: BTreeMap<R::Key, u64> = BTreeMap::new();
        for (key, number) in self.keys().await? {
            let newest = numbers.entry(key).or_default();
            *newest = number.max(*newest);
        }
        {
            let newest = self.newest.read();
            numbers.retain(|key, number| newest.get(key).is_none_or(|k| k.number < *number));
        }
        let mut reads = stream::iter(numbers)
            .map(|(key, number)| async move {
                let record = self.read(&key, number).await?;
                Ok::<_, Error>((key, number, record))
            })
            .buffer_unordered(READS);
        while let Some((key, number, record)) = reads.try_next().await? {
            if let Some(record) = record {
                self.remember(&key, Revision { number, record });
            }
        }
        Ok(())
    }

    /// The keys and numbers of all objects.
    async fn keys(&self) -> Result<Vec<(R::Key, u64)>> {
        if let Some(root) = self.store.owned.clone() {
            let walked = tokio::task::spawn_blocking(move || objects_below(&root, R::ROOT));
            let objects = walked.await.map_err(|e| Error::Internal { what: e.to_string() })?;
            let objects = objects.map_err(|error| fault::io("list", LABEL, R::ROOT, &error))?;
            return Ok(objects.iter().filter_map(|object| parse::<R>(object)).collect());
        }
        let failed = |error: opendal::Error| fault::storage("list", LABEL, R::ROOT, &error);
        let lister = self.store.operator.lister_with(R::ROOT).recursive(true).await;
        let found = lister.map_err(failed)?.map_err(failed);
        found
            .try_filter_map(|found| async move { Ok(parse::<R>(found.path())) })
            .try_collect()
            .await
    }

    /// Finds the newest revision of a history that nothing is known of.
    async fn find(&self, key: &R::Key) -> Result<Option<Revision<R>>> {
        let dir = format!("{}{}", R::ROOT, R::dir(key));
        let failed = |error: opendal::Error| fault::storage("list", LABEL, &dir, &error);
        let mut lister = match self.store.operator.lister(&dir).await {
            Ok(lister) => lister,
            Err(error) if fault::is_absent(&error) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let mut newest = 0;
        while let Some(found) = lister.try_next().await.map_err(failed)? {
            if let Some((_, number)) = parse::<R>(found.path()) {
                newest = number.max(newest);
            }
        }
        if newest == 0 {
            return Ok(None);
        }
        let record = self.read(key, newest).await?;
        Ok(record.map(|record| Revision { number: newest, record }))
    }

    async fn read(&self, key: &R::Key, number: u64) -> Result<Option<Arc<R>>> {
        let bytes = self.read_bytes(key, number).await?;
        Ok(bytes.map(|bytes| Arc::new((self.decode)(key, &bytes))))
    }

    async fn read_bytes(&self, key: &R::Key, number: u64) -> Result<Option<Vec<u8>>> {
        let object = Self::object(key, number);
        match self.store.operator.read(&object).await {
            Ok(bytes) => Ok(Some(bytes.to_vec())),
            Err(error) if fault::is_absent(&error) => Ok(None),
            Err(error) => Err(fault::storage("read", LABEL, &object, &error)),
        }
    }

    fn remember(&self, key: &R::Key, revision: Revision<R>) {
        let mut newest = self.newest.write();
        match newest.get_mut(key) {
            // The record of an equal number may have been settled meanwhile.
            Some(known) if known.number >= revision.number => {}
            Some(known) => *known = revision,
            None => drop(newest.insert(key.clone(), revision)),
        }
    }

    /// In a directory of our own, a lock is what makes "unless it is there" true.
    async fn put_owned(&self, key: &R::Key, revision: Revision<R>, bytes: Vec<u8>) -> Result<bool> {
        let object = Self::object(key, revision.number);
        let _alone = self.writers.lock(&object).await;
        let known = self.newest.read().get(key).map_or(0, |known| known.number);
        if known + 1 != revision.number {
            return Ok(false);
        }
        let written = self.store.operator.write(&object, bytes).await;
        if let Err(error) = written {
            // Whether or not the file got its name: what is remembered must be what is there.
            if let Some(record) = self.read(key, revision.number).await? {
                self.remember(key, Revision { number: revision.number, record });
            }
            return Err(fault::storage("write", LABEL, &object, &error));
        }
        self.remember(key, revision);
        self.sync(object).await?;
        Ok(true)
    }

    /// Makes the names durable, from the object up to the catalog's root: OpenDAL syncs contents.
    async fn sync(&self, object: String) -> Result<()> {
        let Some(root) = self.store.owned.clone() else { return Ok(()) };
        let path = root.join(&object);
        let synced = tokio::task::spawn_blocking(move || {
            let dirs = path.ancestors().skip(1).take_while(|dir| dir.starts_with(&root));
            dirs.map(Path::to_owned).try_for_each(|dir| sync_dir(&dir))
        });
        let synced = synced.await.map_err(|error| Error::Internal { what: error.to_string() })?;
        synced.map_err(|error| fault::io("write", LABEL, &object, &error))
    }

    /// Elsewhere the storage decides.
    async fn put_shared(
        &self,
        key: &R::Key,
        revision: Revision<R>,
        bytes: Vec<u8>,
    ) -> Result<bool> {
        let object = Self::object(key, revision.number);
        let write = self.store.operator.write_with(&object, bytes.clone()).if_not_exists(true);
        let Err(error) = write.await else {
            self.remember(key, revision);
            return Ok(true);
        };
        // The answer to a first try may have been lost, and the second try have found what the
        // first one wrote. No two writers ever write the same bytes.
        match self.read_bytes(key, revision.number).await? {
            Some(there) if there == bytes => {
                self.remember(key, revision);
                Ok(true)
            }
            Some(there) => {
                let record = Arc::new((self.decode)(key, &there));
                self.remember(key, Revision { number: revision.number, record });
                Ok(false)
            }
            None => Err(fault::storage("write", LABEL, &object, &error)),
        }
    }
}

/// All files below a directory of our own. Through OpenDAL each directory costs several turns of
/// the runtime, which a catalog of 10,000 stages feels at the start.
fn objects_below(root: &Path, dir: &str) -> io::Result<Vec<String>> {
    let mut objects = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        let entries = match std::fs::read_dir(root.join(&dir)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            // A name that is no text is none of ours.
            let Ok(name) = entry.file_name().into_string() else { continue };
            if entry.file_type()?.is_dir() {
                dirs.push(format!("{dir}{name}/"));
            } else {
                objects.push(format!("{dir}{name}"));
            }
        }
    }
    Ok(objects)
}

fn parse<R: Record>(object: &str) -> Option<(R::Key, u64)> {
    let path = object.strip_prefix(R::ROOT)?;
    let (dir, file) = path.rsplit_once('/')?;
    let digits = file.strip_suffix(ENDING)?;
    let fine = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.parse().ok().filter(|number| fine && *number > 0)?;
    Some((R::key(dir)?, number))
}
