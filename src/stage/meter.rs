//! How many bytes of the server's own storage a user's files take, and may take: those of `@~`, and of
//! the internal stages that the user has made, whoever puts them there.
//!
//! What is used is found by listing, and kept up to date by what this server writes and removes. What
//! others do is seen at the next listing, a minute later at most. A file on its way has its bytes
//! reserved as they come, so files that come at the same time don't pass the bound together.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::stream::TryStreamExt;
use parking_lot::Mutex;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::stage::files::Files;
use crate::stage::name::StagePath;
use crate::stage::{Listed, Stages};

/// How long a listing is believed, but for what this server does.
const BELIEVED_FOR: Duration = Duration::from_secs(60);

/// One user's bytes.
#[derive(Debug, Default)]
pub(super) struct Meter {
    state: Mutex<State>,
    /// One listing at a time: who waits finds it done.
    listing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    user: String,
    /// 0 for none.
    limit: u64,
    used: u64,
    /// Of files on their way.
    reserved: u64,
    /// What was written since the listing began that is under way.
    written: u64,
    listed: Option<Instant>,
    /// The user's temporary stages, which no catalog knows.
    temporary: BTreeSet<Uuid>,
}

impl State {
    fn is_believed(&self) -> bool {
        self.listed.is_some_and(|at| at.elapsed() < BELIEVED_FOR)
    }

    /// Fails if there is no room for so many more bytes.
    fn check(&self, needed: u64) -> Result<()> {
        let taken = self.used.saturating_add(self.reserved);
        if self.limit == 0 || taken.saturating_add(needed) <= self.limit {
            return Ok(());
        }
        Err(Error::QuotaExceeded {
            user: self.user.clone(),
            quota: self.limit,
            used: taken,
            needed,
        })
    }
}

impl Meter {
    /// Fails if there is no room for another byte.
    fn check(&self) -> Result<()> {
        self.state.lock().check(1)
    }

    /// Bytes are gone.
    fn freed(&self, bytes: u64) {
        let mut state = self.state.lock();
        state.used = state.used.saturating_sub(bytes);
    }

    /// Nobody knows how much is gone.
    pub(super) fn forget(&self) {
        self.state.lock().listed = None;
    }

    /// A temporary stage begins or ends.
    pub(super) fn temporary(&self, id: Uuid, there: bool) {
        let mut state = self.state.lock();
        if there {
            state.temporary.insert(id);
        } else {
            state.temporary.remove(&id);
            state.listed = None;
        }
    }
}

/// The bytes of one file on its way. Dropped without [`Reservation::spend`], they are free again.
#[derive(Debug)]
pub(super) struct Reservation {
    meter: Arc<Meter>,
    bytes: Mutex<u64>,
}

impl Reservation {
    /// More of the file has come.
    pub(super) fn grow(&self, bytes: usize) -> Result<()> {
        self.grow_by(u64::try_from(bytes).unwrap_or(u64::MAX))
    }

    /// As [`Reservation::grow`].
    pub(super) fn grow_by(&self, bytes: u64) -> Result<()> {
        let mut state = self.meter.state.lock();
        // Where there is no bound it is counted all the same: one may come.
        state.check(bytes)?;
        state.reserved = state.reserved.saturating_add(bytes);
        *self.bytes.lock() += bytes;
        Ok(())
    }

    /// The file is there, in the place of one of `replaced` bytes.
    pub(super) fn spend(&self, replaced: u64) {
        let mut state = self.meter.state.lock();
        let bytes = std::mem::take(&mut *self.bytes.lock());
        state.reserved = state.reserved.saturating_sub(bytes);
        state.used = state.used.saturating_add(bytes).saturating_sub(replaced);
        state.written = state.written.saturating_add(bytes);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut state = self.meter.state.lock();
        state.reserved = state.reserved.saturating_sub(*self.bytes.lock());
    }
}

impl Files {
    /// Fails if whoever the files are counted for has no room for another byte.
    pub fn check_room(&self) -> Result<()> {
        self.meter.as_ref().map_or(Ok(()), |meter| meter.check())
    }

    /// For one file on its way.
    pub(super) fn reserve(&self) -> Result<Option<Arc<Reservation>>> {
        let Some(meter) = &self.meter else { return Ok(None) };
        meter.check()?;
        let bytes = Mutex::default();
        Ok(Some(Arc::new(Reservation { meter: Arc::clone(meter), bytes })))
    }

    /// Files are gone.
    pub(super) fn freed(&self, bytes: u64) {
        if let Some(meter) = &self.meter {
            meter.freed(bytes);
        }
    }

    /// The size of a file that is about to be replaced, where that is of interest.
    pub(super) async fn replaced(&self, path: &StagePath) -> u64 {
        if self.meter.is_none() {
            return 0;
        }
        self.stat(path).await.ok().flatten().map_or(0, |entry| entry.size)
    }
}

/// All users' meters.
#[derive(Debug, Default)]
pub(super) struct Meters(Mutex<HashMap<Uuid, Arc<Meter>>>);

impl Meters {
    /// A user's; `None` for what is counted for nobody.
    pub(super) fn of(&self, owner: Uuid) -> Option<Arc<Meter>> {
        if owner.is_nil() {
            return None;
        }
        Some(Arc::clone(self.0.lock().entry(owner).or_default()))
    }
}

impl Stages {
    /// From here on the files of this user are bounded; 0 for no bound. Finds out how many bytes they
    /// take, if that is not known any more.
    pub async fn bound(&self, owner: Uuid, user: &str, limit: u64) -> Result<()> {
        let Some(meter) = self.meters.of(owner) else { return Ok(()) };
        {
            let mut state = meter.state.lock();
            state.limit = limit;
            user.clone_into(&mut state.user);
            if limit == 0 || state.is_believed() {
                return Ok(());
            }
        }
        let _turn = meter.listing.lock().await;
        {
            let mut state = meter.state.lock();
            if state.is_believed() {
                return Ok(());
            }
            state.written = 0;
        }
        let used = self.bytes_of(owner, user, &meter).await?;
        let mut state = meter.state.lock();
        // What was written meanwhile may have been listed or not: rather twice than not at all.
        state.used = used.saturating_add(state.written);
        state.listed = Some(Instant::now());
        Ok(())
    }

    async fn bytes_of(&self, owner: Uuid, user: &str, meter: &Meter) -> Result<u64> {
        let mut places = vec![self.user_files(user, owner).await?];
        for listed in self.list(None).await? {
            if let Listed::Stage(definition) = listed
                && definition.owner == owner
                && definition.is_internal()
            {
                places.push(self.open_files(&definition).await?);
            }
        }
        let temporary: Vec<Uuid> = meter.state.lock().temporary.iter().copied().collect();
        places.extend(temporary.into_iter().map(|id| self.temporary_files(id)));
        let mut bytes: u64 = 0;
        for files in places {
            let mut entries = files.list(&StagePath::root());
            while let Some(entry) = entries.try_next().await? {
                bytes = bytes.saturating_add(entry.size);
            }
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter(limit: u64, used: u64) -> Arc<Meter> {
        let state = State { limit, used, ..State::default() };
        Arc::new(Meter { state: Mutex::new(state), ..Meter::default() })
    }

    fn reservation(meter: &Arc<Meter>) -> Reservation {
        Reservation { meter: Arc::clone(meter), bytes: Mutex::default() }
    }

    fn counts(meter: &Meter) -> (u64, u64) {
        let state = meter.state.lock();
        (state.used, state.reserved)
    }

    #[test]
    fn what_is_reserved_is_taken_until_it_is_given_up() {
        let meter = meter(100, 50);
        let (one, other) = (reservation(&meter), reservation(&meter));
        one.grow(30).expect("room");
        other.grow(20).expect("room");
        assert!(one.grow(1).is_err() && meter.check().is_err());
        drop(other);
        one.grow(20).expect("room again");
        one.spend(50);
        assert_eq!(counts(&meter), (50, 0));
        drop(one);
        meter.freed(40);
        assert_eq!(counts(&meter), (10, 0));
    }

    #[test]
    fn without_a_bound_everything_fits() {
        let meter = meter(0, u64::MAX);
        reservation(&meter).grow(7).expect("no bound");
        assert!(meter.check().is_ok());
    }

    #[test]
    fn the_error_says_how_much() {
        let error = reservation(&meter(100, 95)).grow(7).expect_err("too much");
        let Error::QuotaExceeded { quota: 100, used: 95, needed: 7, .. } = error else {
            panic!("{error}");
        };
    }
}
