//! Small files into large ones, and no more of those that don't count.
//!
//! Each statement that adds rows leaves files, and each that changes rows leaves the old ones: they stay for who
//! still reads an earlier commit. So do those of a server that was killed.

use std::collections::BTreeSet;

use chrono::Duration;
use deltalake_core::kernel::Action;
use deltalake_core::operations::vacuum::VacuumMode;
use deltalake_core::protocol::DeltaOperation;
use futures::StreamExt;

use super::fit::fit;
use super::write::RowWriter;
use super::{anew, fault, open};
use crate::error::Result;
use crate::query::engine::Engine;
use crate::query::{KeptTable, Query, Tidied};

/// Smaller files are put together.
const SMALL_BYTES: i64 = 32 * 1024 * 1024;

/// Tidies up. Files that don't count any more go so many hours after that.
pub(in crate::query) async fn tidy(
    engine: &Engine,
    kept: &KeptTable,
    hours: u32,
) -> Result<Tidied> {
    let _turn = engine.changes.lock(&kept.id.to_string()).await;
    let merged = anew(kept, || merge(engine, kept)).await?;
    let opened = open(kept).await?;
    let sweep = opened
        .table
        .vacuum()
        .with_mode(VacuumMode::Full)
        .with_retention_period(Duration::hours(hours.into()))
        .with_enforce_retention_duration(false);
    let (_, swept) = sweep.await.map_err(|error| fault(&error))?;
    Ok(Tidied { merged, removed: swept.files_deleted.len() })
}

/// Writes the rows of small files anew, together. How many files there were.
async fn merge(engine: &Engine, kept: &KeptTable) -> Result<usize> {
    let opened = open(kept).await?;
    let state = opened.table.snapshot().map_err(|error| fault(&error))?;
    let root = opened.table.log_store().root_url().to_string();
    let (mut files, mut old) = (BTreeSet::new(), Vec::new());
    for file in state.log_data().iter().filter(|file| file.size() < SMALL_BYTES) {
        files.insert(format!("{}/{}", root.trim_end_matches('/'), file.path()));
        // To Delta Lake this is a change of rows: who changes one of them meanwhile has to look again.
        old.push(Action::Remove(file.remove_action(true)));
    }
    if files.len() < 2 {
        return Ok(0);
    }
    let rows = opened.plan_with_files(kept, Some(files.into_iter().collect())).await?;
    let mut batches = engine.stream(Query::of_all_in(&kept.name)?, kept, rows).await?;
    let mut writer = RowWriter::new(opened, kept)?;
    while let Some(batch) = batches.next().await {
        let batch = batch.map_err(|error| crate::query::fault::of(&error, None))?;
        // Behind the columns stands the file.
        let arrays: Vec<_> =
            batch.columns().iter().take(kept.columns.len()).cloned().map(Some).collect();
        let zone = kept.zone.as_deref();
        let fitted = fit(&kept.columns, zone, writer.schema(), &arrays, batch.num_rows())?;
        if let Some(bad) = fitted.bad.into_iter().next() {
            let row = u64::try_from(bad.row).unwrap_or_default() + 1;
            return Err(bad.error(row));
        }
        writer.write(&fitted.rows).await?;
    }
    let merged = old.len();
    let operation = DeltaOperation::Update { predicate: None };
    writer.commit(old, operation, Vec::new()).await?;
    Ok(merged)
}
