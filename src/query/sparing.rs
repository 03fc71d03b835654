//! A query that begins again because it has needed too much memory: slower, but it can go to the disk.
//!
//! - A hash join holds one of its sides in memory; a join of what is sorted does not.
//! - Each of what can spill gets the same part of the memory, so there is one of each, not one a processor.
//! - The first rows of an order are collected in memory; where they are many, all is sorted.
//! - Parquet's texts are views into whole pages: a few rows hold many megabytes, and whoever collects rows reserves
//!   as much, for each batch again. So all that is read is brought together.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::cast::AsArray;
use datafusion::arrow::array::{Array, ArrayRef, RecordBatch};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::TaskContext;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::limit::LocalLimitExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PhysicalExpr, PlanProperties,
    SendableRecordBatchStream, execute_stream,
};
use futures::StreamExt;

/// How many rows at the beginning of an order may be collected in memory.
const FIRST_ROWS: usize = 10_000;

/// Into how many parts the memory is divided, of which each sort keeps one for its end.
const SORTS: usize = 16;

/// Whether an error says that there is too little memory.
pub(super) fn is_exhausted(error: &DataFusionError) -> bool {
    match error.find_root() {
        DataFusionError::ResourcesExhausted(_) => true,
        // A join that can't hold even one batch.
        DataFusionError::Internal(why) => why.contains("produced no data to spill"),
        _ => false,
    }
}

/// Begins a query again; `memory` is what all queries together may hold.
pub(super) async fn begin(
    mut state: SessionState,
    plan: &LogicalPlan,
    memory: usize,
) -> Result<SendableRecordBatchStream> {
    let options = state.config_mut().options_mut();
    options.optimizer.prefer_hash_join = false;
    options.execution.target_partitions = 1;
    let kept = &mut options.execution.sort_spill_reservation_bytes;
    *kept = (*kept).min(memory / SORTS);
    let plan = state.create_physical_plan(plan).await?;
    execute_stream(plan.transform_up(spare)?.data, state.task_ctx())
}

fn spare(node: Arc<dyn ExecutionPlan>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    if let Some(sort) = node.downcast_ref::<SortExec>()
        && let Some(fetch) = sort.fetch()
        && fetch > FIRST_ROWS
    {
        let all = Arc::new(sort.with_fetch(None));
        return Ok(Transformed::yes(Arc::new(LocalLimitExec::new(all, fetch))));
    }
    let has_views = || node.schema().fields().iter().any(|field| is_view(field.data_type()));
    Ok(match node.is::<DataSourceExec>() && has_views() {
        true => Transformed::yes(Arc::new(Compact { input: node })),
        false => Transformed::no(node),
    })
}

fn is_view(ty: &DataType) -> bool {
    matches!(ty, DataType::Utf8View | DataType::BinaryView)
}

fn compact(batch: &RecordBatch) -> Result<RecordBatch> {
    let columns = batch.columns().iter().map(|column| match column.data_type() {
        DataType::Utf8View => Arc::new(column.as_string_view().gc()) as ArrayRef,
        DataType::BinaryView => Arc::new(column.as_binary_view().gc()),
        _ => column.clone(),
    });
    let columns = columns.collect();
    let options = datafusion::arrow::array::RecordBatchOptions::new();
    let options = options.with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(batch.schema(), columns, &options)?)
}

/// Brings each batch together.
#[derive(Debug)]
struct Compact {
    input: Arc<dyn ExecutionPlan>,
}

impl DisplayAs for Compact {
    fn fmt_as(&self, _ty: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Compact")
    }
}

impl ExecutionPlan for Compact {
    fn name(&self) -> &'static str {
        "Compact"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let input = children.into_iter().next().unwrap_or_else(|| self.input.clone());
        Ok(Arc::new(Compact { input }))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let batches = self.input.execute(partition, context)?;
        let compacted = batches.map(|batch| batch.and_then(|batch| compact(&batch)));
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), compacted)))
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::StringViewArray;

    use super::*;

    #[test]
    fn a_few_rows_let_go_of_the_rest() {
        let texts = (0..10_000).map(|number| Some(format!("a text that is long enough {number}")));
        let column = Arc::new(texts.collect::<StringViewArray>()) as ArrayRef;
        let all = RecordBatch::try_from_iter([("t", column)]).expect("a batch");
        let few = all.slice(77, 3);
        let compacted = compact(&few).expect("a batch");
        assert_eq!(compacted, few);
        assert!(few.get_array_memory_size() > 300_000 && compacted.get_array_memory_size() < 1000);
    }
}
