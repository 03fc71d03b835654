//! Who sends a request, and which stage it names.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::access::REFUSAL_DELAY;
use crate::access::people::{Identity, StagePrivilege};
use crate::error::{Error, Result};
use crate::instance::Instance;
use crate::metrics;
use crate::sql::location::{self, Location};
use crate::stage::Scope;
use crate::stage::files::Files;
use crate::stage::name::{DEFAULT_DATABASE, StageName};

/// Who asks: by basic authentication, or as `root` where that needs no password.
pub(super) async fn authenticate(
    instance: &Instance,
    ip: IpAddr,
    headers: &HeaderMap,
) -> Result<Identity> {
    let known = identify(instance, ip, headers).await;
    metrics::log_in("http", if known.is_ok() { "ok" } else { "denied" });
    known
}

async fn identify(instance: &Instance, ip: IpAddr, headers: &HeaderMap) -> Result<Identity> {
    let denied = |user: &str, with_password| Error::AccessDenied {
        user: user.to_owned(),
        host: ip.to_string(),
        with_password,
    };
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        let admitted = instance.users.admits_without_password(ip);
        return if admitted { Ok(Identity::root()) } else { Err(denied("", false)) };
    };
    match basic(value) {
        Some((user, password)) => {
            let account = instance.account(&user).await?;
            if account.verify_clear(ip, &password).await {
                return Ok(account.identity());
            }
            tokio::time::sleep(REFUSAL_DELAY).await;
            Err(denied(&user, !password.is_empty()))
        }
        None => Err(denied("", false)),
    }
}

/// Name and password of basic authentication.
fn basic(value: &HeaderValue) -> Option<(String, String)> {
    let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
    let decoded = BASE64_STANDARD.decode(encoded.trim()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (user, password) = text.split_once(':')?;
    scheme.eq_ignore_ascii_case("Basic").then(|| (user.to_owned(), password.to_owned()))
}

/// Who a request says that it comes from, right or wrong.
pub(super) fn name_of(headers: &HeaderMap) -> Option<String> {
    match headers.get(header::AUTHORIZATION) {
        None => None,
        Some(value) => basic(value).map(|(user, _)| user),
    }
}

/// The stage that a header or a URL names: `~`, `%table`, `name`, `db.name`, or any other name as it
/// is.
pub(super) struct Area(location::Area);

impl Area {
    /// Reads it.
    pub(super) fn parse(name: &str) -> Area {
        Area(match Location::parse(&format!("@{}", name.trim_start_matches('@'))) {
            Ok(Location { area, path }) if path.is_root() => area,
            Ok(_) | Err(_) => location::Area::Stage { database: None, name: name.to_owned() },
        })
    }

    /// Its files, for a user who may do this with them.
    pub(super) async fn files_for(
        self,
        instance: &Instance,
        user: &Identity,
        privilege: StagePrivilege,
    ) -> Result<Arc<Files>> {
        match &self.0 {
            location::Area::User => {}
            location::Area::Stage { database, name } => {
                let database = database.as_deref().unwrap_or(DEFAULT_DATABASE);
                let name = StageName::new(database, name.clone());
                instance.stage_for(user, &name, privilege).await?;
            }
            location::Area::Table { database, name } => {
                let database = database.as_deref().unwrap_or(DEFAULT_DATABASE);
                instance.need_table_stage(user, database, name).await?;
            }
        }
        let writes = privilege == StagePrivilege::Write;
        Ok(self.files(instance, &user.name, writes).await?.0)
    }

    /// Its files, whoever asks, and what a signature for one of them names. What `writes` is bounded by
    /// the quota of whom they are counted for.
    pub(super) async fn files(
        self,
        instance: &Instance,
        user: &str,
        writes: bool,
    ) -> Result<(Arc<Files>, Scope)> {
        let stages = &instance.stages;
        match self.0 {
            location::Area::User => {
                let user = instance.directory.identity(user).await?;
                if writes {
                    instance.bound_bytes(user.id).await?;
                }
                let files = stages.user_files(&user.name, user.id).await?;
                Ok((files, Scope::User(user.name, user.id)))
            }
            location::Area::Stage { database, name } => {
                let database = database.unwrap_or_else(|| DEFAULT_DATABASE.to_owned());
                let definition = stages.get(&StageName::new(database, name)).await?;
                if writes {
                    instance.bound_bytes(definition.owner).await?;
                }
                Ok((stages.open_files(&definition).await?, Scope::Stage(definition.id)))
            }
            location::Area::Table { database, name } => {
                let database = database.unwrap_or_else(|| DEFAULT_DATABASE.to_owned());
                let files = stages.table_files(&database, &name).await?;
                Ok((files, Scope::Table(database, name)))
            }
        }
    }
}

/// The next piece of a body, unless it breaks off or nothing comes for too long.
pub(super) async fn in_time<T, E>(
    timeout: Duration,
    next: impl Future<Output = Result<Option<T>, E>>,
    say: impl Fn(&E) -> String,
) -> Result<Option<T>> {
    match tokio::time::timeout(timeout, next).await {
        Ok(Ok(piece)) => Ok(piece),
        Ok(Err(error)) => {
            Err(Error::BadRequest { why: format!("The body is broken: {}", say(&error)) })
        }
        Err(_) => {
            metrics::timed_out("http", "net");
            Err(Error::BadRequest { why: "The body stopped coming".to_owned() })
        }
    }
}
