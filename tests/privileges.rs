//! Who may do what, statement by statement and route by route. [`CASES`] has every statement and
//! [`REQUESTS`] every route: one that is missing is a failure.
//!
//! Each case names what it needs. It is refused to who has nothing, and to who has every privilege but
//! those that include a needed one; then nothing has changed. It is done for who has exactly what it
//! needs, and for who has something greater in its place.

#[path = "support/mod.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use stagewire::http::ROUTES;
use stagewire::statement::{ENTRIES, Statement};
use support::client::{Client, Options, Response};
use support::http;
use support::server::Server;

/// What somebody can be granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Grant {
    /// A privilege on a stage.
    On(Privilege, &'static str),
    /// A privilege on the connection `vault`.
    Connection(Privilege),
    /// Everything in a database.
    Database(&'static str),
    CreateStage,
    CreateUser,
    Admin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Privilege {
    Usage,
    Read,
    Write,
    Ownership,
}

use Privilege::{Ownership, Read, Usage, Write};

/// The table among the stages: what is granted on it is granted on a table.
const LEDGER: &str = "ledger";

/// What a statement can need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// A privilege on a stage of the database `default`.
    On(Privilege, &'static str),
    /// A privilege on the connection `vault`.
    Connection(Privilege),
    /// To take the place of the connection; who may not is told that it is there.
    ReplaceConnection,
    /// To make stages and connections anywhere.
    CreateStage,
    /// To take the place of a stage; who may not is told that it is there.
    Replace(&'static str),
    /// To drop a table; who sees none is told that it is unknown.
    #[cfg_attr(not(feature = "query"), expect(dead_code, reason = "tables are the engine's"))]
    DropTable(&'static str),
    /// The stage of a table.
    Table(&'static str),
    /// To drop a view of somebody else.
    #[cfg_attr(not(feature = "query"), expect(dead_code, reason = "views are the engine's"))]
    View(&'static str),
    /// To change a file format of somebody else.
    Format(&'static str),
    /// To make stages in a database.
    StagesIn(&'static str),
    CreateUser,
    Admin,
    /// To end somebody else's connection.
    Connections,
}

/// All that there is to grant.
const ALL: &[Grant] = &[
    Grant::On(Usage, "lake"),
    Grant::On(Read, "lake"),
    Grant::On(Write, "lake"),
    Grant::On(Ownership, "lake"),
    Grant::On(Usage, "pond"),
    Grant::On(Read, "pond"),
    Grant::On(Write, "pond"),
    Grant::On(Ownership, "pond"),
    #[cfg(feature = "query")]
    Grant::On(Usage, LEDGER),
    #[cfg(feature = "query")]
    Grant::On(Read, LEDGER),
    #[cfg(feature = "query")]
    Grant::On(Write, LEDGER),
    #[cfg(feature = "query")]
    Grant::On(Ownership, LEDGER),
    Grant::Connection(Usage),
    Grant::Connection(Ownership),
    Grant::Database("default"),
    Grant::Database("sales"),
    Grant::CreateStage,
    Grant::CreateUser,
    Grant::Admin,
];

impl Need {
    /// The least that is enough.
    fn exactly(self) -> Grant {
        match self {
            Need::On(privilege, stage) => Grant::On(privilege, stage),
            Need::Replace(stage) | Need::DropTable(stage) => Grant::On(Ownership, stage),
            Need::Connection(privilege) => Grant::Connection(privilege),
            Need::ReplaceConnection => Grant::Connection(Ownership),
            Need::Table(database) | Need::View(database) | Need::Format(database) => {
                Grant::Database(database)
            }
            Need::StagesIn(_) | Need::CreateStage => Grant::CreateStage,
            Need::CreateUser => Grant::CreateUser,
            Need::Admin | Need::Connections => Grant::Admin,
        }
    }

    /// Whether this is enough.
    fn is_met_by(self, grant: Grant) -> bool {
        match (self, grant) {
            (_, Grant::Admin) => true,
            (Need::On(..) | Need::Replace(_) | Need::DropTable(_), Grant::Database(database)) => {
                database == "default"
            }
            (
                Need::Table(wanted)
                | Need::View(wanted)
                | Need::Format(wanted)
                | Need::StagesIn(wanted),
                Grant::Database(database),
            ) => wanted == database,
            (Need::On(Usage, wanted), Grant::On(_, stage)) => wanted == stage,
            (Need::On(wanted, on), Grant::On(privilege, stage)) => {
                on == stage && (privilege == wanted || privilege == Ownership)
            }
            (Need::Replace(wanted) | Need::DropTable(wanted), Grant::On(privilege, stage)) => {
                wanted == stage && privilege == Ownership
            }
            (Need::StagesIn(_) | Need::CreateStage, Grant::CreateStage) => true,
            (Need::Connection(wanted), Grant::Connection(privilege)) => {
                privilege == wanted || privilege == Ownership
            }
            (Need::ReplaceConnection, Grant::Connection(privilege)) => privilege == Ownership,
            (Need::CreateUser, Grant::CreateUser) => true,
            (
                Need::Table(_)
                | Need::View(_)
                | Need::Format(_)
                | Need::Connection(_)
                | Need::ReplaceConnection
                | Need::CreateStage
                | Need::StagesIn(_)
                | Need::CreateUser
                | Need::Admin
                | Need::Connections,
                _,
            )
            | (
                Need::On(..) | Need::Replace(_) | Need::DropTable(_),
                Grant::Connection(_) | Grant::CreateStage | Grant::CreateUser,
            ) => false,
        }
    }

    /// The error for who has nothing at all.
    fn unseen(self) -> u16 {
        match self {
            Need::On(..) | Need::Table(_) | Need::View(_) => 1146,
            Need::Replace(_) => 1050,
            Need::DropTable(_) => 1051,
            Need::Connection(_) => 1477,
            Need::ReplaceConnection => 1476,
            Need::Format(_)
            | Need::CreateStage
            | Need::StagesIn(_)
            | Need::CreateUser
            | Need::Admin => 1227,
            Need::Connections => 1095,
        }
    }

    /// The error for who has everything else.
    fn denied(self) -> u16 {
        match self {
            Need::DropTable(_) => 1142,
            Need::On(privilege, _) | Need::Connection(privilege) if privilege != Usage => 1142,
            // Who knows the stages that it reads knows of it.
            Need::View(_) => 1227,
            Need::On(..)
            | Need::Replace(_)
            | Need::Table(_)
            | Need::Format(_)
            | Need::Connection(_)
            | Need::ReplaceConnection
            | Need::CreateStage
            | Need::StagesIn(_)
            | Need::CreateUser
            | Need::Admin
            | Need::Connections => self.unseen(),
        }
    }

    /// HTTP's status for that.
    fn status(self) -> u16 {
        match self.denied() {
            1146 => 404,
            _ => 403,
        }
    }
}

/// A statement, and what it needs, in the order in which it is asked for.
struct Case(&'static str, &'static [Need]);

const READ: Need = Need::On(Read, "lake");
const WRITE: Need = Need::On(Write, "lake");
const SEE: Need = Need::On(Usage, "lake");
const OWN: Need = Need::On(Ownership, "lake");

/// `{victim}` is the number of a connection of `root`'s.
const CASES: &[Case] = &[
    Case("ALTER STAGE lake SET COMMENT = 'x'", &[OWN]),
    Case("ALTER STAGE lake UNSET COMMENT", &[OWN]),
    Case("ALTER STAGE lake RENAME TO sea", &[OWN]),
    Case("ALTER STAGE lake RENAME TO sales.sea", &[OWN, Need::StagesIn("sales")]),
    Case("COPY FILES INTO @pond FROM @lake", &[READ, Need::On(Write, "pond")]),
    Case("COPY FILES INTO @lake/copy FROM @lake", &[READ, WRITE]),
    Case(
        "COPY INTO @pond FROM lake VALIDATION_MODE = RETURN_ROWS",
        &[Need::On(Write, "pond"), READ],
    ),
    #[cfg(feature = "query")]
    Case("COPY INTO @pond/x.csv FROM @lake/a.csv", &[Need::On(Write, "pond"), READ]),
    #[cfg(feature = "query")]
    Case("COPY INTO @pond/x/ FROM (SELECT * FROM books)", &[Need::On(Write, "pond"), READ]),
    #[cfg(feature = "query")]
    Case("COPY INTO @sales.%orders FROM @lake/a.csv", &[Need::Table("sales"), READ]),
    Case("CALL STAGE_PUT('@lake/put.csv', 'x')", &[WRITE]),
    Case("CREATE DATABASE more", &[Need::Admin]),
    Case("CREATE STAGE fresh", &[Need::StagesIn("default")]),
    Case("CREATE STAGE fresh FILE_FORMAT = semi", &[Need::StagesIn("default")]),
    Case(
        "CREATE STAGE fresh URL = 's3://b/' CONNECTION = (CONNECTION_NAME = vault)",
        &[Need::Connection(Usage), Need::StagesIn("default")],
    ),
    Case("CREATE CONNECTION fresh STORAGE_TYPE = 's3'", &[Need::CreateStage]),
    Case(
        "CREATE OR REPLACE CONNECTION vault STORAGE_TYPE = 's3'",
        &[Need::CreateStage, Need::ReplaceConnection],
    ),
    Case("ALTER CONNECTION vault SET COMMENT = 'x'", &[Need::Connection(Ownership)]),
    Case("DROP CONNECTION vault", &[Need::Connection(Ownership)]),
    Case("DESCRIBE CONNECTION vault", &[Need::Connection(Usage)]),
    Case("SHOW CONNECTIONS", &[]),
    Case("GRANT USAGE ON CONNECTION vault TO eve", &[Need::Connection(Ownership)]),
    Case("REVOKE USAGE ON CONNECTION vault FROM boss", &[Need::Connection(Ownership)]),
    Case("CREATE FILE FORMAT fresh TYPE = CSV", &[Need::StagesIn("default")]),
    Case("CREATE FILE FORMAT sales.fresh TYPE = CSV", &[Need::StagesIn("sales")]),
    Case("CREATE TEMPORARY FILE FORMAT fresh TYPE = CSV", &[Need::StagesIn("default")]),
    Case(
        "CREATE OR REPLACE FILE FORMAT semi TYPE = TSV",
        &[Need::StagesIn("default"), Need::Format("default")],
    ),
    Case("ALTER FILE FORMAT semi SET SKIP_HEADER = 1", &[Need::Format("default")]),
    Case("ALTER FILE FORMAT semi RENAME TO fresh", &[Need::Format("default")]),
    Case(
        "ALTER FILE FORMAT semi RENAME TO sales.fresh",
        &[Need::Format("default"), Need::StagesIn("sales")],
    ),
    Case("DROP FILE FORMAT semi", &[Need::Format("default")]),
    Case("DESCRIBE FILE FORMAT semi", &[]),
    Case("SHOW CREATE FILE FORMAT semi", &[]),
    Case("SHOW FILE FORMATS", &[]),
    Case("CREATE STAGE sales.fresh", &[Need::StagesIn("sales")]),
    Case("CREATE TEMPORARY STAGE fresh", &[Need::StagesIn("default")]),
    Case("CREATE OR REPLACE STAGE lake", &[Need::StagesIn("default"), Need::Replace("lake")]),
    Case("DESCRIBE STAGE lake", &[SEE]),
    Case("DROP DATABASE sales", &[Need::Admin]),
    Case("DROP STAGE lake", &[OWN]),
    Case("GET @lake", &[READ]),
    Case("LIST @lake", &[READ]),
    Case("LIST @sales.%orders", &[Need::Table("sales")]),
    Case("PRESIGN @lake/a.csv", &[READ]),
    Case("PRESIGN UPLOAD @lake/new.csv", &[WRITE]),
    Case("PUT 'file:///a.csv' @lake OVERWRITE = TRUE", &[WRITE]),
    Case("LOAD DATA LOCAL INFILE '/a.csv' INTO STAGE @lake/load", &[WRITE]),
    Case("REMOVE @lake", &[WRITE]),
    Case("REMOVE @lake DRY_RUN = TRUE", &[WRITE]),
    Case("SHOW CREATE STAGE lake", &[SEE]),
    Case("SHOW DATABASES", &[]),
    Case("SHOW LAST TRANSFER", &[]),
    Case("SHOW STAGES", &[]),
    Case("ALTER USER eve IDENTIFIED BY 'other'", &[Need::CreateUser]),
    Case("ALTER USER boss IDENTIFIED BY 'other'", &[Need::CreateUser, Need::Admin]),
    Case("CREATE ROLE fresh", &[Need::CreateUser]),
    Case("CREATE USER fresh IDENTIFIED BY 'word'", &[Need::CreateUser]),
    Case("DROP ROLE loaders", &[Need::CreateUser]),
    Case("DROP USER eve", &[Need::CreateUser]),
    Case("DROP USER boss", &[Need::CreateUser, Need::Admin]),
    Case("GRANT READ ON STAGE lake TO eve", &[OWN]),
    Case("GRANT ALL ON DATABASE sales TO eve", &[Need::Admin]),
    Case("GRANT CREATE STAGE ON *.* TO eve", &[Need::Admin]),
    Case("GRANT ROLE loaders TO eve", &[Need::Admin]),
    Case("REVOKE WRITE ON STAGE lake FROM ROLE loaders", &[OWN]),
    Case("REVOKE ALL ON DATABASE sales FROM ROLE loaders", &[Need::Admin]),
    Case("REVOKE CREATE STAGE ON *.* FROM ROLE loaders", &[Need::Admin]),
    Case("REVOKE ROLE loaders FROM boss", &[Need::Admin]),
    Case("SET PASSWORD FOR eve = 'other'", &[Need::CreateUser]),
    Case("SET PASSWORD FOR boss = 'other'", &[Need::CreateUser, Need::Admin]),
    Case("SHOW ROLES", &[Need::CreateUser]),
    Case("SHOW USERS", &[Need::CreateUser]),
    Case("SHOW GRANTS", &[]),
    Case("SHOW GRANTS FOR eve", &[Need::CreateUser]),
    Case("SHOW GRANTS FOR ROLE loaders", &[Need::CreateUser]),
    #[cfg(feature = "query")]
    Case("CREATE VIEW fresh AS SELECT * FROM @lake/a.csv", &[Need::StagesIn("default"), READ]),
    #[cfg(feature = "query")]
    Case("CREATE TABLE fresh (a INT)", &[Need::StagesIn("default")]),
    #[cfg(feature = "query")]
    Case("CREATE TABLE fresh AS SELECT * FROM @lake/a.csv", &[Need::StagesIn("default"), READ]),
    #[cfg(feature = "query")]
    Case("CREATE TABLE fresh LIKE ledger", &[Need::StagesIn("default"), Need::On(Usage, LEDGER)]),
    #[cfg(feature = "query")]
    Case(
        "CREATE OR REPLACE TABLE ledger (a INT)",
        &[Need::StagesIn("default"), Need::Replace(LEDGER)],
    ),
    #[cfg(feature = "query")]
    Case("DROP TABLE ledger", &[Need::DropTable(LEDGER)]),
    #[cfg(feature = "query")]
    Case("TRUNCATE TABLE ledger", &[Need::On(Write, LEDGER)]),
    // The stage of a table is for who owns the table.
    Case("LIST @%ledger", &[Need::On(Ownership, LEDGER)]),
    Case("OPTIMIZE TABLE ledger", &[Need::On(Read, LEDGER), Need::On(Write, LEDGER)]),
    #[cfg(feature = "query")]
    Case("INSERT INTO ledger VALUES ('x')", &[Need::On(Write, LEDGER)]),
    #[cfg(feature = "query")]
    Case("INSERT INTO ledger SELECT * FROM @lake/a.csv", &[Need::On(Write, LEDGER), READ]),
    #[cfg(feature = "query")]
    Case("DELETE FROM ledger", &[Need::On(Write, LEDGER)]),
    #[cfg(feature = "query")]
    Case("DELETE FROM ledger WHERE a = 'id'", &[Need::On(Write, LEDGER), Need::On(Read, LEDGER)]),
    #[cfg(feature = "query")]
    Case("UPDATE ledger SET a = 'x'", &[Need::On(Write, LEDGER), Need::On(Read, LEDGER)]),
    #[cfg(feature = "query")]
    Case("COPY INTO ledger FROM @lake/a.csv", &[Need::On(Write, LEDGER), READ]),
    #[cfg(feature = "query")]
    Case("COPY INTO ledger FROM @lake/a.csv PURGE = TRUE", &[Need::On(Write, LEDGER), WRITE, READ]),
    #[cfg(feature = "query")]
    Case("SELECT * FROM ledger", &[Need::On(Read, LEDGER)]),
    #[cfg(feature = "query")]
    Case("DESCRIBE ledger", &[Need::On(Usage, LEDGER)]),
    #[cfg(feature = "query")]
    Case("SHOW CREATE TABLE ledger", &[Need::On(Usage, LEDGER)]),
    #[cfg(feature = "query")]
    Case("GRANT SELECT ON TABLE ledger TO eve", &[Need::On(Ownership, LEDGER)]),
    #[cfg(feature = "query")]
    Case("REVOKE INSERT ON TABLE ledger FROM ROLE loaders", &[Need::On(Ownership, LEDGER)]),
    #[cfg(feature = "query")]
    Case("DROP VIEW books", &[Need::View("default")]),
    #[cfg(feature = "query")]
    Case("SELECT * FROM books", &[READ]),
    #[cfg(feature = "query")]
    Case("SELECT * FROM @lake/a.csv", &[READ]),
    #[cfg(feature = "query")]
    Case("SELECT * FROM @pond/a.csv, @lake/a.csv b", &[Need::On(Read, "pond"), READ]),
    #[cfg(feature = "query")]
    Case("SELECT * FROM LIST_STAGE(LOCATION => '@lake')", &[READ]),
    #[cfg(feature = "query")]
    Case("SELECT * FROM DIRECTORY(@lake)", &[READ]),
    #[cfg(feature = "query")]
    Case("SELECT * FROM INFER_SCHEMA(LOCATION => '@lake/a.csv')", &[READ]),
    #[cfg(feature = "query")]
    Case("EXPLAIN SELECT * FROM @lake/a.csv", &[READ]),
    Case("SET ROLE ALL", &[]),
    Case("USE sales", &[]),
    // Those of MySQL that show something of a stage, or do something.
    Case("KILL {victim}", &[Need::Connections]),
    Case("KILL QUERY {victim}", &[Need::Connections]),
    Case("SELECT name FROM lake", &[READ]),
    Case("SELECT COUNT(*) FROM `default`.lake", &[READ]),
    Case("SELECT 1 FROM lake LIMIT 0", &[READ]),
    Case("SELECT (SELECT MAX(size) FROM lake)", &[READ]),
    Case("SELECT 1 FROM DUAL WHERE EXISTS (SELECT 1 FROM lake)", &[READ]),
    Case("SELECT 1 UNION SELECT size FROM lake", &[READ]),
    Case("SELECT a.name FROM (SELECT name FROM lake) AS a", &[READ]),
    Case(
        "SELECT a.name FROM lake a JOIN pond b ON a.name = b.name",
        &[READ, Need::On(Read, "pond")],
    ),
    Case("DESCRIBE lake", &[SEE]),
    Case("SHOW COLUMNS FROM lake", &[SEE]),
    Case("SHOW INDEX FROM lake", &[SEE]),
    Case("SHOW CREATE TABLE lake", &[SEE]),
    Case("SHOW TABLES", &[]),
    Case("SHOW TABLE STATUS", &[]),
    Case("SHOW PROCESSLIST", &[]),
    Case("SHOW CREATE DATABASE `default`", &[]),
    Case("SHOW VARIABLES", &[]),
    Case("SHOW WARNINGS", &[]),
    Case("SELECT * FROM information_schema.STAGES", &[]),
    Case("SELECT * FROM information_schema.TABLES", &[]),
    Case("SELECT * FROM information_schema.FILE_FORMATS", &[]),
    Case("SELECT * FROM information_schema.CONNECTIONS", &[]),
    Case("SELECT * FROM information_schema.COLUMNS", &[]),
    Case("SET NAMES utf8mb4", &[]),
    Case("COMMIT", &[]),
];

/// A request: method, path, and what it needs; 401 is the answer to who has no password.
struct Request(&'static str, &'static str, &'static [Need]);

const REQUESTS: &[Request] = &[
    Request("PUT", "/v1/upload_to_stage", &[WRITE]),
    Request("POST", "/v1/upload_to_stage", &[WRITE]),
    Request("GET", "/v1/stages/lake/a.csv", &[READ]),
    Request("HEAD", "/v1/stages/lake/a.csv", &[READ]),
    Request("GET", "/v1/stages/default.lake/a.csv", &[READ]),
    Request("PUT", "/v1/stages/sales.%25orders/new.csv", &[Need::Table("sales")]),
    Request("PUT", "/v1/stages/lake/new.csv", &[WRITE]),
    Request("DELETE", "/v1/stages/lake/a.csv", &[WRITE]),
];

/// What anybody may ask for.
const OPEN: &[(&str, &str)] = &[("GET", "/health"), ("GET", "/metrics")];

/// Names that nobody sees without a privilege.
const HIDDEN: &[&str] =
    &["books", "ledger", "lake", "pond", "a.csv", "vault", "eve", "boss", "loaders"];

struct World {
    server: Server,
    root: Client,
    /// A connection of `root`'s that others may try to end.
    victim: Client,
    /// Users by what they were granted.
    users: BTreeMap<BTreeSet<Grant>, String>,
}

impl World {
    fn new() -> World {
        let server = Server::start();
        let (root, victim) = (Client::connect(server.addr), Client::connect(server.addr));
        let mut world = World { server, root, victim, users: BTreeMap::new() };
        world.make();
        world
    }

    /// As if nothing had happened.
    fn reset(&mut self) {
        for (_, user) in std::mem::take(&mut self.users) {
            self.root(&format!("DROP USER {user}"));
        }
        for sql in [
            "USE `default`",
            "DROP VIEW IF EXISTS books, fresh",
            #[cfg(feature = "query")]
            "DROP TABLE IF EXISTS ledger, fresh",
            "DROP STAGE IF EXISTS fresh",
            "DROP FILE FORMAT IF EXISTS semi",
            "DROP FILE FORMAT IF EXISTS fresh",
            "DROP CONNECTION IF EXISTS vault",
            "DROP CONNECTION IF EXISTS fresh",
            "DROP STAGE IF EXISTS lake",
            "DROP STAGE IF EXISTS sea",
            "DROP STAGE IF EXISTS fresh",
            "DROP STAGE IF EXISTS pond",
            "DROP DATABASE IF EXISTS sales",
            "DROP DATABASE IF EXISTS more",
            "DROP USER IF EXISTS eve",
            "DROP USER IF EXISTS boss",
            "DROP USER IF EXISTS fresh",
            "DROP ROLE IF EXISTS loaders",
            "DROP ROLE IF EXISTS fresh",
        ] {
            self.root(sql);
        }
        self.make();
    }

    fn make(&mut self) {
        for sql in [
            "CREATE DATABASE sales",
            "CREATE STAGE lake COMMENT = 'before'",
            "CREATE STAGE pond",
            "CREATE FILE FORMAT semi TYPE = CSV",
            "CREATE CONNECTION vault STORAGE_TYPE = 's3' COMMENT = 'before'",
            "CALL STAGE_PUT('@lake/a.csv', 'id')",
            "CALL STAGE_PUT('@pond/a.csv', 'id')",
            #[cfg(feature = "query")]
            "CREATE VIEW books AS SELECT * FROM @lake/a.csv",
            #[cfg(feature = "query")]
            "CREATE TABLE ledger (a VARCHAR(10))",
            #[cfg(feature = "query")]
            "INSERT INTO ledger VALUES ('id')",
            "CREATE USER eve IDENTIFIED BY 'word'",
            "CREATE USER boss IDENTIFIED BY 'word'",
            "CREATE ROLE loaders",
            "GRANT USAGE ON CONNECTION vault TO boss",
            "GRANT ADMIN ON *.* TO boss",
            "GRANT ROLE loaders TO boss",
            "GRANT WRITE ON STAGE lake TO ROLE loaders",
            "GRANT ALL ON DATABASE sales TO ROLE loaders",
            "GRANT CREATE STAGE ON *.* TO ROLE loaders",
        ] {
            self.root(sql);
        }
        self.victim = Client::connect(self.server.addr);
    }

    fn root(&mut self, sql: &str) -> Response {
        let answer = self.root.query(sql).pop().expect("an answer");
        assert!(!matches!(answer, Response::Err(_)), "{sql}: {answer:?}");
        answer
    }

    /// Who has this, and no more.
    fn user(&mut self, grants: &BTreeSet<Grant>) -> String {
        if let Some(user) = self.users.get(grants) {
            return user.clone();
        }
        let user = format!("u{}", self.users.len());
        self.root(&format!("CREATE USER {user} IDENTIFIED BY 'word'"));
        for grant in grants {
            let what = match grant {
                Grant::On(privilege, LEDGER) => {
                    let privilege = format!("{privilege:?}").to_uppercase();
                    format!("{privilege} ON TABLE `default`.{LEDGER}")
                }
                Grant::On(privilege, stage) => {
                    let privilege = format!("{privilege:?}").to_uppercase();
                    format!("{privilege} ON STAGE `default`.{stage}")
                }
                Grant::Connection(privilege) => {
                    let privilege = format!("{privilege:?}").to_uppercase();
                    format!("{privilege} ON CONNECTION vault")
                }
                Grant::Database(name) => format!("ALL ON DATABASE `{name}`"),
                Grant::CreateStage => "CREATE STAGE ON *.*".to_owned(),
                Grant::CreateUser => "CREATE USER ON *.*".to_owned(),
                Grant::Admin => "ADMIN ON *.*".to_owned(),
            };
            self.root(&format!("GRANT {what} TO {user}"));
        }
        self.users.insert(grants.clone(), user.clone());
        user
    }

    /// All that a statement could change.
    fn snapshot(&mut self) -> Vec<String> {
        let victim = self.victim.greeting.connection_id;
        let mut all = Vec::new();
        for sql in [
            "SHOW DATABASES",
            "SHOW STAGES",
            "SHOW FILE FORMATS",
            "SHOW CONNECTIONS",
            "LIST @lake",
            "LIST @pond",
            "LIST @sales.%orders",
            "SHOW TABLES",
            #[cfg(feature = "query")]
            "SELECT * FROM ledger",
            "SHOW USERS",
            "SHOW ROLES",
            "SHOW GRANTS FOR eve",
            "SHOW GRANTS FOR boss",
            "SHOW GRANTS FOR ROLE loaders",
            &format!("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID = {victim}"),
        ] {
            all.push(format!("{:?}", self.root(sql)));
        }
        for name in ["eve", "boss"] {
            log_in(&self.server, name);
        }
        all
    }

    /// Runs a statement as a user, as text or prepared; `None` if it can't be prepared.
    fn run(&mut self, user: &str, sql: &str, prepared: bool) -> Option<Response> {
        let victim = self.victim.greeting.connection_id.to_string();
        let sql = sql.replace("{victim}", &victim);
        let mut client = log_in(&self.server, user);
        if !prepared {
            return client.query(&sql).pop();
        }
        match client.prepare(&sql) {
            Ok(statement) => client.execute(&statement, &[]).pop(),
            Err(refusal) if refusal.code == 1295 => None,
            Err(refusal) => Some(Response::Err(refusal)),
        }
    }

    fn refused(&mut self, case: &Case, grants: &BTreeSet<Grant>, expected: u16) {
        let user = self.user(grants);
        let before = self.snapshot();
        for prepared in [false, true] {
            let Some(answer) = self.run(&user, case.0, prepared) else { continue };
            let Response::Err(refusal) = &answer else {
                panic!("{} is done for {grants:?}: {answer:?}", case.0);
            };
            assert_eq!(refusal.code, expected, "{} for {grants:?}: {answer:?}", case.0);
            assert_eq!(self.snapshot(), before, "{} for {grants:?}", case.0);
            // What may not be known of looks like what is not there.
            if expected == 1146 {
                let elsewhere = case.0.replace("lake", "nowhere");
                let Some(Response::Err(missing)) = self.run(&user, &elsewhere, prepared) else {
                    panic!("{elsewhere} is done");
                };
                let message = missing.message.replace("nowhere", "lake");
                assert_eq!((missing.code, message.as_str()), (1146, refusal.message.as_str()));
            }
        }
    }

    fn done(&mut self, case: &Case, grants: &BTreeSet<Grant>, ways: &[bool]) {
        let sql = case.0.replace("{victim}", "1");
        let changes = Statement::parse(&sql).expect("a statement").changes();
        self.user(grants);
        let before = self.snapshot();
        for &prepared in ways {
            let user = self.user(grants);
            let Some(answer) = self.run(&user, case.0, prepared) else { continue };
            assert!(!matches!(answer, Response::Err(_)), "{} for {grants:?}: {answer:?}", case.0);
            if case.1.is_empty() {
                assert_hidden(case.0, &answer);
            }
            if changes {
                self.reset();
            }
        }
        // Those that are made anew have another id.
        if !changes {
            assert_eq!(self.snapshot(), before, "{}", case.0);
        }
    }

    /// Sends a request, which all have the body of an upload.
    fn send(&self, request: &Request, authorization: Option<&str>) -> http::Answer {
        let kind = format!("multipart/form-data; boundary={}", http::BOUNDARY);
        let mut headers = vec![("Content-Type", kind.as_str()), ("stage_name", "lake")];
        headers.extend(authorization.map(|value| ("Authorization", value)));
        let form = http::form(&[("new.csv", b"id")]);
        http::send(self.server.http_addr, request.0, request.1, &headers, &form)
    }
}

/// As a user whose password is the one of all users but `root`. He can send a file.
fn log_in(server: &Server, user: &str) -> Client {
    let options =
        Options { user: user.to_owned(), password: "word".to_owned(), ..Options::default() };
    let mut client = Client::with(server.addr, &options).expect("a log-in");
    client.serve_files(|_| Some(b"id".to_vec()));
    client
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

/// Nothing of what only others may know is in an answer.
fn assert_hidden(sql: &str, answer: &Response) {
    let text = format!("{answer:?}");
    let in_a_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
    for word in text.split(|c| !in_a_word(c)) {
        assert!(!HIDDEN.contains(&word), "{sql} shows {word}: {text}");
    }
}

fn everything_but(need: Need) -> BTreeSet<Grant> {
    ALL.iter().copied().filter(|grant| !need.is_met_by(*grant)).collect()
}

/// Exactly what is needed, then that with something greater in the place of one of them.
fn enough(needs: &[Need]) -> Vec<BTreeSet<Grant>> {
    let exactly: Vec<Grant> = needs.iter().map(|need| need.exactly()).collect();
    let mut sets = vec![exactly.iter().copied().collect()];
    for (index, need) in needs.iter().enumerate() {
        for greater in ALL.iter().filter(|grant| need.is_met_by(**grant)) {
            let mut grants = exactly.clone();
            grants[index] = *greater;
            sets.push(grants.into_iter().collect());
        }
    }
    sets.sort();
    sets.dedup();
    sets
}

#[test]
fn statements_are_refused_without_a_privilege() {
    let mut world = World::new();
    for case in CASES {
        if let Some(first) = case.1.first() {
            world.refused(case, &BTreeSet::new(), first.unseen());
        }
        for need in case.1 {
            world.refused(case, &everything_but(*need), need.denied());
        }
    }
}

#[test]
fn statements_are_done_with_exactly_the_privilege() {
    let mut world = World::new();
    for case in CASES {
        for (index, grants) in enough(case.1).iter().enumerate() {
            // What is enough is asked in one place: once prepared is enough too.
            let ways: &[bool] = if index == 0 { &[false, true] } else { &[false] };
            world.done(case, grants, ways);
        }
    }
}

#[test]
fn requests_are_refused_without_a_privilege() {
    let mut world = World::new();
    for request in REQUESTS {
        let mut sent = vec![
            (None, 401),
            (Some(basic("root", "wrong")), 401),
            (Some(basic("nobody", "word")), 401),
            (Some("Bearer word".to_owned()), 401),
        ];
        let nothing = world.user(&BTreeSet::new());
        sent.push((Some(basic(&nothing, "word")), 404));
        for need in request.2 {
            let user = world.user(&everything_but(*need));
            sent.push((Some(basic(&user, "word")), need.status()));
        }
        let before = world.snapshot();
        for (authorization, expected) in sent {
            let answer = world.send(request, authorization.as_deref());
            let Request(method, path, _) = request;
            assert_eq!(answer.status, expected, "{method} {path}: {}", answer.body);
        }
        assert_eq!(world.snapshot(), before, "{} {}", request.0, request.1);
    }
}

#[test]
fn requests_are_answered_with_exactly_the_privilege() {
    let mut world = World::new();
    for request in REQUESTS {
        for grants in enough(request.2) {
            let user = world.user(&grants);
            let answer = world.send(request, Some(&basic(&user, "word")));
            let Request(method, path, _) = request;
            let good = (200..300).contains(&answer.status);
            assert!(good, "{method} {path} for {grants:?}: {} {}", answer.status, answer.body);
            world.reset();
        }
    }
    for (method, path) in OPEN {
        assert_eq!(world.send(&Request(method, path, &[]), None).status, 200, "{path}");
    }
}

/// The tables that describe the server show nobody what he may not know of.
#[test]
fn no_table_tells_of_what_is_hidden() {
    let mut world = World::new();
    let sql = "SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) FROM information_schema.TABLES \
               WHERE TABLE_SCHEMA IN ('information_schema', 'mysql', 'performance_schema', 'sys')";
    let Response::Rows { rows, .. } = world.root(sql) else { panic!("rows") };
    assert!(rows.len() > 30, "{rows:?}");
    let user = world.user(&BTreeSet::new());
    let mut client = log_in(&world.server, &user);
    let mut seen = 0;
    for table in rows.into_iter().flatten().flatten() {
        let sql = format!("SELECT * FROM {table}");
        match client.query(&sql).pop() {
            Some(answer @ Response::Rows { .. }) => assert_hidden(&sql, &answer),
            Some(Response::Err(refusal)) => assert_eq!(refusal.code, 1142, "{sql}"),
            other => panic!("{sql}: {other:?}"),
        }
        // It is not that nobody sees anything.
        seen += usize::from(format!("{:?}", world.root(&sql)).contains("lake"));
    }
    assert!(seen >= 3, "only {seen} tables are of stages");
    // COM_FIELD_LIST
    client.command(b"\x04lake\0");
    assert_eq!(client.read_refusal().code, 1146);
}

#[test]
fn no_statement_and_no_route_is_missing() {
    let kinds: BTreeSet<String> = CASES
        .iter()
        .map(|case| {
            let sql = case.0.replace("{victim}", "1");
            Statement::parse(&sql)
                .unwrap_or_else(|error| panic!("{sql}: {error}"))
                .kind()
                .to_owned()
        })
        .collect();
    // Without the engine there is nothing to ask of it.
    let engines = [
        "change_rows",
        "copy_into_table",
        "create_table",
        "create_view",
        "drop_table",
        "drop_view",
        "explain",
        "insert",
        "optimize_table",
        "truncate_table",
    ];
    let here = |kind: &String| cfg!(feature = "query") || !engines.contains(&kind.as_str());
    let entries = ENTRIES.iter().map(|entry| entry.grammar.to_owned());
    for variant in variants().into_iter().chain(entries).filter(here) {
        assert!(kinds.contains(&variant), "{variant} has no case");
    }
    for route in ROUTES {
        let fixed = route.path.split('{').next().expect("a beginning");
        for (method, _) in route.methods {
            let known = REQUESTS
                .iter()
                .map(|request| (request.0, request.1))
                .chain(OPEN.iter().copied())
                .any(|(known, path)| known == *method && path.starts_with(fixed));
            assert!(known, "{method} {} has no request", route.path);
        }
    }
}

/// The statements that there are, named as by `Statement::kind`.
fn variants() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/statement/mod.rs");
    let source = std::fs::read_to_string(path).expect("the source");
    let body = source.split("pub enum Statement {").nth(1).expect("the enum");
    let body = body.split("\n}\n").next().expect("its end");
    let names = body.lines().filter_map(|line| {
        let name = line.strip_prefix("    ")?;
        name.starts_with(|c: char| c.is_ascii_uppercase()).then(|| {
            let end = name.find(['(', ',']).unwrap_or(name.len());
            let mut snake = String::new();
            for c in name[..end].chars() {
                if c.is_ascii_uppercase() && !snake.is_empty() {
                    snake.push('_');
                }
                snake.push(c.to_ascii_lowercase());
            }
            snake
        })
    });
    let names: Vec<String> = names.collect();
    assert!(names.len() > 30, "{names:?}");
    names
}
