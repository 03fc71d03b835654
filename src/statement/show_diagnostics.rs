//! `SHOW WARNINGS`, `SHOW ERRORS`: the files that the last `PUT` could not store.
//!
//! ```text
//! SHOW { WARNINGS | ERRORS } [LIMIT [<offset>,] <count>]
//! SHOW COUNT(*) { WARNINGS | ERRORS }
//! ```

use std::fmt;

use crate::error::Result;
use crate::rows::{Column, Outcome, Row, Type};
use crate::session::Session;
use crate::sql::cursor::Cursor;
use crate::statement::show;

/// `SHOW WARNINGS`, `SHOW ERRORS`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShowDiagnostics {
    /// `ERRORS` alone.
    pub errors: bool,
    /// How many there are, not which.
    pub count: bool,
    /// Offset and count.
    pub limit: Option<(u64, u64)>,
}

impl ShowDiagnostics {
    /// Reads what follows `SHOW`, if it is one.
    pub fn parse(cursor: &mut Cursor<'_>) -> Result<Option<ShowDiagnostics>> {
        let count = cursor.eat("COUNT");
        if count {
            for sign in ["(", "*", ")"] {
                cursor.expect_sign(sign)?;
            }
        }
        let errors = cursor.eat("ERRORS");
        if !errors && !cursor.eat("WARNINGS") {
            return if count { Err(cursor.expected("WARNINGS or ERRORS")) } else { Ok(None) };
        }
        let limit = if count { None } else { show::limit(cursor)? };
        cursor.expect_end(if count { "" } else { "LIMIT" })?;
        Ok(Some(ShowDiagnostics { errors, count, limit }))
    }

    /// MySQL's three columns, or its one.
    pub fn columns(self) -> Vec<Column> {
        if self.count {
            let what = if self.errors { "error" } else { "warning" };
            return vec![Column::new(format!("@@session.{what}_count"), Type::UInt)];
        }
        vec![
            Column::new("Level", Type::Text),
            Column::new("Code", Type::UInt),
            Column::new("Message", Type::Text),
        ]
    }

    /// Shows what the last `PUT` left. Every other message is in the answer itself.
    pub fn execute(self, session: &Session) -> Outcome {
        let rows = session.warnings.iter().map(|(level, code, message)| -> Row {
            vec![(*level).into(), u64::from(*code).into(), message.as_str().into()]
        });
        let rows: Vec<Row> = if self.count {
            vec![vec![u64::try_from(rows.count()).unwrap_or(u64::MAX).into()]]
        } else {
            let (offset, count) = self.limit.unwrap_or((0, u64::MAX));
            let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
            rows.skip(size(offset)).take(size(count)).collect()
        };
        Outcome::rows(self.columns(), rows)
    }
}

impl fmt::Display for ShowDiagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = if self.count { "COUNT(*) " } else { "" };
        let what = if self.errors { "ERRORS" } else { "WARNINGS" };
        write!(f, "SHOW {count}{what}")?;
        match self.limit {
            Some((offset, count)) => write!(f, " LIMIT {offset}, {count}"),
            None => Ok(()),
        }
    }
}
