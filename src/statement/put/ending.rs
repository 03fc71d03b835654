//! Files that have come whole and are being stored, while the client sends the next one.

use std::collections::{HashSet, VecDeque};

use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use super::run::{Fate, Source};
use crate::error::{Error, Result};
use crate::metrics;
use crate::stage::name::StagePath;
use crate::transfer::upload::{Report, Upload};

/// What has come of the files that are being stored, together: so much may be in memory.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// The fates of files, in their order.
pub(super) struct Ending {
    /// So many files at a time, with the one that comes.
    parallel: usize,
    known: Vec<Fate>,
    /// Behind the known ones.
    open: VecDeque<Open>,
    /// Where members of archives go.
    targets: HashSet<StagePath>,
}

/// A file whose fate may not be known yet.
enum Open {
    Ended(Fate),
    Running { source: Source, bytes: u64, stored: AbortOnDropHandle<Result<Report>> },
}

impl Ending {
    pub(super) fn new(parallel: u64) -> Ending {
        let parallel = usize::try_from(parallel).unwrap_or(1);
        Ending { parallel, known: Vec::new(), open: VecDeque::new(), targets: HashSet::new() }
    }

    /// Whether this is the statement's first file with this target.
    pub(super) fn is_first_at(&mut self, target: StagePath) -> bool {
        self.targets.insert(target)
    }

    /// A file that needs nothing more.
    pub(super) fn ended(&mut self, fate: Fate) {
        if self.open.is_empty() {
            self.known.push(fate);
        } else {
            self.open.push_back(Open::Ended(fate));
        }
    }

    /// Begins to store a file, and waits until there is room for the next one.
    pub(super) async fn begin(&mut self, source: Source, upload: Upload) {
        let bytes = upload.received();
        let stored = AbortOnDropHandle::new(tokio::spawn(upload.finish().in_current_span()));
        self.open.push_back(Open::Running { source, bytes, stored });
        while self.is_full() {
            self.await_oldest().await;
        }
    }

    /// How many files there are.
    pub(super) fn len(&self) -> usize {
        self.known.len() + self.open.len()
    }

    /// The fates of the files from this one on.
    pub(super) async fn from(&mut self, first: usize) -> &[Fate] {
        self.await_all().await;
        self.known.get(first..).unwrap_or_default()
    }

    /// The fates of all.
    pub(super) async fn all(mut self) -> Vec<Fate> {
        self.await_all().await;
        self.known
    }

    fn is_full(&self) -> bool {
        let running = self.open.iter().filter_map(|open| match open {
            Open::Running { bytes, .. } => Some(*bytes),
            Open::Ended(_) => None,
        });
        let (files, bytes) = running.fold((0, 0), |(files, sum), bytes| (files + 1, sum + bytes));
        files >= self.parallel || bytes > MAX_BYTES
    }

    async fn await_all(&mut self) {
        while !self.open.is_empty() {
            self.await_oldest().await;
        }
    }

    async fn await_oldest(&mut self) {
        match self.open.pop_front() {
            None => {}
            Some(Open::Ended(fate)) => self.known.push(fate),
            Some(Open::Running { source, stored, .. }) => {
                let result = match stored.await {
                    Ok(result) => result,
                    Err(error) => Err(Error::Internal { what: error.to_string() }),
                };
                match &result {
                    Ok(report) => {
                        metrics::upload("mysql", report.status.name(), report.source_size);
                    }
                    Err(_) => metrics::upload("mysql", "ERROR", 0),
                }
                self.known.push(Fate::of(source, result));
            }
        }
    }
}
