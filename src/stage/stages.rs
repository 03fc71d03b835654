//! All stages of one server: the catalog, the server's own storage, and what is open.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use opendal::Operator;
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::config::{self, Config};
use crate::error::{Error, Result};
use crate::stage::calls::Calls;
use crate::stage::catalog::{Catalog, Created, IfExists, Listed};
use crate::stage::connection::{Connection, Connections};
use crate::stage::definition::{Definition, External, Place};
use crate::stage::fault;
use crate::stage::files::{Files, Uploads};
use crate::stage::history::Store;
use crate::stage::key;
use crate::stage::link::{Link, Signer};
use crate::stage::lock::DirLock;
use crate::stage::marks::{self, Marks};
use crate::stage::memory::Memory;
use crate::stage::meter::{Meter, Meters};
use crate::stage::name::StageName;
use crate::stage::open::{self, Identity, Opened};
use crate::stage::place::{self, Scheme};
use crate::stage::policy::Policy;
use crate::stage::probe;
use crate::stage::register::{CONNECTIONS, Register};
use crate::stage::seal::Seal;
use crate::stage::unfinished;

/// Operators kept open. Each has its own connections; a server with more stages in use than that
/// opens some of them anew.
const MAX_OPEN: usize = 1024;

/// Between two searches for uploads that were left: those cost money, and harm nobody.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60 * 60);

/// Catalog, storage and open stages; one for all connections.
pub struct Stages {
    catalog: Catalog,
    connections: Connections,
    storage: Opened,
    policy: Policy,
    calls: Calls,
    signer: Signer,
    uploads: Arc<Uploads>,
    pub(super) meters: Meters,
    open: Mutex<HashMap<Uuid, (u64, Arc<Files>)>>,
    /// Held as long as the server lives.
    _lock: Option<DirLock>,
}

/// What is where below the data directory.
struct Layout {
    catalog: PathBuf,
    files: PathBuf,
    /// Unfinished files, emptied at each start.
    unfinished: PathBuf,
}

impl Stages {
    /// Opens everything that the configuration names, or says why the server can't start.
    pub async fn open(config: &Config) -> Result<Arc<Stages>> {
        open::prepare();
        let layout = Layout::of(&config.data_dir);
        let lock = layout.prepare(&config.data_dir)?;
        let seal = Seal::of(config)?;
        if config.catalog.is_some()
            && config.secret_key.is_none()
            && config.secret_key_file.is_none()
        {
            tracing::warn!(
                "the catalog is shared, but the key {} is this server's own: set \
                 STAGEWIRE_SECRET_KEY to the same key on all servers",
                seal.fingerprint()
            );
        }
        let calls = Calls::of(&config.limits);
        let store = match &config.catalog {
            Some(place) => shared_catalog(place, &calls).await?,
            None => own_catalog(&layout, &calls).await?,
        };
        let storage = match &config.storage {
            Some(place) => own_place(place, "storage", &calls).await?,
            None => {
                let (dir, uploads) = (&layout.files, layout.unfinished.join("files"));
                open::open_dir(dir, &uploads, "the storage", &calls)
                    .await
                    .map_err(|error| not_started("the storage", &error))?
            }
        };
        let signer = Signer::new(seal.signing_key());
        let catalog =
            Catalog::open(store, seal).await.map_err(|error| not_started("the catalog", &error))?;
        let policy =
            Policy::of(&config.external, &config.data_dir, config.allows_private_endpoints());
        let connections = Connections::new(catalog.register(CONNECTIONS).await?);
        let uploads = Uploads {
            memory: Memory::of(&config.limits),
            without_md5: !config.transfer.md5,
            ..Uploads::default()
        };
        let stages = Stages::new(catalog, connections, storage, policy, calls, signer, uploads);
        let stages = Arc::new(Stages { _lock: Some(lock), ..stages });
        stages.begin_to_collect();
        Ok(stages)
    }

    /// For tests: over operators of their own. The catalog's has to have create-if-absent.
    #[doc(hidden)]
    pub async fn over(
        catalog: Operator,
        storage: Operator,
        key: [u8; 32],
        external: &config::External,
    ) -> Result<Arc<Stages>> {
        open::prepare();
        let store = Store { operator: catalog, owned: None };
        let seal = Seal::new(key);
        let signer = Signer::new(seal.signing_key());
        let catalog = Catalog::open(store, seal).await?;
        let storage = Opened::plain(storage);
        let calls = Calls::of(&config::Limits::default());
        let policy = Policy::of(external, Path::new("/nonexistent"), true);
        let connections = Connections::new(catalog.register(CONNECTIONS).await?);
        let uploads = Uploads::default();
        let stages = Stages::new(catalog, connections, storage, policy, calls, signer, uploads);
        Ok(Arc::new(stages))
    }

    fn new(
        catalog: Catalog,
        connections: Connections,
        storage: Opened,
        policy: Policy,
        calls: Calls,
        signer: Signer,
        uploads: Uploads,
    ) -> Stages {
        let uploads = Uploads { alive: Arc::clone(calls.alive()), ..uploads };
        Stages {
            catalog,
            connections,
            storage,
            policy,
            calls,
            signer,
            uploads: Arc::new(uploads),
            meters: Meters::default(),
            open: Mutex::default(),
            _lock: None,
        }
    }

    /// Begins to remove, now and then as long as the stages are open, what servers that were killed have left on the
    /// storage. In a directory, which has one server, there is nothing left by now.
    fn begin_to_collect(self: &Arc<Stages>) {
        let Some(home) = self.storage.home.clone() else { return };
        let (open, calls) = (Arc::downgrade(self), self.calls.clone());
        tokio::spawn(async move {
            while open.strong_count() > 0 {
                match unfinished::collect(&home, &calls).await {
                    Ok(0) => {}
                    Ok(uploads) => tracing::info!(uploads, "unfinished uploads were removed"),
                    Err(error) => tracing::warn!("unfinished uploads may stay: {error}"),
                }
                let pause = calls.abandoned_after().clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
                tokio::time::sleep(pause).await;
            }
        });
    }

    /// A document of a room above, which is kept where the stages are: [`crate::stage::PEOPLE`],
    /// [`crate::stage::SCHEMA`].
    pub async fn register<T>(&self, name: &'static str) -> Result<Register<T>>
    where
        T: Clone + Default + Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        self.catalog.register(name).await
    }

    /// Makes a database.
    pub async fn create_database(&self, name: &str, by: &str) -> Result<()> {
        self.catalog.create_database(name, by).await
    }

    /// Drops a database with its stages and the files of the internal ones; says how many stages.
    pub async fn drop_database(&self, name: &str, by: &str) -> Result<u64> {
        let dropped = self.catalog.drop_database(name, by).await?;
        let count = u64::try_from(dropped.len()).unwrap_or(u64::MAX);
        for id in dropped.into_iter().flatten() {
            self.discard(id, "a stage of a dropped database").await;
        }
        Ok(count)
    }

    /// All databases, sorted.
    pub async fn databases(&self) -> Result<Vec<String>> {
        self.catalog.databases().await
    }

    /// Whether there is such a database.
    pub async fn database_exists(&self, name: &str) -> Result<bool> {
        self.catalog.database_exists(name).await
    }

    /// Makes a stage. Of any number of servers that make the same one at once, one succeeds.
    /// Replacing an internal stage removes its old files, replacing an external one never does.
    pub async fn create(&self, definition: Definition, how: IfExists) -> Result<Created> {
        if let Place::External(external) = &definition.place {
            let resolved = self.resolved(external).await?;
            self.policy.check(&resolved)?;
            self.policy.look_up(&resolved).await?;
        }
        let name = definition.name.to_string();
        let (created, orphan) = self.catalog.create(definition, how).await?;
        if let Some(id) = orphan {
            self.discard(id, &name).await;
        }
        Ok(created)
    }

    /// A stage's definition, as the newest revision on any server has it.
    pub async fn get(&self, name: &StageName) -> Result<Arc<Definition>> {
        self.catalog.get(name).await
    }

    /// Changes a stage. `change` is called again, on the newest definition, when somebody else has
    /// changed the stage meanwhile. What it does to the name or the id is undone.
    pub async fn alter(
        &self,
        name: &StageName,
        change: &(dyn Fn(&mut Definition) -> Result<()> + Sync),
        by: &str,
    ) -> Result<()> {
        let checked = |definition: &mut Definition| {
            let before = definition.place.clone();
            change(definition)?;
            match &definition.place {
                // What was allowed once is checked when it is opened.
                place if *place == before => Ok(()),
                // One behind a connection was checked with it, and is again when it is opened.
                Place::External(external) if external.connection.is_some() => Ok(()),
                Place::External(external) => self.check_place(external, None),
                Place::Internal => Ok(()),
            }
        };
        self.catalog.alter(name, &checked).await?;
        tracing::info!(stage = %name, by, "stage altered");
        Ok(())
    }

    /// Gives a stage another name, in the same or another database. Its files stay where they are.
    pub async fn rename(&self, name: &StageName, to: &StageName, by: &str) -> Result<()> {
        self.catalog.rename(name, to, by).await
    }

    /// Drops a stage: an internal one with its files, an external one without. (Not `drop`: on an
    /// `Arc` that would be its destructor.)
    pub async fn drop_stage(&self, name: &StageName, by: &str) -> Result<()> {
        if let Some(id) = self.catalog.drop(name, by).await? {
            self.discard(id, &name.to_string()).await;
        }
        Ok(())
    }

    /// All stages, or those of one database, sorted by database and name.
    pub async fn list(&self, database: Option<&str>) -> Result<Vec<Listed>> {
        self.catalog.list(database).await
    }

    /// All stages as they are now: [`Stages::list`] may be a second behind other servers.
    pub async fn list_now(&self) -> Result<Vec<Listed>> {
        self.catalog.list_now().await
    }

    /// The files of a stage.
    pub async fn open_files(&self, definition: &Definition) -> Result<Arc<Files>> {
        let label = format!("stage '{}'", definition.name);
        let mut hasher = DefaultHasher::new();
        (&label, definition.temporary).hash(&mut hasher);
        let external = match &definition.place {
            Place::External(external) => Some(self.resolved(external).await?),
            Place::Internal => None,
        };
        if let Some(External { url, options, .. }) = &external {
            url.hash(&mut hasher);
            options.iter().for_each(|(k, v)| (k, v.expose_secret()).hash(&mut hasher));
        }
        let contents = hasher.finish();
        let known = self.open.lock().get(&definition.id).cloned();
        if let Some((_, files)) = known.filter(|(of, _)| *of == contents) {
            return Ok(files);
        }
        let files = match &external {
            Some(external) => {
                let opened = self.policy.open(external, &label, &self.calls).await?;
                Arc::new(Files::new(opened, "", label, Arc::clone(&self.uploads)))
            }
            None => {
                let meter = self.meters.of(definition.owner);
                if let (Some(meter), true) = (&meter, definition.temporary) {
                    meter.temporary(definition.id, true);
                }
                self.own_files(&internal_dir(definition.id, definition.temporary), label, meter)
            }
        };
        let mut open = self.open.lock();
        if open.len() >= MAX_OPEN {
            open.clear();
        }
        open.insert(definition.id, (contents, Arc::clone(&files)));
        Ok(files)
    }

    /// The files of `@~` of the user of this name and id.
    #[expect(clippy::unused_async, reason = "a storage a user could need opening, as a stage does")]
    pub async fn user_files(&self, user: &str, id: Uuid) -> Result<Arc<Files>> {
        let below = format!("users/{}/", key::escape(user));
        Ok(self.own_files(&below, "stage '~'".to_owned(), self.meters.of(id)))
    }

    /// The files of a temporary stage of this id, to be counted.
    pub(super) fn temporary_files(&self, id: Uuid) -> Arc<Files> {
        self.own_files(&internal_dir(id, true), "a temporary stage".to_owned(), None)
    }

    /// The files of `@%table`.
    #[expect(
        clippy::unused_async,
        reason = "a storage a table could need opening, as a stage does"
    )]
    pub async fn table_files(&self, database: &str, table: &str) -> Result<Arc<Files>> {
        let below = format!("tables/{}/{}/", key::escape(database), key::escape(table));
        Ok(self.own_files(&below, format!("stage '%{table}'"), None))
    }

    /// The files that the rows of a table are in.
    pub fn row_files(&self, table: Uuid, name: &str) -> Arc<Files> {
        let (storage, uploads) = (self.storage.clone(), Arc::clone(&self.uploads));
        // Without marks: nobody asks for digests of these.
        Arc::new(Files::new(storage, &row_dir(table), format!("table '{name}'"), uploads))
    }

    /// Removes the rows of a table that is gone. The statement has succeeded by then, so a failure is told to
    /// the log.
    pub async fn discard_rows(&self, table: Uuid, name: &str) {
        if let Err(error) = self.remove_dir(row_dir(table), format!("table '{name}'")).await {
            tracing::warn!(table = name, "the rows of a dropped table are left behind: {error}");
        }
    }

    /// Removes the files of `@%table`, whose table is gone.
    pub async fn discard_table_files(&self, database: &str, table: &str) {
        let below = format!("tables/{}/{}/", key::escape(database), key::escape(table));
        if let Err(error) = self.remove_dir(below, format!("stage '%{table}'")).await {
            tracing::warn!(table, "the files of a dropped table's stage are left behind: {error}");
        }
    }

    /// The signature of a link of our own.
    pub fn sign(&self, link: &Link<'_>) -> String {
        self.signer.sign(link)
    }

    /// Whether we have signed this link.
    pub fn is_signed(&self, link: &Link<'_>, signature: &str) -> bool {
        self.signer.is_signed(link, signature)
    }

    /// Whether this server's configuration allows a stage to be there, with what its connection says.
    pub fn check_place(&self, external: &External, connection: Option<&Connection>) -> Result<()> {
        match connection {
            Some(connection) => self.policy.check(&place::joined(external, connection)?),
            None => self.policy.check(external),
        }
    }

    /// Whether it allows a connection to lead there.
    pub fn check_connection(&self, connection: &Connection) -> Result<()> {
        match connection.options.get("endpoint") {
            Some(endpoint) => self.policy.check_endpoint(endpoint.expose_secret()),
            None => Ok(()),
        }
    }

    /// Credentials under names.
    pub fn connections(&self) -> &Connections {
        &self.connections
    }

    /// A place with what its connection says now.
    async fn resolved(&self, external: &External) -> Result<External> {
        match external.connection {
            Some(_) => self.connections.read().await?.resolve(external),
            None => Ok(external.clone()),
        }
    }

    /// Removes the files of a stage that is in no catalog, at the end of its connection.
    pub async fn remove_files_of(&self, definition: &Definition) -> Result<()> {
        self.close_files(definition.id).await;
        if !definition.is_internal() {
            return Ok(());
        }
        let dir = internal_dir(definition.id, definition.temporary);
        let removed = self.remove_dir(dir, format!("stage '{}'", definition.name)).await;
        if let Some(meter) = self.meters.of(definition.owner) {
            meter.temporary(definition.id, false);
        }
        removed
    }

    /// Bytes of memory that files on their way may hold.
    pub fn upload_memory(&self) -> u64 {
        self.uploads.memory.reserved()
    }

    /// Waits until the uploads that were cut off are undone, and those that were finished are
    /// there. For the end of the server.
    pub async fn settle(&self) {
        self.uploads.tasks.close();
        self.uploads.tasks.wait().await;
    }

    fn own_files(&self, below: &str, label: String, meter: Option<Arc<Meter>>) -> Arc<Files> {
        let (storage, uploads) = (self.storage.clone(), Arc::clone(&self.uploads));
        Arc::new(Files::own(storage, below, label, uploads, meter))
    }

    /// Removes the files of an internal stage that is gone. The statement has succeeded by then, so
    /// a failure is told to the log.
    async fn discard(&self, id: Uuid, stage: &str) {
        let meter = self.close_files(id).await;
        let removed = self.remove_dir(internal_dir(id, false), stage.to_owned()).await;
        if let Some(meter) = meter {
            meter.forget();
        }
        if let Err(error) = removed {
            tracing::warn!(stage, "the files of a dropped stage are left behind: {error}");
        }
    }

    /// Forgets the open files of a stage that is gone, and ends its uploads. Says for whom they were
    /// counted.
    async fn close_files(&self, id: Uuid) -> Option<Arc<Meter>> {
        let open = self.open.lock().remove(&id);
        let (_, files) = open?;
        files.retire().await;
        files.meter.clone()
    }

    /// Not interrupted when the caller is.
    async fn remove_dir(&self, dir: String, label: String) -> Result<()> {
        let operator = self.storage.operator.clone();
        let marks = Marks::below(&operator, &dir).map(|_| marks::dir_of(&dir));
        let dir = format!("{}{dir}", self.storage.base);
        let local = self.storage.local.as_ref().map(|root| root.join(&dir));
        let removed = self.uploads.tasks.spawn(async move {
            if let Some(dir) = local {
                // Not by OpenDAL, which follows links.
                return match tokio::fs::remove_dir_all(dir).await {
                    Err(error) if !fault::is_absent_io(&error) => {
                        Err(fault::io("remove", &label, "", &error))
                    }
                    Ok(()) | Err(_) => Ok(()),
                };
            }
            for dir in std::iter::once(dir).chain(marks) {
                let removed = operator.delete_with(&dir).recursive(true).await;
                removed.map_err(|error| fault::storage("remove", &label, "", &error))?;
            }
            Ok(())
        });
        removed.await.map_err(|error| Error::Internal { what: error.to_string() })?
    }
}

/// Where the rows of a table are, below the storage's root.
fn row_dir(table: Uuid) -> String {
    format!("rows/{table}/")
}

/// Where the files of an internal stage are, below the storage's root.
fn internal_dir(id: Uuid, temporary: bool) -> String {
    let kind = if temporary { TEMPORARY } else { "stages" };
    format!("{kind}/{id}/")
}

const TEMPORARY: &str = "temporary";

impl Layout {
    fn of(data_dir: &Path) -> Layout {
        Layout {
            catalog: data_dir.join("catalog"),
            files: data_dir.join("files"),
            unfinished: data_dir.join("unfinished"),
        }
    }

    /// Takes the directory, and removes what a server that was killed has left in it.
    fn prepare(&self, data_dir: &Path) -> Result<DirLock> {
        let failed = |error: std::io::Error| Error::Startup {
            what: format!("Can't use the data directory {}: {error}", data_dir.display()),
            hint: "give the server a directory that it may write to, by --data-dir".to_owned(),
        };
        std::fs::create_dir_all(data_dir).map_err(failed)?;
        let lock = DirLock::take(data_dir)?;
        for left in [&self.unfinished, &self.files.join(TEMPORARY)] {
            match std::fs::remove_dir_all(left) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(lock)
    }
}

async fn own_catalog(layout: &Layout, calls: &Calls) -> Result<Store> {
    let uploads = layout.unfinished.join("catalog");
    let opened = open::open_dir(&layout.catalog, &uploads, "the catalog", calls)
        .await
        .map_err(|error| not_started("the catalog", &error))?;
    if opened.read_only {
        return Err(not_writable(&layout.catalog));
    }
    Ok(Store { operator: opened.operator, owned: opened.local })
}

/// A catalog that other servers may use as well: the storage has to decide races.
async fn shared_catalog(place: &config::Place, calls: &Calls) -> Result<Store> {
    let (external, opened) = open_place(place, "catalog", calls).await?;
    match place::scheme(&external) {
        Scheme::S3 | Scheme::Gcs | Scheme::Azblob | Scheme::Oss | Scheme::Cos | Scheme::Memory => {}
        Scheme::Fs | Scheme::Obs | Scheme::Webhdfs | Scheme::Webdav | Scheme::Http => {
            return Err(Error::Startup {
                what: format!("The catalog can't be kept at {}", external.url),
                hint: "use s3, gcs, azblob, oss or cos, or leave 'catalog' out: then it is kept \
                       below the data directory"
                    .to_owned(),
            });
        }
    }
    // The histories' keys begin at the root.
    if !opened.base.is_empty() {
        return Err(Error::Startup {
            what: format!("The catalog can't be kept at {}", external.url),
            hint: "use memory://name/ without a path".to_owned(),
        });
    }
    probe::conditional_writes(&opened.operator).await?;
    Ok(Store { operator: opened.operator, owned: None })
}

async fn own_place(place: &config::Place, setting: &str, calls: &Calls) -> Result<Opened> {
    Ok(open_place(place, setting, calls).await?.1)
}

async fn open_place(
    place: &config::Place,
    setting: &str,
    calls: &Calls,
) -> Result<(External, Opened)> {
    let options: Vec<_> = place
        .options
        .iter()
        .map(|(name, value)| (name.clone(), value.expose_secret().to_owned()))
        .collect();
    let label = format!("the {setting}");
    let opened = async {
        let external = place::external(&place.url, &options)?;
        let opened = open::open(&external, Identity::Server, &label, None, calls).await?;
        Ok((external, opened))
    };
    opened.await.map_err(|error| not_started(&label, &error))
}

fn not_writable(dir: &Path) -> Error {
    Error::Startup {
        what: format!("Can't write to the directory {}", dir.display()),
        hint: "give the server a directory that it may write to".to_owned(),
    }
}

fn not_started(what: &str, error: &Error) -> Error {
    // There is no client yet; the operator may see it all.
    let detail = if let Error::Storage { detail, .. } = error {
        format!(" ({detail})")
    } else {
        String::new()
    };
    Error::Startup {
        what: format!("Can't open {what}: {error}{detail}"),
        hint: error.hint().unwrap_or_else(|| "see the configuration file".to_owned()),
    }
}
