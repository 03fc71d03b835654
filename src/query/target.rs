//! Where the files of an unload are, and what each is called.
//!
//! ```text
//! @s/a/books.csv.gz                      a/books.csv.gz: one file, for the path ends as a file's name does
//! @s/a/books SINGLE = TRUE               a/books: one file, for the statement says so
//! @s/a/ SINGLE = TRUE                    a/data_<query id>_0000_00000000.parquet
//! @s/a, @s/a/                            a/data_<query id>_0000_00000000.parquet, ..01.parquet ...
//! @s/a PARTITION BY (year)               a/year=2024/data_<query id>_0000_00000000.parquet ...
//! @s/a INCLUDE_QUERY_ID = FALSE          a/data_0000_00000000.parquet ...
//! ```
//!
//! A number is from zero on in each directory; the one before it is for threads that write on their own, of
//! which there is one.

use futures::TryStreamExt;

use super::Unload;
use super::writing::{Ending, Writing};
use crate::error::{Error, Result};
use crate::stage::files::Files;
use crate::stage::name::StagePath;

/// About how large a file becomes before another begins, where nothing else is asked for.
const FILE_BYTES: u64 = 256 * 1024 * 1024;

/// Where files go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    shape: Shape,
    /// About how large a file may become; `None` where all goes into one.
    pub(super) most_bytes: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Shape {
    File(StagePath),
    Directory {
        path: StagePath,
        /// What names of files begin with.
        stem: String,
        /// What they end with.
        ending: String,
    },
}

impl Target {
    /// What an unload asks for, with how its files are written.
    pub(super) fn of(unload: &Unload) -> Result<(Target, Writing)> {
        let file = is_file(unload)?;
        let path = unload.path.as_str();
        let ending = file.then(|| Ending::of(path));
        let writing = Writing::of(&unload.options, ending, unload.header)?;
        let one = file || unload.single == Some(true);
        let most_bytes = match (one, unload.max_file_size) {
            (true, Some(bytes)) => {
                return Err(Error::BadValue {
                    option: "MAX_FILE_SIZE".to_owned(),
                    value: bytes.to_string(),
                    expected:
                        "a directory, for one file has no bound (SINGLE = FALSE makes it one)"
                            .to_owned(),
                });
            }
            (true, None) => None,
            (false, bytes) => Some(bytes.unwrap_or(FILE_BYTES)),
        };
        let shape = match file {
            true => Shape::File(unload.path.clone()),
            false => Shape::Directory {
                path: unload.path.clone(),
                stem: match &unload.query_id {
                    Some(id) => format!("data_{id}_0000_"),
                    None => "data_0000_".to_owned(),
                },
                ending: writing.ending.clone(),
            },
        };
        Ok((Target { shape, most_bytes }, writing))
    }

    /// Whether there is a file even if there are no rows: the one that was named.
    pub(super) fn is_file(&self) -> bool {
        matches!(self.shape, Shape::File(_))
    }

    /// The path of the file with this number in a directory below.
    pub(super) fn file(&self, below: &str, number: u64) -> Result<StagePath> {
        match &self.shape {
            Shape::File(path) => Ok(path.clone()),
            Shape::Directory { path, stem, ending } => {
                let name = format!("{stem}{number:08}{ending}");
                match below {
                    "" => path.join(&name),
                    below => path.join(&format!("{below}/{name}")),
                }
            }
        }
    }

    /// Fails if a file of a name that may be needed is there. With a query's id in it none is.
    pub(super) async fn check_free(&self, files: &std::sync::Arc<Files>) -> Result<()> {
        let (path, stem, ending) = match &self.shape {
            Shape::File(path) => {
                return match files.stat(path).await? {
                    Some(_) => Err(Error::FileExists { path: path.to_string() }),
                    None => Ok(()),
                };
            }
            Shape::Directory { path, stem, ending } => (path, stem, ending),
        };
        let dir = match path.as_str().trim_end_matches('/') {
            "" => StagePath::root(),
            dir => StagePath::new(format!("{dir}/"))?,
        };
        let is_ours = |path: &str| {
            let name = path.rsplit('/').next().unwrap_or_default();
            let number = name.strip_prefix(stem.as_str());
            let number = number.and_then(|rest| rest.strip_suffix(ending.as_str()));
            number.is_some_and(|number| number.bytes().all(|digit| digit.is_ascii_digit()))
        };
        let mut entries = files.list(&dir);
        while let Some(entry) = entries.try_next().await? {
            if is_ours(&entry.path) {
                return Err(Error::FileExists { path: entry.path });
            }
        }
        Ok(())
    }
}

/// Whether the path is a file's.
fn is_file(unload: &Unload) -> Result<bool> {
    let path = unload.path.as_str();
    let names_none = path.is_empty() || path.ends_with('/');
    let parts = !unload.partition_by.is_empty();
    let wrong = |option: &str, expected: &str| {
        let (option, value) = (option.to_owned(), "TRUE".to_owned());
        Err(Error::BadValue { option, value, expected: expected.to_owned() })
    };
    match (unload.single, unload.use_raw_path) {
        (Some(true), _) if parts => wrong("SINGLE", "FALSE, with PARTITION BY"),
        (Some(true), Some(true)) if names_none => wrong("USE_RAW_PATH", "a path that names a file"),
        (Some(true), Some(false)) => Ok(false),
        (Some(true), _) => Ok(!names_none),
        (_, Some(true)) => wrong("USE_RAW_PATH", "SINGLE = TRUE beside it"),
        (Some(false), _) | (None, Some(false)) => Ok(false),
        (None, None) => Ok(!names_none && !parts && Ending::of(path).kind.is_some()),
    }
}
