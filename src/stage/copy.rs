//! One file to another place: by the storage itself where both ends are in one bucket, with the same
//! credentials; else through this server, block by block.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use futures::stream::TryStreamExt;
use opendal::{Metadata, Operator};
use tracing::Instrument;

use crate::error::{Error, Result};
use crate::stage::calls::Calls;
use crate::stage::digest::Digests;
use crate::stage::files::{Entry, Files};
use crate::stage::guard::Guard;
use crate::stage::name::StagePath;
use crate::stage::place::Scheme;
use crate::stage::{Committed, Parts, digest, fault, open};

/// What a storage copies by one request: a request of more would outlast its time. S3 puts larger
/// ones together from such parts.
const PIECE_BYTES: usize = 1024 * 1024 * 1024;

/// Requests at a time for the parts of one file.
const PIECES_AT_A_TIME: usize = 4;

/// What became of one copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copied {
    /// The target is there, with so many bytes.
    Copied {
        /// Its size.
        size: u64,
    },
    /// It was not to be overwritten, and is there already.
    Exists,
    /// Source and target are one file.
    Same,
}

/// Where an operator's root is, so that it can be told whether another one is in the same bucket.
#[derive(Clone)]
pub(super) struct Home {
    pub(super) scheme: Scheme,
    /// All settings but the root, with the credentials in clear.
    pub(super) settings: BTreeMap<String, String>,
    /// What keys begin with: empty or ending in `/`.
    pub(super) root: String,
    /// The way to it.
    pub(super) guard: Option<Guard>,
    pub(super) calls: Calls,
    /// Whose it is, such as `stage 'lake'`.
    pub(super) label: String,
}

impl fmt::Debug for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Home").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

impl Home {
    /// The home of an operator with these settings; `None` where the storage's own copies are no
    /// good: a directory's is seen half-way, and Azure's may still be going on when it is answered.
    pub(super) fn of(
        scheme: Scheme,
        mut settings: BTreeMap<String, String>,
        guard: Option<&Guard>,
        calls: &Calls,
        label: &str,
    ) -> Option<Home> {
        match scheme {
            Scheme::S3 | Scheme::Gcs | Scheme::Oss | Scheme::Cos | Scheme::Obs => {
                let root = settings.remove("root").unwrap_or_default();
                let root = match root.trim_matches('/') {
                    "" => String::new(),
                    root => format!("{root}/"),
                };
                let (guard, calls) = (guard.cloned(), calls.clone());
                Some(Home { scheme, settings, root, guard, calls, label: label.to_owned() })
            }
            Scheme::Fs
            | Scheme::Memory
            | Scheme::Azblob
            | Scheme::Webhdfs
            | Scheme::Webdav
            | Scheme::Http => None,
        }
    }

    /// The whole bucket.
    pub(super) fn bucket(&self) -> Result<Operator, opendal::Error> {
        let operator = open::from_settings(self.scheme, self.settings.clone())?;
        Ok(self.calls.lead(operator, self.guard.as_ref(), &self.label))
    }

    /// Whether the storage signs URLs that may be given away: not without a key, and not with one
    /// that the URL's headers would have to tell.
    pub(super) fn presigns(&self) -> bool {
        !self.settings.contains_key("skip_signature")
            && !self.settings.contains_key("server_side_encryption_customer_key")
    }

    fn shares_bucket_with(&self, other: &Home) -> bool {
        (self.scheme, &self.settings) == (other.scheme, &other.settings)
    }

    fn copies(&self, size: u64) -> bool {
        self.scheme == Scheme::S3 || size <= u64::try_from(PIECE_BYTES).unwrap_or(u64::MAX)
    }
}

/// The way from one stage to another, for any number of files.
pub struct Route {
    from: Arc<Files>,
    to: Arc<Files>,
    /// What both are in, where the storage can copy.
    bucket: Option<Operator>,
}

impl Route {
    /// Finds the way. Fails where nothing may be written.
    pub fn new(from: Arc<Files>, to: Arc<Files>) -> Result<Route> {
        to.check_writable()?;
        let bucket = match (&from.home, &to.home) {
            (Some(one), Some(other)) if one.shares_bucket_with(other) => {
                Some(one.bucket().map_err(|error| to.fault("open", "", &error))?)
            }
            (Some(_) | None, _) => None,
        };
        Ok(Route { from, to, bucket })
    }

    /// Whether files that are copied may turn up among those that are still to be copied.
    pub fn overlaps(&self) -> bool {
        let (from, to) = (self.from.operator.info(), self.to.operator.info());
        self.bucket.is_some() || (from.scheme(), from.name()) == (to.scheme(), to.name())
    }

    /// Copies one file, whole or not at all.
    pub async fn copy(&self, entry: &Entry, to: &StagePath, overwrite: bool) -> Result<Copied> {
        self.to.confine(to.as_str()).await?;
        if self.is_same(&entry.path, to.as_str()) {
            return Ok(Copied::Same);
        }
        if !overwrite && self.to.stat(to).await?.is_some() {
            return Ok(Copied::Exists);
        }
        match (&self.bucket, &self.from.home) {
            (Some(bucket), Some(home)) if home.copies(entry.size) => {
                self.copy_there(bucket.clone(), entry, to, overwrite).await
            }
            (_, _) => self.copy_here(entry, to, overwrite).await,
        }
    }

    fn is_same(&self, from: &str, to: &str) -> bool {
        let one_storage = match (self.from.local_root(), self.to.local_root()) {
            (Some(one), Some(other)) => return one.join(from) == other.join(to),
            (_, _) => match (&self.from.home, &self.to.home) {
                (Some(one), Some(other)) if self.bucket.is_some() => {
                    return format!("{}{}", one.root, self.from.key(from))
                        == format!("{}{}", other.root, self.to.key(to));
                }
                (_, _) => Arc::ptr_eq(&self.from, &self.to) || self.from.label == self.to.label,
            },
        };
        one_storage && self.from.key(from) == self.to.key(to)
    }

    /// By the storage. In a task of its own: one that was cut off could leave parts behind.
    async fn copy_there(
        &self,
        bucket: Operator,
        entry: &Entry,
        to: &StagePath,
        overwrite: bool,
    ) -> Result<Copied> {
        let root = |files: &Files| files.home.as_ref().map_or("", |home| &home.root).to_owned();
        let from_key = format!("{}{}", root(&self.from), self.from.key(&entry.path));
        let to_key = format!("{}{}", root(&self.to), self.to.key(to.as_str()));
        let (files, entry, to) = (Arc::clone(&self.to), entry.clone(), to.clone());
        let source = self.from.describe();
        let reservation = self.to.reserve()?;
        if let Some(reservation) = &reservation {
            reservation.grow_by(entry.size)?;
        }
        let work = async move {
            let capability = bucket.info().capability();
            let options = opendal::options::CopyOptions {
                if_not_exists: !overwrite && capability.copy_with_if_not_exists,
                source_content_length_hint: Some(entry.size),
                concurrent: PIECES_AT_A_TIME,
                chunk: capability.copy_can_multi.then_some(PIECE_BYTES),
                ..opendal::options::CopyOptions::default()
            };
            let _turn = files.uploads.keys.lock(&files.lock_name(to.as_str())).await;
            let replaced = if overwrite { files.replaced(&to).await } else { 0 };
            match bucket.copy_options(&from_key, &to_key, options).await {
                Ok(metadata) => {
                    note(&files, &entry, &to, &metadata).await;
                    if let Some(reservation) = reservation {
                        reservation.spend(replaced);
                    }
                    Ok(Copied::Copied { size: entry.size })
                }
                Err(error) if error.kind() == opendal::ErrorKind::ConditionNotMatch => {
                    Ok(Copied::Exists)
                }
                Err(error) => Err(fault::storage("copy", &source, &entry.path, &error)),
            }
        };
        let copied = self.to.uploads.tasks.spawn(work.in_current_span());
        copied.await.map_err(|error| Error::Internal { what: error.to_string() })?
    }

    /// Through this server.
    async fn copy_here(&self, entry: &Entry, to: &StagePath, overwrite: bool) -> Result<Copied> {
        let from = StagePath::new(entry.path.as_str())?;
        let mut blocks = self.from.read(&from).await?;
        let mut writer = self.to.create(to, overwrite, Parts::default()).await?;
        // A failure drops the writer, which undoes what it has written.
        while let Some(block) = blocks.try_next().await? {
            writer.write(block).await?;
        }
        match writer.finish().await? {
            Committed::Written { size, .. } => Ok(Copied::Copied { size }),
            Committed::Exists => Ok(Copied::Exists),
            // What is asked for is there.
            Committed::Same => Ok(Copied::Copied { size: entry.size }),
        }
    }
}

/// Keeps the digests of a copy, if they are known to be of the version that was listed: the same ETag.
async fn note(files: &Files, source: &Entry, to: &StagePath, copy: &Metadata) {
    let (Some(marks), Some(etag), Some(listed)) = (&files.marks, copy.etag(), &source.etag) else {
        return;
    };
    let same = etag.trim_matches('"') == listed.trim_matches('"');
    if same
        && digest::of_etag(etag).is_none()
        && let Some(digests) = known(source)
    {
        marks.set(to.as_str(), etag, digests).await;
    }
}

fn known(entry: &Entry) -> Option<Digests> {
    let md5 = entry.md5.as_deref().and_then(digest::of_hex);
    Some(Digests { md5, sha256: entry.sha256_bytes()? })
}
