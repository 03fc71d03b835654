//! `SHOW WARNINGS`, `SHOW ERRORS`: always empty, for every message is in the answer itself.

use std::fmt;

use crate::rows::{Column, Outcome, Type};

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

    /// Shows none.
    pub fn execute(self) -> Outcome {
        Outcome::rows(self.columns(), Vec::new())
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
