//! Rows on their way into a table: files first, then the commit that makes them count.

use std::collections::HashSet;
use std::num::NonZeroU64;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::physical_plan::SendableRecordBatchStream;
use deltalake_core::DeltaTable;
use deltalake_core::kernel::{Action, Transaction};
use deltalake_core::operations::write::writer::{DeltaWriter, WriterConfig};
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use deltalake_core::table::config::TablePropertiesExt;
use deltalake_core::table::state::DeltaTableState;
use futures::StreamExt;
use object_store::path::Path;

use super::fit::fit;
use super::store::TableStore;
use super::{Opened, columns, fault, open};
use crate::error::{Error, Result};
use crate::query::{KeptTable, engine};

/// Files are about so large: one is read by one core, and many are slow to list.
const FILE_BYTES: NonZeroU64 = NonZeroU64::new(128 * 1024 * 1024).unwrap();

/// What Delta Lake calls the adding of rows. The predicate is what says that no row was read for it: without one
/// it would be in the way of every `DELETE` at the same time.
pub(super) fn append() -> DeltaOperation {
    let predicate = Some("false".to_owned());
    DeltaOperation::Write { mode: SaveMode::Append, partition_by: None, predicate }
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
        let undo = Undo(Some((opened.table.clone(), opened.store.clone())));
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

    /// Makes the rows count, and whatever else is told at once. How many rows. Once it has begun it is not
    /// interrupted, whatever happens to the caller.
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
        let RowWriter { opened, rows, mut undo, .. } = self;
        let commit = async move {
            let committed = match others.is_empty() && loaded.is_empty() {
                true => Ok(()),
                false => opened.commit(others, operation, loaded).await,
            };
            match &committed {
                // `undo` removes what was written in vain.
                Err(Error::Conflict { .. }) => {}
                Ok(()) => undo.forget(),
                Err(error) => {
                    // A request that has timed out may still be heard.
                    tracing::warn!(
                        "whether a commit counts is not known, and its files stay: {error}"
                    );
                    undo.forget();
                }
            }
            committed
        };
        let committed = tokio::spawn(commit).await;
        committed.map_err(|error| Error::Internal { what: error.to_string() })??;
        Ok(rows)
    }
}

/// Removes files that no commit names.
struct Undo(Option<(DeltaTable, Arc<TableStore>)>);

impl Undo {
    fn forget(&mut self) {
        self.0 = None;
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        let Some((table, store)) = self.0.take() else { return };
        if let (false, Ok(threads)) = (store.made().is_empty(), engine::threads()) {
            threads.spawn(undo(table, store));
        }
    }
}

fn names_of(state: &DeltaTableState) -> HashSet<Path> {
    state.log_data().iter().map(|file| file.object_store_path()).collect()
}

/// Looks at the newest commits before anything is removed: a file that counts must never go.
async fn undo(mut table: DeltaTable, store: Arc<TableStore>) {
    let known = match table.load().await {
        Ok(()) => table.snapshot().map(names_of),
        Err(error) => Err(error),
    };
    match known {
        Ok(known) => {
            let made = store.made();
            store.remove_all(made.difference(&known).cloned().collect()).await;
        }
        Err(error) => tracing::warn!("files of rows that don't count are left behind: {error}"),
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
