//! What every call to a storage over the network goes through: a time limit, more tries where they may help, a bound
//! on how many there are at a time, and a count.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::StreamExt;
use opendal::layers::{RetryEvent, RetryLayer, TimeoutLayer};
use opendal::raw::{BoxedStaticFuture, Operation};
use opendal::{
    Buffer, ErrorKind, Execute, Executor, HttpBody, HttpTransport, HttpTransporter,
    OperationContext, Operator,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Instrument;

use crate::config::Limits;
use crate::metrics::StorageCall;
use crate::spans;
use crate::stage::alive::Alive;
use crate::stage::guard::{self, Guard};

/// Between tries. With five more than the first they end after some 15 seconds: long enough for a storage to
/// fail over, short enough for a person to wait.
const FIRST_DELAY: Duration = Duration::from_millis(200);
const LONGEST_DELAY: Duration = Duration::from_secs(8);

/// The rules of one server for its storages.
#[derive(Clone)]
pub(super) struct Calls {
    timeout: Duration,
    retries: usize,
    abandoned_after: Duration,
    alive: Arc<Alive>,
    /// `None`: any number at a time.
    turns: Option<Arc<Semaphore>>,
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl Calls {
    pub(super) fn of(limits: &Limits) -> Calls {
        let most = limits.max_storage_calls.min(Semaphore::MAX_PERMITS);
        Calls {
            timeout: Duration::from_secs(limits.storage_timeout_s),
            retries: limits.storage_retries,
            abandoned_after: limits.abandoned_after(),
            alive: Arc::default(),
            turns: (most > 0).then(|| Arc::new(Semaphore::new(most))),
        }
    }

    /// How long one call may take.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// How old an upload is that nobody goes on with.
    pub(super) fn abandoned_after(&self) -> Duration {
        self.abandoned_after
    }

    /// What is not, for this server is writing it.
    pub(super) fn alive(&self) -> &Arc<Alive> {
        &self.alive
    }

    /// An operator over the network, so that its calls go by these rules. `label` is whose they are, for the log.
    ///
    /// Each try is timed, so the timeout is inside of the retry.
    pub(super) fn lead(&self, operator: Operator, guard: Option<&Guard>, label: &str) -> Operator {
        let label = label.to_owned();
        let told = move |event: RetryEvent<'_>| tell(&label, &event);
        let context = OperationContext::default()
            .with_http_transport(self.way(guard))
            .with_executor(Executor::with(Beside));
        operator
            .with_context(context)
            .layer(TimeoutLayer::new().with_timeout(self.timeout).with_io_timeout(self.timeout))
            .layer(
                RetryLayer::new()
                    .with_max_times(self.retries)
                    .with_min_delay(FIRST_DELAY)
                    .with_max_delay(LONGEST_DELAY)
                    .with_jitter()
                    .with_notify(told),
            )
    }

    /// The way to the network, for whoever makes requests of his own.
    pub(super) fn way(&self, guard: Option<&Guard>) -> HttpTransporter {
        let way = guard.map_or_else(HttpTransporter::default, Guard::transporter);
        HttpTransporter::new(Turnstile { way, turns: self.turns.clone() })
    }
}

/// The error names the path, the address and what the storage has said.
fn tell(label: &str, event: &RetryEvent<'_>) {
    tracing::warn!(
        operation = event.op.into_static(),
        stage = label,
        attempt = event.attempt,
        "a storage call failed and is made again after {:?}: {}",
        event.retry_after,
        event.err
    );
}

/// Where OpenDAL runs what it does beside its caller: the span of that is the caller's.
struct Beside;

impl Execute for Beside {
    fn execute(&self, work: BoxedStaticFuture<()>) {
        let _goes_on = tokio::spawn(work.in_current_span());
    }
}

/// Where calls are let in one by one, and counted.
struct Turnstile {
    way: HttpTransporter,
    turns: Option<Arc<Semaphore>>,
}

impl Turnstile {
    async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        let turns = self.turns.clone()?;
        // It is never closed.
        turns.acquire_owned().await.ok()
    }
}

impl HttpTransport for Turnstile {
    async fn fetch(
        &self,
        request: http::Request<Buffer>,
    ) -> Result<http::Response<HttpBody>, opendal::Error> {
        let operation = request.extensions().get::<Operation>().copied();
        let turn = self.turn().await;
        let name = operation.map_or("other", Operation::into_static);
        let (call, span) = (StorageCall::begin(name), spans::storage_call(name));
        let answer = self.way.fetch(request).instrument(span.clone()).await;
        call.end(outcome(&answer));
        spans::called(&span, outcome(&answer));
        drop(span);
        let (head, body) = answer?.into_parts();
        // Who reads a file decides how long that takes, and may have to write elsewhere before he goes on: with
        // its turn kept until then, some copies could wait for each other for ever.
        let body = match operation {
            Some(Operation::Read) => body,
            Some(_) | None => body.map_inner(|blocks| {
                Box::new(blocks.map(move |block| {
                    let _kept = &turn;
                    block
                }))
            }),
        };
        Ok(http::Response::from_parts(head, body))
    }
}

/// For the count.
fn outcome(answer: &Result<http::Response<HttpBody>, opendal::Error>) -> &'static str {
    match answer {
        Ok(answer) => match answer.status().as_u16() {
            404 => "absent",
            401 | 403 => "denied",
            429 | 503 => "busy",
            500.. => "failed",
            400.. => "refused",
            _ => "ok",
        },
        Err(error) if guard::refused(error).is_some() => "denied",
        Err(error) if error.kind() == ErrorKind::PermissionDenied => "denied",
        Err(_) => "unreachable",
    }
}
