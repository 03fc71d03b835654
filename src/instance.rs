//! What all connections share: the configuration, the stages, the users.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use crate::access::directory::Directory;
use crate::access::people::{Identity, StagePrivilege, hidden};
use crate::access::{Account, Known, ROOT, Users};
use crate::config::{Config, UserLimits};
use crate::error::{Error, Result};
use crate::exchange::Exchange;
use crate::formats::FormatRegister;
use crate::processes::Processes;
use crate::query::Engine;
use crate::schema::Schemas;
use crate::stage::Stages;
use crate::stage::definition::Definition;
use crate::stage::name::StageName;
use crate::tls::Tls;

/// The version that is announced to clients: MySQL's first, because drivers parse it.
pub const SERVER_VERSION: &str = concat!("8.4.6-Stagewire-", env!("CARGO_PKG_VERSION"));

/// One running server.
pub struct Instance {
    /// What it was told.
    pub config: Config,
    /// Where files are.
    pub stages: Arc<Stages>,
    /// Where HTTP clients connect, once that is open.
    pub http_addr: OnceLock<SocketAddr>,
    /// The certificate.
    pub tls: Arc<Tls>,
    /// What hides a password where connections are not encrypted.
    pub exchange: Exchange,
    /// Who may log in.
    pub users: Users,
    /// The other users, roles, and what was granted to them.
    pub directory: Directory,
    /// When it started.
    pub started: Instant,
    /// The number of the newest connection.
    pub last_connection_id: AtomicU32,
    /// Connections that are open now.
    pub connections: AtomicUsize,
    /// Those of them that have logged in, and what they do.
    pub processes: Arc<Processes>,
    /// Statements and requests that may bring files at a time, as far as none does.
    uploads: Arc<Semaphore>,
    /// Statements that were run.
    pub statements: AtomicU64,
    /// Views.
    pub schemas: Schemas,
    /// Named file formats.
    pub formats: FormatRegister,
    /// What computes queries of files.
    pub engine: Engine,
}

impl Instance {
    /// Opens catalog and storage.
    pub async fn open(config: Config) -> Result<Arc<Instance>> {
        let stages = Stages::open(&config).await?;
        let directory = Directory::open(&stages).await?;
        // The data directory is this server's from here on.
        let tls = Arc::new(Tls::open(&config)?);
        let users = Users::new(&config.root_password, config.default_authentication_plugin);
        let exchange = Exchange::new(&config.data_dir);
        let schemas = Schemas::open(&stages).await?;
        let formats = FormatRegister::open(&stages).await?;
        let engine = Engine::new(&config)?;
        let uploads = Arc::new(Semaphore::new(most_uploads(&config)));
        Ok(Arc::new(Instance {
            uploads,
            schemas,
            formats,
            engine,
            config,
            stages,
            http_addr: OnceLock::new(),
            tls,
            exchange,
            users,
            directory,
            started: Instant::now(),
            last_connection_id: AtomicU32::new(0),
            connections: AtomicUsize::new(0),
            processes: Arc::default(),
            statements: AtomicU64::new(0),
        }))
    }

    /// Who wants to log in under this name.
    pub async fn account<'a>(&'a self, name: &'a str) -> Result<Account<'a>> {
        let plugin = self.config.default_authentication_plugin;
        let known = match name {
            ROOT => Known { plugin, user: None },
            _ => self.directory.known(name, plugin).await?,
        };
        Ok(self.users.account(name, known))
    }

    /// The stage of this name, for a user who may do this with it. One that he may not know of looks
    /// like one that is not there.
    pub async fn stage_for(
        &self,
        user: &Identity,
        name: &StageName,
        privilege: StagePrivilege,
    ) -> Result<Arc<Definition>> {
        let rights = self.directory.rights(user).await?;
        match self.stages.get(name).await {
            Ok(stage) => {
                rights.need_on(user, name, stage.id, privilege)?;
                Ok(stage)
            }
            // Nor does a hint tell what else is there.
            Err(Error::UnknownStage { .. } | Error::CatalogDamaged { .. })
                if !rights.owns_database(&name.database) =>
            {
                Err(hidden(name))
            }
            Err(error) => Err(error),
        }
    }

    /// Fails for who may not use the stage of a table: it is for who owns the table, or its database.
    pub async fn need_table_stage(
        &self,
        user: &Identity,
        database: &str,
        table: &str,
    ) -> Result<()> {
        let rights = self.directory.rights(user).await?;
        let schema = self.schemas.read().await?;
        let name = StageName::new(database, table);
        match schema.table(&name) {
            Some(table)
                if table.owner == user.id
                    || rights.has_on(database, table.id, StagePrivilege::Ownership) =>
            {
                Ok(())
            }
            Some(known) if rights.sees(database, known.id) => Err(Error::TableDenied {
                privilege: "OWNERSHIP".to_owned(),
                user: user.name.clone(),
                table: name.to_string(),
            }),
            Some(_) | None => rights.need_table(database, table),
        }
    }

    /// What a user can take now; 0 for no limit, as with `root`.
    pub async fn limits_of(&self, user: &Identity) -> Result<UserLimits> {
        if user.name == ROOT {
            return Ok(UserLimits::default());
        }
        let people = self.directory.people().await?;
        let own = people.with_id(user.id).map(|(_, user)| user.limits);
        Ok(own.unwrap_or_default().or(self.config.limits.of_users()))
    }

    /// Sees to it that what is written for this user, whoever writes it, is within his quota. Nothing is
    /// counted for `root`, and for who is not there any more.
    pub async fn bound_bytes(&self, owner: Uuid) -> Result<()> {
        if owner.is_nil() {
            return Ok(());
        }
        let people = self.directory.people().await?;
        let (name, limit) = match people.with_id(owner) {
            Some((name, user)) => (name, user.limits.or(self.config.limits.of_users()).stage_bytes),
            None => ("", 0),
        };
        self.stages.bound(owner, name, limit).await
    }

    /// Waits until an upload may run beside the others. Whoever drops it has ended.
    pub async fn upload_turn(&self) -> Result<OwnedSemaphorePermit> {
        let limits = &self.config.limits;
        let turn = Arc::clone(&self.uploads).acquire_owned();
        match tokio::time::timeout(limits.net_timeout(), turn).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) | Err(_) => Err(Error::NoTurn {
                limit: "max_uploads",
                most: u64::try_from(limits.max_uploads).unwrap_or(u64::MAX),
                waited_s: limits.net_timeout_s,
            }),
        }
    }

    /// How many uploads run.
    pub fn running_uploads(&self) -> usize {
        most_uploads(&self.config).saturating_sub(self.uploads.available_permits())
    }

    /// What the URLs begin with that clients are given, without a `/` at the end.
    pub fn public_url(&self) -> String {
        match &self.config.public_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => {
                let addr = self.http_addr.get().unwrap_or(&self.config.http_addr);
                // Nobody trusts a certificate of ours without being told to.
                let known = self.config.tls.cert.is_some();
                let scheme = match known || self.config.require_secure_transport {
                    true => "https",
                    false => "http",
                };
                format!("{scheme}://{addr}")
            }
        }
    }
}

fn most_uploads(config: &Config) -> usize {
    match config.limits.max_uploads {
        0 => Semaphore::MAX_PERMITS,
        most => most.min(Semaphore::MAX_PERMITS),
    }
}
