//! Rows on their way into a table: files first, then the commit that makes them count.

use std::num::NonZeroU64;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::physical_plan::SendableRecordBatchStream;
use deltalake_core::kernel::{Action, Transaction};
use deltalake_core::operations::write::writer::{DeltaWriter, WriterConfig};
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use deltalake_core::table::config::TablePropertiesExt;
use futures::StreamExt;

use super::fit::fit;
use super::store::TableStore;
use super::{Opened, columns, fault, open};
use crate::error::Result;
use crate::query::{KeptTable, engine};

/// Files are about so large: one is read by one core, and many are slow to list.
const FILE_BYTES: NonZeroU64 = NonZeroU64::new(128 * 1024 * 1024).unwrap();

/// What Delta Lake calls the adding of rows.
pub(super) fn append() -> DeltaOperation {
    DeltaOperation::Write { mode: SaveMode::Append, partition_by: None, predicate: None }
}

/// Writes rows. Whoever drops it before it has committed has undone it.
pub(super) struct RowWriter {
    opened: Opened,
    schema: SchemaRef,
    writer: Option<DeltaWriter>,
    rows: u64,
    undo: Undo,
}

impl RowWriter {
    /// Begins.
    pub(super) fn new(opened: Opened, kept: &KeptTable) -> Result<RowWriter> {
        let schema = columns::schema(&kept.columns);
        let state = opened.table.snapshot().map_err(|error| fault(&error))?;
        let indexed = state.table_config().num_indexed_cols();
        let config = WriterConfig::new(
            schema.clone(),
            Vec::new(),
            None,
            Some(FILE_BYTES),
            None,
            indexed,
            None,
        );
        let writer = Some(DeltaWriter::new(opened.table.object_store(), config));
        let undo = Undo(Some(opened.store.clone()));
        Ok(RowWriter { opened, schema, writer, rows: 0, undo })
    }

    /// As the files have it.
    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Adds rows that fit.
    pub(super) async fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        if let Some(writer) = &mut self.writer {
            writer.write(rows).await.map_err(|error| fault(&error))?;
        }
        self.rows += u64::try_from(rows.num_rows()).unwrap_or(u64::MAX);
        Ok(())
    }

    /// Makes the rows count, and whatever else is told at once. How many rows.
    pub(super) async fn commit(
        mut self,
        mut others: Vec<Action>,
        operation: DeltaOperation,
        loaded: Vec<Transaction>,
    ) -> Result<u64> {
        if let Some(writer) = self.writer.take() {
            let adds = writer.close().await.map_err(|error| fault(&error))?;
            others.extend(adds.into_iter().map(Action::Add));
        }
        if !others.is_empty() || !loaded.is_empty() {
            self.opened.commit(others, operation, loaded).await?;
        }
        self.undo.forget();
        Ok(self.rows)
    }
}

/// Removes files that no commit names.
struct Undo(Option<Arc<TableStore>>);

impl Undo {
    fn forget(&mut self) {
        if let Some(store) = self.0.take() {
            store.keep();
        }
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        if let (Some(store), Ok(threads)) = (self.0.take(), engine::threads()) {
            threads.spawn(async move { store.undo().await });
        }
    }
}

/// Adds what a query answers. The first row that doesn't fit ends it.
pub(in crate::query) async fn insert(
    kept: KeptTable,
    positions: Vec<usize>,
    mut batches: SendableRecordBatchStream,
) -> Result<u64> {
    let mut writer = RowWriter::new(open(&kept).await?, &kept)?;
    while let Some(batch) = batches.next().await {
        let batch = batch.map_err(|error| crate::query::fault::of(&error, None))?;
        let mut arrays = vec![None; kept.columns.len()];
        for (position, array) in positions.iter().zip(batch.columns()) {
            if let Some(place) = arrays.get_mut(*position) {
                *place = Some(array.clone());
            }
        }
        let fitted =
            fit(&kept.columns, kept.zone.as_deref(), writer.schema(), &arrays, batch.num_rows())?;
        if let Some(bad) = fitted.bad.into_iter().next() {
            let row = writer.rows + u64::try_from(bad.row).unwrap_or_default() + 1;
            return Err(bad.error(row));
        }
        writer.write(&fitted.rows).await?;
    }
    writer.commit(Vec::new(), append(), Vec::new()).await
}
