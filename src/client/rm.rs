//! `stagewire rm` removes the files at a location.
//!
//! ```text
//! $ stagewire rm @lake/2026/ --pattern '.*[.]csv' --dry-run
//! name        result
//! 2026/a.csv  would be removed
//! ```
//!
//! The path is a prefix: `@lake/ab` is `ab.csv` and all of `ab/`. Nothing is asked; `--dry-run` shows
//! what would go.

use std::pin::pin;

use clap::Args;
use futures::stream::StreamExt;
use serde::Serialize;

use super::connection::Server;
use super::ls::{broken_output, pattern_sql};
use super::target::Target;
use super::{Common, Result, report};

/// Remove files from a stage
#[derive(Debug, Clone, Args)]
pub struct Rm {
    /// Where; the path is a prefix
    #[arg(value_name = "@STAGE/PATH")]
    location: String,
    #[command(flatten)]
    common: Common,
    /// A regular expression over the whole name
    #[arg(long)]
    pattern: Option<String>,
    /// Show what would be removed
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Serialize)]
struct Removed {
    name: String,
    result: String,
}

impl Rm {
    /// Removes; `false` if a file is still there.
    pub async fn run(&self) -> Result<bool> {
        let target = Target::parse(&self.location)?;
        let mut connection = Server::of(&self.common)?.connect().await?;
        let dry_run = if self.dry_run { " DRY_RUN = TRUE" } else { "" };
        let pattern = pattern_sql(self.pattern.as_deref());
        let (mut all_gone, mut table) = (true, Vec::new());
        {
            let sql = format!("REMOVE {}{pattern}{dry_run}", target.sql());
            let mut rows = pin!(connection.rows(sql).await?);
            while let Some(row) = rows.next().await {
                let mut row = row?;
                let removed = Removed { name: row.need("name")?, result: row.need("result")? };
                all_gone &= !removed.result.starts_with("ERROR");
                if self.common.json {
                    report::json_line(&removed).map_err(broken_output)?;
                } else {
                    table.push(vec![removed.name, removed.result]);
                }
            }
        }
        if !self.common.json {
            report::table(&["name", "result"], &table).map_err(broken_output)?;
        }
        connection.close().await;
        Ok(all_gone)
    }
}
