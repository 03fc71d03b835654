//! `SHOW ENGINES`, `SHOW TABLES`, `SHOW COLUMNS` ...: the tables that describe the server, under other
//! names. `kinds` has the table of them all.
//!
//! ```text
//! SHOW [FULL] TABLES [{ FROM | IN } <database>] [LIKE '<pattern>' | WHERE <condition>]
//! SHOW [FULL] COLUMNS { FROM | IN } <table> [{ FROM | IN } <database>] [LIKE ... | WHERE ...]
//! { DESCRIBE | DESC | EXPLAIN } <table> [<column>]
//!
//! > SHOW FULL TABLES
//! Tables_in_default  Table_type
//! lake               BASE TABLE
//! > SHOW COLUMNS FROM sea
//! ERROR 1146 (42S02): Table 'default.sea' doesn't exist
//! ```
//!
//! Where MySQL has something and this server has not (triggers, events, routines, indexes), the set is
//! empty, with MySQL's columns.

mod kinds;

use std::fmt;

use self::kinds::{KINDS, Kind, Of, Shown, TABLES_IN};
use crate::error::{Error, Result};
use crate::rows::{Column, Outcome, Row, Value};
use crate::session::Session;
use crate::sql::cursor::Cursor;
use crate::sql::name::QualifiedName;
use crate::sql::scan::Scan;
use crate::statement::expression::{escaped_by, like};
use crate::statement::show_create::ShowCreate;
use crate::statement::show_diagnostics::ShowDiagnostics;
use crate::statement::show_stages::{Filter, filtered};
use crate::statement::show_variables::ShowVariables;
use crate::statement::tables::{Table, World, is_schema, schemas};
use crate::statement::variables::Scope;
use crate::statement::{Statement, unknown};

/// `SHOW ENGINES` and the like
#[derive(Debug, Clone, PartialEq)]
pub struct Show {
    kind: &'static Kind,
    full: bool,
    database: Option<String>,
    table: Option<String>,
    filter: Option<Filter>,
    text: String,
}

/// Reads any `SHOW` that is not of ours alone.
pub fn parse(scan: &Scan<'_>) -> Result<Statement> {
    let mut cursor = Cursor::from_scan(scan.statement, scan)?;
    cursor.expect("SHOW")?;
    if cursor.eat("CREATE") {
        return ShowCreate::parse(&mut cursor);
    }
    if cursor.eat_all(&["BINARY", "LOGS"]) || cursor.eat_all(&["MASTER", "LOGS"]) {
        cursor.expect_end("")?;
        return Err(Error::NoBinaryLog);
    }
    if cursor.eat("ENGINE") {
        // Those that there are have nothing to tell.
        return Err(Error::UnknownEngine { name: cursor.word_or_text("an engine")? });
    }
    if let Some(diagnostics) = ShowDiagnostics::parse(&mut cursor)? {
        return Ok(Statement::ShowDiagnostics(diagnostics));
    }
    let scope = if cursor.eat("GLOBAL") {
        Some(Scope::Global)
    } else if cursor.eat("SESSION") || cursor.eat("LOCAL") {
        Some(Scope::Session)
    } else {
        None
    };
    let status = cursor.sees("STATUS");
    if status || cursor.sees("VARIABLES") || scope.is_some() {
        if !status {
            cursor.expect("VARIABLES")?;
        } else {
            cursor.advance();
        }
        let filter = filter(&mut cursor)?;
        let scope = scope.unwrap_or(Scope::Session);
        return Ok(Statement::ShowVariables(ShowVariables { status, scope, filter }));
    }
    let _ = cursor.eat("EXTENDED");
    let full = cursor.eat("FULL");
    let found = KINDS.iter().find(|kind| kind.words.iter().any(|words| cursor.eat_all(words)));
    let Some(kind) = found else { return Err(unknown(scan)) };
    let (mut table, mut database) = (None, None);
    if kind.of == Of::Table {
        if !eat_from(&mut cursor) {
            return Err(cursor.expected("FROM or IN"));
        }
        let name = QualifiedName::parse(&mut cursor)?;
        (table, database) = (Some(name.name), name.database);
    }
    if kind.of != Of::Server && eat_from(&mut cursor) {
        database = Some(cursor.name("a database")?);
    }
    let filter = filter(&mut cursor)?;
    let text = scan.statement.trim().to_owned();
    Ok(Statement::Show(Box::new(Show { kind, full, database, table, filter, text })))
}

/// Reads `DESCRIBE <table> [<column>]`.
pub fn parse_describe(scan: &Scan<'_>) -> Result<Statement> {
    let mut cursor = Cursor::from_scan(scan.statement, scan)?;
    cursor.advance();
    if ["SELECT", "FORMAT", "ANALYZE", "TABLE", "WITH"].iter().any(|word| cursor.sees(word)) {
        return Err(Error::Unsupported {
            what: "EXPLAIN of a statement".to_owned(),
            hint: Some("DESCRIBE shows the columns of a table".to_owned()),
        });
    }
    let name = QualifiedName::parse(&mut cursor)?;
    let filter =
        if cursor.at_end() { None } else { Some(Filter::Like(cursor.word_or_text("a column")?)) };
    cursor.expect_end("")?;
    let kind = KINDS.iter().find(|kind| kind.table == "COLUMNS").ok_or_else(|| unknown(scan))?;
    let text = scan.statement.trim().to_owned();
    Ok(Statement::Show(Box::new(Show {
        kind,
        full: false,
        database: name.database,
        table: Some(name.name),
        filter,
        text,
    })))
}

fn eat_from(cursor: &mut Cursor<'_>) -> bool {
    cursor.eat("FROM") || cursor.eat("IN")
}

fn filter(cursor: &mut Cursor<'_>) -> Result<Option<Filter>> {
    let filter = Filter::parse(cursor)?;
    cursor.expect_end(if filter.is_some() { "" } else { "LIKE, WHERE" })?;
    Ok(filter)
}

/// Reads `LIMIT [<offset>,] <count>`, which `SHOW WARNINGS` takes.
pub fn limit(cursor: &mut Cursor<'_>) -> Result<Option<(u64, u64)>> {
    if !cursor.eat("LIMIT") {
        return Ok(None);
    }
    let first = cursor.number("LIMIT", 0, u64::MAX)?;
    let limit = if cursor.eat_sign(",") {
        (first, cursor.number("LIMIT", 0, u64::MAX)?)
    } else if cursor.eat("OFFSET") {
        (cursor.number("OFFSET", 0, u64::MAX)?, first)
    } else {
        (0, first)
    };
    Ok(Some(limit))
}

impl Show {
    fn shown(&self) -> &'static [Shown] {
        if self.full && !self.kind.full.is_empty() { self.kind.full } else { self.kind.columns }
    }

    /// The database that it shows a part of; `None` where it is all of them, or the server.
    fn database<'a>(&'a self, session: &'a Session) -> Result<Option<&'a str>> {
        let named = self.database.as_deref();
        match self.kind.of {
            Of::Server => Ok(None),
            Of::AnyDatabase(_) => Ok(named),
            Of::Database(_) | Of::Table => match named.or(session.database.as_deref()) {
                Some(database) => Ok(Some(database)),
                None => Err(Error::NoDatabase),
            },
        }
    }

    /// [`KINDS`] names a table or a column that is not there. The tests would have said so.
    fn table() -> Error {
        Error::Internal { what: "a SHOW without its table".to_owned() }
    }

    /// What it shows.
    pub fn columns(&self, session: &Session) -> Result<Vec<Column>> {
        let source = Table::shown(self.kind.table).ok_or_else(Show::table)?.columns();
        self.shown()
            .iter()
            .map(|(shown, name)| {
                let column = source.iter().find(|column| column.name == *name);
                let column = column.ok_or_else(Show::table)?;
                let name = if *shown == TABLES_IN {
                    format!("{TABLES_IN}{}", self.database(session)?.unwrap_or_default())
                } else {
                    (*shown).to_owned()
                };
                Ok(Column { name, ..column.clone() })
            })
            .collect()
    }

    /// Shows it.
    pub async fn execute(&self, session: &Session) -> Result<Outcome> {
        let columns = self.columns(session)?;
        let database = self.database(session)?;
        // What is of one database may name one that is not there.
        let world = match database {
            Some(_) => World::of_server(session).await?,
            None => {
                let table = Table::shown(self.kind.table).ok_or_else(Show::table)?;
                World::of_table(session, table).await?
            }
        };
        if let Some(database) = database {
            if !world.has_database(database) {
                return Err(Error::UnknownDatabase { name: database.to_owned() });
            }
            if let Some(table) = &self.table
                && world.columns(database, table).is_none()
            {
                return Err(Error::UnknownTable { name: format!("{database}.{table}") });
            }
        }
        let rows = self.rows(&world, session, database)?;
        // LIKE is done already.
        let rest = self.filter.as_ref().filter(|filter| matches!(filter, Filter::Where(_)));
        let rows = filtered(session, rest, &columns, rows)?;
        Ok(Outcome::rows(columns, rows))
    }

    fn rows(&self, world: &World, session: &Session, database: Option<&str>) -> Result<Vec<Row>> {
        let table = Table::shown(self.kind.table).ok_or_else(Show::table)?;
        let source = table.columns();
        let place = |name: &str| {
            source.iter().position(|column| column.name == name).ok_or_else(Show::table)
        };
        let shown: Vec<usize> =
            self.shown().iter().map(|(_, name)| place(name)).collect::<Result<_>>()?;
        let mut wanted: Vec<(usize, &str)> = Vec::new();
        if let Some(database) = database {
            let column = match self.kind.of {
                Of::Database(column) | Of::AnyDatabase(column) => column,
                Of::Table | Of::Server => "TABLE_SCHEMA",
            };
            wanted.push((place(column)?, database));
        }
        if let Some(name) = &self.table {
            wanted.push((place("TABLE_NAME")?, name));
        }
        let pattern = match &self.filter {
            Some(Filter::Like(pattern)) => {
                let plain = session.sql_mode().no_backslash_escapes.then_some("");
                Some((place(self.kind.like)?, escaped_by(pattern, plain)))
            }
            Some(Filter::Where(_)) | None => None,
        };
        let is_wanted = |row: &Row| {
            let text = |place: usize| row.get(place).map(Value::to_string).unwrap_or_default();
            wanted.iter().all(|(place, name)| is_same(&text(*place), name))
                && pattern.as_ref().is_none_or(|(place, pattern)| like(&text(*place), pattern))
        };
        let rows = table.rows(world, session).into_iter().filter(is_wanted);
        let cut = self.kind.table == "PROCESSLIST" && !self.full;
        let pick = |row: Row| {
            let values = shown.iter().map(|place| row.get(*place).cloned());
            let values = values.map(|value| value.unwrap_or(Value::Null));
            values.map(|value| if cut { shortened(value) } else { value }).collect()
        };
        Ok(rows.map(pick).collect())
    }
}

/// Without `FULL`, as much of a statement as MySQL shows.
fn shortened(value: Value) -> Value {
    const MOST: usize = 100;
    if let Value::Text(text) = &value
        && let Some((end, _)) = text.char_indices().nth(MOST)
    {
        return text.get(..end).unwrap_or_default().into();
    }
    value
}

/// Names of stages are what they are; those of tables that describe the server may be in any case.
fn is_same(name: &str, wanted: &str) -> bool {
    name == wanted
        || (name.eq_ignore_ascii_case(wanted)
            && (is_schema(name) || schemas().any(|schema| Table::find(schema, name).is_some())))
}

impl fmt::Display for Show {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
