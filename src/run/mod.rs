//! Runs functions in fibers, without a service.

#[cfg(feature = "stream")]
mod beyond;
mod child;
mod join;
mod offload;
mod race;
mod synchronize;

use std::{
    any::type_name,
    fmt,
    future::Future,
    marker::PhantomData,
    panic::resume_unwind,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker, ready},
    thread,
};

pub use self::{
    join::{join, join_all, try_join, try_join_all},
    offload::offload,
    race::{race, timeout, timeout_or_unwind},
    synchronize::{AsyncFunction, synchronize},
};
use crate::{
    call::{Call, Closure, is_cut_with_its_poller, pending_with_its_poller},
    context::{AtCall, InContext, Scopes},
    fiber::{Admission, Fiber, Phase, Shared},
    settings::Settings,
    util::drop_quietly::{FirstPanic, drop_quietly},
};

type SendFn<R> = dyn FnOnce() -> R + Send;
type LocalFn<R> = dyn FnOnce() -> R;

/// Runs `f` in a fiber, in which synchronous code may wait with [`await_in_fiber`](crate::await_in_fiber).
///
/// The future is `Send` and lazy: `f` starts when the future is first polled, where
/// [`Placement::Auto`](crate::Placement::Auto) places it. [`FiberLayer::run`](crate::FiberLayer::run) does the same
/// with a layer's settings.
///
/// # Borrowing
///
/// `f` cannot borrow from the code that awaits it: that code may drop or forget the future while `f` waits, and its
/// locals are gone when `f` goes on. Move a value into `f` and return it, or share it by `Arc`:
///
/// ```
/// use tower_fiber::{WaitExt as _, run_in_fiber};
///
/// fn fill(names: &mut Vec<String>) -> usize {
///     names.push(async { "Ada".to_owned() }.wait());
///     names.len()
/// }
///
/// # #[tokio::main]
/// # async fn main() {
/// let mut names = Vec::new();
/// let len;
/// (names, len) = run_in_fiber(move || {
///     let len = fill(&mut names);
///     (names, len)
/// })
/// .await;
/// assert_eq!((len, names[0].as_str()), (1, "Ada"));
/// # }
/// ```
///
/// # Cancel safety
///
/// If the future is dropped while `f` waits, `f` runs to its end in the background
/// ([`OnDrop::Finish`](crate::OnDrop::Finish)) and its result is dropped. Before the first poll, `f` is dropped unrun.
///
/// # Panics
///
/// The future panics if `f` does, with the same payload; outside a tokio runtime; if polled after it was ready; and, on
/// a current-thread runtime, if polled on a different thread than the first time.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_fiber::{WaitExt as _, run_in_fiber};
///
/// # #[tokio::main]
/// # async fn main() {
/// let answer = run_in_fiber(|| {
///     tokio::time::sleep(Duration::from_millis(1)).wait();
///     42
/// });
/// assert_eq!(answer.await, 42);
/// # }
/// ```
pub fn run_in_fiber<F, R>(f: F) -> InFiber<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    InFiber::new(f, Settings::process_wide(), type_name::<F>())
}

/// The future of [`run_in_fiber`] and [`FiberLayer::run`](crate::FiberLayer::run).
#[must_use = "futures do nothing unless polled"]
pub struct InFiber<R: Send + 'static> {
    // The bounds are on the struct, as they are in `ResponseFuture`.
    call: Call<Closure<SendFn<R>>>,
}

impl<R: Send + 'static> InFiber<R> {
    pub(crate) fn new<F>(f: F, settings: &Settings, label: &'static str) -> Self
    where
        F: FnOnce() -> R + Send + 'static,
    {
        Self { call: Call::new(Closure(Box::new(f)), Admission::default(), settings, label) }
    }

    /// Polls the call and returns a panic as an outcome.
    pub(crate) fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<thread::Result<R>> {
        self.call.poll_outcome(cx)
    }

    #[cfg(feature = "ws")]
    pub(crate) fn name(&self) -> &str {
        self.call.name()
    }
}

impl<R: Send + 'static> Future for InFiber<R> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        Pin::new(&mut self.call).poll(cx)
    }
}

impl<R: Send + 'static> fmt::Debug for InFiber<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InFiber").field("name", &self.call.name()).finish_non_exhaustive()
    }
}

/// Runs `f` in a fiber on this thread. `f` and its result need not be `Send`, and no runtime is needed.
///
/// The future is lazy and not `Send`. Any executor on this thread can poll it.
///
/// # Cancel safety
///
/// Dropping the future while `f` waits unwinds the fiber: the wait panics with the payload
/// [`Cancelled`](crate::error::Cancelled), without a message or a call of the panic hook, and destructors run before
/// `drop` returns. A fiber that catches this panic and waits again is unwound again, up to 64 times, and then leaked. A
/// fiber that keeps waiting with [`try_await_in_fiber`](crate::try_await_in_fiber) is leaked after some hundred
/// thousand errors. With `panic = "abort"` the fiber is leaked unless all its waits are fallible. Before the first
/// poll, `f` is dropped unrun.
///
/// # Panics
///
/// The future panics if `f` does, with the same payload, and if polled after it was ready.
///
/// # Examples
///
/// ```
/// use std::{cell::Cell, rc::Rc};
/// use tower_fiber::{WaitExt as _, run_local};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let seen = Rc::new(Cell::new(0));
/// let inside = Rc::clone(&seen);
/// run_local(move || inside.set(async { 5 }.wait())).await;
/// assert_eq!(seen.get(), 5);
/// # }
/// ```
pub fn run_local<F, R>(f: F) -> LocalFiber<R>
where
    F: FnOnce() -> R + 'static,
    R: 'static,
{
    LocalFiber::new(f, Settings::local(), None)
}

/// The future of [`run_local`].
#[must_use = "futures do nothing unless polled"]
pub struct LocalFiber<R: 'static> {
    // The first field, so that a compiler error about `Send` names this type.
    _stays: StaysOnItsThread,
    fiber: InContext<Closure<LocalFn<R>>>,
    /// See [`is_cut_with_its_poller`].
    is_cut: bool,
}

impl<R: 'static> LocalFiber<R> {
    pub(crate) fn new<F: FnOnce() -> R + 'static>(f: F, shared: &Arc<Shared>, scopes: Option<&Scopes>) -> Self {
        let label = type_name::<F>();
        let context = AtCall::new(scopes);
        let job: Closure<LocalFn<R>> = Closure(Box::new(f));
        let fiber = Fiber::new(job, Admission::default(), Arc::clone(shared), label);
        Self { _stays: StaysOnItsThread(PhantomData), fiber: InContext::new(fiber, context), is_cut: false }
    }

    /// Whether the fiber waits in a [`shield`](crate::shield), which would not end if the fiber were dropped now.
    pub(crate) fn is_shielded(&self) -> bool {
        self.fiber.is_shielded()
    }

    pub(crate) fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<thread::Result<R>> {
        if self.fiber.phase() == Phase::Fresh {
            self.fiber.begin();
        }
        let mut outcome = Poll::Pending;
        self.fiber.poll(cx, None, &mut outcome);
        if outcome.is_ready() {
            // Close it now, because `self` may live in a fiber that is leaked, and then it is never dropped.
            self.fiber.close();
        }
        outcome
    }
}

/// How often a local fiber may yield while it is dropped. After that it is leaked, so that the drop does not hang.
const YIELDS: u32 = 1024;

/// A waker that notes that it was woken.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Makes a local fiber `!Send`, because its stack may hold values that are not `Send`.
struct StaysOnItsThread(PhantomData<*const ()>);

impl<R: 'static> Future for LocalFiber<R> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        if self.is_cut {
            return pending_with_its_poller();
        }
        match ready!(self.poll_outcome(cx)) {
            Ok(output) => Poll::Ready(output),
            Err(payload) if is_cut_with_its_poller(&*payload) => {
                self.is_cut = true;
                Poll::Pending
            }
            Err(payload) => resume_unwind(payload),
        }
    }
}

impl<R: 'static> Drop for LocalFiber<R> {
    fn drop(&mut self) {
        // If dropped on another thread (by an unsound executor), the fiber is leaked and counted.
        if !self.fiber.is_home() || self.fiber.phase() != Phase::Suspended {
            return;
        }
        self.fiber.unwind();
        let woken = Arc::new(Woken(AtomicBool::new(false)));
        let waker = Waker::from(Arc::clone(&woken));
        // A hook may panic, even while the thread is panicking.
        let mut panics = FirstPanic::default();
        // Poll again if the fiber has only yielded, as it does after many waits in a row.
        for _ in 0..YIELDS {
            let mut outcome = Poll::Pending;
            panics.run(|| self.fiber.poll(&mut Context::from_waker(&waker), None, &mut outcome));
            let has_yielded = outcome.is_pending() && woken.0.swap(false, Ordering::Relaxed);
            drop_quietly(outcome);
            if !has_yielded || self.fiber.phase() != Phase::Suspended {
                break;
            }
        }
        panics.finish();
    }
}

impl<R: 'static> fmt::Debug for LocalFiber<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalFiber").field("name", &self.fiber.name()).finish_non_exhaustive()
    }
}
