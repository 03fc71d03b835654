//! The digests of a file in a directory of this machine: an extended attribute of the file itself, so it
//! goes where the file goes and ends with it.
//!
//! It names the file's size and the time of its last change besides. Whoever writes into the file
//! later changes these, and the attribute counts no more. A file system without attributes keeps
//! none, and then nobody knows the digests.

use std::path::Path;

use jiff::Timestamp;

use crate::stage::digest::{Digests, of_hex};

/// Attributes of users begin with `user.` on Linux, and may anywhere else.
const NAME: &str = "user.stagewire.digests";

/// In the place of an MD5 that was not computed.
#[cfg(unix)]
const UNKNOWN: &str = "-";

/// Notes the digests of a file that has just been put in place.
#[cfg(unix)]
pub(super) fn set(file: &Path, digests: Digests, size: u64, changed: Timestamp) {
    let Digests { md5, sha256 } = digests;
    let md5 = md5.map_or_else(|| UNKNOWN.to_owned(), hex::encode);
    let value = format!("{md5} {} {size} {}", hex::encode(sha256), changed.as_nanosecond());
    if let Err(error) = xattr::set(file, NAME, value.as_bytes()) {
        tracing::debug!(file = %file.display(), "the digests aren't kept: {error}");
    }
}

/// The digests of a file of this size, last changed then.
#[cfg(unix)]
pub(super) fn get(file: &Path, size: u64, changed: Timestamp) -> Option<Digests> {
    let value = xattr::get(file, NAME).ok()??;
    let mut words = std::str::from_utf8(&value).ok()?.split(' ');
    let md5 = match words.next()? {
        UNKNOWN => None,
        digits => Some(of_hex(digits)?),
    };
    let sha256 = of_hex(words.next()?)?;
    let same_size = words.next()?.parse() == Ok(size);
    let same_time = words.next()?.parse() == Ok(changed.as_nanosecond());
    (same_size && same_time).then_some(Digests { md5, sha256 })
}

/// Nothing is kept.
#[cfg(not(unix))]
pub(super) fn set(_file: &Path, _digests: Digests, _size: u64, _changed: Timestamp) {}

/// Nothing is known.
#[cfg(not(unix))]
pub(super) fn get(_file: &Path, _size: u64, _changed: Timestamp) -> Option<Digests> {
    None
}
