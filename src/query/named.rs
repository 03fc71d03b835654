//! Errors that name the file: DataFusion's readers say what is wrong in a line, not in which file.

use std::fmt;
use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{
    FileOpenFuture, FileOpener, FileScanConfig, FileScanConfigBuilder, FileSource,
};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_plan::filter_pushdown::{FilterPushdownPropagation, PushedDown};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::{DisplayFormatType, ExecutionPlan, PhysicalExpr};
use futures::StreamExt;
use object_store::ObjectStore;

use super::fault;
use super::store::Store;

/// The same scan, with errors that name their file.
pub(super) fn naming(
    plan: Arc<dyn ExecutionPlan>,
    store: &Arc<Store>,
    location: &Arc<str>,
) -> Arc<dyn ExecutionPlan> {
    let config = plan
        .downcast_ref::<DataSourceExec>()
        .and_then(|scan| scan.data_source().downcast_ref::<FileScanConfig>());
    let Some(config) = config else { return plan };
    let inner = config.file_source().clone();
    let source = Arc::new(Named { inner, store: store.clone(), location: location.clone() });
    let config = FileScanConfigBuilder::from(config.clone()).with_source(source).build();
    DataSourceExec::from_data_source(config)
}

/// A source of files whose errors name them.
struct Named {
    inner: Arc<dyn FileSource>,
    store: Arc<Store>,
    location: Arc<str>,
}

impl Named {
    fn around(&self, inner: Arc<dyn FileSource>) -> Arc<dyn FileSource> {
        Arc::new(Named { inner, store: self.store.clone(), location: self.location.clone() })
    }
}

impl FileSource for Named {
    fn create_file_opener(
        &self,
        object_store: Arc<dyn ObjectStore>,
        base_config: &FileScanConfig,
        partition: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        let inner = self.inner.create_file_opener(object_store, base_config, partition)?;
        let (store, location) = (self.store.clone(), self.location.clone());
        Ok(Arc::new(Opener { inner, store, location }))
    }

    fn table_schema(&self) -> &TableSchema {
        self.inner.table_schema()
    }

    fn with_batch_size(&self, batch_size: usize) -> Arc<dyn FileSource> {
        self.around(self.inner.with_batch_size(batch_size))
    }

    fn filter(&self) -> Option<Arc<dyn PhysicalExpr>> {
        self.inner.filter()
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        self.inner.projection()
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        self.inner.metrics()
    }

    fn file_type(&self) -> &str {
        self.inner.file_type()
    }

    fn fmt_extra(&self, t: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_extra(t, f)
    }

    fn supports_repartitioning(&self) -> bool {
        self.inner.supports_repartitioning()
    }

    fn try_pushdown_filters(
        &self,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        _config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn FileSource>>> {
        // None of the formats that are read so can use one.
        Ok(FilterPushdownPropagation::with_parent_pushdown_result(vec![
            PushedDown::No;
            filters.len()
        ]))
    }

    fn try_pushdown_projection(
        &self,
        projection: &ProjectionExprs,
    ) -> Result<Option<Arc<dyn FileSource>>> {
        let inner = self.inner.try_pushdown_projection(projection)?;
        Ok(inner.map(|inner| self.around(inner)))
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.inner.apply_expressions(f)
    }
}

struct Opener {
    inner: Arc<dyn FileOpener>,
    store: Arc<Store>,
    location: Arc<str>,
}

impl FileOpener for Opener {
    fn open(&self, file: PartitionedFile) -> Result<FileOpenFuture> {
        let path = self.store.path_of(file.path()).unwrap_or_default().to_owned();
        let location = self.location.clone();
        let named = move |error: DataFusionError| {
            DataFusionError::External(Box::new(fault::of(&error, Some((&location, &path)))))
        };
        let opening = self.inner.open(file).map_err(&named)?;
        Ok(Box::pin(async move {
            let batches = opening.await.map_err(&named)?;
            Ok(batches.map(move |batch| batch.map_err(&named)).boxed())
        }))
    }
}
