//! Files into a table: each is read, fitted and written; one commit makes all of it count, with the names of the
//! files (`history`).

use std::collections::HashSet;

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::common::ScalarValue;
use futures::{StreamExt, TryStreamExt};

use super::fit::{Fitted, fit};
use super::source::{self, Chunk};
use super::write::{RowWriter, append};
use super::{anew, history, open};
use crate::error::{Error, Result};
use crate::query::engine::Engine;
use crate::query::{KeptTable, Load, LoadError, LoadStatus, Loaded, Most, OnError};
use crate::stage::files::Entry;

/// So many bytes of a file's rows wait in memory until it is known whether the file is skipped. The rows of a
/// larger file are read a second time.
const MAX_WAITING: usize = 128 * 1024 * 1024;

/// So many errors of a file are kept.
const MAX_ERRORS: usize = 1000;

/// Loads; from the beginning, if another has loaded one of the files meanwhile.
pub(in crate::query) async fn load(
    engine: &Engine,
    kept: &KeptTable,
    load: &Load,
) -> Result<Vec<Loaded>> {
    anew(kept, || once(engine, kept, load)).await
}

async fn once(engine: &Engine, kept: &KeptTable, load: &Load) -> Result<Vec<Loaded>> {
    let opened = open(kept).await?;
    let key = |entry: &Entry| history::key(&load.files.home, entry);
    let known = match load.force {
        true => HashSet::new(),
        false => history::loaded(&opened, load.files.entries.iter().map(key).collect()).await?,
    };
    let writer = RowWriter::new(opened, kept)?;
    let defaults = defaults(engine, load).await?;
    let mut loader = Loader { engine, kept, load, defaults, writer };
    let (mut reports, mut loaded, mut bytes) = (Vec::new(), Vec::new(), 0);
    for entry in &load.files.entries {
        if load.size_limit.is_some_and(|limit| bytes >= limit) {
            break;
        }
        let key = key(entry);
        if known.contains(&key) {
            reports.push(Loaded::new(entry, LoadStatus::Skipped));
            continue;
        }
        let report = loader.file(entry).await?;
        bytes += entry.size;
        if report.status != LoadStatus::Failed {
            loaded.push(history::entry(&key));
        }
        reports.push(report);
    }
    if !load.only_look {
        loader.writer.commit(Vec::new(), append(), loaded).await?;
    }
    Ok(reports)
}

/// The first rows that would be added, as many as are asked for. Fails for what is wrong with them or before them.
pub(in crate::query) async fn preview(
    engine: &Engine,
    kept: &KeptTable,
    load: &Load,
    most: u64,
) -> Result<Vec<RecordBatch>> {
    let writer = RowWriter::new(open(kept).await?, kept)?;
    let loader = Loader { engine, kept, load, defaults: defaults(engine, load).await?, writer };
    let (mut shown, mut wanted) = (Vec::new(), usize::try_from(most).unwrap_or(usize::MAX));
    for entry in &load.files.entries {
        if wanted == 0 {
            break;
        }
        let mut report = Loaded::new(entry, LoadStatus::Loaded);
        let mut chunks = source::open(engine, kept, load, entry).await?;
        while wanted > 0
            && let Some(chunk) = chunks.next().await
        {
            let chunk = chunk?;
            let lines: Vec<u64> = (0..chunk.rows).map(|row| chunk.line(row)).collect();
            let rows = loader.fitted(chunk, &mut report)?;
            if let Some(error) = report.errors.first()
                && lines.iter().filter(|line| **line < error.line).count() < wanted
            {
                return Err(error.of(entry));
            }
            let rows = rows.slice(0, rows.num_rows().min(wanted));
            wanted -= rows.num_rows();
            shown.push(rows);
        }
    }
    Ok(shown)
}

/// The values of the columns of which files say nothing.
async fn defaults(engine: &Engine, load: &Load) -> Result<Vec<(usize, ScalarValue)>> {
    let Some((positions, query)) = &load.defaults else { return Ok(Vec::new()) };
    let failed = |error| crate::query::fault::of(&error, None);
    let batches: Vec<RecordBatch> =
        engine.stream_of(query.clone()).await?.try_collect().await.map_err(failed)?;
    let Some(batch) = batches.iter().find(|batch| batch.num_rows() > 0) else {
        return Ok(Vec::new());
    };
    let value = |(position, array): (&usize, &ArrayRef)| {
        Ok((*position, ScalarValue::try_from_array(array, 0).map_err(failed)?))
    };
    positions.iter().zip(batch.columns()).map(value).collect()
}

impl LoadError {
    fn of(&self, entry: &Entry) -> Error {
        Error::LoadFailed { path: entry.path.clone(), line: self.line, why: self.why.clone() }
    }
}

impl Loaded {
    fn new(entry: &Entry, status: LoadStatus) -> Loaded {
        Loaded {
            entry: entry.clone(),
            status,
            rows_parsed: 0,
            rows_loaded: 0,
            errors_seen: 0,
            errors: Vec::new(),
        }
    }

    fn error(&mut self, error: LoadError) {
        self.errors_seen += 1;
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(error);
        }
    }

    fn has_too_many(&self, most: Most) -> bool {
        match most {
            Most::Rows(most) => self.errors_seen >= most,
            Most::Percent(most) => {
                self.errors_seen > 0
                    && self.errors_seen.saturating_mul(100) >= self.rows_parsed.saturating_mul(most)
            }
        }
    }
}

struct Loader<'a> {
    engine: &'a Engine,
    kept: &'a KeptTable,
    load: &'a Load,
    defaults: Vec<(usize, ScalarValue)>,
    writer: RowWriter,
}

impl Loader<'_> {
    async fn file(&mut self, entry: &Entry) -> Result<Loaded> {
        let mut report = Loaded::new(entry, LoadStatus::Loaded);
        let read = match self.load.on_error {
            OnError::Abort | OnError::Continue => self.rows(entry, &mut report).await,
            OnError::SkipFile(most) => self.all_or_nothing(entry, most, &mut report).await,
        };
        if let Err(error) = read {
            self.broken_off(error, &mut report)?;
        }
        report.status = match (report.errors_seen, report.rows_loaded) {
            (0, _) => LoadStatus::Loaded,
            (_, 0) => LoadStatus::Failed,
            (_, _) => LoadStatus::Partial,
        };
        Ok(report)
    }

    /// What can't be read any further is an error of the file, if the file is what is wrong.
    fn broken_off(&self, error: Error, report: &mut Loaded) -> Result<()> {
        let is_the_file = matches!(
            error,
            Error::LoadFailed { .. }
                | Error::UnreadableFile { .. }
                | Error::UnknownFormat { .. }
                | Error::Query { .. }
        );
        if !is_the_file || (self.load.on_error == OnError::Abort && !self.load.only_look) {
            return Err(error);
        }
        let line = match &error {
            Error::LoadFailed { line, .. } => *line,
            _ => report.rows_parsed + 1,
        };
        let why = match &error {
            Error::LoadFailed { why, .. } | Error::UnreadableFile { why, .. } => why.clone(),
            other => other.to_string(),
        };
        report.error(LoadError { line, character: None, column: None, why });
        Ok(())
    }

    /// Writes the rows that fit as they come.
    async fn rows(&mut self, entry: &Entry, report: &mut Loaded) -> Result<()> {
        let mut chunks = source::open(self.engine, self.kept, self.load, entry).await?;
        while let Some(chunk) = chunks.next().await {
            let rows = self.fitted(chunk?, report)?;
            if let Some(first) = report.errors.first()
                && self.load.on_error == OnError::Abort
                && !self.load.only_look
            {
                return Err(first.of(entry));
            }
            self.write(&rows, report).await?;
        }
        Ok(())
    }

    /// Writes the rows when it is known that there are not too many errors.
    async fn all_or_nothing(
        &mut self,
        entry: &Entry,
        most: Most,
        report: &mut Loaded,
    ) -> Result<()> {
        let mut chunks = source::open(self.engine, self.kept, self.load, entry).await?;
        let (mut waiting, mut bytes) = (Vec::new(), 0);
        while let Some(chunk) = chunks.next().await {
            let rows = self.fitted(chunk?, report)?;
            bytes += rows.get_array_memory_size();
            match bytes > MAX_WAITING {
                true => waiting.clear(),
                false => waiting.push(rows),
            }
        }
        if report.has_too_many(most) {
            return Ok(());
        }
        if bytes <= MAX_WAITING {
            for rows in &waiting {
                self.write(rows, report).await?;
            }
            return Ok(());
        }
        let mut again = Loaded::new(entry, LoadStatus::Loaded);
        let mut chunks = source::open(self.engine, self.kept, self.load, entry).await?;
        while let Some(chunk) = chunks.next().await {
            let rows = self.fitted(chunk?, &mut again)?;
            self.write(&rows, report).await?;
        }
        Ok(())
    }

    /// The rows of a chunk that fit; the others are errors.
    fn fitted(&self, mut chunk: Chunk, report: &mut Loaded) -> Result<RecordBatch> {
        let failed = |error| crate::query::fault::of(&error, None);
        for (position, value) in &self.defaults {
            if let Some(slot @ None) = chunk.arrays.get_mut(*position) {
                *slot = Some(value.to_array_of_size(chunk.rows).map_err(failed)?);
            }
        }
        let Fitted { rows, bad } = fit(
            &self.kept.columns,
            self.kept.zone.as_deref(),
            self.writer.schema(),
            &chunk.arrays,
            chunk.rows,
        )?;
        report.rows_parsed += u64::try_from(chunk.rows + chunk.broken.len()).unwrap_or_default();
        let mut errors: Vec<LoadError> = bad
            .iter()
            .map(|bad| LoadError {
                line: chunk.line(bad.row),
                character: self
                    .place(&bad.column)
                    .and_then(|place| chunk.character(bad.row, place)),
                column: Some(bad.column.clone()),
                why: bad.why(),
            })
            .collect();
        errors.append(&mut chunk.broken);
        errors.sort_by_key(|error| error.line);
        errors.into_iter().for_each(|error| report.error(error));
        Ok(rows)
    }

    fn place(&self, column: &str) -> Option<usize> {
        self.kept.columns.iter().position(|kept| kept.name == column)
    }

    async fn write(&mut self, rows: &RecordBatch, report: &mut Loaded) -> Result<()> {
        if !self.load.only_look {
            self.writer.write(rows).await?;
        }
        report.rows_loaded += u64::try_from(rows.num_rows()).unwrap_or_default();
        Ok(())
    }
}
