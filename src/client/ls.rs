//! `stagewire ls` shows the files at a location.
//!
//! ```text
//! $ stagewire ls @lake/2026/
//! name             size  md5  last_modified
//! 2026/a.csv.gz      36  -    2026-11-24 05:40:44.123
//! ```

use std::pin::pin;

use clap::Args;
use futures::stream::{Stream, StreamExt};
use serde::Serialize;

use super::connection::{Connection, Server};
use super::target::Target;
use super::{Common, Failure, Result, report};
use crate::sql::literal;

/// Show the files of a stage
#[derive(Debug, Clone, Args)]
pub struct Ls {
    /// Where; the path is a prefix
    #[arg(value_name = "@STAGE/PATH")]
    location: String,
    #[command(flatten)]
    common: Common,
    /// A regular expression over the whole name
    #[arg(long)]
    pattern: Option<String>,
}

/// One file on a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Relative to the stage's root.
    pub name: String,
    /// In bytes.
    pub size: u64,
    /// In hexadecimal digits, where the storage knows it.
    pub md5: Option<String>,
    /// In UTC.
    pub last_modified: Option<String>,
}

impl Ls {
    /// Shows them.
    pub async fn run(&self) -> Result<bool> {
        let target = Target::parse(&self.location)?;
        let mut connection = Server::of(&self.common)?.connect().await?;
        let mut table = Vec::new();
        {
            let mut entries = pin!(list(&mut connection, &target, self.pattern.as_deref()).await?);
            while let Some(entry) = entries.next().await {
                let entry = entry?;
                if self.common.json {
                    report::json_line(&entry).map_err(broken_output)?;
                    continue;
                }
                let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
                let (md5, modified) = (or_dash(entry.md5), or_dash(entry.last_modified));
                table.push(vec![entry.name, entry.size.to_string(), md5, modified]);
            }
        }
        if !self.common.json {
            report::table(&["name", "size", "md5", "last_modified"], &table)
                .map_err(broken_output)?;
        }
        connection.close().await;
        Ok(true)
    }
}

/// Standard output has gone away.
pub fn broken_output(error: std::io::Error) -> Failure {
    Failure::new(format!("Can't write to standard output: {error}"))
}

/// The files at a location, in byte order of their names.
pub async fn list<'c>(
    connection: &'c mut Connection,
    target: &Target,
    pattern: Option<&str>,
) -> Result<impl Stream<Item = Result<Entry>> + 'c> {
    let rows = connection.rows(format!("LIST {}{}", target.sql(), pattern_sql(pattern))).await?;
    Ok(rows.map(|row| {
        let mut row = row?;
        Ok(Entry {
            name: row.need("name")?,
            size: row.need("size")?,
            md5: row.take("md5")?,
            last_modified: row.take("last_modified")?,
        })
    }))
}

/// ` PATTERN = '...'`, if there is one.
pub fn pattern_sql(pattern: Option<&str>) -> String {
    pattern.map(|pattern| format!(" PATTERN = {}", literal::text(pattern))).unwrap_or_default()
}
