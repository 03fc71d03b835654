//! `stagewire put | get | ls | rm`: what a MySQL client can't do by itself, done on its side of the
//! wire. Many files by one pattern, several connections, progress, local names.
//!
//! It is a MySQL client like any other and uses nothing of the server's rooms: one
//! `LOAD DATA LOCAL INFILE ... INTO STAGE` a file, `LIST`, `GET`, `REMOVE`. So it works against
//! every server of this kind, and what it can do, a script can do too.
//!
//! One file a command; [`connection`] is the way to the server, [`target`] a location as text,
//! [`report`] what is printed, [`workers`] many files over several connections,
//! [`compare`] whether a file has changed.

use std::fmt;
use std::path::PathBuf;

use clap::Args;

pub mod compare;
pub mod connection;
pub mod get;
pub mod ls;
pub mod put;
pub mod report;
pub mod rm;
pub mod target;
pub mod workers;

/// What all commands need.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// The server, with its port: mysql://user:password@host:3307/database
    #[arg(
        long,
        env = "STAGEWIRE_DSN",
        hide_env_values = true,
        default_value = "mysql://root@127.0.0.1:3307"
    )]
    pub dsn: String,
    /// Encrypt, and trust the certificates in this PEM file alone, such as the server's own
    /// tls-cert.pem
    #[arg(long, env = "STAGEWIRE_TLS_CA", value_name = "FILE")]
    pub tls_ca: Option<PathBuf>,
    /// One JSON object a line on standard output
    #[arg(long)]
    pub json: bool,
}

/// The result of everything here.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// Why a command, or the transfer of one file, has failed. Not [`crate::error::Error`]: that one
/// speaks for a server, with an error number; this one repeats what a server has said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The sentence.
    pub what: String,
    /// What to try.
    pub hint: Option<String>,
    /// The connection is gone, or was never there: another one may have more luck.
    pub lost: bool,
}

impl Failure {
    /// With nothing to try.
    pub fn new(what: impl Into<String>) -> Failure {
        Failure { what: what.into(), hint: None, lost: false }
    }

    /// With what to try.
    pub fn hinting(what: impl Into<String>, hint: impl Into<String>) -> Failure {
        Failure { what: what.into(), hint: Some(hint.into()), lost: false }
    }

    /// About a file of this machine.
    pub fn local(path: &std::path::Path, error: &std::io::Error) -> Failure {
        Failure::new(format!("{}: {error}", path.display()))
    }

    /// In one line, as the message of one file among many.
    pub fn line(&self) -> String {
        let line = match &self.hint {
            Some(hint) => format!("{}. Hint: {hint}", self.what),
            None => self.what.clone(),
        };
        line.replace('\n', " ")
    }
}

/// A server's advice in words of this command line.
pub fn as_option(advice: &str) -> String {
    const OPTIONS: &[(&str, &str)] = &[
        ("ALLOW_EMPTY=TRUE", "--allow-empty"),
        ("OVERWRITE=TRUE", "--overwrite"),
        ("SOURCE_COMPRESSION=NONE", "--source-compression NONE"),
        ("AUTO_COMPRESS=FALSE", "--no-auto-compress"),
    ];
    OPTIONS.iter().fold(advice.to_owned(), |text, (sql, option)| text.replace(sql, option))
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Failure {}
