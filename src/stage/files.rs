//! The files of one stage: look, read, write, remove. Listing is in `list.rs`, an upload on its way
//! in `writer.rs`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use jiff::Timestamp;
use opendal::{Metadata, Operator};
use tokio_util::task::TaskTracker;

use crate::error::{Error, Result, StorageKind};
use crate::stage::fault;
use crate::stage::lock::Locks;
use crate::stage::name::StagePath;
use crate::stage::open::Opened;

/// Requests at a time, where a storage deletes one file by each.
const SINGLE_DELETES: usize = 16;

/// Files in one batch, where a storage takes any number.
const MAX_BATCH: usize = 1000;

/// The opened root of one stage.
pub struct Files {
    pub(super) operator: Operator,
    /// What the paths of this stage begin with: empty or ending in `/`.
    pub(super) base: String,
    /// The operator's root, if it is a directory of this machine.
    pub(super) local: Option<PathBuf>,
    pub(super) read_only: bool,
    /// Such as `stage 'lake'`.
    pub(super) label: String,
    pub(super) uploads: Arc<Uploads>,
    /// Set when the stage is dropped; see [`Files::retire`].
    dropped: AtomicBool,
}

/// What the uploads of all stages share.
#[derive(Debug, Default)]
pub(super) struct Uploads {
    /// For one file at a time: where a storage has no create-if-absent.
    pub(super) keys: Locks,
    /// Uploads on a file system hold it for reading while they move their file into place;
    /// whoever removes empty directories holds it for writing.
    pub(super) directories: tokio::sync::RwLock<()>,
    /// The tasks that write. Shutdown waits for them, so that each ends its upload or undoes it.
    pub(super) tasks: TaskTracker,
}

/// One file, as `LIST` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Relative to the stage's root.
    pub path: String,
    /// In bytes.
    pub size: u64,
    /// Only where the storage really gives the MD5 of the contents.
    pub md5: Option<String>,
    /// When it was written.
    pub last_modified: Option<Timestamp>,
}

impl Files {
    pub(super) fn new(opened: Opened, below: &str, label: String, uploads: Arc<Uploads>) -> Files {
        let base = format!("{}{below}", opened.base);
        let Opened { operator, local, read_only, .. } = opened;
        let dropped = AtomicBool::new(false);
        Files { operator, base, local, read_only, label, uploads, dropped }
    }

    /// The stage is dropped: no upload ends in it any more. One that is just being moved into place
    /// gets there first, and is removed with the other files.
    pub(super) async fn retire(&self) {
        let _alone = self.uploads.directories.write().await;
        self.dropped.store(true, Ordering::Release);
    }

    /// Fails if the stage was dropped. Its directory must not come back as one that belongs to
    /// nobody.
    pub(super) fn check_present(&self, path: &str) -> Result<()> {
        if self.dropped.load(Ordering::Acquire) {
            let gone = std::io::Error::from(std::io::ErrorKind::NotFound);
            return Err(fault::io("write", &self.label, path, &gone));
        }
        Ok(())
    }

    /// Such as `stage 'lake'`, for error texts.
    pub fn describe(&self) -> String {
        self.label.clone()
    }

    /// All files whose path begins with `prefix`, in byte order of their paths. Directories are
    /// not shown; one that doesn't exist has no files.
    pub fn list(self: &Arc<Self>, prefix: &StagePath) -> BoxStream<'static, Result<Entry>> {
        super::list::list(Arc::clone(self), prefix.as_str().to_owned())
    }

    /// One file, if it is there.
    pub async fn stat(&self, path: &StagePath) -> Result<Option<Entry>> {
        if path.is_root() || path.as_str().ends_with('/') {
            return Ok(None);
        }
        self.confine(path.as_str()).await?;
        match self.operator.stat(&self.key(path.as_str())).await {
            Ok(metadata) if metadata.is_file() => {
                Ok(Some(entry(path.as_str().to_owned(), &metadata)))
            }
            Ok(_) => Ok(None),
            Err(error) if fault::is_absent(&error) => Ok(None),
            Err(error) => Err(self.fault("look at", path.as_str(), &error)),
        }
    }

    /// The contents of one file, block by block.
    pub async fn read(&self, path: &StagePath) -> Result<BoxStream<'static, Result<Bytes>>> {
        if self.stat(path).await?.is_none() {
            return Err(Error::UnknownFile { path: path.to_string() });
        }
        let failed = |error: opendal::Error| self.fault("read", path.as_str(), &error);
        let reader = self.operator.reader(&self.key(path.as_str())).await.map_err(failed)?;
        let blocks = reader.into_stream(..).await.map_err(failed)?;
        let (label, path) = (self.label.clone(), path.to_string());
        Ok(blocks
            .map(move |block| match block {
                Ok(buffer) => Ok(buffer.to_bytes()),
                Err(error) => Err(fault::storage("read", &label, &path, &error)),
            })
            .boxed())
    }

    /// Removes files, in batches where the storage can. One result comes for each path. A path
    /// that is not there is no failure: it may have gone since it was listed.
    pub fn remove(
        self: &Arc<Self>,
        paths: BoxStream<'static, Result<String>>,
    ) -> BoxStream<'static, (String, Result<()>)> {
        let batch = self.operator.info().capability().delete_max_size.unwrap_or(SINGLE_DELETES);
        let files = Arc::clone(self);
        paths
            .chunks(batch.clamp(1, MAX_BATCH))
            .then(move |batch| {
                let files = Arc::clone(&files);
                async move { stream::iter(files.remove_batch(batch).await) }
            })
            .flatten()
            .boxed()
    }

    async fn remove_batch(&self, batch: Vec<Result<String>>) -> Vec<(String, Result<()>)> {
        let mut results = Vec::with_capacity(batch.len());
        let mut good = Vec::with_capacity(batch.len());
        for path in batch {
            match path {
                Ok(path) => match self.check_for_removal(&path).await {
                    Ok(()) => good.push(path),
                    Err(error) => results.push((path, Err(error))),
                },
                // The listing failed.
                Err(error) => results.push((String::new(), Err(error))),
            }
        }
        let batches = self.operator.info().capability().delete_max_size.is_some_and(|max| max > 1);
        if batches && good.len() > 1 {
            let keys: Vec<String> = good.iter().map(|path| self.key(path)).collect();
            if self.operator.delete_iter(keys).await.is_ok() {
                results.extend(good.into_iter().map(|path| (path, Ok(()))));
                return results;
            }
        }
        // One by one: which of a failed batch were removed is not told, and removing twice is no
        // mistake.
        let singles = stream::iter(good)
            .map(|path| async move {
                let removed = self.operator.delete(&self.key(&path)).await;
                let removed = removed.map_err(|error| self.fault("remove", &path, &error));
                (path, removed)
            })
            .buffered(SINGLE_DELETES);
        results.extend(singles.collect::<Vec<_>>().await);
        results
    }

    /// OpenDAL brings paths into a normal form. One that has another (`a//b`, `a `), made by some
    /// other program, would be the wrong file.
    async fn check_for_removal(&self, path: &str) -> Result<()> {
        let checked = StagePath::new(path)?;
        if checked.is_root() || path.ends_with('/') {
            return Err(Error::BadPath { path: path.to_owned(), why: "it is no file" });
        }
        self.confine(path).await
    }

    /// The stage's own directory, if it is on this machine.
    pub(super) fn local_root(&self) -> Option<PathBuf> {
        let root = self.local.as_ref()?;
        match self.base.trim_end_matches('/') {
            // Not joined: that would add a '/', behind which a file is not there.
            "" => Some(root.clone()),
            base => Some(root.join(base)),
        }
    }

    /// The operator's path of a stage's path.
    pub(super) fn key(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    pub(super) fn fault(
        &self,
        operation: &'static str,
        path: &str,
        error: &opendal::Error,
    ) -> Error {
        fault::storage(operation, &self.label, path, error)
    }

    /// On a file system: refuses a path that leaves the root over a symbolic link.
    pub(super) async fn confine(&self, path: &str) -> Result<()> {
        let Some(root) = &self.local else { return Ok(()) };
        let (root, file) = (root.clone(), root.join(self.key(path)));
        let inside = tokio::task::spawn_blocking(move || stays_below(&root, &file))
            .await
            .map_err(|error| Error::Internal { what: error.to_string() })?;
        if inside {
            return Ok(());
        }
        Err(Error::Storage {
            operation: "use",
            stage: self.label.clone(),
            path: path.to_owned(),
            kind: StorageKind::Denied,
            detail: "a symbolic link leads out of the stage's root".to_owned(),
        })
    }
}

/// Whether what exists of the path is below the root once links are followed.
fn stays_below(root: &Path, path: &Path) -> bool {
    for part in path.ancestors() {
        if let Ok(real) = part.canonicalize() {
            // Above a root that was removed, a place without links will do: the root comes back.
            return real.starts_with(root) || (real == part && root.starts_with(part));
        }
        // Something is there that can't be followed.
        if part.symlink_metadata().is_ok() {
            return false;
        }
    }
    false
}

pub(super) fn entry(path: String, metadata: &Metadata) -> Entry {
    Entry {
        path,
        size: metadata.content_length(),
        md5: md5(metadata.content_md5(), metadata.etag()),
        last_modified: metadata.last_modified().map(opendal::raw::Timestamp::into_inner),
    }
}

/// The MD5 of the contents in hexadecimal digits, never another ETag in disguise. S3's ETag is the
/// MD5 of what was uploaded in one piece; one of several pieces has a `-` in it.
fn md5(content_md5: Option<&str>, etag: Option<&str>) -> Option<String> {
    const DIGEST_BYTES: usize = 16;
    let digest = content_md5.and_then(|text| BASE64.decode(text).ok());
    if let Some(digest) = digest.filter(|digest| digest.len() == DIGEST_BYTES) {
        return Some(digest.iter().map(|byte| format!("{byte:02x}")).collect());
    }
    let etag = etag?.trim_matches('"');
    let digits = etag.len() == 2 * DIGEST_BYTES && etag.bytes().all(|b| b.is_ascii_hexdigit());
    digits.then(|| etag.to_ascii_lowercase())
}

/// The directories between `root` and `file` that do not exist yet, the deepest first.
pub(super) fn missing_dirs(root: &Path, file: &Path) -> Vec<PathBuf> {
    let above = file.ancestors().skip(1);
    above.take_while(|dir| *dir != root && !dir.exists()).map(Path::to_owned).collect()
}

/// Removes directories of ours, the deepest first, as long as they are empty.
pub(super) fn remove_empty(dirs: &[PathBuf]) {
    for dir in dirs {
        if std::fs::remove_dir(dir).is_err() {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etag_is_a_digest_only_where_it_looks_like_one() {
        let etag = |text| md5(None, Some(text));
        let digest = "d41d8cd98f00b204e9800998ecf8427e";
        assert_eq!(etag("\"D41D8CD98F00B204E9800998ECF8427E\"").as_deref(), Some(digest));
        assert_eq!(etag("\"d41d8cd98f00b204e9800998ecf8427e-2\""), None);
        assert_eq!(etag("W/\"0x8DC\""), None);
        assert_eq!(md5(Some("1B2M2Y8AsgTpgAmY7PhCfg=="), None).as_deref(), Some(digest));
        assert_eq!(md5(Some("AAAA"), None), None);
    }
}
