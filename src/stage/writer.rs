//! One file on its way to a stage: whole or not at all.
//!
//! The storage's writer lives in a task of its own, fed over a short channel. So it does not matter
//! where the statement that feeds it is cut off: a [`FileWriter`] that is dropped closes the
//! channel, and the task, which is never interrupted in the middle of a request, undoes the upload.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use opendal::{Metadata, Writer};
use tokio::sync::{mpsc, oneshot};
use tracing::Instrument;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::spans;
use crate::stage::alive::Life;
use crate::stage::digest::{Digester, Digests};
use crate::stage::files::{Files, missing_dirs, remove_empty};
use crate::stage::lock::sync_dir;
use crate::stage::memory::Held;
use crate::stage::meter::Reservation;
use crate::stage::name::StagePath;
use crate::stage::parts::{Collected, Parts};
use crate::stage::{attribute, digest, fault};

/// A block for a local file: large enough that the hop to a blocking thread doesn't count.
const LOCAL_BLOCK_BYTES: usize = 1024 * 1024;

/// What is kept in memory for a storage that takes a file in one piece only (WebDAV).
const MAX_ONE_PIECE_BYTES: u64 = 64 * 1024 * 1024;

/// Blocks between the statement and the task: one to write and one to come.
const CHANNEL_BLOCKS: usize = 2;

/// What a file holds beside its parts, at most eight blocks: one that is read, those of the channel, one that is written,
/// and what waits for its digests.
const IN_TRANSIT: u64 = 4 * 1024 * 1024;

/// One file on its way.
#[derive(Debug)]
pub struct FileWriter {
    blocks: mpsc::Sender<Step>,
    /// Bytes of the one for whom they are counted.
    reservation: Option<Arc<Reservation>>,
    /// `None` once it was told.
    outcome: Option<oneshot::Receiver<Result<Committed>>>,
}

/// How an upload ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Committed {
    /// The file is there.
    Written {
        /// Its size in bytes.
        size: u64,
    },
    /// It was not to be overwritten, and somebody else's file is there. Nothing of ours is left.
    Exists,
    /// It was to be overwritten, and what is there already is the same. It stays, with its time.
    Same,
}

impl Committed {
    /// Of what was written.
    fn size(&self) -> Option<u64> {
        match self {
            Committed::Written { size } => Some(*size),
            Committed::Exists | Committed::Same => None,
        }
    }
}

enum Step {
    Block(Bytes),
    /// It has come to its end, and waits.
    Whole,
    Finish,
}

impl Files {
    /// Begins a file. Nothing of it is seen before [`FileWriter::finish`]; a file of this name
    /// that exists stays as it is until then.
    pub async fn create(
        self: &Arc<Self>,
        path: &StagePath,
        overwrite: bool,
        parts: Parts,
    ) -> Result<FileWriter> {
        if path.is_root() || path.as_str().ends_with('/') {
            return Err(Error::BadPath { path: path.to_string(), why: "it is no file" });
        }
        self.check_writable()?;
        self.confine(path.as_str()).await?;
        let reservation = self.reserve()?;
        let name = path.as_str().to_owned();
        let memory = self.uploads.memory.reserve(self.needs(parts)).await?;
        let parts = parts.within(memory.bytes().saturating_sub(IN_TRANSIT));
        let mut upload = Upload::begin(Arc::clone(self), name, overwrite, parts, memory).await?;
        upload.reservation.clone_from(&reservation);
        let (blocks, incoming) = mpsc::channel(CHANNEL_BLOCKS);
        let (done, outcome) = oneshot::channel();
        let span = spans::upload(&self.label, path.as_str());
        let work = async move {
            let outcome = upload.run(incoming).await;
            spans::uploaded(outcome.as_ref().map(Committed::size));
            outcome
        };
        self.uploads.tasks.spawn(async move {
            let outcome = work.instrument(span).await;
            // Nobody listens any more if the statement was cut off; the upload is undone by then.
            let _unheard = done.send(outcome);
        });
        Ok(FileWriter { blocks, reservation, outcome: Some(outcome) })
    }
}

impl Files {
    /// What a file may hold in memory on its way here: as much as is wanted, and what would do.
    fn needs(&self, parts: Parts) -> Vec<u64> {
        match self.kind_of_sink() {
            KindOfSink::Stream => vec![IN_TRANSIT],
            KindOfSink::Parts => parts.needs().map(|bytes| IN_TRANSIT + bytes).collect(),
            KindOfSink::OnePiece => vec![IN_TRANSIT + MAX_ONE_PIECE_BYTES],
        }
    }

    fn kind_of_sink(&self) -> KindOfSink {
        let in_memory = self.operator.info().scheme() == opendal::services::MEMORY_SCHEME;
        if self.local.is_some() || in_memory {
            KindOfSink::Stream
        } else if self.operator.info().capability().write_can_multi {
            KindOfSink::Parts
        } else {
            KindOfSink::OnePiece
        }
    }

    /// Fails where nothing may be written.
    pub(super) fn check_writable(&self) -> Result<()> {
        if !self.read_only && self.operator.info().capability().write {
            return Ok(());
        }
        Err(Error::Unsupported {
            what: format!("Writing to {}", self.label),
            hint: Some("its storage can be read only".to_owned()),
        })
    }
}

impl FileWriter {
    /// Adds a block. A failure of an earlier one may be told here.
    pub async fn write(&mut self, block: Bytes) -> Result<()> {
        if let Some(reservation) = &self.reservation {
            reservation.grow(block.len())?;
        }
        if block.is_empty() || self.blocks.send(Step::Block(block)).await.is_ok() {
            return Ok(());
        }
        // The task has ended before its time: it says why.
        match self.outcome.take() {
            Some(outcome) => match outcome.await {
                Ok(Err(error)) => Err(error),
                Ok(Ok(_)) | Err(_) => Err(stopped()),
            },
            None => Err(stopped()),
        }
    }

    /// Nothing more will come, but it may take a while until it is finished: what it holds in memory is all it needs.
    pub async fn whole(&self) {
        // If the task has ended, that is told by the finish.
        let _ended = self.blocks.send(Step::Whole).await;
    }

    /// Makes the file visible.
    pub async fn finish(self) -> Result<Committed> {
        // If the task has ended, its outcome says more than the failure to send.
        let _ended = self.blocks.send(Step::Finish).await;
        drop(self.blocks);
        match self.outcome {
            Some(outcome) => outcome.await.unwrap_or_else(|_| Err(stopped())),
            None => Err(stopped()),
        }
    }

    /// Gives up, and waits until nothing is left. Dropping does the same without waiting.
    pub async fn abort(self) {
        drop(self.blocks);
        if let Some(outcome) = self.outcome {
            let _undone = outcome.await;
        }
    }
}

fn stopped() -> Error {
    Error::Internal { what: "the task of an upload has stopped".to_owned() }
}

/// The task's side.
struct Upload {
    files: Arc<Files>,
    path: String,
    overwrite: bool,
    size: u64,
    /// `None` once the file has come to its end.
    digester: Option<Digester>,
    sink: Sink,
    /// See [`FileWriter::reservation`].
    reservation: Option<Arc<Reservation>>,
    /// Directories that were made for this file.
    made: Vec<PathBuf>,
    /// What it may hold.
    memory: Held,
    /// Tells who collects what is abandoned.
    _life: Life,
    /// What the object says of whose it is; see [`Upload::arrived`].
    id: Uuid,
}

/// How a storage takes files.
enum KindOfSink {
    Stream,
    Parts,
    OnePiece,
}

enum Sink {
    /// The storage's writer, which takes blocks of any size.
    Stream(Box<Writer>),
    /// In parts of one size.
    Parts {
        /// Opened for the first full part: what is smaller goes by one request, which can say more.
        writer: Option<Box<Writer>>,
        collected: Collected,
    },
    /// Collected, because the storage takes one piece only.
    OnePiece(Vec<Bytes>),
}

/// Under which name an object knows its own SHA-256, where it went there by one request.
pub(super) const SHA256_KEY: &str = "sha256";

/// Under which name an object knows the upload that it came by.
const UPLOAD_KEY: &str = "upload";

impl Sink {
    async fn write(
        &mut self,
        files: &Files,
        path: &str,
        overwrite: bool,
        id: Uuid,
        block: Bytes,
    ) -> Result<(), opendal::Error> {
        match self {
            Sink::Stream(writer) => writer.write(block).await,
            Sink::Parts { writer, collected } => {
                collected.push(block);
                while let Some(part) = collected.full_part() {
                    if writer.is_none() {
                        let options = opendal::options::WriteOptions {
                            concurrent: collected.in_flight(),
                            ..options(files, overwrite, id)
                        };
                        let key = files.key(path);
                        let opened = files.operator.writer_options(&key, options).await?;
                        *writer = Some(Box::new(opened));
                    }
                    if let Some(writer) = writer {
                        writer.write(part).await?;
                    }
                }
                Ok(())
            }
            Sink::OnePiece(blocks) => {
                blocks.push(block);
                Ok(())
            }
        }
    }
}

/// How an object is written: not over another one, if the storage can see to that.
fn options(files: &Files, overwrite: bool, id: Uuid) -> opendal::options::WriteOptions {
    let capability = files.operator.info().capability();
    let signed = files.local.is_none() && capability.write_with_user_metadata;
    opendal::options::WriteOptions {
        if_not_exists: !overwrite && capability.write_with_if_not_exists,
        user_metadata: signed.then(|| [(UPLOAD_KEY.to_owned(), id.to_string())].into()),
        ..opendal::options::WriteOptions::default()
    }
}

/// Whether the storage would say the same to everything that it is asked.
fn is_refusal(error: &opendal::Error) -> bool {
    matches!(error.kind(), opendal::ErrorKind::PermissionDenied | opendal::ErrorKind::ConfigInvalid)
}

impl Upload {
    async fn begin(
        files: Arc<Files>,
        path: String,
        overwrite: bool,
        parts: Parts,
        memory: Held,
    ) -> Result<Upload> {
        files.check_present(&path)?;
        let (id, life) = (Uuid::new_v4(), files.uploads.alive.begin(&path));
        let sink = match files.kind_of_sink() {
            KindOfSink::Stream => {
                // On a file system the condition is only a look beforehand; see `commit`.
                let options = opendal::options::WriteOptions {
                    chunk: files.local.as_ref().map(|_| LOCAL_BLOCK_BYTES),
                    ..options(&files, overwrite || files.local.is_some(), id)
                };
                let opened = files.operator.writer_options(&files.key(&path), options).await;
                Sink::Stream(Box::new(opened.map_err(|error| files.fault("write", &path, &error))?))
            }
            KindOfSink::Parts => Sink::Parts { writer: None, collected: Collected::new(parts) },
            KindOfSink::OnePiece => Sink::OnePiece(Vec::new()),
        };
        let made = match files.local_root() {
            Some(root) => {
                let file = root.join(&path);
                let made = tokio::task::spawn_blocking(move || {
                    // The stage's own directory stays for as long as the stage does.
                    std::fs::create_dir_all(&root)?;
                    Ok(missing_dirs(&root, &file))
                });
                made.await
                    .map_err(|error| Error::Internal { what: error.to_string() })?
                    .map_err(|error| fault::io("write", &files.label, &path, &error))?
            }
            None => Vec::new(),
        };
        let digester = Digester::new(!files.uploads.without_md5);
        let reservation = None;
        Ok(Upload {
            files,
            path,
            overwrite,
            size: 0,
            digester: Some(digester),
            sink,
            reservation,
            made,
            memory,
            _life: life,
            id,
        })
    }

    async fn run(mut self, mut steps: mpsc::Receiver<Step>) -> Result<Committed> {
        let outcome = loop {
            match steps.recv().await {
                Some(Step::Block(block)) => {
                    if let Err(error) = self.write(block).await {
                        break Err(error);
                    }
                }
                Some(Step::Whole) => self.memory.shrink(self.size),
                Some(Step::Finish) => break self.commit().await,
                None => break Err(Error::Disconnected { during: "upload" }),
            }
        };
        if !matches!(outcome, Ok(Committed::Written { .. })) {
            self.undo().await;
        }
        outcome
    }

    async fn write(&mut self, block: Bytes) -> Result<()> {
        self.size += u64::try_from(block.len()).unwrap_or(u64::MAX);
        if matches!(self.sink, Sink::OnePiece(_)) && self.size > MAX_ONE_PIECE_BYTES {
            return Err(Error::Unsupported {
                what: format!("A file of more than 64 MiB on {}", self.files.label),
                hint: Some("its storage takes a file in one piece only".to_owned()),
            });
        }
        let (files, path, overwrite, id) = (&self.files, &self.path, self.overwrite, self.id);
        let sink = &mut self.sink;
        // The digests of this block are computed while it is written.
        let digester = self.digester.as_mut().ok_or_else(stopped)?;
        let (written, digested) = tokio::join!(
            sink.write(files, path, overwrite, id, block.clone()),
            digester.push(block)
        );
        written.map_err(|error| self.files.fault("write", &self.path, &error))?;
        digested
    }

    async fn commit(&mut self) -> Result<Committed> {
        let files = Arc::clone(&self.files);
        let key = files.key(&self.path);
        let place = files.lock_name(&self.path);
        // Uploads of one file end one after the other, so that a look at the file stays true until
        // ours is there. Other servers are kept off by the storage's own condition, or not at all.
        let _turn = files.uploads.keys.lock(&place).await;
        if !self.overwrite && self.is_taken().await? {
            return Ok(Committed::Exists);
        }
        let digests = match self.digester.take() {
            Some(digester) => digester.finish().await?,
            None => return Err(stopped()),
        };
        if self.overwrite && self.is_there(&digests).await {
            return Ok(Committed::Same);
        }
        let replaced = match (StagePath::new(self.path.as_str()), self.overwrite) {
            (Ok(path), true) => files.replaced(&path).await,
            (_, _) => 0,
        };
        let closed = if files.local.is_some() {
            let _kept = files.uploads.directories.read().await;
            files.check_present(&self.path)?;
            self.keep_parent(Path::new(&place)).await?;
            let closed = self.close(&key, &digests).await;
            if let Ok(metadata) = &closed {
                self.note_in_file(Path::new(&place), metadata, digests).await?;
            }
            self.sync_parent(&place).await?;
            closed
        } else {
            files.check_present(&self.path)?;
            match self.close(&key, &digests).await {
                Err(error) if !is_refusal(&error) => self.arrived(&key, error).await?,
                closed => closed,
            }
        };
        match closed {
            Ok(metadata) => {
                self.note_beside_file(&metadata, digests).await;
                if let Some(reservation) = &self.reservation {
                    reservation.spend(replaced);
                }
                Ok(Committed::Written { size: self.size })
            }
            Err(error) if error.kind() == opendal::ErrorKind::ConditionNotMatch => {
                Ok(Committed::Exists)
            }
            Err(error) => Err(files.fault("write", &self.path, &error)),
        }
    }

    /// Whether a file of this size and content is there. That it can't be found out is no failure:
    /// the file is then written again.
    async fn is_there(&self, digests: &Digests) -> bool {
        let Ok(path) = StagePath::new(self.path.as_str()) else { return false };
        let Ok(Some(entry)) = self.files.look(&path).await else { return false };
        entry.size == self.size
            && match (&entry.sha256, &entry.md5) {
                // An MD5 can be forged.
                (Some(sha256), _) => *sha256 == hex::encode(digests.sha256),
                (None, Some(md5)) => digests.md5.map(hex::encode).as_ref() == Some(md5),
                (None, None) => false,
            }
    }

    async fn is_taken(&self) -> Result<bool> {
        let path = StagePath::new(self.path.as_str())?;
        Ok(self.files.stat(&path).await?.is_some())
    }

    /// The object, if it has come by this very upload; else the failure. The answer that said so may have been lost,
    /// and the storage refuses what comes twice: there is an object of this name by then, and no unfinished one.
    async fn arrived(
        &self,
        key: &str,
        failure: opendal::Error,
    ) -> Result<Result<Metadata, opendal::Error>> {
        let own = self.id.to_string();
        match self.files.operator.stat(key).await {
            Ok(found) if found.user_metadata().and_then(|of| of.get(UPLOAD_KEY)) == Some(&own) => {
                Ok(Ok(found))
            }
            Err(error) if !fault::is_absent(&error) => {
                Err(fault::unknown("write", &self.files.label, &self.path, &failure))
            }
            Ok(_) | Err(_) => Ok(Err(failure)),
        }
    }

    async fn close(&mut self, key: &str, digests: &Digests) -> Result<Metadata, opendal::Error> {
        match &mut self.sink {
            Sink::Stream(writer) => writer.close().await,
            Sink::Parts { writer: Some(writer), collected } => {
                writer.write(collected.rest()).await?;
                writer.close().await
            }
            Sink::Parts { writer: None, collected } => {
                let mut options = options(&self.files, self.overwrite, self.id);
                if let Some(own) = &mut options.user_metadata {
                    own.insert(SHA256_KEY.to_owned(), hex::encode(digests.sha256));
                }
                self.files.operator.write_options(key, collected.rest(), options).await
            }
            Sink::OnePiece(blocks) => {
                let whole = opendal::Buffer::from(std::mem::take(blocks));
                self.files.operator.write(key, whole).await
            }
        }
    }

    /// Keeps the digests of a file in a directory of this machine. Size and time are those of our own file,
    /// whatever stands in its place by now.
    async fn note_in_file(&self, file: &Path, written: &Metadata, digests: Digests) -> Result<()> {
        let Some(changed) = written.last_modified().map(opendal::raw::Timestamp::into_inner) else {
            return Ok(());
        };
        let (file, size) = (file.to_owned(), self.size);
        tokio::task::spawn_blocking(move || attribute::set(&file, digests, size, changed))
            .await
            .map_err(|error| Error::Internal { what: error.to_string() })
    }

    /// Keeps the digests of a file in an object store, unless its ETag tells one.
    async fn note_beside_file(&self, written: &Metadata, digests: Digests) {
        let Some(etag) = written.etag() else { return };
        match digest::of_etag(etag) {
            Some(told) if digests.md5.is_none_or(|known| told == known) => return,
            Some(_) => self.files.etag_is_md5.store(false, Ordering::Relaxed),
            None => {}
        }
        if let Some(marks) = &self.files.marks {
            marks.set(&self.path, etag, digests).await;
        }
    }

    /// Another upload that gave up may have removed the directory, which was empty then. But where
    /// the stage's own directory is no more, the stage was dropped, and must not come back as one
    /// that belongs to nobody.
    async fn keep_parent(&self, file: &Path) -> Result<()> {
        let (Some(root), Some(parent)) = (self.files.local_root(), file.parent()) else {
            return Ok(());
        };
        let kept = if root.exists() {
            tokio::fs::create_dir_all(parent).await
        } else {
            Err(std::io::Error::from(std::io::ErrorKind::NotFound))
        };
        kept.map_err(|error| fault::io("write", &self.files.label, &self.path, &error))
    }

    /// OpenDAL syncs the file, not its name.
    async fn sync_parent(&self, file: &str) -> Result<()> {
        let Some(parent) = Path::new(file).parent().map(Path::to_owned) else { return Ok(()) };
        tokio::task::spawn_blocking(move || sync_dir(&parent))
            .await
            .map_err(|error| Error::Internal { what: error.to_string() })?
            .map_err(|error| fault::io("write", &self.files.label, &self.path, &error))
    }

    /// Leaves nothing behind. What can't be undone is told to the log: the client has its error.
    async fn undo(&mut self) {
        let aborted = match &mut self.sink {
            Sink::Stream(writer) | Sink::Parts { writer: Some(writer), .. } => writer.abort().await,
            Sink::Parts { writer: None, .. } | Sink::OnePiece(_) => Ok(()),
        };
        if let Err(error) = aborted {
            tracing::warn!(
                stage = self.files.label,
                path = self.path,
                "an unfinished upload may be left behind: {error}"
            );
        }
        if !self.made.is_empty() {
            let made = std::mem::take(&mut self.made);
            let _alone = self.files.uploads.directories.write().await;
            // A task that panics has removed less, which hurts nobody.
            let _removed = tokio::task::spawn_blocking(move || remove_empty(&made)).await;
        }
    }
}
