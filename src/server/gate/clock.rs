//! How long a client may be silent.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// No wait is longer, whatever the configuration says; it keeps the arithmetic of times safe.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// A deadline that moves often and is seldom reached: moving it later costs no timer.
#[derive(Debug)]
pub(super) struct Clock {
    sleep: Pin<Box<Sleep>>,
    due: Instant,
}

impl Clock {
    /// Starts.
    pub(super) fn new(time: Duration) -> Clock {
        let due = Instant::now() + time.min(LONGEST);
        Clock { sleep: Box::pin(sleep_until(due)), due }
    }

    /// Starts again.
    pub(super) fn restart(&mut self, time: Duration) {
        self.due = Instant::now() + time.min(LONGEST);
        if self.due < self.sleep.deadline() {
            self.sleep.as_mut().reset(self.due);
        }
    }

    /// Ready once the time is over.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.sleep.as_mut().poll(cx));
            if Instant::now() >= self.due {
                return Poll::Ready(());
            }
            self.sleep.as_mut().reset(self.due);
        }
    }
}
