//! `SHOW ENGINES`, `SHOW TABLES`, `SHOW COLUMNS` ...: the tables that describe the server, under other
//! names. [`KINDS`] is the table of them all.
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

use std::fmt;

use crate::error::{Error, Result};
use crate::rows::{Column, Outcome, Row, Value};
use crate::session::Session;
use crate::sql::cursor::Cursor;
use crate::sql::name::QualifiedName;
use crate::sql::scan::Scan;
use crate::statement::expression::like;
use crate::statement::show_create::ShowCreate;
use crate::statement::show_diagnostics::ShowDiagnostics;
use crate::statement::show_grants::ShowGrants;
use crate::statement::show_stages::{Filter, filtered};
use crate::statement::show_variables::ShowVariables;
use crate::statement::tables::{Table, World, is_schema, schemas};
use crate::statement::variables::Scope;
use crate::statement::{Statement, unknown};

/// A column that is shown, and the one of the table that it is.
type Shown = (&'static str, &'static str);

/// One kind of `SHOW`.
#[derive(Debug, PartialEq)]
struct Kind {
    /// What it may be called.
    words: &'static [&'static [&'static str]],
    /// The table of `information_schema`, or one that is only shown.
    table: &'static str,
    columns: &'static [Shown],
    /// With `FULL`; empty where that is the same.
    full: &'static [Shown],
    of: Of,
    /// The column of the table that `LIKE` is over.
    like: &'static str,
}

/// What it shows a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Server,
    /// The database in this column of the table: the one that is named, else the current one.
    Database(&'static str),
    /// The database in this column, if one is named.
    AnyDatabase(&'static str),
    /// One table, whose name is in `TABLE_NAME`.
    Table,
}

const fn kind(
    words: &'static [&'static [&'static str]],
    table: &'static str,
    columns: &'static [Shown],
    of: Of,
    like: &'static str,
) -> Kind {
    Kind { words, table, columns, full: &[], of, like }
}

const ROUTINE: &[Shown] = &[
    ("Db", "ROUTINE_SCHEMA"),
    ("Name", "ROUTINE_NAME"),
    ("Type", "ROUTINE_TYPE"),
    ("Definer", "DEFINER"),
    ("Modified", "LAST_ALTERED"),
    ("Created", "CREATED"),
    ("Security_type", "SECURITY_TYPE"),
    ("Comment", "ROUTINE_COMMENT"),
    ("character_set_client", "CHARACTER_SET_CLIENT"),
    ("collation_connection", "COLLATION_CONNECTION"),
    ("Database Collation", "DATABASE_COLLATION"),
];

/// The first column of `SHOW TABLES`; the database's name follows.
const TABLES_IN: &str = "Tables_in_";

const KINDS: &[Kind] = &[
    Kind {
        full: &[(TABLES_IN, "TABLE_NAME"), ("Table_type", "TABLE_TYPE")],
        ..kind(
            &[&["TABLES"]],
            "TABLES",
            &[(TABLES_IN, "TABLE_NAME")],
            Of::Database("TABLE_SCHEMA"),
            "TABLE_NAME",
        )
    },
    kind(
        &[&["TABLE", "STATUS"]],
        "TABLES",
        &[
            ("Name", "TABLE_NAME"),
            ("Engine", "ENGINE"),
            ("Version", "VERSION"),
            ("Row_format", "ROW_FORMAT"),
            ("Rows", "TABLE_ROWS"),
            ("Avg_row_length", "AVG_ROW_LENGTH"),
            ("Data_length", "DATA_LENGTH"),
            ("Max_data_length", "MAX_DATA_LENGTH"),
            ("Index_length", "INDEX_LENGTH"),
            ("Data_free", "DATA_FREE"),
            ("Auto_increment", "AUTO_INCREMENT"),
            ("Create_time", "CREATE_TIME"),
            ("Update_time", "UPDATE_TIME"),
            ("Check_time", "CHECK_TIME"),
            ("Collation", "TABLE_COLLATION"),
            ("Checksum", "CHECKSUM"),
            ("Create_options", "CREATE_OPTIONS"),
            ("Comment", "TABLE_COMMENT"),
        ],
        Of::Database("TABLE_SCHEMA"),
        "TABLE_NAME",
    ),
    Kind {
        full: &[
            ("Field", "COLUMN_NAME"),
            ("Type", "COLUMN_TYPE"),
            ("Collation", "COLLATION_NAME"),
            ("Null", "IS_NULLABLE"),
            ("Key", "COLUMN_KEY"),
            ("Default", "COLUMN_DEFAULT"),
            ("Extra", "EXTRA"),
            ("Privileges", "PRIVILEGES"),
            ("Comment", "COLUMN_COMMENT"),
        ],
        ..kind(
            &[&["COLUMNS"], &["FIELDS"]],
            "COLUMNS",
            &[
                ("Field", "COLUMN_NAME"),
                ("Type", "COLUMN_TYPE"),
                ("Null", "IS_NULLABLE"),
                ("Key", "COLUMN_KEY"),
                ("Default", "COLUMN_DEFAULT"),
                ("Extra", "EXTRA"),
            ],
            Of::Table,
            "COLUMN_NAME",
        )
    },
    kind(
        &[&["INDEX"], &["INDEXES"], &["KEYS"]],
        "STATISTICS",
        &[
            ("Table", "TABLE_NAME"),
            ("Non_unique", "NON_UNIQUE"),
            ("Key_name", "INDEX_NAME"),
            ("Seq_in_index", "SEQ_IN_INDEX"),
            ("Column_name", "COLUMN_NAME"),
            ("Collation", "COLLATION"),
            ("Cardinality", "CARDINALITY"),
            ("Sub_part", "SUB_PART"),
            ("Packed", "PACKED"),
            ("Null", "NULLABLE"),
            ("Index_type", "INDEX_TYPE"),
            ("Comment", "COMMENT"),
            ("Index_comment", "INDEX_COMMENT"),
            ("Visible", "IS_VISIBLE"),
            ("Expression", "EXPRESSION"),
        ],
        Of::Table,
        "INDEX_NAME",
    ),
    kind(
        &[&["ENGINES"], &["STORAGE", "ENGINES"]],
        "ENGINES",
        &[
            ("Engine", "ENGINE"),
            ("Support", "SUPPORT"),
            ("Comment", "COMMENT"),
            ("Transactions", "TRANSACTIONS"),
            ("XA", "XA"),
            ("Savepoints", "SAVEPOINTS"),
        ],
        Of::Server,
        "ENGINE",
    ),
    kind(
        &[&["PLUGINS"]],
        "PLUGINS",
        &[
            ("Name", "PLUGIN_NAME"),
            ("Status", "PLUGIN_STATUS"),
            ("Type", "PLUGIN_TYPE"),
            ("Library", "PLUGIN_LIBRARY"),
            ("License", "PLUGIN_LICENSE"),
        ],
        Of::Server,
        "PLUGIN_NAME",
    ),
    kind(
        &[&["CHARACTER", "SET"], &["CHARSET"], &["CHAR", "SET"]],
        "CHARACTER_SETS",
        &[
            ("Charset", "CHARACTER_SET_NAME"),
            ("Description", "DESCRIPTION"),
            ("Default collation", "DEFAULT_COLLATE_NAME"),
            ("Maxlen", "MAXLEN"),
        ],
        Of::Server,
        "CHARACTER_SET_NAME",
    ),
    kind(
        &[&["COLLATION"]],
        "COLLATIONS",
        &[
            ("Collation", "COLLATION_NAME"),
            ("Charset", "CHARACTER_SET_NAME"),
            ("Id", "ID"),
            ("Default", "IS_DEFAULT"),
            ("Compiled", "IS_COMPILED"),
            ("Sortlen", "SORTLEN"),
            ("Pad_attribute", "PAD_ATTRIBUTE"),
        ],
        Of::Server,
        "COLLATION_NAME",
    ),
    kind(
        &[&["PROCESSLIST"]],
        "PROCESSLIST",
        &[
            ("Id", "ID"),
            ("User", "USER"),
            ("Host", "HOST"),
            ("db", "DB"),
            ("Command", "COMMAND"),
            ("Time", "TIME"),
            ("State", "STATE"),
            ("Info", "INFO"),
        ],
        Of::Server,
        "USER",
    ),
    kind(
        &[&["TRIGGERS"]],
        "TRIGGERS",
        &[
            ("Trigger", "TRIGGER_NAME"),
            ("Event", "EVENT_MANIPULATION"),
            ("Table", "EVENT_OBJECT_TABLE"),
            ("Statement", "ACTION_STATEMENT"),
            ("Timing", "ACTION_TIMING"),
            ("Created", "CREATED"),
            ("sql_mode", "SQL_MODE"),
            ("Definer", "DEFINER"),
            ("character_set_client", "CHARACTER_SET_CLIENT"),
            ("collation_connection", "COLLATION_CONNECTION"),
            ("Database Collation", "DATABASE_COLLATION"),
        ],
        Of::Database("TRIGGER_SCHEMA"),
        "EVENT_OBJECT_TABLE",
    ),
    kind(
        &[&["EVENTS"]],
        "EVENTS",
        &[
            ("Db", "EVENT_SCHEMA"),
            ("Name", "EVENT_NAME"),
            ("Definer", "DEFINER"),
            ("Time zone", "TIME_ZONE"),
            ("Type", "EVENT_TYPE"),
            ("Execute at", "EXECUTE_AT"),
            ("Interval value", "INTERVAL_VALUE"),
            ("Interval field", "INTERVAL_FIELD"),
            ("Starts", "STARTS"),
            ("Ends", "ENDS"),
            ("Status", "STATUS"),
            ("Originator", "ORIGINATOR"),
            ("character_set_client", "CHARACTER_SET_CLIENT"),
            ("collation_connection", "COLLATION_CONNECTION"),
            ("Database Collation", "DATABASE_COLLATION"),
        ],
        Of::Database("EVENT_SCHEMA"),
        "EVENT_NAME",
    ),
    kind(&[&["PROCEDURE", "STATUS"]], "ROUTINES", ROUTINE, Of::Server, "ROUTINE_NAME"),
    kind(&[&["FUNCTION", "STATUS"]], "ROUTINES", ROUTINE, Of::Server, "ROUTINE_NAME"),
    kind(
        &[&["PRIVILEGES"]],
        "PRIVILEGES",
        &[("Privilege", "PRIVILEGE"), ("Context", "CONTEXT"), ("Comment", "COMMENT")],
        Of::Server,
        "PRIVILEGE",
    ),
    kind(
        &[&["OPEN", "TABLES"]],
        "OPEN_TABLES",
        &[
            ("Database", "DATABASE"),
            ("Table", "TABLE"),
            ("In_use", "IN_USE"),
            ("Name_locked", "NAME_LOCKED"),
        ],
        Of::AnyDatabase("DATABASE"),
        "TABLE",
    ),
    kind(
        &[&["PROFILES"]],
        "PROFILES",
        &[("Query_ID", "QUERY_ID"), ("Duration", "DURATION"), ("Query", "QUERY")],
        Of::Server,
        "QUERY",
    ),
    kind(
        &[&["BINARY", "LOG", "STATUS"], &["MASTER", "STATUS"]],
        "BINARY_LOG_STATUS",
        &[
            ("File", "FILE"),
            ("Position", "POSITION"),
            ("Binlog_Do_DB", "BINLOG_DO_DB"),
            ("Binlog_Ignore_DB", "BINLOG_IGNORE_DB"),
            ("Executed_Gtid_Set", "EXECUTED_GTID_SET"),
        ],
        Of::Server,
        "FILE",
    ),
];

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
    if cursor.eat("GRANTS") {
        return ShowGrants::parse(&mut cursor, scan);
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
            Some(Filter::Like(pattern)) => Some((place(self.kind.like)?, pattern)),
            Some(Filter::Where(_)) | None => None,
        };
        let is_wanted = |row: &Row| {
            let text = |place: usize| row.get(place).map(Value::to_string).unwrap_or_default();
            wanted.iter().all(|(place, name)| is_same(&text(*place), name))
                && pattern.is_none_or(|(place, pattern)| like(&text(place), pattern))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_table_and_columns() {
        for kind in KINDS {
            let columns = Table::shown(kind.table).expect(kind.table).columns();
            let shown = kind.columns.iter().chain(kind.full).map(|(_, name)| *name);
            let of = match kind.of {
                Of::Server => None,
                Of::Database(column) | Of::AnyDatabase(column) => Some(column),
                Of::Table => Some("TABLE_NAME"),
            };
            for name in shown.chain([kind.like]).chain(of) {
                assert!(columns.iter().any(|column| column.name == name), "{} {name}", kind.table);
            }
        }
    }
}
