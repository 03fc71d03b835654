//! Files that a filter leaves out, by what their directories and names tell: they are not opened.

use std::sync::Arc;

use datafusion::arrow::array::{BooleanArray, RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{FieldRef, Schema};
use datafusion::catalog::Session;
use datafusion::common::cast::as_boolean_array;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::logical_expr::Expr;

/// Whether a filter asks only for what is the same in all rows of a file, and always answers the same: then whole
/// files fulfil it, or none of their rows does.
pub(super) fn is_of_files(filter: &Expr, columns: &[FieldRef]) -> bool {
    let known = |name: &str| columns.iter().any(|column| column.name() == name);
    let names = filter.column_refs();
    !names.is_empty() && names.iter().all(|column| known(&column.name)) && !filter.is_volatile()
}

/// The files that fulfil all of the filters that are of files.
pub(super) fn fulfilling(
    session: &dyn Session,
    files: Vec<PartitionedFile>,
    columns: &[FieldRef],
    filters: &[Expr],
) -> Result<Vec<PartitionedFile>> {
    let of_files = filters.iter().filter(|filter| is_of_files(filter, columns)).cloned();
    let Some(filter) = of_files.reduce(Expr::and) else { return Ok(files) };
    let batch = batch(&files, columns)?;
    let schema = DFSchema::try_from(batch.schema().as_ref().clone())?;
    // A scan's filters name its table, which the columns here don't.
    let filter = unqualified(filter)?;
    let filter = session.create_physical_expr(filter, &schema)?;
    let kept = filter.evaluate(&batch)?.into_array(batch.num_rows())?;
    let kept: &BooleanArray = as_boolean_array(&kept)?;
    Ok(files
        .into_iter()
        .zip(kept)
        .filter(|(_, kept)| *kept == Some(true))
        .map(|(file, _)| file)
        .collect())
}

/// A row a file.
fn batch(files: &[PartitionedFile], columns: &[FieldRef]) -> Result<RecordBatch> {
    let column = |(index, column): (usize, &FieldRef)| {
        let null = ScalarValue::try_from(column.data_type())?;
        let values = files
            .iter()
            .map(|file| file.partition_values.get(index).cloned().unwrap_or_else(|| null.clone()));
        ScalarValue::iter_to_array(values)
    };
    let arrays = match files.is_empty() {
        true => columns
            .iter()
            .map(|column| datafusion::arrow::array::new_empty_array(column.data_type()))
            .collect(),
        false => columns.iter().enumerate().map(column).collect::<Result<Vec<_>>>()?,
    };
    let schema = Arc::new(Schema::new(columns.to_vec()));
    let options = RecordBatchOptions::new().with_row_count(Some(files.len()));
    Ok(RecordBatch::try_new_with_options(schema, arrays, &options)?)
}

fn unqualified(filter: Expr) -> Result<Expr> {
    use datafusion::common::tree_node::{Transformed, TreeNode};
    let plain = filter.transform(|expr| {
        Ok(match expr {
            Expr::Column(mut column) => {
                column.relation = None;
                Transformed::yes(Expr::Column(column))
            }
            other => Transformed::no(other),
        })
    })?;
    Ok(plain.data)
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::datatypes::{DataType, Field};
    use datafusion::logical_expr::{col, lit};
    use datafusion::prelude::SessionContext;

    use super::*;

    #[test]
    fn files_are_left_out_by_their_directories_alone() {
        let field = |name: &str, ty| Arc::new(Field::new(name, ty, true));
        let columns = [field("Year", DataType::Int64), field("kind", DataType::Utf8)];
        let file = |year: Option<i64>, kind: &str| {
            let values = vec![ScalarValue::Int64(year), ScalarValue::Utf8(Some(kind.to_owned()))];
            PartitionedFile::new(format!("{year:?}{kind}"), 1).with_partition_values(values)
        };
        let files = [file(Some(2024), "a"), file(Some(2025), "b"), file(None, "a")];
        let year = || Expr::Column(datafusion::common::Column::from_name("Year"));
        let session = SessionContext::new().state();
        for (filters, kept) in [
            (vec![], 3),
            (vec![year().eq(lit(2025_i64))], 1),
            (vec![year().is_null(), col("kind").eq(lit("a"))], 1),
            (vec![year().is_not_null()], 2),
            (vec![year().eq(lit(1_i64))], 0),
            // What depends on rows, or on chance, is none of its business.
            (vec![year().eq(lit(1_i64)).or(col("x").eq(lit(1_i64)))], 3),
            (vec![lit(false)], 3),
            (vec![col("files.kind").eq(lit("b"))], 1),
        ] {
            let found = fulfilling(&session, files.to_vec(), &columns, &filters);
            assert_eq!(found.expect("filters").len(), kept, "{filters:?}");
        }
        assert!(fulfilling(&session, Vec::new(), &columns, &[year().is_null()]).is_ok());
    }
}
