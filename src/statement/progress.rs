//! What a client is told while a statement takes its time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::session::{ClientFiles, Progress};

/// How long a statement runs before the client hears of it, and between two reports. MariaDB waits
/// five seconds, but its statements are watched less often than transfers are, and a report is one
/// small packet.
const EVERY: Duration = Duration::from_secs(1);

/// Waits for work, and says meanwhile how far it is.
pub async fn tell<T>(
    client: &mut dyn ClientFiles,
    how_far: impl Fn() -> Progress,
    work: impl Future<Output = T>,
) -> T {
    let mut work = std::pin::pin!(work);
    loop {
        match tokio::time::timeout(EVERY, &mut work).await {
            Ok(done) => return done,
            Err(_) => client.report(&how_far()),
        }
    }
}

/// The same, while the client is there: work that is answered at its end has nobody to stop it otherwise.
pub async fn tell_while_there<T>(
    client: &mut dyn ClientFiles,
    how_far: impl Fn() -> Progress,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let mut work = std::pin::pin!(work);
    loop {
        match tokio::time::timeout(EVERY, &mut work).await {
            Ok(done) => return done,
            Err(_) if client.is_there() => client.report(&how_far()),
            Err(_) => return Err(Error::Disconnected { during: "a statement" }),
        }
    }
}

/// Counts what a stream has brought so far.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// All so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
