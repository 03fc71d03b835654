//! Many files over several connections.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::connection::{Link, Server};

/// Does one job after the other on each of `connections` connections, which are opened as they are
/// needed, and hands each result on as it comes. Dropped before its end, all of it stops.
pub async fn run<J, R, F>(
    server: &Server,
    connections: usize,
    jobs: Vec<J>,
    work: F,
    mut done: impl FnMut(R),
) where
    J: Send + 'static,
    R: Send + 'static,
    F: AsyncJob<J, R>,
{
    let connections = connections.min(jobs.len());
    let jobs = Arc::new(Mutex::new(VecDeque::from(jobs)));
    let (results, mut finished) = mpsc::channel(connections.max(1));
    let mut workers = JoinSet::new();
    for _ in 0..connections {
        let (jobs, results, work) = (Arc::clone(&jobs), results.clone(), work.clone());
        let mut link = Link::new(server);
        workers.spawn(async move {
            loop {
                let Some(job) = jobs.lock().pop_front() else { break };
                let result = work.run(&mut link, job).await;
                if results.send(result).await.is_err() {
                    break;
                }
            }
            link.close().await;
        });
    }
    drop(results);
    while let Some(result) = finished.recv().await {
        done(result);
    }
    // A panic of a worker is a mistake of ours, and not to be taken for the end of its files.
    while let Some(ended) = workers.join_next().await {
        if let Err(error) = ended
            && error.is_panic()
        {
            std::panic::resume_unwind(error.into_panic());
        }
    }
}

/// One job on one connection.
pub trait AsyncJob<J, R>: Clone + Send + 'static {
    /// Does it. What fails is part of the result.
    fn run(&self, link: &mut Link, job: J) -> impl Future<Output = R> + Send;
}
