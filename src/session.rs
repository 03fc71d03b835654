//! One connection's state, and the one way a statement runs: [`Session::execute`].

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::{Error, Result};
use crate::instance::Instance;
use crate::rows::{Column, Outcome, Value};
use crate::stage::name::DEFAULT_DATABASE;

/// The way from a statement to the files on the client's side (LOCAL INFILE). A statement never
/// sees a socket: this is all that it gets of it.
#[async_trait]
pub trait ClientFiles: Send {
    /// Asks the client for a file. `name` is the raw path as the statement had it, never a URL.
    async fn request(&mut self, name: &str) -> Result<()>;

    /// The next block of the file that was asked for. After `End` or `Declined` the request is
    /// over; whoever drops a request half-way calls [`ClientFiles::drain`].
    async fn next(&mut self) -> Result<Fed>;

    /// Reads the rest of the file and drops it: no client can be told anything before it has
    /// finished sending.
    async fn drain(&mut self) -> Result<()> {
        while let Fed::Data(_) = self.next().await? {}
        Ok(())
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

/// No client to ask: for statements that come from elsewhere.
pub struct NoFiles;

#[async_trait]
impl ClientFiles for NoFiles {
    async fn request(&mut self, _name: &str) -> Result<()> {
        Err(Error::LocalInfileOff)
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
    pub user: String,
    /// The connection attributes: `_client_name`, `program_name` ...
    pub attributes: BTreeMap<String, String>,
    /// Whether the client sends local files (`CLIENT_LOCAL_FILES`). Some say yes always.
    pub local_files: bool,
}

/// A statement that was prepared: what it needs and what it answers.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The text, with `?` for the parameters.
    pub sql: String,
    /// How many parameters.
    pub parameters: usize,
    /// What it answers; empty for an OK.
    pub columns: Vec<Column>,
}

/// One connection's state.
pub struct Session {
    /// What all sessions share.
    pub instance: Arc<Instance>,
    /// Who is at the other end.
    pub peer: Peer,
    /// The current database; `None` after it was dropped.
    pub database: Option<String>,
}

impl Session {
    /// The state right after the log-in.
    pub fn new(instance: Arc<Instance>, peer: Peer) -> Session {
        Session { instance, peer, database: Some(DEFAULT_DATABASE.to_owned()) }
    }

    /// Runs one statement (one trailing `;` allowed).
    pub async fn execute(&mut self, _sql: &str, _files: &mut dyn ClientFiles) -> Result<Outcome> {
        Ok(Outcome::done())
    }

    /// Splits the first statement off a text of several. The rest is empty after the last one.
    pub fn split<'a>(&self, sql: &'a str) -> (&'a str, &'a str) {
        (sql, "")
    }

    /// Prepares one statement.
    pub async fn prepare(&mut self, _sql: &str) -> Result<Prepared> {
        Err(Error::NotPreparable)
    }

    /// Runs a prepared statement.
    pub async fn execute_prepared(
        &mut self,
        _prepared: &Prepared,
        _parameters: Vec<Value>,
    ) -> Result<Outcome> {
        Err(Error::NotPreparable)
    }

    /// `USE database`, `COM_INIT_DB`, and the database of a handshake.
    pub async fn use_database(&mut self, _name: &str) -> Result<()> {
        Ok(())
    }

    /// The text of `COM_STATISTICS`.
    pub fn statistics(&self) -> String {
        String::new()
    }

    /// `COM_RESET_CONNECTION`: temporary stages and variables go, the log-in stays.
    pub async fn reset(&mut self) -> Result<()> {
        Ok(())
    }

    /// The end of the connection, however it came: temporary stages go.
    pub async fn close(&mut self) {}
}
