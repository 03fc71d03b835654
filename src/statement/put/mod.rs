//! `PUT` uploads files from the client's machine to a stage.
//!
//! ```text
//! PUT <uri> [, <uri> ...] <location> [<option> ...]
//! LOAD DATA LOCAL INFILE '<path>' INTO { STAGE <location> | TABLE `<location>` } [<option> ...]
//! PUT LOCAL INFILE '<path>' [, LOCAL INFILE '<path>' ...] INTO <location> [<option> ...]
//!
//! uri:    file://<path> | 'file://<path>', with the wildcards * ? [...] **
//! option: AUTO_COMPRESS = { TRUE | FALSE | GZIP | ZSTD } | OVERWRITE = { TRUE | FALSE }
//!       | SOURCE_COMPRESSION = { AUTO_DETECT | GZIP | BZ2 | BROTLI | ZSTD | DEFLATE
//!                              | RAW_DEFLATE | NONE }
//!       | AS = '<name>' | KEEP_PATHS = { TRUE | FALSE } | GLOB = { TRUE | FALSE }
//!       | ALLOW_EMPTY = { TRUE | FALSE } | PARALLEL = <1..99> | THRESHOLD = <bytes> | UNPACK = TAR
//!
//! > PUT 'file:///data/*.csv' @lake/2024
//! source  target    source_size  target_size  source_compression  target_compression  status    message
//! a.csv   a.csv.gz  16           40           NONE                GZIP                UPLOADED
//! b.csv   b.csv.gz  0            0            NONE                GZIP                SKIPPED   a file of this name exists; ...
//! > PUT 'file:///data/missing.csv' @lake
//! ERROR 1017 (HY000): No data received for '/data/missing.csv': the file is missing, ...
//! ```
//!
//! The location's path is a directory; a file keeps its name, with `.gz` or `.zst` added where it is
//! compressed on the way, unless `AS` gives it another. An existing file stays and the status is
//! `SKIPPED`, unless `OVERWRITE=TRUE`. The client is asked for each file by LOCAL INFILE, so it is
//! read with the client's own rights. `LOAD DATA LOCAL INFILE` is the spelling that every driver
//! accepts; in it and in `PUT LOCAL INFILE` names are taken as they are, wildcards or not.
//!
//! Wildcards are expanded by the server, which can see the client's files only where both share a
//! host: see [`crate::transfer::sources`]. Others list the files, or use a client that expands.
//! `KEEP_PATHS=TRUE` keeps the directories below the pattern's fixed part.
//!
//! `UNPACK=TAR` stores the members of an archive one by one, as `tar c data | mysql ... -e "PUT
//! 'file:///dev/stdin' @lake UNPACK=TAR"` sends them, with their directories unless
//! `KEEP_PATHS=FALSE`: see [`crate::transfer::archive`]. The archive itself may be compressed;
//! `SOURCE_COMPRESSION` speaks of it.
//!
//! One row a file, in their order. A file that fails is a row with the status `ERROR` and does not
//! stop the others, with one exception: a file that brings no byte ends the statement with an error,
//! for the protocol lets nothing follow. `SHOW LAST TRANSFER` then shows what became of the others.
//!
//! Who gets which answer is in [`delivery`].
//!
//! A stock client sends one file at a time. `PARALLEL` is how many parts of it travel on to a bucket at
//! a time (never more than 128 MiB), and how many files are being stored while the next one comes,
//! where the client waits for no answer in between. `THRESHOLD` is the size of a part, kept between 5
//! and 64 MiB; what is smaller is stored by one request. The default is 8 MiB.
//!
//! Unlike Snowflake's, it works on external stages too, and files go through the server.

use std::fmt;

use crate::error::{Error, Result};
use crate::rows::{Column, Type};
use crate::sql::cursor::{Cursor, Token};
use crate::sql::literal;
use crate::sql::location::Location;
use crate::stage::Parts;
use crate::statement::Statement;
use crate::transfer::compression::{Compression, DECLARED};
use crate::transfer::encoder::AutoCompress;

pub mod delivery;
mod ending;
mod run;
mod unpack;

pub use run::store;

/// The words that it begins with.
pub const LEADS: &[&str] = &["PUT", "LOAD DATA"];

/// Snowflake's default.
const DEFAULT_PARALLEL: u64 = 4;

/// Snowflake's range.
const PARALLEL: std::ops::RangeInclusive<u64> = 1..=99;

/// The largest object that S3 takes in one part: 5 GiB.
const MAX_THRESHOLD: u64 = 5 * 1024 * 1024 * 1024;

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
    /// The paths on the client's machine.
    pub paths: Vec<String>,
    /// How they were written.
    pub spelling: Spelling,
    /// The directory on a stage.
    pub location: Location,
    /// What else was said.
    pub options: Options,
}

/// Which words a `PUT` was written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    /// `PUT 'file://...'`: with wildcards
    Uri,
    /// `LOAD DATA LOCAL INFILE '...' INTO STAGE`: one file
    LoadData,
    /// `PUT LOCAL INFILE '...' INTO`
    LocalInfile,
}

/// The options of a `PUT`; `None` where nothing was said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// How many files or parts at a time.
    pub parallel: Option<u64>,
    /// From which size on in parts.
    pub threshold: Option<u64>,
    /// How to compress what is not compressed.
    pub auto_compress: Option<AutoCompress>,
    /// How the files are compressed.
    pub source_compression: Option<SourceCompression>,
    /// Whether to replace files of the same names.
    pub overwrite: Option<bool>,
    /// Whether an empty file is meant to be empty.
    pub allow_empty: Option<bool>,
    /// The name of a single file on the stage.
    pub name: Option<String>,
    /// Whether to keep the directories below the pattern.
    pub keep_paths: Option<bool>,
    /// Whether wildcards are wildcards.
    pub glob: Option<bool>,
    /// Store the members of archives, not the archives.
    pub unpack: bool,
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
    let (paths, spelling, location) = if !cursor.eat("PUT") {
        parse_load(cursor)?
    } else if cursor.sees("LOCAL") {
        parse_local_infile(cursor)?
    } else {
        let mut paths = vec![parse_uri(cursor)?];
        while cursor.eat_sign(",") {
            paths.push(parse_uri(cursor)?);
        }
        (paths, Spelling::Uri, cursor.location("PUT <file>")?)
    };
    let mut options = Options::default();
    while !cursor.at_end() {
        options.parse_one(cursor)?;
    }
    Ok(Statement::Put(Put { paths, spelling, location, options }))
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
    if let Some(error) = unreadable(path) {
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

type Parsed = (Vec<String>, Spelling, Location);

/// A path in quotes behind `INFILE`.
fn parse_infile(cursor: &mut Cursor<'_>) -> Result<String> {
    cursor.expect("INFILE")?;
    let path = cursor.text("a path in quotes after INFILE")?;
    match unreadable(&path) {
        Some(error) => Err(error),
        None => Ok(path),
    }
}

fn parse_local_infile(cursor: &mut Cursor<'_>) -> Result<Parsed> {
    let mut paths = Vec::new();
    loop {
        cursor.expect("LOCAL")?;
        paths.push(parse_infile(cursor)?);
        if !cursor.eat_sign(",") {
            break;
        }
    }
    cursor.expect("INTO")?;
    Ok((paths, Spelling::LocalInfile, cursor.location("INTO")?))
}

fn parse_load(cursor: &mut Cursor<'_>) -> Result<Parsed> {
    cursor.expect("LOAD")?;
    cursor.expect("DATA")?;
    let hint = "files come from the client: LOAD DATA LOCAL INFILE '<path>' INTO STAGE @lake";
    if !cursor.eat("LOCAL") {
        return Err(cursor.expected_hinting("LOCAL", Some(hint.to_owned())));
    }
    let paths = vec![parse_infile(cursor)?];
    cursor.expect("INTO")?;
    if cursor.eat("STAGE") {
        return Ok((paths, Spelling::LoadData, cursor.location("INTO STAGE")?));
    }
    if !cursor.eat("TABLE") {
        return Err(cursor.expected_hinting("STAGE", Some(hint.to_owned())));
    }
    let Token::Name(text) = cursor.peek().clone() else {
        let hint = "files go to stages: INTO STAGE @lake, or INTO TABLE `@lake`";
        return Err(cursor.expected_hinting("a stage location in backticks", Some(hint.to_owned())));
    };
    Ok((paths, Spelling::LoadData, cursor.parse_location(&text)?))
}

impl Options {
    const NAMES: &[&str] = &[
        "AUTO_COMPRESS",
        "SOURCE_COMPRESSION",
        "OVERWRITE",
        "AS",
        "KEEP_PATHS",
        "GLOB",
        "ALLOW_EMPTY",
        "PARALLEL",
        "THRESHOLD",
        "UNPACK",
    ];

    /// How each file is cut, where the storage takes parts.
    fn parts(&self) -> Parts {
        let parallel = self.parallel.unwrap_or(DEFAULT_PARALLEL);
        self.threshold.map_or_else(|| Parts::of(parallel), |bytes| Parts::new(parallel, bytes))
    }

    /// Reads options that stand in a text of their own.
    pub fn parse(text: &str) -> Result<Options> {
        let mut cursor = Cursor::new(text)?;
        let mut options = Options::default();
        while !cursor.at_end() {
            options.parse_one(&mut cursor)?;
        }
        Ok(options)
    }

    fn parse_one(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        let option = cursor.keyword().unwrap_or_default();
        let free = match option.as_str() {
            "PARALLEL" => self.parallel.is_none(),
            "THRESHOLD" => self.threshold.is_none(),
            "AUTO_COMPRESS" => self.auto_compress.is_none(),
            "SOURCE_COMPRESSION" => self.source_compression.is_none(),
            "OVERWRITE" => self.overwrite.is_none(),
            "ALLOW_EMPTY" => self.allow_empty.is_none(),
            "AS" => self.name.is_none(),
            "KEEP_PATHS" => self.keep_paths.is_none(),
            "GLOB" => self.glob.is_none(),
            "UNPACK" => !self.unpack,
            _ => false,
        };
        if !free {
            return Err(cursor.expected_one_of(Options::NAMES));
        }
        cursor.advance();
        cursor.eat_sign("=");
        match option.as_str() {
            "PARALLEL" => {
                self.parallel = Some(cursor.number(&option, *PARALLEL.start(), *PARALLEL.end())?);
            }
            "THRESHOLD" => self.threshold = Some(cursor.number(&option, 1, MAX_THRESHOLD)?),
            "AUTO_COMPRESS" => self.auto_compress = Some(parse_auto_compress(cursor)?),
            "SOURCE_COMPRESSION" => {
                self.source_compression = Some(SourceCompression::parse(cursor)?);
            }
            "OVERWRITE" => self.overwrite = Some(cursor.boolean(&option)?),
            "ALLOW_EMPTY" => self.allow_empty = Some(cursor.boolean(&option)?),
            "AS" => self.name = Some(cursor.text("a name in quotes after AS")?),
            "KEEP_PATHS" => self.keep_paths = Some(cursor.boolean(&option)?),
            "UNPACK" => {
                if !cursor.eat("TAR") {
                    return Err(cursor.expected("TAR for UNPACK"));
                }
                self.unpack = true;
            }
            _ => self.glob = Some(cursor.boolean(&option)?),
        }
        Ok(())
    }
}

fn parse_auto_compress(cursor: &mut Cursor<'_>) -> Result<AutoCompress> {
    let found = match cursor.keyword().as_deref() {
        Some("TRUE" | "GZIP") => AutoCompress::Gzip,
        Some("FALSE") => AutoCompress::No,
        Some("ZSTD") => AutoCompress::Zstd,
        Some(_) | None => {
            return Err(cursor.expected("TRUE, FALSE, GZIP or ZSTD for AUTO_COMPRESS"));
        }
    };
    cursor.advance();
    Ok(found)
}

impl SourceCompression {
    fn parse(cursor: &mut Cursor<'_>) -> Result<SourceCompression> {
        let word = cursor.keyword().unwrap_or_default();
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
        let paths = self.paths.iter();
        match self.spelling {
            Spelling::Uri => {
                let uris: Vec<String> =
                    paths.map(|path| literal::text(&format!("file://{path}"))).collect();
                write!(f, "PUT {} {}", uris.join(", "), self.location)?;
            }
            Spelling::LoadData => {
                let path: String = paths.map(|path| literal::text(path)).collect();
                write!(f, "LOAD DATA LOCAL INFILE {path} INTO STAGE {}", self.location)?;
            }
            Spelling::LocalInfile => {
                let files: Vec<String> =
                    paths.map(|path| format!("LOCAL INFILE {}", literal::text(path))).collect();
                write!(f, "PUT {} INTO {}", files.join(", "), self.location)?;
            }
        }
        self.options.fmt(f)
    }
}

impl fmt::Display for Options {
    /// With a blank before each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut flag = |name: &str, value: Option<bool>| match value {
            Some(on) => write!(f, " {name} = {}", literal::boolean(on)),
            None => Ok(()),
        };
        flag("OVERWRITE", self.overwrite)?;
        flag("ALLOW_EMPTY", self.allow_empty)?;
        flag("KEEP_PATHS", self.keep_paths)?;
        flag("GLOB", self.glob)?;
        if let Some(auto) = self.auto_compress {
            let auto = match auto {
                AutoCompress::No => "FALSE",
                AutoCompress::Gzip => "GZIP",
                AutoCompress::Zstd => "ZSTD",
            };
            write!(f, " AUTO_COMPRESS = {auto}")?;
        }
        if let Some(source) = self.source_compression {
            write!(f, " SOURCE_COMPRESSION = {source}")?;
        }
        if let Some(name) = &self.name {
            write!(f, " AS = {}", literal::text(name))?;
        }
        if let Some(parallel) = self.parallel {
            write!(f, " PARALLEL = {parallel}")?;
        }
        if let Some(threshold) = self.threshold {
            write!(f, " THRESHOLD = {threshold}")?;
        }
        if self.unpack { f.write_str(" UNPACK = TAR") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(put.paths, [path], "{uri}");
        }
    }
}
