//! Waiting: the calls by which synchronous code waits for a future.

mod refuse;

use std::{
    future::{Future, IntoFuture},
    panic::Location,
    pin::{Pin, pin},
    task::Poll,
    thread,
};

use self::refuse::{count_refused, end_process, refuse, refuse_borrowed, refuse_misplaced, unwind};
use crate::{
    blocking,
    error::TryAwaitError,
    raw::{State, with_current},
};

/// Waits for `future` from synchronous code that runs in a fiber.
///
/// The fiber suspends and its thread goes on with other work until the future is ready; one that is ready at once costs
/// no switch. The future is polled on the fiber's own stack, so it may borrow from the caller and need not be `Send`.
/// Every 128th wait in a row that did not suspend yields once, so that a loop over ready futures does not starve the
/// thread. Under [`run_blocking`](crate::run_blocking) the thread is blocked instead.
///
/// # Cancel safety
///
/// By default ([`OnDrop::Finish`](crate::OnDrop::Finish)) the wait always ends, also when the fiber's caller has gone.
/// Under [`OnDrop::Unwind`](crate::OnDrop::Unwind), and in a [`LocalFiber`](crate::LocalFiber) that is dropped, it
/// unwinds with [`Cancelled`](crate::Cancelled) instead, which drops the future.
///
/// # Panics
///
/// Outside a fiber, inside a future that this fiber is already waiting for, and inside
/// [`on_thread_stack`](crate::on_thread_stack); the text says what to do. The panic's
/// location is that of the caller; behind an adapter (diesel's `BlockOn`) it is the adapter's line, and `RUST_BACKTRACE=1`
/// shows the rest. A panic of the future surfaces here.
///
/// If the future is not ready while the thread is panicking (a wait in a `Drop` during unwinding, or in a panic
/// hook) the process is ended with a text that names the service and this line: the fiber cannot suspend there, and there is no
/// value to return. Use [`try_await_in_fiber`] or `io::FiberIo` in such places.
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
    let caller = Location::caller();
    let waited = with_current(|state| match state {
        Some(state) if state.is_plain() => Ok(wait(state, pin!(future.into_future()), caller)),
        Some(state) => wait_flagged(state, future, caller),
        None => blocking::wait(future),
    });
    match waited {
        Ok(output) => output,
        Err(refused) => refuse(&refused),
    }
}

/// Waits for `future` like [`await_in_fiber`], or says why that is not possible.
///
/// # Cancel safety
///
/// Under [`OnDrop::Cancel`](crate::OnDrop::Cancel) and [`OnDrop::Unwind`](crate::OnDrop::Unwind) the present and all
/// later calls return [`TryAwaitError::Cancelled`] when the fiber's caller has gone; a future whose wait had begun is dropped.
///
/// # Errors
///
/// [`TryAwaitError`], whose [`into_future`](TryAwaitError::into_future) hands back a future that was not polled.
///
/// # Panics
///
/// Only if the future does.
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
    let caller = Location::caller();
    with_current(|state| match state {
        Some(state) => try_wait(state, future, caller),
        None => blocking::wait(future),
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
    /// Waits for this future from synchronous code: [`await_in_fiber`].
    ///
    /// # Cancel safety
    ///
    /// As [`await_in_fiber`].
    ///
    /// # Panics
    ///
    /// As [`await_in_fiber`].
    #[track_caller]
    fn wait(self) -> Self::Output {
        await_in_fiber(self)
    }
}

impl<F: IntoFuture> WaitExt for F {}

/// Lets other tasks of the thread run, once.
///
/// # Cancel safety
///
/// As [`await_in_fiber`].
///
/// # Panics
///
/// As [`await_in_fiber`].
#[track_caller]
pub fn yield_now() {
    let mut yielded = false;
    await_in_fiber(std::future::poll_fn(move |cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }));
}

/// Where a wait was called.
type Caller = &'static Location<'static>;

/// Waits on a fiber that is not polling, and not to be unwound now.
#[inline]
fn wait<F: Future>(state: &State, mut future: Pin<&mut F>, caller: Caller) -> F::Output {
    if let Poll::Ready(output) = state.poll_awaited(future.as_mut()) {
        yield_if_due(state, caller);
        return output;
    }
    wait_pending(state, future, caller)
}

// Always inlined: the processor does not foresee where a function returns to that was left by a switch of stacks.
#[inline(always)]
fn wait_pending<F: Future>(state: &State, mut future: Pin<&mut F>, caller: Caller) -> F::Output {
    // Once is enough: a fiber that has suspended does not panic, whatever whoever resumes it does.
    if thread::panicking() {
        // Below a poller that panics it cannot be known whether this fiber does. If it is being unwound, it does not in
        // all likelihood, but has caught that and waits again; if it does, the process ends here as well.
        if state.is_unwinding() && state.is_poller_panicking() {
            unwind(state, caller);
        }
        end_process(state, caller);
    }
    if state.is_barred() {
        refuse_borrowed(state, caller);
    }
    loop {
        state.suspend(caller);
        if state.is_unwinding() && !state.has_nested() {
            unwind(state, caller);
        }
        if let Poll::Ready(output) = state.poll_awaited(future.as_mut()) {
            return output;
        }
        // The fibers inside were told by that poll; now it is this one's turn.
        if state.is_unwinding() && !state.has_nested_shield() {
            unwind(state, caller);
        }
    }
}

#[cold]
fn wait_flagged<F: IntoFuture>(state: &State, future: F, caller: Caller) -> Result<F::Output, TryAwaitError<F>> {
    let future = refuse_misplaced(state, future)?;
    // While a destructor waits during the unwinding, a future that is ready at once may still give its value.
    if state.is_unwinding() && !thread::panicking() {
        unwind(state, caller);
    }
    let future = pin!(future.into_future());
    Ok(wait(state, future, caller))
}

fn try_wait<F: IntoFuture>(state: &State, future: F, caller: Caller) -> Result<F::Output, TryAwaitError<F>> {
    let future = refuse_misplaced(state, future)?;
    if state.is_cancelled() {
        count_refused(state);
        // Code that tries again after each error must not keep the thread from other work.
        yield_if_due(state, caller);
        return Err(TryAwaitError::Cancelled(Some(future)));
    }
    let mut future = pin!(future.into_future());
    if let Poll::Ready(output) = state.poll_awaited(future.as_mut()) {
        yield_if_due(state, caller);
        return Ok(output);
    }
    if thread::panicking() {
        count_refused(state);
        return Err(TryAwaitError::Unwinding);
    }
    if state.is_barred() {
        count_refused(state);
        return Err(TryAwaitError::Borrowed);
    }
    loop {
        state.suspend(caller);
        if state.is_cancelled() && !state.has_nested() {
            break;
        }
        if let Poll::Ready(output) = state.poll_awaited(future.as_mut()) {
            return Ok(output);
        }
        // The fibers inside were told by that poll; now it is this one's turn.
        if state.is_cancelled() && !state.has_nested_shield() {
            break;
        }
    }
    count_refused(state);
    Err(TryAwaitError::Cancelled(None))
}

/// After a wait that did not suspend.
#[inline]
fn yield_if_due(state: &State, caller: Caller) {
    if state.is_yield_due() {
        yield_to_others(state, caller);
    }
}

/// Lets other tasks of the thread run, unless the code here holds what it must not hold over a suspend.
#[cold]
fn yield_to_others(state: &State, caller: Caller) {
    if !thread::panicking() && !state.is_barred() {
        state.yield_now(caller);
    }
}

/// The same wherever this is called from: after a wait that took long and did not suspend.
#[cfg(feature = "io")]
#[track_caller]
pub(crate) fn yield_if_possible() {
    let caller = Location::caller();
    with_current(|state| {
        if let Some(state) = state.filter(|state| !state.is_misplaced()) {
            yield_to_others(state, caller);
        }
    });
}
