//! `COPY INTO <table>` loads files into a table.
//!
//! ```text
//! COPY INTO <table> [(<column>, ...)] FROM { <location> | (SELECT ... FROM <location> ...) } [<option> ...]
//!
//! option: FILES = ('<name>' [, ...]) | PATTERN = '<regex>' | FILE_FORMAT = (TYPE = <type> ...)
//!       | ON_ERROR = { ABORT_STATEMENT | CONTINUE | SKIP_FILE | SKIP_FILE_<n> | 'SKIP_FILE_<n>%' }
//!       | MATCH_BY_COLUMN_NAME = { CASE_INSENSITIVE | CASE_SENSITIVE | NONE } | FORCE = <boolean>
//!       | PURGE = <boolean> | SIZE_LIMIT = <bytes> | RETURN_FAILED_ONLY = <boolean>
//!       | VALIDATION_MODE = { RETURN_ERRORS | RETURN_ALL_ERRORS | RETURN_<n>_ROWS }
//!
//! > COPY INTO books FROM @lake/books/ PATTERN='.*[.]csv' FILE_FORMAT=(TYPE=CSV SKIP_HEADER=1)
//! file         status  rows_parsed  rows_loaded  error_limit  errors_seen  first_error  ...
//! books/a.csv  LOADED  100          100          1            0            NULL
//! > COPY INTO books FROM @lake/books/b.csv
//! ERROR 1366 (HY000): Can't load 'books/b.csv', line 7: Incorrect integer value: 'x' for column 'id'
//! > COPY INTO books (id, title) FROM (SELECT $3, UPPER($1) FROM @lake/books/ WHERE $2 <> 'old') FILE_FORMAT=(TYPE=CSV)
//! ```
//!
//! All files of a statement are one commit: their rows are seen together, or none of them. A file that was loaded
//! into this table in the last 64 days is not loaded again, and its row says so; `FORCE = TRUE` does. Files are told
//! apart by place, path and version, so one that has changed is loaded.
//!
//! The columns of Parquet, Avro, Arrow and JSON are found by name, those of CSV by their order, or by name too with
//! `PARSE_HEADER = TRUE` and `MATCH_BY_COLUMN_NAME`. An empty field of CSV and `\N` are `NULL`. What a column
//! may hold is checked as `INSERT` does.
//!
//! A query computes each row from one row of a file; what it computes goes to the columns in order. The columns of
//! CSV are texts there, whatever they look like (`ALL_VARCHAR = FALSE` guesses). Unlike Snowflake's it may have a
//! `WHERE`. The numbers of wrong rows are then those of the rows of the query.

use std::collections::BTreeMap;
use std::fmt;

use futures::StreamExt;
use sqlparser::ast::{SelectItem, SetExpr};

use crate::access::people::StagePrivilege;
use crate::error::{Error, Result};
use crate::query::{Case, FileTable, Load, LoadStatus, Loaded, Most, OnError, Query};
use crate::rows::{Column, Outcome, Row, Type, Value};
use crate::session::Session;
use crate::sql::cursor::Cursor;
use crate::sql::literal;
use crate::sql::location::Location;
use crate::sql::name::QualifiedName;
use crate::sql::options::{Options, Secrets};
use crate::statement::select::{Select, Wanted, files};
use crate::statement::{
    Statement, copy_files, copy_into_location, create_stage, file_format, insert, kept, list,
    named_formats,
};

/// Snowflake's, a row a file.
pub fn columns(mode: Mode) -> Vec<Column> {
    match mode {
        Mode::Load => vec![
            Column::new("file", Type::Text),
            Column::new("status", Type::Text),
            Column::new("rows_parsed", Type::UInt),
            Column::new("rows_loaded", Type::UInt),
            Column::nullable("error_limit", Type::UInt),
            Column::new("errors_seen", Type::UInt),
            Column::nullable("first_error", Type::Text),
            Column::nullable("first_error_line", Type::UInt),
            Column::nullable("first_error_character", Type::UInt),
            Column::nullable("first_error_column_name", Type::Text),
        ],
        Mode::Errors => vec![
            Column::new("error", Type::Text),
            Column::new("file", Type::Text),
            Column::new("line", Type::UInt),
            Column::nullable("character", Type::UInt),
            Column::nullable("column_name", Type::Text),
        ],
        // Those of the table.
        Mode::Rows(_) => Vec::new(),
    }
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The files are loaded.
    Load,
    /// They are looked at, and all that is wrong is told.
    Errors,
    /// So many rows are shown as they would be loaded.
    Rows(u64),
}

/// Where the rows come from.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// Files: a prefix, or with `FILES` a directory.
    Location(Location),
    /// What a query makes of the rows of files.
    Query(Box<Select>),
}

/// `COPY INTO <table>`
#[derive(Debug, Clone, PartialEq)]
pub struct CopyIntoTable {
    /// The table.
    pub table: QualifiedName,
    /// Which of its columns, in the order of the files.
    pub columns: Vec<String>,
    /// Where the rows come from.
    pub from: Source,
    /// Their names.
    pub files: Option<Vec<String>>,
    /// Which, as a regular expression over the whole name.
    pub pattern: Option<String>,
    /// How they are read.
    pub file_format: Option<Options>,
    /// What becomes of rows that don't fit.
    pub on_error: Option<OnError>,
    /// How columns are found.
    pub by_name: Option<ByName>,
    /// Whether files are loaded again.
    pub force: Option<bool>,
    /// Whether loaded files are removed.
    pub purge: Option<bool>,
    /// When no further file is begun, in bytes.
    pub size_limit: Option<u64>,
    /// Whether only files with errors have a row.
    pub return_failed_only: Option<bool>,
    /// What is done.
    pub mode: Mode,
}

/// `MATCH_BY_COLUMN_NAME`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByName {
    /// By their order.
    None,
    /// By their names.
    By(Case),
}

const OPTIONS: &[&str] = &[
    "FILES",
    "PATTERN",
    "FILE_FORMAT",
    "ON_ERROR",
    "MATCH_BY_COLUMN_NAME",
    "FORCE",
    "PURGE",
    "SIZE_LIMIT",
    "RETURN_FAILED_ONLY",
    "VALIDATION_MODE",
];

/// The option by which the columns of CSV are texts.
const ALL_VARCHAR: &str = "ALL_VARCHAR";

const ON_ERROR: &str =
    "ABORT_STATEMENT, CONTINUE, SKIP_FILE, SKIP_FILE_<number> or 'SKIP_FILE_<number>%'";

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect("COPY")?;
    cursor.expect("INTO")?;
    let table = QualifiedName::parse(cursor)?;
    let mut columns = Vec::new();
    if cursor.eat_sign("(") {
        loop {
            columns.push(cursor.name("a column")?);
            if !cursor.eat_sign(",") {
                break;
            }
        }
        cursor.expect_sign(")")?;
    }
    cursor.expect("FROM")?;
    let mut copy = CopyIntoTable {
        table,
        columns,
        from: match cursor.eat_sign("(") {
            false => Source::Location(cursor.location("FROM")?),
            true => {
                let query = copy_into_location::parse_query(cursor)?;
                cursor.expect_sign(")")?;
                Source::Query(Box::new(query))
            }
        },
        files: None,
        pattern: None,
        file_format: None,
        on_error: None,
        by_name: None,
        force: None,
        purge: None,
        size_limit: None,
        return_failed_only: None,
        mode: Mode::Load,
    };
    while !cursor.at_end() {
        copy.parse_option(cursor)?;
    }
    Ok(Statement::CopyIntoTable(Box::new(copy)))
}

impl CopyIntoTable {
    fn parse_option(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        let keyword = cursor.keyword().unwrap_or_default();
        match keyword.as_str() {
            "FILES" if self.files.is_none() => self.files = Some(copy_files::parse_files(cursor)?),
            "PATTERN" if self.pattern.is_none() => {
                self.pattern = Some(list::parse_pattern(cursor)?);
            }
            "FILE_FORMAT" if self.file_format.is_none() => {
                self.file_format = Some(create_stage::file_format(cursor)?);
                cursor.eat_sign(",");
            }
            "ON_ERROR" if self.on_error.is_none() => {
                let word = word(cursor, ON_ERROR)?;
                let found = on_error(&word).ok_or_else(|| wrong("ON_ERROR", &word, ON_ERROR))?;
                self.on_error = Some(found);
            }
            "MATCH_BY_COLUMN_NAME" if self.by_name.is_none() => {
                const EXPECTED: &str = "CASE_INSENSITIVE, CASE_SENSITIVE or NONE";
                let word = word(cursor, EXPECTED)?;
                self.by_name = Some(match word.as_str() {
                    "CASE_INSENSITIVE" => ByName::By(Case::Insensitive),
                    "CASE_SENSITIVE" => ByName::By(Case::Sensitive),
                    "NONE" => ByName::None,
                    _ => return Err(wrong("MATCH_BY_COLUMN_NAME", &word, EXPECTED)),
                });
            }
            "SIZE_LIMIT" if self.size_limit.is_none() => {
                value_of(cursor);
                self.size_limit = Some(cursor.number("SIZE_LIMIT", 1, u64::MAX)?);
            }
            "VALIDATION_MODE" if self.mode == Mode::Load => {
                const EXPECTED: &str = "RETURN_ERRORS, RETURN_ALL_ERRORS or RETURN_<number>_ROWS";
                let word = word(cursor, EXPECTED)?;
                let found = mode(&word).ok_or_else(|| wrong("VALIDATION_MODE", &word, EXPECTED))?;
                self.mode = found;
            }
            _ => match self.flag(&keyword) {
                Some(flag @ None) => {
                    value_of(cursor);
                    *flag = Some(cursor.boolean(&keyword)?);
                }
                Some(Some(_)) | None => return Err(cursor.expected_one_of(OPTIONS)),
            },
        }
        Ok(())
    }

    /// The option of this name that is true or false.
    fn flag(&mut self, name: &str) -> Option<&mut Option<bool>> {
        Some(match name {
            "FORCE" => &mut self.force,
            "PURGE" => &mut self.purge,
            "RETURN_FAILED_ONLY" => &mut self.return_failed_only,
            _ => return None,
        })
    }

    /// Loads.
    pub async fn execute(&self, session: &Session) -> Result<Outcome> {
        let (name, table) = kept::find(session, &self.table, StagePrivilege::Write).await?;
        let positions = insert::positions(&table, &self.columns)?;
        let purges = self.purge == Some(true) && self.mode == Mode::Load;
        let (select, wanted) = self.wanted(session).await?;
        // Who may not remove them learns it before anything is loaded.
        let stage = match purges {
            true => Some(session.files_at(&wanted.location.area, StagePrivilege::Write).await?),
            false => None,
        };
        let mut files = match wanted.table(FileTable::name_of(0), session).await {
            Err(Error::NoFiles { .. }) => {
                return Ok(Outcome::rows(self.columns(session).await?, Vec::new()));
            }
            files => files?,
        };
        if select.is_some() {
            files.options.entry(ALL_VARCHAR.to_owned()).or_insert_with(|| "TRUE".to_owned());
        }
        let is_text = |kind: &String| kind == "CSV" || kind == "TSV";
        let load = Load {
            select,
            by_name: match self.by_name {
                Some(ByName::None) => None,
                Some(ByName::By(case)) => Some(case),
                None if files.options.get("TYPE").is_some_and(is_text) => None,
                None => Some(Case::Insensitive),
            },
            files,
            positions,
            defaults: self.defaults(session, &table).await?,
            on_error: self.on_error.unwrap_or(OnError::Abort),
            force: self.force.unwrap_or_default() || self.mode != Mode::Load,
            size_limit: self.size_limit,
            only_look: self.mode != Mode::Load,
        };
        let rows = kept::rows(session, &name, &table, "the_table")?;
        if let Mode::Rows(most) = self.mode {
            let (columns, rows) = session.instance.engine.preview(rows, load, most).await?;
            return Ok(Outcome::Rows { columns, rows });
        }
        let loaded = session.instance.engine.load(rows, load).await?;
        if let Some(stage) = stage {
            let done: Vec<_> = loaded
                .iter()
                .filter(|file| file.status == LoadStatus::Loaded)
                .map(|file| Ok(file.entry.clone()))
                .collect();
            let mut removed = stage.remove(futures::stream::iter(done).boxed());
            while let Some((path, removed)) = removed.next().await {
                if let Err(error) = removed {
                    tracing::warn!(path, "a loaded file could not be removed: {error}");
                }
            }
        }
        Ok(Outcome::rows(columns(self.mode), self.answer(&loaded)))
    }

    /// What it answers.
    pub async fn columns(&self, session: &Session) -> Result<Vec<Column>> {
        match self.mode {
            Mode::Rows(_) => {
                kept::find(session, &self.table, StagePrivilege::Write).await?;
                Select::of_all(&self.table.to_string())?.known_columns(session).await
            }
            Mode::Load | Mode::Errors => Ok(columns(self.mode)),
        }
    }

    /// Which files are read and how; and what is made of their rows, if not all columns are taken as they are.
    async fn wanted(&self, session: &Session) -> Result<(Option<Query>, Wanted)> {
        let (select, mut wanted) = match &self.from {
            Source::Query(select) => {
                let (query, wanted) = files::of_one(select, session).await?;
                (Some(query), wanted)
            }
            Source::Location(location) => {
                let (pattern, files, format) = (None, Vec::new(), None);
                let (location, options) = (location.clone(), BTreeMap::new());
                (None, Wanted { location, pattern, files, options, format })
            }
        };
        let mut options = match &self.file_format {
            Some(options) => file_format::check(options)?,
            None => BTreeMap::new(),
        };
        if let Some(name) = options.remove(file_format::FORMAT_NAME) {
            wanted.format = Some(named_formats::named(&name)?);
        }
        wanted.options.extend(options);
        wanted.pattern = self.pattern.clone().or(wanted.pattern);
        wanted.files = self.files.clone().unwrap_or(wanted.files);
        Ok((select, wanted))
    }

    /// The defaults of the columns, as one row: they are for what a file has no column for.
    async fn defaults(
        &self,
        session: &Session,
        table: &crate::schema::table::Table,
    ) -> Result<Option<(Vec<usize>, Query)>> {
        let with_default =
            table.columns.iter().enumerate().filter(|(_, column)| column.default.is_some());
        let (positions, exprs): (Vec<usize>, Vec<_>) =
            with_default.filter_map(|(at, column)| Some((at, column.default.as_deref()?))).unzip();
        if positions.is_empty() {
            return Ok(None);
        }
        let mut query = crate::sql::dialect::query("SELECT 1")?;
        if let SetExpr::Select(select) = &mut *query.body {
            let items =
                exprs.iter().map(|text| Ok(SelectItem::UnnamedExpr(insert::expression(text)?)));
            select.projection = items.collect::<Result<_>>()?;
        }
        let select = Select { query, texts: Vec::new() };
        Ok(Some((positions, files::query(&select, session).await?)))
    }

    fn answer(&self, loaded: &[Loaded]) -> Vec<Row> {
        if self.mode == Mode::Errors {
            let row = |file: &Loaded| {
                let path = file.entry.path.clone();
                file.errors.clone().into_iter().map(move |error| {
                    vec![
                        error.why.into(),
                        path.as_str().into(),
                        Value::UInt(error.line),
                        error.character.map_or(Value::Null, Value::UInt),
                        error.column.into(),
                    ]
                })
            };
            return loaded.iter().flat_map(row).collect();
        }
        let failed_only = self.return_failed_only == Some(true);
        let shown = loaded.iter().filter(|file| !failed_only || file.errors_seen > 0);
        shown.map(|file| self.row(file)).collect()
    }

    fn row(&self, file: &Loaded) -> Row {
        let limit = match self.on_error.unwrap_or(OnError::Abort) {
            OnError::Abort => Value::UInt(1),
            OnError::Continue => Value::UInt(file.rows_parsed),
            OnError::SkipFile(Most::Rows(rows)) => Value::UInt(rows),
            OnError::SkipFile(Most::Percent(percent)) => {
                Value::UInt(file.rows_parsed.saturating_mul(percent) / 100)
            }
        };
        let status = match file.status {
            LoadStatus::Loaded => "LOADED",
            LoadStatus::Partial => "PARTIALLY_LOADED",
            LoadStatus::Failed => "LOAD_FAILED",
            LoadStatus::Skipped => "SKIPPED",
        };
        let first = file.errors.first();
        let why = match file.status {
            LoadStatus::Skipped => {
                Some("it was loaded before; FORCE = TRUE loads it again".to_owned())
            }
            LoadStatus::Loaded | LoadStatus::Partial | LoadStatus::Failed => {
                first.map(|error| error.why.clone())
            }
        };
        vec![
            file.entry.path.as_str().into(),
            status.into(),
            Value::UInt(file.rows_parsed),
            Value::UInt(file.rows_loaded),
            limit,
            Value::UInt(file.errors_seen),
            why.into(),
            first.map_or(Value::Null, |error| Value::UInt(error.line)),
            first.and_then(|error| error.character).map_or(Value::Null, Value::UInt),
            first.and_then(|error| error.column.clone()).into(),
        ]
    }
}

fn mode(word: &str) -> Option<Mode> {
    match word {
        "RETURN_ERRORS" | "RETURN_ALL_ERRORS" => Some(Mode::Errors),
        _ => {
            let rows = word.strip_prefix("RETURN_")?.strip_suffix("_ROWS")?.parse().ok()?;
            (rows > 0).then_some(Mode::Rows(rows))
        }
    }
}

fn on_error(word: &str) -> Option<OnError> {
    match word {
        "ABORT_STATEMENT" | "ABORT" => return Some(OnError::Abort),
        "CONTINUE" => return Some(OnError::Continue),
        "SKIP_FILE" => return Some(OnError::SkipFile(Most::Rows(1))),
        _ => {}
    }
    let rest = word.strip_prefix("SKIP_FILE_")?;
    let most = match rest.strip_suffix('%') {
        Some(percent) => Most::Percent(percent.parse().ok().filter(|percent| *percent <= 100)?),
        None => Most::Rows(rest.parse().ok().filter(|rows| *rows > 0)?),
    };
    Some(OnError::SkipFile(most))
}

/// Goes to the value of an option.
fn value_of(cursor: &mut Cursor<'_>) {
    cursor.advance();
    cursor.eat_sign("=");
}

/// The value of an option that is a word or a text: in upper case.
fn word(cursor: &mut Cursor<'_>, expected: &str) -> Result<String> {
    value_of(cursor);
    Ok(cursor.word_or_text(expected)?.to_uppercase())
}

fn wrong(option: &str, value: &str, expected: &str) -> Error {
    Error::BadValue {
        option: option.to_owned(),
        value: value.to_owned(),
        expected: expected.to_owned(),
    }
}

impl fmt::Display for CopyIntoTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "COPY INTO {}", self.table)?;
        if !self.columns.is_empty() {
            let columns: Vec<String> =
                self.columns.iter().map(|name| literal::name(name)).collect();
            write!(f, " ({})", columns.join(", "))?;
        }
        match &self.from {
            Source::Location(location) => write!(f, " FROM {location}")?,
            Source::Query(select) => write!(f, " FROM ({select})")?,
        }
        if let Some(files) = &self.files {
            let files: Vec<String> = files.iter().map(|name| literal::text(name)).collect();
            write!(f, " FILES = ({})", files.join(", "))?;
        }
        if let Some(pattern) = &self.pattern {
            write!(f, " PATTERN = {}", literal::text(pattern))?;
        }
        if let Some(options) = &self.file_format {
            // There are none among them.
            write!(f, " FILE_FORMAT = {}", options.print(Secrets::Expose))?;
        }
        match self.on_error {
            None => {}
            Some(OnError::Abort) => f.write_str(" ON_ERROR = ABORT_STATEMENT")?,
            Some(OnError::Continue) => f.write_str(" ON_ERROR = CONTINUE")?,
            Some(OnError::SkipFile(Most::Rows(1))) => f.write_str(" ON_ERROR = SKIP_FILE")?,
            Some(OnError::SkipFile(Most::Rows(rows))) => write!(f, " ON_ERROR = SKIP_FILE_{rows}")?,
            Some(OnError::SkipFile(Most::Percent(percent))) => {
                write!(f, " ON_ERROR = 'SKIP_FILE_{percent}%'")?;
            }
        }
        match self.by_name {
            None => {}
            Some(ByName::None) => f.write_str(" MATCH_BY_COLUMN_NAME = NONE")?,
            Some(ByName::By(Case::Insensitive)) => {
                f.write_str(" MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE")?;
            }
            Some(ByName::By(Case::Sensitive)) => {
                f.write_str(" MATCH_BY_COLUMN_NAME = CASE_SENSITIVE")?;
            }
        }
        let flags = [
            ("FORCE", self.force),
            ("PURGE", self.purge),
            ("RETURN_FAILED_ONLY", self.return_failed_only),
        ];
        for (name, flag) in flags {
            if let Some(flag) = flag {
                write!(f, " {name} = {}", if flag { "TRUE" } else { "FALSE" })?;
            }
        }
        if let Some(bytes) = self.size_limit {
            write!(f, " SIZE_LIMIT = {bytes}")?;
        }
        match self.mode {
            Mode::Load => Ok(()),
            Mode::Errors => f.write_str(" VALIDATION_MODE = RETURN_ERRORS"),
            Mode::Rows(rows) => write!(f, " VALIDATION_MODE = RETURN_{rows}_ROWS"),
        }
    }
}
