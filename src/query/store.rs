//! The files of a query, as DataFusion reads them: by `object_store`'s trait over [`Files`].
//!
//! Caches know a file by its path alone, so a path here is the stage, the file's path and its version
//! in one segment each, and `Files` is asked for what stands behind it. Nothing can be written.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::DateTime;
use futures::stream::{self, BoxStream, StreamExt};
use object_store::path::{Path, PathPart};
use object_store::{
    Attributes, CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    Result as StoreResult,
};

use crate::error::Error;
use crate::stage::files::{Entry, Files};
use crate::stage::name::StagePath;

/// What errors of ours are wrapped in: `object_store` wants a name.
const STORE: &str = "stage";

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

    fn object(&self, location: &Path) -> StoreResult<&Object> {
        self.objects.get(location).ok_or_else(|| object_store::Error::NotFound {
            path: location.to_string(),
            source: "no file of this query".into(),
        })
    }
}

impl Object {
    async fn blocks(
        &self,
        range: Range<u64>,
    ) -> StoreResult<BoxStream<'static, StoreResult<Bytes>>> {
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
