//! Who may be connected at a time. Beyond the limit there is a waiting room, so that an administrator
//! gets in whatever others do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};
use crate::instance::Instance;

/// Connections beyond the limit that are greeted, to see whether they are an administrator's. When one
/// more comes, the oldest that has not logged in is sent away.
const WAITING_ROOM: usize = 32;

/// All places.
pub(super) struct Places {
    instance: Arc<Instance>,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    /// Below the limit.
    regular: usize,
    /// Beyond it, by age, until they have logged in.
    waiting: BTreeMap<u64, CancellationToken>,
    /// Administrators who have come in through the waiting room.
    admitted: usize,
    /// The number of the newest one there.
    newest: u64,
}

/// Which place one connection has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Regular,
    Waiting(u64),
    Admitted,
}

/// The place of one connection, until it is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    kind: Mutex<Kind>,
    /// Cancelled when somebody else needs the place.
    pub(super) needed: CancellationToken,
}

impl Places {
    pub(super) fn new(instance: Arc<Instance>) -> Arc<Places> {
        Arc::new(Places { instance, taken: Mutex::default() })
    }

    fn most(&self) -> usize {
        self.instance.config.limits.max_connections
    }

    /// A place for a new connection; `None` if it is one too many.
    pub(super) fn take(self: &Arc<Places>) -> Option<Place> {
        let mut taken = self.taken.lock();
        let needed = CancellationToken::new();
        let kind = if taken.regular < self.most() {
            taken.regular += 1;
            Kind::Regular
        } else {
            if taken.admitted + taken.waiting.len() >= WAITING_ROOM {
                let (_, oldest) = taken.waiting.pop_first()?;
                oldest.cancel();
            }
            taken.newest += 1;
            let number = taken.newest;
            taken.waiting.insert(number, needed.clone());
            Kind::Waiting(number)
        };
        drop(taken);
        self.instance.connections.fetch_add(1, Ordering::Relaxed);
        Some(Place { places: Arc::clone(self), kind: Mutex::new(kind), needed })
    }
}

impl Place {
    /// Whoever wants to log in may do so: asked once his name is known, and before anything is proved.
    pub(super) fn may_log_in(&self, is_admin: bool) -> Result<()> {
        let mut kind = self.kind.lock();
        let Kind::Waiting(number) = *kind else { return Ok(()) };
        let mut taken = self.places.taken.lock();
        let free = taken.regular < self.places.most();
        // Who has been sent away in this moment is none of them any more.
        if !(free || is_admin) || taken.waiting.remove(&number).is_none() {
            return Err(Error::TooManyConnections);
        }
        if free {
            taken.regular += 1;
            *kind = Kind::Regular;
        } else {
            taken.admitted += 1;
            *kind = Kind::Admitted;
        }
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.instance.connections.fetch_sub(1, Ordering::Relaxed);
        let mut taken = self.places.taken.lock();
        match *self.kind.get_mut() {
            Kind::Regular => taken.regular -= 1,
            Kind::Admitted => taken.admitted -= 1,
            Kind::Waiting(number) => drop(taken.waiting.remove(&number)),
        }
    }
}
