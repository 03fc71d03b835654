//! The scan of files of text.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{
    FileOpenFuture, FileOpener, FileScanConfig, FileSource,
};
use datafusion::datasource::projection::{ProjectionOpener, SplitProjection};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::{DisplayFormatType, PhysicalExpr};
use datafusion_datasource::boundary_stream::AlignedBoundaryStream;
use futures::stream::{self, StreamExt, TryStreamExt};
use object_store::{GetOptions, GetRange, ObjectStore};

use super::bytes::{Blocks, How, part, text};
use super::csv::Dialect;
use super::quotes::Quotes;
use super::{MAX_ROW, Shape, csv, json, line_ends, wrong_at};

/// Files of text that are read in one way.
#[derive(Clone)]
pub(in super::super) struct TextSource {
    how: How,
    shape: Shape,
    /// Whether files may be cut at lines.
    by_line: bool,
    table_schema: TableSchema,
    projection: SplitProjection,
    batch_size: usize,
    metrics: ExecutionPlanMetricsSet,
}

impl TextSource {
    pub(in super::super) fn new(
        how: How,
        shape: Shape,
        by_line: bool,
        table_schema: TableSchema,
    ) -> TextSource {
        let projection = SplitProjection::unprojected(&table_schema);
        let metrics = ExecutionPlanMetricsSet::new();
        TextSource { how, shape, by_line, table_schema, projection, batch_size: 8192, metrics }
    }
}

impl FileSource for TextSource {
    fn create_file_opener(
        &self,
        store: Arc<dyn ObjectStore>,
        _base_config: &FileScanConfig,
        _partition: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        let schema = self.table_schema.file_schema().clone();
        let columns = self.projection.file_indices.clone();
        let shape = match &self.shape {
            Shape::Csv(dialect) => {
                Open::Csv { dialect: Arc::new(dialect.clone()), schema, columns }
            }
            Shape::Json => Open::Json { schema: Arc::new(schema.project(&columns)?) },
        };
        let opener = Opener { store, how: self.how.clone(), shape, rows: self.batch_size };
        let file_schema = self.table_schema.file_schema();
        ProjectionOpener::try_new(self.projection.clone(), Arc::new(opener), file_schema)
    }

    fn table_schema(&self) -> &TableSchema {
        &self.table_schema
    }

    fn with_batch_size(&self, batch_size: usize) -> Arc<dyn FileSource> {
        Arc::new(TextSource { batch_size, ..self.clone() })
    }

    fn try_pushdown_projection(
        &self,
        projection: &ProjectionExprs,
    ) -> Result<Option<Arc<dyn FileSource>>> {
        let merged = self.projection.source.try_merge(projection)?;
        let projection = SplitProjection::new(self.table_schema.file_schema(), &merged);
        Ok(Some(Arc::new(TextSource { projection, ..self.clone() })))
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        Some(&self.projection.source)
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        &self.metrics
    }

    fn file_type(&self) -> &str {
        match self.shape {
            Shape::Csv(_) => "csv",
            Shape::Json => "json",
        }
    }

    fn supports_repartitioning(&self) -> bool {
        self.by_line
    }

    fn fmt_extra(&self, _t: DisplayFormatType, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        datafusion::physical_plan::apply_expression_roots(self.projection.source.iter(), f)
    }
}

/// What is needed to read one file.
#[derive(Clone)]
enum Open {
    Csv { dialect: Arc<Dialect>, schema: SchemaRef, columns: Vec<usize> },
    Json { schema: SchemaRef },
}

struct Opener {
    store: Arc<dyn ObjectStore>,
    how: How,
    shape: Open,
    rows: usize,
}

impl FileOpener for Opener {
    fn open(&self, file: PartitionedFile) -> Result<FileOpenFuture> {
        let batches =
            match &self.shape {
                Open::Csv { dialect, schema, columns } => Batches::Csv(Box::new(
                    csv::Batches::new(dialect, schema.clone(), columns, self.rows),
                )),
                Open::Json { schema } => {
                    Batches::Json(Box::new(json::Batches::new(schema.clone(), self.rows)?))
                }
            };
        let (store, how, shape) = (self.store.clone(), self.how.clone(), self.shape.clone());
        Ok(Box::pin(async move {
            let piece = Piece::of(&file);
            let text = match &piece {
                None => {
                    let whole = store.get_opts(&file.object_meta.location, GetOptions::default());
                    let raw = whole.await?.into_stream().map_err(DataFusionError::from).boxed();
                    let text = text(raw, &how);
                    if let Open::Json { .. } = shape { json::elements(text) } else { text }
                }
                Some(piece) => {
                    let raw = piece.blocks(&store, &file, &shape).await?;
                    if piece.start == 0 { text(raw, &how) } else { part(raw, &how) }
                }
            };
            let header = match (&shape, &piece) {
                (Open::Csv { dialect, .. }, None | Some(Piece { start: 0, .. }))
                    if dialect.named =>
                {
                    Some(dialect.clone())
                }
                _ => None,
            };
            let piece = piece.filter(|piece| piece.start > 0);
            let line = if piece.is_some() { 1 } else { how.skip + 1 };
            let before = piece.map(|piece| Before { store, file, piece });
            let reader = Reader {
                text,
                batches,
                header,
                rest: Bytes::new(),
                ended: false,
                pieces: Vec::new(),
                line,
                waiting: (0, 0),
                before,
            };
            Ok(reader.stream())
        }))
    }
}

/// A part of a file, in bytes: from the first line that begins in it to the last one.
#[derive(Clone)]
struct Piece {
    start: u64,
    end: u64,
}

impl Piece {
    /// `None` for a whole file.
    fn of(file: &PartitionedFile) -> Option<Piece> {
        let range = file.range.as_ref()?;
        let start = u64::try_from(range.start).ok()?;
        let end = u64::try_from(range.end).ok()?;
        (start > 0 || end < file.object_meta.size).then_some(Piece { start, end })
    }

    async fn blocks(
        &self,
        store: &Arc<dyn ObjectStore>,
        file: &PartitionedFile,
        shape: &Open,
    ) -> Result<Blocks> {
        let terminator = match shape {
            Open::Csv { dialect, .. } => dialect.terminator.unwrap_or(b'\n'),
            Open::Json { .. } => b'\n',
        };
        let meta = &file.object_meta;
        let (store, location) = (store.clone(), meta.location.clone());
        let lines = AlignedBoundaryStream::new(
            store, location, self.start, self.end, meta.size, terminator,
        );
        Ok(lines.await?.map_err(DataFusionError::from).boxed())
    }
}

/// What is before the part that is read: asked for only to tell the line of an error.
struct Before {
    store: Arc<dyn ObjectStore>,
    file: PartitionedFile,
    piece: Piece,
}

impl Before {
    /// How many lines end before the first one of the part.
    async fn lines(&self) -> u64 {
        let range = 0..self.piece.start.saturating_sub(1);
        let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
        let Ok(bytes) = self.store.get_opts(&self.file.object_meta.location, options).await else {
            return 0;
        };
        let lines = bytes
            .into_stream()
            .try_fold(0, |lines, block| std::future::ready(Ok(lines + line_ends(&block))));
        // And the line that ends at its start or behind it.
        lines.await.map_or(0, |lines| lines + 1)
    }
}

enum Batches {
    Csv(Box<csv::Batches>),
    Json(Box<json::Batches>),
}

impl Batches {
    fn decode(&mut self, text: &[u8]) -> std::result::Result<usize, ArrowError> {
        match self {
            Batches::Csv(batches) => batches.decode(text),
            Batches::Json(batches) => batches.decode(text),
        }
    }

    fn waiting(&self) -> usize {
        match self {
            Batches::Csv(batches) => batches.waiting(),
            Batches::Json(batches) => batches.waiting(),
        }
    }

    fn flush(&mut self, pieces: &[Bytes], line: u64, last: bool) -> Result<Option<RecordBatch>> {
        match self {
            Batches::Csv(batches) => batches.flush(pieces, line, last),
            Batches::Json(batches) => batches.flush(pieces, line),
        }
    }

    fn refused(&self, error: ArrowError, text: &[u8], line: u64) -> DataFusionError {
        match self {
            Batches::Csv(batches) => batches.refused(error, text, line),
            Batches::Json(batches) => batches.refused(error, text, line),
        }
    }
}

/// One file, or a part of one, that is being read.
struct Reader {
    text: Blocks,
    batches: Batches,
    /// Names come first, which are no row.
    header: Option<Arc<Dialect>>,
    /// What was not decoded yet.
    rest: Bytes,
    ended: bool,
    /// The text of the rows that wait.
    pieces: Vec<Bytes>,
    /// The line in which it begins.
    line: u64,
    /// How many rows wait, and how many bytes came since they were as many.
    waiting: (usize, usize),
    before: Option<Before>,
}

impl Reader {
    fn stream(self) -> stream::BoxStream<'static, Result<RecordBatch>> {
        stream::try_unfold(self, |mut reader| async move {
            match reader.next().await {
                Ok(Some(batch)) => Ok(Some((batch, reader))),
                Ok(None) => Ok(None),
                Err(error) => Err(in_file(reader.before, error).await),
            }
        })
        .boxed()
    }

    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            self.fill().await?;
            if self.header.is_some() && !self.skip_header() {
                continue;
            }
            let read = match self.batches.decode(&self.rest) {
                Ok(read) => read,
                Err(error) => {
                    let text = self.pieces.concat();
                    let text = [text.as_slice(), &self.rest].concat();
                    return Err(self.batches.refused(error, &text, self.line));
                }
            };
            let full = read < self.rest.len() || self.ended && self.rest.is_empty();
            let last = self.ended && read == self.rest.len();
            if read > 0 {
                self.pieces.push(self.rest.split_to(read));
            }
            if !full {
                self.check_length(read)?;
                continue;
            }
            let batch = self.batches.flush(&self.pieces, self.line, last)?;
            self.line += self.pieces.iter().map(|piece| line_ends(piece)).sum::<u64>();
            self.pieces.clear();
            self.waiting = (0, 0);
            if batch.is_some() {
                return Ok(batch);
            }
            if last {
                return Ok(None);
            }
        }
    }

    async fn fill(&mut self) -> Result<()> {
        while self.rest.is_empty() && !self.ended {
            match self.text.try_next().await? {
                Some(block) => self.rest = block,
                None => self.ended = true,
            }
        }
        Ok(())
    }

    /// Passes over the names; `false` where more text is needed for it.
    fn skip_header(&mut self) -> bool {
        let Some(dialect) = self.header.clone() else { return true };
        self.pieces.push(std::mem::take(&mut self.rest));
        let text = self.pieces.concat();
        match Quotes::first_record(&dialect, &text) {
            Some(end) => {
                let mut text = Bytes::from(text);
                self.rest = text.split_off(end);
                self.line += line_ends(&text);
            }
            None if self.ended => {}
            None => return false,
        }
        self.pieces.clear();
        self.header = None;
        // There may be nothing behind them.
        !self.rest.is_empty() || self.ended
    }

    /// A row must end some day.
    fn check_length(&mut self, read: usize) -> Result<()> {
        let (rows, bytes) = self.waiting;
        let now = self.batches.waiting();
        self.waiting = if now == rows { (rows, bytes + read) } else { (now, 0) };
        if self.waiting.1 <= MAX_ROW {
            return Ok(());
        }
        let text = self.pieces.concat();
        if let Batches::Csv(batches) = &self.batches
            && let Some(error) = batches.unclosed(&text, self.line)
        {
            return Err(error);
        }
        let what = format_args!("a row is longer than {} MiB, behind", MAX_ROW >> 20);
        Err(wrong_at(self.line, what))
    }
}

/// An error whose line counts from the beginning of the file.
async fn in_file(before: Option<Before>, error: DataFusionError) -> DataFusionError {
    let (Some(before), DataFusionError::Execution(what)) = (before, &error) else {
        return error;
    };
    let Some((what, line)) = what.rsplit_once(" line ") else { return error };
    match line.parse::<u64>() {
        Ok(line) => wrong_at(line + before.lines().await, what),
        Err(_) => error,
    }
}
