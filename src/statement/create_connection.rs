//! `CREATE CONNECTION` gives credentials and an endpoint a name, for stages.
//!
//! ```text
//! CREATE [OR REPLACE] CONNECTION [IF NOT EXISTS] <name>
//!     STORAGE_TYPE = '<type>' [<option> = '<value>' ...] [COMMENT = '...']
//!
//! > CREATE CONNECTION vault STORAGE_TYPE = 's3' ACCESS_KEY_ID = '...' SECRET_ACCESS_KEY = '...'
//! > CREATE STAGE lake URL = 's3://bucket/' CONNECTION = (CONNECTION_NAME = 'vault')
//! > CREATE CONNECTION vault STORAGE_TYPE = 'fs'
//! ERROR 1525 (HY000): Incorrect value 'fs' for STORAGE_TYPE: expected s3, gcs, ...
//! ```
//!
//! The options are those of `CONNECTION = (...)` of a stage. A stage refers to its connection, so a new secret is
//! that of all its stages; Databend copies. One that is replaced stays the same for its stages and its grants.
//! Names are without a database, as Databend's. It needs the privilege `CREATE STAGE`; who makes one owns it.

use jiff::Timestamp;
use uuid::Uuid;

use crate::access::people::{Grantee, Grants, ServerPrivilege, StagePrivilege};
use crate::error::{Error, ObjectKind, Result};
use crate::rows::Outcome;
use crate::session::Session;
use crate::sql::cursor::Cursor;
use crate::sql::literal;
use crate::sql::options::{Options, Secrets};
use crate::stage::connection::Connection;
use crate::stage::{Created, IfExists, place};
use crate::statement::create_file_format::{comment, if_exists};
use crate::statement::{Statement, named_connections};

/// The words that it begins with.
pub const LEADS: &[&str] = &["CREATE CONNECTION", "CREATE OR REPLACE CONNECTION"];

/// Options that are no secrets, whatever is in them.
pub const OPEN: &[&str] = &["STORAGE_TYPE", "COMMENT"];

/// `CREATE CONNECTION`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateConnection {
    /// What to do when the name is taken.
    pub if_exists: IfExists,
    /// Its name.
    pub name: String,
    /// What it is; `STORAGE_TYPE` and `COMMENT` are among them.
    pub options: Options,
}

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect("CREATE")?;
    let or_replace = cursor.eat_all(&["OR", "REPLACE"]);
    cursor.expect("CONNECTION")?;
    let if_exists = if_exists(cursor, or_replace, "connection")?;
    let name = cursor.name("a connection name")?;
    let options = Options::parse_open(cursor, "CREATE CONNECTION")?;
    Ok(Statement::CreateConnection(CreateConnection { if_exists, name, options }))
}

impl CreateConnection {
    /// Creates it.
    pub async fn execute(&self, session: &Session) -> Result<Outcome> {
        let rights = session.rights().await?;
        rights.need(ServerPrivilege::CreateStage)?;
        let connection = self.connection(session)?;
        session.instance.stages.check_connection(&connection)?;
        self.check_stages(session, &connection).await?;
        let connections = session.instance.stages.connections();
        // Somebody else's is not replaced, and whoever may not know of it hears that the name is taken.
        let may = |id: Uuid| match rights.has_on_connection(id, StagePrivilege::Ownership) {
            true => Ok(()),
            false => Err(exists(&self.name)),
        };
        let created = connections.create(&connection, self.if_exists, &may).await?;
        if created == Created::New && !rights.has(ServerPrivilege::Admin) {
            let owner = Grantee::User(session.peer.user.name.clone());
            let owns = |grants: &mut Grants| {
                let granted = grants.connections.entry(connection.id).or_default();
                granted.insert(StagePrivilege::Ownership);
            };
            session.instance.directory.change_grants(&owner, &owns).await?;
        }
        Ok(match created {
            Created::New | Created::Replaced => Outcome::done(),
            Created::Kept => {
                Outcome::done_with(format!("Connection '{}' already exists", self.name))
            }
        })
    }

    fn connection(&self, session: &Session) -> Result<Connection> {
        let mut options = self.options.clone();
        let comment = comment(&mut options)?.unwrap_or_default();
        let storage_type = options.take("STORAGE_TYPE").unwrap_or_default();
        let (storage_type, options) = place::of_connection(&storage_type, &options.pairs())?;
        Ok(Connection {
            id: Uuid::new_v4(),
            name: self.name.clone(),
            storage_type: storage_type.to_owned(),
            options,
            comment,
            creator: session.creator(),
            created_at: Timestamp::now(),
        })
    }

    /// Stages don't change the kind of their storage with their connection.
    async fn check_stages(&self, session: &Session, new: &Connection) -> Result<()> {
        let connections = session.instance.stages.connections().read().await?;
        let Some(id) = connections.id(&self.name).filter(|_| self.if_exists == IfExists::Replace)
        else {
            return Ok(());
        };
        let other = connections.storage_type(&self.name) != Some(new.storage_type.as_str());
        if !other || !session.rights().await?.has_on_connection(id, StagePrivilege::Ownership) {
            return Ok(());
        }
        match named_connections::stages_of(session, id).await? {
            Some(stages) => Err(in_use(&self.name, stages)),
            None => Ok(()),
        }
    }

    /// As it can be written again, if `secrets` are exposed.
    pub fn print(&self, secrets: Secrets) -> String {
        let or_replace = if self.if_exists == IfExists::Replace { "OR REPLACE " } else { "" };
        let keep = if self.if_exists == IfExists::Keep { "IF NOT EXISTS " } else { "" };
        let (name, options) = (literal::name(&self.name), self.options.print_open(secrets, OPEN));
        format!("CREATE {or_replace}CONNECTION {keep}{name}{options}")
    }
}

fn exists(name: &str) -> Error {
    Error::ObjectExists { kind: ObjectKind::Connection, name: name.to_owned() }
}

/// The error for a connection that stages refer to.
pub fn in_use(name: &str, stages: String) -> Error {
    Error::ObjectInUse { kind: ObjectKind::Connection, name: name.to_owned(), stages }
}
