//! `COPY INTO <location>` writes what a query answers to files: it unloads.
//!
//! ```text
//! COPY INTO <location> FROM { <view or table> | <location> | (<query>) } [<option> ...]
//!
//! option: PARTITION BY (<expression> [AS <name>] [, ...]) | FILE_FORMAT = (TYPE = <type> ...)
//!       | SINGLE = <boolean> | OVERWRITE = <boolean> | MAX_FILE_SIZE = <bytes> | HEADER = <boolean>
//!       | DETAILED_OUTPUT = <boolean> | INCLUDE_QUERY_ID = <boolean> | USE_RAW_PATH = <boolean>
//!       | VALIDATION_MODE = RETURN_ROWS
//!
//! > COPY INTO @lake/books.csv.gz FROM (SELECT id, title FROM @lake/books.parquet) HEADER = TRUE
//! rows_unloaded  input_bytes  output_bytes
//! 20             812          431
//! > COPY INTO @lake/by_year/ FROM books PARTITION BY (year) DETAILED_OUTPUT = TRUE
//! file_name                                                                          file_size  row_count
//! by_year/year=1992/data_2c1f7d0e-0a70-4b6e-9d0f-5f6c0c6b9a11_0000_00000000.parquet  812        20
//! > COPY INTO @lake/books.csv.gz FROM books
//! ERROR 1086 (HY000): File 'books.csv.gz' already exists on the stage
//! ```
//!
//! A path that ends as the files of a format do (`.parquet`, `.csv.gz`) is one file of this name; every other
//! is a directory, in which files get names of their own. `SINGLE` says it where the path does not.
//!
//! Each file is there whole or not at all, and they come into sight together, at the end; what of a failed
//! statement was to be seen already is removed. The rights are those of the query, and `WRITE` on the target.
//!
//! Unlike Snowflake's and Databend's, one file of an exact name needs no option, a path is never the beginning
//! of a name, and a column in `PARTITION BY` makes `name=value/`; a text that is no column is the directory
//! itself, as with them. See `query::target` for names and `query::writing` for formats.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use sqlparser::ast::Expr;
use uuid::Uuid;

use crate::access::people::StagePrivilege;
use crate::error::Result;
use crate::query::{PartitionBy, Unload, Unloaded};
use crate::rows::{Column, Outcome, Row, Type};
use crate::session::{ClientFiles, Progress, Session};
use crate::sql::cursor::{Cursor, Token};
use crate::sql::location::Location;
use crate::sql::name::QualifiedName;
use crate::sql::options::{Options, Secrets};
use crate::sql::{dialect, literal};
use crate::stage::Files;
use crate::statement::ordinary::asks_only;
use crate::statement::progress;
use crate::statement::select::{Select, files};
use crate::statement::{Statement, create_stage, file_format, named_formats};

/// The greatest `MAX_FILE_SIZE`: 1 TiB.
const MOST_BYTES: u64 = 1 << 40;

/// A row a file, or one for all: as Snowflake and Databend name them.
pub fn columns(detailed: bool) -> Vec<Column> {
    if detailed {
        vec![
            Column::new("file_name", Type::Text),
            Column::new("file_size", Type::UInt),
            Column::new("row_count", Type::UInt),
        ]
    } else {
        vec![
            Column::new("rows_unloaded", Type::UInt),
            Column::new("input_bytes", Type::UInt),
            Column::new("output_bytes", Type::UInt),
        ]
    }
}

/// `COPY INTO <location>`
#[derive(Debug, Clone, PartialEq)]
pub struct CopyIntoLocation {
    /// A file, or a directory.
    pub into: Location,
    /// Whose rows.
    pub from: Source,
    /// What of a row decides its directory.
    pub partition_by: Vec<Partition>,
    /// How files are written.
    pub file_format: Option<Options>,
    /// Whether there is one file.
    pub single: Option<bool>,
    /// Whether to replace files of the same name.
    pub overwrite: Option<bool>,
    /// About how large a file becomes before another begins.
    pub max_file_size: Option<u64>,
    /// Whether text files begin with the names of the columns.
    pub header: Option<bool>,
    /// Whether there is a row a file.
    pub detailed_output: Option<bool>,
    /// Whether names have the query's id in them.
    pub include_query_id: Option<bool>,
    /// Whether the path of `SINGLE` is the file's.
    pub use_raw_path: Option<bool>,
    /// Whether the rows are answered, and nothing is written.
    pub return_rows: bool,
}

/// What is unloaded.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// All of a view or table.
    Table(QualifiedName),
    /// All that is in files.
    Location(Location),
    /// What a query answers.
    Query(Box<Select>),
}

/// An expression of `PARTITION BY`.
#[derive(Debug, Clone, PartialEq)]
pub struct Partition {
    /// What is computed of each row.
    pub expr: Expr,
    /// The name that it was given.
    pub alias: Option<String>,
}

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect("COPY")?;
    cursor.expect("INTO")?;
    let into = cursor.location("COPY INTO")?;
    cursor.expect("FROM")?;
    let mut copy = CopyIntoLocation {
        into,
        from: parse_source(cursor)?,
        partition_by: Vec::new(),
        file_format: None,
        single: None,
        overwrite: None,
        max_file_size: None,
        header: None,
        detailed_output: None,
        include_query_id: None,
        use_raw_path: None,
        return_rows: false,
    };
    while !cursor.at_end() {
        copy.parse_option(cursor)?;
    }
    Ok(Statement::CopyIntoLocation(Box::new(copy)))
}

fn parse_source(cursor: &mut Cursor<'_>) -> Result<Source> {
    match cursor.peek() {
        Token::Location(_) => Ok(Source::Location(cursor.location("FROM")?)),
        Token::Text(text) if text.starts_with('@') => {
            Ok(Source::Location(cursor.location("FROM")?))
        }
        Token::Sign(sign) if sign == "(" => {
            cursor.advance();
            let query = parse_query(cursor)?;
            cursor.expect_sign(")")?;
            Ok(Source::Query(Box::new(query)))
        }
        Token::Word(word) if begins_query(word) && !ends_name(cursor.peek_at(1)) => {
            Err(cursor.expected("a table, a location or a query in parentheses after FROM"))
        }
        Token::Word(_) | Token::Name(_) | Token::Text(_) => {
            Ok(Source::Table(QualifiedName::parse(cursor)?))
        }
        Token::Number(_) | Token::Uri(_) | Token::Sign(_) | Token::End => {
            Err(cursor.expected("a table, a location or a query in parentheses after FROM"))
        }
    }
}

/// Whether a query may begin so, which needs parentheses here.
fn begins_query(word: &str) -> bool {
    word.eq_ignore_ascii_case("SELECT") || word.eq_ignore_ascii_case("WITH")
}

/// Whether a name may end before this token: a table can be called `select`.
fn ends_name(next: &Token) -> bool {
    match next {
        Token::Word(word) => CopyIntoLocation::NAMES.iter().any(|name| {
            name.split(' ').next().is_some_and(|first| word.eq_ignore_ascii_case(first))
        }),
        Token::Sign(sign) => sign == ".",
        Token::End => true,
        Token::Name(_) | Token::Text(_) | Token::Number(_) | Token::Location(_) | Token::Uri(_) => {
            false
        }
    }
}

/// Reads a query in parentheses, of which the first is read.
pub fn parse_query(cursor: &mut Cursor<'_>) -> Result<Select> {
    let only_a_query = cursor.expected("a query");
    let mut inner = cursor.query()?;
    if !asks_only(&inner.query.body) {
        return Err(only_a_query);
    }
    files::name_places(&mut inner.query, cursor.places(), cursor.whole())?;
    Ok(Select { query: inner.query, texts: inner.texts })
}

impl CopyIntoLocation {
    const NAMES: &[&str] = &[
        "PARTITION BY",
        "FILE_FORMAT",
        "SINGLE",
        "OVERWRITE",
        "MAX_FILE_SIZE",
        "HEADER",
        "DETAILED_OUTPUT",
        "INCLUDE_QUERY_ID",
        "USE_RAW_PATH",
        "VALIDATION_MODE",
    ];

    fn parse_option(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        let keyword = cursor.keyword().unwrap_or_default();
        match keyword.as_str() {
            "PARTITION" if self.partition_by.is_empty() => {
                self.partition_by = parse_partition(cursor)?;
            }
            "FILE_FORMAT" if self.file_format.is_none() => {
                self.file_format = Some(create_stage::file_format(cursor)?);
                cursor.eat_sign(",");
            }
            "MAX_FILE_SIZE" if self.max_file_size.is_none() => {
                cursor.advance();
                cursor.eat_sign("=");
                self.max_file_size = Some(cursor.number("MAX_FILE_SIZE", 1, MOST_BYTES)?);
            }
            "VALIDATION_MODE" if !self.return_rows => {
                cursor.advance();
                cursor.eat_sign("=");
                cursor.expect("RETURN_ROWS")?;
                self.return_rows = true;
            }
            _ => match self.flag(&keyword) {
                Some(flag @ None) => {
                    cursor.advance();
                    cursor.eat_sign("=");
                    *flag = Some(cursor.boolean(&keyword)?);
                }
                Some(Some(_)) | None => return Err(cursor.expected_one_of(Self::NAMES)),
            },
        }
        Ok(())
    }

    /// The option of this name that is true or false.
    fn flag(&mut self, name: &str) -> Option<&mut Option<bool>> {
        Some(match name {
            "SINGLE" => &mut self.single,
            "OVERWRITE" => &mut self.overwrite,
            "HEADER" => &mut self.header,
            "DETAILED_OUTPUT" => &mut self.detailed_output,
            "INCLUDE_QUERY_ID" => &mut self.include_query_id,
            "USE_RAW_PATH" => &mut self.use_raw_path,
            _ => return None,
        })
    }

    /// What it answers.
    pub async fn columns(&self, session: &Session) -> Result<Vec<Column>> {
        match self.return_rows {
            true => self.select()?.known_columns(session).await,
            false => Ok(columns(self.detailed())),
        }
    }

    /// Writes the files.
    pub async fn execute(
        &self,
        session: &mut Session,
        client: &mut dyn ClientFiles,
    ) -> Result<Outcome> {
        let files = session.files_at(&self.into.area, StagePrivilege::Write).await?;
        if self.return_rows {
            return self.select()?.execute(session).await;
        }
        let unload = self.unload(files, session).await?;
        let rows = Arc::clone(&unload.rows);
        let how_far = || {
            let rows = rows.load(Ordering::Relaxed);
            Progress::of((0, 0), format!("unloading; {rows} rows done"))
        };
        let work = session.instance.engine.unload(unload);
        let written = progress::tell_while_there(client, how_far, work).await?;
        Ok(Outcome::rows(columns(self.detailed()), self.report(written)))
    }

    /// What the engine is to do.
    async fn unload(&self, files: Arc<Files>, session: &Session) -> Result<Unload> {
        let mut partition_by = Vec::new();
        for Partition { expr, alias } in &self.partition_by {
            let expr = files::folded(expr.clone(), session)?;
            partition_by.push(PartitionBy::of(expr, alias.clone()));
        }
        Ok(Unload {
            query: files::query(&self.select()?, session).await?,
            partition_by,
            files,
            path: self.into.path.clone(),
            options: self.options(session).await?,
            single: self.single,
            use_raw_path: self.use_raw_path,
            header: self.header,
            overwrite: self.overwrite.unwrap_or(false),
            max_file_size: self.max_file_size,
            query_id: self.include_query_id.unwrap_or(true).then(Uuid::new_v4),
            transfer: session.instance.config.transfer.clone(),
            rows: Arc::default(),
        })
    }

    /// A row a file, or one for all.
    fn report(&self, written: Vec<Unloaded>) -> Vec<Row> {
        if self.detailed() {
            let row = |file: Unloaded| vec![file.path.into(), file.size.into(), file.rows.into()];
            return written.into_iter().map(row).collect();
        }
        let sum = |of: fn(&Unloaded) -> u64| written.iter().map(of).sum::<u64>();
        let (rows, plain, size) = (sum(|f| f.rows), sum(|f| f.plain), sum(|f| f.size));
        vec![vec![rows.into(), plain.into(), size.into()]]
    }

    /// Whether there is a row a file.
    fn detailed(&self) -> bool {
        self.detailed_output.unwrap_or(false)
    }

    /// The query whose rows are written.
    fn select(&self) -> Result<Select> {
        match &self.from {
            Source::Query(select) => Ok((**select).clone()),
            Source::Table(name) => Select::of_all(&name.to_string()),
            Source::Location(location) => Select::of_all(&literal::text(&location.text())),
        }
    }

    /// The checked `FILE_FORMAT`, above that of the stage; a format that it names is in the place of the stage's.
    async fn options(&self, session: &Session) -> Result<BTreeMap<String, String>> {
        let pairs = self.file_format.as_ref().map(Options::pairs).unwrap_or_default();
        let mut own = file_format::check_pairs(pairs)?;
        let below = match own.remove(file_format::FORMAT_NAME) {
            Some(name) => {
                named_formats::find(session, &named_formats::named(&name)?).await?.format.options
            }
            None => session.format_at(&self.into.area).await?,
        };
        Ok(named_formats::over(below, own))
    }
}

fn parse_partition(cursor: &mut Cursor<'_>) -> Result<Vec<Partition>> {
    cursor.expect("PARTITION")?;
    cursor.expect("BY")?;
    cursor.expect_sign("(")?;
    let mut all = Vec::new();
    loop {
        if matches!(cursor.peek(), Token::Sign(sign) if sign == ")") {
            return Err(cursor.expected("an expression"));
        }
        let expr = cursor.expression()?;
        let alias = match cursor.eat("AS") {
            true => Some(cursor.name("a name after AS")?),
            false => None,
        };
        all.push(Partition { expr, alias });
        if !cursor.eat_sign(",") {
            cursor.expect_sign(")")?;
            return Ok(all);
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Table(name) => name.fmt(f),
            Source::Location(location) => location.fmt(f),
            Source::Query(select) => write!(f, "({select})"),
        }
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&dialect::printed(&self.expr))?;
        match &self.alias {
            Some(alias) => write!(f, " AS {}", literal::name(alias)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for CopyIntoLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "COPY INTO {} FROM {}", self.into, self.from)?;
        if !self.partition_by.is_empty() {
            let all: Vec<String> = self.partition_by.iter().map(ToString::to_string).collect();
            write!(f, " PARTITION BY ({})", all.join(", "))?;
        }
        if let Some(options) = &self.file_format {
            // None of them is a secret.
            write!(f, " FILE_FORMAT = {}", options.print(Secrets::Expose))?;
        }
        if let Some(bytes) = self.max_file_size {
            write!(f, " MAX_FILE_SIZE = {bytes}")?;
        }
        for (name, flag) in [
            ("SINGLE", self.single),
            ("OVERWRITE", self.overwrite),
            ("HEADER", self.header),
            ("DETAILED_OUTPUT", self.detailed_output),
            ("INCLUDE_QUERY_ID", self.include_query_id),
            ("USE_RAW_PATH", self.use_raw_path),
        ] {
            if let Some(on) = flag {
                write!(f, " {name} = {}", literal::boolean(on))?;
            }
        }
        f.write_str(if self.return_rows { " VALIDATION_MODE = RETURN_ROWS" } else { "" })
    }
}
