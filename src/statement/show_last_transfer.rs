//! `SHOW LAST TRANSFER` shows what became of each file of the last `PUT` of this connection: for
//! clients that take no rows behind an upload, and after an error that ended it early.
//!
//! ```text
//! SHOW LAST TRANSFER
//!
//! > SHOW LAST TRANSFER
//! source  target    source_size  target_size  source_compression  target_compression  status    message
//! a.csv   a.csv.gz  16           40           NONE                GZIP                UPLOADED
//! > SHOW LAST TRANSFERS
//! ERROR 1064 (42000): Expected a statement such as ... Hint: did you mean SHOW LAST TRANSFER?
//! ```

use std::fmt;

use crate::error::Result;
use crate::rows::Outcome;
use crate::session::Session;
use crate::sql::cursor::Cursor;
use crate::statement::{Statement, put};

/// The words that it begins with.
pub const LEADS: &[&str] = &["SHOW LAST TRANSFER"];

/// `SHOW LAST TRANSFER`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShowLastTransfer;

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    for word in ["SHOW", "LAST", "TRANSFER"] {
        cursor.expect(word)?;
    }
    Ok(Statement::ShowLastTransfer(ShowLastTransfer))
}

impl ShowLastTransfer {
    /// Shows it.
    pub fn execute(self, session: &Session) -> Outcome {
        Outcome::rows(put::columns(), session.last_transfer.clone())
    }
}

impl fmt::Display for ShowLastTransfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SHOW LAST TRANSFER")
    }
}
