//! Errors that name the file: DataFusion's readers say what is wrong in a line, not in which file.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
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
use datafusion::physical_expr::{EquivalenceProperties, PhysicalSortExpr};
use datafusion::physical_plan::filter_pushdown::FilterPushdownPropagation;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::{
    DisplayFormatType, ExecutionPlan, PhysicalExpr, SortOrderPushdownResult,
};
use datafusion_datasource::morsel::{
    Morsel, MorselPlan, MorselPlanner, Morselizer, PendingMorselPlanner,
};
use futures::StreamExt;
use futures::stream::BoxStream;
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

    fn create_morselizer(
        &self,
        object_store: Arc<dyn ObjectStore>,
        base_config: &FileScanConfig,
        partition: usize,
    ) -> Result<Box<dyn Morselizer>> {
        let inner = self.inner.create_morselizer(object_store, base_config, partition)?;
        let (store, location) = (self.store.clone(), self.location.clone());
        Ok(Box::new(Files { inner, store, location }))
    }

    fn reorder_files(&self, files: Vec<PartitionedFile>) -> Vec<PartitionedFile> {
        self.inner.reorder_files(files)
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
        config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn FileSource>>> {
        let mut pushed = self.inner.try_pushdown_filters(filters, config)?;
        pushed.updated_node = pushed.updated_node.map(|inner| self.around(inner));
        Ok(pushed)
    }

    fn try_pushdown_sort(
        &self,
        order: &[PhysicalSortExpr],
        properties: &EquivalenceProperties,
    ) -> Result<SortOrderPushdownResult<Arc<dyn FileSource>>> {
        let pushed = self.inner.try_pushdown_sort(order, properties)?;
        Ok(pushed.map(|inner| self.around(inner)))
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

/// Whose file is read.
#[derive(Debug, Clone)]
struct Whose {
    location: Arc<str>,
    path: Arc<str>,
}

impl Whose {
    fn of(store: &Store, location: &Arc<str>, file: &PartitionedFile) -> Whose {
        let path = store.path_of(file.path()).unwrap_or_default();
        Whose { location: location.clone(), path: path.into() }
    }

    fn named(&self, error: &DataFusionError) -> DataFusionError {
        let file = Some((&*self.location, &*self.path));
        DataFusionError::External(Box::new(fault::of(error, file)))
    }

    fn batches(
        self,
        batches: BoxStream<'static, Result<RecordBatch>>,
    ) -> BoxStream<'static, Result<RecordBatch>> {
        batches.map(move |batch| batch.map_err(|error| self.named(&error))).boxed()
    }
}

/// Opens files that are read as a stream.
struct Opener {
    inner: Arc<dyn FileOpener>,
    store: Arc<Store>,
    location: Arc<str>,
}

impl FileOpener for Opener {
    fn open(&self, file: PartitionedFile) -> Result<FileOpenFuture> {
        let whose = Whose::of(&self.store, &self.location, &file);
        let opening = self.inner.open(file).map_err(|error| whose.named(&error))?;
        Ok(Box::pin(async move {
            let batches = opening.await.map_err(|error| whose.named(&error))?;
            Ok(whose.batches(batches))
        }))
    }
}

/// Opens files that are read in pieces.
#[derive(Debug)]
struct Files {
    inner: Box<dyn Morselizer>,
    store: Arc<Store>,
    location: Arc<str>,
}

impl Morselizer for Files {
    fn plan_file(&self, file: PartitionedFile) -> Result<Box<dyn MorselPlanner>> {
        let whose = Whose::of(&self.store, &self.location, &file);
        let inner = self.inner.plan_file(file).map_err(|error| whose.named(&error))?;
        Ok(Box::new(Planner { inner, whose }))
    }
}

#[derive(Debug)]
struct Planner {
    inner: Box<dyn MorselPlanner>,
    whose: Whose,
}

impl MorselPlanner for Planner {
    fn plan(self: Box<Self>) -> Result<Option<MorselPlan>> {
        let Planner { inner, whose } = *self;
        let Some(mut plan) = inner.plan().map_err(|error| whose.named(&error))? else {
            return Ok(None);
        };
        let planner =
            |inner| Box::new(Planner { inner, whose: whose.clone() }) as Box<dyn MorselPlanner>;
        let morsel = |inner| Box::new(Piece { inner, whose: whose.clone() }) as Box<dyn Morsel>;
        let mut named = MorselPlan::new()
            .with_morsels(plan.take_morsels().into_iter().map(morsel).collect())
            .with_planners(plan.take_ready_planners().into_iter().map(planner).collect());
        if let Some(pending) = plan.take_pending_planner() {
            named.set_pending_planner(waiting(pending, whose));
        }
        Ok(Some(named))
    }
}

async fn waiting(pending: PendingMorselPlanner, whose: Whose) -> Result<Box<dyn MorselPlanner>> {
    let inner = pending.await.map_err(|error| whose.named(&error))?;
    Ok(Box::new(Planner { inner, whose }))
}

#[derive(Debug)]
struct Piece {
    inner: Box<dyn Morsel>,
    whose: Whose,
}

impl Morsel for Piece {
    fn into_stream(self: Box<Self>) -> BoxStream<'static, Result<RecordBatch>> {
        let Piece { inner, whose } = *self;
        whose.batches(inner.into_stream())
    }
}
