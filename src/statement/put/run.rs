//! How a `PUT` runs: names first, then one file after the other, then the answer.
//!
//! A client sends one file at a time, so what can go side by side is the storing: while one comes,
//! those before it are made visible. For a bucket, where that takes longest, a glob of small files is
//! so many times faster.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, StreamExt};

use super::delivery::{Several, several, takes_rows};
use super::ending::Ending;
use super::{DEFAULT_PARALLEL, Options, Put, SourceCompression, Spelling, columns};
use crate::access::people::StagePrivilege;
use crate::error::{Error, Result};
use crate::metrics;
use crate::rows::{Done, Outcome, Row};
use crate::session::{ClientFiles, Fed, Progress, Session};
use crate::sql::location::Location;
use crate::stage::Files;
use crate::stage::name::StagePath;
use crate::statement::progress;
use crate::transfer::encoder::AutoCompress;
use crate::transfer::sources::{self, Found};
use crate::transfer::upload::{self, Report, Status, Upload};

const ERROR: &str = "ERROR";

/// How many files at a time are looked for before the client is asked.
const LOOKS: usize = 16;

/// Why a file was skipped; nothing for one that was not.
fn message(status: Status) -> &'static str {
    match status {
        Status::Uploaded => "",
        Status::Skipped => "a file of this name exists; OVERWRITE=TRUE replaces it",
        Status::Same => "the same content is there already",
    }
}

/// One file that is meant.
pub(super) struct Source {
    /// What the client is asked for.
    pub(super) path: String,
    /// Its name, as the result shows it.
    pub(super) name: String,
    /// Its name on the stage, before any extension is added.
    pub(super) target: String,
    /// Its directory below the location.
    pub(super) dir: String,
}

/// Where one file stands before the client is asked.
enum Ready {
    /// The client is to be asked for it.
    Ask(Upload),
    /// The client is to be asked for an archive.
    Unpack,
    /// It is decided already: skipped, or impossible.
    Decided(Result<Report>),
}

/// What a client has sent in the place of one file.
pub(super) enum Received {
    /// All of the file.
    Whole(Upload),
    /// An archive, whose members are stored.
    Unpacked,
    /// A file that can't be stored.
    Failed(Error),
    /// Its next command.
    Declined,
}

/// Whether the client has sent what it was asked for.
enum Asked {
    All {
        /// Of some file no byte has come, which is allowed: the client may have failed.
        empty: bool,
    },
    /// It has gone on to its next command.
    Declined,
}

/// What became of one file.
pub(super) struct Fate {
    source: String,
    target: String,
    result: Result<Report>,
}

impl Put {
    /// Asks the client for the files and stores them.
    pub async fn execute(
        &self,
        session: &mut Session,
        files: &mut dyn ClientFiles,
    ) -> Result<Outcome> {
        let stage = session.files_at(&self.location.area, StagePrivilege::Write).await?;
        let sources = self.sources(session).await?;
        let ready = self.prepare(session, &stage, sources).await;
        let asked = |(_, ready): &&(Source, Ready)| !matches!(ready, Ready::Decided(_));
        let left = ready.iter().filter(asked).count();
        let way = several(&session.peer);
        if left > 0 && !session.peer.local_files {
            return Err(Error::LocalInfileOff);
        }
        if left > 1 && way == Several::OneOnly {
            return Err(Error::Unsupported {
                what: "More than one file a statement with this driver".to_owned(),
                hint: Some("send one PUT for each file".to_owned()),
            });
        }
        let _turn = match left {
            0 => None,
            _ => {
                let how_far = || Progress::of((0, 0), "waiting for other uploads");
                let turn = session.instance.upload_turn();
                Some(progress::tell_while_there(files, how_far, turn).await?)
            }
        };
        files.expects(left);
        let chained = left > 1 && way == Several::Chained;
        session.last_transfer.clear();
        session.warnings.clear();
        let mut ending = Ending::new(self.options.parallel.unwrap_or(DEFAULT_PARALLEL));
        let mut left = ready.into_iter();
        let outcome = self.ask(session, &stage, &mut left, chained, files, &mut ending).await;
        // Whatever has ended the statement: the files that came before are there.
        for (source, ready) in left {
            let result = match ready {
                Ready::Decided(result) => result,
                Ready::Ask(_) | Ready::Unpack => Err(Error::NotAsked { file: source.path.clone() }),
            };
            ending.ended(Fate::of(source, result));
        }
        let fates = match outcome {
            Ok(Asked::All { .. }) => {
                let how_far = || Progress::of((0, 0), "storing the last files");
                progress::tell(files, how_far, ending.all()).await
            }
            // Nothing may be sent before the error.
            Ok(Asked::Declined) | Err(_) => ending.all().await,
        };
        fates.iter().for_each(|fate| fate.remember(session));
        match outcome? {
            // Who has failed reads exactly one packet, and would take rows for the answer to what it
            // sends next.
            Asked::All { empty } => {
                let rows = chained || (takes_rows(&session.peer) && !empty);
                self.answer(fates, rows)
            }
            Asked::Declined => Ok(Outcome::Nothing),
        }
    }

    /// Asks for one file after the other.
    async fn ask(
        &self,
        session: &Session,
        stage: &Arc<Files>,
        left: &mut std::vec::IntoIter<(Source, Ready)>,
        chained: bool,
        files: &mut dyn ClientFiles,
        ending: &mut Ending,
    ) -> Result<Asked> {
        let mut empty = false;
        for (source, ready) in left {
            let (first, path) = (ending.len(), source.path.clone());
            let received = match ready {
                Ready::Decided(result) => {
                    ending.ended(Fate::of(source, result));
                    continue;
                }
                Ready::Ask(upload) => {
                    files.request(&source.path).await?;
                    self.receive(&source.path, upload, files).await
                }
                Ready::Unpack => {
                    files.request(&source.path).await?;
                    let options = upload_options(session, &self.options);
                    self.unpack(stage, &source.path, options, files, ending).await
                }
            };
            match received {
                Ok(Received::Declined) => return Ok(Asked::Declined),
                Ok(Received::Whole(upload)) => {
                    empty |= upload.received() == 0;
                    let how_far = || Progress::of((0, 0), format!("storing {path}"));
                    progress::tell(files, how_far, ending.begin(source, upload)).await;
                }
                Ok(Received::Unpacked) => {}
                Ok(Received::Failed(error)) => ending.ended(Fate::of(source, Err(error))),
                Err(error) => {
                    if let Error::NoData { file } = &error {
                        let file = file.clone();
                        ending.ended(Fate::of(source, Err(Error::NoData { file })));
                    }
                    return Err(error);
                }
            }
            // Behind the last one too: the rows are a result of their own.
            if chained {
                files.acknowledge(&self.summary(ending.from(first).await)).await?;
            }
        }
        Ok(Asked::All { empty })
    }

    /// The files that are meant, wildcards expanded.
    async fn sources(&self, session: &Session) -> Result<Vec<Source>> {
        let wild = self.spelling == Spelling::Uri && self.options.glob != Some(false);
        let mut found = Vec::new();
        for path in &self.paths {
            if wild && sources::has_wildcards(path) {
                self.may_expand(session, path)?;
                found.extend(sources::expand(path).await?.into_iter().map(|f| self.source(f)));
            } else {
                found.push(self.source(Found { path: path.clone(), below: String::new() }));
            }
        }
        if let Some(name) = &self.options.name {
            if self.options.unpack {
                return Err(Error::BadValue {
                    option: "AS".to_owned(),
                    value: name.clone(),
                    expected: "no UNPACK: members have names of their own".to_owned(),
                });
            }
            let [source] = found.as_mut_slice() else {
                return Err(Error::BadValue {
                    option: "AS".to_owned(),
                    value: name.clone(),
                    expected: format!("a single file, not {}", found.len()),
                });
            };
            source.target.clone_from(name);
        }
        Ok(found)
    }

    fn may_expand(&self, session: &Session, path: &str) -> Result<()> {
        if session.instance.config.expands_wildcards_for(session.peer.ip) {
            return Ok(());
        }
        Err(Error::Unsupported {
            what: format!("The wildcard in '{path}'"),
            hint: Some(
                "the server can't list this client's files: list them with commas, or use \
                 `stagewire put`; for a name that has '*', '?' or '[' in it, add GLOB=FALSE"
                    .to_owned(),
            ),
        })
    }

    fn source(&self, found: Found) -> Source {
        let name = base_name(&found.path).to_owned();
        let dir = match found.below.rsplit_once('/') {
            Some((dir, _)) if self.options.keep_paths == Some(true) => dir.to_owned(),
            Some(_) | None => String::new(),
        };
        Source { path: found.path, target: name.clone(), name, dir }
    }

    /// Decides what can be decided before the client is asked for a byte: names that are refused,
    /// two files with one target, files that are there already.
    async fn prepare(
        &self,
        session: &Session,
        stage: &Arc<Files>,
        sources: Vec<Source>,
    ) -> Vec<(Source, Ready)> {
        if self.options.unpack {
            return sources.into_iter().map(|source| (source, Ready::Unpack)).collect();
        }
        let mut targets: HashMap<StagePath, usize> = HashMap::new();
        let mut uploads = Vec::new();
        let options = upload_options(session, &self.options);
        for source in sources {
            let upload = self.upload(stage, &source, options.clone()).and_then(|upload| {
                let target = upload.target()?;
                *targets.entry(target.clone()).or_default() += 1;
                Ok((upload, target))
            });
            uploads.push((source, upload));
        }
        let looks = uploads.into_iter().map(|(source, upload)| {
            let targets = &targets;
            async move {
                let state = match upload {
                    Err(error) => Ready::Decided(Err(error)),
                    Ok((_, target)) if targets.get(&target).is_some_and(|count| *count > 1) => {
                        Ready::Decided(Err(Error::Collision { target: target.to_string() }))
                    }
                    Ok((mut upload, _)) => match upload.skipped_already().await {
                        Ok(None) => match upload.check_room() {
                            Ok(()) => Ready::Ask(upload),
                            Err(error) => Ready::Decided(Err(error)),
                        },
                        Ok(Some(report)) => Ready::Decided(Ok(report)),
                        Err(error) => Ready::Decided(Err(error)),
                    },
                };
                (source, state)
            }
        });
        stream::iter(looks).buffered(LOOKS).collect().await
    }

    pub(super) fn upload(
        &self,
        stage: &Arc<Files>,
        source: &Source,
        options: upload::Options,
    ) -> Result<Upload> {
        let location = &self.location.path;
        let dir =
            if source.dir.is_empty() { location.clone() } else { location.join(&source.dir)? };
        Upload::new(stage.clone(), dir, &source.target, options)
    }

    /// Takes one file as it comes, to its end. Whatever fails, the client is heard to its end first.
    /// `Err` ends the statement.
    async fn receive(
        &self,
        path: &str,
        mut upload: Upload,
        files: &mut dyn ClientFiles,
    ) -> Result<Received> {
        let ended = loop {
            match files.next().await {
                Ok(Fed::Data(block)) => {
                    if let Err(error) = upload.push(block).await {
                        upload.abort().await;
                        metrics::upload("mysql", ERROR, 0);
                        files.drain().await?;
                        return Ok(Received::Failed(error));
                    }
                }
                Ok(Fed::End)
                    if upload.received() == 0 && self.options.allow_empty != Some(true) =>
                {
                    // The client may have failed, and then it reads exactly one packet: nothing but
                    // one error may follow.
                    break Err(Error::NoData { file: path.to_owned() });
                }
                Ok(Fed::End) => return Ok(Received::Whole(upload)),
                Ok(Fed::Declined) => break Ok(Received::Declined),
                Err(error) => break Err(error),
            }
        };
        upload.abort().await;
        metrics::upload("mysql", if ended.is_ok() { "DECLINED" } else { ERROR }, 0);
        ended
    }

    fn answer(&self, mut fates: Vec<Fate>, rows: bool) -> Result<Outcome> {
        // The failure of a single file is the statement's.
        if let [Fate { result: Err(_), .. }] = fates.as_slice() {
            return fates.remove(0).result.map(|_| Outcome::done());
        }
        if rows {
            let rows = fates.iter().map(Fate::row).collect();
            return Ok(Outcome::rows(columns(), rows));
        }
        Ok(Outcome::Done(self.summary(&fates)))
    }

    /// For clients that take no rows here.
    fn summary(&self, fates: &[Fate]) -> Done {
        if let [fate] = fates {
            return self.sentence(fate);
        }
        let count = |status: &str| fates.iter().filter(|fate| fate.status() == status).count();
        let uploaded = count(Status::Uploaded.name());
        Done {
            affected: u64::try_from(uploaded).unwrap_or(u64::MAX),
            info: format!(
                "{} files: {uploaded} uploaded, {} skipped, {} failed",
                fates.len(),
                count(Status::Skipped.name()),
                count(ERROR)
            ),
        }
    }

    /// One file's fate.
    fn sentence(&self, fate: &Fate) -> Done {
        let (status, source) = (fate.status(), &fate.source);
        match &fate.result {
            Ok(report) => {
                let area = self.location.area.clone();
                let target = Location { area, path: report.target.clone() };
                match report.status {
                    Status::Uploaded => Done {
                        affected: 1,
                        info: format!(
                            "{status}: {source}, {} bytes -> {target}, {} bytes",
                            report.source_size, report.target_size
                        ),
                    },
                    Status::Skipped | Status::Same => Done {
                        affected: 0,
                        info: format!("{status}: {target}: {}", message(report.status)),
                    },
                }
            }
            Err(error) => {
                Done { affected: 0, info: format!("{status}: {source}: {}", error.message()) }
            }
        }
    }
}

impl Fate {
    pub(super) fn of(source: Source, result: Result<Report>) -> Fate {
        Fate { source: source.name, target: source.target, result }
    }

    fn status(&self) -> &'static str {
        self.result.as_ref().map_or(ERROR, |report| report.status.name())
    }

    fn row(&self) -> Row {
        let status = self.status();
        match &self.result {
            Ok(report) => vec![
                self.source.as_str().into(),
                report.target_name.as_str().into(),
                report.source_size.into(),
                report.target_size.into(),
                report.source_compression.name().into(),
                report.target_compression.name().into(),
                status.into(),
                message(report.status).into(),
            ],
            Err(error) => vec![
                self.source.as_str().into(),
                self.target.as_str().into(),
                0.into(),
                0.into(),
                "NONE".into(),
                "NONE".into(),
                status.into(),
                error.message().into(),
            ],
        }
    }

    /// For `SHOW LAST TRANSFER` and `SHOW WARNINGS`.
    fn remember(&self, session: &mut Session) {
        session.last_transfer.push(self.row());
        if let Err(error) = &self.result {
            let text = format!("{}: {}", self.source, error.message());
            session.warnings.push(("Error", error.code().number, text));
            if error.is_ours() {
                tracing::error!(file = self.source, %error, detail = error.detail(), "failed");
            }
        }
    }
}

fn upload_options(session: &Session, options: &Options) -> upload::Options {
    upload::Options {
        auto_compress: options.auto_compress.unwrap_or(AutoCompress::Gzip),
        transfer: session.instance.config.transfer.clone(),
        source_compression: match options.source_compression {
            Some(SourceCompression::Declared(compression)) => Some(compression),
            Some(SourceCompression::AutoDetect) | None => None,
        },
        overwrite: options.overwrite.unwrap_or(false),
        parts: options.parts(),
    }
}

/// Stores a file whose content is there already; the answer is `PUT`'s row, for every client.
pub async fn store(
    session: &mut Session,
    dir: &Location,
    name: &str,
    options: &Options,
    content: Bytes,
) -> Result<Outcome> {
    let stage = session.files_at(&dir.area, StagePrivilege::Write).await?;
    let _turn = session.instance.upload_turn().await?;
    let options = upload_options(session, options);
    let mut upload = Upload::new(stage, dir.path.clone(), name, options)?;
    let report = match upload.skipped_already().await? {
        Some(report) => report,
        None => {
            if let Err(error) = upload.push(content).await {
                upload.abort().await;
                return Err(error);
            }
            upload.finish().await?
        }
    };
    metrics::upload("mysql", report.status.name(), report.source_size);
    let fate = Fate { source: name.to_owned(), target: name.to_owned(), result: Ok(report) };
    session.last_transfer.clear();
    fate.remember(session);
    Ok(Outcome::rows(columns(), vec![fate.row()]))
}

/// What follows the last `/` or `\`: the client may run on either kind of system.
fn base_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_names_of_both_kinds_of_systems() {
        assert_eq!(base_name("/data/a.csv"), "a.csv");
        assert_eq!(base_name("C:\\data\\a.csv"), "a.csv");
        assert_eq!(base_name("a.csv"), "a.csv");
        assert_eq!(base_name("/data/"), "");
    }
}
