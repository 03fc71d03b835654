//! `COPY FILES` copies files from one stage to another, or within one.
//!
//! ```text
//! COPY FILES INTO <location> FROM <location> [<option> ...]
//!
//! option: FILES = ('<name>' [, ...]) | PATTERN = '<regex>' | OVERWRITE = { TRUE | FALSE }
//!       | DETAILED_OUTPUT = { TRUE | FALSE }
//!
//! > COPY FILES INTO @archive/2024 FROM @lake/in/ PATTERN='.*[.]csv'
//! file          target             size  status   message
//! in/a.csv      2024/a.csv         16    COPIED
//! in/eu/b.csv   2024/eu/b.csv      23    SKIPPED  a file of this name exists; OVERWRITE=TRUE replaces it
//! > COPY FILES INTO @archive FROM @lake/in/ DETAILED_OUTPUT=FALSE
//! files_copied  files_skipped  files_failed
//! 2             0              0
//! > COPY FILES INTO @archive
//! ERROR 1064 (42000): Expected FROM, found the end of the statement at line 1, column 25
//! ```
//!
//! The source's path is a prefix, as with `LIST`; the target's is a directory, below which the
//! directories behind the source's last `/` are kept. With `FILES` the source's path is a directory
//! too, and a name that is not there is a row with `ERROR`. The pattern must match the whole name as
//! `LIST` shows it.
//!
//! Where both are in one bucket with the same credentials the storage copies by itself; else the bytes
//! go through the server. Each file is there whole or not at all, and its failure is a row; four are
//! copied at a time.
//!
//! Unlike Snowflake's, an existing file stays unless `OVERWRITE=TRUE`, names that are not there are not
//! passed over, files may be larger than 5 GB, and user and table stages may be at either end.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};

use crate::access::people::StagePrivilege;
use crate::error::{Error, Result};
use crate::rows::{Column, Outcome, Row, Type};
use crate::session::{ClientFiles, Progress, Session};
use crate::sql::cursor::Cursor;
use crate::sql::literal;
use crate::sql::location::Location;
use crate::stage::name::StagePath;
use crate::stage::pattern::Pattern;
use crate::stage::{Copied, Entry, Files, Route};
use crate::statement::progress::{self, Counter};
use crate::statement::{Statement, list};

/// The words that it begins with.
pub const LEADS: &[&str] = &["COPY FILES"];

/// Each that goes through the server holds up to 48 MiB.
const FILES_AT_A_TIME: usize = 4;

/// Snowflake's bound.
const MAX_NAMES: usize = 1000;

/// A row a file, or one for all.
pub fn columns(detailed: bool) -> Vec<Column> {
    if detailed {
        vec![
            Column::new("file", Type::Text),
            Column::new("target", Type::Text),
            Column::new("size", Type::UInt),
            Column::new("status", Type::Text),
            Column::new("message", Type::Text),
        ]
    } else {
        vec![
            Column::new("files_copied", Type::UInt),
            Column::new("files_skipped", Type::UInt),
            Column::new("files_failed", Type::UInt),
        ]
    }
}

/// `COPY FILES`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyFiles {
    /// A directory on a stage.
    pub into: Location,
    /// Which files: a prefix, or with `files` a directory.
    pub from: Location,
    /// Their names.
    pub files: Option<Vec<String>>,
    /// Which, as a regular expression over the whole name.
    pub pattern: Option<String>,
    /// Whether to replace files of the same name.
    pub overwrite: Option<bool>,
    /// Whether there is a row a file.
    pub detailed_output: Option<bool>,
}

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    cursor.expect("COPY")?;
    cursor.expect("FILES")?;
    cursor.expect("INTO")?;
    let into = cursor.location("COPY FILES INTO")?;
    cursor.expect("FROM")?;
    let mut copy = CopyFiles {
        into,
        from: cursor.location("FROM")?,
        files: None,
        pattern: None,
        overwrite: None,
        detailed_output: None,
    };
    while !cursor.at_end() {
        if cursor.sees("FILES") && copy.files.is_none() {
            copy.files = Some(parse_files(cursor)?);
        } else if cursor.sees("PATTERN") && copy.pattern.is_none() {
            copy.pattern = Some(list::parse_pattern(cursor)?);
        } else if cursor.sees("OVERWRITE") && copy.overwrite.is_none() {
            copy.overwrite = Some(parse_boolean(cursor, "OVERWRITE")?);
        } else if cursor.sees("DETAILED_OUTPUT") && copy.detailed_output.is_none() {
            copy.detailed_output = Some(parse_boolean(cursor, "DETAILED_OUTPUT")?);
        } else {
            let options = ["FILES", "PATTERN", "OVERWRITE", "DETAILED_OUTPUT"];
            return Err(cursor.expected_one_of(&options));
        }
    }
    Ok(Statement::CopyFiles(copy))
}

pub(super) fn parse_boolean(cursor: &mut Cursor<'_>, option: &str) -> Result<bool> {
    cursor.advance();
    cursor.eat_sign("=");
    cursor.boolean(option)
}

/// Reads `FILES = ('<name>', ...)`.
pub(super) fn parse_files(cursor: &mut Cursor<'_>) -> Result<Vec<String>> {
    cursor.expect("FILES")?;
    cursor.eat_sign("=");
    cursor.expect_sign("(")?;
    let mut names = Vec::new();
    loop {
        names.push(cursor.text("the name of a file in quotes")?);
        if !cursor.eat_sign(",") {
            cursor.expect_sign(")")?;
            break;
        }
    }
    if names.len() > MAX_NAMES {
        return Err(Error::BadValue {
            option: "FILES".to_owned(),
            value: format!("{} names", names.len()),
            expected: format!("at most {MAX_NAMES}; PATTERN takes any number"),
        });
    }
    Ok(names)
}

/// What to copy, or why not.
struct Job {
    file: String,
    target: Result<(Entry, StagePath)>,
}

/// What became of it.
struct Report {
    file: String,
    target: String,
    size: u64,
    status: &'static str,
    message: String,
}

impl CopyFiles {
    /// Copies while it lists.
    pub async fn execute(
        &self,
        session: &Session,
        client: &mut dyn ClientFiles,
    ) -> Result<Outcome> {
        let pattern = self.pattern.as_deref().map(Pattern::new).transpose()?;
        let from = session.files_at(&self.from.area, StagePrivilege::Read).await?;
        let to = session.files_at(&self.into.area, StagePrivilege::Write).await?;
        let route = Arc::new(Route::new(Arc::clone(&from), to)?);
        // The number of all files, where it is known before the first copy.
        let mut all = 0;
        let jobs = match &self.files {
            Some(names) => {
                all = names.len();
                self.named(from, names, pattern)
            }
            None => {
                let jobs = self.listed(from, pattern);
                if route.overlaps() {
                    // Else a copy could be listed and copied again.
                    let how_far = || Progress { stage: (1, 2), ..Progress::of((0, 0), "listing") };
                    let jobs = progress::tell(client, how_far, jobs.collect::<Vec<_>>()).await;
                    all = jobs.len();
                    stream::iter(jobs).boxed()
                } else {
                    jobs
                }
            }
        };
        let copied = Arc::new(Counter::default());
        let counted = Arc::clone(&copied);
        let stages = if self.files.is_none() && all > 0 { 2 } else { 1 };
        let how_far = || Progress {
            stage: (stages, stages),
            part: (copied.get(), u64::try_from(all).unwrap_or_default()),
            what: format!("copying; {} files done", copied.get()),
        };
        let overwrite = self.overwrite.unwrap_or(false);
        let reports = jobs
            .map_ok(move |job| {
                let route = Arc::clone(&route);
                async move { Ok(copy(&route, job, overwrite).await) }
            })
            .try_buffered(FILES_AT_A_TIME)
            .inspect(move |_| counted.count());
        let detailed = self.detailed();
        if !detailed {
            let sums = progress::tell(client, how_far, sums(reports.boxed())).await?;
            return Ok(Outcome::rows(columns(detailed), vec![sums]));
        }
        // The first are there before anything is answered: some clients never read the rows.
        let mut rows = reports.map_ok(to_row).boxed().peekable();
        progress::tell(client, how_far, Pin::new(&mut rows).peek()).await;
        Ok(Outcome::Rows { columns: columns(detailed), rows: rows.boxed() })
    }

    /// Whether there is a row a file.
    pub fn detailed(&self) -> bool {
        self.detailed_output.unwrap_or(true)
    }

    fn listed(
        &self,
        from: Arc<Files>,
        pattern: Option<Pattern>,
    ) -> BoxStream<'static, Result<Job>> {
        let prefix = self.from.path.as_str();
        let dir = prefix.rfind('/').map_or(0, |slash| slash + 1);
        let into = self.into.path.clone();
        let wanted = move |entry: &Entry| {
            pattern.as_ref().is_none_or(|pattern| pattern.matches(&entry.path))
        };
        from.list(&self.from.path)
            .try_filter(move |entry| std::future::ready(wanted(entry)))
            .map_ok(move |entry| {
                let target = into.join(entry.path.get(dir..).unwrap_or_default());
                Job { file: entry.path.clone(), target: target.map(|target| (entry, target)) }
            })
            .boxed()
    }

    fn named(
        &self,
        from: Arc<Files>,
        names: &[String],
        pattern: Option<Pattern>,
    ) -> BoxStream<'static, Result<Job>> {
        let (dir, into) = (self.from.path.clone(), self.into.path.clone());
        stream::iter(names.to_owned())
            .filter_map(move |name| {
                let file = dir.join(&name);
                let shown = file.as_ref().map_or_else(|_| name.clone(), StagePath::to_string);
                let wanted = pattern.as_ref().is_none_or(|pattern| pattern.matches(&shown));
                let (from, into) = (Arc::clone(&from), into.clone());
                let find = async move {
                    let file = file?;
                    let missing = || Error::UnknownFile { path: file.to_string() };
                    let entry = from.stat(&file).await?.ok_or_else(missing)?;
                    Ok((entry, into.join(&name)?))
                };
                async move { wanted.then_some((shown, find)) }
            })
            .then(|(file, find)| async move { Ok(Job { file, target: find.await }) })
            .boxed()
    }
}

async fn copy(route: &Route, job: Job, overwrite: bool) -> Report {
    let report = |target: String, size, status, message: &str| Report {
        file: job.file.clone(),
        target,
        size,
        status,
        message: message.to_owned(),
    };
    let (entry, target) = match job.target {
        Ok(found) => found,
        Err(error) => return report(String::new(), 0, "ERROR", &error.message()),
    };
    let copied = route.copy(&entry, &target, overwrite).await;
    let target = target.to_string();
    match copied {
        Ok(Copied::Copied { size }) => report(target, size, "COPIED", ""),
        Ok(Copied::Exists) => {
            report(target, 0, "SKIPPED", "a file of this name exists; OVERWRITE=TRUE replaces it")
        }
        Ok(Copied::Same) => report(target, 0, "SKIPPED", "it is the file itself"),
        Err(error) => {
            if error.is_ours() {
                tracing::error!(%error, detail = error.detail(), "a file was not copied");
            }
            report(target, 0, "ERROR", &error.message())
        }
    }
}

fn to_row(report: Report) -> Row {
    vec![
        report.file.into(),
        report.target.into(),
        report.size.into(),
        report.status.into(),
        report.message.into(),
    ]
}

async fn sums(mut reports: BoxStream<'static, Result<Report>>) -> Result<Row> {
    let (mut copied, mut skipped, mut failed) = (0_u64, 0_u64, 0_u64);
    while let Some(report) = reports.try_next().await? {
        match report.status {
            "COPIED" => copied += 1,
            "SKIPPED" => skipped += 1,
            _ => failed += 1,
        }
    }
    Ok(vec![copied.into(), skipped.into(), failed.into()])
}

impl fmt::Display for CopyFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "COPY FILES INTO {} FROM {}", self.into, self.from)?;
        if let Some(names) = &self.files {
            let names: Vec<String> = names.iter().map(|name| literal::text(name)).collect();
            write!(f, " FILES = ({})", names.join(", "))?;
        }
        if let Some(pattern) = &self.pattern {
            write!(f, " PATTERN = {}", literal::text(pattern))?;
        }
        if let Some(on) = self.overwrite {
            write!(f, " OVERWRITE = {}", literal::boolean(on))?;
        }
        match self.detailed_output {
            Some(on) => write!(f, " DETAILED_OUTPUT = {}", literal::boolean(on)),
            None => Ok(()),
        }
    }
}
