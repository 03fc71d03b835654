//! The rows of a table as DataFusion scans them.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};

/// Delta Lake's own scan, but that it is never asked for no columns at all: then it forgets a `LIMIT`.
#[derive(Debug)]
pub(super) struct Scan(pub(super) Arc<dyn TableProvider>);

#[async_trait]
impl TableProvider for Scan {
    fn schema(&self) -> SchemaRef {
        self.0.schema()
    }

    fn table_type(&self) -> TableType {
        self.0.table_type()
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if projection.is_none_or(|columns| !columns.is_empty()) {
            return self.0.scan(session, projection, filters, limit).await;
        }
        let one = self.0.scan(session, Some(&vec![0]), filters, limit).await?;
        let none: Vec<(Arc<dyn PhysicalExpr>, String)> = Vec::new();
        Ok(Arc::new(ProjectionExec::try_new(none, one)?))
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        self.0.supports_filters_pushdown(filters)
    }
}
