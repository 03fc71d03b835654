//! Who owns what: one server a data directory, one task a key.

use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Weak};

use jiff::Timestamp;
use parking_lot::Mutex;

use crate::error::{Error, Result};

/// The file that is locked; it tells who holds it.
const LOCK_FILE: &str = "stagewire.lock";

/// The right to write below a data directory. It ends with the process, however that ends.
#[derive(Debug)]
pub(super) struct DirLock {
    _file: File,
}

impl DirLock {
    /// Takes the right, or names who has it.
    pub(super) fn take(dir: &Path) -> Result<DirLock> {
        let path = dir.join(LOCK_FILE);
        let failed = |error: io::Error| Error::Startup {
            what: format!("Can't lock the data directory {}: {error}", dir.display()),
            hint: "give the server a directory that it may write to, by --data-dir".to_owned(),
        };
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = fs::read_to_string(&path).unwrap_or_default();
                return Err(Error::Startup {
                    what: format!(
                        "The data directory {} belongs to another server: {}",
                        dir.display(),
                        holder.trim()
                    ),
                    hint: "stop that one, or give this one its own --data-dir".to_owned(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        file.set_len(0).map_err(failed)?;
        let holder = format!("process {}, started {:.0}\n", std::process::id(), Timestamp::now());
        file.write_all(holder.as_bytes()).map_err(failed)?;
        Ok(DirLock { _file: file })
    }
}

/// Makes the entries of a directory durable: renaming a file alone is not.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    // Other systems than Unix can't open a directory, and need not.
    if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
}

/// One lock a key, within the process.
#[derive(Debug, Default)]
pub struct Locks {
    keys: Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>,
}

impl Locks {
    /// Waits until nobody else holds the key.
    pub async fn lock(&self, key: &str) -> tokio::sync::OwnedMutexGuard<()> {
        let lock = {
            let mut keys = self.keys.lock();
            match keys.get(key).and_then(Weak::upgrade) {
                Some(lock) => lock,
                None => {
                    // Swept when it would grow, so that the map stays as small as what is in use.
                    if keys.len() == keys.capacity() {
                        keys.retain(|_, lock| lock.strong_count() > 0);
                    }
                    let lock = Arc::new(tokio::sync::Mutex::new(()));
                    keys.insert(key.to_owned(), Arc::downgrade(&lock));
                    lock
                }
            }
        };
        lock.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_server_is_told_who_has_the_directory() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let held = DirLock::take(dir.path()).expect("free");
        let error = DirLock::take(dir.path()).expect_err("taken").to_string();
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        drop(held);
        DirLock::take(dir.path()).expect("free again");
    }

    #[tokio::test]
    async fn a_key_is_held_by_one() {
        let locks = Locks::default();
        let held = locks.lock("a").await;
        let other = locks.lock("b").await;
        assert!(futures::FutureExt::now_or_never(locks.lock("a")).is_none());
        drop((held, other));
        let _again = locks.lock("a").await;
    }
}
