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
    statement: Option<Arc<str>>,
    since: Instant,
    /// Cancelled by `KILL QUERY`.
    interrupted: CancellationToken,
    /// How far it is.
    state: State,
}

/// How far a statement is. Prints as `SHOW PROCESSLIST` shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum State {
    /// Nothing runs.
    #[default]
    Idle,
    /// It runs.
    Executing,
    /// What it says itself, such as `copying files: 40%`.
    Says(String),
    /// It takes files from the client.
    Receiving {
        /// The number of the file; the first is 1.
        file: u64,
        /// How many there will be; 0 if nobody knows.
        of: u64,
        /// Bytes of all of them so far.
        bytes: u64,
        /// Since the first was asked for.
        time: Duration,
    },
    /// It gives rows to the client.
    Sending {
        /// So far.
        rows: u64,
        /// Of texts and contents.
        bytes: u64,
        /// Since the first.
        time: Duration,
    },
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            State::Idle => Ok(()),
            State::Executing => f.write_str("executing"),
            State::Says(what) => f.write_str(what),
            State::Receiving { file, of, bytes, time } => {
                write!(f, "receiving file {file}")?;
                if *of > 0 {
                    write!(f, " of {of}")?;
                }
                write!(f, ": {bytes} bytes, {} bytes/s", rate(*bytes, *time))
            }
            State::Sending { rows, bytes, time } => {
                write!(f, "sending row {rows}: {bytes} bytes, {} bytes/s", rate(*bytes, *time))
            }
        }
    }
}

/// Bytes a second.
fn rate(bytes: u64, time: Duration) -> u64 {
    let rate = u128::from(bytes) * 1000 / time.as_millis().max(1);
    u64::try_from(rate).unwrap_or(u64::MAX)
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
    pub statement: Option<Arc<str>>,
    /// How it came.
    pub came: Came,
    /// For how long, or for how long none has.
    pub time: Duration,
    /// How far it is.
    pub state: State,
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

/// Tells others how far a statement is.
#[derive(Debug, Clone)]
pub struct Teller {
    process: Arc<Process>,
    begun: Instant,
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
            state: State::Idle,
        };
        let process = Arc::new(Process { id, who, killed, work: Mutex::new(work) });
        let mut all = self.0.lock();
        let own = || all.values().filter(|other| other.who.id == process.who.id).count();
        // They are not counted where nobody asks: a log-in does not wait for a look at all connections.
        if most > 0 && is_reached(own(), most) {
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
    u64::try_from(count).unwrap_or(u64::MAX) >= most
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
            state: work.state.clone(),
        }
    }
}

impl Seat {
    /// A statement begins, unless `most` of its user run already; 0 for any number.
    pub fn run(&self, statement: Arc<str>, came: Came, most: u64) -> Option<Running> {
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
        work.statement = Some(statement);
        work.since = Instant::now();
        work.interrupted = CancellationToken::new();
        work.state = State::Executing;
        Some(Running { process: self.process.clone(), interrupted: work.interrupted.clone() })
    }

    /// Whether the statement that runs is to end.
    pub fn is_interrupted(&self) -> bool {
        let work = self.process.work.lock();
        work.interrupted.is_cancelled() || self.process.killed.is_cancelled()
    }

    /// Another database is the current one.
    pub fn uses(&self, database: Option<&str>) {
        let mut work = self.process.work.lock();
        if work.database.as_deref() != database {
            work.database = database.map(str::to_owned);
        }
    }
}

impl Running {
    /// Whoever tells how far it is.
    pub fn teller(&self) -> Teller {
        Teller { process: Arc::clone(&self.process), begun: Instant::now() }
    }
}

impl Teller {
    /// What is done now.
    pub fn say(&self, what: String) {
        self.process.work.lock().state = State::Says(what);
    }

    /// So many files will be asked for, and the first of them is next.
    pub fn expects(&mut self, files: usize) {
        self.begun = Instant::now();
        let of = u64::try_from(files).unwrap_or(u64::MAX);
        let time = Duration::ZERO;
        self.process.work.lock().state = State::Receiving { file: 0, of, bytes: 0, time };
    }

    /// The next file is asked for.
    pub fn begins_file(&mut self) {
        if !matches!(self.process.work.lock().state, State::Receiving { .. }) {
            self.expects(0);
        }
        if let State::Receiving { file, .. } = &mut self.process.work.lock().state {
            *file += 1;
        }
    }

    /// So many bytes of a file have come.
    pub fn received(&self, more: usize) {
        if let State::Receiving { bytes, time, .. } = &mut self.process.work.lock().state {
            *bytes = bytes.saturating_add(u64::try_from(more).unwrap_or(u64::MAX));
            *time = self.begun.elapsed();
        }
    }

    /// Another row has gone, with so many bytes.
    pub fn sent(&self, more: usize) {
        let state = &mut self.process.work.lock().state;
        let (rows, bytes) = match state {
            State::Sending { rows, bytes, .. } => (*rows, *bytes),
            State::Idle | State::Executing | State::Says(_) | State::Receiving { .. } => (0, 0),
        };
        let bytes = bytes.saturating_add(u64::try_from(more).unwrap_or(u64::MAX));
        *state = State::Sending { rows: rows + 1, bytes, time: self.begun.elapsed() };
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut work = self.process.work.lock();
        work.statement = None;
        work.state = State::Idle;
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
    fn how_far_a_transfer_is_is_told_with_its_rate() {
        let time = Duration::from_millis(500);
        let receiving = State::Receiving { file: 2, of: 5, bytes: 1000, time };
        assert_eq!(receiving.to_string(), "receiving file 2 of 5: 1000 bytes, 2000 bytes/s");
        let sending = State::Sending { rows: 3, bytes: 10, time: Duration::ZERO };
        assert_eq!(sending.to_string(), "sending row 3: 10 bytes, 10000 bytes/s");
        assert_eq!(State::Idle.to_string(), "");
    }

    #[test]
    fn who_leaves_is_not_shown_any_more() {
        let all = Arc::new(Processes::default());
        let killed = CancellationToken::new();
        let who = Who { user: "root".to_owned(), id: Uuid::nil(), host: "::1".to_owned() };
        let seat = all.enter(7, who.clone(), killed.clone(), 1).expect("room");
        seat.uses(Some("default"));
        let running = seat.run("LIST @s".into(), Came::AsText, 1).expect("room");
        // No second one of either.
        assert!(all.enter(8, who.clone(), killed.clone(), 1).is_none());
        let second = all.enter(8, who.clone(), killed.clone(), 2).expect("room");
        assert!(second.run("LIST @s".into(), Came::AsText, 1).is_none());
        assert!(second.run("KILL 7".into(), Came::AsText, 0).is_some());
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
            !seat.run("LIST @s".into(), Came::AsText, 1).expect("room").interrupted.is_cancelled()
        );
        all.get(7).expect("there").kill();
        assert!(killed.is_cancelled());
        drop(seat);
        assert!(all.all().is_empty() && all.get(7).is_none() && all.get(u64::MAX).is_none());
    }
}
