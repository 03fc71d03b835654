//! The files of one table, as Delta Lake writes and reads them: by `object_store`'s trait over [`Files`].
//!
//! What Delta asks of a store is here: a commit is a file that is made only if nobody has made it, and whoever
//! lists sees what was made. Both are [`Files`]' own promises.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    Result as StoreResult, UploadPart,
};
use tokio::sync::Mutex;

use crate::error::Error;
use crate::stage::files::{Entry, Files};
use crate::stage::name::StagePath;
use crate::stage::{Committed, FileWriter, Parts};

/// What errors of ours are wrapped in: `object_store` wants a name.
const STORE: &str = "table";

/// The directory of the commits.
const LOG: &str = "_delta_log";

/// The files of one table.
pub(super) struct TableStore {
    files: Arc<Files>,
    /// Files of rows that were looked at: they never change.
    known: parking_lot::Mutex<HashMap<Path, Entry>>,
    /// Files of rows that were made here.
    made: parking_lot::Mutex<Vec<Path>>,
}

impl TableStore {
    pub(super) fn new(files: Arc<Files>) -> TableStore {
        let (known, made) = (parking_lot::Mutex::default(), parking_lot::Mutex::default());
        TableStore { files, known, made }
    }

    /// Files of rows that were made here.
    pub(super) fn made(&self) -> HashSet<Path> {
        self.made.lock().iter().cloned().collect()
    }

    /// Removes files of rows that no commit names.
    pub(super) async fn remove_all(&self, paths: HashSet<Path>) {
        for path in paths {
            if let Err(error) = remove(&self.files, &path).await {
                tracing::warn!("a file of rows that don't count is left behind: {error}");
            }
        }
    }

    fn makes(&self, location: &Path) {
        if !location.as_ref().starts_with(LOG) {
            self.made.lock().push(location.clone());
        }
    }

    async fn look(&self, location: &Path) -> StoreResult<Entry> {
        if let Some(entry) = self.known.lock().get(location) {
            return Ok(entry.clone());
        }
        let found = self.files.stat(&path_of(location)?).await.map_err(wrap)?;
        let entry = found.ok_or_else(|| not_found(location))?;
        if !location.as_ref().starts_with(LOG) {
            self.known.lock().insert(location.clone(), entry.clone());
        }
        Ok(entry)
    }

    /// Whether a file has these very bytes. No two commits that name rows are the same.
    async fn holds(&self, location: &Path, payload: &PutPayload) -> bool {
        let Ok(path) = path_of(location) else { return false };
        let Ok(blocks) = self.files.read(&path).await else { return false };
        let Ok(blocks) = blocks.try_collect::<Vec<_>>().await else { return false };
        blocks.concat() == payload.iter().flatten().copied().collect::<Vec<_>>()
    }

    fn list_below(&self, prefix: Option<&Path>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        // A prefix of theirs is a directory.
        let prefix = match prefix.map(Path::as_ref) {
            None | Some("") => String::new(),
            Some(prefix) => format!("{prefix}/"),
        };
        match StagePath::new(&prefix) {
            Ok(prefix) => self
                .files
                .list(&prefix)
                .map(|entry| entry.map_err(wrap).and_then(|entry| meta_of(&entry)))
                .boxed(),
            Err(error) => stream::once(async { Err(wrap(error)) }).boxed(),
        }
    }
}

async fn remove(files: &Arc<Files>, location: &Path) -> StoreResult<()> {
    let path = path_of(location)?.to_string();
    let (md5, sha256, etag, last_modified) = (None, None, None, None);
    let entry = Entry { path, size: 0, md5, sha256, etag, last_modified };
    let mut removed = files.remove(stream::once(async { Ok(entry) }).boxed());
    while let Some((_, removed)) = removed.next().await {
        removed.map_err(wrap)?;
    }
    Ok(())
}

fn path_of(location: &Path) -> StoreResult<StagePath> {
    StagePath::new(location.as_ref()).map_err(wrap)
}

fn meta_of(entry: &Entry) -> StoreResult<ObjectMeta> {
    let last_modified = entry.last_modified.map_or(DateTime::<Utc>::UNIX_EPOCH, |moment| {
        DateTime::from_timestamp_nanos(i64::try_from(moment.as_nanosecond()).unwrap_or_default())
    });
    Ok(ObjectMeta {
        location: Path::parse(&entry.path)?,
        last_modified,
        size: entry.size,
        e_tag: entry.etag.clone(),
        version: None,
    })
}

/// Writes a whole file. `false`: somebody else's is there, and was not to be overwritten.
async fn write(
    files: &Arc<Files>,
    location: &Path,
    payload: PutPayload,
    overwrite: bool,
) -> StoreResult<bool> {
    let path = path_of(location)?;
    let mut writer = files.create(&path, overwrite, Parts::default()).await.map_err(wrap)?;
    for block in payload {
        writer.write(block).await.map_err(wrap)?;
    }
    let committed = writer.finish().await.map_err(wrap)?;
    Ok(!matches!(committed, Committed::Exists))
}

#[async_trait]
impl ObjectStore for TableStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> StoreResult<PutResult> {
        let overwrite = match options.mode {
            PutMode::Overwrite => true,
            PutMode::Create => false,
            PutMode::Update(_) => return Err(refused("update")),
        };
        self.makes(location);
        let written = write(&self.files, location, payload.clone(), overwrite).await;
        let Ok(true) = written else {
            // The answer to a first try may have been lost, and the second one have found what it wrote.
            if !overwrite && self.holds(location, &payload).await {
                return Ok(PutResult { e_tag: None, version: None });
            }
            written?;
            return Err(object_store::Error::AlreadyExists {
                path: location.to_string(),
                source: "it was there first".into(),
            });
        };
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        _options: PutMultipartOptions,
    ) -> StoreResult<Box<dyn MultipartUpload>> {
        let path = path_of(location)?;
        self.makes(location);
        let writer = self.files.create(&path, true, Parts::default()).await.map_err(wrap)?;
        Ok(Box::new(Upload { writer: Arc::new(Mutex::new(Some(writer))) }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> StoreResult<GetResult> {
        let entry = self.look(location).await?;
        let meta = meta_of(&entry)?;
        options.check_preconditions(&meta)?;
        let range = match &options.range {
            Some(range) => range.as_range(meta.size).map_err(|error| {
                object_store::Error::Generic { store: STORE, source: Box::new(error) }
            })?,
            None => 0..meta.size,
        };
        let blocks = match options.head || range.is_empty() {
            true => stream::empty().boxed(),
            false => {
                let path = path_of(location)?;
                let blocks = self.files.read_range(&path, range.clone()).await;
                blocks.map_err(wrap)?.map_err(wrap).boxed()
            }
        };
        Ok(GetResult {
            payload: GetResultPayload::Stream(blocks),
            meta,
            range,
            attributes: Attributes::new(),
        })
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, StoreResult<Path>>,
    ) -> BoxStream<'static, StoreResult<Path>> {
        let files = self.files.clone();
        locations
            .and_then(move |location| {
                let files = files.clone();
                async move {
                    remove(&files, &location).await?;
                    Ok(location)
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.list_below(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> StoreResult<ListResult> {
        let depth = prefix.map_or(0, |prefix| prefix.parts().count());
        let mut result = ListResult { common_prefixes: Vec::new(), objects: Vec::new() };
        let mut entries = self.list_below(prefix);
        while let Some(meta) = entries.try_next().await? {
            if meta.location.parts().count() == depth + 1 {
                result.objects.push(meta);
                continue;
            }
            let directory = Path::from_iter(meta.location.parts().take(depth + 1));
            if result.common_prefixes.last() != Some(&directory) {
                result.common_prefixes.push(directory);
            }
        }
        Ok(result)
    }

    async fn copy_opts(&self, _from: &Path, _to: &Path, _options: CopyOptions) -> StoreResult<()> {
        Err(refused("copy"))
    }
}

/// A large file on its way. Whoever drops it has undone it.
struct Upload {
    writer: Arc<Mutex<Option<FileWriter>>>,
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Upload")
    }
}

#[async_trait]
impl MultipartUpload for Upload {
    /// Parts are waited for in turn: the mutex is fair, and is asked for before the future is given away.
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let lock = self.writer.clone().lock_owned();
        let blocks: Vec<Bytes> = data.into_iter().collect();
        let mut lock = Box::pin(lock);
        let first = futures::FutureExt::now_or_never(&mut lock);
        Box::pin(async move {
            let mut writer = match first {
                Some(writer) => writer,
                None => lock.await,
            };
            let Some(writer) = writer.as_mut() else { return Err(refused("write after the end")) };
            for block in blocks {
                writer.write(block).await.map_err(wrap)?;
            }
            Ok(())
        })
    }

    async fn complete(&mut self) -> StoreResult<PutResult> {
        let Some(writer) = self.writer.lock().await.take() else {
            return Err(refused("end twice"));
        };
        writer.finish().await.map_err(wrap)?;
        Ok(PutResult { e_tag: None, version: None })
    }

    async fn abort(&mut self) -> StoreResult<()> {
        if let Some(writer) = self.writer.lock().await.take() {
            writer.abort().await;
        }
        Ok(())
    }
}

fn wrap(error: Error) -> object_store::Error {
    object_store::Error::Generic { store: STORE, source: Box::new(error) }
}

fn not_found(location: &Path) -> object_store::Error {
    object_store::Error::NotFound { path: location.to_string(), source: "no such file".into() }
}

fn refused(operation: &str) -> object_store::Error {
    object_store::Error::NotSupported { source: format!("tables can't {operation}").into() }
}

impl fmt::Debug for TableStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableStore").field("files", &self.files.describe()).finish()
    }
}

impl fmt::Display for TableStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.files.describe())
    }
}
