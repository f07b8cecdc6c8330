//! A service that notes all that is done to it.

use std::{
    future::{Future, pending},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use tokio::{sync::Semaphore, task::yield_now};
use tower::Service;

use crate::harness::{DropNote, Seen};

/// What becomes of a request.
#[derive(Clone)]
pub(crate) enum Fate {
    /// Answered in `call`.
    Answer,
    /// Answered after some polls.
    Later,
    /// Answered when there is a permit.
    Gate(Arc<Semaphore>),
    Error,
    PanicInCall,
    PanicInFuture,
    Never,
}

pub(crate) struct Ask {
    pub(crate) name: String,
    pub(crate) fate: Fate,
    note: DropNote,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused(pub(crate) String);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "refused: {}", self.0)
    }
}

impl std::error::Error for Refused {}

pub(crate) struct Answer {
    pub(crate) name: String,
    _note: DropNote,
}

/// Clones and drops of the service are counted and not noted: there is one more of each for a call through the layer.
pub(crate) struct Probe {
    seen: Seen,
    pub(crate) counts: Arc<Counts>,
}

#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) clones: AtomicUsize,
    pub(crate) instances: AtomicUsize,
    pub(crate) in_flight: AtomicUsize,
    pub(crate) most_in_flight: AtomicUsize,
}

impl Counts {
    pub(crate) fn get(count: &AtomicUsize) -> usize {
        count.load(Ordering::Relaxed)
    }
}

impl Probe {
    pub(crate) fn new(seen: &Seen) -> Self {
        let counts = Arc::new(Counts::default());
        counts.instances.fetch_add(1, Ordering::Relaxed);
        Self { seen: seen.clone(), counts }
    }

    pub(crate) fn ask(&self, name: &str, fate: Fate) -> Ask {
        ask(&self.seen, name, fate)
    }
}

pub(crate) fn ask(seen: &Seen, name: &str, fate: Fate) -> Ask {
    Ask { name: name.to_owned(), fate, note: seen.drop_of(format_args!("request {name}")) }
}

impl Clone for Probe {
    fn clone(&self) -> Self {
        self.counts.clones.fetch_add(1, Ordering::Relaxed);
        self.counts.instances.fetch_add(1, Ordering::Relaxed);
        Self { seen: self.seen.clone(), counts: Arc::clone(&self.counts) }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.counts.instances.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One more is in flight.
struct InFlight(Arc<Counts>);

impl InFlight {
    fn new(counts: &Arc<Counts>) -> Self {
        let now = counts.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        counts.most_in_flight.fetch_max(now, Ordering::Relaxed);
        Self(Arc::clone(counts))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Service<Ask> for Probe {
    type Response = Answer;
    type Error = Refused;
    type Future = Noted<Pin<Box<dyn Future<Output = Result<Answer, Refused>> + Send>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Refused>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, ask: Ask) -> Self::Future {
        let in_flight = InFlight::new(&self.counts);
        self.seen.note(format_args!("call of {}", ask.name));
        if matches!(ask.fate, Fate::PanicInCall) {
            panic!("{} in call", ask.name);
        }
        let note = self.seen.drop_of(format_args!("future of {}", ask.name));
        let seen = self.seen.clone();
        let inner = Box::pin(async move {
            let Ask { name, fate, note: _request } = ask;
            let _in_flight = in_flight;
            match fate {
                Fate::Answer | Fate::PanicInCall => {}
                Fate::Later => {
                    for _ in 0..3 {
                        yield_now().await;
                    }
                }
                Fate::Gate(gate) => gate.acquire().await.unwrap().forget(),
                Fate::Error => return Err(Refused(name)),
                Fate::PanicInFuture => panic!("{name} in its future"),
                Fate::Never => pending().await,
            }
            let note = seen.drop_of(format_args!("answer to {name}"));
            Ok(Answer { name, _note: note })
        });
        Noted { inner, _note: note }
    }
}

/// A future whose drop is noted, after what it holds was dropped.
pub(crate) struct Noted<F> {
    inner: F,
    _note: DropNote,
}

impl<F: Future + Unpin> Future for Noted<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        Pin::new(&mut self.inner).poll(cx)
    }
}
