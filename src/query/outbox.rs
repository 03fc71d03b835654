//! The files of an unload, from the first byte to the last.
//!
//! A file that is written waits with others until all are: only then they come into sight, shortly one after
//! the other. No more than [`WAITING`] wait, for a storage may keep a part of each in memory; the oldest is
//! finished before. Whatever was finished is removed if a later one fails.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::stream::{self, StreamExt};
use tokio::task::JoinHandle;

use super::Unloaded;
use crate::error::{Error, Result};
use crate::stage::files::{Entry, Files};
use crate::stage::name::StagePath;
use crate::stage::{Committed, FileWriter};

/// So many files are written and not to be seen.
const WAITING: usize = 8;

/// So many are finished at a time.
const FINISHING: usize = 8;

/// A file that is written.
pub(super) struct Written {
    pub(super) path: StagePath,
    pub(super) writer: FileWriter,
    pub(super) rows: u64,
    /// Before it was compressed.
    pub(super) plain: u64,
    /// As it is stored.
    pub(super) stored: u64,
}

/// A file that is about to be seen.
struct Finishing {
    path: StagePath,
    rows: u64,
    plain: u64,
    stored: u64,
    /// Ends by itself, whoever waits for it or not.
    outcome: JoinHandle<Result<Committed>>,
}

/// All of them.
pub(super) struct Outbox {
    files: Arc<Files>,
    waiting: VecDeque<Written>,
    finishing: VecDeque<Finishing>,
    done: Vec<Unloaded>,
    /// Those of them that are ours to remove.
    ours: Vec<(StagePath, u64)>,
}

impl Outbox {
    pub(super) fn new(files: Arc<Files>) -> Outbox {
        let (waiting, finishing) = (VecDeque::new(), VecDeque::new());
        Outbox { files, waiting, finishing, done: Vec::new(), ours: Vec::new() }
    }

    /// Takes a file that is written.
    pub(super) async fn add(&mut self, file: Written) -> Result<()> {
        self.waiting.push_back(file);
        while self.waiting.len() > WAITING {
            self.finish_one().await?;
        }
        Ok(())
    }

    /// Makes all of them visible.
    pub(super) async fn finish(&mut self) -> Result<Vec<Unloaded>> {
        while !self.waiting.is_empty() {
            self.finish_one().await?;
        }
        while !self.finishing.is_empty() {
            self.settle_one().await?;
        }
        Ok(std::mem::take(&mut self.done))
    }

    /// Begins to finish the oldest.
    async fn finish_one(&mut self) -> Result<()> {
        while self.finishing.len() >= FINISHING {
            self.settle_one().await?;
        }
        if let Some(Written { path, writer, rows, plain, stored }) = self.waiting.pop_front() {
            let outcome = tokio::spawn(writer.finish());
            self.finishing.push_back(Finishing { path, rows, plain, stored, outcome });
        }
        Ok(())
    }

    /// Waits for the oldest that is being finished. It stays until it is settled, wherever this is cut off.
    async fn settle_one(&mut self) -> Result<()> {
        let Some(first) = self.finishing.front_mut() else { return Ok(()) };
        let outcome = (&mut first.outcome)
            .await
            .map_err(|error| Error::Internal { what: format!("a file was not finished: {error}") });
        let Some(first) = self.finishing.pop_front() else { return Ok(()) };
        let file_size = match outcome?? {
            Committed::Written { size } => {
                self.ours.push((first.path.clone(), size));
                size
            }
            // The very same is there, and stays.
            Committed::Same => first.stored,
            Committed::Exists => return Err(Error::FileExists { path: first.path.to_string() }),
        };
        let (path, rows, plain) = (first.path.to_string(), first.rows, first.plain);
        self.done.push(Unloaded { path, size: file_size, rows, plain });
        Ok(())
    }

    /// Leaves nothing behind. What can't be removed is told to the log: the client has its error.
    pub(super) async fn undo(mut self) {
        for written in std::mem::take(&mut self.waiting) {
            written.writer.abort().await;
        }
        while !self.finishing.is_empty() {
            // That one of them failed changes nothing here.
            let _settled = self.settle_one().await;
        }
        let entry = |(path, size): (StagePath, u64)| Entry {
            path: path.to_string(),
            size,
            md5: None,
            sha256: None,
            etag: None,
            last_modified: None,
        };
        let entries = std::mem::take(&mut self.ours).into_iter().map(entry).map(Ok);
        let mut removed = self.files.remove(stream::iter(entries.collect::<Vec<_>>()).boxed());
        while let Some((path, outcome)) = removed.next().await {
            if let Err(error) = outcome {
                let stage = self.files.describe();
                tracing::warn!(stage, path, "a file of a failed unload stays: {error}");
            }
        }
    }
}
