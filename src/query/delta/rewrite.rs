//! Rows that change or go. Files never change: those that have such a row are written anew, and one commit puts
//! the new ones in the place of the old.

use std::collections::BTreeSet;

use datafusion::arrow::array::cast::AsArray;
use datafusion::arrow::array::{Array, ArrayRef, RecordBatch};
use datafusion::arrow::compute::{cast, filter_record_batch, not, prep_null_mask_filter};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::error::ArrowError;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::SendableRecordBatchStream;
use deltalake_core::kernel::Action;
use deltalake_core::protocol::DeltaOperation;
use futures::StreamExt;
use sqlparser::ast::{Distinct, Expr, Ident, SelectItem, SetExpr};

use super::fit::fit;
use super::write::RowWriter;
use super::{FILE_COLUMN, Opened, anew, fault, open};
use crate::error::{Error, Result};
use crate::query::engine::Engine;
use crate::query::{Change, KeptTable, Query};

fn failed(error: ArrowError) -> Error {
    Error::Query { what: error.to_string() }
}

/// Makes the change; from the beginning, if another one was first. On one server they wait for each other.
pub(in crate::query) async fn rewrite(
    engine: &Engine,
    kept: &KeptTable,
    change: Change,
) -> Result<u64> {
    let _turn = engine.changes.lock(&kept.id.to_string()).await;
    anew(kept, || async {
        let opened = open(kept).await?;
        match &change {
            Change::RemoveAll => remove_all(&opened).await,
            Change::Remove(query) => some(engine, kept, opened, &[], query).await,
            Change::Set(positions, query) => some(engine, kept, opened, positions, query).await,
        }
    })
    .await
}

async fn remove_all(opened: &Opened) -> Result<u64> {
    let state = opened.table.snapshot().map_err(|error| fault(&error))?;
    let (mut gone, mut rows) = (Vec::new(), 0);
    for file in state.log_data().iter() {
        rows += file.num_records().and_then(|rows| u64::try_from(rows).ok()).unwrap_or_default();
        gone.push(Action::Remove(file.remove_action(true)));
    }
    if !gone.is_empty() {
        opened.commit(gone, delete(), Vec::new()).await?;
    }
    Ok(rows)
}

fn delete() -> DeltaOperation {
    DeltaOperation::Delete { predicate: None }
}

/// Writes the files anew that have a row for which the condition holds. The rows go, or get new values at these
/// positions.
async fn some(
    engine: &Engine,
    kept: &KeptTable,
    opened: Opened,
    positions: &[usize],
    query: &Query,
) -> Result<u64> {
    let all = opened.plan_with_files(kept, None).await?;
    let files = files_of(engine.stream(only_files(query)?, kept, all).await?).await?;
    if files.is_empty() {
        return Ok(0);
    }
    let state = opened.table.snapshot().map_err(|error| fault(&error))?;
    let old: Vec<Action> = state
        .log_data()
        .iter()
        // What a row tells of its file is the table's URL and the path.
        .filter(|file| files.iter().any(|known| known.ends_with(&*file.path())))
        .map(|file| Action::Remove(file.remove_action(true)))
        .collect();
    let these: LogicalPlan =
        opened.plan_with_files(kept, Some(files.into_iter().collect())).await?;
    let mut batches = engine.stream(with_columns(query, kept)?, kept, these).await?;
    let mut writer = RowWriter::new(opened, kept)?;
    let (mut hits, set) = (0, !positions.is_empty());
    while let Some(batch) = batches.next().await {
        let batch = batch.map_err(|error| crate::query::fault::of(&error, None))?;
        let Some(hit) = batch.columns().first() else { continue };
        let hit = cast(hit, &DataType::Boolean).map_err(failed)?;
        let hit = match hit.as_boolean() {
            hit if hit.null_count() > 0 => prep_null_mask_filter(hit),
            hit => hit.clone(),
        };
        hits += u64::try_from(hit.true_count()).unwrap_or_default();
        let others = filter_record_batch(&batch, &not(&hit).map_err(failed)?).map_err(failed)?;
        write(&mut writer, kept, &others, positions, false).await?;
        if set {
            let these = filter_record_batch(&batch, &hit).map_err(failed)?;
            write(&mut writer, kept, &these, positions, true).await?;
        }
    }
    let operation = if set { DeltaOperation::Update { predicate: None } } else { delete() };
    writer.commit(old, operation, Vec::new()).await?;
    Ok(hits)
}

/// Writes rows of a batch that has the condition, the new values, and the old values.
async fn write(
    writer: &mut RowWriter,
    kept: &KeptTable,
    batch: &RecordBatch,
    positions: &[usize],
    changed: bool,
) -> Result<()> {
    let (new, old) = batch.columns().get(1..).unwrap_or_default().split_at(positions.len());
    let mut arrays: Vec<Option<ArrayRef>> = old.iter().cloned().map(Some).collect();
    if changed {
        for (position, array) in positions.iter().zip(new) {
            if let Some(place) = arrays.get_mut(*position) {
                *place = Some(array.clone());
            }
        }
    }
    let fitted =
        fit(&kept.columns, kept.zone.as_deref(), writer.schema(), &arrays, batch.num_rows())?;
    if let Some(bad) = fitted.bad.into_iter().next() {
        let row = u64::try_from(bad.row).unwrap_or_default() + 1;
        return Err(bad.error(row));
    }
    writer.write(&fitted.rows).await
}

async fn files_of(mut batches: SendableRecordBatchStream) -> Result<BTreeSet<String>> {
    let mut files = BTreeSet::new();
    while let Some(batch) = batches.next().await {
        let batch = batch.map_err(|error| crate::query::fault::of(&error, None))?;
        for column in batch.columns() {
            let names = cast(column, &DataType::Utf8).map_err(failed)?;
            files.extend(names.as_string::<i32>().iter().flatten().map(str::to_owned));
        }
    }
    Ok(files)
}

/// The query with the files of the rows for which its first column holds, in the place of all columns.
fn only_files(query: &Query) -> Result<Query> {
    let mut query = query.clone();
    let SetExpr::Select(select) = &mut *query.ast.body else { return Err(no_select()) };
    let Some(SelectItem::UnnamedExpr(condition)) = select.projection.first().cloned() else {
        return Err(no_select());
    };
    select.projection = vec![SelectItem::UnnamedExpr(Expr::Identifier(Ident::new(FILE_COLUMN)))];
    select.distinct = Some(Distinct::Distinct);
    select.selection = Some(condition);
    Ok(query)
}

/// The query with the columns of the table behind its own.
fn with_columns(query: &Query, kept: &KeptTable) -> Result<Query> {
    let mut query = query.clone();
    let SetExpr::Select(select) = &mut *query.ast.body else { return Err(no_select()) };
    // New values may be what old ones are, and a query has no name twice.
    for (number, item) in select.projection.iter_mut().enumerate() {
        if let SelectItem::UnnamedExpr(expr) = item {
            let alias = Ident::new(format!("new${number}"));
            *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
        }
    }
    select.projection.extend(kept.columns.iter().enumerate().map(|(number, column)| {
        let name = Ident::with_quote('`', column.name.as_str());
        let alias = Ident::new(format!("old${number}"));
        SelectItem::ExprWithAlias { expr: Expr::Identifier(name), alias }
    }));
    Ok(query)
}

fn no_select() -> Error {
    Error::Internal { what: "a change of rows that is no query of them".to_owned() }
}
