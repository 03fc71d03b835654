//! The rows of a query into files.
//!
//! 1. What decides the directory of a row becomes columns, and the rows are sorted by them: so one file is open
//!    at a time, whatever the number of directories (`Layout`). Sorting spills.
//! 2. The plan runs in a task of its own; batches come through a channel of two.
//! 3. Rows become bytes (`encode`), are compressed and go to a `FileWriter` (`Writer`).
//! 4. Files come into sight at the end (`outbox`).
//!
//! All of it is one task that nobody cuts off: whoever waits for it and goes away has cancelled it, and it
//! leaves nothing behind.

use std::collections::HashMap;
use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::partition;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::common::{DataFusionError, Result as PlanResult};
use datafusion::datasource::ViewTable;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement as Parsed;
use futures::FutureExt;
use futures::stream::StreamExt;
use sqlparser::ast;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::csv::texts;
use super::encode::{self, Encoder};
use super::engine::{Engine, Planned, broken, only_file, physical, start, threads};
use super::outbox::{Outbox, Written};
use super::rewrite::{self, Names};
use super::target::Target;
use super::writing::{Form, Packed, Writing};
use super::{PartitionBy, Unload, Unloaded, fault};
use crate::config::Transfer;
use crate::error::{Error, Result};
use crate::rows::Column;
use crate::sql::dialect;
use crate::stage::files::Files;
use crate::stage::name::StagePath;
use crate::stage::{FileWriter, Parts};
use crate::transfer::encoder::Encoder as Packer;

/// Batches between the plan and the files.
const BATCHES: usize = 2;

/// Bytes that are compressed or stored at once.
const BLOCK: usize = 1024 * 1024;

/// A file that becomes no larger than this is looked at more often.
const SMALL_FILE: u64 = 16 * 1024 * 1024;

/// How often: behind so many rows.
const SMALL_BATCH: usize = 1024;

/// What the rows of a query are called while directories are found.
const ROWS: &str = "unloaded";

/// What the columns are called that decide a row's directory, before their number.
const DIRECTORY: &str = "unload$directory_";

/// The directory of `NULL`, as Hive names it.
const HIVE_NULL: &str = "__HIVE_DEFAULT_PARTITION__";

/// The directory of a path that is `NULL`, as Databend names it.
const NULL_PATH: &str = "_NULL_";

impl Engine {
    pub(super) async fn unload(&self, unload: Unload) -> Result<Vec<Unloaded>> {
        let (target, writing) = Target::of(&unload)?;
        unload.files.check_room()?;
        let may_be_there = unload.query_id.is_none() || target.is_file();
        if !unload.overwrite && may_be_there {
            target.check_free(&unload.files).await?;
        }
        let only = only_file(&unload.query);
        let planned = self.plan(unload.query).await?;
        let (form, by) = (writing.form.clone(), unload.partition_by);
        let has_names = !matches!(form, Form::Csv(_)) || writing.header;
        let finding = threads()?.spawn(async move {
            if has_names || !by.is_empty() {
                check_names(&planned.columns)?;
            }
            Layout::of(planned, &by, &form).await
        });
        let layout = AbortOnDropHandle::new(finding).await.map_err(broken)??;
        let Layout { state, plan, places, schema, directories } = layout;
        let pool = state.runtime_env().memory_pool.clone();
        let batches = start(&state, physical(&state, plan).await?)?;
        let files = unload.files.clone();
        let writer = Writer {
            many: !directories.is_empty(),
            outbox: Outbox::new(files.clone()),
            files: files.clone(),
            writing,
            schema,
            target,
            transfer: unload.transfer,
            overwrite: unload.overwrite,
            memory: MemoryConsumer::new("unload").register(&pool),
            rows: unload.rows,
            numbers: HashMap::new(),
            open: None,
        };
        let rows = Rows { batches: feed(batches)?, places, directories, only };
        let cancelled = CancellationToken::new();
        let _cancels = cancelled.clone().drop_guard();
        let work = files.until_done(writer.run(rows, cancelled));
        threads()?.spawn(work).await.map_err(broken)?
    }
}

/// Fails where two columns have one name.
fn check_names(columns: &[Column]) -> Result<()> {
    for (index, column) in columns.iter().enumerate() {
        let same = |other: &Column| other.name.eq_ignore_ascii_case(&column.name);
        if columns.iter().skip(index + 1).any(same) {
            return Err(Error::DuplicateColumn { name: column.name.clone() });
        }
    }
    Ok(())
}

/// Which columns of a plan are written, and which decide the directory.
struct Layout {
    state: SessionState,
    plan: LogicalPlan,
    /// Of the plan's columns those that are written.
    places: Vec<usize>,
    /// As they are written.
    schema: SchemaRef,
    directories: Vec<Directory>,
}

/// One level of directories.
struct Directory {
    /// `name=value`, or the value alone.
    name: Option<String>,
    /// Its column of the plan.
    place: usize,
}

impl Layout {
    async fn of(planned: Planned, by: &[PartitionBy], form: &Form) -> Result<Layout> {
        let Planned { state, plan, columns, .. } = planned;
        let fields = plan.schema().fields().iter();
        let types: Vec<DataType> = fields.map(|field| field.data_type().clone()).collect();
        let places = left(&columns, by)?;
        let pick = |place: &usize| Some((columns.get(*place)?.clone(), types.get(*place)?.clone()));
        let (kept, types): (Vec<Column>, Vec<DataType>) = places.iter().filter_map(pick).unzip();
        let schema = encode::schema(form, &kept, &types);
        let directories: Vec<Directory> = by
            .iter()
            .enumerate()
            .map(|(index, by)| Directory { name: by.name.clone(), place: columns.len() + index })
            .collect();
        if by.is_empty() {
            return Ok(Layout { state, plan, places, schema, directories });
        }
        let failed = |error: DataFusionError| fault::of(&error, None);
        let view = under_names(plan, &columns).map_err(failed)?;
        let context = SessionContext::new_with_state(state);
        let view = Arc::new(ViewTable::new(view, None));
        context.register_table(ROWS, view).map_err(failed)?;
        let state = context.state();
        let mut query = dialect::in_lower_case(&dialect::query(&in_directories(by))?)?;
        rewrite::rewrite(&mut query, &Names::default())?;
        let query = Parsed::Statement(Box::new(ast::Statement::Query(Box::new(query))));
        let plan = state.statement_to_plan(query).await.map_err(failed)?;
        let plan = state.optimize(&plan).map_err(failed)?;
        Ok(Layout { state, plan, places, schema, directories })
    }
}

/// The columns that are written: a column that is a directory's name is left out, as Hive has it.
fn left(columns: &[Column], by: &[PartitionBy]) -> Result<Vec<usize>> {
    let wrong = |value: &str, expected: &str| Error::BadValue {
        option: "PARTITION BY".to_owned(),
        value: value.to_owned(),
        expected: expected.to_owned(),
    };
    let mut places: Vec<usize> = (0..columns.len()).collect();
    for by in by {
        let Some(name) = &by.name else { continue };
        let own = columns.iter().position(|column| column.name.eq_ignore_ascii_case(name));
        match (own, by.is_column(name)) {
            (Some(place), true) => places.retain(|other| *other != place),
            (Some(_), false) => return Err(wrong(name, "a name that no column has")),
            (None, _) => {}
        }
    }
    match places.is_empty() {
        true => Err(wrong("all columns", "some of the columns")),
        false => Ok(places),
    }
}

/// The same plan, its columns under the names that the answer has, in lower case.
fn under_names(plan: LogicalPlan, columns: &[Column]) -> PlanResult<LogicalPlan> {
    let named = plan.schema().columns().into_iter().zip(columns).map(|(own, column)| {
        let name = column.name.to_lowercase();
        // An alias of the same name is ambiguous: see `table`.
        let same = own.relation.is_none() && own.name == name;
        if same { Expr::Column(own) } else { Expr::Column(own).alias(name) }
    });
    let named: Vec<Expr> = named.collect();
    LogicalPlanBuilder::from(plan).project(named)?.build()
}

/// All columns, and those that decide the directory; sorted by these.
fn in_directories(by: &[PartitionBy]) -> String {
    let name = |index: usize| format!("{DIRECTORY}{index}");
    let values = by
        .iter()
        .enumerate()
        .map(|(index, by)| format!("{} AS {}", dialect::printed(&by.expr), name(index)));
    let values: Vec<String> = values.collect();
    let keys: Vec<String> = (0..by.len()).map(name).collect();
    format!("SELECT *, {} FROM {ROWS} ORDER BY {}", values.join(", "), keys.join(", "))
}

/// Batches as the plan gives them.
type Feed = (mpsc::Receiver<PlanResult<RecordBatch>>, AbortOnDropHandle<()>);

/// Lets the plan run on its own.
fn feed(mut batches: SendableRecordBatchStream) -> Result<Feed> {
    let (sender, receiver) = mpsc::channel(BATCHES);
    let task = threads()?.spawn(async move {
        while let Some(batch) = batches.next().await {
            let ended = batch.is_err();
            if sender.send(batch).await.is_err() || ended {
                break;
            }
        }
    });
    Ok((receiver, AbortOnDropHandle::new(task)))
}

/// The rows on their way to files.
struct Rows {
    batches: Feed,
    places: Vec<usize>,
    directories: Vec<Directory>,
    /// The one file that is read, for errors.
    only: Option<(String, String)>,
}

impl Rows {
    /// The next batch; `None` at the end.
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        let (receiver, task) = &mut self.batches;
        match receiver.recv().await {
            Some(Ok(batch)) => Ok(Some(batch)),
            Some(Err(error)) => Err(fault::of_rows(&error, self.only.as_ref())),
            // Its task has ended: by itself, or because it broke.
            None => task.await.map_err(broken).map(|()| None),
        }
    }
}

/// What writes them.
struct Writer {
    files: Arc<Files>,
    writing: Writing,
    schema: SchemaRef,
    target: Target,
    transfer: Transfer,
    overwrite: bool,
    /// Whether there are many files, most of them small.
    many: bool,
    memory: MemoryReservation,
    rows: Arc<AtomicU64>,
    outbox: Outbox,
    /// The number of the next file, by directory.
    numbers: HashMap<String, u64>,
    open: Option<Open>,
}

/// The file that is being written.
struct Open {
    below: String,
    path: StagePath,
    encoder: Encoder,
    packer: Option<Packer>,
    writer: FileWriter,
    rows: u64,
    stored: u64,
}

impl Writer {
    /// Writes all files, or none.
    async fn run(mut self, rows: Rows, cancelled: CancellationToken) -> Result<Vec<Unloaded>> {
        let outcome = {
            let work = AssertUnwindSafe(self.write(rows)).catch_unwind();
            tokio::select! {
                biased;
                () = cancelled.cancelled() => Err(Error::Interrupted),
                outcome = work => outcome.unwrap_or_else(|_| Err(Error::Internal {
                    what: "an unload broke off".to_owned(),
                })),
            }
        };
        if outcome.is_err() {
            if let Some(open) = self.open.take() {
                open.writer.abort().await;
            }
            self.outbox.undo().await;
        }
        outcome
    }

    async fn write(&mut self, mut rows: Rows) -> Result<Vec<Unloaded>> {
        while let Some(batch) = rows.next().await? {
            let fitted = encode::fitted(&batch, &rows.places, &self.schema)?;
            for (below, range) in parts(&batch, &rows.directories)? {
                self.push(&below, &fitted.slice(range.start, range.len())).await?;
            }
        }
        if self.open.is_none() && self.numbers.is_empty() && self.target.is_file() {
            self.begin("").await?;
        }
        self.end().await?;
        self.outbox.finish().await
    }

    /// Adds rows of one directory.
    async fn push(&mut self, below: &str, batch: &RecordBatch) -> Result<()> {
        let small = self.target.most_bytes.is_some_and(|most| most < SMALL_FILE);
        let step = if small { SMALL_BATCH } else { batch.num_rows().max(1) };
        for start in (0..batch.num_rows()).step_by(step) {
            let rows = batch.slice(start, step.min(batch.num_rows() - start));
            if self.open.as_ref().is_some_and(|open| open.below != below) {
                self.end().await?;
            }
            if self.open.is_none() {
                self.begin(below).await?;
            }
            let Some(open) = &mut self.open else { continue };
            open.push(&rows).await?;
            self.rows.fetch_add(length(rows.num_rows()), Ordering::Relaxed);
            if self.memory.try_resize(open.encoder.memory()).is_err() {
                open.encoder.flush()?;
                open.drain().await?;
                let resized = self.memory.try_resize(open.encoder.memory());
                resized.map_err(|error| fault::of(&error, None))?;
            }
            let size = open.stored + open.encoder.pending();
            if self.target.most_bytes.is_some_and(|most| size >= most) {
                self.end().await?;
            }
        }
        Ok(())
    }

    /// Begins a file.
    async fn begin(&mut self, below: &str) -> Result<()> {
        let number = self.numbers.entry(below.to_owned()).or_default();
        let path = self.target.file(below, *number)?;
        *number += 1;
        let parts = if self.many { Parts::of(1) } else { Parts::default() };
        let writer = self.files.create(&path, self.overwrite, parts).await?;
        self.open = Some(Open {
            below: below.to_owned(),
            path,
            encoder: Encoder::new(&self.writing, &self.schema)?,
            packer: packer(self.writing.packed, &self.transfer)?,
            writer,
            rows: 0,
            stored: 0,
        });
        Ok(())
    }

    /// Ends the file that is open.
    async fn end(&mut self) -> Result<()> {
        let Some(open) = self.open.take() else { return Ok(()) };
        self.memory.free();
        let written = open.end().await?;
        self.outbox.add(written).await
    }
}

fn packer(packed: Packed, transfer: &Transfer) -> Result<Option<Packer>> {
    Ok(match packed {
        Packed::No => None,
        Packed::Gzip => Some(Packer::gzip(transfer)),
        Packed::Bzip2 => Some(Packer::bzip2()),
        Packed::Zstd => Some(Packer::zstd(transfer)?),
    })
}

impl Open {
    async fn push(&mut self, rows: &RecordBatch) -> Result<()> {
        self.encoder.push(rows)?;
        self.rows += length(rows.num_rows());
        self.drain().await
    }

    /// Stores what has come out by now.
    async fn drain(&mut self) -> Result<()> {
        let out = self.encoder.take();
        self.store(out).await
    }

    async fn store(&mut self, mut bytes: Bytes) -> Result<()> {
        while !bytes.is_empty() {
            let block = bytes.split_to(bytes.len().min(BLOCK));
            match &mut self.packer {
                Some(packer) => {
                    for block in packer.push(block).await? {
                        self.send(block).await?;
                    }
                }
                None => self.send(block).await?,
            }
        }
        Ok(())
    }

    async fn send(&mut self, block: Bytes) -> Result<()> {
        self.stored += length(block.len());
        self.writer.write(block).await
    }

    async fn end(mut self) -> Result<Written> {
        let (rest, plain) = self.encoder.finish()?;
        self.store(rest).await?;
        if let Some(packer) = self.packer.take() {
            for block in packer.finish().await? {
                self.send(block).await?;
            }
        }
        let Open { path, writer, rows, stored, .. } = self;
        Ok(Written { path, writer, rows, plain, stored })
    }
}

fn length(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// The rows of a batch by directory.
fn parts(batch: &RecordBatch, directories: &[Directory]) -> Result<Vec<(String, Range<usize>)>> {
    if directories.is_empty() {
        return Ok(vec![(String::new(), 0..batch.num_rows())]);
    }
    let place = |directory: &Directory| batch.columns().get(directory.place).cloned();
    let keys: Vec<_> = directories.iter().filter_map(place).collect();
    let failed = |error: ArrowError| Error::Query { what: format!("PARTITION BY: {error}") };
    let ranges = partition(&keys).map_err(failed)?.ranges();
    let part = |range: Range<usize>| {
        let mut below = Vec::new();
        for (directory, key) in directories.iter().zip(&keys) {
            let value = texts(&key.slice(range.start, 1))?.pop().flatten();
            below.push(segment(directory.name.as_deref(), value));
        }
        below.retain(|segment| !segment.is_empty());
        Ok((below.join("/"), range))
    };
    ranges.into_iter().map(part).collect()
}

/// `name=value`; without a name the value is a path.
fn segment(name: Option<&str>, value: Option<String>) -> String {
    match (name, value) {
        (Some(name), Some(value)) => format!("{}={}", escaped(name), escaped(&value)),
        (Some(name), None) => format!("{}={HIVE_NULL}", escaped(name)),
        (None, Some(path)) => path.trim_matches('/').to_owned(),
        (None, None) => NULL_PATH.to_owned(),
    }
}

/// A name or a value as one segment of a path, as Hive escapes them; our own reader takes it back.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let kept = c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '~' | '+' | '@' | '$');
        if kept {
            out.push(c);
            continue;
        }
        let mut bytes = [0; 4];
        for byte in c.encode_utf8(&mut bytes).bytes() {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_named_as_hive_names_them() {
        for (name, value, expected) in [
            (Some("year"), Some("2024"), "year=2024"),
            (Some("year"), None, "year=__HIVE_DEFAULT_PARTITION__"),
            (Some("a"), Some(""), "a="),
            (Some("a"), Some("x/y=z %é "), "a=x%2Fy%3Dz%20%25é%20"),
            (Some("a"), Some(".."), "a=.."),
            (None, Some("/d=1/h=2/"), "d=1/h=2"),
            (None, None, "_NULL_"),
        ] {
            assert_eq!(segment(name, value.map(str::to_owned)), expected);
        }
    }
}
