//! `REMOVE` deletes the files at a location.
//!
//! ```text
//! { REMOVE | RM } <location> [PATTERN = '<regex>'] [DRY_RUN = { TRUE | FALSE }]
//!
//! > REMOVE @lake/2024/ PATTERN='.*[.]csv'
//! name         result
//! 2024/a.csv   removed
//! > REMOVE @lake/2024/ DRY_RUN=TRUE
//! name         result
//! 2024/b.csv   would be removed
//! > REMOVE @lake FORCE=TRUE
//! ERROR 1064 (42000): Expected PATTERN, DRY_RUN or the end of the statement, found 'FORCE' ...
//! ```
//!
//! The path is a prefix, as with `LIST`, so `REMOVE @lake/ab` removes `ab.csv` and all of `ab/`:
//! `DRY_RUN=TRUE` shows what would go. One row a file, in batches where the storage has them. A file
//! that could not be deleted is a row whose result begins with `ERROR`; Databend only logs it.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use futures::stream::StreamExt;

use crate::access::people::StagePrivilege;
use crate::error::Result;
use crate::rows::{Column, Outcome, Type};
use crate::session::{ClientFiles, Progress, Session};
use crate::sql::cursor::Cursor;
use crate::sql::literal;
use crate::sql::location::Location;
use crate::stage::pattern::Pattern;
use crate::statement::progress::{self, Counter};
use crate::statement::{Statement, list};

/// The words that it begins with.
pub const LEADS: &[&str] = &["REMOVE", "RM"];

/// Snowflake's two columns.
pub fn columns() -> Vec<Column> {
    vec![Column::new("name", Type::Text), Column::new("result", Type::Text)]
}

/// `REMOVE`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remove {
    /// Where.
    pub location: Location,
    /// Which, as a regular expression over the whole name.
    pub pattern: Option<String>,
    /// Whether only to show what would go.
    pub dry_run: Option<bool>,
}

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.advance();
    let mut remove = Remove { location: cursor.location("REMOVE")?, pattern: None, dry_run: None };
    while !cursor.at_end() {
        if cursor.sees("PATTERN") && remove.pattern.is_none() {
            remove.pattern = Some(list::parse_pattern(cursor)?);
        } else if cursor.sees("DRY_RUN") && remove.dry_run.is_none() {
            cursor.advance();
            cursor.eat_sign("=");
            remove.dry_run = Some(cursor.boolean("DRY_RUN")?);
        } else {
            return Err(cursor.expected_one_of(&["PATTERN", "DRY_RUN"]));
        }
    }
    Ok(Statement::Remove(remove))
}

impl Remove {
    /// Removes while it lists.
    pub async fn execute(
        &self,
        session: &Session,
        client: &mut dyn ClientFiles,
    ) -> Result<Outcome> {
        let found = Arc::new(Counter::default());
        let counted = Arc::clone(&found);
        let pattern = self.pattern.as_deref().map(Pattern::new).transpose()?;
        let files = session.files_at(&self.location.area, StagePrivilege::Write).await?;
        let entries = files
            .list(&self.location.path)
            .filter_map(move |entry| {
                let entry = match (entry, &pattern) {
                    (Ok(entry), Some(pattern)) if !pattern.matches(&entry.path) => None,
                    (entry, _) => Some(entry),
                };
                std::future::ready(entry)
            })
            .inspect(move |_| counted.count())
            .boxed();
        let rows = if self.dry_run == Some(true) {
            entries.map(|entry| Ok(vec![entry?.path.into(), "would be removed".into()])).boxed()
        } else {
            files
                .remove(entries)
                .map(|removed| {
                    let (name, result) = removed;
                    let result = match result {
                        Ok(()) => "removed".to_owned(),
                        Err(error) => format!("ERROR: {}", error.message()),
                    };
                    Ok(vec![name.into(), result.into()])
                })
                .boxed()
        };
        // The first batch is gone before anything is answered: a client that doesn't read the rows
        // finds nothing of it either.
        let mut rows = rows.peekable();
        let how_far = || Progress::of((0, 0), format!("removing; {} files found", found.get()));
        progress::tell(client, how_far, Pin::new(&mut rows).peek()).await;
        Ok(Outcome::Rows { columns: columns(), rows: rows.boxed() })
    }
}

impl fmt::Display for Remove {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "REMOVE {}", self.location)?;
        if let Some(pattern) = &self.pattern {
            write!(f, " PATTERN = {}", literal::text(pattern))?;
        }
        match self.dry_run {
            Some(dry_run) => write!(f, " DRY_RUN = {}", literal::boolean(dry_run)),
            None => Ok(()),
        }
    }
}
