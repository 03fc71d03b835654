//! What files on their way may hold in memory, all together.
//!
//! Each file has what it may need reserved before it begins, in parts as few as are enough where there is little left:
//! so one that has begun never waits for another, and no number of them takes more than the bound.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::Limits;
use crate::error::{Error, Result};

/// Memory is counted in these.
const UNIT: u64 = 1024;

/// All of it.
#[derive(Debug)]
pub(super) struct Memory {
    free: Arc<Semaphore>,
    /// In units.
    most: u32,
    /// How long a file waits for others to end.
    patience: Duration,
}

/// What one file may hold, until it is dropped.
#[derive(Debug)]
pub(super) struct Held(OwnedSemaphorePermit);

impl Default for Memory {
    fn default() -> Memory {
        Memory::of(&Limits::default())
    }
}

impl Memory {
    pub(super) fn of(limits: &Limits) -> Memory {
        let most = units(limits.max_upload_memory_bytes);
        let free = Arc::new(Semaphore::new(usize::try_from(most).unwrap_or(usize::MAX)));
        Memory { free, most, patience: limits.net_timeout() }
    }

    /// The first of these amounts that is free, and else the last, once it is. One that is more than all is all.
    pub(super) async fn reserve(&self, amounts: impl IntoIterator<Item = u64>) -> Result<Held> {
        let mut least = 0;
        for bytes in amounts {
            least = units(bytes).min(self.most);
            if let Ok(held) = Arc::clone(&self.free).try_acquire_many_owned(least) {
                return Ok(Held(held));
            }
        }
        let turn = Arc::clone(&self.free).acquire_many_owned(least);
        match tokio::time::timeout(self.patience, turn).await {
            Ok(Ok(held)) => Ok(Held(held)),
            Ok(Err(_)) | Err(_) => Err(Error::NoTurn {
                limit: "max_upload_memory_bytes",
                most: u64::from(self.most) * UNIT,
                waited_s: self.patience.as_secs(),
            }),
        }
    }

    /// Bytes that are reserved.
    pub(super) fn reserved(&self) -> u64 {
        let free = u64::try_from(self.free.available_permits()).unwrap_or_default();
        u64::from(self.most).saturating_sub(free) * UNIT
    }
}

impl Held {
    /// In bytes.
    pub(super) fn bytes(&self) -> u64 {
        u64::try_from(self.0.num_permits()).unwrap_or_default() * UNIT
    }

    /// The file will not need more than this any longer.
    pub(super) fn shrink(&mut self, bytes: u64) {
        let rest = usize::try_from(units(bytes)).unwrap_or(usize::MAX);
        drop(self.0.split(self.0.num_permits().saturating_sub(rest)));
    }
}

fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(bytes: u64) -> Memory {
        let limits =
            Limits { max_upload_memory_bytes: bytes, net_timeout_s: 0, ..Limits::default() };
        Memory::of(&limits)
    }

    #[tokio::test]
    async fn where_little_is_left_less_is_taken_and_then_none() {
        let memory = memory(100 * UNIT);
        let first = memory.reserve([60 * UNIT, 20 * UNIT]).await.expect("free");
        let mut second = memory.reserve([60 * UNIT, 20 * UNIT]).await.expect("less");
        assert_eq!(
            (first.bytes(), second.bytes(), memory.reserved()),
            (60 * UNIT, 20 * UNIT, 80 * UNIT)
        );
        let error = memory.reserve([60 * UNIT, 30 * UNIT]).await.expect_err("none");
        assert_eq!((error.code().number, error.code().state), (1205, "HY000"));
        second.shrink(UNIT + 1);
        assert_eq!(memory.reserved(), 62 * UNIT);
        drop((first, second));
        // However much one file needs, it may come alone.
        let all = memory.reserve([1000 * UNIT]).await.expect("all");
        assert_eq!((all.bytes(), memory.reserved()), (100 * UNIT, 100 * UNIT));
    }

    #[tokio::test]
    async fn who_waits_gets_what_others_have_left() {
        let limits = Limits { max_upload_memory_bytes: 10 * UNIT, ..Limits::default() };
        let memory = Memory::of(&limits);
        let first = memory.reserve([8 * UNIT]).await.expect("free");
        let end = async {
            tokio::task::yield_now().await;
            drop(first);
        };
        let (second, ()) = tokio::join!(memory.reserve([8 * UNIT]), end);
        assert_eq!(second.expect("free again").bytes(), 8 * UNIT);
    }
}
