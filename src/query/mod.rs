//! What is in files: queries over them. The only room that names `datafusion` and `object_store`, and all of
//! it but this file is there only with the feature `query`.
//!
//! - `engine`: from a query to rows.
//! - `table`: the files of one location as a table; `unify`: one schema for many files.
//! - `format`: how files are read; `text`: CSV and JSON; `lines`: whether a CSV file can be cut.
//! - `unload`: rows to files; `target`: where they go; `writing`: how files are written; `encode`, `csv`: rows to
//!   bytes; `outbox`: files, all of them or none.
//! - `coerce`: implicit conversions; `flag`: what is true or false beside numbers.
//! - `functions`: what MySQL has and DataFusion has not; `texts`: the rare ones, row by row (`row`).
//! - `delta`: the rows of tables.
//! - `json`: parts of values; `row`: functions that are computed row by row.
//! - `inspect`: what the footers of Parquet files say.
//! - `sparing`: a query that begins again because it has needed too much memory.
//! - `store`: the files as DataFusion reads them; `seen`: what is known of them from earlier queries.
//! - `named`: errors that name their file.
//! - `prune`: files that a filter leaves out.
//! - `rewrite`: MySQL's SQL to DataFusion's; `rollup`: groups of groups; `outer`: names of outer tables.
//! - `values`: Arrow's values to ours.
//! - `fault`: DataFusion's errors to ours.
//!
//! Who may read what, and which files a location has, is decided before: this room gets files, not stages.

#![cfg_attr(
    feature = "query",
    expect(
        clippy::wildcard_enum_match_arm,
        reason = "of the enums of Arrow, DataFusion and SQL only a part means something here"
    )
)]

#[cfg(feature = "query")]
mod coerce;
#[cfg(feature = "query")]
mod csv;
#[cfg(feature = "query")]
mod delta;
#[cfg(feature = "query")]
mod encode;
#[cfg(feature = "query")]
mod engine;
#[cfg(feature = "query")]
mod fault;
#[cfg(feature = "query")]
mod flag;
#[cfg(feature = "query")]
mod format;
#[cfg(feature = "query")]
mod functions;
#[cfg(feature = "query")]
mod inspect;
#[cfg(feature = "query")]
mod json;
#[cfg(feature = "query")]
mod lines;
#[cfg(feature = "query")]
mod named;
#[cfg(feature = "query")]
mod outbox;
#[cfg(feature = "query")]
mod outer;
#[cfg(feature = "query")]
mod prune;
#[cfg(feature = "query")]
mod rewrite;
#[cfg(feature = "query")]
mod rollup;
#[cfg(feature = "query")]
mod row;
#[cfg(feature = "query")]
mod seen;
#[cfg(feature = "query")]
mod sparing;
#[cfg(feature = "query")]
mod store;
#[cfg(feature = "query")]
mod table;
#[cfg(feature = "query")]
mod target;
#[cfg(feature = "query")]
mod text;
#[cfg(feature = "query")]
mod texts;
#[cfg(feature = "query")]
mod unify;
#[cfg(feature = "query")]
mod unload;
#[cfg(feature = "query")]
mod values;
#[cfg(feature = "query")]
mod writing;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use sqlparser::ast;
use uuid::Uuid;

use crate::config::{Config, Transfer};
use crate::error::Result;
use crate::rows::declared::DeclaredColumn;
use crate::rows::{Column, Row, RowStream};
use crate::sql::dialect;
use crate::stage::files::{Entry, Files};
use crate::stage::name::StagePath;

/// A query, with all that its names mean.
#[derive(Clone)]
pub struct Query {
    /// What is asked. Each table in it is one of those below, under its name there.
    pub ast: ast::Query,
    /// What is selected, each as it was written.
    pub texts: Vec<String>,
    /// Names of columns that are spelled as the files have them or not: as the views have them.
    pub spellings: Vec<String>,
    /// Tables that are files.
    pub files: Vec<FileTable>,
    /// Tables that are there already.
    pub rows: Vec<RowTable>,
    /// Tables whose rows are kept.
    pub kept: Vec<KeptTable>,
    /// The session's time zone: a name or an offset; `None` for UTC.
    pub zone: Option<String>,
}

impl Query {
    /// All columns of a table that is files.
    pub fn of_all(table: FileTable) -> Result<Query> {
        let query = Query::of_all_in(&table.name)?;
        Ok(Query { files: vec![table], ..query })
    }

    /// All columns of a table that is still to be told.
    fn of_all_in(table: &str) -> Result<Query> {
        let ast = dialect::query(&format!("SELECT * FROM {table}"))?;
        let (texts, spellings, files) = (vec!["*".to_owned()], Vec::new(), Vec::new());
        let (rows, kept, zone) = (Vec::new(), Vec::new(), None);
        Ok(Query { ast, texts, spellings, files, rows, kept, zone })
    }
}

/// What the footer of a Parquet file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParquetFacts {
    /// What wrote it.
    pub created_by: Option<String>,
    /// Columns, each part of a nested one counted.
    pub columns: u64,
    /// Rows.
    pub rows: u64,
    /// Groups of rows.
    pub row_groups: u64,
    /// Bytes of the file.
    pub size: u64,
    /// Bytes of the largest group of rows, packed.
    pub largest_compressed: u64,
    /// Bytes of the largest group of rows, unpacked.
    pub largest_uncompressed: u64,
}

/// What the names of tables that are files begin with.
const FILES: &str = "files_of_";

impl FileTable {
    /// The name that a query has for its table of this number.
    pub fn name_of(index: usize) -> String {
        format!("{FILES}{index}")
    }
}

/// The files of a location.
#[derive(Clone)]
pub struct FileTable {
    /// Its name in the query.
    pub name: String,
    /// The location, for errors.
    pub location: String,
    /// What tells the place of the files from all others.
    pub home: String,
    /// The way to them.
    pub files: Arc<Files>,
    /// Which.
    pub entries: Vec<Entry>,
    /// The options of `FILE_FORMAT`: keys in upper case.
    pub options: BTreeMap<String, String>,
}

/// Rows that are known.
#[derive(Clone)]
pub struct RowTable {
    /// Its name in the query.
    pub name: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its rows.
    pub rows: Vec<Row>,
}

/// A table whose rows are kept.
#[derive(Clone)]
pub struct KeptTable {
    /// Its name in the query.
    pub name: String,
    /// What it is called, for errors.
    pub label: String,
    /// Not the one of an earlier table of this name.
    pub id: Uuid,
    /// Where its rows are.
    pub files: Arc<Files>,
    /// Its columns, in order.
    pub columns: Vec<DeclaredColumn>,
    /// The session's time zone: a name or an offset; `None` for UTC.
    pub zone: Option<String>,
}

/// What to do with the rows of a table.
pub enum Change {
    /// All go.
    RemoveAll,
    /// Those go for which the condition holds. The query says of each row whether, in its only column.
    Remove(Query),
    /// Those change for which the condition holds. The query has it in its first column; behind it, of each column
    /// of these positions, the new value.
    Set(Vec<usize>, Query),
}

/// What to load into a table.
#[derive(Clone)]
pub struct Load {
    /// The files.
    pub files: FileTable,
    /// What is made of the rows of a file, if not all its columns are taken as they are: a query of one file,
    /// which is missing in it. Its columns are taken in order.
    pub select: Option<Query>,
    /// Which columns of the table get the columns of a file whose columns have no names, in this order.
    pub positions: Vec<usize>,
    /// How the columns of a file with names are found; `None`: not by their names, but in order.
    pub by_name: Option<Case>,
    /// Values for the columns of which files say nothing: a query of one row.
    pub defaults: Option<(Vec<usize>, Query)>,
    /// What becomes of rows that don't fit.
    pub on_error: OnError,
    /// Whether files are loaded that were loaded before.
    pub force: bool,
    /// No file is begun when so many bytes of files were loaded.
    pub size_limit: Option<u64>,
    /// Whether nothing is written: all is looked at.
    pub only_look: bool,
}

/// How names are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// `A` is not `a`.
    Sensitive,
    /// `A` is `a`.
    Insensitive,
}

/// What becomes of rows that don't fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// They are passed over.
    Continue,
    /// Nothing is loaded at all.
    Abort,
    /// Nothing of a file is loaded that has so many.
    SkipFile(Most),
}

/// How many wrong rows are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Most {
    /// So many.
    Rows(u64),
    /// So many of a hundred.
    Percent(u64),
}

/// What became of a file.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Which.
    pub entry: Entry,
    /// In a word.
    pub status: LoadStatus,
    /// The rows that it has, as far as it was read.
    pub rows_parsed: u64,
    /// Those that are in the table now.
    pub rows_loaded: u64,
    /// The wrong rows.
    pub errors_seen: u64,
    /// The first of them, and others as far as they were asked for.
    pub errors: Vec<LoadError>,
}

/// In a word, what became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadStatus {
    /// All rows are in the table.
    Loaded,
    /// Some are.
    Partial,
    /// None are.
    Failed,
    /// It was loaded before.
    Skipped,
}

/// What is wrong with a row of a file.
#[derive(Debug, Clone)]
pub struct LoadError {
    /// The line that it begins in, or its number, from 1 on.
    pub line: u64,
    /// The character of its record that the wrong value begins with, from 1 on, where that is known.
    pub character: Option<u64>,
    /// The column, if it is one.
    pub column: Option<String>,
    /// What.
    pub why: String,
}

/// A query whose rows are written to files.
pub struct Unload {
    /// What is asked.
    pub query: Query,
    /// What decides the directory of a row.
    pub partition_by: Vec<PartitionBy>,
    /// The way to the files.
    pub files: Arc<Files>,
    /// The path among them: a file's or a directory's.
    pub path: StagePath,
    /// The options of `FILE_FORMAT`: keys in upper case.
    pub options: BTreeMap<String, String>,
    /// Whether there is one file, where that is said.
    pub single: Option<bool>,
    /// Whether the path is that file's, where that is said.
    pub use_raw_path: Option<bool>,
    /// Whether text files begin with the names of the columns, where that is said.
    pub header: Option<bool>,
    /// Whether files of the same name are replaced.
    pub overwrite: bool,
    /// About how large a file becomes before another begins, where that is said.
    pub max_file_size: Option<u64>,
    /// What is in the names of files that get names of their own.
    pub query_id: Option<Uuid>,
    /// With which effort files are compressed.
    pub transfer: Transfer,
    /// How many rows are written so far.
    pub rows: Arc<AtomicU64>,
}

/// What decides the directory of a row.
pub struct PartitionBy {
    /// The value.
    pub expr: ast::Expr,
    /// The directory is `name=value`; without a name the value is a path.
    pub name: Option<String>,
}

impl PartitionBy {
    /// By an expression and the name that it was given: a column has one by itself.
    pub fn of(expr: ast::Expr, alias: Option<String>) -> PartitionBy {
        let own =
            if let ast::Expr::Identifier(column) = &expr { Some(&column.value) } else { None };
        let name = alias.or_else(|| own.cloned());
        PartitionBy { expr, name }
    }

    /// Whether it is the column of this name.
    #[cfg(feature = "query")]
    fn is_column(&self, name: &str) -> bool {
        let ast::Expr::Identifier(column) = &self.expr else { return false };
        column.value.eq_ignore_ascii_case(name)
    }
}

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unloaded {
    /// Its path on the stage.
    pub path: String,
    /// Its bytes as they are stored.
    pub size: u64,
    /// Its rows.
    pub rows: u64,
    /// Its bytes before they were compressed.
    pub plain: u64,
}

/// What was tidied up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tidied {
    /// Files that were put together.
    pub merged: usize,
    /// Files that are gone.
    pub removed: usize,
}

/// Columns, and rows as they come.
pub type Answer = (Vec<Column>, RowStream);

/// What computes queries.
pub struct Engine {
    #[cfg(feature = "query")]
    inner: engine::Engine,
}

impl Engine {
    /// Whether this server was built with one.
    pub const IS_THERE: bool = cfg!(feature = "query");
}

#[cfg(feature = "query")]
impl Engine {
    /// Makes it, with the limits of the configuration.
    pub fn new(config: &Config) -> Result<Engine> {
        Ok(Engine { inner: engine::Engine::new(config)? })
    }

    /// What a query answers.
    pub async fn columns(&self, query: Query) -> Result<Vec<Column>> {
        self.inner.columns(query).await
    }

    /// Computes it. Whoever drops the rows ends the work.
    pub async fn run(&self, query: Query) -> Result<Answer> {
        self.inner.run(query).await
    }

    /// What the footers of Parquet files say.
    pub async fn inspect(&self, table: FileTable) -> Result<Vec<ParquetFacts>> {
        self.inner.inspect(table).await
    }

    /// How it is computed, a row a step.
    pub async fn explain(&self, query: Query) -> Result<RowStream> {
        self.inner.explain(query).await
    }

    /// The same, with rows and times: it is computed while somebody waits for the first row.
    pub async fn analyze(&self, query: Query) -> Result<RowStream> {
        self.inner.analyze(query).await
    }

    /// Makes the place for the rows of a table.
    pub async fn create_table(&self, table: KeptTable) -> Result<()> {
        self.inner.create_table(table).await
    }

    /// Adds what a query answers to a table: each column of the answer to the column of the table at this
    /// position. How many rows that were.
    pub async fn insert(
        &self,
        table: KeptTable,
        positions: Vec<usize>,
        query: Query,
    ) -> Result<u64> {
        self.inner.insert(table, positions, query).await
    }

    /// Changes or removes rows of a table. How many.
    pub async fn rewrite(&self, table: KeptTable, change: Change) -> Result<u64> {
        self.inner.rewrite(table, change).await
    }

    /// Loads files into a table: all in one commit.
    pub async fn load(&self, table: KeptTable, load: Load) -> Result<Vec<Loaded>> {
        self.inner.load(table, load).await
    }

    /// The first rows that a load would add, as many as are asked for.
    pub async fn preview(&self, table: KeptTable, load: Load, most: u64) -> Result<Answer> {
        self.inner.preview(table, load, most).await
    }

    /// Tidies up the files of a table; those that don't count any more go so many hours after that.
    pub async fn tidy(&self, table: KeptTable, hours: u32) -> Result<Tidied> {
        self.inner.tidy(table, hours).await
    }

    /// Writes what it answers to files. Whoever goes away before it is done leaves none.
    pub async fn unload(&self, unload: Unload) -> Result<Vec<Unloaded>> {
        self.inner.unload(unload).await
    }

    /// How many tasks there are that compute, for all queries of the process.
    pub fn tasks(&self) -> usize {
        engine::tasks()
    }
}

#[cfg(not(feature = "query"))]
impl Engine {
    /// Makes none.
    pub fn new(_config: &Config) -> Result<Engine> {
        Ok(Engine {})
    }

    /// Refuses.
    pub async fn columns(&self, query: Query) -> Result<Vec<Column>> {
        drop(query);
        std::future::ready(Err(absent())).await
    }

    /// Refuses.
    pub async fn run(&self, query: Query) -> Result<Answer> {
        drop(query);
        std::future::ready(Err(absent())).await
    }

    /// Refuses.
    pub async fn inspect(&self, table: FileTable) -> Result<Vec<ParquetFacts>> {
        drop(table);
        std::future::ready(Err(absent())).await
    }

    /// Refuses.
    pub async fn explain(&self, query: Query) -> Result<RowStream> {
        drop(query);
        std::future::ready(Err(absent())).await
    }

    /// Refuses.
    pub async fn analyze(&self, query: Query) -> Result<RowStream> {
        drop(query);
        std::future::ready(Err(absent())).await
    }

    /// Refuses.
    pub async fn unload(&self, unload: Unload) -> Result<Vec<Unloaded>> {
        drop(unload);
        std::future::ready(Err(absent())).await
    }

    /// None.
    pub fn tasks(&self) -> usize {
        0
    }

    /// Refuses.
    pub async fn create_table(&self, table: KeptTable) -> Result<()> {
        drop(table);
        std::future::ready(Err(no_tables())).await
    }

    /// Refuses.
    pub async fn insert(
        &self,
        table: KeptTable,
        positions: Vec<usize>,
        query: Query,
    ) -> Result<u64> {
        drop((table, positions, query));
        std::future::ready(Err(no_tables())).await
    }

    /// Refuses.
    pub async fn load(&self, table: KeptTable, load: Load) -> Result<Vec<Loaded>> {
        drop((table, load));
        std::future::ready(Err(no_tables())).await
    }

    /// Refuses.
    pub async fn preview(&self, table: KeptTable, load: Load, _most: u64) -> Result<Answer> {
        drop((table, load));
        std::future::ready(Err(no_tables())).await
    }

    /// Refuses.
    pub async fn tidy(&self, table: KeptTable, _hours: u32) -> Result<Tidied> {
        drop(table);
        std::future::ready(Err(no_tables())).await
    }

    /// Refuses.
    pub async fn rewrite(&self, table: KeptTable, change: Change) -> Result<u64> {
        drop((table, change));
        std::future::ready(Err(no_tables())).await
    }
}

#[cfg(not(feature = "query"))]
fn no_tables() -> crate::error::Error {
    crate::error::Error::Unsupported {
        what: "A table".to_owned(),
        hint: Some("this server was built without the feature 'query'".to_owned()),
    }
}

#[cfg(not(feature = "query"))]
fn absent() -> crate::error::Error {
    crate::error::Error::Unsupported {
        what: "A query of what is in files".to_owned(),
        hint: Some("this server was built without the feature 'query'".to_owned()),
    }
}
