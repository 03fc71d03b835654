//! What a storage said, as our error: the kind for the client, the whole text for the log.

use std::error::Error as _;
use std::io;

use jiff::{SignedDuration, Timestamp};

use crate::error::{Error, StorageKind};
use crate::stage::guard;

/// Turns a storage's failure into ours. `stage` is such as `stage 'lake'` or `the catalog`.
pub(super) fn storage(
    operation: &'static str,
    stage: &str,
    path: &str,
    error: &opendal::Error,
) -> Error {
    if let Some(refused) = guard::refused(error) {
        let url = refused.address.clone();
        return Error::UrlNotAllowed { url, setting: refused.setting };
    }
    Error::Storage {
        operation,
        stage: stage.to_owned(),
        path: path.to_owned(),
        kind: kind(error),
        detail: error.to_string(),
    }
}

/// A failure after which it can't be told whether what was to be done has been done.
pub(super) fn unknown(
    operation: &'static str,
    stage: &str,
    path: &str,
    error: &opendal::Error,
) -> Error {
    let (stage, path, detail) = (stage.to_owned(), path.to_owned(), error.to_string());
    Error::Storage { operation, stage, path, kind: StorageKind::Unknown, detail }
}

/// A failure of the file system that OpenDAL had no part in.
pub(super) fn io(operation: &'static str, stage: &str, path: &str, error: &io::Error) -> Error {
    Error::Storage {
        operation,
        stage: stage.to_owned(),
        path: path.to_owned(),
        kind: io_kind(error).unwrap_or(StorageKind::Failed),
        detail: error.to_string(),
    }
}

/// Whether the path does not exist. On a file system, a path below a file doesn't either.
pub(super) fn is_absent(error: &opendal::Error) -> bool {
    matches!(error.kind(), opendal::ErrorKind::NotFound)
        || kind(error) == StorageKind::NotADirectory
}

/// Whether a path of this machine does not exist.
pub(super) fn is_absent_io(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// What S3 and its like call a session token whose time is over. With status 400 or 403, so OpenDAL's kinds don't
/// tell it.
const EXPIRED: &str = "ExpiredToken";

/// What they call a request that is signed by another clock than theirs.
const SKEWED: &str = "RequestTimeTooSkewed";

/// As far apart as clocks may be for Amazon S3 and most others.
const MAX_SKEW: SignedDuration = SignedDuration::from_mins(15);

/// Whether a refusal comes of clocks that differ. The answer to HEAD has no text that would say so, but a time.
fn is_skewed(error: &opendal::Error) -> bool {
    let text = error.to_string();
    text.contains(SKEWED)
        || error.kind() == opendal::ErrorKind::PermissionDenied
            && time_of(&text)
                .is_some_and(|theirs| Timestamp::now().duration_since(theirs).abs() >= MAX_SKEW)
}

/// When an answer was given. OpenDAL shows the headers of one that it makes an error of.
fn time_of(text: &str) -> Option<Timestamp> {
    let (_, rest) = text.split_once("\"date\": \"")?;
    let (date, _) = rest.split_once('"')?;
    jiff::fmt::rfc2822::parse(date).ok().map(|date| date.timestamp())
}

#[expect(clippy::wildcard_enum_match_arm, reason = "kinds to come are failures too")]
fn kind(error: &opendal::Error) -> StorageKind {
    if let Some(kind) = error.source().and_then(|s| s.downcast_ref()).and_then(io_kind) {
        return kind;
    }
    if error.to_string().contains(EXPIRED) {
        return StorageKind::Expired;
    }
    if is_skewed(error) {
        return StorageKind::Clock;
    }
    match error.kind() {
        // S3 and its like; for OpenDAL a missing bucket is a wrong setting.
        opendal::ErrorKind::ConfigInvalid if error.to_string().contains("NoSuchBucket") => {
            StorageKind::NotFound
        }
        opendal::ErrorKind::NotFound => StorageKind::NotFound,
        opendal::ErrorKind::PermissionDenied => StorageKind::Denied,
        opendal::ErrorKind::RateLimited => StorageKind::Busy,
        opendal::ErrorKind::Unsupported => StorageKind::Unsupported,
        opendal::ErrorKind::IsADirectory
        | opendal::ErrorKind::NotADirectory
        | opendal::ErrorKind::AlreadyExists => StorageKind::NotADirectory,
        _ => StorageKind::Failed,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "of forty kinds, few mean something to a user")]
fn io_kind(error: &io::Error) -> Option<StorageKind> {
    Some(match error.kind() {
        io::ErrorKind::NotFound => StorageKind::NotFound,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => StorageKind::Denied,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            StorageKind::Full
        }
        // Making a directory where a file is, is "already exists".
        io::ErrorKind::NotADirectory
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::AlreadyExists => StorageKind::NotADirectory,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_from_a_broken_one() {
        let full = opendal::Error::new(opendal::ErrorKind::Unexpected, "write")
            .set_source(io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(kind(&full), StorageKind::Full);
        let broken = opendal::Error::new(opendal::ErrorKind::Unexpected, "connection reset");
        assert_eq!(kind(&broken), StorageKind::Failed);
    }
}
