//! One file on its way to a stage.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::config;
use crate::error::{Error, Result};
use crate::stage::name::StagePath;
use crate::stage::{Committed, FileWriter, Files, Parts};
use crate::transfer::compression::{Compression, MAGIC_BYTES};
use crate::transfer::encoder::{AutoCompress, Encoder};
use crate::transfer::form::Form;

/// What is wanted.
#[derive(Debug, Clone)]
pub struct Options {
    /// How to compress what is not compressed yet; its name tells then.
    pub auto_compress: AutoCompress,
    /// With which effort.
    pub transfer: config::Transfer,
    /// How the file is compressed; `None` to find out.
    pub source_compression: Option<Compression>,
    /// Replace a file of that name.
    pub overwrite: bool,
    /// How it is cut, where the storage takes parts.
    pub parts: Parts,
}

impl Options {
    /// Whatever the file is, its bytes and its name stay.
    pub fn as_it_comes(overwrite: bool) -> Options {
        Options {
            auto_compress: AutoCompress::No,
            transfer: config::Transfer::default(),
            source_compression: Some(Compression::None),
            overwrite,
            parts: Parts::default(),
        }
    }
}

/// What has become of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Its path on the stage.
    pub target: StagePath,
    /// Its name there.
    pub target_name: String,
    /// Bytes that came.
    pub source_size: u64,
    /// Bytes that are stored; zero if it was skipped.
    pub target_size: u64,
    /// How it came.
    pub source_compression: Compression,
    /// How it is stored.
    pub target_compression: Compression,
    /// Whether it is there now.
    pub status: Status,
}

/// Whether a file was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It was.
    Uploaded,
    /// A file of that name was there already, and stays.
    Skipped,
    /// The same content was there already, and stays with its time.
    Same,
}

impl Status {
    /// As the result of `PUT` names it.
    pub fn name(self) -> &'static str {
        match self {
            Status::Uploaded => "UPLOADED",
            Status::Skipped | Status::Same => "SKIPPED",
        }
    }
}

/// One file on its way: blocks are pushed, then it is finished or aborted. Dropped before that, it
/// leaves nothing behind.
pub struct Upload {
    files: Arc<Files>,
    dir: StagePath,
    name: String,
    options: Options,
    received: u64,
    /// Nothing was there before the client was asked: not asked again when the first bytes come, for the end of the
    /// upload looks once more.
    absent: Option<StagePath>,
    state: State,
}

enum State {
    /// Too little has come to know what it is.
    Head(BytesMut),
    /// It grows.
    Writing(Plan, Box<Sink>),
    /// A file of that name is there: the rest is not wanted.
    Skipping(Plan),
}

struct Sink {
    writer: FileWriter,
    encoder: Option<Encoder>,
    stored: u64,
}

/// Where a file goes, once it is known how it is compressed.
#[derive(Debug, Clone)]
struct Plan {
    target: StagePath,
    name: String,
    source: Compression,
    stored: Compression,
}

impl Upload {
    /// A file of this name below a directory of the stage. Nothing is stored yet.
    pub fn new(files: Arc<Files>, dir: StagePath, name: &str, options: Options) -> Result<Upload> {
        // Told now: files that have come with it in one request must not be there without it.
        if name.is_empty() || name.ends_with('/') {
            return Err(Error::BadPath { path: name.to_owned(), why: "it names no file" });
        }
        dir.join(name)?;
        let state = State::Head(BytesMut::new());
        let (name, absent) = (name.to_owned(), None);
        Ok(Upload { files, dir, name, options, received: 0, absent, state })
    }

    /// What would be reported if the file were skipped now, because one of the name that it will
    /// most likely get is there already; `None` if there is none, or it may be replaced. Asked
    /// before the client is asked for a byte.
    pub async fn skipped_already(&mut self) -> Result<Option<Report>> {
        let plan = self.plan(None)?;
        if self.options.overwrite {
            return Ok(None);
        }
        if self.files.stat(&plan.target).await?.is_none() {
            self.absent = Some(plan.target);
            return Ok(None);
        }
        Ok(Some(plan.report(0, 0, Status::Skipped)))
    }

    /// Fails if there is no room for a file, however small.
    pub fn check_room(&self) -> Result<()> {
        self.files.check_room()
    }

    /// Where it will be, as far as that is known by now.
    pub fn target(&self) -> Result<StagePath> {
        match &self.state {
            State::Head(_) => Ok(self.plan(None)?.target),
            State::Writing(plan, _) | State::Skipping(plan) => Ok(plan.target.clone()),
        }
    }

    /// How many bytes have come.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Takes the next bytes of the file.
    pub async fn push(&mut self, block: Bytes) -> Result<()> {
        self.received += u64::try_from(block.len()).unwrap_or(u64::MAX);
        match &mut self.state {
            State::Head(head) if head.len() + block.len() < MAGIC_BYTES => {
                head.extend_from_slice(&block);
                Ok(())
            }
            State::Head(head) if head.is_empty() => {
                self.begin(&block).await?;
                self.store(block).await
            }
            State::Head(head) => {
                head.extend_from_slice(&block);
                let block = std::mem::take(head).freeze();
                self.begin(&block).await?;
                self.store(block).await
            }
            State::Writing(..) | State::Skipping(_) => self.store(block).await,
        }
    }

    /// The file has ended, and is finished later, with others.
    pub async fn whole(&self) {
        if let State::Writing(_, sink) = &self.state {
            sink.writer.whole().await;
        }
    }

    /// The file has ended: makes it visible, whole.
    pub async fn finish(mut self) -> Result<Report> {
        if let State::Head(head) = &mut self.state {
            let head = std::mem::take(head).freeze();
            self.begin(&head).await?;
            if !head.is_empty() {
                self.store(head).await?;
            }
        }
        match self.state {
            State::Writing(plan, sink) => {
                let report = plan.report(self.received, sink.stored, Status::Uploaded);
                match sink.finish().await? {
                    Committed::Written { size } => Ok(Report { target_size: size, ..report }),
                    Committed::Exists => {
                        Ok(Report { target_size: 0, status: Status::Skipped, ..report })
                    }
                    Committed::Same => {
                        Ok(Report { target_size: 0, status: Status::Same, ..report })
                    }
                }
            }
            State::Skipping(plan) => Ok(plan.report(self.received, 0, Status::Skipped)),
            State::Head(_) => Err(Error::Internal { what: "an upload never began".to_owned() }),
        }
    }

    /// Gives it up; nothing is left.
    pub async fn abort(self) {
        if let State::Writing(_, sink) = self.state {
            sink.writer.abort().await;
        }
    }

    /// Decides what the file is and opens its place.
    async fn begin(&mut self, head: &[u8]) -> Result<()> {
        let plan = self.plan(Some(head))?;
        if !self.options.overwrite
            && self.absent.as_ref() != Some(&plan.target)
            && self.files.stat(&plan.target).await?.is_some()
        {
            self.state = State::Skipping(plan);
            return Ok(());
        }
        let Options { overwrite, parts, .. } = self.options;
        let writer = self.files.create(&plan.target, overwrite, parts).await?;
        let encoder = if plan.source == plan.stored {
            None
        } else {
            self.options.auto_compress.encoder(&self.options.transfer)?
        };
        self.state = State::Writing(plan, Box::new(Sink { writer, encoder, stored: 0 }));
        Ok(())
    }

    async fn store(&mut self, block: Bytes) -> Result<()> {
        match &mut self.state {
            State::Writing(_, sink) => sink.push(block).await,
            State::Skipping(_) => Ok(()),
            State::Head(_) => Err(Error::Internal { what: "an upload never began".to_owned() }),
        }
    }

    /// Name and compression, by the first bytes where they are known.
    fn plan(&self, head: Option<&[u8]>) -> Result<Plan> {
        let Options { source_compression, auto_compress, .. } = self.options;
        let Form { name, source, stored } =
            Form::of(&self.name, head, source_compression, auto_compress)?;
        Ok(Plan { target: self.dir.join(&name)?, name, source, stored })
    }
}

impl Plan {
    fn report(self, source_size: u64, target_size: u64, status: Status) -> Report {
        Report {
            target: self.target,
            target_name: self.name,
            source_size,
            target_size,
            source_compression: self.source,
            target_compression: self.stored,
            status,
        }
    }
}

impl Sink {
    async fn push(&mut self, block: Bytes) -> Result<()> {
        match &mut self.encoder {
            Some(encoder) => {
                for block in encoder.push(block).await? {
                    self.write(block).await?;
                }
                Ok(())
            }
            None => self.write(block).await,
        }
    }

    async fn write(&mut self, block: Bytes) -> Result<()> {
        if block.is_empty() {
            return Ok(());
        }
        self.stored += u64::try_from(block.len()).unwrap_or(u64::MAX);
        self.writer.write(block).await
    }

    async fn finish(mut self) -> Result<Committed> {
        if let Some(encoder) = self.encoder.take() {
            for block in encoder.finish().await? {
                self.write(block).await?;
            }
        }
        self.writer.finish().await
    }
}
