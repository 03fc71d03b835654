//! `SHOW WARNINGS`, `SHOW ERRORS`: the files that the last `PUT` could not store.

use std::fmt;

use crate::rows::{Column, Outcome, Type};
use crate::session::Session;

/// `SHOW WARNINGS`, `SHOW ERRORS`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShowDiagnostics {
    /// `SHOW WARNINGS`
    Warnings,
    /// `SHOW ERRORS`
    Errors,
}

impl ShowDiagnostics {
    /// MySQL's three columns.
    pub fn columns(self) -> Vec<Column> {
        vec![
            Column::new("Level", Type::Text),
            Column::new("Code", Type::UInt),
            Column::new("Message", Type::Text),
        ]
    }

    /// Shows what the last `PUT` left. Every other message is in the answer itself.
    pub fn execute(self, session: &Session) -> Outcome {
        let rows = session.warnings.iter();
        let rows = rows.map(|(level, code, message)| {
            vec![(*level).into(), u64::from(*code).into(), message.as_str().into()]
        });
        Outcome::rows(self.columns(), rows.collect())
    }
}

impl fmt::Display for ShowDiagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ShowDiagnostics::Warnings => "SHOW WARNINGS",
            ShowDiagnostics::Errors => "SHOW ERRORS",
        })
    }
}
