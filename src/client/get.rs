//! `stagewire get` downloads files of a stage to this machine.
//!
//! ```text
//! $ stagewire get @lake/2026/ ./dir
//! DOWNLOADED 2026/a.csv.gz -> ./dir/a.csv.gz (36 bytes)
//! SKIPPED 2026/b.csv.gz -> ./dir/b.csv.gz: it exists; --overwrite replaces it
//! 1 downloaded, 1 skipped, 0 failed
//! ```
//!
//! A file is written beside its place as `<name>.part`, compared with what `LIST` says of it, and
//! only then renamed. Whatever goes wrong, no `.part` is left. A name on a stage is no reason to
//! write outside of the directory: see `local_path`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::sync::Arc;

use async_compression::tokio::bufread::{BzDecoder, GzipDecoder, ZstdDecoder};
use bytes::Bytes;
use clap::Args;
use futures::stream::{Stream, StreamExt, TryStreamExt};
use md5::{Digest, Md5};
use serde::Serialize;
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::io::StreamReader;

use super::connection::{Connection, Link, Patience, Server};
use super::ls::{Entry, list};
use super::report::{FileProgress, Outcome, Progress, Report, Status, Voice};
use super::target::Target;
use super::workers::{self, AsyncJob};
use super::{Common, Failure, Result};
use crate::sql::literal;

/// Download files from a stage
#[derive(Debug, Clone, Args)]
pub struct Get {
    /// Where; the path is a prefix
    #[arg(value_name = "@STAGE/PATH")]
    location: String,
    /// Where to; - for standard output
    #[arg(value_name = "DIRECTORY")]
    directory: PathBuf,
    #[command(flatten)]
    common: Common,
    /// A regular expression over the whole name
    #[arg(long)]
    pattern: Option<String>,
    /// Keep the directories below the location's
    #[arg(long)]
    keep_paths: bool,
    /// Unpack .gz, .zst and .bz2
    #[arg(long)]
    decompress: bool,
    /// Replace local files
    #[arg(long)]
    overwrite: bool,
    /// Connections
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=99))]
    parallel: u8,
    /// Say nothing of what goes well
    #[arg(long, short)]
    quiet: bool,
}

/// How a file is unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    None,
    Gzip,
    Zstd,
    Bzip2,
}

/// One file to download.
#[derive(Debug)]
struct Job {
    entry: Entry,
    place: PathBuf,
    part: PathBuf,
    packing: Packing,
}

/// What became of one file.
#[derive(Debug, Serialize)]
struct Downloaded {
    file: String,
    target: String,
    size: u64,
    status: Status,
    message: String,
}

impl Downloaded {
    fn failed(entry: &Entry, failure: &Failure) -> Downloaded {
        Downloaded {
            file: entry.name.clone(),
            target: String::new(),
            size: entry.size,
            status: Status::Error,
            message: failure.line(),
        }
    }
}

impl Outcome for Downloaded {
    fn status(&self) -> Status {
        self.status
    }

    fn line(&self) -> String {
        let Downloaded { file, target, size, message, .. } = self;
        match self.status {
            Status::Uploaded | Status::Downloaded => {
                format!("DOWNLOADED {file} -> {target} ({size} bytes)")
            }
            Status::Skipped => format!("SKIPPED {file} -> {target}: {message}"),
            Status::Collision => format!("COLLISION {file}: {message}"),
            Status::Error => format!("ERROR {file}: {message}"),
        }
    }
}

impl Get {
    /// Downloads; `false` if a file has not arrived.
    pub async fn run(&self) -> Result<bool> {
        let target = Target::parse(&self.location)?;
        let server = Server::of(&self.common)?;
        let mut connection = server.connect().await?;
        let entries: Vec<Entry> =
            list(&mut connection, &target, self.pattern.as_deref()).await?.try_collect().await?;
        if entries.is_empty() {
            return Err(Failure::hinting(
                format!("No file is at {}", self.location),
                "stagewire ls shows what there is",
            ));
        }
        let voice = Voice { json: self.common.json, quiet: self.quiet };
        let (files, bytes) = (entries.len() as u64, entries.iter().map(|entry| entry.size).sum());
        let mut report = Report::new(voice, files, bytes);
        if self.directory == Path::new("-") {
            return self.to_stdout(connection, &target, entries, report.to_stderr()).await;
        }
        connection.close().await;
        fs::create_dir_all(&self.directory).map_err(|e| Failure::local(&self.directory, &e))?;
        let (jobs, done) = self.jobs(entries, &target);
        done.iter().for_each(|row| report.file(row));
        let root = self
            .directory
            .canonicalize()
            .map_err(|error| Failure::local(&self.directory, &error))?;
        let download = Download {
            target: Arc::new(target),
            root: root.into(),
            overwrite: self.overwrite,
            progress: report.progress(),
        };
        let parallel = usize::from(self.parallel);
        workers::run(&server, parallel, jobs, download, |row: Downloaded| report.file(&row)).await;
        Ok(report.end("downloaded"))
    }

    /// What is to be fetched, and what has an end already: no good name, or two of one name.
    fn jobs(&self, entries: Vec<Entry>, target: &Target) -> (Vec<Job>, Vec<Downloaded>) {
        let mut by_path: BTreeMap<PathBuf, Vec<Entry>> = BTreeMap::new();
        let mut done = Vec::new();
        for entry in entries {
            let wanted = if self.keep_paths { target.relative(&entry.name) } else { &entry.name };
            match local_path(wanted, self.keep_paths) {
                Ok(path) => {
                    let path = if self.decompress { Packing::of(&path).1 } else { path };
                    by_path.entry(path).or_default().push(entry);
                }
                Err(failure) => done.push(Downloaded::failed(&entry, &failure)),
            }
        }
        let mut taken: BTreeSet<PathBuf> = by_path.keys().cloned().collect();
        let mut jobs = Vec::new();
        for (path, entries) in by_path {
            let alone = entries.len() == 1;
            let names: Vec<String> = entries.iter().map(|entry| entry.name.clone()).collect();
            for (index, entry) in entries.into_iter().enumerate() {
                if alone {
                    let packing = match self.decompress {
                        true => Packing::of(Path::new(&entry.name)).0,
                        false => Packing::None,
                    };
                    let place = self.directory.join(&path);
                    let part = self.directory.join(part_name(&path, &mut taken));
                    jobs.push(Job { entry, place, part, packing });
                    continue;
                }
                let other = names.get(usize::from(index == 0)).map_or("", String::as_str);
                let message =
                    format!("{other} has the same local name; --keep-paths keeps them apart");
                let target = self.directory.join(&path).display().to_string();
                let (file, size, status) = (entry.name, entry.size, Status::Collision);
                done.push(Downloaded { file, target, size, status, message });
            }
        }
        (jobs, done)
    }

    /// All files, one after the other. What has been written can't be taken back, so nothing is
    /// tried twice.
    async fn to_stdout(
        &self,
        mut connection: Connection,
        target: &Target,
        entries: Vec<Entry>,
        mut report: Report,
    ) -> Result<bool> {
        let mut out = tokio::io::stdout();
        for entry in entries {
            let packing = match self.decompress {
                true => Packing::of(Path::new(&entry.name)).0,
                false => Packing::None,
            };
            let progress = report.progress().file(&entry.name, entry.size);
            fetch(&mut connection, target, &entry, packing, &mut out, progress).await?;
            report.file(&Downloaded {
                file: entry.name,
                target: "-".to_owned(),
                size: entry.size,
                status: Status::Downloaded,
                message: String::new(),
            });
        }
        connection.close().await;
        Ok(report.end("downloaded"))
    }
}

impl Packing {
    /// What a name says, and the name without it.
    fn of(path: &Path) -> (Packing, PathBuf) {
        let extension = path.extension().and_then(|text| text.to_str()).unwrap_or_default();
        let packing = match extension.to_ascii_lowercase().as_str() {
            "gz" => Packing::Gzip,
            "zst" => Packing::Zstd,
            "bz2" => Packing::Bzip2,
            _ => return (Packing::None, path.to_owned()),
        };
        (packing, path.with_extension(""))
    }

    fn unpack<'a>(
        self,
        packed: impl AsyncBufRead + Send + 'a,
    ) -> Pin<Box<dyn AsyncRead + Send + 'a>> {
        // Files that were appended to each other are one file to every tool.
        match self {
            Packing::None => Box::pin(packed),
            Packing::Gzip => {
                let mut decoder = GzipDecoder::new(packed);
                decoder.multiple_members(true);
                Box::pin(decoder)
            }
            Packing::Zstd => {
                let mut decoder = ZstdDecoder::new(packed);
                decoder.multiple_members(true);
                Box::pin(decoder)
            }
            Packing::Bzip2 => {
                let mut decoder = BzDecoder::new(packed);
                decoder.multiple_members(true);
                Box::pin(decoder)
            }
        }
    }
}

/// The local path of a name on a stage: each of its names is one that stays in its directory, on
/// every system. Without `keep_paths` it is what follows the last `/` or `\`.
fn local_path(name: &str, keep_paths: bool) -> Result<PathBuf> {
    let names: Vec<&str> = if keep_paths {
        name.split('/').collect()
    } else {
        name.rsplit(['/', '\\']).take(1).collect()
    };
    for name in &names {
        let bad = matches!(*name, "" | "." | "..") || name.contains(['\\', '\0', ':']);
        if bad {
            return Err(Failure::hinting(
                format!("'{}' is no name for a local file", name.escape_debug()),
                "'-' in place of the directory writes the file to standard output",
            ));
        }
    }
    Ok(names.iter().collect())
}

/// The name while it is written; never that of another file of this run.
fn part_name(path: &Path, taken: &mut BTreeSet<PathBuf>) -> PathBuf {
    let mut part = path.as_os_str().to_owned();
    loop {
        part.push(".part");
        if taken.insert(PathBuf::from(&part)) {
            return part.into();
        }
    }
}

/// The download of one file.
#[derive(Clone)]
struct Download {
    target: Arc<Target>,
    /// The directory, without links.
    root: Arc<Path>,
    overwrite: bool,
    progress: Progress,
}

impl AsyncJob<Job, Downloaded> for Download {
    async fn run(&self, link: &mut Link, job: Job) -> Downloaded {
        let mut row = Downloaded {
            file: job.entry.name.clone(),
            target: job.place.display().to_string(),
            size: job.entry.size,
            status: Status::Downloaded,
            message: String::new(),
        };
        match self.there_already(&job) {
            Ok(false) => {}
            Ok(true) => {
                row.status = Status::Skipped;
                row.message = "it exists; --overwrite replaces it".to_owned();
                return row;
            }
            Err(failure) => return Downloaded::failed(&job.entry, &failure),
        }
        let mut patience = Patience::new();
        loop {
            match self.once(link, &job).await {
                Ok(()) => return row,
                Err(failure) if failure.lost && patience.has_more().await => {}
                Err(failure) => return Downloaded::failed(&job.entry, &failure),
            }
        }
    }
}

impl Download {
    /// Whether the file need not be fetched. One of another size is another file.
    fn there_already(&self, job: &Job) -> Result<bool> {
        if self.overwrite {
            return Ok(false);
        }
        match job.place.symlink_metadata() {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(Failure::local(&job.place, &error)),
        }
        match job.place.metadata() {
            Ok(found) if job.packing == Packing::None && found.len() != job.entry.size => {
                Err(Failure::hinting(
                    format!("{} is another file, of {} bytes", job.place.display(), found.len()),
                    "--overwrite replaces it",
                ))
            }
            Ok(_) | Err(_) => Ok(true),
        }
    }

    async fn once(&self, link: &mut Link, job: &Job) -> Result<()> {
        let mut connection = link.take().await?;
        let progress = self.progress.file(&job.entry.name, job.entry.size);
        self.directory_of(&job.place)?;
        let (part, file) = Part::create(&job.part, self.overwrite)?;
        // What is gone between two blocks is a failure of this disk.
        let mut file =
            tokio::io::BufWriter::with_capacity(1 << 20, tokio::fs::File::from_std(file));
        fetch(&mut connection, &self.target, &job.entry, job.packing, &mut file, progress).await?;
        let sync = async { file.shutdown().await };
        sync.await.map_err(|error| Failure::local(&job.part, &error))?;
        // Perhaps somebody else has made one meanwhile.
        if self.there_already(job)? {
            return Err(Failure::hinting("it exists by now", "--overwrite replaces it"));
        }
        part.becomes(&job.place)?;
        link.give_back(connection);
        Ok(())
    }

    /// Makes the directory of a file, if it is below the root once links are followed.
    fn directory_of(&self, place: &Path) -> Result<()> {
        let Some(dir) = place.parent() else { return Ok(()) };
        // The deepest directory that is there decides: below it there are no links yet.
        let there = dir.ancestors().find(|dir| dir.symlink_metadata().is_ok());
        let there = there.unwrap_or(Path::new("."));
        let real = there.canonicalize().map_err(|error| Failure::local(there, &error))?;
        if !real.starts_with(&self.root) {
            let what = format!("{} leads out of the directory by a link", there.display());
            return Err(Failure::new(what));
        }
        fs::create_dir_all(dir).map_err(|error| Failure::local(dir, &error))
    }
}

/// A file on its way. Dropped, it is gone.
struct Part {
    path: PathBuf,
    done: bool,
}

impl Part {
    fn create(path: &Path, overwrite: bool) -> Result<(Part, fs::File)> {
        if overwrite {
            let _ = fs::remove_file(path);
        }
        let file = fs::File::options().write(true).create_new(true).open(path);
        let file = file.map_err(|error| {
            if error.kind() != io::ErrorKind::AlreadyExists {
                return Failure::local(path, &error);
            }
            Failure::hinting(
                format!("{} exists", path.display()),
                "another download is writing it, or was killed: then remove it",
            )
        })?;
        Ok((Part { path: path.to_owned(), done: false }, file))
    }

    fn becomes(mut self, place: &Path) -> Result<()> {
        fs::rename(&self.path, place).map_err(|error| Failure::local(place, &error))?;
        self.done = true;
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.done {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Parts of a file that may wait for its digest; each is as large as the connection allows, 4 MiB mostly.
const PARTS_WAITING: usize = 2;

/// Writes one file, unpacked if asked for, and compares what has come with what `LIST` has said.
async fn fetch(
    connection: &mut Connection,
    target: &Target,
    entry: &Entry,
    packing: Packing,
    out: &mut (impl AsyncWrite + Unpin),
    progress: FileProgress,
) -> Result<()> {
    // The path is a prefix; the pattern leaves the one file.
    let sql = format!(
        "GET {} PATTERN = {}",
        target.file(&entry.name).sql(),
        literal::text(&regex::escape(&entry.name))
    );
    let (mut size, mut failure) = (0_u64, None);
    // What nobody knows need not be computed.
    let (sum, digest) = entry.md5.as_ref().map(|_| Sum::begin()).unzip();
    let copied = {
        let contents = contents(connection, sql, &entry.name).await?;
        let contents = pin!(contents.then(|part| {
            // A reader's errors are no more than texts: what is known stays here.
            let part: io::Result<Bytes> = part.map_err(|error| {
                let what = io::Error::other(error.what.clone());
                failure = Some(error);
                what
            });
            if let Ok(part) = &part {
                size += part.len() as u64;
                progress.moved(part.len());
            }
            let sum = sum.clone();
            async move {
                if let (Some(sum), Ok(part)) = (sum, &part) {
                    sum.push(part.clone()).await;
                }
                part
            }
        }));
        let mut packed = StreamReader::new(contents);
        let copied = tokio::io::copy(&mut packing.unpack(&mut packed), out).await;
        match copied {
            // Whatever follows the packed bytes.
            Ok(_) => tokio::io::copy(&mut packed, &mut tokio::io::sink()).await,
            Err(error) => Err(error),
        }
    };
    if let Err(error) = copied {
        return Err(failure.unwrap_or_else(|| Failure::new(error.to_string())));
    }
    out.flush().await.map_err(|error| Failure::new(error.to_string()))?;
    if size != entry.size {
        let expected = entry.size;
        return Err(Failure::new(format!("it has {size} bytes, but LIST has said {expected}")));
    }
    drop(sum);
    let (Some(md5), Some(digest)) = (&entry.md5, digest) else { return Ok(()) };
    let found = digest.await.map_err(|error| Failure::new(error.to_string()))?;
    if *md5 != found {
        return Err(Failure::new(format!("its MD5 is {found}, but LIST has said {md5}")));
    }
    Ok(())
}

/// Feeds the MD5 of a file, which a thread of its own computes while the next parts come.
#[derive(Clone)]
struct Sum(mpsc::Sender<Bytes>);

impl Sum {
    /// With the digits that it will have once every part is there.
    fn begin() -> (Sum, JoinHandle<String>) {
        let (parts, mut incoming) = mpsc::channel::<Bytes>(PARTS_WAITING);
        let computed = tokio::task::spawn_blocking(move || {
            let mut digest = Md5::new();
            while let Some(part) = incoming.blocking_recv() {
                digest.update(&part);
            }
            hex::encode(digest.finalize())
        });
        (Sum(parts), computed)
    }

    async fn push(&self, part: Bytes) {
        // A thread that has stopped is told by its end.
        let _stopped = self.0.send(part).await;
    }
}

/// The parts of the one file, in order and none missing.
async fn contents<'c>(
    connection: &'c mut Connection,
    sql: String,
    name: &'c str,
) -> Result<impl Stream<Item = Result<Bytes>> + Send + 'c> {
    let rows = connection.rows(sql).await?;
    let mut expected = 0_u64;
    Ok(rows.map(move |row| {
        let mut row = row?;
        let (found, part) = (row.need::<String>("name")?, row.need::<u64>("part")?);
        if found != name || part != expected {
            return Err(Failure::new(format!("the server has sent part {part} of '{found}'")));
        }
        expected += 1;
        Ok(Bytes::from(row.need::<Vec<u8>>("content")?))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_the_directory() {
        let local = |name, keep| local_path(name, keep).ok().map(|path| path.display().to_string());
        assert_eq!(local("a/b.csv", false).as_deref(), Some("b.csv"));
        assert_eq!(local("a/b.csv", true).as_deref(), Some("a/b.csv"));
        assert_eq!(local("a\\..\\b.csv", false).as_deref(), Some("b.csv"));
        assert_eq!(local("..a", true).as_deref(), Some("..a"));
        for name in ["", "a/", "..", "a/..", ".", "C:", "a/c:d", "a\0"] {
            assert_eq!(local(name, false), None, "{name:?}");
        }
        for name in ["/a", "a//b", "../a", "a/../b", "a\\b", "c:/x"] {
            assert_eq!(local(name, true), None, "{name:?}");
        }
    }

    #[test]
    fn a_part_has_a_name_of_its_own() {
        let mut taken = ["a", "a.part"].into_iter().map(PathBuf::from).collect();
        let mut part = |name| part_name(Path::new(name), &mut taken).display().to_string();
        assert_eq!(part("a"), "a.part.part");
        assert_eq!(part("a.part"), "a.part.part.part");
        assert_eq!(part("b"), "b.part");
    }

    #[test]
    fn a_part_that_is_dropped_is_gone() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("a.part");
        let (part, _) = Part::create(&path, false).expect("made");
        assert!(Part::create(&path, false).is_err());
        drop(part);
        assert!(!path.exists());
    }
}
