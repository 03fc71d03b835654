//! The files of a query, as DataFusion reads them: by `object_store`'s trait over [`Files`].
//!
//! Caches know a file by its path alone, so a path here is the stage, the file's path and its version
//! in one segment each, and `Files` is asked for what stands behind it. Nothing can be written.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::DateTime;
use futures::stream::{self, BoxStream, StreamExt};
use object_store::path::{Path, PathPart};
use object_store::{
    Attributes, CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    OBJECT_STORE_COALESCE_DEFAULT, ObjectMeta, ObjectStore, ObjectStoreExt, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result as StoreResult, coalesce_ranges,
};

use super::lines::{self, Marks};
use crate::error::Error;
use crate::stage::files::{Entry, Files};
use crate::stage::name::StagePath;

/// What errors of ours are wrapped in: `object_store` wants a name.
const STORE: &str = "stage";

/// How much is read at a time of a file of this machine that is read through.
const BLOCK: u64 = 256 << 10;

/// The files of one query.
#[derive(Default)]
pub(super) struct Store {
    objects: HashMap<Path, Object>,
}

struct Object {
    files: Arc<Files>,
    entry: Entry,
    meta: ObjectMeta,
}

impl Store {
    /// Makes a file known. `home` tells the stages of a server apart.
    pub(super) fn add(&mut self, home: &str, files: &Arc<Files>, entry: &Entry) -> ObjectMeta {
        let version = version(entry);
        let parts = [home, &entry.path, &version].map(PathPart::from);
        let meta = ObjectMeta {
            location: Path::from_iter(parts),
            last_modified: entry.last_modified.map_or(DateTime::UNIX_EPOCH, |moment| {
                DateTime::from_timestamp_nanos(
                    i64::try_from(moment.as_nanosecond()).unwrap_or_default(),
                )
            }),
            size: entry.size,
            e_tag: entry.etag.clone(),
            version: None,
        };
        let object = Object { files: files.clone(), entry: entry.clone(), meta: meta.clone() };
        self.objects.insert(meta.location.clone(), object);
        meta
    }

    /// The path on its stage of what DataFusion names so.
    pub(super) fn path_of(&self, location: &Path) -> Option<&str> {
        self.objects.get(location).map(|object| object.entry.path.as_str())
    }

    /// Whether each line of a CSV file is a row; `None` for a file elsewhere, which would come twice over the network.
    pub(super) async fn are_lines_rows(
        &self,
        location: &Path,
        marks: Marks,
    ) -> StoreResult<Option<bool>> {
        let object = self.object(location)?;
        match object.open().await? {
            Some(file) => lines::are_rows(blocks(file, 0..object.meta.size), marks).await.map(Some),
            None => Ok(None),
        }
    }

    /// A text in which files have the paths that they have on their stages.
    pub(super) fn with_paths(&self, text: String) -> String {
        let objects = self.objects.iter().filter(|(location, _)| text.contains(location.as_ref()));
        let objects: Vec<_> = objects.collect();
        objects.iter().fold(text, |text, (location, object)| {
            text.replace(location.as_ref(), &object.entry.path)
        })
    }

    fn object(&self, location: &Path) -> StoreResult<&Object> {
        self.objects.get(location).ok_or_else(|| object_store::Error::NotFound {
            path: location.to_string(),
            source: "no file of this query".into(),
        })
    }
}

impl Object {
    /// The file itself, where it is one of this machine: read without a detour, each part by one call.
    async fn open(&self) -> StoreResult<Option<File>> {
        if !self.files.are_local() {
            return Ok(None);
        }
        let (files, entry) = (self.files.clone(), self.entry.clone());
        waited(move || Ok(files.open_local(&StagePath::new(&entry.path)?, &entry)?)).await
    }

    /// Several parts of a file of this machine.
    async fn parts(&self, ranges: Vec<Range<u64>>) -> StoreResult<Vec<Bytes>> {
        let (files, entry) = (self.files.clone(), self.entry.clone());
        let gone = || Error::UnknownFile { path: self.entry.path.clone() };
        let read = waited(move || {
            let Some(file) = files.open_local(&StagePath::new(&entry.path)?, &entry)? else {
                return Ok(None);
            };
            Ok(Some(ranges.iter().map(|range| part(&file, range)).collect::<io::Result<_>>()?))
        });
        read.await?.ok_or_else(|| wrap(gone()))
    }

    async fn blocks(
        &self,
        range: Range<u64>,
    ) -> StoreResult<BoxStream<'static, StoreResult<Bytes>>> {
        if let Some(file) = self.open().await? {
            return Ok(blocks(file, range));
        }
        let path = StagePath::new(&self.entry.path).map_err(wrap)?;
        let blocks = self.files.read_version(&path, range, &self.entry).await.map_err(wrap)?;
        Ok(blocks.map(|block| block.map_err(wrap)).boxed())
    }
}

#[async_trait]
impl ObjectStore for Store {
    async fn get_opts(&self, location: &Path, options: GetOptions) -> StoreResult<GetResult> {
        let object = self.object(location)?;
        options.check_preconditions(&object.meta)?;
        let all = 0..object.meta.size;
        if let (None, false) = (&options.range, options.head)
            && let Some(file) = object.open().await?
        {
            return Ok(GetResult {
                payload: GetResultPayload::File(file, object.entry.path.clone().into()),
                meta: object.meta.clone(),
                range: all,
                attributes: Attributes::new(),
            });
        }
        let range = match &options.range {
            Some(range) => range.as_range(object.meta.size).map_err(|error| {
                object_store::Error::Generic { store: STORE, source: Box::new(error) }
            })?,
            None => all,
        };
        let blocks = match options.head || range.is_empty() {
            true => stream::empty().boxed(),
            false => object.blocks(range.clone()).await?,
        };
        Ok(GetResult {
            payload: GetResultPayload::Stream(blocks),
            meta: object.meta.clone(),
            range,
            attributes: Attributes::new(),
        })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> StoreResult<Vec<Bytes>> {
        let object = self.object(location)?;
        if object.files.are_local() {
            return object.parts(ranges.to_vec()).await;
        }
        let part = |range| self.get_range(location, range);
        coalesce_ranges(ranges, part, OBJECT_STORE_COALESCE_DEFAULT).await
    }

    fn list(&self, _prefix: Option<&Path>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        stream::once(async { Err(refused("list")) }).boxed()
    }

    async fn list_with_delimiter(&self, _prefix: Option<&Path>) -> StoreResult<ListResult> {
        Err(refused("list"))
    }

    async fn put_opts(
        &self,
        _location: &Path,
        _payload: PutPayload,
        _options: PutOptions,
    ) -> StoreResult<PutResult> {
        Err(refused("write"))
    }

    async fn put_multipart_opts(
        &self,
        _location: &Path,
        _options: PutMultipartOptions,
    ) -> StoreResult<Box<dyn MultipartUpload>> {
        Err(refused("write"))
    }

    fn delete_stream(
        &self,
        _locations: BoxStream<'static, StoreResult<Path>>,
    ) -> BoxStream<'static, StoreResult<Path>> {
        stream::once(async { Err(refused("remove")) }).boxed()
    }

    async fn copy_opts(&self, _from: &Path, _to: &Path, _options: CopyOptions) -> StoreResult<()> {
        Err(refused("copy"))
    }
}

/// What waits for the disk, on a thread that may.
async fn waited<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> StoreResult<T> {
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.map_err(|error| wrap(Error::Internal { what: error.to_string() }))?;
    done.map_err(|source| object_store::Error::Generic { store: STORE, source })
}

/// Errors of ours, and those of the system.
type Failure = Box<dyn std::error::Error + Send + Sync>;

fn part(mut file: &File, range: &Range<u64>) -> io::Result<Bytes> {
    let length = range.end.saturating_sub(range.start);
    let mut bytes = Vec::with_capacity(usize::try_from(length).map_err(io::Error::other)?);
    file.seek(SeekFrom::Start(range.start))?;
    file.take(length).read_to_end(&mut bytes)?;
    match u64::try_from(bytes.len()) == Ok(length) {
        true => Ok(bytes.into()),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// A part of a file of this machine, block by block.
fn blocks(file: File, range: Range<u64>) -> BoxStream<'static, StoreResult<Bytes>> {
    let next = |(file, left): (File, Range<u64>)| async move {
        if left.is_empty() {
            return Ok(None);
        }
        let end = left.end.min(left.start.saturating_add(BLOCK));
        let (file, bytes) = waited(move || {
            let bytes = part(&file, &(left.start..end))?;
            Ok((file, bytes))
        })
        .await?;
        Ok(Some((bytes, (file, end..left.end))))
    };
    stream::try_unfold((file, range), next).boxed()
}

/// What tells a version of a file from all others of it. Where nothing does, each query has its own.
fn version(entry: &Entry) -> String {
    match (&entry.etag, entry.last_modified) {
        (Some(etag), _) => format!("{etag} {}", entry.size),
        (None, Some(moment)) => format!("{} {}", moment.as_nanosecond(), entry.size),
        (None, None) => uuid::Uuid::new_v4().to_string(),
    }
}

fn wrap(error: Error) -> object_store::Error {
    object_store::Error::Generic { store: STORE, source: Box::new(error) }
}

fn refused(operation: &str) -> object_store::Error {
    object_store::Error::NotSupported { source: format!("{operation} in a query").into() }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} files of stages", self.objects.len())
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
