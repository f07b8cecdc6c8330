//! When a request is sent again: a policy for tower's `Retry`.

use std::{
    error::Error as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Sleep;
use tonic::{Code, Status};
use tower::{
    retry::{
        Policy,
        backoff::{Backoff as _, ExponentialBackoff, ExponentialBackoffMaker, InvalidBackoff, MakeBackoff as _},
        budget::{Budget as _, TpsBudget},
    },
    util::rng::HasherRng,
};

const TIMES: u32 = 12;
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LAST_PAUSE: Duration = Duration::from_millis(500);

/// Sends a request again if nobody answered it. Only for requests that may be done twice: the first may have been,
/// without an answer.
#[derive(Clone, Debug)]
pub struct Idempotent {
    left: u32,
    pauses: ExponentialBackoff<HasherRng>,
    /// All requests share it: when much fails, retries are no more than half of what succeeds, and 100 a second.
    budget: Arc<TpsBudget>,
    retries: Arc<AtomicU64>,
}

impl Idempotent {
    /// Up to twelve times, after pauses that double, as long as the budget allows it.
    ///
    /// # Errors
    ///
    /// If the pauses are out of order, which they are not.
    pub fn new() -> Result<Self, InvalidBackoff> {
        let pauses = ExponentialBackoffMaker::new(FIRST_PAUSE, LAST_PAUSE, 0.5, HasherRng::new())?.make_backoff();
        let budget = Arc::new(TpsBudget::new(Duration::from_secs(10), 100, 0.5));
        Ok(Self { left: TIMES, pauses, budget, retries: Arc::default() })
    }

    /// How many requests were sent again, by all clones.
    #[must_use]
    pub fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }
}

impl<Request: Clone, Response> Policy<Request, Response, Status> for Idempotent {
    type Future = Sleep;

    fn retry(&mut self, _: &mut Request, result: &mut Result<Response, Status>) -> Option<Sleep> {
        let status = match result {
            Ok(_) => {
                self.budget.deposit();
                return None;
            }
            Err(status) => status,
        };
        if !nobody_answered(status) || self.left == 0 || !self.budget.withdraw() {
            return None;
        }
        self.left -= 1;
        self.retries.fetch_add(1, Ordering::Relaxed);
        Some(self.pauses.next_backoff())
    }

    fn clone_request(&mut self, request: &Request) -> Option<Request> {
        Some(request.clone())
    }
}

/// Whether the server could not answer, or did not: a status of our own side has a source, one from the server none.
fn nobody_answered(status: &Status) -> bool {
    status.code() == Code::Unavailable || status.source().is_some()
}
