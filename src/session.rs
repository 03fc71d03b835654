//! One connection's state, and the one way a statement runs: [`Session::execute`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, StreamExt};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::access::audit;
use crate::access::people::{Identity, Rights, ServerPrivilege, StagePrivilege};
use crate::compressed::Compression;
use crate::config::UserLimits;
use crate::error::{Error, Result};
use crate::formats::Format;
use crate::instance::Instance;
use crate::metrics::{self, Download};
use crate::processes::{Came, Running, Seat, Shown, Teller, Who};
use crate::rows::{Column, Done, Outcome, Row, RowStream, Value};
use crate::spans;
use crate::sql::literal;
use crate::sql::location::Area;
use crate::sql::mode::SqlMode;
use crate::sql::name::QualifiedName;
use crate::stage::definition::Definition;
use crate::stage::files::Files;
use crate::stage::name::{DEFAULT_DATABASE, StageName};
use crate::stage::{Created, IfExists, Listed};
use crate::statement::tables::{self, World};
use crate::statement::variables::Variables;
use crate::statement::{self, Statement, named_formats};
use crate::tls::Cipher;

/// The way from a statement to the files on the client's side (LOCAL INFILE). A statement never
/// sees a socket: this is all that it gets of it.
#[async_trait]
pub trait ClientFiles: Send {
    /// Asks the client for a file. `name` is the raw path as the statement had it, never a URL.
    async fn request(&mut self, name: &str) -> Result<()>;

    /// Acknowledges the file that has ended, with more to come in the same statement: for clients
    /// that expect an answer before they are asked for the next file.
    async fn acknowledge(&mut self, done: &Done) -> Result<()>;

    /// The next block of the file that was asked for. After `End` or `Declined` the request is
    /// over; whoever drops a request half-way calls [`ClientFiles::drain`].
    async fn next(&mut self) -> Result<Fed>;

    /// Reads the rest of the file and drops it: no client can be told anything before it has
    /// finished sending.
    async fn drain(&mut self) -> Result<()> {
        while let Fed::Data(_) = self.next().await? {}
        Ok(())
    }

    /// Says how far the statement is, to a client that can show it. Costs no time, and is lost
    /// where it would be out of place: between a request and the end of its file.
    fn report(&mut self, _progress: &Progress) {}

    /// Says how many files will be asked for.
    fn expects(&mut self, _files: usize) {}

    /// Whether the client is still there, as far as can be seen without waiting.
    fn is_there(&mut self) -> bool {
        true
    }
}

/// How far a statement is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The number of the present stage, and of all stages; the first is 1.
    pub stage: (u8, u8),
    /// How much of the stage is done, and how much there is; 0 if nobody knows.
    pub part: (u64, u64),
    /// What is done, such as `copying files`.
    pub what: String,
}

impl Progress {
    /// The only stage of a statement.
    pub fn of(part: (u64, u64), what: impl Into<String>) -> Progress {
        Progress { stage: (1, 1), part, what: what.into() }
    }

    /// How much of the stage is done, in thousandths of a percent.
    pub fn millipercent(&self) -> u32 {
        let (done, all) = self.part;
        let share = (u128::from(done.min(all)) * 100_000).checked_div(u128::from(all));
        share.and_then(|share| u32::try_from(share).ok()).unwrap_or_default()
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (stage, stages) = self.stage;
        if stages > 1 {
            write!(f, "stage {stage} of {stages}: ")?;
        }
        f.write_str(&self.what)?;
        match self.part {
            (_, 0) => Ok(()),
            _ => write!(f, ": {}%", self.millipercent() / 1000),
        }
    }
}

/// What a client sends when it was asked for a file.
#[derive(Debug)]
pub enum Fed {
    /// Bytes of the file, never empty.
    Data(Bytes),
    /// The file has ended.
    End,
    /// The client refused without a word and has sent its next command: nothing may be answered.
    Declined,
}

/// The client, with a word to others on how far it is.
struct Watched<'c> {
    client: &'c mut dyn ClientFiles,
    teller: Teller,
}

#[async_trait]
impl ClientFiles for Watched<'_> {
    async fn request(&mut self, name: &str) -> Result<()> {
        self.teller.begins_file();
        self.client.request(name).await
    }

    async fn acknowledge(&mut self, done: &Done) -> Result<()> {
        self.client.acknowledge(done).await
    }

    async fn next(&mut self) -> Result<Fed> {
        let fed = self.client.next().await?;
        if let Fed::Data(block) = &fed {
            self.teller.received(block.len());
        }
        Ok(fed)
    }

    fn report(&mut self, progress: &Progress) {
        self.teller.say(progress.to_string());
        self.client.report(progress);
    }

    fn expects(&mut self, files: usize) {
        self.teller.expects(files);
    }

    fn is_there(&mut self) -> bool {
        self.client.is_there()
    }
}

/// No client to ask: for statements that come from elsewhere.
pub struct NoFiles;

#[async_trait]
impl ClientFiles for NoFiles {
    async fn request(&mut self, _name: &str) -> Result<()> {
        Err(Error::LocalInfileOff)
    }

    async fn acknowledge(&mut self, _done: &Done) -> Result<()> {
        Ok(())
    }

    async fn next(&mut self) -> Result<Fed> {
        Ok(Fed::End)
    }
}

/// Who is at the other end, as the handshake told it.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The connection's number, as in `CONNECTION_ID()`.
    pub connection_id: u32,
    /// The address.
    pub ip: IpAddr,
    /// The user that has logged in.
    pub user: Identity,
    /// The connection attributes: `_client_name`, `program_name` ...
    pub attributes: BTreeMap<String, String>,
    /// Whether the client sends local files (`CLIENT_LOCAL_FILES`). Some say yes always.
    pub local_files: bool,
    /// How the connection is encrypted, if it is.
    pub cipher: Option<Cipher>,
    /// How the connection is compressed, if it is.
    pub compression: Option<Compression>,
}

/// A statement that was prepared: what it needs and what it answers.
#[derive(Debug, Clone, Default)]
pub struct Prepared {
    /// The text, with `?` for the parameters.
    pub sql: String,
    /// Where the `?` are: byte offsets.
    pub places: Vec<usize>,
    /// What it answers; empty for an OK.
    pub columns: Vec<Column>,
    /// How the text is read, whatever the session's `sql_mode` has become since.
    pub sql_mode: SqlMode,
    /// What was read, if it needs no parameters: it is the same each time.
    pub read: Option<Read>,
}

/// A statement that was read.
#[derive(Debug, Clone)]
pub struct Read {
    statement: Arc<Statement>,
    /// What is shown of it: without its secrets.
    text: Arc<str>,
}

impl Read {
    fn of(statement: Statement, written: &str) -> Read {
        let text = Arc::from(&*statement.shown(written));
        Read { statement: Arc::new(statement), text }
    }
}

impl Prepared {
    /// How many parameters it needs.
    pub fn parameters(&self) -> usize {
        self.places.len()
    }
}

/// What a session tells of its changes, as far as its client wants to know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// The database that is in use from now on; empty for none.
    pub database: Option<String>,
    /// System variables that were set, with their values.
    pub variables: Vec<(&'static str, String)>,
    /// Whether anything has changed at all.
    pub state: bool,
}

/// One connection's state.
pub struct Session {
    /// What all sessions share.
    pub instance: Arc<Instance>,
    /// Who is at the other end.
    pub peer: Peer,
    /// What the user could take when he logged in.
    limits: UserLimits,
    /// The current database; `None` after it was dropped.
    pub database: Option<String>,
    /// What it has set.
    pub variables: Variables,
    /// When the present statement began: `NOW()` is the same all through it.
    pub now: Timestamp,
    /// The parameters of the prepared statement that runs, if it takes them as they are.
    pub parameters: Vec<Value>,
    /// What became of each file of the last `PUT`: the rows of `SHOW LAST TRANSFER`.
    pub last_transfer: Vec<Row>,
    /// What `SHOW WARNINGS` shows: level, number, message.
    pub warnings: Vec<(&'static str, u16, String)>,
    /// What `ROW_COUNT()` answers: what the last statement has changed, -1 behind rows.
    pub row_count: i64,
    /// What `FOUND_ROWS()` answers: the rows of the last `SELECT`.
    pub found_rows: i64,
    /// What `CURRENT_ROLE()` answers: read for each statement that asks.
    pub roles: BTreeSet<String>,
    /// Its temporary file formats. They hide others of the same name.
    pub formats: BTreeMap<StageName, Format>,
    /// Its place among all connections.
    seat: Seat,
    /// Its temporary stages. They hide others of the same name.
    temporary: Vec<Arc<Definition>>,
    /// Whether the database was chosen since [`Session::take_changes`], be it the same.
    database_set: bool,
    /// Whether a temporary stage was made, changed or dropped since then.
    temporary_set: bool,
}

impl Session {
    /// The state right after the log-in, unless the user has too many connections. Who kills the connection cancels `killed`.
    pub async fn begin(
        instance: Arc<Instance>,
        peer: Peer,
        killed: CancellationToken,
    ) -> Result<Session> {
        let limits = instance.limits_of(&peer.user).await?;
        let who = Who { user: peer.user.name.clone(), id: peer.user.id, host: peer.ip.to_string() };
        let most = limits.connections;
        let seat = instance.processes.enter(peer.connection_id, who, killed, most);
        let user = || peer.user.name.clone();
        let seat = seat.ok_or_else(|| Error::LimitReached {
            user: user(),
            limit: "max_user_connections",
            most,
        })?;
        seat.uses(Some(DEFAULT_DATABASE));
        Ok(Session {
            instance,
            peer,
            limits,
            database: Some(DEFAULT_DATABASE.to_owned()),
            variables: Variables::default(),
            now: Timestamp::now(),
            parameters: Vec::new(),
            last_transfer: Vec::new(),
            warnings: Vec::new(),
            row_count: 0,
            found_rows: 0,
            roles: BTreeSet::new(),
            formats: BTreeMap::new(),
            seat,
            temporary: Vec::new(),
            database_set: false,
            temporary_set: false,
        })
    }

    /// Runs one statement (one trailing `;` allowed).
    pub async fn execute(&mut self, sql: &str, files: &mut dyn ClientFiles) -> Result<Outcome> {
        let started = Instant::now();
        let read = Statement::parse_in(sql, self.sql_mode());
        let read = read.map(|statement| Read::of(statement, sql));
        self.execute_as(Came::AsText, sql, read, started, files).await
    }

    async fn execute_as(
        &mut self,
        came: Came,
        written: &str,
        read: Result<Read>,
        started: Instant,
        files: &mut dyn ClientFiles,
    ) -> Result<Outcome> {
        self.now = Timestamp::now();
        let (kind, text, changes) = match &read {
            Ok(read) => (read.statement.kind(), read.text.clone(), read.statement.changes()),
            // What could not be read may hold a password anywhere.
            Err(_) => ("unknown", Arc::from("(not understood)"), false),
        };
        // Who may run nothing more may end something.
        let ends = read.as_ref().is_ok_and(|read| matches!(*read.statement, Statement::Kill(_)));
        let most = if ends { 0 } else { self.limits.statements };
        let span = spans::statement(kind, written, &text, &self.peer.user.name);
        let running = self.seat.run(text.clone(), came, most);
        let outcome = match (read, running) {
            (Ok(read), Some(running)) => {
                let mut files = Watched { client: files, teller: running.teller() };
                self.run(&read, &mut files, running, started).instrument(span.clone()).await
            }
            (Err(error), _) => Err(error),
            (Ok(_), None) => Err(Error::LimitReached {
                user: self.peer.user.name.clone(),
                limit: "max_user_statements",
                most,
            }),
        };
        self.seat.uses(self.database.as_deref());
        self.instance.statements.fetch_add(1, Ordering::Relaxed);
        metrics::statement(kind, outcome.is_ok(), started.elapsed());
        self.log(&text, &outcome, started);
        audit::record(&self.peer.user.name, self.peer.ip, &text, changes, &outcome);
        spans::outcome(span, outcome)
    }

    /// Runs a statement until it ends or is killed. Whoever is dropped half-way has undone what it
    /// did.
    async fn run(
        &mut self,
        read: &Read,
        files: &mut dyn ClientFiles,
        running: Running,
        started: Instant,
    ) -> Result<Outcome> {
        let statement = &*read.statement;
        let limit = self.time_limit(statement)?;
        let work = async {
            if statement.asks_for_roles(&read.text) {
                self.roles = self.rights().await?.roles;
            }
            statement.execute(self, files).await
        };
        let outcome = tokio::select! {
            biased;
            () = running.interrupted.cancelled() => Err(Error::Interrupted),
            () = until(limit) => Err(Error::QueryTimeout),
            outcome = work => outcome,
        };
        self.row_count = match &outcome {
            Ok(Outcome::Done(done)) => i64::try_from(done.affected).unwrap_or(i64::MAX),
            Ok(Outcome::Rows { .. } | Outcome::Nothing) | Err(_) => -1,
        };
        match outcome? {
            Outcome::Rows { columns, rows } => {
                let flow = Flow::new(running, limit, statement, started);
                Ok(Outcome::Rows { columns, rows: interruptible(rows, flow) })
            }
            other @ (Outcome::Done(_) | Outcome::Nothing) => Ok(other),
        }
    }

    /// When a query has to be done: `max_execution_time`, in milliseconds, is for what only looks. A file is on its way as
    /// long as its client takes.
    fn time_limit(&self, statement: &Statement) -> Result<Option<tokio::time::Instant>> {
        let is_query = matches!(
            statement,
            Statement::Select(_)
                | Statement::Explain(_)
                | Statement::CopyIntoLocation(_)
                | Statement::List(_)
        );
        if !is_query {
            return Ok(None);
        }
        let Value::UInt(millis) = self.variables.get(self, None, "max_execution_time")? else {
            return Ok(None);
        };
        let until = tokio::time::Instant::now().checked_add(Duration::from_millis(millis));
        Ok(until.filter(|_| millis > 0))
    }

    /// How long it may be idle: `wait_timeout`, in seconds.
    pub fn wait_timeout(&self) -> Duration {
        match self.variables.get(self, None, "wait_timeout") {
            Ok(Value::UInt(seconds)) => Duration::from_secs(seconds),
            Ok(_) | Err(_) => Duration::from_secs(self.instance.config.limits.wait_timeout_s),
        }
    }

    /// Splits the first statement off a text of several. The rest is empty after the last one.
    pub fn split<'a>(&self, sql: &'a str) -> (&'a str, &'a str) {
        Statement::split(sql, self.sql_mode())
    }

    /// Prepares one statement.
    pub async fn prepare(&mut self, sql: &str) -> Result<Prepared> {
        let sql_mode = self.sql_mode();
        let places = statement::scan_as_it_begins(sql, sql_mode).parameters;
        let mut read = None;
        let columns = match fill(sql, sql_mode, &places, &vec![Value::Null; places.len()])
            .and_then(|text| Statement::parse_in(&text, sql_mode))
        {
            Ok(statement) => {
                let columns = statement.columns(self).await?;
                read = places.is_empty().then(|| Read::of(statement, sql));
                columns
            }
            // Options take no NULL, but an empty text.
            Err(_) if !places.is_empty() => {
                let empty = vec![Value::Text(String::new()); places.len()];
                let text = fill(sql, sql_mode, &places, &empty)?;
                Statement::parse_in(&text, sql_mode)?.columns(self).await?
            }
            Err(error) => return Err(error),
        };
        Ok(Prepared { sql: sql.to_owned(), places, columns, sql_mode, read })
    }

    /// Runs a prepared statement.
    pub async fn execute_prepared(
        &mut self,
        prepared: &Prepared,
        parameters: Vec<Value>,
    ) -> Result<Outcome> {
        if parameters.len() != prepared.parameters() {
            return Err(Error::WrongParameters);
        }
        let (started, came) = (Instant::now(), Came::Prepared);
        if let Some(read) = &prepared.read {
            return self
                .execute_as(came, &prepared.sql, Ok(read.clone()), started, &mut NoFiles)
                .await;
        }
        let Prepared { sql, places, sql_mode, .. } = prepared;
        // A file is not written into the text and read out of it again.
        if let Ok(statement) = Statement::parse_in(sql, *sql_mode)
            && statement.takes_a_parameter()
        {
            self.parameters = parameters;
            let read = Ok(Read::of(statement, sql));
            let outcome = self.execute_as(came, sql, read, started, &mut NoFiles).await;
            self.parameters.clear();
            return outcome;
        }
        let text = fill(sql, *sql_mode, places, &parameters)?;
        let read = Statement::parse_in(&text, *sql_mode);
        let read = read.map(|statement| Read::of(statement, &text));
        self.execute_as(came, &text, read, started, &mut NoFiles).await
    }

    /// `USE database`, `COM_INIT_DB`, and the database of a handshake.
    pub async fn use_database(&mut self, name: &str) -> Result<()> {
        let own = tables::is_schema(name);
        if !own && !self.instance.stages.database_exists(name).await? {
            return Err(Error::UnknownDatabase { name: name.to_owned() });
        }
        self.database = Some(if own { name.to_lowercase() } else { name.to_owned() });
        self.seat.uses(self.database.as_deref());
        self.database_set = true;
        Ok(())
    }

    /// The columns of a table of the current database: for `COM_FIELD_LIST`.
    pub async fn table_columns(&self, table: &str) -> Result<Vec<Column>> {
        let database = self.database.as_deref().ok_or(Error::NoDatabase)?;
        let columns = World::of_server(self).await?.columns(database, table);
        columns.ok_or_else(|| Error::UnknownTable { name: format!("{database}.{table}") })
    }

    /// What has changed since the last call, as far as `session_track_...` says that the client wants
    /// to know. Source: the manual's page "Server Tracking of Client Session State".
    pub fn take_changes(&mut self) -> Changes {
        let (any, set) = self.variables.take_set();
        let database_set = std::mem::take(&mut self.database_set);
        let temporary_set = std::mem::take(&mut self.temporary_set);
        if !any && !database_set && !temporary_set {
            return Changes::default();
        }
        let tracks = |name| self.variables.shown(self, name).unwrap_or_default();
        let tracked = tracks("session_track_system_variables");
        let is_tracked = |name: &str| {
            let mut names = tracked.split(',').map(str::trim);
            names.any(|known| known == "*" || known.eq_ignore_ascii_case(name))
        };
        let database = self.database.clone().unwrap_or_default();
        let wanted = database_set && tracks("session_track_schema") == "ON";
        Changes {
            database: wanted.then_some(database),
            variables: set
                .into_iter()
                .filter(|name| is_tracked(name))
                .map(|name| (name, tracks(name)))
                .collect(),
            state: tracks("session_track_state_change") == "ON",
        }
    }

    /// How its statements are read.
    pub fn sql_mode(&self) -> SqlMode {
        self.variables.sql_mode()
    }

    /// Whether `autocommit` is on.
    pub fn autocommit(&self) -> bool {
        self.variables.autocommit()
    }

    /// The text of `COM_STATISTICS`, in MySQL's form.
    pub fn statistics(&self) -> String {
        let connections = self.instance.connections.load(Ordering::Relaxed);
        let uptime = self.instance.started.elapsed().as_secs();
        format!("Uptime: {uptime}  Threads: {connections}")
    }

    /// For what computes long without waiting for anything: an error, once the statement is killed.
    pub fn go_on(&self) -> Result<()> {
        if self.seat.is_interrupted() { Err(Error::Interrupted) } else { Ok(()) }
    }

    /// The connections that the user may know of: all, or his own.
    pub async fn processes(&self) -> Result<Vec<Shown>> {
        let admin = self.rights().await?.has(ServerPrivilege::Admin);
        let mut all = self.instance.processes.all();
        all.retain(|process| admin || process.who.id == self.peer.user.id);
        Ok(all)
    }

    /// `KILL`: ends the statement that runs in a connection, or the connection.
    pub async fn kill(&self, id: u64, query_alone: bool) -> Result<()> {
        let process = self.instance.processes.get(id).ok_or(Error::UnknownConnection { id })?;
        let admin = self.rights().await?.has(ServerPrivilege::Admin);
        if process.who.id != self.peer.user.id && !admin {
            return Err(Error::NotTheOwner { id });
        }
        if query_alone {
            process.interrupt();
        } else {
            process.kill();
        }
        // Who kills its own statement has killed this one.
        if id == u64::from(self.peer.connection_id) { Err(Error::Interrupted) } else { Ok(()) }
    }

    /// `COM_RESET_CONNECTION`: temporary stages and file formats and variables go, log-in and database stay.
    pub async fn reset(&mut self) -> Result<()> {
        self.variables = Variables::default();
        self.formats.clear();
        self.drop_temporary().await;
        Ok(())
    }

    /// The end of the connection, however it came: temporary stages go.
    pub async fn close(&mut self) {
        self.drop_temporary().await;
    }

    /// Who creates: `'root'@'127.0.0.1'`.
    pub fn creator(&self) -> String {
        format!("'{}'@'{}'", self.peer.user, self.peer.ip)
    }

    /// A name with its database: the one that it names, or the current one.
    pub fn stage_name(&self, name: &QualifiedName) -> Result<StageName> {
        let database = name.database.clone().or_else(|| self.database.clone());
        Ok(StageName::new(database.ok_or(Error::NoDatabase)?, name.name.clone()))
    }

    /// As [`Session::stage_name`], for a stage that is to be made: the server's own databases take none.
    pub fn new_stage_name(&self, name: &QualifiedName) -> Result<StageName> {
        let name = self.stage_name(name)?;
        if tables::is_schema(&name.database) {
            return Err(Error::ProtectedDatabase { name: name.database });
        }
        Ok(name)
    }

    /// What the user may do now.
    pub async fn rights(&self) -> Result<Rights> {
        self.instance.directory.rights(&self.peer.user).await
    }

    /// Fails if the user lacks a privilege that is about no single object.
    pub async fn need(&self, privilege: ServerPrivilege) -> Result<()> {
        self.rights().await?.need(privilege)
    }

    /// Fails if the user may not change or drop this one: whoever could give an administrator another
    /// password would be one.
    pub async fn need_power_over(&self, name: &str) -> Result<()> {
        self.need(ServerPrivilege::CreateUser).await?;
        let powerful = match self.instance.directory.identity(name).await {
            Ok(user) => self.instance.directory.rights(&user).await?.has(ServerPrivilege::Admin),
            Err(Error::UnknownPrincipal { .. }) => false,
            Err(error) => return Err(error),
        };
        if powerful { self.need(ServerPrivilege::Admin).await } else { Ok(()) }
    }

    /// The stage of this name, for who may know of it.
    pub async fn stage(&self, name: &StageName) -> Result<Arc<Definition>> {
        self.stage_for(name, StagePrivilege::Usage).await
    }

    /// The stage of this name, for who may do this with it.
    pub async fn stage_for(
        &self,
        name: &StageName,
        privilege: StagePrivilege,
    ) -> Result<Arc<Definition>> {
        if let Some(own) = self.temporary.iter().find(|definition| definition.name == *name) {
            self.rights().await?.need_presence(&self.peer.user)?;
            return Ok(own.clone());
        }
        self.instance.stage_for(&self.peer.user, name, privilege).await
    }

    /// The files of an area, for who may do this with them.
    pub async fn files_at(&self, area: &Area, privilege: StagePrivilege) -> Result<Arc<Files>> {
        let stages = &self.instance.stages;
        match area {
            Area::User => {
                self.rights().await?.need_presence(&self.peer.user)?;
                if privilege == StagePrivilege::Write {
                    self.instance.bound_bytes(self.peer.user.id).await?;
                }
                stages.user_files(&self.peer.user.name, self.peer.user.id).await
            }
            Area::Stage { database, name } => {
                let name = QualifiedName { database: database.clone(), name: name.clone() };
                let definition = self.stage_for(&self.stage_name(&name)?, privilege).await?;
                if privilege == StagePrivilege::Write {
                    self.instance.bound_bytes(definition.owner).await?;
                }
                stages.open_files(&definition).await
            }
            Area::Table { database, name } => {
                let database = database.as_ref().or(self.database.as_ref());
                let database = database.ok_or(Error::NoDatabase)?;
                self.instance.need_table_stage(&self.peer.user, database, name).await?;
                stages.table_files(database, name).await
            }
        }
    }

    /// The files of an area that a query reads, with what tells the area from all others, and the
    /// options of its `FILE_FORMAT`.
    pub async fn source_at(
        &self,
        area: &Area,
    ) -> Result<(Arc<Files>, String, BTreeMap<String, String>)> {
        let files = self.files_at(area, StagePrivilege::Read).await?;
        let (home, format) = match area {
            Area::User => (format!("user {}", self.peer.user), BTreeMap::new()),
            Area::Stage { database, name } => {
                let name = QualifiedName { database: database.clone(), name: name.clone() };
                let stage = self.stage(&self.stage_name(&name)?).await?;
                (stage.id.to_string(), named_formats::expand(self, &stage).await?)
            }
            Area::Table { .. } => (files.describe(), BTreeMap::new()),
        };
        Ok((files, home, format))
    }

    /// The options of an area's `FILE_FORMAT`.
    pub async fn format_at(&self, area: &Area) -> Result<BTreeMap<String, String>> {
        let Area::Stage { database, name } = area else { return Ok(BTreeMap::new()) };
        let name = QualifiedName { database: database.clone(), name: name.clone() };
        let stage = self.stage(&self.stage_name(&name)?).await?;
        named_formats::expand(self, &stage).await
    }

    /// Creates a stage that ends with this connection.
    pub async fn create_temporary(
        &mut self,
        definition: Definition,
        how: IfExists,
    ) -> Result<Created> {
        let name = definition.name.clone();
        self.temporary_set = true;
        if !self.instance.stages.database_exists(&name.database).await? {
            return Err(Error::UnknownDatabase { name: name.database });
        }
        let old = self.temporary.iter().position(|known| known.name == name);
        match (old, how) {
            (None, _) => {
                self.temporary.push(Arc::new(definition));
                Ok(Created::New)
            }
            (Some(_), IfExists::Keep) => Ok(Created::Kept),
            (Some(_), IfExists::Fail | IfExists::ReplaceThis(_)) => {
                Err(Error::StageExists { name: name.to_string() })
            }
            (Some(index), IfExists::Replace) => {
                let old = std::mem::replace(&mut self.temporary[index], Arc::new(definition));
                self.instance.stages.remove_files_of(&old).await?;
                Ok(Created::Replaced)
            }
        }
    }

    /// Changes a stage.
    pub async fn alter_stage(
        &mut self,
        name: &StageName,
        change: &(dyn Fn(&mut Definition) -> Result<()> + Sync),
    ) -> Result<()> {
        match self.temporary.iter_mut().find(|definition| definition.name == *name) {
            Some(definition) => {
                let mut changed = (**definition).clone();
                change(&mut changed)?;
                *definition = Arc::new(changed);
                Ok(())
            }
            None => {
                self.stage_for(name, StagePrivilege::Ownership).await?;
                self.instance.stages.alter(name, change, &self.creator()).await
            }
        }
    }

    /// Gives a stage another name.
    pub async fn rename_stage(&mut self, name: &StageName, to: &StageName) -> Result<()> {
        let taken = self.temporary.iter().any(|definition| definition.name == *to);
        match self.temporary.iter_mut().find(|definition| definition.name == *name) {
            Some(_) if taken => Err(Error::StageExists { name: to.to_string() }),
            Some(definition) => {
                let mut changed = (**definition).clone();
                changed.name = to.clone();
                *definition = Arc::new(changed);
                Ok(())
            }
            None => {
                self.stage_for(name, StagePrivilege::Ownership).await?;
                if name.database != to.database {
                    self.rights().await?.need_stages_in(&to.database)?;
                }
                self.instance.stages.rename(name, to, &self.creator()).await
            }
        }
    }

    /// Drops a stage; a temporary one first.
    pub async fn drop_stage(&mut self, name: &StageName) -> Result<()> {
        match self.temporary.iter().position(|definition| definition.name == *name) {
            Some(index) => {
                let definition = self.temporary.remove(index);
                self.temporary_set = true;
                self.instance.stages.remove_files_of(&definition).await
            }
            None => {
                match self.stage_for(name, StagePrivilege::Ownership).await {
                    // Who may do everything may drop what nobody can read.
                    Err(Error::CatalogDamaged { .. })
                        if self.rights().await?.owns_database(&name.database) => {}
                    found => drop(found?),
                }
                self.instance.stages.drop_stage(name, &self.creator()).await
            }
        }
    }

    /// All stages that this session sees, temporary ones in place of those that they hide.
    pub async fn list_stages(&self, database: Option<&str>) -> Result<Vec<Listed>> {
        let mut listed = self.instance.stages.list(database).await?;
        let rights = self.rights().await?;
        listed.retain(|listed| match listed {
            Listed::Stage(definition) => rights.sees(&definition.name.database, definition.id),
            Listed::Damaged { name, .. } => rights.owns_database(&name.database),
        });
        for definition in &self.temporary {
            if database.is_some_and(|database| database != definition.name.database) {
                continue;
            }
            listed.retain(|known| *listed_name(known) != definition.name);
            let at = listed.partition_point(|known| *listed_name(known) < definition.name);
            listed.insert(at, Listed::Stage(definition.clone()));
        }
        Ok(listed)
    }

    /// A database is gone: its temporary stages are, and it is not the current one any more.
    pub async fn database_dropped(&mut self, name: &str) {
        if self.database.as_deref() == Some(name) {
            self.database = None;
            self.database_set = true;
        }
        self.formats.retain(|format, _| format.database != name);
        let all = std::mem::take(&mut self.temporary);
        let (gone, kept): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|definition| definition.name.database == name);
        self.temporary = kept;
        self.remove_files(gone).await;
    }

    async fn drop_temporary(&mut self) {
        let gone = std::mem::take(&mut self.temporary);
        self.remove_files(gone).await;
    }

    async fn remove_files(&self, gone: Vec<Arc<Definition>>) {
        for definition in gone {
            if let Err(error) = self.instance.stages.remove_files_of(&definition).await {
                let name = &definition.name;
                tracing::error!(stage = %name, %error, "the files of a temporary stage are left");
            }
        }
    }

    fn log(&self, statement: &str, outcome: &Result<Outcome>, started: Instant) {
        let connection = self.peer.connection_id;
        let elapsed_us = started.elapsed().as_micros();
        match outcome {
            Ok(_) => tracing::debug!(connection, elapsed_us, statement, "done"),
            Err(error) if error.is_ours() => {
                tracing::error!(connection, elapsed_us, statement, %error, detail = error.detail(), "failed");
            }
            Err(error) => {
                let error = error.logged();
                tracing::info!(connection, elapsed_us, statement, error, "refused");
            }
        }
    }
}

/// Waits for a moment; for ever, if there is none.
async fn until(moment: Option<tokio::time::Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// What watches over rows on their way.
struct Flow {
    running: Running,
    limit: Option<tokio::time::Instant>,
    teller: Teller,
    /// Until the first row has come.
    first: Option<(&'static str, Instant)>,
    /// Of a `GET`.
    download: Option<Download>,
}

impl Flow {
    fn new(
        running: Running,
        limit: Option<tokio::time::Instant>,
        statement: &Statement,
        started: Instant,
    ) -> Flow {
        let is_download = matches!(statement, Statement::Get(_));
        let first = Some((statement.kind(), started));
        let download = is_download.then(|| Download::begin("mysql"));
        Flow { teller: running.teller(), running, limit, first, download }
    }

    /// Tells of what has come; whether more may follow.
    fn passes(&mut self, next: &Result<Row>) -> bool {
        let Ok(row) = next else { return false };
        if let Some((kind, started)) = self.first.take() {
            metrics::first_row(kind, started.elapsed());
        }
        let bytes = row.iter().map(bytes_of).sum();
        self.teller.sent(bytes);
        if let Some(download) = &mut self.download {
            let contents = row.iter().filter(|value| matches!(value, Value::Bytes(_)));
            download.sent(contents.map(bytes_of).sum());
        }
        true
    }

    fn end(mut self) {
        if let Some(download) = &mut self.download {
            download.done();
        }
    }
}

fn bytes_of(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::Null
        | Value::Int(_)
        | Value::UInt(_)
        | Value::Float(_)
        | Value::Double(_)
        | Value::Decimal(_)
        | Value::Date(_)
        | Value::Time(_)
        | Value::DateTime(_) => 0,
    }
}

/// Rows until their statement is killed or its time is up, which then ends as a failure.
fn interruptible(rows: RowStream, flow: Flow) -> RowStream {
    stream::unfold(Some((rows, flow)), move |state| async move {
        let (mut rows, mut flow) = state?;
        let next = tokio::select! {
            biased;
            () = flow.running.interrupted.cancelled() => Some(Err(Error::Interrupted)),
            () = until(flow.limit) => Some(Err(Error::QueryTimeout)),
            next = rows.next() => next,
        };
        let Some(next) = next else {
            flow.end();
            return None;
        };
        let goes_on = flow.passes(&next);
        Some((next, goes_on.then_some((rows, flow))))
    })
    .boxed()
}

fn listed_name(listed: &Listed) -> &StageName {
    match listed {
        Listed::Stage(definition) => &definition.name,
        Listed::Damaged { name, .. } => name,
    }
}

/// The text with its parameters in place.
fn fill(sql: &str, sql_mode: SqlMode, places: &[usize], values: &[Value]) -> Result<String> {
    let mut text = String::with_capacity(sql.len());
    let mut from = 0;
    for (place, value) in places.iter().zip(values) {
        text.push_str(sql.get(from..*place).ok_or(Error::WrongParameters)?);
        text.push_str(&match value {
            Value::Text(text) => literal::text_in(sql_mode, text),
            Value::Date(_) | Value::DateTime(_) | Value::Time(_) => {
                literal::text(&value.to_string())
            }
            Value::Bytes(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => literal::text_in(sql_mode, text),
                Err(_) => literal::hex(bytes),
            },
            // With an exponent, for without one it would be read as a DECIMAL.
            Value::Float(number) => format!("{number:e}"),
            Value::Double(number) => format!("{number:e}"),
            Value::Null | Value::Int(_) | Value::UInt(_) | Value::Decimal(_) => value.to_string(),
        });
        from = place + 1;
    }
    text.push_str(sql.get(from..).ok_or(Error::WrongParameters)?);
    Ok(text)
}
