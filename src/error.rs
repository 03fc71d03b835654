//! Everything that can go wrong, once: the sentence, the MySQL error number and the hint.
//!
//! Variants carry data, never sentences. Three exhaustive matches turn them into what a client
//! sees: [`Display`](fmt::Display) (the sentence), [`Error::code`] (number and SQLSTATE) and
//! [`Error::hint`] (what to try). A `_` in one of them is not allowed: a new variant has to be
//! thought through in all three.

use std::fmt;

use crate::sql::Span;

/// The result of nearly everything.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Clients cut error texts at 512 bytes (`MYSQL_ERRMSG_SIZE`), so a message is cut before that.
pub const MAX_MESSAGE_BYTES: usize = 500;

/// A MySQL error number with its SQLSTATE, as in the manual's "Server Error Message Reference".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// The error number, such as 1064.
    pub number: u16,
    /// The five-character SQLSTATE, such as `42000`.
    pub state: &'static str,
}

const fn code(number: u16, state: &'static str) -> Code {
    Code { number, state }
}

/// A kind of named things that are neither stages nor tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// A named file format.
    FileFormat,
    /// A connection.
    Connection,
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ObjectKind::FileFormat => "File format",
            ObjectKind::Connection => "Connection",
        })
    }
}

/// What failed, with the data that its sentence needs.
#[derive(Debug, Clone)]
pub enum Error {
    /// The text of a statement could not be understood.
    Syntax {
        /// What would have been right at this place.
        expected: String,
        /// What stands there.
        found: String,
        /// Where it stands, with the line it stands in.
        at: Option<Box<Excerpt>>,
        /// What to try.
        hint: Option<String>,
    },
    /// A text with nothing in it but blanks and comments.
    EmptyQuery,
    /// A name without a database, while none is in use.
    NoDatabase,
    /// Something that is understood and cannot be done.
    Unsupported {
        /// What was asked for.
        what: String,
        /// What to do instead.
        hint: Option<String>,
    },
    /// No stage has this name.
    UnknownStage {
        /// The name as it was given.
        name: String,
        /// A name that exists and looks like it.
        similar: Option<String>,
    },
    /// A stage has this name already.
    StageExists {
        /// The name.
        name: String,
    },
    /// No database has this name.
    UnknownDatabase {
        /// The name.
        name: String,
    },
    /// A database has this name already.
    DatabaseExists {
        /// The name.
        name: String,
    },
    /// `default` and `information_schema` are always there.
    ProtectedDatabase {
        /// The name.
        name: String,
    },
    /// A table was named; there are none.
    UnknownTable {
        /// The name.
        name: String,
    },
    /// A name that a stage or database cannot have.
    BadName {
        /// `stage`, `database`, `table`.
        what: &'static str,
        /// The name.
        name: String,
        /// Why not.
        why: &'static str,
    },
    /// A name that is too long.
    NameTooLong {
        /// The name.
        name: String,
    },
    /// A path that leaves the stage, or that no storage keeps as it is.
    BadPath {
        /// The path.
        path: String,
        /// Why not.
        why: &'static str,
    },
    /// An option with a value that it cannot have.
    BadValue {
        /// The option, such as `PARALLEL`.
        option: String,
        /// The value found.
        value: String,
        /// What would have been right.
        expected: String,
    },
    /// An option that does not exist here.
    UnknownOption {
        /// Where: `CREDENTIALS`, `PUT`.
        clause: String,
        /// The name found.
        option: String,
        /// The names that exist.
        expected: String,
    },
    /// A regular expression that does not compile.
    BadPattern {
        /// The expression.
        pattern: String,
        /// The reason, in one line.
        why: String,
    },
    /// A URL that cannot be the place of a stage.
    BadUrl {
        /// The URL, without credentials.
        url: String,
        /// Why not.
        why: String,
    },
    /// A URL that the operator's configuration does not allow.
    UrlNotAllowed {
        /// The URL.
        url: String,
        /// The setting that would allow it.
        setting: &'static str,
    },
    /// An upload brought no byte: the file is missing, unreadable or empty, or the client refused.
    NoData {
        /// The name that was asked for.
        file: String,
    },
    /// A pattern that no file matches.
    NoMatch {
        /// The pattern.
        pattern: String,
    },
    /// A file that is declared to be compressed, and is not in that way.
    NotAsDeclared {
        /// The file.
        file: String,
        /// How it is said to be compressed.
        declared: &'static str,
        /// How its first bytes look.
        found: &'static str,
    },
    /// Two files of one statement that would get one name.
    Collision {
        /// The name on the stage.
        target: String,
    },
    /// A file that was not asked for, because one before it ended the statement.
    NotAsked {
        /// The file.
        file: String,
    },
    /// What was to be unpacked is no archive, or not whole.
    BadArchive {
        /// The file.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// A member of an archive that is no file.
    BadMember {
        /// The member.
        member: String,
        /// What it is.
        why: &'static str,
    },
    /// A user or role of this name exists.
    PrincipalExists {
        /// `User` or `Role`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// No user or role of this name exists.
    UnknownPrincipal {
        /// `User` or `Role`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// Somebody may know of a stage, but not do this with it.
    StageDenied {
        /// The privilege that is missing.
        privilege: String,
        /// Who asks.
        user: String,
        /// The stage.
        stage: String,
    },
    /// Somebody may know of a connection, but not do this with it.
    ConnectionDenied {
        /// The privilege that is missing.
        privilege: String,
        /// Who asks.
        user: String,
        /// The connection.
        connection: String,
    },
    /// No named thing of this kind has this name.
    UnknownObject {
        /// What is looked for.
        kind: ObjectKind,
        /// The name as it was given.
        name: String,
        /// A name that exists and looks like it.
        similar: Option<String>,
    },
    /// A named thing of this kind has this name already.
    ObjectExists {
        /// What was to be made.
        kind: ObjectKind,
        /// The name.
        name: String,
    },
    /// Something that stages refer to, and that was to be dropped or renamed.
    ObjectInUse {
        /// What it is.
        kind: ObjectKind,
        /// The name.
        name: String,
        /// The stages that the user may know of, and how many others.
        stages: String,
    },
    /// The client says that it never sends local files.
    LocalInfileOff,
    /// A user has as much of something as he may have.
    LimitReached {
        /// The user.
        user: String,
        /// Of what: the configuration's name of it.
        limit: &'static str,
        /// How much that is.
        most: u64,
    },
    /// There is no room for a user's file.
    QuotaExceeded {
        /// The user for whom the file would be counted.
        user: String,
        /// How many bytes his files may have.
        quota: u64,
        /// How many they have, with those that are on their way.
        used: u64,
        /// How many more there would have to be, at least.
        needed: u64,
    },
    /// The stage has a file of this name already.
    FileExists {
        /// The path inside the stage.
        path: String,
    },
    /// No such file on the stage.
    UnknownFile {
        /// The path inside the stage.
        path: String,
    },
    /// A storage refused or failed.
    Storage {
        /// `write`, `list`, `delete` ...
        operation: &'static str,
        /// The stage, or `the catalog`.
        stage: String,
        /// The path inside it.
        path: String,
        /// What kind of failure.
        kind: StorageKind,
        /// What the storage said: endpoint, bucket, its own text. For the log, never for clients.
        detail: String,
    },
    /// What was asked for as a view is none.
    NotAView {
        /// The name.
        name: String,
    },
    /// Two columns of one table have the same name.
    DuplicateColumn {
        /// The name.
        name: String,
    },
    /// A table, view or stage has this name already.
    TableExists {
        /// The name.
        name: String,
    },
    /// A file is another one than when a query began.
    FileChanged {
        /// The stage.
        stage: String,
        /// The path inside it.
        path: String,
    },
    /// What is in a file can't be read as what it is taken for.
    UnreadableFile {
        /// The location that the query names.
        location: String,
        /// The file.
        path: String,
        /// What is wrong, perhaps with a line.
        why: String,
    },
    /// Nothing tells how a file is to be read.
    UnknownFormat {
        /// The file.
        path: String,
    },
    /// A query of a location without files.
    NoFiles {
        /// The location.
        location: String,
    },
    /// A query can't be computed.
    Query {
        /// Why.
        what: String,
    },
    /// A query needs more memory than queries have.
    OutOfMemory {
        /// Who needs how much.
        why: String,
    },
    /// A view where a table has to be.
    NotATable {
        /// Its name.
        name: String,
    },
    /// A table without columns.
    NoColumns,
    /// A table that is to be dropped and isn't there.
    CantDropTable {
        /// Its name.
        name: String,
    },
    /// Somebody may know of a table, but not do this with it.
    TableDenied {
        /// The privilege that is missing.
        privilege: String,
        /// Who asks.
        user: String,
        /// The table.
        table: String,
    },
    /// A value that its column can't hold.
    ColumnValue {
        /// Why not.
        misfit: Misfit,
        /// The column.
        column: String,
        /// The value, or its beginning.
        value: String,
        /// The row of the statement, from 1 on.
        row: u64,
    },
    /// A row with more or fewer values than there are columns.
    ColumnCount {
        /// How many there should be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// A row says nothing of a column that may not be `NULL` and has no default.
    NoDefault {
        /// The column.
        column: String,
    },
    /// A file that can't be loaded, at the first row that can't.
    LoadFailed {
        /// Its path.
        path: String,
        /// In which line, where it has lines, else in which row.
        line: u64,
        /// What is wrong there.
        why: String,
    },
    /// Another server changed the same thing at the same moment.
    Conflict {
        /// What was changed.
        name: String,
    },
    /// A catalog object that cannot be read.
    CatalogDamaged {
        /// The object's name in the catalog.
        object: String,
        /// Why.
        why: String,
    },
    /// Wrong user or password.
    AccessDenied {
        /// The user's name.
        user: String,
        /// The client's address.
        host: String,
        /// Whether a password was given.
        with_password: bool,
    },
    /// `@@name` that does not exist.
    UnknownVariable {
        /// The name.
        name: String,
    },
    /// `SET` of a variable that cannot be set.
    ReadOnlyVariable {
        /// The name.
        name: String,
    },
    /// `SET` of a value that a variable cannot have.
    WrongValue {
        /// The variable.
        name: String,
        /// The value.
        value: String,
    },
    /// `SET` of a value of the wrong type, such as a text where a number is wanted.
    WrongType {
        /// The variable.
        name: String,
    },
    /// A variable in a scope that it does not have.
    OtherScope {
        /// The variable.
        name: String,
        /// The scope that it has: `GLOBAL` or `SESSION`.
        scope: &'static str,
    },
    /// `SET` in the session of a variable that only the server has.
    GlobalVariable {
        /// The variable.
        name: String,
    },
    /// `SET GLOBAL` of a variable that only a session has.
    SessionVariable {
        /// The variable.
        name: String,
    },
    /// A time zone that nobody knows.
    UnknownTimeZone {
        /// Its name.
        name: String,
    },
    /// A character set that this server does not take.
    UnknownCharacterSet {
        /// Its name.
        name: String,
    },
    /// A collation that this server does not have.
    UnknownCollation {
        /// Its name.
        name: String,
    },
    /// A collation of another character set.
    CollationMismatch {
        /// The collation.
        collation: String,
        /// The character set.
        charset: &'static str,
    },
    /// Something that no user may do here.
    PrivilegeNeeded {
        /// What MySQL would call the privilege for it.
        privilege: &'static str,
        /// What to do instead.
        hint: &'static str,
    },
    /// A column in an expression that has none.
    UnknownColumn {
        /// The name.
        name: String,
    },
    /// A column's name that several tables of a query have.
    AmbiguousColumn {
        /// The name.
        name: String,
    },
    /// Two tables of one `FROM` with one name.
    SameTable {
        /// The name.
        name: String,
    },
    /// A query in the place of a table without a name.
    NamelessTable,
    /// A query in the place of one value that gives several rows.
    SeveralRows,
    /// A query in the place of one value that has several columns.
    SeveralColumns,
    /// `COUNT` and the like where there is no group of rows.
    NoGroup,
    /// A function with too many or too few arguments.
    WrongArgumentCount {
        /// The function.
        name: String,
    },
    /// `KILL` of a connection that is not there.
    UnknownConnection {
        /// The number given.
        id: u64,
    },
    /// `KILL` of another user's connection.
    NotTheOwner {
        /// The number given.
        id: u64,
    },
    /// `SHOW GRANTS` for a user who is not there.
    NoSuchGrant {
        /// The user.
        user: String,
    },
    /// A query took longer than `max_execution_time`.
    QueryTimeout,
    /// `KILL QUERY` has ended the statement.
    Interrupted,
    /// `KILL CONNECTION` has ended the connection.
    ConnectionKilled,
    /// The parts of a `UNION` differ in the number of columns.
    DifferentColumns,
    /// A result that its type can't hold.
    OutOfRange {
        /// The type.
        ty: &'static str,
        /// The expression.
        what: String,
    },
    /// A literal with its type before it that is none of that type.
    BadLiteral {
        /// The type.
        what: String,
        /// The value.
        value: String,
    },
    /// No table of `information_schema` has this name.
    UnknownView {
        /// The name.
        name: String,
    },
    /// `t.*` of a table that is not in the query.
    UnlistedTable {
        /// The name.
        name: String,
    },
    /// `*` where there is no table.
    NoTables,
    /// `DROP DATABASE` of one that is not there.
    CantDropDatabase {
        /// The name.
        name: String,
    },
    /// More digits of a second than there are.
    TooPrecise {
        /// The function.
        name: String,
        /// How many.
        digits: u64,
    },
    /// A procedure or function; there are none.
    UnknownRoutine {
        /// `PROCEDURE` or `FUNCTION`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A trigger; there are none.
    UnknownTrigger,
    /// An event; there are none.
    UnknownEvent {
        /// The name.
        name: String,
    },
    /// `EXECUTE` of a statement that was never prepared by its name.
    UnknownHandler {
        /// The name.
        name: String,
        /// `EXECUTE` or `DEALLOCATE PREPARE`.
        given_to: &'static str,
    },
    /// A storage engine that is not there.
    UnknownEngine {
        /// The name.
        name: String,
    },
    /// What only a server with a binary log can tell.
    NoBinaryLog,
    /// A function that does not exist.
    UnknownFunction {
        /// The name.
        name: String,
    },
    /// A statement that cannot be prepared (clients then send it as text).
    NotPreparable,
    /// `COM_STMT_EXECUTE` of a statement that was never prepared, or is closed.
    UnknownPrepared {
        /// The statement's number.
        id: u32,
    },
    /// Not as many parameters as there are question marks.
    WrongParameters,
    /// A packet larger than the limit.
    PacketTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// A packet that does not follow the protocol.
    MalformedPacket,
    /// An answer to the greeting that can't be read.
    BadHandshake,
    /// A packet whose number is not the next one.
    OutOfOrder,
    /// A compressed frame that can't be unpacked.
    BadCompression,
    /// A statement that is not UTF-8.
    NotUtf8 {
        /// The first bytes that are not.
        bytes: String,
    },
    /// A command that this server does not have.
    UnknownCommand {
        /// What was asked for, such as `COM_BINLOG_DUMP`.
        command: String,
    },
    /// The server is stopping.
    Shutdown,
    /// Too many connections.
    TooManyConnections,
    /// Nothing of what others use has become free.
    NoTurn {
        /// The bound's name.
        limit: &'static str,
        /// The bound.
        most: u64,
        /// How long it was waited for.
        waited_s: u64,
    },
    /// Nothing has come from a client for longer than it may be idle.
    IdleTimeout,
    /// Nothing has come from a client in the middle of something.
    ReadTimeout,
    /// The peer went away in the middle of something.
    Disconnected {
        /// What was going on.
        during: &'static str,
    },
    /// A connection that has to be encrypted and is not.
    InsecureTransport,
    /// A signed URL that is none, or is no longer one.
    BadLink {
        /// Why.
        why: &'static str,
    },
    /// A request by HTTP that is not what it should be.
    BadRequest {
        /// What is wrong.
        why: String,
    },
    /// The server cannot start.
    Startup {
        /// What is wrong.
        what: String,
        /// What to do.
        hint: String,
    },
    /// A mistake of ours. Never expected; always logged as an error.
    Internal {
        /// What happened.
        what: String,
    },
}

/// Why a column can't hold a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misfit {
    /// It is no such thing: MySQL's word for what it should be.
    Incorrect(&'static str),
    /// It is too large or too small.
    OutOfRange,
    /// It is too long.
    TooLong,
    /// It is `NULL`.
    Null,
    /// It is no JSON.
    Json,
}

impl Misfit {
    /// MySQL's sentence, up to the row.
    pub fn tell(self, f: &mut impl fmt::Write, column: &str, value: &str) -> fmt::Result {
        match self {
            Misfit::Incorrect(what) => {
                write!(f, "Incorrect {what} value: '{value}' for column '{column}'")
            }
            Misfit::OutOfRange => write!(f, "Out of range value for column '{column}'"),
            Misfit::TooLong => write!(f, "Data too long for column '{column}'"),
            Misfit::Null => write!(f, "Column '{column}' cannot be null"),
            Misfit::Json => write!(f, "Invalid JSON text in value for column '{column}'"),
        }
    }

    fn code(self) -> Code {
        match self {
            Misfit::Incorrect("date" | "time" | "datetime") => code(1292, "22007"),
            Misfit::Incorrect(_) => code(1366, "HY000"),
            Misfit::OutOfRange => code(1264, "22003"),
            Misfit::TooLong => code(1406, "22001"),
            Misfit::Null => code(1048, "23000"),
            Misfit::Json => code(3140, "22032"),
        }
    }
}

/// What kind of failure a storage reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorageKind {
    /// The bucket, container or directory does not exist.
    NotFound,
    /// The credentials do not suffice, or are wrong.
    Denied,
    /// The credentials were good once.
    Expired,
    /// What is signed by this server's clock is from another time than the storage's.
    Clock,
    /// No space is left.
    Full,
    /// A file stands where a directory should be, or the other way round.
    NotADirectory,
    /// The storage cannot do this at all.
    Unsupported,
    /// The storage asks for fewer requests.
    Busy,
    /// Anything else: unreachable, timed out, a broken answer.
    Failed,
    /// The same, in the moment of which it depends whether the file is there.
    Unknown,
}

/// A place in a statement, with the line that it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// Where, in the whole text.
    pub span: Span,
    /// The line's text.
    pub line: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Syntax { expected, found, at, .. } => {
                write!(f, "Expected {expected}, found {found}")?;
                match at {
                    Some(at) => write!(f, " at line {}, column {}", at.span.line, at.span.column),
                    None => Ok(()),
                }
            }
            Error::EmptyQuery => f.write_str("Query was empty"),
            Error::NoDatabase => f.write_str("No database selected"),
            Error::Unsupported { what, .. } => write!(f, "{what} is not supported"),
            Error::UnknownStage { name, .. } => write!(f, "Stage '{name}' doesn't exist"),
            Error::StageExists { name } => write!(f, "Stage '{name}' already exists"),
            Error::UnknownDatabase { name } => write!(f, "Unknown database '{name}'"),
            Error::DatabaseExists { name } => {
                write!(f, "Can't create database '{name}'; database exists")
            }
            Error::ProtectedDatabase { name } => write!(f, "Database '{name}' can't be changed"),
            Error::UnknownTable { name } => write!(f, "Table '{name}' doesn't exist"),
            Error::BadName { what, name, why } => {
                write!(f, "Incorrect {what} name '{name}': {why}")
            }
            Error::NameTooLong { name } => write!(f, "Identifier name '{name}' is too long"),
            Error::BadPath { path, why } => write!(f, "Incorrect path '{path}': {why}"),
            Error::BadValue { option, value, expected } => {
                write!(f, "Incorrect value '{value}' for {option}: expected {expected}")
            }
            Error::UnknownOption { clause, option, expected } => {
                write!(f, "Unknown option '{option}' for {clause}: expected {expected}")
            }
            Error::BadPattern { pattern, why } => {
                write!(f, "Got error '{why}' from regular expression '{pattern}'")
            }
            Error::BadUrl { url, why } => write!(f, "Incorrect URL '{url}': {why}"),
            Error::UrlNotAllowed { url, .. } => {
                write!(f, "The server's configuration doesn't allow stages at '{url}'")
            }
            Error::NoData { file } => write!(
                f,
                "No data received for '{file}': the file is missing, unreadable or empty, or \
                 LOCAL INFILE is off in the client"
            ),
            Error::NoMatch { pattern } => write!(f, "No file matches '{pattern}'"),
            Error::NotAsDeclared { file, declared, found } => {
                write!(f, "'{file}' is declared to be {declared}, but its first bytes say {found}")
            }
            Error::Collision { target } => {
                write!(f, "COLLISION: another file of this statement has the target '{target}' too")
            }
            Error::NotAsked { file } => {
                write!(f, "'{file}' was not asked for: a file before it has ended the statement")
            }
            Error::BadArchive { file, why } => {
                write!(f, "'{file}' can't be unpacked as a tar archive: {why}")
            }
            Error::BadMember { member, why } => write!(f, "'{member}' is not stored: {why}"),
            Error::PrincipalExists { what, name } => write!(f, "{what} '{name}' already exists"),
            Error::UnknownPrincipal { what, name } => write!(f, "{what} '{name}' doesn't exist"),
            Error::StageDenied { privilege, user, stage } => {
                write!(f, "{privilege} denied to user '{user}' for stage '{stage}'")
            }
            Error::ConnectionDenied { privilege, user, connection } => {
                write!(f, "{privilege} denied to user '{user}' for connection '{connection}'")
            }
            Error::UnknownObject { kind, name, .. } => write!(f, "{kind} '{name}' doesn't exist"),
            Error::ObjectExists { kind, name } => write!(f, "{kind} '{name}' already exists"),
            Error::ObjectInUse { kind, name, stages } => {
                write!(f, "{kind} '{name}' is in use by {stages}")
            }
            Error::LocalInfileOff => f.write_str(
                "Loading local data is disabled; this must be enabled on both the client and \
                 server sides",
            ),
            Error::LimitReached { user, limit, most } => {
                write!(
                    f,
                    "User '{user}' has exceeded the '{limit}' resource (current value: {most})"
                )
            }
            Error::QuotaExceeded { user, quota, used, needed } => write!(
                f,
                "User '{user}' has exceeded the 'max_stage_bytes' resource (current value: \
                 {quota}): {used} bytes are used, and at least {needed} more are needed"
            ),
            Error::FileExists { path } => write!(f, "File '{path}' already exists on the stage"),
            Error::UnknownFile { path } => write!(f, "File '{path}' doesn't exist on the stage"),
            Error::Storage { operation, stage, path, kind, .. } => {
                write!(f, "Can't {operation} '{path}' on {stage}: {}", kind.sentence())
            }
            Error::NotAView { name } => write!(f, "'{name}' is not VIEW"),
            Error::DuplicateColumn { name } => write!(f, "Duplicate column name '{name}'"),
            Error::TableExists { name } => write!(f, "Table '{name}' already exists"),
            Error::FileChanged { stage, path } => {
                write!(f, "File '{path}' on {stage} was changed while the query read it")
            }
            Error::UnreadableFile { location, path, why } => {
                write!(f, "Can't read '{path}' of {location}: {why}")
            }
            Error::UnknownFormat { path } => {
                write!(f, "Can't tell the format of '{path}' by its name")
            }
            Error::NoFiles { location } => write!(f, "There are no files at {location}"),
            Error::Query { what } => write!(f, "Can't compute the query: {what}"),
            Error::OutOfMemory { why } => {
                write!(f, "The query needs more memory than queries have: {why}")
            }
            Error::NotATable { name } => write!(f, "'{name}' is not BASE TABLE"),
            Error::NoColumns => f.write_str("A table must have at least 1 column"),
            Error::CantDropTable { name } => write!(f, "Unknown table '{name}'"),
            Error::TableDenied { privilege, user, table } => {
                write!(f, "{privilege} denied to user '{user}' for table '{table}'")
            }
            Error::ColumnValue { misfit, column, value, row } => {
                misfit.tell(f, column, value)?;
                match misfit {
                    // MySQL doesn't say it there.
                    Misfit::Null => Ok(()),
                    Misfit::Incorrect(_) | Misfit::OutOfRange | Misfit::TooLong | Misfit::Json => {
                        write!(f, " at row {row}")
                    }
                }
            }
            Error::ColumnCount { expected, found } => write!(
                f,
                "Column count doesn't match value count at row 1: {expected} columns, {found} values"
            ),
            Error::NoDefault { column } => {
                write!(f, "Field '{column}' doesn't have a default value")
            }
            Error::LoadFailed { path, line, why } => {
                write!(f, "Can't load '{path}', line {line}: {why}")
            }
            Error::Conflict { name } => {
                write!(f, "'{name}' was changed by another connection at the same time")
            }
            Error::CatalogDamaged { object, why } => {
                write!(f, "Incorrect information in catalog object '{object}': {why}")
            }
            Error::AccessDenied { user, host, with_password } => write!(
                f,
                "Access denied for user '{user}'@'{host}' (using password: {})",
                if *with_password { "YES" } else { "NO" }
            ),
            Error::UnknownVariable { name } => write!(f, "Unknown system variable '{name}'"),
            Error::ReadOnlyVariable { name } => {
                write!(f, "Variable '{name}' is a read only variable")
            }
            Error::WrongValue { name, value } => {
                write!(f, "Variable '{name}' can't be set to the value of '{value}'")
            }
            Error::WrongType { name } => write!(f, "Incorrect argument type to variable '{name}'"),
            Error::OtherScope { name, scope } => {
                write!(f, "Variable '{name}' is a {scope} variable")
            }
            Error::GlobalVariable { name } => {
                write!(
                    f,
                    "Variable '{name}' is a GLOBAL variable and should be set with SET GLOBAL"
                )
            }
            Error::SessionVariable { name } => {
                write!(
                    f,
                    "Variable '{name}' is a SESSION variable and can't be used with SET GLOBAL"
                )
            }
            Error::UnknownTimeZone { name } => {
                write!(f, "Unknown or incorrect time zone: '{name}'")
            }
            Error::UnknownCharacterSet { name } => write!(f, "Unknown character set: '{name}'"),
            Error::UnknownCollation { name } => write!(f, "Unknown collation: '{name}'"),
            Error::CollationMismatch { collation, charset } => {
                write!(f, "COLLATION '{collation}' is not valid for CHARACTER SET '{charset}'")
            }
            Error::PrivilegeNeeded { privilege, .. } => write!(
                f,
                "Access denied; you need (at least one of) the {privilege} privilege(s) for this \
                 operation"
            ),
            Error::UnknownColumn { name } => write!(f, "Unknown column '{name}'"),
            Error::AmbiguousColumn { name } => write!(f, "Column '{name}' is ambiguous"),
            Error::SameTable { name } => write!(f, "Not unique table/alias: '{name}'"),
            Error::NamelessTable => f.write_str("Every derived table must have its own alias"),
            Error::SeveralRows => f.write_str("Subquery returns more than 1 row"),
            Error::SeveralColumns => f.write_str("Operand should contain 1 column(s)"),
            Error::NoGroup => f.write_str("Invalid use of group function"),
            Error::WrongArgumentCount { name } => {
                write!(f, "Incorrect parameter count in the call to native function '{name}'")
            }
            Error::UnknownConnection { id } => write!(f, "Unknown thread id: {id}"),
            Error::NotTheOwner { id } => write!(f, "You are not owner of thread {id}"),
            Error::NoSuchGrant { user } => {
                write!(f, "There is no such grant defined for user '{user}'")
            }
            Error::QueryTimeout => f.write_str(
                "Query execution was interrupted, maximum statement execution time exceeded",
            ),
            Error::Interrupted => f.write_str("Query execution was interrupted"),
            Error::ConnectionKilled => f.write_str("Connection was killed"),
            Error::DifferentColumns => {
                f.write_str("The used SELECT statements have a different number of columns")
            }
            Error::OutOfRange { ty, what } => write!(f, "{ty} value is out of range in '{what}'"),
            Error::BadLiteral { what, value } => write!(f, "Incorrect {what} value: {value}"),
            Error::UnknownView { name } => {
                write!(f, "Unknown table '{name}' in information_schema")
            }
            Error::UnlistedTable { name } => write!(f, "Unknown table '{name}'"),
            Error::NoTables => f.write_str("No tables used"),
            Error::CantDropDatabase { name } => {
                write!(f, "Can't drop database '{name}'; database doesn't exist")
            }
            Error::TooPrecise { name, digits } => {
                write!(f, "Too-big precision {digits} specified for '{name}'. Maximum is 6.")
            }
            Error::UnknownRoutine { what, name } => write!(f, "{what} {name} does not exist"),
            Error::UnknownTrigger => f.write_str("Trigger does not exist"),
            Error::UnknownEvent { name } => write!(f, "Unknown event '{name}'"),
            Error::UnknownHandler { name, given_to } => {
                write!(f, "Unknown prepared statement handler ({name}) given to {given_to}")
            }
            Error::UnknownEngine { name } => write!(f, "Unknown storage engine '{name}'"),
            Error::NoBinaryLog => f.write_str("You are not using binary logging"),
            Error::UnknownFunction { name } => write!(f, "FUNCTION {name} does not exist"),
            Error::NotPreparable => {
                f.write_str("This command is not supported in the prepared statement protocol yet")
            }
            Error::UnknownPrepared { id } => {
                write!(f, "Unknown prepared statement handler ({id}) given to EXECUTE")
            }
            Error::WrongParameters => f.write_str("Incorrect arguments to EXECUTE"),
            Error::PacketTooLarge { limit } => {
                write!(f, "Got a packet bigger than 'max_allowed_packet' ({limit} bytes)")
            }
            Error::MalformedPacket => f.write_str("Malformed communication packet"),
            Error::BadHandshake => f.write_str("Bad handshake"),
            Error::OutOfOrder => f.write_str("Got packets out of order"),
            Error::BadCompression => f.write_str("Couldn't uncompress communication packet"),
            Error::NotUtf8 { bytes } => write!(f, "Invalid utf8mb4 character string: '{bytes}'"),
            Error::UnknownCommand { command } => write!(f, "Unknown command {command}"),
            Error::Shutdown => f.write_str("Server shutdown in progress"),
            Error::TooManyConnections => f.write_str("Too many connections"),
            Error::NoTurn { limit, most, waited_s } => write!(
                f,
                "Lock wait timeout exceeded: other uploads use all that limits.{limit} allows \
                 ({most}), and none has ended in {waited_s} s"
            ),
            Error::IdleTimeout => f.write_str(
                "The client was disconnected by the server because of inactivity. See wait_timeout \
                 and interactive_timeout for configuring this behavior",
            ),
            Error::ReadTimeout => f.write_str("Got timeout reading communication packets"),
            Error::InsecureTransport => f.write_str(
                "Connections using insecure transport are prohibited while \
                 --require_secure_transport=ON",
            ),
            Error::Disconnected { during } => write!(f, "Lost connection during {during}"),
            Error::BadLink { why } => write!(f, "The URL can't be used: {why}"),
            Error::BadRequest { why } => f.write_str(why),
            Error::Startup { what, .. } => f.write_str(what),
            Error::Internal { what } => write!(f, "Internal error: {what}"),
        }
    }
}

impl std::error::Error for Error {}

impl Error {
    /// The MySQL error number and SQLSTATE that drivers branch on.
    pub fn code(&self) -> Code {
        match self {
            Error::Syntax { .. } | Error::UnknownOption { .. } => code(1064, "42000"),
            Error::EmptyQuery => code(1065, "42000"),
            Error::NoDatabase => code(1046, "3D000"),
            Error::Unsupported { .. } => code(1235, "42000"),
            Error::UnknownStage { .. } | Error::UnknownTable { .. } => code(1146, "42S02"),
            Error::StageExists { .. } => code(1050, "42S01"),
            Error::UnknownDatabase { .. } => code(1049, "42000"),
            Error::DatabaseExists { .. } => code(1007, "HY000"),
            Error::ProtectedDatabase { .. } => code(1044, "42000"),
            Error::BadName { .. } => code(1103, "42000"),
            Error::NameTooLong { .. } => code(1059, "42000"),
            Error::BadPath { .. } | Error::BadValue { .. } | Error::BadUrl { .. } => {
                code(1525, "HY000")
            }
            Error::BadPattern { .. } => code(1139, "42000"),
            Error::UrlNotAllowed { .. } => code(1290, "HY000"),
            Error::NoData { .. }
            | Error::NoMatch { .. }
            | Error::NotAsked { .. }
            | Error::UnknownFile { .. } => code(1017, "HY000"),
            Error::NotAsDeclared { .. } | Error::BadArchive { .. } | Error::BadMember { .. } => {
                code(1366, "HY000")
            }
            Error::PrincipalExists { .. } | Error::UnknownPrincipal { .. } => code(1396, "HY000"),
            Error::StageDenied { .. } => code(1142, "42000"),
            Error::Collision { .. } => code(1062, "23000"),
            Error::LocalInfileOff => code(3948, "42000"),
            Error::LimitReached { .. } | Error::QuotaExceeded { .. } => code(1226, "42000"),
            Error::FileExists { .. } => code(1086, "HY000"),
            Error::Storage { kind, .. } => kind.code(),
            Error::NotAView { .. } => code(1347, "HY000"),
            Error::DuplicateColumn { .. } => code(1060, "42S21"),
            Error::TableExists { .. } => code(1050, "42S01"),
            Error::FileChanged { .. } => code(1412, "HY000"),
            Error::UnreadableFile { .. } => code(1033, "HY000"),
            Error::UnknownFormat { .. } => code(1235, "42000"),
            Error::NoFiles { .. } => code(1017, "HY000"),
            Error::Query { .. } => code(1105, "HY000"),
            Error::OutOfMemory { .. } => code(1041, "HY000"),
            Error::NotATable { .. } => code(1347, "HY000"),
            Error::NoColumns => code(1113, "42000"),
            Error::CantDropTable { .. } => code(1051, "42S02"),
            Error::TableDenied { .. } => code(1142, "42000"),
            Error::ColumnValue { misfit, .. } => misfit.code(),
            Error::ColumnCount { .. } => code(1136, "21S01"),
            Error::NoDefault { .. } => code(1364, "HY000"),
            Error::LoadFailed { .. } => code(1366, "HY000"),
            Error::UnknownObject { kind: ObjectKind::FileFormat, .. } => code(1305, "42000"),
            Error::ObjectExists { kind: ObjectKind::FileFormat, .. } => code(1304, "42000"),
            Error::UnknownObject { kind: ObjectKind::Connection, .. } => code(1477, "HY000"),
            Error::ObjectExists { kind: ObjectKind::Connection, .. } => code(1476, "HY000"),
            Error::ConnectionDenied { .. } => code(1142, "42000"),
            Error::ObjectInUse { .. } => code(1451, "23000"),
            Error::Conflict { .. } => code(1213, "40001"),
            Error::CatalogDamaged { .. } => code(1033, "HY000"),
            Error::AccessDenied { .. } | Error::BadLink { .. } => code(1045, "28000"),
            Error::UnknownVariable { .. } => code(1193, "HY000"),
            Error::ReadOnlyVariable { .. } => code(1238, "HY000"),
            Error::OtherScope { .. } => code(1238, "HY000"),
            Error::WrongValue { .. } => code(1231, "42000"),
            Error::WrongType { .. } => code(1232, "42000"),
            Error::GlobalVariable { .. } => code(1229, "HY000"),
            Error::SessionVariable { .. } => code(1228, "HY000"),
            Error::UnknownTimeZone { .. } => code(1298, "HY000"),
            Error::UnknownCharacterSet { .. } => code(1115, "42000"),
            Error::UnknownCollation { .. } => code(1273, "HY000"),
            Error::CollationMismatch { .. } => code(1253, "42000"),
            Error::PrivilegeNeeded { .. } => code(1227, "42000"),
            Error::UnknownColumn { .. } => code(1054, "42S22"),
            Error::AmbiguousColumn { .. } => code(1052, "23000"),
            Error::SameTable { .. } => code(1066, "42000"),
            Error::NamelessTable => code(1248, "42000"),
            Error::SeveralRows => code(1242, "21000"),
            Error::SeveralColumns => code(1241, "21000"),
            Error::NoGroup => code(1111, "HY000"),
            Error::WrongArgumentCount { .. } => code(1582, "42000"),
            Error::UnknownConnection { .. } => code(1094, "HY000"),
            Error::NotTheOwner { .. } => code(1095, "HY000"),
            Error::NoSuchGrant { .. } => code(1141, "42000"),
            Error::QueryTimeout => code(3024, "HY000"),
            Error::Interrupted => code(1317, "70100"),
            Error::ConnectionKilled => code(1927, "70100"),
            Error::DifferentColumns => code(1222, "21000"),
            Error::OutOfRange { .. } => code(1690, "22003"),
            Error::BadLiteral { .. } => code(1525, "HY000"),
            Error::UnknownView { .. } => code(1109, "42S02"),
            Error::UnlistedTable { .. } => code(1051, "42S02"),
            Error::NoTables => code(1096, "HY000"),
            Error::CantDropDatabase { .. } => code(1008, "HY000"),
            Error::TooPrecise { .. } => code(1426, "42000"),
            Error::UnknownRoutine { .. } => code(1305, "42000"),
            Error::UnknownTrigger => code(1360, "HY000"),
            Error::UnknownEvent { .. } => code(1539, "HY000"),
            Error::UnknownHandler { .. } => code(1243, "HY000"),
            Error::UnknownEngine { .. } => code(1286, "42000"),
            Error::NoBinaryLog => code(1381, "HY000"),
            Error::UnknownFunction { .. } => code(1305, "42000"),
            Error::NotPreparable => code(1295, "HY000"),
            Error::UnknownPrepared { .. } => code(1243, "HY000"),
            Error::WrongParameters => code(1210, "HY000"),
            Error::PacketTooLarge { .. } => code(1153, "08S01"),
            Error::MalformedPacket => code(1835, "HY000"),
            Error::BadHandshake => code(1043, "08S01"),
            Error::OutOfOrder => code(1156, "08S01"),
            Error::BadCompression => code(1157, "08S01"),
            Error::NotUtf8 { .. } => code(1300, "HY000"),
            Error::UnknownCommand { .. } => code(1047, "08S01"),
            Error::Shutdown => code(1053, "08S01"),
            Error::TooManyConnections => code(1040, "08004"),
            Error::NoTurn { .. } => code(1205, "HY000"),
            Error::IdleTimeout => code(4031, "HY000"),
            Error::ReadTimeout => code(1159, "08S01"),
            Error::InsecureTransport => code(3159, "HY000"),
            Error::Disconnected { .. } => code(1158, "08S01"),
            Error::BadRequest { .. } | Error::Startup { .. } | Error::Internal { .. } => {
                code(1105, "HY000")
            }
        }
    }

    /// What to try, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::Syntax { hint, .. } | Error::Unsupported { hint, .. } => hint.clone(),
            Error::UnknownStage { similar, .. } => Some(match similar {
                Some(similar) => format!("did you mean '{similar}'?"),
                None => "SHOW STAGES lists what exists".to_owned(),
            }),
            Error::UnknownObject { similar: Some(similar), .. } => {
                Some(format!("did you mean '{similar}'?"))
            }
            Error::UnknownObject { kind: ObjectKind::FileFormat, .. } => {
                Some("SHOW FILE FORMATS lists what exists".to_owned())
            }
            Error::UnknownObject { kind: ObjectKind::Connection, .. } => {
                Some("SHOW CONNECTIONS lists what exists".to_owned())
            }
            Error::ConnectionDenied { privilege, connection, .. } => {
                Some(format!("its owner can GRANT {privilege} ON CONNECTION {connection}"))
            }
            Error::ObjectExists { .. } => {
                Some("CREATE OR REPLACE replaces it, IF NOT EXISTS keeps it".to_owned())
            }
            Error::ObjectInUse { .. } => {
                Some("ALTER STAGE ... SET gives a stage another one".to_owned())
            }
            Error::StageExists { .. } => {
                Some("CREATE OR REPLACE STAGE replaces it, IF NOT EXISTS keeps it".to_owned())
            }
            Error::UnknownDatabase { .. } => Some("SHOW DATABASES lists what exists".to_owned()),
            Error::UnknownRoutine { what, .. } => {
                (*what == "PROCEDURE").then(|| "CALL STAGE_PUT is the only one".to_owned())
            }
            Error::NoTables => Some("LIST @stage shows the files of a stage".to_owned()),
            Error::BadPath { .. } => Some(
                "a path is made of names with single '/' between them, as in @lake/2024/a.csv"
                    .to_owned(),
            ),
            Error::UrlNotAllowed { setting, .. } => {
                Some(format!("the operator allows it by '{setting}' in the configuration file"))
            }
            Error::NoData { file } if file.starts_with('~') => {
                Some("few clients know what '~' is: write the path out".to_owned())
            }
            Error::NoData { .. } => Some(
                "start mysql with --local-infile=1; for a file that really is empty, add \
                 ALLOW_EMPTY=TRUE"
                    .to_owned(),
            ),
            Error::BadArchive { .. } => {
                Some("what came whole before that is stored; without UNPACK the file is".to_owned())
            }
            Error::NoMatch { .. } => Some(
                "for a file that really has '*', '?' or '[' in its name, add GLOB=FALSE".to_owned(),
            ),
            Error::NotAsDeclared { .. } => {
                Some("leave SOURCE_COMPRESSION out to have it found out".to_owned())
            }
            Error::Collision { .. } => {
                Some("KEEP_PATHS=TRUE keeps the directories below the pattern".to_owned())
            }
            Error::LocalInfileOff => {
                Some("start mysql with --local-infile=1, or set your driver's option".to_owned())
            }
            Error::LimitReached { .. } => {
                Some("an administrator can change it by ALTER USER ... WITH".to_owned())
            }
            Error::QuotaExceeded { .. } => {
                Some("REMOVE makes room; an administrator can ALTER USER ... WITH".to_owned())
            }
            Error::FileExists { .. } => Some("OVERWRITE=TRUE replaces it".to_owned()),
            Error::Storage { kind, .. } => kind.hint().map(str::to_owned),
            Error::FileChanged { .. } | Error::Conflict { .. } | Error::NoTurn { .. } => {
                Some("try again".to_owned())
            }
            Error::UnknownFormat { .. } => Some(
                "say it: FROM @stage/path (TYPE => 'CSV'), or FILE_FORMAT=(TYPE=CSV) of the stage"
                    .to_owned(),
            ),
            Error::NoFiles { .. } => Some("LIST shows what is there".to_owned()),
            Error::LoadFailed { .. } => Some(
                "ON_ERROR = CONTINUE loads the other rows; VALIDATION_MODE = RETURN_ERRORS shows all that is wrong"
                    .to_owned(),
            ),
            Error::OutOfMemory { .. } => {
                Some("query.memory_bytes in the configuration bounds it".to_owned())
            }
            Error::CatalogDamaged { .. } => {
                Some("restore the object, or DROP what it describes".to_owned())
            }
            Error::UnknownVariable { .. } => Some("SHOW VARIABLES lists what exists".to_owned()),
            Error::UnknownConnection { .. } => {
                Some("SHOW PROCESSLIST lists what exists".to_owned())
            }
            Error::UnknownCharacterSet { .. } => {
                Some("everything is UTF-8 here: SET NAMES utf8mb4".to_owned())
            }
            Error::PrivilegeNeeded { hint, .. } => Some((*hint).to_owned()),
            Error::NoDatabase => Some("USE default, or write db.stage".to_owned()),
            Error::InsecureTransport => {
                Some("connect by TLS, as with mysql --ssl-mode=REQUIRED, or by https".to_owned())
            }
            Error::Startup { hint, .. } => Some(hint.clone()),
            Error::TableDenied { privilege, table, .. } => {
                Some(format!("its owner can GRANT {privilege} ON TABLE {table}"))
            }
            Error::StageDenied { privilege, stage, .. } => {
                Some(format!("its owner can GRANT {privilege} ON STAGE {stage}"))
            }
            Error::EmptyQuery
            | Error::PrincipalExists { .. }
            | Error::UnknownPrincipal { .. }
            | Error::NotAsked { .. }
            | Error::BadMember { .. }
            | Error::DatabaseExists { .. }
            | Error::ProtectedDatabase { .. }
            | Error::UnknownTable { .. }
            | Error::BadName { .. }
            | Error::NameTooLong { .. }
            | Error::BadValue { .. }
            | Error::UnknownOption { .. }
            | Error::BadPattern { .. }
            | Error::BadUrl { .. }
            | Error::UnknownFile { .. }
            | Error::AccessDenied { .. }
            | Error::ReadOnlyVariable { .. }
            | Error::WrongValue { .. }
            | Error::WrongType { .. }
            | Error::OtherScope { .. }
            | Error::GlobalVariable { .. }
            | Error::SessionVariable { .. }
            | Error::UnknownTimeZone { .. }
            | Error::UnknownCollation { .. }
            | Error::CollationMismatch { .. }
            | Error::UnknownColumn { .. }
            | Error::AmbiguousColumn { .. }
            | Error::SameTable { .. }
            | Error::NamelessTable
            | Error::SeveralRows
            | Error::SeveralColumns
            | Error::NoGroup
            | Error::WrongArgumentCount { .. }
            | Error::NotTheOwner { .. }
            | Error::NoSuchGrant { .. }
            | Error::QueryTimeout
            | Error::Interrupted
            | Error::ConnectionKilled
            | Error::DifferentColumns
            | Error::OutOfRange { .. }
            | Error::BadLiteral { .. }
            | Error::UnknownView { .. }
            | Error::UnlistedTable { .. }
            | Error::CantDropDatabase { .. }
            | Error::TooPrecise { .. }
            | Error::UnknownTrigger
            | Error::UnknownEvent { .. }
            | Error::UnknownHandler { .. }
            | Error::NoBinaryLog
            | Error::UnknownEngine { .. }
            | Error::UnknownFunction { .. }
            | Error::NotPreparable
            | Error::UnknownPrepared { .. }
            | Error::WrongParameters
            | Error::PacketTooLarge { .. }
            | Error::MalformedPacket
            | Error::BadHandshake
            | Error::OutOfOrder
            | Error::BadCompression
            | Error::NotUtf8 { .. }
            | Error::UnknownCommand { .. }
            | Error::Shutdown
            | Error::TooManyConnections
            | Error::IdleTimeout
            | Error::ReadTimeout
            | Error::Disconnected { .. }
            | Error::BadLink { .. }
            | Error::BadRequest { .. }
            | Error::NotAView { .. }
            | Error::DuplicateColumn { .. }
            | Error::TableExists { .. }
            | Error::UnreadableFile { .. }
            | Error::Query { .. }
            | Error::NotATable { .. }
            | Error::NoColumns
            | Error::CantDropTable { .. }
            | Error::ColumnValue { .. }
            | Error::ColumnCount { .. }
            | Error::NoDefault { .. }
            | Error::Internal { .. } => None,
        }
    }

    /// The whole text for a client: the sentence, the line with a caret below the mistake, the
    /// hint. At most [`MAX_MESSAGE_BYTES`].
    pub fn message(&self) -> String {
        let mut text = self.to_string();
        if let Error::Syntax { at: Some(at), .. } = self {
            text.push_str(&at.picture());
        }
        if let Some(hint) = self.hint() {
            let pictured = matches!(self, Error::Syntax { at: Some(_), .. });
            text.push_str(if pictured { " Hint: " } else { ". Hint: " });
            text.push_str(&hint);
        }
        truncate(&mut text, MAX_MESSAGE_BYTES);
        text
    }

    /// The sentence for the log. What could not be understood may be a secret in a wrong place.
    pub fn logged(&self) -> String {
        if let Error::Syntax { expected, .. } = self {
            format!("Syntax error: expected {expected}")
        } else {
            self.to_string()
        }
    }

    /// What the log may say beyond the sentence.
    pub fn detail(&self) -> &str {
        if let Error::Storage { detail, .. } = self { detail } else { "" }
    }

    /// Whether the mistake is the user's (logged at info) or ours (logged as an error).
    pub fn is_ours(&self) -> bool {
        matches!(
            self,
            Error::Storage { .. } | Error::CatalogDamaged { .. } | Error::Internal { .. }
        )
    }
}

impl StorageKind {
    fn sentence(self) -> &'static str {
        match self {
            StorageKind::NotFound => "the bucket, container or directory doesn't exist",
            StorageKind::Denied => "the storage refuses it, or the credentials are wrong",
            StorageKind::Expired => "the credentials have expired",
            StorageKind::Clock => "the server's clock and the storage's differ too much",
            StorageKind::Full => "no space is left",
            StorageKind::NotADirectory => "a file stands where a directory should be",
            StorageKind::Unsupported => "this kind of storage can't do it",
            StorageKind::Busy => "the storage asks for fewer requests",
            StorageKind::Failed => "the storage can't be reached or failed",
            StorageKind::Unknown => {
                "the storage can't be reached any more; whether the file has arrived is not known"
            }
        }
    }

    fn code(self) -> Code {
        match self {
            StorageKind::NotFound => code(1017, "HY000"),
            StorageKind::Denied | StorageKind::Expired => code(1142, "42000"),
            StorageKind::Full => code(1021, "HY000"),
            StorageKind::Unsupported => code(1235, "42000"),
            StorageKind::NotADirectory
            | StorageKind::Clock
            | StorageKind::Busy
            | StorageKind::Failed
            | StorageKind::Unknown => code(1030, "HY000"),
        }
    }

    fn hint(self) -> Option<&'static str> {
        match self {
            StorageKind::Denied => Some(
                "see the credentials of the stage or its connection; the server's log has more",
            ),
            StorageKind::Expired => {
                Some("give the stage or its connection new ones: ALTER STAGE or ALTER CONNECTION")
            }
            StorageKind::Clock => {
                Some("set the clock of the machine that the server runs on (by NTP)")
            }
            StorageKind::Failed | StorageKind::NotFound => Some("the server's log has more"),
            StorageKind::Busy => Some("try again later"),
            StorageKind::Unknown => Some("LIST shows whether it is there; PUT it again"),
            StorageKind::Full | StorageKind::NotADirectory | StorageKind::Unsupported => None,
        }
    }
}

impl Excerpt {
    /// The line, cut to what fits, with carets below the place.
    fn picture(&self) -> String {
        const WIDTH: usize = 100;
        const BEFORE: usize = 40;
        let column = self.span.column.saturating_sub(1);
        let from = if column + 20 > WIDTH { column.saturating_sub(BEFORE) } else { 0 };
        let line: String = self.line.chars().skip(from).take(WIDTH).collect();
        let shown = line.chars().count();
        let indent = (column - from).min(shown);
        let carets = self.span.length.clamp(1, (shown - indent).max(1));
        format!("\n{line}\n{}{}", " ".repeat(indent), "^".repeat(carets))
    }
}

/// Cuts at a character boundary, with an ellipsis.
fn truncate(text: &mut String, limit: usize) {
    if text.len() <= limit {
        return;
    }
    let mut end = limit - 3;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text.push_str("...");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_syntax_error_points_at_the_word() {
        let error = Error::Syntax {
            expected: "a stage location after LIST".to_owned(),
            found: "'lake'".to_owned(),
            at: Some(Box::new(Excerpt {
                span: Span { line: 1, column: 6, length: 4 },
                line: "LIST lake/2024".to_owned(),
            })),
            hint: Some("locations start with '@', as in LIST @lake/2024".to_owned()),
        };
        assert_eq!(
            error.message(),
            "Expected a stage location after LIST, found 'lake' at line 1, column 6\n\
             LIST lake/2024\n     ^^^^ Hint: locations start with '@', as in LIST @lake/2024"
        );
    }

    #[test]
    fn a_message_is_cut_where_clients_cut_it() {
        let error = Error::BadRequest { why: "é".repeat(400) };
        assert!(error.message().len() <= MAX_MESSAGE_BYTES);
        assert!(error.message().ends_with("..."));
    }

    #[test]
    fn the_detail_of_a_storage_failure_is_not_for_clients() {
        let error = Error::Storage {
            operation: "write",
            stage: "stage 'lake'".to_owned(),
            path: "a.csv".to_owned(),
            kind: StorageKind::Denied,
            detail: "secret-endpoint".to_owned(),
        };
        assert!(!error.message().contains("secret-endpoint"));
        assert!(error.message().starts_with("Can't write 'a.csv' on stage 'lake'"));
    }
}
