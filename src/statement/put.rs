//! `PUT` uploads a file from the client's machine to a stage.
//!
//! ```text
//! PUT { file://<path> | 'file://<path>' } <location> [<option> ...]
//! LOAD DATA LOCAL INFILE '<path>' INTO { STAGE <location> | TABLE `<location>` } [<option> ...]
//!
//! option: PARALLEL = <1..99> | AUTO_COMPRESS = { TRUE | FALSE } | OVERWRITE = { TRUE | FALSE }
//!       | ALLOW_EMPTY = { TRUE | FALSE }
//!       | SOURCE_COMPRESSION = { AUTO_DETECT | GZIP | BZ2 | BROTLI | ZSTD | DEFLATE
//!                              | RAW_DEFLATE | NONE }
//!
//! > PUT 'file:///data/a.csv' @lake/2024
//! source  target    source_size  target_size  source_compression  target_compression  status    message
//! a.csv   a.csv.gz  16           40           NONE                GZIP                UPLOADED
//! > PUT 'file:///data/missing.csv' @lake
//! ERROR 1017 (HY000): No data received for '/data/missing.csv': the file is missing, ...
//! ```
//!
//! The location's path is a directory; the file keeps its name, with `.gz` added where it is
//! compressed on the way. An existing file stays and the status is `SKIPPED`, unless
//! `OVERWRITE=TRUE`. The client is asked for the file by LOCAL INFILE, so the file is read with the
//! client's own rights. `LOAD DATA LOCAL INFILE` is the spelling that every driver accepts.
//!
//! `PARALLEL` is accepted and changes nothing yet: of one file, the parts go four at a time.
//!
//! The answer is a row where the client is known to take one behind an upload; the others get an OK
//! with a sentence, for a result set there would break them.
//!
//! Unlike Snowflake's, it works on external stages too, and the file goes through the server.

use std::fmt;

use crate::error::{Error, Result};
use crate::metrics;
use crate::rows::{Column, Done, Outcome, Type};
use crate::session::{ClientFiles, Fed, Session};
use crate::sql::cursor::{Cursor, Token};
use crate::sql::literal;
use crate::sql::location::Location;
use crate::statement::Statement;
use crate::transfer::compression::{Compression, DECLARED};
use crate::transfer::upload::{self, Report, Status, Upload};

/// The words that it begins with.
pub const LEADS: &[&str] = &["PUT", "LOAD DATA"];

/// Snowflake's range.
const PARALLEL: std::ops::RangeInclusive<u64> = 1..=99;

/// Clients that take a result set in place of the OK behind an upload, by their `_client_name`.
/// Found by experiment; all others lose the connection or the order of answers.
/// `libmariadb` depends on who uses it: see [`takes_rows`].
const TAKE_ROWS: &[&str] = &["libmysql", "MySqlConnector", "MariaDB Connector/J"];

/// Snowflake's eight columns.
pub fn columns() -> Vec<Column> {
    vec![
        Column::new("source", Type::Text),
        Column::new("target", Type::Text),
        Column::new("source_size", Type::UInt),
        Column::new("target_size", Type::UInt),
        Column::new("source_compression", Type::Text),
        Column::new("target_compression", Type::Text),
        Column::new("status", Type::Text),
        Column::new("message", Type::Text),
    ]
}

/// `PUT`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// The path on the client's machine, as the client is asked for it.
    pub path: String,
    /// How it was written.
    pub spelling: Spelling,
    /// The directory on a stage.
    pub location: Location,
    /// How many files or parts at a time.
    pub parallel: Option<u64>,
    /// Whether to gzip what is not compressed.
    pub auto_compress: Option<bool>,
    /// How the file is compressed.
    pub source_compression: Option<SourceCompression>,
    /// Whether to replace a file of that name.
    pub overwrite: Option<bool>,
    /// Whether an empty file is meant to be empty.
    pub allow_empty: Option<bool>,
}

/// Which words a `PUT` was written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    /// `PUT 'file://...'`
    Put,
    /// `LOAD DATA LOCAL INFILE '...' INTO STAGE`
    LoadData,
}

/// `SOURCE_COMPRESSION = ...`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceCompression {
    /// `AUTO_DETECT`
    AutoDetect,
    /// Anything else.
    Declared(Compression),
}

/// Reads it.
pub fn parse(cursor: &mut Cursor<'_>) -> Result<Statement> {
    let (path, spelling, location) = if cursor.eat("PUT") {
        let path = parse_uri(cursor)?;
        if cursor.eat_sign(",") {
            return Err(Error::Unsupported {
                what: "More than one file a statement".to_owned(),
                hint: Some("send one PUT for each file".to_owned()),
            });
        }
        (path, Spelling::Put, cursor.location("PUT <file>")?)
    } else {
        parse_load(cursor)?
    };
    let mut put = Put {
        path,
        spelling,
        location,
        parallel: None,
        auto_compress: None,
        source_compression: None,
        overwrite: None,
        allow_empty: None,
    };
    while !cursor.at_end() {
        put.parse_option(cursor)?;
    }
    Ok(Statement::Put(put))
}

/// `file://...`, in quotes or not. Nothing in it is decoded: `%20` are three characters.
fn parse_uri(cursor: &mut Cursor<'_>) -> Result<String> {
    let hint = "as in PUT 'file:///tmp/a.csv' @lake".to_owned();
    let uri = match cursor.peek() {
        Token::Uri(text) | Token::Text(text) => text.clone(),
        Token::Word(_)
        | Token::Name(_)
        | Token::Number(_)
        | Token::Location(_)
        | Token::Sign(_)
        | Token::End => {
            return Err(cursor.expected_hinting("'file://<path>' after PUT", Some(hint)));
        }
    };
    let Some(path) = uri
        .get(..7)
        .filter(|scheme| scheme.eq_ignore_ascii_case("file://"))
        .and_then(|_| uri.get(7..))
    else {
        return Err(cursor.expected_hinting("a URI that begins with file://", Some(hint)));
    };
    let path = client_path(path);
    if let Some(error) = path_fault(path) {
        return Err(error);
    }
    cursor.advance();
    Ok(path.to_owned())
}

/// The path that the client opens: `file:///C:/x` is `C:/x`.
fn client_path(path: &str) -> &str {
    match path.as_bytes() {
        [b'/', drive, b':', ..] if drive.is_ascii_alphabetic() => path.get(1..).unwrap_or(path),
        _ => path,
    }
}

fn path_fault(path: &str) -> Option<Error> {
    if path.contains(['*', '?']) {
        return Some(Error::Unsupported {
            what: format!("The wildcard in '{path}'"),
            hint: Some(
                "the server cannot list the client's files: send one PUT for each file, or name a \
                 file with '*' in it by LOAD DATA LOCAL INFILE"
                    .to_owned(),
            ),
        });
    }
    unreadable(path)
}

/// Paths that no client could open.
fn unreadable(path: &str) -> Option<Error> {
    let shown = path.escape_debug().to_string();
    if path.is_empty() {
        return Some(Error::BadPath { path: shown, why: "it is empty" });
    }
    if path.chars().any(char::is_control) {
        let why =
            "it has a control character in it; in quotes, write Windows paths with '/' or '\\\\'";
        return Some(Error::BadPath { path: shown, why });
    }
    None
}

fn parse_load(cursor: &mut Cursor<'_>) -> Result<(String, Spelling, Location)> {
    cursor.expect("LOAD")?;
    cursor.expect("DATA")?;
    let hint = "files come from the client: LOAD DATA LOCAL INFILE '<path>' INTO STAGE @lake";
    if !cursor.eat("LOCAL") {
        return Err(cursor.expected_hinting("LOCAL", Some(hint.to_owned())));
    }
    cursor.expect("INFILE")?;
    let path = cursor.text("a path in quotes after INFILE")?;
    if let Some(error) = unreadable(&path) {
        return Err(error);
    }
    cursor.expect("INTO")?;
    if cursor.eat("STAGE") {
        return Ok((path, Spelling::LoadData, cursor.location("INTO STAGE")?));
    }
    if !cursor.eat("TABLE") {
        return Err(cursor.expected_hinting("STAGE", Some(hint.to_owned())));
    }
    let Token::Name(text) = cursor.peek().clone() else {
        let hint = "files go to stages: INTO STAGE @lake, or INTO TABLE `@lake`";
        return Err(cursor.expected_hinting("a stage location in backticks", Some(hint.to_owned())));
    };
    Ok((path, Spelling::LoadData, cursor.parse_location(&text)?))
}

impl Put {
    const OPTIONS: &[&str] =
        &["PARALLEL", "AUTO_COMPRESS", "SOURCE_COMPRESSION", "OVERWRITE", "ALLOW_EMPTY"];

    fn parse_option(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        let option = cursor.keyword().unwrap_or_default();
        let free = match option.as_str() {
            "PARALLEL" => self.parallel.is_none(),
            "AUTO_COMPRESS" => self.auto_compress.is_none(),
            "SOURCE_COMPRESSION" => self.source_compression.is_none(),
            "OVERWRITE" => self.overwrite.is_none(),
            "ALLOW_EMPTY" => self.allow_empty.is_none(),
            _ => false,
        };
        if !free {
            return Err(cursor.expected_one_of(Put::OPTIONS));
        }
        cursor.advance();
        cursor.eat_sign("=");
        match option.as_str() {
            "PARALLEL" => {
                self.parallel = Some(cursor.number(&option, *PARALLEL.start(), *PARALLEL.end())?);
            }
            "AUTO_COMPRESS" => self.auto_compress = Some(cursor.boolean(&option)?),
            "SOURCE_COMPRESSION" => {
                self.source_compression = Some(SourceCompression::parse(cursor)?)
            }
            "OVERWRITE" => self.overwrite = Some(cursor.boolean(&option)?),
            _ => self.allow_empty = Some(cursor.boolean(&option)?),
        }
        Ok(())
    }

    /// Asks the client for the file and stores it.
    pub async fn execute(&self, session: &Session, files: &mut dyn ClientFiles) -> Result<Outcome> {
        let source = base_name(&self.path);
        let stage = session.files_at(&self.location.area).await?;
        let options = upload::Options {
            auto_compress: self.auto_compress.unwrap_or(true),
            source_compression: match self.source_compression {
                Some(SourceCompression::Declared(compression)) => Some(compression),
                Some(SourceCompression::AutoDetect) | None => None,
            },
            overwrite: self.overwrite.unwrap_or(false),
        };
        let upload = Upload::new(stage, self.location.path.clone(), source, options)?;
        if let Some(report) = upload.skipped_already().await? {
            return Ok(self.answer(session, source, &report));
        }
        if !session.peer.local_files {
            return Err(Error::LocalInfileOff);
        }
        files.request(&self.path).await?;
        match self.receive(upload, files).await {
            Ok(Some(report)) => {
                metrics::upload("mysql", report.status.name(), report.source_size);
                Ok(self.answer(session, source, &report))
            }
            Ok(None) => {
                metrics::upload("mysql", "DECLINED", 0);
                Ok(Outcome::Nothing)
            }
            Err(error) => {
                metrics::upload("mysql", "ERROR", 0);
                Err(error)
            }
        }
    }

    /// Takes the file as it comes; `None` if the client has gone on to something else. Whatever
    /// fails, the client is heard to its end before it is told.
    async fn receive(
        &self,
        mut upload: Upload,
        files: &mut dyn ClientFiles,
    ) -> Result<Option<Report>> {
        loop {
            match files.next().await {
                Ok(Fed::Data(block)) => {
                    if let Err(error) = upload.push(block).await {
                        upload.abort().await;
                        files.drain().await?;
                        return Err(error);
                    }
                }
                Ok(Fed::End) if upload.received() == 0 && self.allow_empty != Some(true) => {
                    upload.abort().await;
                    return Err(Error::NoData { file: self.path.clone() });
                }
                Ok(Fed::End) => return upload.finish().await.map(Some),
                Ok(Fed::Declined) => {
                    upload.abort().await;
                    return Ok(None);
                }
                Err(error) => {
                    upload.abort().await;
                    return Err(error);
                }
            }
        }
    }

    fn answer(&self, session: &Session, source: &str, report: &Report) -> Outcome {
        let message = match report.status {
            Status::Uploaded => "",
            Status::Skipped => "a file of this name exists; OVERWRITE=TRUE replaces it",
        };
        if takes_rows(session) {
            let row = vec![
                source.into(),
                report.target_name.as_str().into(),
                report.source_size.into(),
                report.target_size.into(),
                report.source_compression.name().into(),
                report.target_compression.name().into(),
                report.status.name().into(),
                message.into(),
            ];
            return Outcome::rows(columns(), vec![row]);
        }
        let target = Location { area: self.location.area.clone(), path: report.target.clone() };
        match report.status {
            Status::Uploaded => Outcome::Done(Done {
                affected: 1,
                info: format!(
                    "{}: {source}, {} bytes -> {target}, {} bytes",
                    report.status.name(),
                    report.source_size,
                    report.target_size
                ),
            }),
            Status::Skipped => {
                Outcome::done_with(format!("{}: {target}: {message}", report.status.name()))
            }
        }
    }
}

/// MariaDB's ODBC driver is `libmariadb` too, but takes rows from `SELECT` and `SHOW` alone: with
/// rows behind an upload its next statement fails (error 2014). Newer ones call themselves `maodbc`
/// besides; 3.1 has only this to tell it from the command line tools, that it names no program.
fn takes_rows(session: &Session) -> bool {
    let attribute = |name| session.peer.attributes.get(name).map(String::as_str);
    match attribute("_client_name") {
        Some("libmariadb") => {
            attribute("program_name").is_some() && attribute("_client_name2") != Some("maodbc")
        }
        Some(name) => TAKE_ROWS.contains(&name),
        None => false,
    }
}

/// What follows the last `/` or `\`: the client may run on either kind of system.
fn base_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

impl SourceCompression {
    fn parse(cursor: &mut Cursor<'_>) -> Result<SourceCompression> {
        let word = match cursor.peek() {
            Token::Word(word) => word.to_ascii_uppercase(),
            Token::Name(_)
            | Token::Text(_)
            | Token::Number(_)
            | Token::Location(_)
            | Token::Uri(_)
            | Token::Sign(_)
            | Token::End => String::new(),
        };
        let known = DECLARED.iter().find(|(name, _)| *name == word);
        let found = match known {
            Some((_, compression)) => SourceCompression::Declared(*compression),
            None if word == "AUTO_DETECT" => SourceCompression::AutoDetect,
            None => {
                return Err(cursor.expected(
                    "AUTO_DETECT, GZIP, BZ2, BROTLI, ZSTD, DEFLATE, RAW_DEFLATE or NONE for \
                     SOURCE_COMPRESSION",
                ));
            }
        };
        cursor.advance();
        Ok(found)
    }
}

impl fmt::Display for SourceCompression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            SourceCompression::AutoDetect => "AUTO_DETECT",
            SourceCompression::Declared(compression) => DECLARED
                .iter()
                .find(|(_, known)| known == compression)
                .map_or(compression.name(), |(name, _)| name),
        };
        f.write_str(name)
    }
}

impl fmt::Display for Put {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.spelling {
            Spelling::Put => {
                let uri = format!("file://{}", self.path);
                write!(f, "PUT {} {}", literal::text(&uri), self.location)?;
            }
            Spelling::LoadData => {
                let path = literal::text(&self.path);
                write!(f, "LOAD DATA LOCAL INFILE {path} INTO STAGE {}", self.location)?;
            }
        }
        if let Some(parallel) = self.parallel {
            write!(f, " PARALLEL = {parallel}")?;
        }
        if let Some(on) = self.auto_compress {
            write!(f, " AUTO_COMPRESS = {}", literal::boolean(on))?;
        }
        if let Some(source) = self.source_compression {
            write!(f, " SOURCE_COMPRESSION = {source}")?;
        }
        if let Some(on) = self.overwrite {
            write!(f, " OVERWRITE = {}", literal::boolean(on))?;
        }
        match self.allow_empty {
            Some(on) => write!(f, " ALLOW_EMPTY = {}", literal::boolean(on)),
            None => Ok(()),
        }
    }
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

    #[test]
    fn uris_become_paths() {
        for (uri, path) in [
            ("PUT file:///tmp/a.csv @s", "/tmp/a.csv"),
            ("PUT file://C:\\temp\\new.csv @s", "C:\\temp\\new.csv"),
            ("PUT 'file://C:\\\\temp\\\\new.csv' @s", "C:\\temp\\new.csv"),
            ("PUT 'file:///C:/temp/a b.csv' @s", "C:/temp/a b.csv"),
            ("put FILE://rel/a.csv @s;", "rel/a.csv"),
            ("PUT 'file://~/a.csv' @s", "~/a.csv"),
            ("PUT file:///a%20b#c--d.csv @s", "/a%20b#c--d.csv"),
            ("LOAD DATA LOCAL INFILE '/tmp/it''s.csv' INTO STAGE @s", "/tmp/it's.csv"),
            ("LOAD DATA LOCAL INFILE ':SOURCE:1' INTO TABLE `@s/x`", ":SOURCE:1"),
        ] {
            let statement = Statement::parse(uri).unwrap();
            let Statement::Put(put) = statement else { panic!("{statement:?}") };
            assert_eq!(put.path, path, "{uri}");
        }
    }
}
