//! The digests of files in an object store, where its own ETag is none: of objects in several parts.
//!
//! An object's own metadata has to be given before its first byte, and a listing shows none. So each
//! such file has a mark: an empty object in a tree of its own, whose name says it all.
//!
//! ```text
//! digests/stages/<id>/ <path, escaped> ! <version: 11 characters> <MD5: 22> <SHA-256: 43>
//! ```
//!
//! The escape keeps the order, so one pass through the files and one through the marks meet, and a
//! thousand marks cost one request. A mark counts only for the version of the file that it names (by
//! its ETag). One that is left behind tells nobody anything, and goes with the file or the stage.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use futures::stream::{BoxStream, StreamExt};
use opendal::{Operator, services};
use sha2::{Digest, Sha256};

use crate::stage::digest::Digests;

/// Ends the path in a mark's name. Nothing that stands in an escaped path is below it.
const END: char = '!';

/// In the place of an MD5 that was not computed; it encodes nothing.
const UNKNOWN_MD5: &str = "----------------------";

const VERSION_CHARS: usize = 11;
const MD5_CHARS: usize = 22;
const SHA256_CHARS: usize = 43;

/// Where the marks of one stage are.
#[derive(Debug, Clone)]
pub(super) struct Marks {
    operator: Operator,
    base: String,
}

/// One mark.
#[derive(Debug)]
struct Mark {
    key: String,
    path: String,
    version: String,
    digests: Digests,
}

impl Marks {
    /// The tree for the files below a directory of the server's own storage; `None` where the
    /// storage lists in no order, or tells nothing by which a version could be known.
    pub(super) fn below(operator: &Operator, dir: &str) -> Option<Marks> {
        let fits = matches!(
            operator.info().scheme(),
            services::S3_SCHEME
                | services::GCS_SCHEME
                | services::AZBLOB_SCHEME
                | services::OSS_SCHEME
                | services::COS_SCHEME
                | services::OBS_SCHEME
        );
        fits.then(|| Marks { operator: operator.clone(), base: dir_of(dir) })
    }

    /// Notes the digests of a version of a file, and removes what is noted of others. The file is there
    /// already, so a failure is told to the log.
    pub(super) async fn set(&self, path: &str, etag: &str, digests: Digests) {
        let key = format!("{}{}", self.base, name_of(path, etag, digests));
        let done = async {
            self.operator.write(&key, opendal::Buffer::new()).await?;
            let all = self.between(&format!("{}{END}", escape(path)), None).collect::<Vec<_>>();
            let mut old = Vec::new();
            for mark in all.await {
                old.extend(Some(mark?.key).filter(|found| *found != key));
            }
            self.operator.delete_iter(old).await
        };
        if let Err(error) = done.await {
            tracing::warn!(path, "the digests of a file aren't kept: {error}");
        }
    }

    /// Removes the marks of files that are gone.
    pub(super) async fn forget(&self, paths: &BTreeSet<String>) {
        let (Some(first), Some(last)) = (paths.first(), paths.last()) else { return };
        let common = common_prefix(first, last);
        let mut marks = self.between(&escape(common), Some(first));
        let mut gone = Vec::new();
        while let Some(mark) = marks.next().await {
            match mark {
                Ok(mark) if mark.path > *last => break,
                Ok(mark) if paths.contains(&mark.path) => gone.push(mark.key),
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!("marks of removed files are left behind: {error}");
                    return;
                }
            }
        }
        if let Err(error) = self.operator.delete_iter(gone).await {
            tracing::warn!("marks of removed files are left behind: {error}");
        }
    }

    /// All marks whose name begins so, in order; from a path on where the storage can begin there.
    fn between(
        &self,
        prefix: &str,
        from: Option<&str>,
    ) -> BoxStream<'static, Result<Mark, opendal::Error>> {
        let (operator, base) = (self.operator.clone(), self.base.clone());
        let key = format!("{base}{prefix}");
        let skips = operator.info().capability().list_with_start_after;
        let start = from.filter(|_| skips).map(|from| format!("{base}{}{END}", escape(from)));
        let opened = async move {
            let options = opendal::options::ListOptions {
                recursive: true,
                start_after: start,
                ..opendal::options::ListOptions::default()
            };
            let found = operator.lister_options(&key, options).await?;
            Ok(found.filter_map(move |found| {
                let mark = match found {
                    Ok(found) => Mark::read(found.path(), &base).map(Ok),
                    Err(error) => Some(Err(error)),
                };
                std::future::ready(mark)
            }))
        };
        futures::stream::once(opened).flat_map(either).boxed()
    }

    /// A pass through the marks below a prefix.
    pub(super) fn pass(&self, prefix: &str) -> Pass {
        Pass { marks: self.clone(), prefix: prefix.to_owned(), rest: None, next: None }
    }
}

/// A stream, or the reason why there is none as its only item.
fn either<S, T>(opened: Result<S, opendal::Error>) -> BoxStream<'static, Result<T, opendal::Error>>
where
    S: futures::Stream<Item = Result<T, opendal::Error>> + Send + 'static,
    T: Send + 'static,
{
    match opened {
        Ok(stream) => stream.boxed(),
        Err(error) => futures::stream::iter([Err(error)]).boxed(),
    }
}

/// A pass through the marks, beside one through the files.
pub(super) struct Pass {
    marks: Marks,
    prefix: String,
    /// Opened for the first file that needs one: most stages have none.
    rest: Option<BoxStream<'static, Result<Mark, opendal::Error>>>,
    next: Option<Mark>,
}

impl Pass {
    /// The digests of this version of a file. Paths have to come in order. Where the marks can't be
    /// read nobody knows it, and the files are listed all the same.
    pub(super) async fn find(&mut self, path: &str, etag: &str) -> Option<Digests> {
        let marks = &self.marks;
        let prefix = &self.prefix;
        let rest = self.rest.get_or_insert_with(|| marks.between(&escape(prefix), Some(path)));
        let version = version(etag);
        loop {
            if self.next.is_none() {
                self.next = match rest.next().await? {
                    Ok(mark) => Some(mark),
                    Err(error) => {
                        tracing::warn!("the digests of large files can't be read: {error}");
                        *rest = futures::stream::empty().boxed();
                        None
                    }
                };
            }
            let next = self.next.as_ref()?;
            match next.path.as_str().cmp(path) {
                std::cmp::Ordering::Greater => return None,
                std::cmp::Ordering::Equal if next.version == version => return Some(next.digests),
                std::cmp::Ordering::Equal | std::cmp::Ordering::Less => self.next = None,
            }
        }
    }
}

/// A mark's name.
fn name_of(path: &str, etag: &str, Digests { md5, sha256 }: Digests) -> String {
    let md5 = md5.map_or_else(|| UNKNOWN_MD5.to_owned(), |md5| BASE64.encode(md5));
    let (version, sha256) = (version(etag), BASE64.encode(sha256));
    format!("{}{END}{version}{md5}{sha256}", escape(path))
}

impl Mark {
    fn read(key: &str, base: &str) -> Option<Mark> {
        let (path, tail) = key.strip_prefix(base)?.split_once(END)?;
        if !tail.is_ascii() || tail.len() != VERSION_CHARS + MD5_CHARS + SHA256_CHARS {
            return None;
        }
        let (version, digests) = tail.split_at(VERSION_CHARS);
        let (md5, sha256) = digests.split_at(MD5_CHARS);
        let md5 = match md5 {
            UNKNOWN_MD5 => None,
            md5 => Some(BASE64.decode(md5).ok()?.try_into().ok()?),
        };
        Some(Mark {
            key: key.to_owned(),
            path: unescape(path)?,
            version: version.to_owned(),
            digests: Digests { md5, sha256: BASE64.decode(sha256).ok()?.try_into().ok()? },
        })
    }
}

/// The directory of the marks for the files in a directory.
pub(super) fn dir_of(dir: &str) -> String {
    format!("digests/{dir}")
}

/// 64 bits of an ETag's digest: enough to tell the versions of one file apart.
fn version(etag: &str) -> String {
    let digest = Sha256::digest(etag.trim_matches('"'));
    BASE64.encode(digest.iter().copied().take(8).collect::<Vec<_>>())
}

/// A path in which nothing is below [`END`]; of any two, the order stays, and so does "begins with".
fn escape(path: &str) -> String {
    let mut name = String::with_capacity(path.len());
    for c in path.chars() {
        match c {
            ' ' => name.push_str("\"0"),
            '!' => name.push_str("\"1"),
            '"' => name.push_str("\"2"),
            c => name.push(c),
        }
    }
    name
}

fn unescape(name: &str) -> Option<String> {
    let mut path = String::with_capacity(name.len());
    let mut chars = name.chars();
    while let Some(c) = chars.next() {
        path.push(match c {
            '"' => match chars.next()? {
                '0' => ' ',
                '1' => '!',
                '2' => '"',
                _ => return None,
            },
            c => c,
        });
    }
    Some(path)
}

fn common_prefix<'a>(a: &'a str, b: &str) -> &'a str {
    let differs = a.char_indices().zip(b.chars()).find(|((_, x), y)| x != y);
    let end = differs.map_or(a.len().min(b.len()), |((at, _), _)| at);
    a.get(..end).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_in_the_order_of_their_files() {
        let mut paths =
            ["a", "a b", "a!b", "a\"b", "a#b", "a/b", "a/b c", "a0", "ab", "é", "a  b", "a! b"];
        paths.sort_unstable();
        let names: Vec<_> = paths.iter().map(|path| format!("{}{END}x", escape(path))).collect();
        assert!(names.is_sorted(), "{names:?}");
        for path in paths {
            assert_eq!(unescape(&escape(path)).as_deref(), Some(path));
        }
        assert_eq!(unescape("a\"9"), None);
    }

    #[test]
    fn a_mark_says_all_by_its_name() {
        for md5 in [Some([7; 16]), None] {
            let digests = Digests { md5, sha256: [8; 32] };
            let key = format!("d/{}", name_of("a b!", "\"e-2\"", digests));
            let mark = Mark::read(&key, "d/").expect("a mark");
            assert_eq!((mark.path.as_str(), mark.digests), ("a b!", digests));
            assert_eq!(mark.version, version("e-2"));
        }
        assert!(Mark::read("d/a!short", "d/").is_none());
        assert_eq!(common_prefix("ab/c", "ab/d"), "ab/");
        assert_eq!(common_prefix("a", "abc"), "a");
    }
}
