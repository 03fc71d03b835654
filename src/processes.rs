//! Which connections there are and what each of them does: for `SHOW PROCESSLIST` and `KILL`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// All connections that have logged in.
#[derive(Debug, Default)]
pub struct Processes(Mutex<BTreeMap<u32, Arc<Process>>>);

/// Whose a connection is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// The user's name.
    pub user: String,
    /// The user's id: a later user of the name has another.
    pub id: Uuid,
    /// The address of the client.
    pub host: String,
}

/// One connection.
#[derive(Debug)]
pub struct Process {
    /// Its number, as in `CONNECTION_ID()`.
    pub id: u32,
    /// Whose it is.
    pub who: Who,
    /// Cancelled by `KILL CONNECTION`.
    killed: CancellationToken,
    work: Mutex<Work>,
}

/// How a statement came. Prints as MySQL shows it in `SHOW PROCESSLIST`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Came {
    /// As a text: `COM_QUERY`.
    AsText,
    /// Prepared before: `COM_STMT_EXECUTE`.
    Prepared,
}

impl fmt::Display for Came {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Came::AsText => "Query",
            Came::Prepared => "Execute",
        })
    }
}

#[derive(Debug)]
struct Work {
    database: Option<String>,
    came: Came,
    /// The statement that runs, without its secrets.
    statement: Option<String>,
    since: Instant,
    /// Cancelled by `KILL QUERY`.
    interrupted: CancellationToken,
}

/// What is shown of a connection.
#[derive(Debug, Clone)]
pub struct Shown {
    /// Its number.
    pub id: u32,
    /// Whose it is.
    pub who: Who,
    /// Its current database.
    pub database: Option<String>,
    /// The statement that runs.
    pub statement: Option<String>,
    /// How it came.
    pub came: Came,
    /// For how long, or for how long none has.
    pub time: Duration,
}

/// A connection's place among the others, until it is dropped.
#[derive(Debug)]
pub struct Seat {
    all: Arc<Processes>,
    process: Arc<Process>,
}

/// A statement that runs, until it is dropped.
#[derive(Debug)]
pub struct Running {
    process: Arc<Process>,
    /// Cancelled by `KILL QUERY`.
    pub interrupted: CancellationToken,
}

impl Processes {
    /// Adds a connection, unless its user has `most` of them; 0 for any number. Who kills it cancels
    /// `killed`.
    pub fn enter(
        self: &Arc<Processes>,
        id: u32,
        who: Who,
        killed: CancellationToken,
        most: u64,
    ) -> Option<Seat> {
        let work = Work {
            database: None,
            came: Came::AsText,
            statement: None,
            since: Instant::now(),
            interrupted: CancellationToken::new(),
        };
        let process = Arc::new(Process { id, who, killed, work: Mutex::new(work) });
        let mut all = self.0.lock();
        let own = all.values().filter(|other| other.who.id == process.who.id).count();
        if is_reached(own, most) {
            return None;
        }
        all.insert(id, process.clone());
        drop(all);
        Some(Seat { all: self.clone(), process })
    }

    /// The connection of this number.
    pub fn get(&self, id: u64) -> Option<Arc<Process>> {
        let id = u32::try_from(id).ok()?;
        self.0.lock().get(&id).cloned()
    }

    /// All of them, by number.
    pub fn all(&self) -> Vec<Shown> {
        let processes: Vec<_> = self.0.lock().values().cloned().collect();
        processes.iter().map(|process| process.show()).collect()
    }
}

fn is_reached(count: usize, most: u64) -> bool {
    most > 0 && u64::try_from(count).unwrap_or(u64::MAX) >= most
}

impl Process {
    /// Ends the statement that runs, if one does.
    pub fn interrupt(&self) {
        self.work.lock().interrupted.cancel();
    }

    /// Ends the connection.
    pub fn kill(&self) {
        self.killed.cancel();
    }

    fn show(&self) -> Shown {
        let work = self.work.lock();
        Shown {
            id: self.id,
            who: self.who.clone(),
            database: work.database.clone(),
            statement: work.statement.clone(),
            came: work.came,
            time: work.since.elapsed(),
        }
    }
}

impl Seat {
    /// A statement begins, unless `most` of its user run already; 0 for any number.
    pub fn run(
        &self,
        statement: String,
        came: Came,
        database: Option<&str>,
        most: u64,
    ) -> Option<Running> {
        // Held until this one counts.
        let all = (most > 0).then(|| self.all.0.lock());
        if let Some(all) = &all {
            let own = all.values().filter(|other| other.who.id == self.process.who.id);
            let running = own.filter(|other| other.work.lock().statement.is_some()).count();
            if is_reached(running, most) {
                return None;
            }
        }
        let mut work = self.process.work.lock();
        work.came = came;
        work.database = database.map(str::to_owned);
        work.statement = Some(statement);
        work.since = Instant::now();
        work.interrupted = CancellationToken::new();
        Some(Running { process: self.process.clone(), interrupted: work.interrupted.clone() })
    }

    /// Whether the statement that runs is to end.
    pub fn is_interrupted(&self) -> bool {
        let work = self.process.work.lock();
        work.interrupted.is_cancelled() || self.process.killed.is_cancelled()
    }

    /// Another database is the current one.
    pub fn uses(&self, database: Option<&str>) {
        self.process.work.lock().database = database.map(str::to_owned);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut work = self.process.work.lock();
        work.statement = None;
        work.since = Instant::now();
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.all.0.lock().remove(&self.process.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_leaves_is_not_shown_any_more() {
        let all = Arc::new(Processes::default());
        let killed = CancellationToken::new();
        let who = Who { user: "root".to_owned(), id: Uuid::nil(), host: "::1".to_owned() };
        let seat = all.enter(7, who.clone(), killed.clone(), 1).expect("room");
        let running =
            seat.run("LIST @s".to_owned(), Came::AsText, Some("default"), 1).expect("room");
        // No second one of either.
        assert!(all.enter(8, who.clone(), killed.clone(), 1).is_none());
        let second = all.enter(8, who.clone(), killed.clone(), 2).expect("room");
        assert!(second.run("LIST @s".to_owned(), Came::AsText, None, 1).is_none());
        assert!(second.run("KILL 7".to_owned(), Came::AsText, None, 0).is_some());
        let other = Who { id: Uuid::from_u128(1), ..who };
        assert!(all.enter(9, other, killed.clone(), 1).is_some());
        drop(second);
        assert_eq!(all.all()[0].statement.as_deref(), Some("LIST @s"));
        all.get(7).expect("there").interrupt();
        assert!(running.interrupted.is_cancelled() && !killed.is_cancelled());
        assert!(seat.is_interrupted());
        drop(running);
        // The next statement is another one.
        assert!(
            !seat
                .run("LIST @s".to_owned(), Came::AsText, None, 1)
                .expect("room")
                .interrupted
                .is_cancelled()
        );
        all.get(7).expect("there").kill();
        assert!(killed.is_cancelled());
        drop(seat);
        assert!(all.all().is_empty() && all.get(7).is_none() && all.get(u64::MAX).is_none());
    }
}
