//! The rows of tables, kept as Delta Lake keeps them: Parquet files, and a log of commits that says which of them
//! count. What belongs to Delta Lake is named here alone.
//!
//! - `columns`: the types.
//! - `store`: the files; `scan`: their rows.
//! - `fit`: values into columns, or what is wrong with them.
//! - `write`: rows on their way to files; `rewrite`: rows that change or go.
//! - `tidy`: files that are too small, or count no more.
//! - `load`: rows from files; `source`: what is in one, row by row; `history`: what was loaded.
//!
//! A commit is one file, made only if nobody else has made it: so a change is there whole or not at all, and of
//! two servers that change a table at once one looks again.

pub(super) mod columns;
mod fit;
mod history;
pub(super) mod load;
pub(super) mod rewrite;
mod scan;
mod source;
mod store;
pub(super) mod tidy;
pub(super) mod write;

use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::arrow::array::RecordBatch;
use datafusion::catalog::{MemTable, TableProvider};
use datafusion::common::Column;
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast};
use deltalake_core::kernel::transaction::{
    CommitBuilder, CommitProperties, TableReference, TransactionError,
};
use deltalake_core::kernel::{Action, Transaction};
use deltalake_core::logstore::{LogStoreRef, StorageConfig, default_logstore};
use deltalake_core::operations::create::CreateBuilder;
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use deltalake_core::{DeltaTable, DeltaTableError, ObjectStore};
use url::Url;

use self::scan::Scan;
use self::store::TableStore;
use super::KeptTable;
use crate::error::{Error, Result};

/// How often a commit looks again when others were first.
const RETRIES: usize = 100;

/// How often what reads the table before it changes it begins anew. A server that changes the same rows again and
/// again can be first each time: then the other's client is told, and not left waiting.
const TRIES: u32 = 10;

/// It does not begin anew after so long.
const PATIENCE: Duration = Duration::from_secs(15);

/// The longest pause before that, in milliseconds.
const MAX_PAUSE_MS: u32 = 100;

/// How long it is remembered which files were loaded: as long as Snowflake does.
pub(super) const REMEMBERED_DAYS: i64 = 64;

/// The column that names the file of a row, in plans of ours.
const FILE_COLUMN: &str = "row$file";

/// A table at one version.
pub(super) struct Opened {
    table: DeltaTable,
    store: Arc<TableStore>,
}

/// Makes the table's first commit.
pub(super) async fn create(kept: &KeptTable) -> Result<()> {
    let (log, _) = log_of(kept)?;
    let retention = format!("interval {REMEMBERED_DAYS} days");
    let created = CreateBuilder::new()
        .with_log_store(log)
        .with_save_mode(SaveMode::ErrorIfExists)
        .with_columns(columns::fields(&kept.columns)?)
        .with_configuration([("delta.setTransactionRetentionDuration", Some(retention))])
        .await;
    created.map(drop).map_err(|error| fault(&error))
}

/// Opens the table as it is now.
pub(super) async fn open(kept: &KeptTable) -> Result<Opened> {
    let (log, store) = log_of(kept)?;
    let mut table = DeltaTable::new(log);
    table.load().await.map_err(|error| fault(&error))?;
    Ok(Opened { table, store })
}

/// Does what has to begin anew while others are first, after pauses that differ.
async fn anew<T, F>(kept: &KeptTable, once: impl Fn() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let begun = Instant::now();
    for _ in 0..TRIES {
        match once().await {
            Err(Error::Conflict { .. }) if begun.elapsed() < PATIENCE => {}
            Err(Error::Conflict { .. }) => break,
            done => return done,
        }
        let pause = getrandom::u32().unwrap_or_default() % MAX_PAUSE_MS;
        tokio::time::sleep(Duration::from_millis(u64::from(pause))).await;
    }
    Err(Error::Conflict { name: kept.label.clone() })
}

/// The way to the commits of a table. To Delta Lake each table is a store of its own.
fn log_of(kept: &KeptTable) -> Result<(LogStoreRef, Arc<TableStore>)> {
    let url = Url::parse(&format!("table://{}/", kept.id))
        .map_err(|error| Error::Internal { what: error.to_string() })?;
    let store = Arc::new(TableStore::new(kept.files.clone()));
    let dynamic: Arc<dyn ObjectStore> = store.clone();
    Ok((default_logstore(dynamic.clone(), dynamic, &url, &StorageConfig::default()), store))
}

impl Opened {
    /// Its rows as they were when it was opened, with columns in lower case and of the declared types.
    pub(super) async fn plan(&self, kept: &KeptTable) -> Result<LogicalPlan> {
        let provider = self.table.table_provider().build().await;
        let provider = provider.map_err(|error| super::fault::of(&error, None))?;
        plan_of(kept, Arc::new(provider), false)
    }

    /// The same with the file of each row; of some files only, if they are named.
    async fn plan_with_files(
        &self,
        kept: &KeptTable,
        only: Option<Vec<String>>,
    ) -> Result<LogicalPlan> {
        let builder = self.table.table_provider().with_file_column(FILE_COLUMN);
        let builder = match only {
            Some(paths) => builder.with_file_paths(paths),
            None => builder,
        };
        let provider = builder.build().await;
        let provider = provider.map_err(|error| super::fault::of(&error, None))?;
        plan_of(kept, Arc::new(provider), true)
    }

    /// Adds a commit. Others may have been first: then it is added to theirs, if they don't contradict.
    async fn commit(
        &self,
        actions: Vec<Action>,
        operation: DeltaOperation,
        loaded: Vec<Transaction>,
    ) -> Result<()> {
        let properties = CommitProperties::default()
            .with_max_retries(RETRIES)
            .with_application_transactions(loaded);
        let state = self.table.snapshot().map_err(|error| fault(&error))?;
        let reference: &dyn TableReference = state;
        let commit = CommitBuilder::from(properties).with_actions(actions).build(
            Some(reference),
            self.table.log_store(),
            operation,
        );
        let prepared = commit.into_prepared_commit_future().await.map_err(|error| fault(&error))?;
        let done = prepared.await.map_err(|error| fault(&error))?;
        // It counts. What is tidied up behind it may fail.
        if let Err(error) = done.await {
            tracing::warn!("no checkpoint of a table's commits: {error}");
        }
        Ok(())
    }
}

/// Rows that are in no file, as if they were the table's.
pub(super) fn plan_of_rows(kept: &KeptTable, rows: Vec<RecordBatch>) -> Result<LogicalPlan> {
    let table = MemTable::try_new(columns::schema(&kept.columns), vec![rows]);
    plan_of(kept, Arc::new(table.map_err(|error| super::fault::of(&error, None))?), false)
}

fn plan_of(
    kept: &KeptTable,
    provider: Arc<dyn TableProvider>,
    with_file: bool,
) -> Result<LogicalPlan> {
    let failed = |error| super::fault::of(&error, None);
    let provider = provider_as_source(Arc::new(Scan(provider)));
    let scan = LogicalPlanBuilder::scan(kept.name.as_str(), provider, None).map_err(failed)?;
    let column = |column: &crate::rows::declared::DeclaredColumn| {
        let mut expr = Expr::Column(Column::new(Some(kept.name.as_str()), &column.name));
        for ty in columns::way(column.ty, kept.zone.as_deref()) {
            expr = cast(expr, ty);
        }
        expr.alias(column.name.to_lowercase())
    };
    let mut all: Vec<Expr> = kept.columns.iter().map(column).collect();
    if with_file {
        all.push(Expr::Column(Column::new(Some(kept.name.as_str()), FILE_COLUMN)));
    }
    scan.project(all).and_then(LogicalPlanBuilder::build).map_err(failed)
}

/// Delta Lake's errors as ours.
fn fault(error: &DeltaTableError) -> Error {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(ours) = error.downcast_ref::<Error>() {
            return ours.clone();
        }
        if let Some(TransactionError::CommitConflict(_) | TransactionError::MaxCommitAttempts(_)) =
            error.downcast_ref::<TransactionError>()
        {
            tracing::debug!("a commit of a table is not added: {error}");
            return Error::Conflict { name: "table".to_owned() };
        }
        next = error.source();
    }
    Error::Query { what: error.to_string() }
}
