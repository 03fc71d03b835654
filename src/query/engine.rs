//! From a query to rows.
//!
//! 1. Its files are registered under one store, which is this query's alone.
//! 2. Each location becomes a table (`table`); MySQL's SQL becomes DataFusion's (`rewrite`).
//! 3. The plan runs on threads of its own: a query that computes must not hold up connections. Batches
//!    come through a channel of two, so a client that reads slowly slows the query.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::RecordBatch;
use datafusion::common::DataFusionError;
use datafusion::common::tree_node::TreeNode;
use datafusion::datasource::ViewTable;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::disk_manager::DiskManagerBuilder;
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::object_store::{DefaultObjectStoreRegistry, ObjectStoreRegistry};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::display::DisplayableExecutionPlan;
use datafusion::physical_plan::{
    ExecutionPlan, SendableRecordBatchStream, displayable, execute_stream,
};
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::Statement as Parsed;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use sqlparser::ast;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::rewrite::{self, Names};
use super::seen::Seen;
use super::sparing;
use super::store::Store;
use super::table::{self, Asked, Located};
use super::{
    Answer, Change, FileTable, KeptTable, Load, Loaded, ParquetFacts, Query, Tidied, coerce, delta,
    fault, flag, functions, inspect, json, outer, texts, values,
};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::rows::{Column, Row, RowStream};
use crate::sql::dialect;
use crate::stage::Locks;

/// Batches between the plan and the client.
const BATCHES: usize = 2;

/// Which part of the memory for queries what is known of files may take beside it: what ends Parquet files, and
/// the columns of all others.
const REMEMBERED: usize = 16;

/// How many of the greatest consumers an error about memory names.
const CONSUMERS: std::num::NonZeroUsize = std::num::NonZeroUsize::MIN;

/// What a plan gives.
type Batches = BoxStream<'static, Result<RecordBatch, DataFusionError>>;

/// Threads that compute, for all engines of the process: connections to storages outlive a query, and would
/// break with the runtime that they were opened on.
static THREADS: LazyLock<std::io::Result<Runtime>> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().thread_name("query").enable_all().build()
});

/// What computes queries.
#[derive(Clone)]
pub(super) struct Engine {
    env: Arc<RuntimeEnv>,
    config: SessionConfig,
    seen: Arc<Seen>,
    /// What all queries together may hold.
    memory: usize,
    /// Who changes rows of which table.
    pub(super) changes: Arc<Locks>,
}

impl Engine {
    pub(super) fn new(config: &Config) -> Result<Engine> {
        let limits = &config.query;
        let spill = limits.spill_dir.clone().unwrap_or_else(|| config.data_dir.join("spill"));
        let pool = TrackConsumersPool::new(FairSpillPool::new(limits.memory_bytes), CONSUMERS);
        let env = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(pool))
            .with_disk_manager_builder(disk(spill, limits.spill_bytes))
            .with_metadata_cache_limit(limits.memory_bytes / REMEMBERED)
            .build_arc()
            .map_err(|error| fault::of(&error, None))?;
        let seen = Arc::new(Seen::new(limits.memory_bytes / REMEMBERED));
        let (memory, changes) = (limits.memory_bytes, Arc::default());
        Ok(Engine { env, config: settings(), seen, memory, changes })
    }

    pub(super) async fn columns(&self, query: Query) -> Result<Vec<Column>> {
        Ok(self.plan(query).await?.columns)
    }

    pub(super) async fn run(&self, query: Query) -> Result<Answer> {
        let only = only_file(&query);
        let Planned { state, plan, columns, .. } = self.plan(query).await?;
        let batches = start(&state, physical(&state, plan.clone()).await?)?;
        Ok((columns, rows(threads()?, or_sparingly(batches, state, plan, self.memory), only)))
    }

    pub(super) async fn explain(&self, query: Query) -> Result<RowStream> {
        let Planned { state, plan, store, .. } = self.plan(query).await?;
        let plan = physical(&state, plan).await?;
        let steps = displayable(&*plan).indent(false).to_string();
        Ok(crate::rows::ready(lines(&store.with_paths(steps))))
    }

    pub(super) async fn analyze(&self, query: Query) -> Result<RowStream> {
        let Planned { state, plan, store, .. } = self.plan(query).await?;
        let plan = physical(&state, plan).await?;
        let computed = rows(threads()?, start(&state, plan.clone())?.boxed(), None);
        let told = async move {
            computed.try_for_each(|_| std::future::ready(Ok(()))).await?;
            let steps = DisplayableExecutionPlan::with_metrics(&*plan).indent(false).to_string();
            Ok(stream::iter(lines(&store.with_paths(steps)).into_iter().map(Ok)))
        };
        Ok(stream::once(told).try_flatten().boxed())
    }

    pub(super) async fn create_table(&self, table: KeptTable) -> Result<()> {
        there(async move { delta::create(&table).await }).await
    }

    pub(super) async fn insert(
        &self,
        table: KeptTable,
        positions: Vec<usize>,
        query: Query,
    ) -> Result<u64> {
        let engine = self.clone();
        there(async move {
            let Planned { state, plan, columns, .. } = engine.plan_here(query, None).await?;
            if columns.len() != positions.len() {
                let (expected, found) = (positions.len(), columns.len());
                return Err(Error::ColumnCount { expected, found });
            }
            let batches = start(&state, physical(&state, plan).await?)?;
            delta::write::insert(table, positions, batches).await
        })
        .await
    }

    pub(super) async fn rewrite(&self, table: KeptTable, change: Change) -> Result<u64> {
        let engine = self.clone();
        there(async move { delta::rewrite::rewrite(&engine, &table, change).await }).await
    }

    pub(super) async fn tidy(&self, table: KeptTable, hours: u32) -> Result<Tidied> {
        let engine = self.clone();
        there(async move { delta::tidy::tidy(&engine, &table, hours).await }).await
    }

    pub(super) async fn load(&self, table: KeptTable, load: Load) -> Result<Vec<Loaded>> {
        let engine = self.clone();
        there(async move { delta::load::load(&engine, &table, &load).await }).await
    }

    pub(super) async fn preview(&self, table: KeptTable, load: Load, most: u64) -> Result<Answer> {
        let engine = self.clone();
        let (columns, batches) = there(async move {
            let batches = delta::load::preview(&engine, &table, &load, most).await?;
            let rows = delta::plan_of_rows(&table, batches)?;
            let query = Query::of_all_in(&table.name)?;
            let Planned { state, plan, columns, .. } =
                engine.plan_here(query, Some((&table, rows))).await?;
            Ok((columns, start(&state, physical(&state, plan).await?)?))
        })
        .await?;
        Ok((columns, rows(threads()?, batches.boxed(), None)))
    }

    /// What a query makes of each row, on this thread.
    pub(super) async fn stream_by_row(&self, query: Query) -> Result<SendableRecordBatchStream> {
        let Planned { state, plan, .. } = self.plan_here(query, None).await?;
        let other = |node: &LogicalPlan| {
            Ok(!matches!(
                node,
                LogicalPlan::Projection(_)
                    | LogicalPlan::Filter(_)
                    | LogicalPlan::TableScan(_)
                    | LogicalPlan::SubqueryAlias(_)
            ))
        };
        if plan.exists(other).map_err(|error| fault::of(&error, None))? {
            return Err(Error::Unsupported {
                what: "A load that computes with more than one row at a time".to_owned(),
                hint: Some("INSERT INTO <table> SELECT ... takes every query".to_owned()),
            });
        }
        start(&state, physical(&state, plan).await?)
    }

    /// What a query answers, on this thread.
    pub(super) async fn stream_of(&self, query: Query) -> Result<SendableRecordBatchStream> {
        let Planned { state, plan, .. } = self.plan_here(query, None).await?;
        start(&state, physical(&state, plan).await?)
    }

    /// What a query answers, in which the rows of a table are those of this plan.
    pub(super) async fn stream(
        &self,
        query: Query,
        table: &KeptTable,
        rows: LogicalPlan,
    ) -> Result<SendableRecordBatchStream> {
        let Planned { state, plan, .. } = self.plan_here(query, Some((table, rows))).await?;
        start(&state, physical(&state, plan).await?)
    }

    pub(super) async fn inspect(&self, table: FileTable) -> Result<Vec<ParquetFacts>> {
        let inspecting = threads()?.spawn(inspect::facts(table));
        AbortOnDropHandle::new(inspecting).await.map_err(broken)?
    }

    /// What to compute, and what it answers. It is found out on the threads that compute, for what breaks
    /// there breaks nothing else.
    pub(super) async fn plan(&self, query: Query) -> Result<Planned> {
        let engine = self.clone();
        there(async move { engine.plan_here(query, None).await }).await
    }

    /// The same on this thread. The rows of a table may be given.
    async fn plan_here(
        &self,
        query: Query,
        given_rows: Option<(&KeptTable, LogicalPlan)>,
    ) -> Result<Planned> {
        let Query { ast, texts, spellings: given, files, rows, kept, zone } = query;
        let mut ast = dialect::in_lower_case(&ast)?;
        let asked =
            Asked { metadata: rewrite::names_metadata(&ast), all: rewrite::reads_all(&ast) };
        let mut store = Store::default();
        let known: Vec<_> = files
            .iter()
            .map(|table| {
                let add = |entry| store.add(&table.home, &table.files, entry);
                table.entries.iter().map(add).collect::<Vec<_>>()
            })
            .collect();
        let store = Arc::new(store);
        let context = self.context(&store)?;
        let mut names = Names { metadata: asked.metadata, zone, ..Names::default() };
        let mut spellings = HashMap::new();
        for (table, metas) in files.iter().zip(known) {
            let state = context.state();
            let located =
                table::locate(table, metas, &store, &self.seen, &state, &names, asked).await?;
            remember(table, &located, &mut names, &mut spellings);
            let view = Arc::new(ViewTable::new(located.plan, None));
            context
                .register_table(table.name.as_str(), view)
                .map_err(|error| fault::of(&error, None))?;
        }
        for table in &rows {
            spellings.extend(table.columns.iter().map(|c| (c.name.to_lowercase(), c.name.clone())));
            let known = values::table(table)?;
            context
                .register_table(table.name.as_str(), Arc::new(known))
                .map_err(|error| fault::of(&error, None))?;
        }
        let mut plans = Vec::new();
        if let Some((table, rows)) = given_rows {
            plans.push((table.clone(), rows));
        }
        for table in kept {
            let rows = delta::open(&table).await?.plan(&table).await?;
            plans.push((table, rows));
        }
        for (table, rows) in plans {
            let names = table.columns.iter().map(|column| column.name.clone());
            spellings.extend(names.map(|name| (name.to_lowercase(), name)));
            context
                .register_table(table.name.as_str(), Arc::new(ViewTable::new(rows, None)))
                .map_err(|error| fault::of(&error, None))?;
        }
        spellings.extend(given.into_iter().map(|name| (name.to_lowercase(), name)));
        let original = ast.clone();
        outer::rename(&mut ast, &spellings);
        rewrite::rewrite(&mut ast, &names)?;
        rewrite::tell_apart(&mut ast);
        let state = context.state();
        let statement = Parsed::Statement(Box::new(ast::Statement::Query(Box::new(ast))));
        let plan =
            state.statement_to_plan(statement).await.map_err(|error| fault::of(&error, None))?;
        let plan = state.optimize(&plan).map_err(|error| fault::of(&error, None))?;
        let columns = columns(&plan, &original, &texts, &spellings);
        if columns.is_empty() {
            return Err(Error::Query { what: "it selects no columns".to_owned() });
        }
        Ok(Planned { state, plan, columns, store })
    }

    /// A session of DataFusion's for one query.
    fn context(&self, store: &Arc<Store>) -> Result<SessionContext> {
        let registry = DefaultObjectStoreRegistry::new();
        let url = table::store_url().map_err(|error| fault::of(&error, None))?;
        registry.register_store(url.as_ref(), store.clone());
        let env = RuntimeEnv { object_store_registry: Arc::new(registry), ..(*self.env).clone() };
        let mut state = SessionStateBuilder::new()
            .with_config(self.config.clone())
            .with_runtime_env(Arc::new(env))
            .with_default_features();
        let mut planners = vec![coerce::planner()];
        planners.append(state.expr_planners().get_or_insert_default());
        let state = state.with_expr_planners(planners).build();
        let mut context = SessionContext::new_with_state(state);
        flag::register(&mut context).map_err(|error| fault::of(&error, None))?;
        functions::register(&context);
        json::register(&context);
        texts::register(&context);
        Ok(context)
    }
}

/// The location and the path of the one file that a query reads, if it is one.
pub(super) fn only_file(query: &Query) -> Option<(String, String)> {
    match query.files.as_slice() {
        [FileTable { location, entries, .. }] => match entries.as_slice() {
            [entry] => Some((location.clone(), entry.path.clone())),
            _ => None,
        },
        _ => None,
    }
}

/// A row a line.
fn lines(text: &str) -> Vec<Row> {
    text.lines().map(|line| vec![line.into()]).collect()
}

/// How a plan is computed.
pub(super) async fn physical(
    state: &SessionState,
    plan: LogicalPlan,
) -> Result<Arc<dyn ExecutionPlan>> {
    let state = state.clone();
    let planning = threads()?.spawn(async move { state.create_physical_plan(&plan).await });
    let plan = AbortOnDropHandle::new(planning).await.map_err(broken)?;
    plan.map_err(|error| fault::of(&error, None))
}

/// Starts to compute.
pub(super) fn start(
    state: &SessionState,
    plan: Arc<dyn ExecutionPlan>,
) -> Result<SendableRecordBatchStream> {
    // What it spawns at once belongs to the threads that compute.
    let _guard = threads()?.enter();
    execute_stream(plan, state.task_ctx()).map_err(|error| fault::of(&error, None))
}

/// Where a query needs too much memory and no row has left yet, it begins again more sparingly.
fn or_sparingly(
    mut batches: SendableRecordBatchStream,
    state: SessionState,
    plan: LogicalPlan,
    memory: usize,
) -> Batches {
    let begun = async move {
        match batches.next().await {
            Some(Err(error)) if sparing::is_exhausted(&error) => {
                tracing::info!(%error, "begins again with less memory");
                drop(batches);
                match sparing::begin(state, &plan, memory).await {
                    Ok(batches) => batches.boxed(),
                    Err(error) => stream::once(async { Err(error) }).boxed(),
                }
            }
            Some(first) => stream::once(async { first }).chain(batches).boxed(),
            None => stream::empty().boxed(),
        }
    };
    stream::once(begun).flatten().boxed()
}

/// What to compute, and what it answers.
pub(super) struct Planned {
    pub(super) state: SessionState,
    pub(super) plan: LogicalPlan,
    pub(super) columns: Vec<Column>,
    /// The files that it reads.
    pub(super) store: Arc<Store>,
}

fn disk(dir: PathBuf, bytes: u64) -> DiskManagerBuilder {
    use datafusion::execution::disk_manager::DiskManagerMode;
    DiskManagerBuilder::default()
        .with_mode(DiskManagerMode::Directories(vec![dir]))
        .with_max_temp_directory_size(bytes)
}

fn settings() -> SessionConfig {
    let mut config = SessionConfig::new().with_information_schema(false).with_batch_size(8192);
    let options = config.options_mut();
    options.sql_parser.parse_float_as_decimal = true;
    options.sql_parser.map_string_types_to_utf8view = false;
    // NULL is the least value to MySQL.
    options.sql_parser.default_null_ordering = "nulls_min".to_owned();
    options.execution.parquet.pushdown_filters = true;
    options.execution.parquet.reorder_filters = true;
    // A DATE may be read as bytes by what wrote the file without saying that it is text.
    options.execution.parquet.binary_as_string = false;
    config
}

/// The threads that compute.
pub(super) fn threads() -> Result<&'static Runtime> {
    THREADS.as_ref().map_err(|error| Error::Internal { what: format!("no threads: {error}") })
}

/// Does it on the threads that compute, for what breaks there breaks nothing else. Whoever drops it ends it.
async fn there<T: Send + 'static>(
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    AbortOnDropHandle::new(threads()?.spawn(work)).await.map_err(broken)?
}

/// How many tasks of queries there are at this moment.
pub(super) fn tasks() -> usize {
    // Not before there was a query: asking would make the threads.
    LazyLock::get(&THREADS)
        .and_then(|threads| threads.as_ref().ok())
        .map_or(0, |threads| threads.metrics().num_alive_tasks())
}

pub(super) fn broken(error: tokio::task::JoinError) -> Error {
    Error::Internal { what: format!("a query broke off: {error}") }
}

fn remember(
    table: &FileTable,
    located: &Located,
    names: &mut Names,
    spellings: &mut HashMap<String, String>,
) {
    let lower = located.names.iter().map(|name| (name.to_lowercase(), name.clone()));
    spellings.extend(lower);
    let by_table = if located.positional { &mut names.columns } else { &mut names.rows };
    by_table.insert(table.name.clone(), located.names.clone());
}

/// The columns of a plan: named as their files name them, or as they were written.
fn columns(
    plan: &LogicalPlan,
    query: &ast::Query,
    texts: &[String],
    spellings: &HashMap<String, String>,
) -> Vec<Column> {
    let fields = plan.schema().fields();
    let mut columns: Vec<Column> = fields
        .iter()
        .map(|field| {
            let name = spellings.get(field.name()).unwrap_or(field.name());
            Column::nullable(name.as_str(), values::type_of(field.data_type()))
        })
        .collect();
    let Some(items) = projection(&query.body) else { return columns };
    let spread = |item: &ast::SelectItem| {
        matches!(item, ast::SelectItem::Wildcard(_) | ast::SelectItem::QualifiedWildcard(..))
    };
    let first = items.iter().position(spread).unwrap_or(items.len());
    let last = items.iter().rposition(spread).map_or(0, |at| at + 1);
    let behind = items.len() - last.max(first.min(items.len()));
    let all = columns.len();
    for (index, item) in items.iter().enumerate() {
        let at = if index < first {
            index
        } else if index >= last && last > 0 {
            (all - behind) + (index - last)
        } else {
            continue;
        };
        if let (Some(column), Some(name)) =
            (columns.get_mut(at), written(item, texts.get(index), spellings))
        {
            column.name = name;
        }
    }
    columns
}

#[expect(clippy::wildcard_enum_match_arm, reason = "others name no columns of their own")]
fn projection(body: &ast::SetExpr) -> Option<&[ast::SelectItem]> {
    match body {
        ast::SetExpr::Select(select) => Some(&select.projection),
        ast::SetExpr::Query(query) => projection(&query.body),
        ast::SetExpr::SetOperation { left, .. } => projection(left),
        _ => None,
    }
}

/// How a selected expression is called: by its alias, by its column's name, else as it is written.
fn written(
    item: &ast::SelectItem,
    text: Option<&String>,
    spellings: &HashMap<String, String>,
) -> Option<String> {
    match item {
        ast::SelectItem::UnnamedExpr(
            ast::Expr::Identifier(_) | ast::Expr::CompoundIdentifier(_),
        ) => {
            let text = text?.trim_matches('`');
            let last = text.rsplit('.').next().unwrap_or(text).trim_matches('`');
            Some(spellings.get(&last.to_lowercase()).cloned().unwrap_or_else(|| last.to_owned()))
        }
        ast::SelectItem::UnnamedExpr(_) => text.cloned(),
        ast::SelectItem::ExprWithAlias { alias, .. } => {
            // As it is written, for it is in lower case here.
            let text = text.map(String::as_str).unwrap_or_default();
            let written = text.get(text.len().saturating_sub(alias.value.len() + 1)..);
            let written = written.unwrap_or_default().trim_matches(['`', '"', '\'', ' ']);
            let same = written.to_lowercase() == alias.value;
            Some(if same { written.to_owned() } else { alias.value.clone() })
        }
        ast::SelectItem::ExprWithAliases { .. }
        | ast::SelectItem::QualifiedWildcard(..)
        | ast::SelectItem::Wildcard(_) => None,
    }
}

/// Rows as the plan gives them. Whoever drops them ends it.
fn rows(threads: &Runtime, mut batches: Batches, only: Option<(String, String)>) -> RowStream {
    let (sender, receiver) = mpsc::channel::<Result<RecordBatch, DataFusionError>>(BATCHES);
    let task = AbortOnDropHandle::new(threads.spawn(async move {
        while let Some(batch) = batches.next().await {
            let ended = batch.is_err();
            if sender.send(batch).await.is_err() || ended {
                break;
            }
        }
    }));
    let state = Some((receiver, task, only));
    stream::unfold(state, |state| async move {
        let (mut receiver, task, only) = state?;
        let rows = match receiver.recv().await {
            Some(Ok(batch)) => values::rows(&batch),
            Some(Err(error)) => Err(fault::of_rows(&error, only.as_ref())),
            // Its task has ended: by itself, or because it broke.
            None => match task.await {
                Ok(()) => return None,
                Err(error) => return Some((vec![Err(broken(error))], None)),
            },
        };
        match rows {
            Ok(rows) => Some((rows.into_iter().map(Ok).collect(), Some((receiver, task, only)))),
            Err(error) => Some((vec![Err(error)], None)),
        }
    })
    .flat_map(stream::iter)
    .boxed()
}
