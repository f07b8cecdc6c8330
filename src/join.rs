//! Plain functions side by side: [`join`], [`join_all`], [`race`].

use std::{
    any::type_name,
    future::{Future as _, poll_fn},
    panic::resume_unwind,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
    time::Duration,
};

use tokio::time::sleep;

use crate::{
    InFiber, LocalFiber, await_in_fiber,
    raw::{State, with_current},
    settings::{Placement, Settings},
};

/// Runs two plain functions side by side, each in a fiber of its own on this thread, and gives what both return: while one waits, the
/// other goes on.
///
/// They need not be `Send`. They have the stack size, name and counters of this fiber's layer, and a
/// [`fiber_local!`](crate::fiber_local) of their own.
///
/// # Cancel safety
///
/// What cancels this fiber cancels both, as if they were called one after the other: their fallible waits fail, and under
/// [`OnDrop::Unwind`](crate::OnDrop::Unwind) both unwind before this fiber does.
///
/// # Panics
///
/// When both have ended, if one has panicked, with its payload; if both have, with that of `a`. Where
/// [`await_in_fiber`] panics.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_fiber::{WaitExt as _, join, run_in_fiber};
///
/// fn fetch(page: u32) -> u32 {
///     tokio::time::sleep(Duration::from_millis(1)).wait();
///     page * 10
/// }
///
/// # #[tokio::main]
/// # async fn main() {
/// assert_eq!(run_in_fiber(|| join(|| fetch(1), || fetch(2))).await, (10, 20));
/// # }
/// ```
#[track_caller]
pub fn join<A, B, RA, RB>(a: A, b: B) -> (RA, RB)
where
    A: FnOnce() -> RA + 'static,
    B: FnOnce() -> RB + 'static,
    RA: 'static,
    RB: 'static,
{
    let (mut a, mut b) = (Child::new(a), Child::new(b));
    await_in_fiber(poll_fn(|cx| {
        // Both, also if the first has not ended.
        if a.poll(cx) & b.poll(cx) { Poll::Ready(()) } else { Poll::Pending }
    }));
    (a.outcome(), b.outcome())
}

/// As [`join`], for any number of functions; their results are in the same order.
///
/// # Cancel safety
///
/// As [`join`].
///
/// # Panics
///
/// As [`join`]: when all have ended, with the payload of the first in order that has panicked.
///
/// # Examples
///
/// ```
/// use tower_fiber::{WaitExt as _, join_all, run_in_fiber};
///
/// # #[tokio::main]
/// # async fn main() {
/// let squares = run_in_fiber(|| join_all((1..=100).map(|n| move || async move { n * n }.wait())));
/// assert_eq!(squares.await.iter().sum::<u32>(), 338_350);
/// # }
/// ```
#[track_caller]
pub fn join_all<I, F, R>(functions: I) -> Vec<R>
where
    I: IntoIterator<Item = F>,
    F: FnOnce() -> R + 'static,
    R: 'static,
{
    let mut children: Vec<_> = functions.into_iter().map(Child::new).collect();
    await_in_fiber(poll_fn(|cx| {
        let waiting = children.iter_mut().filter_map(|child| (!child.poll(cx)).then_some(())).count();
        if waiting == 0 { Poll::Ready(()) } else { Poll::Pending }
    }));
    children.into_iter().map(Child::outcome).collect()
}

/// Runs plain functions side by side, each in a fiber of its own, and gives what the first that ends returns, or `None` if none has ended
/// within `limit`. One function alone is one with a time-out.
///
/// The others, whose result nobody waits for any more, do what this fiber's layer says of a dropped call
/// ([`OnDrop`](crate::OnDrop)): by default they run to their end in the background, on this thread.
///
/// # Cancel safety
///
/// As [`await_in_fiber`]; what becomes of the functions when it unwinds is as above.
///
/// # Panics
///
/// If the first that ends panics, with its payload. Where [`await_in_fiber`] panics, and on a runtime without timers.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_fiber::{WaitExt as _, race, run_in_fiber};
///
/// fn ask(mirror: u64) -> u64 {
///     tokio::time::sleep(Duration::from_millis(mirror * 1000)).wait();
///     mirror
/// }
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let limit = Duration::from_secs(10);
/// assert_eq!(run_in_fiber(move || race(limit, [5, 3, 8].map(|mirror| move || ask(mirror)))).await, Some(3));
/// assert_eq!(run_in_fiber(move || race(limit, [|| ask(60)])).await, None);
/// # }
/// ```
#[track_caller]
pub fn race<I, F, R>(limit: Duration, functions: I) -> Option<R>
where
    I: IntoIterator<Item = F>,
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    let settings = inherited();
    let mut runners: Vec<_> =
        functions.into_iter().map(|function| InFiber::new(function, &settings, type_name::<F>())).collect();
    if runners.is_empty() {
        return None;
    }
    await_in_fiber(async {
        let mut limit = pin!(sleep(limit));
        poll_fn(|cx| {
            for runner in &mut runners {
                if let Poll::Ready(output) = Pin::new(runner).poll(cx) {
                    return Poll::Ready(Some(output));
                }
            }
            limit.as_mut().poll(cx).map(|()| None)
        })
        .await
    })
}

/// The settings of this fiber's layer, for fibers that stay on its thread.
fn inherited() -> Settings {
    with_current(|state| match state {
        Some(state) => Settings::inside(state.meta_arc()),
        // A thread that blocks has nobody who would go on with what is left.
        None => Settings { placement: Placement::Pool(None), ..Settings::process_wide().clone() },
    })
}

/// One of several functions that run side by side.
struct Child<R: 'static> {
    fiber: LocalFiber<R>,
    outcome: Option<thread::Result<R>>,
    wake: Option<Arc<ChildWake>>,
}

/// Notes that a child was woken, so that not all are polled for one.
struct ChildWake {
    is_woken: AtomicBool,
    parent: Mutex<Waker>,
}

impl ChildWake {
    fn parent(&self) -> MutexGuard<'_, Waker> {
        self.parent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_parent(&self, waker: &Waker) {
        let mut parent = self.parent();
        if !parent.will_wake(waker) {
            parent.clone_from(waker);
        }
    }
}

impl Wake for ChildWake {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_woken.store(true, Ordering::Release);
        let parent = self.parent().clone();
        parent.wake();
    }
}

impl<R: 'static> Child<R> {
    fn new<F: FnOnce() -> R + 'static>(f: F) -> Self {
        let meta = with_current(|state| state.map(State::meta_arc));
        let fiber = LocalFiber::new(f, meta.as_ref().unwrap_or_else(|| Settings::local()));
        Self { fiber, outcome: None, wake: None }
    }

    /// Whether it has ended.
    fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        if self.outcome.is_some() {
            return true;
        }
        let wake = match &self.wake {
            Some(wake) => {
                // Before the look: whoever wakes the child after it finds the newest.
                wake.set_parent(cx.waker());
                // Once this fiber has been told something, each child is to hear it, whether it was woken or not.
                let is_woken = wake.is_woken.swap(false, Ordering::AcqRel);
                if !is_woken && with_current(|state| state.is_none_or(|state| !state.has_orders())) {
                    return false;
                }
                Arc::clone(wake)
            }
            None => {
                let parent = Mutex::new(cx.waker().clone());
                Arc::clone(self.wake.insert(Arc::new(ChildWake { is_woken: AtomicBool::new(false), parent })))
            }
        };
        if let Poll::Ready(outcome) = self.fiber.poll_outcome(&mut Context::from_waker(&Waker::from(wake))) {
            self.outcome = Some(outcome);
        }
        self.outcome.is_some()
    }

    fn outcome(self) -> R {
        self.outcome.expect("all have ended").unwrap_or_else(|payload| resume_unwind(payload))
    }
}
