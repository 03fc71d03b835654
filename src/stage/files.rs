//! The files of one stage: look, read, write, remove. Listing is in `list.rs`, an upload on its way
//! in `writer.rs`.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures::stream::{self, BoxStream, Stream, StreamExt};
use jiff::Timestamp;
use opendal::{Metadata, Operator};
use tokio_util::task::TaskTracker;

use crate::error::{Error, Result};
use crate::stage::alive::Alive;
use crate::stage::copy::Home;
use crate::stage::digest::Digests;
use crate::stage::lock::Locks;
use crate::stage::marks::Marks;
use crate::stage::memory::Memory;
use crate::stage::meter::Meter;
use crate::stage::name::StagePath;
use crate::stage::open::Opened;
use crate::stage::writer::SHA256_KEY;
use crate::stage::{attribute, digest, fault};

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
    /// See [`Opened::etag_is_md5`].
    pub(super) etag_is_md5: Arc<AtomicBool>,
    /// Where MD5s are kept that the storage doesn't tell; for the server's own storage alone.
    pub(super) marks: Option<Marks>,
    /// See [`Opened::home`].
    pub(super) home: Option<Arc<Home>>,
    /// Such as `stage 'lake'`.
    pub(super) label: String,
    pub(super) uploads: Arc<Uploads>,
    /// For whom their bytes are counted.
    pub(super) meter: Option<Arc<Meter>>,
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
    /// What they hold in memory.
    pub(super) memory: Memory,
    /// Their MD5 is not computed.
    pub(super) without_md5: bool,
    /// Which there are.
    pub(super) alive: Arc<Alive>,
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
    /// The MD5 of the bytes as they are stored, where it is known.
    pub md5: Option<String>,
    /// Their SHA-256, where it is known. Listings of object stores don't tell it; see
    /// [`Files::look`].
    pub sha256: Option<String>,
    /// The storage's own name for this version of the file.
    pub etag: Option<String>,
    /// When it was written.
    pub last_modified: Option<Timestamp>,
}

impl Entry {
    /// The SHA-256, where it is known.
    pub fn sha256_bytes(&self) -> Option<[u8; 32]> {
        digest::of_hex(self.sha256.as_deref()?)
    }

    /// One in a directory of this machine.
    pub(super) fn local(path: String, metadata: &std::fs::Metadata) -> Entry {
        let changed = metadata.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
        let (size, last_modified) = (metadata.len(), changed);
        Entry { path, size, md5: None, sha256: None, etag: None, last_modified }
    }

    /// With the digests that the file itself has.
    fn with_attribute(self, file: &Path) -> Entry {
        let known = self.last_modified.and_then(|changed| attribute::get(file, self.size, changed));
        self.with_digests(known)
    }

    /// With the digests that are kept beside the storage's own knowledge.
    pub(super) fn with_digests(mut self, known: Option<Digests>) -> Entry {
        if let Some(Digests { md5, sha256 }) = known {
            self.md5 = md5.map(hex::encode).or(self.md5);
            self.sha256 = Some(hex::encode(sha256));
        }
        self
    }
}

impl Files {
    pub(super) fn new(opened: Opened, below: &str, label: String, uploads: Arc<Uploads>) -> Files {
        let base = format!("{}{below}", opened.base);
        let Opened { operator, local, read_only, etag_is_md5, home, .. } = opened;
        let (marks, meter, dropped) = (None, None, AtomicBool::new(false));
        Files {
            operator,
            base,
            local,
            read_only,
            etag_is_md5,
            marks,
            home,
            label,
            uploads,
            meter,
            dropped,
        }
    }

    /// The files in a directory of the server's own storage, where it may keep other things too.
    pub(super) fn own(
        opened: Opened,
        below: &str,
        label: String,
        uploads: Arc<Uploads>,
        meter: Option<Arc<Meter>>,
    ) -> Files {
        let marks = Marks::below(&opened.operator, below);
        Files { marks, meter, ..Files::new(opened, below, label, uploads) }
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

    /// Work whose end a shutdown waits for, as for that of an upload.
    pub fn until_done<T, W: Future<Output = T> + Send>(
        &self,
        work: W,
    ) -> impl Future<Output = T> + Send + use<T, W> {
        self.uploads.tasks.track_future(work)
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
        if let Some(root) = self.local_root() {
            return self.stat_local(root, path).await;
        }
        match self.operator.stat(&self.key(path.as_str())).await {
            Ok(metadata) if metadata.is_file() => {
                Ok(Some(self.entry(path.as_str().to_owned(), &metadata)))
            }
            Ok(_) => Ok(None),
            Err(error) if fault::is_absent(&error) => Ok(None),
            Err(error) => Err(self.fault("look at", path.as_str(), &error)),
        }
    }

    /// One file, if it is there, with all that is known of it.
    pub async fn look(&self, path: &StagePath) -> Result<Option<Entry>> {
        let Some(entry) = self.stat(path).await? else { return Ok(None) };
        let known = match (&self.marks, &entry.md5, &entry.etag) {
            (Some(marks), None, Some(etag)) => {
                marks.pass(&entry.path).find(&entry.path, etag).await
            }
            (_, _, _) => None,
        };
        Ok(Some(entry.with_digests(known)))
    }

    /// Some of the contents of a file that is there, block by block.
    pub async fn read_range(
        &self,
        path: &StagePath,
        range: std::ops::Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes>>> {
        self.confine(path.as_str()).await?;
        self.blocks(path, range).await
    }

    /// A part of a file, of the very version that `seen` tells of: another one is an error, not a mixture
    /// of both. Where a storage can't read by ETag, size and time are compared before each part and behind it.
    pub async fn read_version(
        &self,
        path: &StagePath,
        range: std::ops::Range<u64>,
        seen: &Entry,
    ) -> Result<BoxStream<'static, Result<Bytes>>> {
        self.confine(path.as_str()).await?;
        let changed = || Error::FileChanged { stage: self.label.clone(), path: path.to_string() };
        let by_etag = self.operator.info().capability().read_with_if_match;
        let Some(etag) = seen.etag.as_deref().filter(|_| by_etag) else {
            let key = self.key(path.as_str());
            let found = self.operator.stat(&key).await;
            let now = found.map_err(|error| self.fault("read", path.as_str(), &error))?;
            let found = self.entry(path.to_string(), &now);
            if (found.size, found.last_modified) != (seen.size, seen.last_modified) {
                return Err(changed());
            }
            let blocks = self.blocks(path, range).await?;
            return Ok(blocks
                .chain(unless_same(self.operator.clone(), key, now, changed()))
                .boxed());
        };
        let failed = |label: &str, path: &str, error: &opendal::Error| {
            if error.kind() == opendal::ErrorKind::ConditionNotMatch {
                return Error::FileChanged { stage: label.to_owned(), path: path.to_owned() };
            }
            fault::storage("read", label, path, error)
        };
        let (label, path) = (self.label.clone(), path.to_string());
        let reader = self.operator.reader_with(&self.key(&path)).if_match(etag).await;
        let reader = reader.map_err(|error| failed(&label, &path, &error))?;
        let blocks = reader.into_stream(range).await;
        let blocks = blocks.map_err(|error| failed(&label, &path, &error))?;
        Ok(blocks
            .map(move |block| match block {
                Ok(buffer) => Ok(buffer.to_bytes()),
                Err(error) => Err(failed(&label, &path, &error)),
            })
            .boxed())
    }

    /// The contents of one file, block by block.
    pub async fn read(&self, path: &StagePath) -> Result<BoxStream<'static, Result<Bytes>>> {
        if self.stat(path).await?.is_none() {
            return Err(Error::UnknownFile { path: path.to_string() });
        }
        self.blocks(path, ..).await
    }

    async fn blocks(
        &self,
        path: &StagePath,
        range: impl std::ops::RangeBounds<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes>>> {
        let failed = |error: opendal::Error| self.fault("read", path.as_str(), &error);
        let reader = self.operator.reader(&self.key(path.as_str())).await.map_err(failed)?;
        let blocks = reader.into_stream(range).await.map_err(failed)?;
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
        entries: BoxStream<'static, Result<Entry>>,
    ) -> BoxStream<'static, (String, Result<()>)> {
        let batch = self.operator.info().capability().delete_max_size.unwrap_or(SINGLE_DELETES);
        let files = Arc::clone(self);
        entries
            .chunks(batch.clamp(1, MAX_BATCH))
            .then(move |batch| {
                let files = Arc::clone(&files);
                async move { stream::iter(files.remove_batch(batch).await) }
            })
            .flatten()
            .boxed()
    }

    async fn remove_batch(&self, batch: Vec<Result<Entry>>) -> Vec<(String, Result<()>)> {
        let sizes = batch.iter().flatten().map(|entry| (entry.path.clone(), entry.size));
        let sizes: HashMap<String, u64> = sizes.collect();
        let paths = batch.into_iter().map(|entry| entry.map(|entry| entry.path)).collect();
        let results = self.remove_files(paths).await;
        let gone = results.iter().filter(|(_, result)| result.is_ok());
        self.freed(gone.filter_map(|(path, _)| sizes.get(path)).sum());
        if let Some(marks) = &self.marks {
            let gone = results.iter().filter(|(_, result)| result.is_ok());
            marks.forget(&gone.map(|(path, _)| path.clone()).collect()).await;
        }
        results
    }

    async fn remove_files(&self, batch: Vec<Result<String>>) -> Vec<(String, Result<()>)> {
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

    /// What the storage tells of a file.
    pub(super) fn entry(&self, path: String, metadata: &Metadata) -> Entry {
        let etag = metadata.etag();
        let of_etag = || etag.filter(|_| self.etag_is_md5.load(Ordering::Relaxed));
        let md5 = metadata
            .content_md5()
            .and_then(digest::of_content_md5)
            .or_else(|| of_etag().and_then(digest::of_etag));
        Entry {
            path,
            size: metadata.content_length(),
            md5: md5.map(hex::encode),
            sha256: metadata
                .user_metadata()
                .and_then(|own| own.get(SHA256_KEY))
                .and_then(digest::of_hex)
                .map(|sha256: digest::Sha256Bytes| hex::encode(sha256)),
            etag: etag.map(str::to_owned),
            last_modified: metadata.last_modified().map(opendal::raw::Timestamp::into_inner),
        }
    }

    /// Files in a directory of this machine, by path. Links are none, and what is gone by now is passed over.
    pub(super) async fn look_at_local(&self, paths: Vec<String>) -> Result<Vec<Entry>> {
        let Some(root) = self.local_root() else { return Ok(Vec::new()) };
        let look = move |path: String| {
            let file = root.join(&path);
            let metadata = std::fs::symlink_metadata(&file).ok()?;
            if !metadata.is_file() {
                return None;
            }
            Some(Entry::local(path, &metadata).with_attribute(&file))
        };
        let looked = move || paths.into_iter().filter_map(look).collect();
        let looked = tokio::task::spawn_blocking(looked).await;
        looked.map_err(|error| Error::Internal { what: error.to_string() })
    }

    /// A file in a directory of this machine. Not by OpenDAL: that is asked before and behind each upload, and this
    /// reads what the file says of itself in the same turn of a thread.
    async fn stat_local(&self, root: PathBuf, path: &StagePath) -> Result<Option<Entry>> {
        let name = path.as_str().to_owned();
        let look = move || {
            let file = root.join(&name);
            let metadata = std::fs::metadata(&file)?;
            let found = metadata.is_file().then(|| Entry::local(name, &metadata));
            Ok(found.map(|entry| entry.with_attribute(&file)))
        };
        let looked = tokio::task::spawn_blocking(look).await;
        match looked.map_err(|error| Error::Internal { what: error.to_string() })? {
            Err(error) if fault::is_absent_io(&error) => Ok(None),
            looked => {
                looked.map_err(|error| fault::io("look at", &self.label, path.as_str(), &error))
            }
        }
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

    /// What is locked while a file of this path is put in place.
    pub(super) fn lock_name(self: &Arc<Self>, path: &str) -> String {
        match self.local_root() {
            Some(root) => root.join(path).to_string_lossy().into_owned(),
            None => format!("{:p}/{}", Arc::as_ptr(self), self.key(path)),
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

    /// On a file system: the directory that a path may not leave, and the path there.
    pub(super) fn bounds(&self, path: &str) -> Option<(PathBuf, PathBuf)> {
        let root = self.local.as_ref()?;
        Some((root.clone(), root.join(self.key(path))))
    }

    /// On a file system: refuses a path that leaves the root over a symbolic link.
    pub(super) async fn confine(&self, path: &str) -> Result<()> {
        let Some((root, file)) = self.bounds(path) else { return Ok(()) };
        let inside = tokio::task::spawn_blocking(move || stays_below(&root, &file))
            .await
            .map_err(|error| Error::Internal { what: error.to_string() })?;
        if inside { Ok(()) } else { Err(self.leads_out(path)) }
    }
}

/// Whether no part of a path is a link, as far as it exists. A name with a `/` behind it would be what it leads to.
fn has_no_links(root: &Path, inner: &Path) -> bool {
    let mut at = root.to_owned();
    inner.components().all(|part| {
        at.push(part);
        matches!(part, Component::Normal(_))
            && match at.symlink_metadata() {
                Ok(found) => !found.is_symlink(),
                Err(error) => error.kind() == std::io::ErrorKind::NotFound,
            }
    })
}

/// Whether what exists of the path is below the root once links are followed.
pub(super) fn stays_below(root: &Path, path: &Path) -> bool {
    // Without links it is, and that is seen by one look at each of its parts.
    if root.is_dir() && path.strip_prefix(root).is_ok_and(|inner| has_no_links(root, inner)) {
        return true;
    }
    for part in path.ancestors() {
        if let Ok(real) = part.canonicalize() {
            // Above a root that was removed, a place without links will do: the root comes back.
            return real.starts_with(root) || (real == part && root.starts_with(part));
        }
        // A link that can't be followed. What is no link has come just now, by another upload.
        if part.symlink_metadata().is_ok_and(|found| found.is_symlink()) {
            return false;
        }
    }
    false
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

/// Fails if a file is not what it was.
fn unless_same(
    operator: Operator,
    key: String,
    was: Metadata,
    changed: Error,
) -> impl Stream<Item = Result<Bytes>> {
    let look = async move {
        let same = operator.stat(&key).await.is_ok_and(|now| {
            (now.content_length(), now.last_modified())
                == (was.content_length(), was.last_modified())
        });
        (!same).then_some(Err(changed))
    };
    stream::once(look).filter_map(std::future::ready)
}
