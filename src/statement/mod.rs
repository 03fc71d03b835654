//! Every statement, one a file. A file reads from top to bottom: what the statement is for, its
//! synopsis, examples; then its columns, its parts, `parse`, `Display`, `execute`.
//!
//! [`ENTRIES`] is the table of our own statements; dispatcher, "did you mean" and tests are fed
//! from it. Everything else is MySQL's: see [`ordinary`]. What it is answered from are [`variables`] and
//! [`tables`], by [`select`] and [`show`].

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use futures::future::BoxFuture;

use crate::error::{Error, Result};
use crate::rows::{Column, Outcome};
use crate::session::{ClientFiles, Session};
use crate::similar::nearest_words;
use crate::sql::cursor::Cursor;
use crate::sql::mode::SqlMode;
use crate::sql::options::Secrets;
use crate::sql::scan::{Mode, Scan, scan};

pub mod alter_connection;
pub mod alter_file_format;
pub mod alter_stage;
pub mod alter_user;
pub mod call_stage_put;
pub mod charset;
pub mod copy_files;
pub mod copy_into;
pub mod copy_into_location;
pub mod copy_into_table;
pub mod create_connection;
pub mod create_database;
pub mod create_file_format;
pub mod create_role;
pub mod create_stage;
pub mod create_table;
pub mod create_user;
pub mod create_view;
pub mod describe_connection;
pub mod describe_file_format;
pub mod describe_stage;
pub mod drop_connection;
pub mod drop_database;
pub mod drop_file_format;
pub mod drop_role;
pub mod drop_stage;
pub mod drop_user;
pub mod explain;
pub mod expression;
pub mod file_format;
pub mod get;
pub mod grant;
pub mod insert;
pub mod kept;
pub mod kill;
pub mod list;
pub mod named_connections;
pub mod named_formats;
pub mod optimize_table;
pub mod ordinary;
pub mod presign;
pub mod progress;
pub mod put;
pub mod remove;
pub mod revoke;
pub mod select;
pub mod set;
pub mod set_password;
pub mod set_role;
pub mod show;
pub mod show_connections;
pub mod show_create;
pub mod show_create_file_format;
pub mod show_create_stage;
pub mod show_databases;
pub mod show_diagnostics;
pub mod show_file_formats;
pub mod show_grants;
pub mod show_last_transfer;
pub mod show_roles;
pub mod show_stages;
pub mod show_users;
pub mod show_variables;
pub mod tables;
pub mod transaction;
pub mod use_database;
pub mod variables;

use alter_connection::AlterConnection;
use alter_file_format::AlterFileFormat;
use alter_stage::AlterStage;
use alter_user::AlterUser;
use call_stage_put::{CallStagePut, Content};
use copy_files::CopyFiles;
use copy_into_location::CopyIntoLocation;
use copy_into_table::CopyIntoTable;
use create_connection::CreateConnection;
use create_database::CreateDatabase;
use create_file_format::CreateFileFormat;
use create_role::CreateRole;
use create_stage::CreateStage;
use create_table::{CreateTable, DropTable, TruncateTable};
use create_user::CreateUser;
use create_view::{CreateView, DropView};
use describe_connection::DescribeConnection;
use describe_file_format::DescribeFileFormat;
use describe_stage::DescribeStage;
use drop_connection::DropConnection;
use drop_database::DropDatabase;
use drop_file_format::DropFileFormat;
use drop_role::DropRole;
use drop_stage::DropStage;
use drop_user::DropUser;
use explain::Explain;
use get::Get;
use grant::Grant;
use insert::{ChangeRows, Insert};
use kill::Kill;
use list::List;
use optimize_table::OptimizeTable;
use presign::Presign;
use put::Put;
use remove::Remove;
use revoke::Revoke;
use select::Select;
use set::Set;
use set_password::SetPassword;
use set_role::SetRole;
use show::Show;
use show_connections::ShowConnections;
use show_create::ShowCreate;
use show_create_file_format::ShowCreateFileFormat;
use show_create_stage::ShowCreateStage;
use show_databases::ShowDatabases;
use show_diagnostics::ShowDiagnostics;
use show_file_formats::ShowFileFormats;
use show_grants::ShowGrants;
use show_last_transfer::ShowLastTransfer;
use show_roles::ShowRoles;
use show_stages::ShowStages;
use show_users::ShowUsers;
use show_variables::ShowVariables;
use use_database::UseDatabase;

/// One statement, understood.
#[derive(Debug, Clone, PartialEq)]
pub enum Statement {
    /// `ALTER STAGE`
    AlterStage(AlterStage),
    /// `ALTER CONNECTION`
    AlterConnection(AlterConnection),
    /// `CREATE CONNECTION`
    CreateConnection(CreateConnection),
    /// `DESCRIBE CONNECTION`
    DescribeConnection(DescribeConnection),
    /// `DROP CONNECTION`
    DropConnection(DropConnection),
    /// `SHOW CONNECTIONS`
    ShowConnections(ShowConnections),
    /// `ALTER FILE FORMAT`
    AlterFileFormat(AlterFileFormat),
    /// `CREATE FILE FORMAT`
    CreateFileFormat(CreateFileFormat),
    /// `DESCRIBE FILE FORMAT`
    DescribeFileFormat(DescribeFileFormat),
    /// `DROP FILE FORMAT`
    DropFileFormat(DropFileFormat),
    /// `SHOW CREATE FILE FORMAT`
    ShowCreateFileFormat(ShowCreateFileFormat),
    /// `SHOW FILE FORMATS`
    ShowFileFormats(ShowFileFormats),
    /// `COPY FILES`
    CopyFiles(CopyFiles),
    /// `COPY INTO <location>`
    CopyIntoLocation(Box<CopyIntoLocation>),
    /// `CALL STAGE_PUT`
    CallStagePut(CallStagePut),
    /// `CREATE DATABASE`
    CreateDatabase(CreateDatabase),
    /// `CREATE STAGE`
    CreateStage(CreateStage),
    /// `COPY INTO` a table
    CopyIntoTable(Box<CopyIntoTable>),
    /// `CREATE TABLE`
    CreateTable(Box<CreateTable>),
    /// `DROP TABLE`
    DropTable(DropTable),
    /// `TRUNCATE TABLE`
    TruncateTable(TruncateTable),
    /// `INSERT`
    Insert(Box<Insert>),
    /// `DELETE`, `UPDATE`
    ChangeRows(Box<ChangeRows>),
    /// `CREATE VIEW`
    CreateView(Box<CreateView>),
    /// `DROP VIEW`
    DropView(DropView),
    /// `EXPLAIN` of a query
    Explain(Box<Explain>),
    /// `DESCRIBE STAGE`
    DescribeStage(DescribeStage),
    /// `DROP DATABASE`
    DropDatabase(DropDatabase),
    /// `DROP STAGE`
    DropStage(DropStage),
    /// `GET`
    Get(Get),
    /// `KILL`
    Kill(Box<Kill>),
    /// `SET ROLE`, `SET DEFAULT ROLE`
    SetRole(SetRole),
    /// `LIST`
    List(List),
    /// `PRESIGN`
    Presign(Presign),
    /// `PUT`
    Put(Put),
    /// `REMOVE`
    Remove(Remove),
    /// `SELECT`
    Select(Box<Select>),
    /// `SET`
    Set(Set),
    /// `SHOW TABLES`, `SHOW ENGINES`, `DESCRIBE` ...
    Show(Box<Show>),
    /// `SHOW CREATE TABLE`, `SHOW CREATE DATABASE`
    ShowCreate(ShowCreate),
    /// `SHOW CREATE STAGE`
    ShowCreateStage(ShowCreateStage),
    /// `SHOW DATABASES`
    ShowDatabases(ShowDatabases),
    /// `SHOW WARNINGS`, `SHOW ERRORS`
    ShowDiagnostics(ShowDiagnostics),
    /// `SHOW GRANTS`
    ShowGrants(ShowGrants),
    /// `SHOW LAST TRANSFER`
    ShowLastTransfer(ShowLastTransfer),
    /// `SHOW STAGES`
    ShowStages(ShowStages),
    /// `SHOW VARIABLES`, `SHOW STATUS`
    ShowVariables(ShowVariables),
    /// `BEGIN`, `COMMIT` ...: accepted, for there is nothing to roll back
    Transaction,
    /// `ALTER USER`
    AlterUser(AlterUser),
    /// `CREATE ROLE`
    CreateRole(CreateRole),
    /// `CREATE USER`
    CreateUser(CreateUser),
    /// `DROP ROLE`
    DropRole(DropRole),
    /// `OPTIMIZE TABLE`
    OptimizeTable(OptimizeTable),
    /// `DROP USER`
    DropUser(DropUser),
    /// `GRANT`
    Grant(Grant),
    /// `REVOKE`
    Revoke(Revoke),
    /// `SET PASSWORD`
    SetPassword(SetPassword),
    /// `SHOW ROLES`
    ShowRoles(ShowRoles),
    /// `SHOW USERS`
    ShowUsers(ShowUsers),
    /// `USE`
    UseDatabase(UseDatabase),
}

/// A row of the table of our own statements.
pub struct Entry {
    /// The words that it can begin with.
    pub leads: &'static [&'static str],
    /// Reads it, from its first word on.
    pub parse: fn(&mut Cursor<'_>) -> Result<Statement>,
    /// Its rule, and its file in `grammar/`, `grammar/corpus/` and `tests/scripts/`.
    pub grammar: &'static str,
}

/// Our own statements.
pub const ENTRIES: &[Entry] = &[
    Entry { leads: alter_stage::LEADS, parse: alter_stage::parse, grammar: "alter_stage" },
    Entry {
        leads: alter_connection::LEADS,
        parse: alter_connection::parse,
        grammar: "alter_connection",
    },
    Entry {
        leads: create_connection::LEADS,
        parse: create_connection::parse,
        grammar: "create_connection",
    },
    Entry {
        leads: describe_connection::LEADS,
        parse: describe_connection::parse,
        grammar: "describe_connection",
    },
    Entry {
        leads: drop_connection::LEADS,
        parse: drop_connection::parse,
        grammar: "drop_connection",
    },
    Entry {
        leads: show_connections::LEADS,
        parse: show_connections::parse,
        grammar: "show_connections",
    },
    Entry {
        leads: alter_file_format::LEADS,
        parse: alter_file_format::parse,
        grammar: "alter_file_format",
    },
    Entry {
        leads: create_file_format::LEADS,
        parse: create_file_format::parse,
        grammar: "create_file_format",
    },
    Entry {
        leads: describe_file_format::LEADS,
        parse: describe_file_format::parse,
        grammar: "describe_file_format",
    },
    Entry {
        leads: drop_file_format::LEADS,
        parse: drop_file_format::parse,
        grammar: "drop_file_format",
    },
    Entry {
        leads: show_create_file_format::LEADS,
        parse: show_create_file_format::parse,
        grammar: "show_create_file_format",
    },
    Entry {
        leads: show_file_formats::LEADS,
        parse: show_file_formats::parse,
        grammar: "show_file_formats",
    },
    Entry { leads: copy_files::LEADS, parse: copy_files::parse, grammar: "copy_files" },
    Entry { leads: copy_into::LEADS, parse: copy_into::parse, grammar: "copy_into_location" },
    Entry { leads: copy_into::LEADS, parse: copy_into::parse, grammar: "copy_into_table" },
    Entry { leads: call_stage_put::LEADS, parse: call_stage_put::parse, grammar: "call_stage_put" },
    Entry {
        leads: create_database::LEADS,
        parse: create_database::parse,
        grammar: "create_database",
    },
    Entry { leads: create_stage::LEADS, parse: create_stage::parse, grammar: "create_stage" },
    Entry { leads: describe_stage::LEADS, parse: describe_stage::parse, grammar: "describe_stage" },
    Entry { leads: drop_database::LEADS, parse: drop_database::parse, grammar: "drop_database" },
    Entry { leads: drop_stage::LEADS, parse: drop_stage::parse, grammar: "drop_stage" },
    Entry { leads: get::LEADS, parse: get::parse, grammar: "get" },
    Entry { leads: list::LEADS, parse: list::parse, grammar: "list" },
    Entry { leads: presign::LEADS, parse: presign::parse, grammar: "presign" },
    Entry { leads: put::LEADS, parse: put::parse, grammar: "put" },
    Entry { leads: remove::LEADS, parse: remove::parse, grammar: "remove" },
    Entry {
        leads: show_create_stage::LEADS,
        parse: show_create_stage::parse,
        grammar: "show_create_stage",
    },
    Entry { leads: show_databases::LEADS, parse: show_databases::parse, grammar: "show_databases" },
    Entry {
        leads: show_last_transfer::LEADS,
        parse: show_last_transfer::parse,
        grammar: "show_last_transfer",
    },
    Entry { leads: show_stages::LEADS, parse: show_stages::parse, grammar: "show_stages" },
    Entry { leads: alter_user::LEADS, parse: alter_user::parse, grammar: "alter_user" },
    Entry { leads: create_role::LEADS, parse: create_role::parse, grammar: "create_role" },
    Entry { leads: create_user::LEADS, parse: create_user::parse, grammar: "create_user" },
    Entry { leads: optimize_table::LEADS, parse: optimize_table::parse, grammar: "optimize_table" },
    Entry { leads: drop_role::LEADS, parse: drop_role::parse, grammar: "drop_role" },
    Entry { leads: drop_user::LEADS, parse: drop_user::parse, grammar: "drop_user" },
    Entry { leads: grant::LEADS, parse: grant::parse, grammar: "grant" },
    Entry { leads: revoke::LEADS, parse: revoke::parse, grammar: "revoke" },
    Entry { leads: set_password::LEADS, parse: set_password::parse, grammar: "set_password" },
    Entry { leads: set_role::LEADS, parse: set_role::parse, grammar: "set_role" },
    Entry { leads: show_roles::LEADS, parse: show_roles::parse, grammar: "show_roles" },
    Entry { leads: show_users::LEADS, parse: show_users::parse, grammar: "show_users" },
    Entry { leads: show_grants::LEADS, parse: show_grants::parse, grammar: "show_grants" },
    Entry { leads: use_database::LEADS, parse: use_database::parse, grammar: "use_database" },
];

/// Words that begin ordinary statements, for "did you mean".
const ORDINARY: &[&str] = &[
    "SELECT",
    "SET",
    "SHOW VARIABLES",
    "SHOW WARNINGS",
    "SHOW TABLES",
    "SHOW COLUMNS",
    "SHOW PROCESSLIST",
    "KILL",
    "BEGIN",
    "COMMIT",
];

impl Statement {
    /// Reads one statement as a session does that has set no `sql_mode`.
    pub fn parse(text: &str) -> Result<Statement> {
        Statement::parse_in(text, SqlMode::default())
    }

    /// Reads one statement; a `;` may end it, and nothing but blanks and comments may follow.
    pub fn parse_in(text: &str, sql_mode: SqlMode) -> Result<Statement> {
        let scanned = scan_as_it_begins(text, sql_mode);
        only_statement(&scanned)?;
        let Some(entry) = entry(&scanned.words) else {
            return ordinary::parse(&scanned);
        };
        let mut cursor = Cursor::from_scan(scanned.statement, &scanned)?;
        let statement = (entry.parse)(&mut cursor)?;
        cursor.expect_end("")?;
        Ok(statement)
    }

    /// Splits the first of several statements off: it, and what follows its `;`.
    pub fn split(text: &str, sql_mode: SqlMode) -> (&str, &str) {
        let scanned = scan_as_it_begins(text, sql_mode);
        let rest = if is_blank(scanned.rest, sql_mode) { "" } else { scanned.rest };
        (scanned.statement, rest)
    }

    /// What it answers, as far as that is known before it runs; empty for an OK.
    pub async fn columns(&self, session: &Session) -> Result<Vec<Column>> {
        Ok(match self {
            Statement::CopyFiles(copy) => copy_files::columns(copy.detailed()),
            Statement::CopyIntoLocation(copy) => copy.columns(session).await?,
            Statement::CopyIntoTable(copy) => copy.columns(session).await?,
            Statement::DescribeStage(_) | Statement::ShowStages(_) => show_stages::columns(),
            Statement::DescribeConnection(_) | Statement::ShowConnections(_) => {
                show_connections::columns()
            }
            Statement::DescribeFileFormat(_) => describe_file_format::columns(),
            Statement::ShowCreateFileFormat(_) => show_create_file_format::columns(),
            Statement::ShowFileFormats(_) => show_file_formats::columns(),
            Statement::Explain(_) => explain::columns(),
            Statement::Get(_) => get::columns(),
            Statement::List(_) => list::columns(),
            Statement::Presign(_) => presign::columns(),
            Statement::Remove(_) => remove::columns(),
            Statement::Select(select) => select.known_columns(session).await?,
            Statement::Show(show) => show.columns(session)?,
            Statement::ShowCreate(show) => show.columns(),
            Statement::ShowCreateStage(_) => show_create_stage::columns(),
            Statement::ShowDatabases(_) => show_databases::columns(),
            Statement::ShowDiagnostics(show) => show.columns(),
            Statement::CallStagePut(_) | Statement::ShowLastTransfer(_) => put::columns(),
            Statement::ShowVariables(_) => show_variables::columns(),
            Statement::ShowGrants(show) => show.columns(session),
            Statement::ShowRoles(_) => show_roles::columns(),
            Statement::ShowUsers(_) => show_users::columns(),
            Statement::OptimizeTable(_) => optimize_table::columns(),
            Statement::Put(_) => return Err(Error::NotPreparable),
            Statement::AlterStage(_)
            | Statement::AlterConnection(_)
            | Statement::CreateConnection(_)
            | Statement::DropConnection(_)
            | Statement::AlterFileFormat(_)
            | Statement::CreateFileFormat(_)
            | Statement::DropFileFormat(_)
            | Statement::AlterUser(_)
            | Statement::CreateRole(_)
            | Statement::CreateUser(_)
            | Statement::DropRole(_)
            | Statement::DropUser(_)
            | Statement::Grant(_)
            | Statement::Revoke(_)
            | Statement::SetPassword(_)
            | Statement::CreateDatabase(_)
            | Statement::CreateStage(_)
            | Statement::CreateTable(_)
            | Statement::DropTable(_)
            | Statement::TruncateTable(_)
            | Statement::Insert(_)
            | Statement::ChangeRows(_)
            | Statement::CreateView(_)
            | Statement::DropView(_)
            | Statement::DropDatabase(_)
            | Statement::DropStage(_)
            | Statement::Kill(_)
            | Statement::SetRole(_)
            | Statement::Set(_)
            | Statement::Transaction
            | Statement::UseDatabase(_) => Vec::new(),
        })
    }

    /// Does it.
    pub async fn execute(
        &self,
        session: &mut Session,
        files: &mut dyn ClientFiles,
    ) -> Result<Outcome> {
        match self {
            Statement::AlterStage(statement) => apart(|| statement.execute(session)).await,
            Statement::AlterConnection(statement) => apart(|| statement.execute(session)).await,
            Statement::CreateConnection(statement) => apart(|| statement.execute(session)).await,
            Statement::DescribeConnection(statement) => apart(|| statement.execute(session)).await,
            Statement::DropConnection(statement) => apart(|| statement.execute(session)).await,
            Statement::ShowConnections(statement) => apart(|| statement.execute(session)).await,
            Statement::AlterFileFormat(statement) => apart(|| statement.execute(session)).await,
            Statement::CreateFileFormat(statement) => apart(|| statement.execute(session)).await,
            Statement::DescribeFileFormat(statement) => apart(|| statement.execute(session)).await,
            Statement::DropFileFormat(statement) => apart(|| statement.execute(session)).await,
            Statement::ShowCreateFileFormat(statement) => {
                apart(|| statement.execute(session)).await
            }
            Statement::ShowFileFormats(statement) => apart(|| statement.execute(session)).await,
            Statement::CopyFiles(statement) => apart(|| statement.execute(session, files)).await,
            Statement::CopyIntoLocation(statement) => {
                apart(|| statement.execute(session, files)).await
            }
            Statement::CallStagePut(statement) => apart(|| statement.execute(session)).await,
            Statement::CreateDatabase(statement) => apart(|| statement.execute(session)).await,
            Statement::CreateStage(statement) => apart(|| statement.execute(session)).await,
            Statement::CopyIntoTable(statement) => apart(|| statement.execute(session)).await,
            Statement::CreateTable(statement) => apart(|| statement.execute(session)).await,
            Statement::DropTable(statement) => apart(|| statement.execute(session)).await,
            Statement::TruncateTable(statement) => apart(|| statement.execute(session)).await,
            Statement::Insert(statement) => apart(|| statement.execute(session)).await,
            Statement::ChangeRows(statement) => apart(|| statement.execute(session)).await,
            Statement::CreateView(statement) => apart(|| statement.execute(session)).await,
            Statement::DropView(statement) => apart(|| statement.execute(session)).await,
            Statement::Explain(statement) => apart(|| statement.execute(session)).await,
            Statement::DescribeStage(statement) => apart(|| statement.execute(session)).await,
            Statement::DropDatabase(statement) => apart(|| statement.execute(session)).await,
            Statement::DropStage(statement) => apart(|| statement.execute(session)).await,
            Statement::Get(statement) => apart(|| statement.execute(session)).await,
            Statement::Kill(statement) => apart(|| statement.execute(session)).await,
            Statement::SetRole(statement) => apart(|| statement.execute(session)).await,
            Statement::List(statement) => apart(|| statement.execute(session)).await,
            Statement::Presign(statement) => apart(|| statement.execute(session)).await,
            Statement::Put(statement) => apart(|| statement.execute(session, files)).await,
            Statement::Remove(statement) => apart(|| statement.execute(session, files)).await,
            Statement::Select(statement) => apart(|| statement.execute(session)).await,
            Statement::Set(statement) => statement.execute(session),
            Statement::Show(statement) => apart(|| statement.execute(session)).await,
            Statement::ShowCreate(statement) => apart(|| statement.execute(session)).await,
            Statement::ShowCreateStage(statement) => apart(|| statement.execute(session)).await,
            Statement::ShowDatabases(statement) => apart(|| statement.execute(session)).await,
            Statement::ShowDiagnostics(statement) => Ok(statement.execute(session)),
            Statement::ShowGrants(statement) => apart(|| statement.execute(session)).await,
            Statement::ShowLastTransfer(statement) => Ok(statement.execute(session)),
            Statement::ShowStages(statement) => apart(|| statement.execute(session)).await,
            Statement::ShowVariables(statement) => statement.execute(session),
            Statement::Transaction => Ok(Outcome::done()),
            Statement::AlterUser(statement) => apart(|| statement.execute(session)).await,
            Statement::CreateRole(statement) => apart(|| statement.execute(session)).await,
            Statement::CreateUser(statement) => apart(|| statement.execute(session)).await,
            Statement::OptimizeTable(statement) => apart(|| statement.execute(session)).await,
            Statement::DropRole(statement) => apart(|| statement.execute(session)).await,
            Statement::DropUser(statement) => apart(|| statement.execute(session)).await,
            Statement::Grant(statement) => apart(|| statement.execute(session)).await,
            Statement::Revoke(statement) => apart(|| statement.execute(session)).await,
            Statement::SetPassword(statement) => apart(|| statement.execute(session)).await,
            Statement::ShowRoles(statement) => apart(|| statement.execute(session)).await,
            Statement::ShowUsers(statement) => apart(|| statement.execute(session)).await,
            Statement::UseDatabase(statement) => apart(|| statement.execute(session)).await,
        }
    }

    /// Whether it is there to change something that outlives the connection.
    pub fn changes(&self) -> bool {
        matches!(
            self,
            Statement::AlterStage(_)
                | Statement::AlterConnection(_)
                | Statement::CreateConnection(_)
                | Statement::DropConnection(_)
                | Statement::AlterFileFormat(_)
                | Statement::CreateFileFormat(_)
                | Statement::DropFileFormat(_)
                | Statement::AlterUser(_)
                | Statement::CallStagePut(_)
                | Statement::CopyFiles(_)
                | Statement::CopyIntoLocation(_)
                | Statement::CreateDatabase(_)
                | Statement::CreateRole(_)
                | Statement::CreateStage(_)
                | Statement::CreateUser(_)
                | Statement::CopyIntoTable(_)
                | Statement::CreateTable(_)
                | Statement::DropTable(_)
                | Statement::TruncateTable(_)
                | Statement::Insert(_)
                | Statement::ChangeRows(_)
                | Statement::CreateView(_)
                | Statement::DropView(_)
                | Statement::DropDatabase(_)
                | Statement::DropRole(_)
                | Statement::OptimizeTable(_)
                | Statement::DropStage(_)
                | Statement::DropUser(_)
                | Statement::Grant(_)
                | Statement::Kill(_)
                | Statement::Presign(_)
                | Statement::Put(_)
                | Statement::Remove(_)
                | Statement::Revoke(_)
                | Statement::SetPassword(_)
        )
    }

    /// A word for logs and metrics: `list`, `create_stage` ...
    pub fn kind(&self) -> &'static str {
        match self {
            Statement::AlterStage(_) => "alter_stage",
            Statement::AlterConnection(_) => "alter_connection",
            Statement::CreateConnection(_) => "create_connection",
            Statement::DescribeConnection(_) => "describe_connection",
            Statement::DropConnection(_) => "drop_connection",
            Statement::ShowConnections(_) => "show_connections",
            Statement::AlterFileFormat(_) => "alter_file_format",
            Statement::CreateFileFormat(_) => "create_file_format",
            Statement::DescribeFileFormat(_) => "describe_file_format",
            Statement::DropFileFormat(_) => "drop_file_format",
            Statement::ShowCreateFileFormat(_) => "show_create_file_format",
            Statement::ShowFileFormats(_) => "show_file_formats",
            Statement::CopyFiles(_) => "copy_files",
            Statement::CopyIntoLocation(_) => "copy_into_location",
            Statement::CallStagePut(_) => "call_stage_put",
            Statement::CreateDatabase(_) => "create_database",
            Statement::CreateStage(_) => "create_stage",
            Statement::CopyIntoTable(_) => "copy_into_table",
            Statement::CreateTable(_) => "create_table",
            Statement::DropTable(_) => "drop_table",
            Statement::TruncateTable(_) => "truncate_table",
            Statement::Insert(_) => "insert",
            Statement::ChangeRows(_) => "change_rows",
            Statement::CreateView(_) => "create_view",
            Statement::DropView(_) => "drop_view",
            Statement::Explain(_) => "explain",
            Statement::DescribeStage(_) => "describe_stage",
            Statement::DropDatabase(_) => "drop_database",
            Statement::DropStage(_) => "drop_stage",
            Statement::Get(_) => "get",
            Statement::Kill(_) => "kill",
            Statement::SetRole(_) => "set_role",
            Statement::List(_) => "list",
            Statement::Presign(_) => "presign",
            Statement::Put(_) => "put",
            Statement::Remove(_) => "remove",
            Statement::Select(_) => "select",
            Statement::Set(_) => "set",
            Statement::Show(_) => "show",
            Statement::ShowCreate(_) => "show_create",
            Statement::ShowCreateStage(_) => "show_create_stage",
            Statement::ShowDatabases(_) => "show_databases",
            Statement::ShowDiagnostics(_) => "show_diagnostics",
            Statement::ShowGrants(_) => "show_grants",
            Statement::ShowLastTransfer(_) => "show_last_transfer",
            Statement::ShowStages(_) => "show_stages",
            Statement::ShowVariables(_) => "show_variables",
            Statement::Transaction => "transaction",
            Statement::AlterUser(_) => "alter_user",
            Statement::CreateRole(_) => "create_role",
            Statement::CreateUser(_) => "create_user",
            Statement::DropRole(_) => "drop_role",
            Statement::OptimizeTable(_) => "optimize_table",
            Statement::DropUser(_) => "drop_user",
            Statement::Grant(_) => "grant",
            Statement::Revoke(_) => "revoke",
            Statement::SetPassword(_) => "set_password",
            Statement::ShowRoles(_) => "show_roles",
            Statement::ShowUsers(_) => "show_users",
            Statement::UseDatabase(_) => "use_database",
        }
    }

    /// Whether it takes the parameter of a prepared statement as it is, not as text.
    pub fn takes_a_parameter(&self) -> bool {
        matches!(self, Statement::CallStagePut(call) if call.content == Content::Parameter)
    }

    /// Whether what it computes may ask for the user's roles. `text` is what it is [`Statement::shown`] as.
    pub fn asks_for_roles(&self, text: &str) -> bool {
        let computes =
            matches!(self, Statement::Select(_) | Statement::Set(_) | Statement::Show(_));
        let wanted = b"CURRENT_ROLE";
        computes
            && text.as_bytes().windows(wanted.len()).any(|part| part.eq_ignore_ascii_case(wanted))
    }

    /// What logs and `SHOW PROCESSLIST` show of it: a query as it was written, for it has no secrets, and is the
    /// statement that comes most often; else the canonical text.
    pub fn shown<'a>(&self, written: &'a str) -> Cow<'a, str> {
        if let Statement::Select(_) = self {
            Cow::Borrowed(written.trim())
        } else {
            Cow::Owned(self.to_string())
        }
    }

    /// The statement with the passwords in it, so that it can be read again. For tests alone.
    pub fn exposing_secrets(&self) -> String {
        self.print(Secrets::Expose)
    }

    fn print(&self, secrets: Secrets) -> String {
        match self {
            Statement::AlterStage(statement) => statement.print(secrets),
            Statement::AlterConnection(statement) => statement.print(secrets),
            Statement::CreateConnection(statement) => statement.print(secrets),
            Statement::DescribeConnection(statement) => statement.to_string(),
            Statement::DropConnection(statement) => statement.to_string(),
            Statement::ShowConnections(statement) => statement.to_string(),
            Statement::AlterFileFormat(statement) => statement.to_string(),
            Statement::CreateFileFormat(statement) => statement.to_string(),
            Statement::DescribeFileFormat(statement) => statement.to_string(),
            Statement::DropFileFormat(statement) => statement.to_string(),
            Statement::ShowCreateFileFormat(statement) => statement.to_string(),
            Statement::ShowFileFormats(statement) => statement.to_string(),
            Statement::CopyFiles(statement) => statement.to_string(),
            Statement::CopyIntoLocation(statement) => statement.to_string(),
            Statement::CallStagePut(statement) => statement.print(secrets),
            Statement::CreateDatabase(statement) => statement.to_string(),
            Statement::CreateStage(statement) => statement.print(secrets),
            Statement::CopyIntoTable(statement) => statement.to_string(),
            Statement::CreateTable(statement) => statement.to_string(),
            Statement::DropTable(statement) => statement.to_string(),
            Statement::TruncateTable(statement) => statement.to_string(),
            Statement::Insert(statement) => statement.to_string(),
            Statement::ChangeRows(statement) => statement.to_string(),
            Statement::CreateView(statement) => statement.to_string(),
            Statement::DropView(statement) => statement.to_string(),
            Statement::Explain(statement) => statement.to_string(),
            Statement::DescribeStage(statement) => statement.to_string(),
            Statement::DropDatabase(statement) => statement.to_string(),
            Statement::DropStage(statement) => statement.to_string(),
            Statement::Get(statement) => statement.to_string(),
            Statement::Kill(statement) => statement.to_string(),
            Statement::SetRole(statement) => statement.to_string(),
            Statement::List(statement) => statement.to_string(),
            Statement::Presign(statement) => statement.to_string(),
            Statement::Put(statement) => statement.to_string(),
            Statement::Remove(statement) => statement.to_string(),
            Statement::Select(statement) => statement.to_string(),
            Statement::Set(statement) => statement.to_string(),
            Statement::Show(statement) => statement.to_string(),
            Statement::ShowCreate(statement) => statement.to_string(),
            Statement::ShowCreateStage(statement) => statement.to_string(),
            Statement::ShowDatabases(statement) => statement.to_string(),
            Statement::ShowDiagnostics(statement) => statement.to_string(),
            Statement::ShowGrants(statement) => statement.to_string(),
            Statement::ShowLastTransfer(statement) => statement.to_string(),
            Statement::ShowStages(statement) => statement.to_string(),
            Statement::ShowVariables(statement) => statement.to_string(),
            Statement::Transaction => "COMMIT".to_owned(),
            Statement::AlterUser(statement) => statement.print(secrets),
            Statement::CreateRole(statement) => statement.to_string(),
            Statement::CreateUser(statement) => statement.print(secrets),
            Statement::DropRole(statement) => statement.to_string(),
            Statement::OptimizeTable(statement) => statement.to_string(),
            Statement::DropUser(statement) => statement.to_string(),
            Statement::Grant(statement) => statement.to_string(),
            Statement::Revoke(statement) => statement.to_string(),
            Statement::SetPassword(statement) => statement.print(secrets),
            Statement::ShowRoles(statement) => statement.to_string(),
            Statement::ShowUsers(statement) => statement.to_string(),
            Statement::UseDatabase(statement) => statement.to_string(),
        }
    }
}

/// A future on the heap, made in a frame of its own. Without optimization a function has room on the stack for
/// every future that it makes, and one that makes those of all statements would have more than a thread has.
#[inline(never)]
fn apart<'a, F>(make: impl FnOnce() -> F) -> BoxFuture<'a, Result<Outcome>>
where
    F: Future<Output = Result<Outcome>> + Send + 'a,
{
    Box::pin(make())
}

impl fmt::Display for Statement {
    /// The canonical text, with `****` for every secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.print(Secrets::Mask))
    }
}

/// What an entry begins with, word by word.
type Lead = (Vec<&'static str>, &'static Entry);

/// The entries by the first word of what they begin with: every statement is looked up.
static BY_FIRST_WORD: LazyLock<HashMap<&str, Vec<Lead>>> = LazyLock::new(|| {
    let mut known: HashMap<_, Vec<_>> = HashMap::new();
    for entry in ENTRIES {
        for lead in entry.leads {
            let words: Vec<&str> = lead.split(' ').collect();
            let first = words.first().copied().unwrap_or_default();
            known.entry(first).or_default().push((words, entry));
        }
    }
    known
});

/// The entry that these words begin.
fn entry(words: &[String]) -> Option<&'static Entry> {
    let known = BY_FIRST_WORD.get(words.first()?.as_str())?;
    let begins = |lead: &[&str]| {
        words.len() >= lead.len() && words.iter().zip(lead).all(|(word, of)| word == of)
    };
    known.iter().find(|(lead, _)| begins(lead)).map(|(_, entry)| *entry)
}

fn begins(words: &[String], lead: &str) -> bool {
    let mut rest = words.iter();
    lead.split(' ').all(|word| rest.next().is_some_and(|found| found == word))
}

/// Scans in the way that the statement's own first words ask for.
pub fn scan_as_it_begins(text: &str, sql_mode: SqlMode) -> Scan<'_> {
    let plain = scan(text, Mode::Plain, sql_mode);
    match entry(&plain.words) {
        Some(entry) if entry.leads == copy_into::LEADS => scan(text, Mode::Copy, sql_mode),
        Some(_) => scan(text, Mode::Stage, sql_mode),
        None if ordinary::is_read_by_sqlparser(&plain) => scan(text, Mode::Query, sql_mode),
        None => plain,
    }
}

/// Whether nothing but blanks, comments and `;` is left.
fn is_blank(text: &str, sql_mode: SqlMode) -> bool {
    if text.is_empty() {
        return true;
    }
    let mut rest = text;
    loop {
        let scanned = scan(rest, Mode::Plain, sql_mode);
        match Cursor::from_scan(scanned.statement, &scanned) {
            Ok(cursor) if cursor.at_end() => {}
            Ok(_) | Err(_) => return false,
        }
        if scanned.rest.len() == rest.len() || scanned.rest.is_empty() {
            return true;
        }
        rest = scanned.rest;
    }
}

fn only_statement(scanned: &Scan<'_>) -> Result<()> {
    if is_blank(scanned.rest, scanned.sql_mode) {
        return Ok(());
    }
    Err(Error::Syntax {
        expected: "one statement at a time".to_owned(),
        found: "another one after ';'".to_owned(),
        at: None,
        hint: Some("send them one by one, or switch multi-statements on in the client".to_owned()),
    })
}

/// The error for a text that begins like no statement at all.
fn unknown(scanned: &Scan<'_>) -> Error {
    let cursor = match Cursor::from_scan(scanned.statement, scanned) {
        Ok(cursor) => cursor,
        Err(error) => return error,
    };
    let leads = ENTRIES.iter().flat_map(|entry| entry.leads).chain(ORDINARY).copied();
    let hint = nearest_words(&scanned.words, leads).map_or_else(
        || "stages are made by CREATE STAGE, filled by PUT, shown by LIST".to_owned(),
        |lead| format!("did you mean {lead}?"),
    );
    cursor.expected_hinting(
        "a statement such as CREATE STAGE, PUT, LIST, REMOVE, SHOW STAGES or SELECT",
        Some(hint),
    )
}
