//! Wildcards in the names of a client's files, where client and server share a host.
//!
//! Only names come from here. Each file is then asked for as any other, so what is in it always
//! comes from the client, with the client's own rights.

use std::path::Path;

use glob::{MatchOptions, glob_with};

use crate::error::{Error, Result};

/// More names than a person means to send by one statement.
const MAX_NAMES: usize = 100_000;

/// As Python's `glob`, which Snowflake's driver uses: a leading dot is only matched by a dot, and
/// no wildcard matches a `/`.
const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// A name that a pattern stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The path that the client is asked for.
    pub path: String,
    /// The part below the pattern's fixed prefix, with `/` between its names.
    pub below: String,
}

/// Whether a path has wildcards: `*`, `?`, `[...]`.
pub fn has_wildcards(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

/// The part of a pattern before its first component with a wildcard, with the `/` at its end.
pub fn fixed_prefix(pattern: &str) -> &str {
    let wild = pattern.find(['*', '?', '[']).unwrap_or(pattern.len());
    let end = pattern.get(..wild).and_then(|fixed| fixed.rfind('/')).map_or(0, |slash| slash + 1);
    pattern.get(..end).unwrap_or("")
}

/// The names of the files that match, in order of name. Directories are passed over.
pub async fn expand(pattern: &str) -> Result<Vec<Found>> {
    let pattern = pattern.to_owned();
    tokio::task::spawn_blocking(move || names(&pattern))
        .await
        .map_err(|_| Error::Internal { what: "the search for files failed".to_owned() })?
}

fn names(pattern: &str) -> Result<Vec<Found>> {
    let bad = |why: String| Error::BadPattern { pattern: pattern.to_owned(), why };
    let matches = glob_with(pattern, OPTIONS).map_err(|error| bad(error.msg.to_owned()))?;
    let prefix = fixed_prefix(pattern);
    let mut found = Vec::new();
    // A directory that the server may not read is the client's to worry about.
    for path in matches.filter_map(std::result::Result::ok) {
        let Some(text) = path.to_str().filter(|_| is_file(&path)) else { continue };
        if found.len() == MAX_NAMES {
            return Err(bad(format!("it matches more than {MAX_NAMES} files")));
        }
        let below = text.strip_prefix(prefix).unwrap_or(text);
        found.push(Found { path: text.to_owned(), below: below.to_owned() });
    }
    if found.is_empty() {
        return Err(Error::NoMatch { pattern: pattern.to_owned() });
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Whether a client can send it: a file, a link to one, or a pipe.
fn is_file(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_ends_before_the_first_wildcard() {
        for (pattern, prefix) in [
            ("/data/*.csv", "/data/"),
            ("/data/**/x[1].csv", "/data/"),
            ("/data/20?4/a.csv", "/data/"),
            ("*.csv", ""),
            ("/a*", "/"),
        ] {
            assert_eq!(fixed_prefix(pattern), prefix, "{pattern}");
        }
    }

    #[tokio::test]
    async fn patterns_find_files_and_only_files() {
        let dir = tempfile::tempdir().unwrap();
        for file in ["a.csv", "b.csv", ".hidden.csv", "x/c.csv", "x/y/d.csv", "data[1].csv"] {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        std::fs::create_dir(dir.path().join("z.csv")).unwrap();
        let root = dir.path().to_str().unwrap().to_owned();
        let below = |pattern: &str| {
            let pattern = format!("{root}/{pattern}");
            async move {
                let found = expand(&pattern).await;
                found.map(|found| found.into_iter().map(|f| f.below).collect::<Vec<_>>())
            }
        };
        assert_eq!(below("*.csv").await.unwrap(), ["a.csv", "b.csv", "data[1].csv"]);
        assert_eq!(below("?.csv").await.unwrap(), ["a.csv", "b.csv"]);
        assert_eq!(below("[ab].csv").await.unwrap(), ["a.csv", "b.csv"]);
        assert_eq!(below("data[[]1].csv").await.unwrap(), ["data[1].csv"]);
        assert_eq!(below("*/c.csv").await.unwrap(), ["x/c.csv"]);
        assert_eq!(
            below("**/*.csv").await.unwrap(),
            ["a.csv", "b.csv", "data[1].csv", "x/c.csv", "x/y/d.csv"]
        );
        assert!(below("*.parquet").await.is_err());
    }
}
