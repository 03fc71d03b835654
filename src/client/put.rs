//! `stagewire put` uploads files of this machine to a stage.
//!
//! ```text
//! $ stagewire put 'data/**/*.csv' @lake/2026/
//! UPLOADED data/a.csv -> @lake/2026/a.csv.gz (16 -> 36 bytes)
//! SKIPPED data/b/c.csv -> @lake/2026/c.csv.gz: a file of this name exists; --overwrite replaces it
//! ERROR data/b/d.csv: Permission denied (os error 13)
//! 1 uploaded, 1 skipped, 1 failed
//! ```
//!
//! One statement a file, so each is there whole or not at all, and a second run sends only what is
//! missing: the server skips by name without asking for a byte. With `--overwrite` it sends what is
//! missing or has changed: see [`super::compare`].
//!
//! The driver ends a file that can't be read further as if that were its end, which the server would
//! store. So such a failure never reaches the driver: the connection is dropped instead.

use std::collections::BTreeMap;
use std::os::unix::fs::FileTypeExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{ArgAction, Args, ValueEnum};
use futures::stream::StreamExt;
use serde::Serialize;
use tokio::io::AsyncRead;
use tokio::sync::oneshot;
use tokio_util::io::ReaderStream;

use super::compare::Compare;
use super::connection::{Connection, Contents, Link, Patience, Server};
use super::report::{FileProgress, Outcome, Progress, Report, Status, Voice};
use super::target::Target;
use super::workers::{self, AsyncJob};
use super::{Common, Failure, Result, as_option};
use crate::sql::literal;
use crate::transfer::compression::{Compression, DECLARED};
use crate::transfer::encoder::AutoCompress;
use crate::transfer::form::Form;

/// Bytes that are read and sent at a time. Less than a packet's 16 MiB, so none is ever full: a
/// file that ends with a full packet ends differently in every client.
const BLOCK: usize = 512 * 1024;

/// Upload files to a stage
#[derive(Debug, Clone, Args)]
pub struct Put {
    /// Files, patterns (*, ?, [a-z], **) or - for standard input; the last one is the location
    #[arg(required = true, num_args = 2.., value_names = ["FILE", "@STAGE/PATH"])]
    arguments: Vec<String>,
    #[command(flatten)]
    common: Common,
    /// The file's name on the stage; needed for standard input
    #[arg(long)]
    name: Option<String>,
    /// Directories with all that is in them
    #[arg(long, short)]
    recursive: bool,
    /// Keep the part of the path that the pattern does not fix
    #[arg(long)]
    keep_paths: bool,
    /// Connections
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=99))]
    parallel: u8,
    /// Compress what is not compressed: --auto-compress=zstd, or gzip [default]
    #[arg(
        long,
        value_name = "KIND",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "gzip",
        overrides_with = "no_auto_compress"
    )]
    auto_compress: Option<Kind>,
    /// Leave files as they are
    #[arg(long, overrides_with = "auto_compress")]
    no_auto_compress: bool,
    /// How the files are compressed: AUTO_DETECT, GZIP, BZ2, BROTLI, ZSTD, DEFLATE, RAW_DEFLATE, NONE
    #[arg(long, value_parser = word)]
    source_compression: Option<String>,
    /// Replace files of the same name
    #[arg(long)]
    overwrite: bool,
    /// Empty files are meant to be empty
    #[arg(long)]
    allow_empty: bool,
    /// Say nothing of what goes well
    #[arg(long, short, action = ArgAction::SetTrue)]
    quiet: bool,
}

/// What files are compressed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Gzip,
    Zstd,
}

/// A word, to be written into a statement as it is.
fn word(text: &str) -> Result<String, String> {
    let fine = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if fine { Ok(text.to_ascii_uppercase()) } else { Err("a word is expected".to_owned()) }
}

/// One file to upload.
#[derive(Debug)]
struct Job {
    source: Source,
    /// As it is shown.
    shown: String,
    /// Its name on the stage, before anything is added to it.
    name: String,
    /// Where on the stage.
    dir: Target,
    /// Bytes, as far as known.
    size: u64,
}

#[derive(Debug, Clone)]
enum Source {
    /// Can be read again.
    File(PathBuf),
    /// A FIFO or device: can be read once.
    Pipe(PathBuf),
    Stdin,
}

/// A file that a pattern means.
struct Found {
    /// The part of the path that the pattern fixes.
    base: PathBuf,
    path: PathBuf,
}

/// What became of one file.
#[derive(Debug, Serialize)]
struct Uploaded {
    source: String,
    target: String,
    source_size: u64,
    target_size: u64,
    status: Status,
    message: String,
}

impl Outcome for Uploaded {
    fn status(&self) -> Status {
        self.status
    }

    fn line(&self) -> String {
        let Uploaded { source, target, source_size, target_size, message, .. } = self;
        match self.status {
            Status::Uploaded | Status::Downloaded => {
                format!("UPLOADED {source} -> {target} ({source_size} -> {target_size} bytes)")
            }
            Status::Skipped => format!("SKIPPED {source} -> {target}: {message}"),
            Status::Collision => format!("COLLISION {source}: {message}"),
            Status::Error => format!("ERROR {source}: {message}"),
        }
    }
}

impl Put {
    /// Uploads; `false` if a file has not arrived.
    pub async fn run(&self) -> Result<bool> {
        let Some((location, patterns)) = self.arguments.split_last() else { return Ok(true) };
        let target = Target::parse(location)?;
        let server = Server::of(&self.common)?;
        let (jobs, refused) = self.jobs(patterns, &target)?;
        let (jobs, colliding) = self.without_collisions(jobs);
        let files = jobs.len() as u64;
        let voice = Voice { json: self.common.json, quiet: self.quiet };
        let mut report = Report::new(voice, files, jobs.iter().map(|job| job.size).sum());
        refused.iter().chain(&colliding).for_each(|outcome| report.file(outcome));
        let upload = Upload {
            options: self.options().into(),
            compare: self
                .overwrite
                .then(|| Compare { declared: self.declared(), auto_compress: self.compression() }),
            progress: report.progress(),
        };
        let parallel = usize::from(self.parallel);
        workers::run(&server, parallel, jobs, upload, |outcome: Uploaded| report.file(&outcome))
            .await;
        Ok(report.end("uploaded"))
    }

    fn compression(&self) -> AutoCompress {
        match self.auto_compress {
            _ if self.no_auto_compress => AutoCompress::No,
            Some(Kind::Zstd) => AutoCompress::Zstd,
            Some(Kind::Gzip) | None => AutoCompress::Gzip,
        }
    }

    /// How the files are said to be compressed.
    fn declared(&self) -> Option<Compression> {
        let word = self.source_compression.as_deref()?;
        DECLARED.iter().find(|(name, _)| *name == word).map(|(_, compression)| *compression)
    }

    /// The clauses of the statement.
    fn options(&self) -> String {
        let compress = match self.compression() {
            AutoCompress::No => "FALSE",
            AutoCompress::Gzip => "TRUE",
            AutoCompress::Zstd => "ZSTD",
        };
        let overwrite = literal::boolean(self.overwrite);
        let mut options = format!(" AUTO_COMPRESS = {compress} OVERWRITE = {overwrite}");
        if let Some(compression) = &self.source_compression {
            options += &format!(" SOURCE_COMPRESSION = {compression}");
        }
        if self.allow_empty {
            options += " ALLOW_EMPTY = TRUE";
        }
        options
    }

    /// What is to be uploaded, in order of the paths, and what can't be.
    fn jobs(&self, patterns: &[String], target: &Target) -> Result<(Vec<Job>, Vec<Uploaded>)> {
        let (mut jobs, mut refused) = (BTreeMap::new(), Vec::new());
        for pattern in patterns {
            if pattern == "-" {
                let name = self.name.clone().ok_or_else(|| {
                    Failure::hinting("Standard input has no name", "--name gives it one")
                })?;
                let (source, dir) = (Source::Stdin, target.below(""));
                let job = Job { source, shown: "-".to_owned(), name, dir, size: 0 };
                jobs.insert(PathBuf::from("-"), Ok(job));
                continue;
            }
            let (found, mut failed) = match self.find(pattern) {
                Ok(found) => found,
                // Others may have more luck.
                Err(failure) if patterns.len() > 1 => {
                    refused.push(error_row(pattern.clone(), &failure));
                    continue;
                }
                Err(failure) => return Err(failure),
            };
            refused.append(&mut failed);
            for Found { base, path } in found {
                let job = self.job(&base, &path, target);
                jobs.entry(path).or_insert(job);
            }
        }
        if self.name.is_some() && jobs.len() > 1 {
            return Err(Failure::new(format!(
                "--name is for one file, but there are {}",
                jobs.len()
            )));
        }
        let mut good = Vec::with_capacity(jobs.len());
        for (path, job) in jobs {
            match job {
                Ok(job) => good.push(job),
                Err(failure) => refused.push(error_row(path.display().to_string(), &failure)),
            }
        }
        Ok((good, refused))
    }

    /// The files that a pattern means, each with the fixed part of its path. What can't be looked
    /// into is a row.
    fn find(&self, pattern: &str) -> Result<(Vec<Found>, Vec<Uploaded>)> {
        let expanded = expand_home(pattern);
        let literal = PathBuf::from(&expanded);
        let (mut found, mut failed) = (Vec::new(), Vec::new());
        // A file that is there is meant, whatever characters are in its name.
        let matches = if literal.symlink_metadata().is_ok() || !has_wildcard(&expanded) {
            let base = literal.parent().map(Path::to_owned).unwrap_or_default();
            vec![Found { base, path: literal }]
        } else {
            let base = fixed_part(&expanded);
            // As in a shell: `*` leaves out what begins with a dot.
            let options = glob::MatchOptions {
                case_sensitive: true,
                require_literal_separator: true,
                require_literal_leading_dot: true,
            };
            let paths = glob::glob_with(&expanded, options).map_err(|error| {
                Failure::new(format!("The pattern '{pattern}' can't be read: {error}"))
            })?;
            let mut matches = Vec::new();
            for path in paths {
                match path {
                    Ok(path) => matches.push(Found { base: base.clone(), path }),
                    Err(error) => {
                        let failure = Failure::local(error.path(), error.error());
                        failed.push(error_row(error.path().display().to_string(), &failure));
                    }
                }
            }
            // Directories that a pattern meets on the way to files are not meant.
            if !self.recursive {
                matches.retain(|found| !found.path.is_dir());
            }
            if matches.is_empty() && failed.is_empty() {
                return Err(Failure::hinting(
                    format!("No file matches '{pattern}'"),
                    "patterns are read by stagewire: put them in quotes",
                ));
            }
            matches
        };
        for Found { base, path } in matches {
            if !path.is_dir() {
                found.push(Found { base, path });
            } else if self.recursive {
                walk(&base, &path, &mut found, &mut failed);
            } else {
                let failure =
                    Failure::hinting("it is a directory", "--recursive uploads what is in it");
                failed.push(error_row(path.display().to_string(), &failure));
            }
        }
        Ok((found, failed))
    }

    fn job(&self, base: &Path, path: &Path, target: &Target) -> Result<Job> {
        let metadata = path.metadata().map_err(|error| Failure::new(error.to_string()))?;
        let kind = metadata.file_type();
        let source = if kind.is_file() {
            if metadata.len() == 0 && !self.allow_empty {
                return Err(Failure::hinting("it is empty", "--allow-empty uploads it"));
            }
            Source::File(path.to_owned())
        } else if kind.is_fifo() || kind.is_char_device() {
            Source::Pipe(path.to_owned())
        } else {
            return Err(Failure::new("it is no file"));
        };
        let own = path.file_name().ok_or_else(|| Failure::new("it has no name"))?;
        let name = match &self.name {
            Some(name) => name.clone(),
            None => stage_name(Path::new(own))?,
        };
        let dir = match path.strip_prefix(base).ok().and_then(Path::parent) {
            Some(dir) if self.keep_paths => target.below(&stage_name(dir)?),
            _ => target.below(""),
        };
        Ok(Job { source, shown: path.display().to_string(), name, dir, size: metadata.len() })
    }

    /// Two files with one name on the stage: which of them would be there is chance, so none is.
    fn without_collisions(&self, jobs: Vec<Job>) -> (Vec<Job>, Vec<Uploaded>) {
        let mut by_target: BTreeMap<String, Vec<Job>> = BTreeMap::new();
        for job in jobs {
            by_target.entry(self.expected_target(&job)).or_default().push(job);
        }
        let (mut alone, mut colliding) = (Vec::new(), Vec::new());
        for (target, mut jobs) in by_target {
            if jobs.len() == 1 {
                alone.append(&mut jobs);
                continue;
            }
            for (index, job) in jobs.iter().enumerate() {
                let other = jobs.get(usize::from(index == 0)).map_or("", |other| &other.shown);
                colliding.push(Uploaded {
                    source: job.shown.clone(),
                    target: target.clone(),
                    source_size: job.size,
                    target_size: 0,
                    status: Status::Collision,
                    message: format!(
                        "{other} has the same name on the stage; --keep-paths keeps them apart"
                    ),
                });
            }
        }
        (alone, colliding)
    }

    /// What the file's name says of its name on the stage.
    fn expected_target(&self, job: &Job) -> String {
        let form = Form::of(&job.name, None, self.declared(), self.compression());
        let name = form.map_or_else(|_| job.name.clone(), |form| form.name);
        job.dir.below(&name).to_string()
    }
}

fn error_row(source: String, failure: &Failure) -> Uploaded {
    Uploaded {
        source,
        target: String::new(),
        source_size: 0,
        target_size: 0,
        status: Status::Error,
        message: failure.line(),
    }
}

/// A leading `~/` is the user's home.
fn expand_home(pattern: &str) -> String {
    let rest = match pattern.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => rest,
        _ => return pattern.to_owned(),
    };
    match std::env::var("HOME") {
        Ok(home) => format!("{}{rest}", home.trim_end_matches('/')),
        Err(_) => pattern.to_owned(),
    }
}

fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// The directories before the first wildcard.
fn fixed_part(pattern: &str) -> PathBuf {
    let fixed = Path::new(pattern)
        .components()
        .take_while(|part| !has_wildcard(&part.as_os_str().to_string_lossy()));
    let all: PathBuf = fixed.collect();
    if all.as_os_str().len() == pattern.len() {
        all.parent().map(Path::to_owned).unwrap_or_default()
    } else {
        all
    }
}

/// All files below a directory. Links are followed to files, not to directories: they may go round.
fn walk(base: &Path, dir: &Path, found: &mut Vec<Found>, failed: &mut Vec<Uploaded>) {
    // `put dir --recursive` keeps the paths below `dir`, as a pattern `dir/**` does.
    let base = if dir.parent() == Some(base) { dir } else { base };
    for entry in walkdir::WalkDir::new(dir).sort_by_file_name() {
        match entry {
            Ok(entry) if entry.path().is_dir() => {}
            Ok(entry) => found.push(Found { base: base.to_owned(), path: entry.into_path() }),
            Err(error) => {
                let path = error.path().unwrap_or(dir).display().to_string();
                failed.push(error_row(path, &Failure::new(error.to_string())));
            }
        }
    }
}

/// A relative path as the stage has it: UTF-8, `/` between the names, and nothing that the server
/// would read as another name.
fn stage_name(path: &Path) -> Result<String> {
    let mut names = Vec::new();
    for part in path.components() {
        let Component::Normal(name) = part else {
            return Err(Failure::new(format!("'{}' is no path below a directory", path.display())));
        };
        let name = name.to_str().ok_or_else(|| Failure::new("its name is not UTF-8"))?;
        if name.contains('\\') || name.chars().any(char::is_control) {
            return Err(Failure::new("its name has a backslash or a control character in it"));
        }
        names.push(name);
    }
    Ok(names.join("/"))
}

/// The upload of one file.
#[derive(Clone)]
struct Upload {
    options: Arc<str>,
    /// What is there and would not change is not sent.
    compare: Option<Compare>,
    progress: Progress,
}

impl AsyncJob<Job, Uploaded> for Upload {
    async fn run(&self, link: &mut Link, job: Job) -> Uploaded {
        let sql = format!(
            "LOAD DATA LOCAL INFILE {} INTO STAGE {}{}",
            literal::text(&job.name),
            job.dir.sql(),
            self.options
        );
        // What comes from a pipe comes once.
        let taken = Arc::new(AtomicBool::new(false));
        let again = || matches!(job.source, Source::File(_)) || !taken.load(Ordering::Relaxed);
        let mut patience = Patience::new();
        let result = loop {
            let result = self.once(link, &job, &sql, &taken).await;
            match result {
                Err(failure) if failure.lost && again() && patience.has_more().await => {}
                result => break result,
            }
        };
        match result {
            Ok(Sent::Needless(target)) => Uploaded {
                source: job.shown,
                target,
                source_size: job.size,
                target_size: 0,
                status: Status::Skipped,
                message: "it has not changed; nothing was sent".to_owned(),
            },
            Ok(Sent::Answered(info)) => answered(job, &info),
            Err(failure) => Uploaded { source_size: job.size, ..error_row(job.shown, &failure) },
        }
    }
}

impl Upload {
    async fn once(
        &self,
        link: &mut Link,
        job: &Job,
        sql: &str,
        taken: &Arc<AtomicBool>,
    ) -> Result<Sent> {
        let mut connection = link.take().await?;
        if let (Some(compare), Source::File(path)) = (&self.compare, &job.source) {
            let same = compare.is_there(&mut connection, path, &job.name, &job.dir).await?;
            if let Some(target) = same {
                link.give_back(connection);
                return Ok(Sent::Needless(target.to_string()));
            }
        }
        let progress = self.progress.file(&job.shown, job.size);
        let source = job.source.clone();
        let info = send(&mut connection, sql, source, progress, Arc::clone(taken)).await?;
        link.give_back(connection);
        Ok(Sent::Answered(info))
    }
}

/// What came of a file.
enum Sent {
    /// The server's answer.
    Answered(String),
    /// Its content is at this place already.
    Needless(String),
}

/// Runs the statement; gives its OK's text.
async fn send(
    connection: &mut Connection,
    sql: &str,
    source: Source,
    progress: FileProgress,
    taken: Arc<AtomicBool>,
) -> Result<String> {
    // A file that can't be opened is not worth a statement.
    let opened = match &source {
        Source::File(path) => Some(tokio::fs::File::open(path).await.map_err(plain)?),
        Source::Pipe(_) | Source::Stdin => None,
    };
    let (broken, unreadable) = oneshot::channel();
    let contents = async move {
        taken.store(true, Ordering::Relaxed);
        Ok(match (opened, source) {
            (Some(file), _) => blocks(file, progress, broken),
            (None, Source::Stdin) => blocks(tokio::io::stdin(), progress, broken),
            (None, Source::Pipe(path) | Source::File(path)) => {
                let open = tokio::task::spawn_blocking(move || std::fs::File::open(path));
                let file = open.await.map_err(std::io::Error::other)??;
                blocks(tokio::fs::File::from_std(file), progress, broken)
            }
        })
    };
    tokio::select! {
        biased;
        info = connection.upload(sql, contents) => info,
        Ok(error) = unreadable => Err(plain(error)),
    }
}

fn plain(error: std::io::Error) -> Failure {
    Failure::new(error.to_string())
}

/// The file's blocks. After a failure none follows, and no end: whoever hears of it on `broken`
/// drops the connection.
fn blocks(
    file: impl AsyncRead + Send + 'static,
    progress: FileProgress,
    broken: oneshot::Sender<std::io::Error>,
) -> Contents {
    let broken = Arc::new(parking_lot::Mutex::new(Some(broken)));
    ReaderStream::with_capacity(file, BLOCK)
        .inspect(move |block| progress.moved(block.as_ref().map_or(0, bytes::Bytes::len)))
        .then(move |block| {
            let broken = Arc::clone(&broken);
            async move {
                match block {
                    Ok(block) => Ok(block),
                    Err(error) => {
                        if let Some(broken) = broken.lock().take() {
                            let _ = broken.send(error);
                        }
                        std::future::pending().await
                    }
                }
            }
        })
        .boxed()
}

/// Reads `UPLOADED: a.csv, 16 bytes -> @lake/a.csv.gz, 36 bytes` or `SKIPPED: @lake/a.csv.gz: why`.
fn answered(job: Job, info: &str) -> Uploaded {
    let skipped = info.strip_prefix("SKIPPED: ").map(|rest| {
        let (target, why) = rest.rsplit_once(": ").unwrap_or((rest, ""));
        (target.to_owned(), job.size, 0, Status::Skipped, as_option(why))
    });
    let uploaded = || {
        let rest = info.strip_prefix("UPLOADED: ")?.strip_prefix(job.name.as_str())?;
        let (source_size, rest) = rest.strip_prefix(", ")?.split_once(" bytes -> ")?;
        let (target, target_size) = rest.strip_suffix(" bytes")?.rsplit_once(", ")?;
        let (source_size, target_size) = (source_size.parse().ok()?, target_size.parse().ok()?);
        Some((target.to_owned(), source_size, target_size, Status::Uploaded, String::new()))
    };
    let (target, source_size, target_size, status, message) =
        skipped.or_else(uploaded).unwrap_or_else(|| {
            let message = format!("the server's answer can't be read: '{info}'");
            (String::new(), job.size, 0, Status::Error, message)
        });
    Uploaded { source: job.shown, target, source_size, target_size, status, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(name: &str) -> Job {
        Job {
            source: Source::Stdin,
            shown: name.to_owned(),
            name: name.to_owned(),
            dir: Target::parse("@lake").expect("a location"),
            size: 5,
        }
    }

    #[test]
    fn answers_are_read_whatever_the_names() {
        let name = "a, 1 bytes -> b";
        let row = answered(
            job(name),
            "UPLOADED: a, 1 bytes -> b, 16 bytes -> '@lake/a, 1 bytes -> b.gz', 36 bytes",
        );
        assert_eq!((row.source_size, row.target_size), (16, 36));
        assert_eq!(row.target, "'@lake/a, 1 bytes -> b.gz'");
        let row = answered(job("a"), "SKIPPED: @lake/a.gz: a file of this name exists");
        assert_eq!((row.status, row.target.as_str()), (Status::Skipped, "@lake/a.gz"));
        assert_eq!(answered(job("a"), "").status, Status::Error);
    }

    #[test]
    fn the_fixed_part_ends_before_the_first_wildcard() {
        assert_eq!(fixed_part("data/**/*.csv"), Path::new("data"));
        assert_eq!(fixed_part("*.csv"), Path::new(""));
        assert_eq!(fixed_part("/a/b[1]/c"), Path::new("/a"));
    }
}
