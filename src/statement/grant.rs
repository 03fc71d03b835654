//! `GRANT` lets a user or a role do something.
//!
//! ```text
//! GRANT { { READ | WRITE | USAGE | OWNERSHIP } [, ...] | ALL } ON STAGE <stage> TO <grantee>
//! GRANT { { SELECT | INSERT | OWNERSHIP } [, ...] | ALL } ON TABLE <table> TO <grantee>
//! GRANT { USAGE | OWNERSHIP | ALL } ON CONNECTION <connection> TO <grantee>
//! GRANT ALL ON DATABASE <database> TO <grantee>
//! GRANT { CREATE STAGE | CREATE USER | ADMIN } [, ...] ON *.* TO <grantee>
//! GRANT ROLE <role> TO <grantee>
//!
//! grantee: [USER] <user> | ROLE <role>
//!
//! > GRANT READ, WRITE ON STAGE lake TO ROLE loaders
//! > GRANT ROLE loaders TO bob
//! > GRANT READ ON STAGE lake TO nobody
//! ERROR 1396 (HY000): User 'nobody' doesn't exist
//! ```
//!
//! | privilege | what it allows |
//! | --- | --- |
//! | `USAGE` | to see that the stage is there: `SHOW STAGES`, `DESC STAGE`; every other one does too |
//! | `READ` | `LIST`, `GET`, `PRESIGN DOWNLOAD`, the source of `COPY FILES` |
//! | `WRITE` | `PUT`, `REMOVE`, `PRESIGN UPLOAD`, the target of `COPY FILES` |
//! | `OWNERSHIP`, `ALL` | all of these, `ALTER`, `DROP`, and to grant them; who makes a stage has it |
//! | `SELECT`, or `READ` on a table | queries of it |
//! | `INSERT`, or `WRITE` on a table | `INSERT`, `UPDATE`, `DELETE`, `TRUNCATE`, `COPY INTO` it |
//! | `USAGE ON CONNECTION` | to see it, and to make stages with it where it says itself where it leads to |
//! | `OWNERSHIP ON CONNECTION` | to make any stage with it, `ALTER`, `DROP`, and to grant it |
//! | `ALL ON DATABASE` | everything in the database, `CREATE STAGE` and `@%table` too |
//! | `ADMIN` | everything, as `root` |
//!
//! A stage that somebody has no privilege on looks to him like one that is not there. A grant is the
//! stage's, not the name's: it stays when the stage is renamed, and a new stage of an old name has none.
//! It needs the stage's `OWNERSHIP`, or `ADMIN`. Unlike Snowflake's, `WRITE` needs no `READ` beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use uuid::Uuid;

use crate::access::people::{Grantee, Grants, ServerPrivilege, StagePrivilege};
use crate::error::Result;
use crate::rows::Outcome;
use crate::session::Session;
use crate::sql::cursor::Cursor;
use crate::sql::literal;
use crate::sql::name::QualifiedName;
use crate::sql::user::{role, user};
use crate::statement::{Statement, kept, named_connections};

/// The words that it begins with.
pub const LEADS: &[&str] = &["GRANT"];

/// `GRANT`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// What.
    pub granted: Granted,
    /// To whom.
    pub to: Grantee,
}

/// What is granted or revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Granted {
    /// Privileges on a stage.
    Stage(BTreeSet<StagePrivilege>, QualifiedName),
    /// Privileges on a table.
    Table(BTreeSet<StagePrivilege>, QualifiedName),
    /// Privileges on a connection.
    Connection(BTreeSet<StagePrivilege>, String),
    /// All in a database.
    Database(String),
    /// Privileges on no single object.
    Server(BTreeSet<ServerPrivilege>),
    /// A role.
    Role(String),
}

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect("GRANT")?;
    let granted = Granted::parse(cursor)?;
    cursor.expect("TO")?;
    Ok(Statement::Grant(Grant { granted, to: parse_grantee(cursor)? }))
}

/// Reads who is meant.
pub fn parse_grantee(cursor: &mut Cursor<'_>) -> Result<Grantee> {
    if cursor.eat("ROLE") {
        return Ok(Grantee::Role(role(cursor)?));
    }
    cursor.eat("USER");
    Ok(Grantee::User(user(cursor)?))
}

/// Writes who is meant.
pub fn print_grantee(to: &Grantee) -> String {
    match to {
        Grantee::User(name) => format!("USER {}", literal::text(name)),
        Grantee::Role(name) => format!("ROLE {}", literal::text(name)),
    }
}

const STAGE_PRIVILEGES: &[(&str, StagePrivilege)] = &[
    ("READ", StagePrivilege::Read),
    ("WRITE", StagePrivilege::Write),
    ("USAGE", StagePrivilege::Usage),
    ("OWNERSHIP", StagePrivilege::Ownership),
    ("SELECT", StagePrivilege::Read),
    ("INSERT", StagePrivilege::Write),
];

/// Words for privileges on tables alone.
const OF_TABLES: &[&str] = &["SELECT", "INSERT"];

const EXPECTED: &str =
    "READ, WRITE, USAGE, OWNERSHIP, ALL, CREATE STAGE, CREATE USER, ADMIN or ROLE";

impl Granted {
    /// Reads what is granted or revoked.
    pub fn parse(cursor: &mut Cursor<'_>) -> Result<Granted> {
        if cursor.eat("ROLE") {
            return Ok(Granted::Role(role(cursor)?));
        }
        if cursor.eat("ALL") {
            cursor.eat("PRIVILEGES");
            cursor.expect("ON")?;
            if cursor.eat("DATABASE") {
                return Ok(Granted::Database(cursor.name("a database name")?));
            }
            let all = BTreeSet::from([StagePrivilege::Ownership]);
            if cursor.eat("TABLE") {
                return Ok(Granted::Table(all, QualifiedName::parse(cursor)?));
            }
            if cursor.eat("CONNECTION") {
                return Ok(Granted::Connection(all, cursor.name("a connection name")?));
            }
            if !cursor.eat("STAGE") {
                return Err(cursor.expected("STAGE, TABLE, CONNECTION or DATABASE"));
            }
            return Ok(Granted::Stage(all, QualifiedName::parse(cursor)?));
        }
        let server = Granted::parse_server(cursor)?;
        if !server.is_empty() {
            cursor.expect("ON")?;
            for sign in ["*", ".", "*"] {
                cursor.expect_sign(sign)?;
            }
            return Ok(Granted::Server(server));
        }
        let (mut privileges, mut of_tables) = (BTreeSet::new(), false);
        loop {
            of_tables |= OF_TABLES.iter().any(|word| cursor.sees(word));
            let found = STAGE_PRIVILEGES.iter().find(|(word, _)| cursor.sees(word));
            let Some((_, privilege)) = found else { return Err(cursor.expected(EXPECTED)) };
            cursor.advance();
            privileges.insert(*privilege);
            if !cursor.eat_sign(",") {
                break;
            }
        }
        cursor.expect("ON")?;
        if cursor.eat("TABLE") {
            return Ok(Granted::Table(privileges, QualifiedName::parse(cursor)?));
        }
        if of_tables {
            return Err(cursor.expected("TABLE"));
        }
        let of_files = [StagePrivilege::Read, StagePrivilege::Write];
        if cursor.sees("CONNECTION") && of_files.iter().any(|one| privileges.contains(one)) {
            return Err(cursor.expected("STAGE (on a connection there are USAGE and OWNERSHIP)"));
        }
        if cursor.eat("CONNECTION") {
            return Ok(Granted::Connection(privileges, cursor.name("a connection name")?));
        }
        if !cursor.eat("STAGE") {
            return Err(cursor.expected("STAGE, TABLE or CONNECTION"));
        }
        Ok(Granted::Stage(privileges, QualifiedName::parse(cursor)?))
    }

    fn parse_server(cursor: &mut Cursor<'_>) -> Result<BTreeSet<ServerPrivilege>> {
        let mut privileges = BTreeSet::new();
        loop {
            if cursor.eat("ADMIN") {
                privileges.insert(ServerPrivilege::Admin);
            } else if cursor.eat("CREATE") {
                privileges.insert(if cursor.eat("STAGE") {
                    ServerPrivilege::CreateStage
                } else if cursor.eat("USER") {
                    ServerPrivilege::CreateUser
                } else {
                    return Err(cursor.expected("STAGE or USER"));
                });
            } else if privileges.is_empty() {
                return Ok(privileges);
            } else {
                return Err(cursor.expected("CREATE STAGE, CREATE USER or ADMIN"));
            }
            if !cursor.eat_sign(",") {
                return Ok(privileges);
            }
        }
    }

    /// Gives or takes it.
    pub async fn change(&self, session: &Session, to: &Grantee, give: bool) -> Result<()> {
        let directory = &session.instance.directory;
        match self {
            Granted::Stage(privileges, name) => {
                let name = session.stage_name(name)?;
                let stage = session.stage_for(&name, StagePrivilege::Ownership).await?.id;
                let change =
                    |grants: &mut Grants| move_on(&mut grants.stages, stage, privileges, give);
                directory.change_grants(to, &change).await
            }
            Granted::Table(privileges, name) => {
                let (_, table) = kept::find(session, name, StagePrivilege::Ownership).await?;
                let change =
                    |grants: &mut Grants| move_on(&mut grants.stages, table.id, privileges, give);
                directory.change_grants(to, &change).await
            }
            Granted::Connection(privileges, name) => {
                let (known, rights) = named_connections::known(session).await?;
                let owner = StagePrivilege::Ownership;
                let id = named_connections::id(session, &known, &rights, name, owner)?;
                let change =
                    |grants: &mut Grants| move_on(&mut grants.connections, id, privileges, give);
                directory.change_grants(to, &change).await
            }
            Granted::Database(name) => {
                session.need(ServerPrivilege::Admin).await?;
                if give && !session.instance.stages.database_exists(name).await? {
                    return Err(crate::error::Error::UnknownDatabase { name: name.clone() });
                }
                let change = |grants: &mut Grants| {
                    if give {
                        grants.databases.insert(name.clone());
                    } else {
                        grants.databases.remove(name);
                    }
                };
                directory.change_grants(to, &change).await
            }
            Granted::Server(privileges) => {
                session.need(ServerPrivilege::Admin).await?;
                let change = |grants: &mut Grants| {
                    if give {
                        grants.server.extend(privileges);
                    } else {
                        grants.server.retain(|one| !privileges.contains(one));
                    }
                };
                directory.change_grants(to, &change).await
            }
            Granted::Role(name) => {
                session.need(ServerPrivilege::Admin).await?;
                let change = |grants: &mut Grants| {
                    if give {
                        grants.roles.insert(name.clone());
                    } else {
                        grants.roles.remove(name);
                    }
                };
                directory.change_grants(to, &change).await
            }
        }
    }
}

/// Gives privileges on one thing, or takes them.
fn move_on(
    all: &mut BTreeMap<Uuid, BTreeSet<StagePrivilege>>,
    id: Uuid,
    privileges: &BTreeSet<StagePrivilege>,
    give: bool,
) {
    let granted = all.entry(id).or_default();
    if give {
        granted.extend(privileges);
    } else {
        // Who takes everything leaves nothing.
        let all = privileges.contains(&StagePrivilege::Ownership);
        granted.retain(|one| !all && !privileges.contains(one));
    }
    if granted.is_empty() {
        all.remove(&id);
    }
}

impl Grant {
    /// Grants it.
    pub async fn execute(&self, session: &Session) -> Result<Outcome> {
        self.granted.change(session, &self.to, true).await?;
        Ok(Outcome::done())
    }
}

impl fmt::Display for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Granted::Stage(privileges, name) => write!(f, "{} ON STAGE {name}", list(privileges)),
            Granted::Table(privileges, name) => {
                let words: Vec<&str> = privileges.iter().map(|one| kept::word(*one)).collect();
                write!(f, "{} ON TABLE {name}", words.join(", "))
            }
            Granted::Connection(privileges, name) => {
                write!(f, "{} ON CONNECTION {}", list(privileges), literal::name(name))
            }
            Granted::Database(name) => write!(f, "ALL ON DATABASE {}", literal::name(name)),
            Granted::Server(privileges) => write!(f, "{} ON *.*", list(privileges)),
            Granted::Role(name) => write!(f, "ROLE {}", literal::text(name)),
        }
    }
}

fn list<T: ToString>(privileges: &BTreeSet<T>) -> String {
    privileges.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GRANT {} TO {}", self.granted, print_grantee(&self.to))
    }
}
