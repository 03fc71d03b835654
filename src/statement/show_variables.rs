//! `SHOW VARIABLES`, `SHOW STATUS`: names and values.
//!
//! ```text
//! SHOW [GLOBAL | SESSION] { VARIABLES | STATUS } [LIKE '<pattern>' | WHERE <condition>]
//!
//! > SHOW VARIABLES LIKE 'version%'
//! Variable_name    Value
//! version          8.4.6-Stagewire-0.1.0
//! version_comment  Stagewire
//! ```

use std::fmt;
use std::sync::atomic::Ordering;

use crate::error::Result;
use crate::rows::{Column, Outcome, Type};
use crate::session::Session;
use crate::statement::show_stages::{Filter, filtered};
use crate::statement::variables::Scope;

/// MySQL's two columns.
pub fn columns() -> Vec<Column> {
    vec![Column::new("Variable_name", Type::Text), Column::new("Value", Type::Text)]
}

/// `SHOW VARIABLES` or `SHOW STATUS`
#[derive(Debug, Clone, PartialEq)]
pub struct ShowVariables {
    /// Counters instead of variables.
    pub status: bool,
    /// Whose values.
    pub scope: Scope,
    /// Which.
    pub filter: Option<Filter>,
}

impl ShowVariables {
    /// Shows them.
    pub fn execute(&self, session: &Session) -> Result<Outcome> {
        let pairs =
            if self.status { status(session) } else { session.variables.all(session, self.scope) };
        let rows = pairs.into_iter().map(|(name, value)| vec![name.into(), value.into()]).collect();
        let columns = columns();
        let rows = filtered(session, self.filter.as_ref(), &columns, rows)?;
        Ok(Outcome::rows(columns, rows))
    }
}

/// Counters of the server, by name.
pub fn status(session: &Session) -> Vec<(&'static str, String)> {
    let instance = &session.instance;
    let connections = instance.connections.load(Ordering::Relaxed).to_string();
    let cipher = session.peer.cipher.as_ref();
    let suite = cipher.map(|cipher| cipher.suite.clone());
    let version = cipher.map(|cipher| cipher.version.to_owned());
    let compression = session.peer.compression;
    let algorithm = compression.map(|how| how.algorithm.name());
    let level = compression.map_or(0, |how| how.level);
    let created = instance.last_connection_id.load(Ordering::Relaxed).to_string();
    let statements = instance.statements.load(Ordering::Relaxed).to_string();
    let processes = instance.processes.all();
    let running = processes.iter().filter(|process| process.statement.is_some()).count();
    let uptime = instance.started.elapsed().as_secs().to_string();
    let none = || "0".to_owned();
    vec![
        ("Aborted_clients", none()),
        ("Aborted_connects", none()),
        ("Compression", if algorithm.is_some() { "ON" } else { "OFF" }.to_owned()),
        ("Compression_algorithm", algorithm.unwrap_or("uncompressed").to_owned()),
        ("Compression_level", level.to_string()),
        ("Connections", created.clone()),
        ("Open_files", none()),
        ("Open_tables", none()),
        ("Opened_tables", none()),
        ("Queries", statements.clone()),
        ("Questions", statements),
        ("Slow_queries", none()),
        ("Ssl_cipher", suite.unwrap_or_default()),
        ("Ssl_version", version.unwrap_or_default()),
        ("Threads_cached", none()),
        ("Threads_connected", connections),
        ("Threads_created", created),
        ("Threads_running", running.to_string()),
        ("Uptime", uptime.clone()),
        ("Uptime_since_flush_status", uptime),
    ]
}

impl fmt::Display for ShowVariables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scope = if self.scope == Scope::Global { "GLOBAL " } else { "" };
        let what = if self.status { "STATUS" } else { "VARIABLES" };
        write!(f, "SHOW {scope}{what}")?;
        match &self.filter {
            Some(filter) => write!(f, " {filter}"),
            None => Ok(()),
        }
    }
}
