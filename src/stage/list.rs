//! `LIST`: the files of a stage, in byte order of their paths, however many there are.
//!
//! Stores with flat keys give them in that order, page by page. Storages with directories give
//! them in any order; there the tree is walked one directory at a time, and what is kept in memory
//! are the entries of the directories between the root and the current one. On this machine those are names;
//! what is to be known of a file is asked when its turn comes, so that the first row doesn't wait for that of all.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::Arc;

use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use opendal::services;

use crate::error::{Error, Result};
use crate::stage::fault;
use crate::stage::files::{Entry, Files, stays_below};
use crate::stage::name::UPLOAD_DIR;

/// How many files at a time are asked for their size, where a listing doesn't tell it.
const STATS: usize = 16;

/// How many files of this machine are looked at in one go.
const LOOKS: usize = 512;

/// What is under a key.
enum Found {
    /// A file; its size is not known if the listing didn't tell.
    File(Entry),
    /// The path of a file that has not been looked at yet.
    Name(String),
    /// The name of a directory, with its `/`.
    Directory(String),
}

impl Found {
    /// Directories are ordered as if their files stood there: by their name with the `/`.
    fn order(&self) -> &str {
        match self {
            Found::File(entry) => &entry.path,
            Found::Name(path) | Found::Directory(path) => path,
        }
    }
}

pub(super) fn list(files: Arc<Files>, prefix: String) -> BoxStream<'static, Result<Entry>> {
    match files.operator.info().scheme() {
        services::FS_SCHEME | services::WEBDAV_SCHEME | services::WEBHDFS_SCHEME => {
            walk(files, prefix)
        }
        // Their order is the map's, and they tell no sizes.
        services::MEMORY_SCHEME => {
            let known = Arc::clone(&files);
            flat(files, prefix)
                .map_ok(move |entry| with_size(Arc::clone(&known), entry))
                .try_buffered(STATS)
                .try_filter_map(|entry| async { Ok(entry) })
                .boxed()
        }
        _ => marked(files, prefix),
    }
}

/// With the digests that are kept beside the files, where the storage itself tells none.
fn marked(files: Arc<Files>, prefix: String) -> BoxStream<'static, Result<Entry>> {
    let Some(marks) = &files.marks else { return flat(files, prefix) };
    let pass = marks.pass(&prefix);
    let entries = flat(files, prefix);
    stream::try_unfold((entries, pass), |(mut entries, mut pass)| async move {
        let Some(mut entry) = entries.try_next().await? else { return Ok(None) };
        if let (None, Some(etag)) = (&entry.md5, &entry.etag) {
            let known = pass.find(&entry.path, etag).await;
            entry = entry.with_digests(known);
        }
        Ok(Some((entry, (entries, pass))))
    })
    .boxed()
}

/// All keys that begin with the prefix, as the storage pages through them.
fn flat(files: Arc<Files>, prefix: String) -> BoxStream<'static, Result<Entry>> {
    let key = files.key(&prefix);
    let opened = async move {
        let lister = files.operator.lister_with(&key).recursive(true).await;
        let lister = lister.map_err(|error| files.fault("list", &prefix, &error))?;
        let entries = lister.filter_map(move |found| {
            let found = match found {
                Ok(found) => relative(&files, &prefix, &found).map(Ok),
                Err(error) => Some(Err(files.fault("list", &prefix, &error))),
            };
            async { found }
        });
        Ok::<_, Error>(entries)
    };
    stream::once(opened).try_flatten().boxed()
}

/// A file below the prefix; `None` for directories and the marks that stand for them.
fn relative(files: &Files, prefix: &str, found: &opendal::Entry) -> Option<Entry> {
    let path = found.path().strip_prefix(&files.base)?;
    let shown = found.metadata().is_file() && path.starts_with(prefix) && !path.is_empty();
    shown.then(|| files.entry(path.to_owned(), found.metadata()))
}

async fn with_size(files: Arc<Files>, entry: Entry) -> Result<Option<Entry>> {
    match files.operator.stat(&files.key(&entry.path)).await {
        Ok(metadata) => Ok(Some(Entry { size: metadata.content_length(), ..entry })),
        Err(error) if fault::is_absent(&error) => Ok(None),
        Err(error) => Err(files.fault("list", &entry.path, &error)),
    }
}

/// Depth first, beginning in the directory that the prefix is in.
fn walk(files: Arc<Files>, prefix: String) -> BoxStream<'static, Result<Entry>> {
    let start = prefix.rfind('/').map_or("", |slash| &prefix[..=slash]).to_owned();
    let walk =
        Walk { files, prefix, open: Vec::new(), start: Some(start), looked_at: VecDeque::new() };
    stream::try_unfold(
        walk,
        |mut walk| async move { Ok(walk.next().await?.map(|entry| (entry, walk))) },
    )
    .boxed()
}

/// Whether a directory is known to be in the stage, wherever links lead.
#[derive(Clone, Copy)]
enum Confined {
    Yes,
    Unknown,
}

struct Walk {
    files: Arc<Files>,
    prefix: String,
    /// What is left of each directory on the way to the current one.
    open: Vec<std::vec::IntoIter<Found>>,
    start: Option<String>,
    /// The next files.
    looked_at: VecDeque<Entry>,
}

impl Walk {
    async fn next(&mut self) -> Result<Option<Entry>> {
        if let Some(start) = self.start.take() {
            if self.is_file(&start).await? {
                return Ok(None);
            }
            // Links are not entered on the way, but the way may begin behind one.
            self.enter(&start, Confined::Unknown).await?;
        }
        loop {
            if let Some(entry) = self.looked_at.pop_front() {
                return Ok(Some(entry));
            }
            let Some(directory) = self.open.last_mut() else { return Ok(None) };
            match directory.next() {
                Some(Found::File(entry)) => return Ok(Some(entry)),
                Some(Found::Name(path)) => {
                    let mut names = vec![path];
                    while names.len() < LOOKS
                        && let Some(Found::Name(path)) = directory.as_mut_slice().first_mut()
                    {
                        names.push(std::mem::take(path));
                        directory.next();
                    }
                    self.looked_at = self.files.look_at_local(names).await?.into();
                }
                Some(Found::Directory(path)) => self.enter(&path, Confined::Yes).await?,
                None => drop(self.open.pop()),
            }
        }
    }

    /// Whether a file stands where the walk would begin. WebDAV then lists the file as if it were
    /// in itself; a file system says that there is no such directory.
    async fn is_file(&self, directory: &str) -> Result<bool> {
        let path = directory.trim_end_matches('/');
        if path.is_empty() || self.files.local.is_some() {
            return Ok(false);
        }
        match self.files.operator.stat(&self.files.key(path)).await {
            Ok(metadata) => Ok(metadata.is_file()),
            Err(error) if fault::is_absent(&error) => Ok(false),
            Err(error) => Err(self.files.fault("list", directory, &error)),
        }
    }

    async fn enter(&mut self, directory: &str, confined: Confined) -> Result<()> {
        let mut found = match self.files.local_root() {
            Some(root) => self.read_local(&root, directory, confined).await?,
            None => match self.read(directory).await {
                Ok(found) => found,
                // Not there, or no longer.
                Err(error) if fault::is_absent(&error) => return Ok(()),
                Err(error) => return Err(self.files.fault("list", directory, &error)),
            },
        };
        found.shrink_to_fit();
        found.sort_unstable_by(in_order);
        self.open.push(found.into_iter());
        Ok(())
    }

    /// Files and directories in a directory of this machine. Not by OpenDAL, which follows links,
    /// and asks for each file on its own.
    async fn read_local(
        &self,
        root: &Path,
        directory: &str,
        confined: Confined,
    ) -> Result<Vec<Found>> {
        let (dir, parent, prefix) =
            (root.join(directory), directory.to_owned(), self.prefix.clone());
        let confines = match confined {
            Confined::Yes => None,
            Confined::Unknown => self.files.bounds(directory),
        };
        let read = move || match confines {
            Some((root, path)) if !stays_below(&root, &path) => None,
            Some(_) | None => Some(read_dir(&dir, &parent, &prefix)),
        };
        let read = tokio::task::spawn_blocking(read).await;
        let read = read.map_err(|error| Error::Internal { what: error.to_string() })?;
        match read.ok_or_else(|| self.files.leads_out(directory))? {
            Err(error) if fault::is_absent_io(&error) => Ok(Vec::new()),
            read => read.map_err(|error| fault::io("list", &self.files.label, directory, &error)),
        }
    }

    /// Files and directories in a directory.
    async fn read(&self, directory: &str) -> Result<Vec<Found>, opendal::Error> {
        let key = self.files.key(directory);
        let key = if key.is_empty() { "/" } else { key.as_str() };
        let mut lister = self.files.operator.lister(key).await?;
        let mut all = Vec::new();
        while let Some(found) = lister.try_next().await? {
            let Some(path) = found.path().strip_prefix(&self.files.base) else { continue };
            let metadata = found.metadata();
            // The directory itself is among its entries.
            if path.is_empty()
                || path == "/"
                || path == directory
                || !path.starts_with(&self.prefix)
            {
                continue;
            }
            if metadata.is_file() {
                all.push(Found::File(self.files.entry(path.to_owned(), metadata)));
            } else if metadata.is_dir() && found.name().trim_end_matches('/') != UPLOAD_DIR {
                all.push(Found::Directory(path.to_owned()));
            }
        }
        Ok(all)
    }
}

/// Files in a directory, and what else is to be looked into. Links are neither.
fn read_dir(dir: &Path, parent: &str, prefix: &str) -> io::Result<Vec<Found>> {
    let mut all = Vec::new();
    for found in std::fs::read_dir(dir)? {
        let found = found?;
        let name = found.file_name();
        let path = format!("{parent}{}", name.to_string_lossy());
        // What is gone by now is passed over.
        let Ok(kind) = found.file_type() else { continue };
        if kind.is_dir() && name != UPLOAD_DIR {
            let path = format!("{path}/");
            if path.starts_with(prefix) {
                all.push(Found::Directory(path));
            }
        } else if kind.is_file() && path.starts_with(prefix) {
            // What is not UTF-8 can't be found again by its path.
            all.extend(match name.to_str() {
                Some(_) => Some(Found::Name(path)),
                None => found.metadata().ok().map(|known| Found::File(Entry::local(path, &known))),
            });
        }
    }
    Ok(all)
}

fn in_order(a: &Found, b: &Found) -> Ordering {
    a.order().as_bytes().cmp(b.order().as_bytes())
}
