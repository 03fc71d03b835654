//! Whether what concurrent callers were told of one thing fits one order of their calls, in which each takes effect
//! between its beginning and its end (linearizability).
//! Source: Wing and Gong, "Testing and Verifying Concurrent Objects", 1993; what was tried is remembered.

use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::Hash;

/// A call, and what became of it. Times are of one clock.
#[derive(Debug, Clone)]
pub struct Call<T> {
    pub what: T,
    pub from: u64,
    /// `None` if nobody knows how it ended: it may have its effect at any later time, or never.
    pub to: Option<u64>,
}

/// The states that the last call may have left. Fails if no order explains all. `after` is the state behind a call;
/// `None` if it can't have ended so.
pub fn check<S: Clone + Eq + Hash, T: Debug>(
    start: S,
    calls: &mut [Call<T>],
    after: impl Fn(&S, &T) -> Option<S>,
) -> Result<HashSet<S>, String> {
    calls.sort_by_key(|call| call.from);
    let mut open = vec![(vec![false; calls.len()], start)];
    let (mut tried, mut ends, mut most) = (HashSet::new(), HashSet::new(), 0);
    while let Some((done, state)) = open.pop() {
        if !tried.insert((done.clone(), state.clone())) {
            continue;
        }
        most = most.max(done.iter().filter(|done| **done).count());
        let left: Vec<usize> = (0..calls.len()).filter(|index| !done[*index]).collect();
        // What begins behind the end of another comes behind it.
        let first_end = left.iter().filter_map(|index| calls[*index].to).min();
        if first_end.is_none() {
            ends.insert(state.clone());
        }
        let may_be_next = |index: &&usize| first_end.is_none_or(|end| calls[**index].from <= end);
        for index in left.iter().filter(may_be_next) {
            if let Some(state) = after(&state, &calls[*index].what) {
                let mut done = done.clone();
                done[*index] = true;
                open.push((done, state));
            }
        }
    }
    match ends.is_empty() {
        true => {
            Err(format!("no order explains more than {most} of these {}: {calls:#?}", calls.len()))
        }
        false => Ok(ends),
    }
}
