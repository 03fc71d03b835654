//! Tables: what the catalog knows of one. Its rows are elsewhere, with commits of their own; they are found by
//! its id, so a renamed or replaced table takes over nobody's rows.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::rows::Column;
use crate::rows::declared::DeclaredColumn;

/// What rows are kept in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Not the one of an earlier table of this name.
    pub id: Uuid,
    /// Its columns, in order.
    pub columns: Vec<DeclaredColumn>,
    /// What was said of it.
    #[serde(default)]
    pub comment: String,
    /// `'root'@'127.0.0.1'`
    pub creator: String,
    /// The id of its maker, who may do everything with it; nobody's in the case of `root`.
    pub owner: Uuid,
    /// When.
    pub created_at: Timestamp,
}

impl Table {
    /// As a result has them.
    pub fn result_columns(&self) -> Vec<Column> {
        self.columns.iter().map(DeclaredColumn::result_column).collect()
    }

    /// Where the column of this name is, in any case.
    pub fn position(&self, name: &str) -> Option<usize> {
        let lower = name.to_lowercase();
        self.columns.iter().position(|column| column.name.to_lowercase() == lower)
    }
}
