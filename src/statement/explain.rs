//! `EXPLAIN` shows how a query is computed.
//!
//! ```text
//! EXPLAIN [ANALYZE] <query>
//!
//! > EXPLAIN SELECT COUNT(*) FROM @lake/books.parquet WHERE id > 5
//! EXPLAIN
//! AggregateExec: mode=Final, gby=[], aggr=[count(*)]
//! ...
//! > EXPLAIN DELETE FROM t
//! ERROR 1064 (42000): ...
//! ```
//!
//! `ANALYZE` computes it, and tells rows and time of each step instead of what the query answers. The text is
//! DataFusion's; a tool that wants MySQL's twelve columns finds none.

use std::fmt;

use crate::error::Result;
use crate::rows::{Column, Outcome, Type};
use crate::session::Session;
use crate::statement::select::{Select, files};

/// `EXPLAIN`
#[derive(Debug, Clone, PartialEq)]
pub struct Explain {
    /// Whether it is computed.
    pub analyze: bool,
    /// What is explained.
    pub select: Select,
}

/// One, as MySQL has for `FORMAT=TREE`.
pub fn columns() -> Vec<Column> {
    vec![Column::new("EXPLAIN", Type::Text)]
}

impl Explain {
    /// Explains, a row a step.
    pub async fn execute(&self, session: &Session) -> Result<Outcome> {
        let query = files::query(&self.select, session).await?;
        let engine = &session.instance.engine;
        let rows = match self.analyze {
            true => engine.analyze(query).await?,
            false => engine.explain(query).await?,
        };
        Ok(Outcome::Rows { columns: columns(), rows })
    }
}

impl fmt::Display for Explain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EXPLAIN {}{}", if self.analyze { "ANALYZE " } else { "" }, self.select)
    }
}
