//! Waits for futures from synchronous code.

mod budget;
pub(crate) mod caller;
mod mode;
mod no_wait;
mod refuse;
mod shield;
mod stack;
#[cfg(feature = "axum")]
mod wanted;
mod yields;

use std::{
    future::{Future, IntoFuture},
    panic::Location,
    pin::{Pin, pin},
    task::Poll,
    thread,
};

pub(crate) use self::budget::note_ready;
#[cfg(feature = "axum")]
pub(crate) use self::wanted::await_while_wanted;
use self::{
    budget::yield_if_due,
    refuse::{count_refused, cut, end_process, refuse, refuse_borrowed, refuse_misplaced, unwind},
};
pub use self::{
    caller::{UntilCallerGone, caller_gone, until_caller_gone},
    mode::{WaitMode, fiber_id, in_fiber, wait_mode},
    no_wait::no_wait,
    shield::shield,
    stack::{on_thread_stack, remaining_stack},
    yields::yield_now,
};
use crate::{
    blocking,
    error::TryAwaitError,
    fiber::StateExt as _,
    raw::{At, State, with_current},
    util::drop_quietly::drop_quietly,
};

/// Waits for `future` from synchronous code that runs in a fiber.
///
/// The fiber suspends until the future is ready. A future that is ready at once costs no switch, except that every
/// 128th such wait in a row yields. The future is polled on the fiber's own stack, so it may borrow from the caller and
/// need not be `Send`. Under [`block_on_waits`](crate::block_on_waits) the thread is blocked instead.
///
/// # Cancel safety
///
/// By default ([`OnDrop::Finish`](crate::OnDrop::Finish)) the wait is never cut, even when the fiber's caller has gone.
/// Under [`OnDrop::Unwind`](crate::OnDrop::Unwind), and in a [`LocalFiber`](crate::LocalFiber) that is dropped, it
/// unwinds with [`Cancelled`](crate::Cancelled) instead, which drops the future.
///
/// # Panics
///
/// Outside a fiber, inside a future that this fiber is already waiting for, and inside
/// [`on_thread_stack`](crate::on_thread_stack); the message says what to do. The panic's location is that of the
/// caller, or of an adapter (diesel's `BlockOn`) around it. If the future panics, with its payload.
///
/// If the future is not ready while the thread is panicking (in a `Drop` during unwinding, or in a panic hook) the
/// process is aborted with a message that names the service and the line of the wait, because the fiber cannot suspend
/// there. Use [`try_await_in_fiber`] or `io::FiberIo` in such places.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// fn plain() -> u32 {
///     tower_fiber::await_in_fiber(tokio::time::sleep(Duration::from_millis(1)));
///     7
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// assert_eq!(tower_fiber::run_in_fiber(plain).await, 7);
/// # }
/// ```
#[track_caller]
#[inline]
pub fn await_in_fiber<F: IntoFuture>(future: F) -> F::Output {
    let at = Location::caller();
    let waited = with_current(|state| match state {
        Some(state) if state.is_plain() => Ok(wait(state, future, at)),
        Some(state) => wait_flagged(state, future, at),
        None => blocking::wait(future),
    });
    match waited {
        Ok(output) => output,
        Err(refused) => refuse(&refused),
    }
}

/// Waits for `future` like [`await_in_fiber`], or returns an error that says why this is not possible.
///
/// # Cancel safety
///
/// Under [`OnDrop::Cancel`](crate::OnDrop::Cancel) and [`OnDrop::Unwind`](crate::OnDrop::Unwind) the current and all
/// later calls return [`TryAwaitError::Cancelled`] once the fiber's caller has gone. A future whose wait had begun is
/// dropped.
///
/// # Errors
///
/// [`TryAwaitError`], whose [`into_future`](TryAwaitError::into_future) hands back the future if it was not polled.
///
/// # Panics
///
/// Only if the future panics.
///
/// # Examples
///
/// ```
/// use std::future::ready;
/// use tower_fiber::{error::TryAwaitError, try_await_in_fiber};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let refused = try_await_in_fiber(ready(1)).unwrap_err();
/// assert!(matches!(refused, TryAwaitError::NotInFiber(_)));
/// assert_eq!(refused.into_future().unwrap().await, 1);
/// # }
/// ```
#[track_caller]
pub fn try_await_in_fiber<F: IntoFuture>(future: F) -> Result<F::Output, TryAwaitError<F>> {
    let at = Location::caller();
    with_current(|state| match state {
        Some(state) => try_wait(state, future, at, State::is_cancelled),
        None => blocking::try_wait(future),
    })
}

/// Waits in a libc call; in a cancelled fiber only if it `goes_on`.
#[cfg(all(feature = "interpose", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) fn wait_in_call<F: Future>(future: F, at: At, goes_on: bool) -> Result<F::Output, TryAwaitError<F>> {
    with_current(|state| match state {
        Some(state) => try_wait(state, future, at, |state| !goes_on && state.is_cancelled()),
        None => Err(TryAwaitError::NotInFiber(future)),
    })
}

/// [`await_in_fiber`] in postfix form.
///
/// # Examples
///
/// ```
/// use tower_fiber::{WaitExt as _, run_in_fiber};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let sum = run_in_fiber(|| async { 1 }.wait() + async { 2 }.wait()).await;
/// assert_eq!(sum, 3);
/// # }
/// ```
pub trait WaitExt: IntoFuture + Sized {
    /// Waits for this future from synchronous code, like [`await_in_fiber`].
    ///
    /// # Cancel safety
    ///
    /// Same as [`await_in_fiber`].
    ///
    /// # Panics
    ///
    /// Same as [`await_in_fiber`].
    #[track_caller]
    fn wait(self) -> Self::Output {
        await_in_fiber(self)
    }
}

impl<F: IntoFuture> WaitExt for F {}

/// Waits in a fiber that is neither polling nor being unwound.
// Always inlined, as `wait_pending` is.
#[inline(always)]
fn wait<F: IntoFuture>(state: &State, future: F, at: At) -> F::Output {
    // An `Option`, so that the future can be dropped before the wait unwinds.
    let mut awaited = pin!(Some(future.into_future()));
    if let Poll::Ready(output) = poll(state, awaited.as_mut()) {
        // Drop the future now: if its destructor panicked during the return, Rust would leak the output
        // (rust-lang/rust#47949).
        awaited.set(None);
        yield_if_due(state, at);
        return output;
    }
    // One check is enough: a fiber that has suspended is not panicking, even if its poller is.
    if thread::panicking() && !state.is_poller_panicking() {
        end_process(state, at);
    }
    if state.is_barred() {
        refuse_borrowed(state, at);
    }
    match wait_pending(state, awaited.as_mut(), at, State::is_unwinding) {
        Some(output) => {
            awaited.set(None);
            output
        }
        None => cut(state, awaited, at),
    }
}

#[inline]
fn poll<F: Future>(state: &State, awaited: Pin<&mut Option<F>>) -> Poll<F::Output> {
    state.poll_awaited(awaited.as_pin_mut().expect("it is there until the wait is cut"))
}

/// Suspends until the future is ready. Returns `None` if the wait must be cut.
// Always inlined, because the processor mispredicts a function's return across a switch of stacks.
#[inline(always)]
fn wait_pending<F: Future>(
    state: &State,
    mut awaited: Pin<&mut Option<F>>,
    at: At,
    is_cancelled: impl Fn(&State) -> bool,
) -> Option<F::Output> {
    // The fiber may have been cancelled while `into_future` waited. The first poll has passed the cancel on to the
    // fibers inside.
    if is_cancelled(state) && !state.has_nested_shield() {
        return None;
    }
    loop {
        state.suspend(at);
        let (mut waiting, mut tries) = (usize::MAX, 0);
        loop {
            if is_cancelled(state) {
                // The fibers inside must unwind first, which they do when polled. A combinator may poll only some of
                // them at a time, so the loop allows as many polls as there are fibers.
                let now = state.nested_waiting();
                if now == 0 {
                    return None;
                }
                if now < waiting {
                    (waiting, tries) = (now, now);
                } else if state.has_nested_shield() {
                    break;
                } else if tries == 0 {
                    return None;
                } else {
                    tries -= 1;
                }
            }
            if let Poll::Ready(output) = poll(state, awaited.as_mut()) {
                return Some(output);
            }
            if !is_cancelled(state) {
                break;
            }
        }
    }
}

#[cold]
fn wait_flagged<F: IntoFuture>(state: &State, future: F, at: At) -> Result<F::Output, TryAwaitError<F>> {
    let future = refuse_misplaced(state, future)?;
    // A destructor that waits during unwinding may still get the output of a future that is ready at once.
    if state.is_unwinding() && !thread::panicking() {
        drop_quietly(future);
        unwind(state, at);
    }
    Ok(wait(state, future, at))
}

fn try_wait<F: IntoFuture>(
    state: &State,
    future: F,
    at: At,
    is_cancelled: impl Fn(&State) -> bool,
) -> Result<F::Output, TryAwaitError<F>> {
    let future = refuse_misplaced(state, future)?;
    if is_cancelled(state) {
        count_refused(state);
        // Yield, so that code that retries after each error does not starve the thread.
        yield_if_due(state, at);
        return Err(TryAwaitError::Cancelled(Some(future)));
    }
    let mut awaited = pin!(Some(future.into_future()));
    if let Poll::Ready(output) = poll(state, awaited.as_mut()) {
        awaited.set(None);
        yield_if_due(state, at);
        return Ok(output);
    }
    if thread::panicking() && !state.is_poller_panicking() {
        count_refused(state);
        return Err(TryAwaitError::Unwinding);
    }
    if state.is_barred() {
        count_refused(state);
        return Err(TryAwaitError::Borrowed);
    }
    let output = wait_pending(state, awaited.as_mut(), at, is_cancelled);
    awaited.set(None);
    output.ok_or_else(|| {
        count_refused(state);
        TryAwaitError::Cancelled(None)
    })
}
