//! [`race`]: runs functions side by side and returns the first result. [`timeout`]: runs one function with a time
//! limit.

use std::{
    any::type_name,
    future::{Future as _, poll_fn},
    task::Poll,
    time::Duration,
};

use tokio::time::sleep;

use super::{
    InFiber,
    child::{Child, unwrap},
};
use crate::{
    blocking,
    context::Scopes,
    error::Elapsed,
    fiber::StateExt as _,
    raw::with_current,
    settings::{Placement, Settings},
    util::drop_quietly::drop_quietly,
    wait::await_in_fiber,
};

/// Runs synchronous functions side by side, each in its own fiber, and returns the result of the first one to end.
///
/// The other functions become dropped calls of this fiber's layer, to which its [`OnDrop`](crate::OnDrop) applies: by
/// default they run to their end in the background, on this thread. The context that follows them is the same as in
/// [`join`](crate::join). Under [`run_local`](crate::run_local) on a worker of a multi-thread runtime, no task can
/// continue them, so they are leaked and counted.
///
/// # Cancel safety
///
/// As for [`await_in_fiber`]; when it unwinds, all functions become dropped calls as above.
///
/// # Panics
///
/// If there are no functions. If the first function to end panics, with its payload. Where [`await_in_fiber`] panics.
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
/// assert_eq!(run_in_fiber(|| race([5, 3, 8].map(|mirror| move || ask(mirror)))).await, 3);
/// # }
/// ```
#[track_caller]
pub fn race<I, F, R>(functions: I) -> R
where
    I: IntoIterator<Item = F>,
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    let settings = inherited();
    let runners: Vec<_> = functions.into_iter().map(|f| InFiber::new(f, &settings, type_name::<F>())).collect();
    assert!(!runners.is_empty(), "`race` was given no functions, so none can end first: give it at least one [TF24]");
    first(runners, None).unwrap_or_else(|_| unreachable!("it has no limit"))
}

/// Runs a synchronous function in its own fiber, and returns its result unless it takes longer than `limit`.
///
/// After `limit` the function becomes a dropped call, like one that has lost a [`race`]: by default it runs to its end
/// in the background. To end the function instead, use [`timeout_or_unwind`].
///
/// # Errors
///
/// If `limit` has elapsed.
///
/// # Cancel safety
///
/// Same as [`race`].
///
/// # Panics
///
/// If the function panics, with its payload. Where [`await_in_fiber`] panics, and on a runtime that has no timers or
/// has ended.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_fiber::{WaitExt as _, run_in_fiber, timeout};
///
/// fn ask(seconds: u64) -> u64 {
///     tokio::time::sleep(Duration::from_secs(seconds)).wait();
///     seconds
/// }
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let limit = Duration::from_secs(10);
/// assert_eq!(run_in_fiber(move || timeout(limit, || ask(3))).await, Ok(3));
/// assert!(run_in_fiber(move || timeout(limit, || ask(60))).await.is_err());
/// # }
/// ```
#[track_caller]
pub fn timeout<F, R>(limit: Duration, f: F) -> Result<R, Elapsed>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    first(vec![InFiber::new(f, &inherited(), type_name::<F>())], Some(limit))
}

/// Like [`timeout`], but ends the function at the limit. The function need not be `Send`.
///
/// After `limit` the function is dropped like a [`LocalFiber`](crate::LocalFiber), whatever the layer's
/// [`OnDrop`](crate::OnDrop) says: it unwinds from its wait, and its destructors run before this returns. If it is in a
/// [`shield`](crate::shield)ed section, the section ends first.
///
/// # Errors
///
/// If `limit` has elapsed.
///
/// # Cancel safety
///
/// Same as [`join`](crate::join).
///
/// # Panics
///
/// Same as [`timeout`].
///
/// # Examples
///
/// ```
/// use std::{future::pending, rc::Rc, time::Duration};
/// use tower_fiber::{WaitExt as _, run_in_fiber, timeout_or_unwind};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// run_in_fiber(|| {
///     let held = Rc::new(());
///     let inside = Rc::clone(&held);
///     let asked = timeout_or_unwind(Duration::from_secs(10), move || {
///         let _inside = inside;
///         pending::<()>().wait();
///     });
///     assert!(asked.is_err());
///     assert_eq!(Rc::strong_count(&held), 1);
/// })
/// .await;
/// # }
/// ```
#[track_caller]
pub fn timeout_or_unwind<F, R>(limit: Duration, f: F) -> Result<R, Elapsed>
where
    F: FnOnce() -> R + 'static,
    R: 'static,
{
    let mut child = Child::new(f);
    let (has_ended, mut child) = await_in_fiber(async move {
        let mut limit = Box::pin(sleep(limit));
        let mut has_elapsed = false;
        let has_ended = poll_fn(|cx| {
            if child.poll(cx) {
                return Poll::Ready(true);
            }
            has_elapsed = has_elapsed || limit.as_mut().poll(cx).is_ready();
            if has_elapsed && !child.is_shielded() { Poll::Ready(false) } else { Poll::Pending }
        })
        .await;
        drop_quietly(limit);
        (has_ended, child)
    });
    if !has_ended {
        drop_quietly(child);
        return Err(Elapsed::new());
    }
    Ok(unwrap(child.take()))
}

/// Returns the result of the first runner that ends within `limit`.
#[track_caller]
fn first<R: Send + 'static>(mut runners: Vec<InFiber<R>>, limit: Option<Duration>) -> Result<R, Elapsed> {
    let (outcome, runners) = await_in_fiber(async move {
        let mut limit = limit.map(|limit| Box::pin(sleep(limit)));
        let outcome = poll_fn(|cx| {
            for runner in &mut runners {
                if let Poll::Ready(outcome) = runner.poll_outcome(cx) {
                    return Poll::Ready(Ok(outcome));
                }
            }
            match &mut limit {
                Some(limit) => limit.as_mut().poll(cx).map(|()| Err(Elapsed::new())),
                None => Poll::Pending,
            }
        })
        .await;
        // The timer's waker may panic when it is dropped, and Rust would then leak the value being returned
        // (rust-lang/rust#47949).
        drop_quietly(limit);
        (outcome, runners)
    });
    // The destructors of a function that has not begun may wait and may panic.
    runners.into_iter().for_each(drop_quietly);
    outcome.map(unwrap)
}

/// Returns the settings of this fiber's layer, for fibers that stay on its thread.
fn inherited() -> Settings {
    with_current(|state| match (state, blocking::scopes()) {
        (Some(state), _) => Settings::inside(state.shared_arc(), Scopes::around(state)),
        // No task on a blocked thread could continue the fibers that are left.
        (None, Some(scopes)) => Settings::beside(&scopes),
        (None, None) => Settings { placement: Some(Placement::SharedPool), ..Settings::process_wide().clone() },
    })
}
