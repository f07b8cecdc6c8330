//! [`caller_gone`], [`until_caller_gone`]: tell whether the caller still waits for this call.

use std::{
    fmt,
    future::{Future, pending},
    pin::Pin,
    task::{Context, Poll},
};

use tokio::sync::watch;

use crate::{
    blocking,
    fiber::{Relayed, StateExt as _},
    raw::with_current,
};

/// Returns whether this fiber's response future was dropped, because the client disconnected or a time-out elapsed.
///
/// Check it to stop long loops early. It is also `true` if the caller of a fiber around this one on the same thread has
/// gone. In a call of [`BlockingLayer`](crate::BlockingLayer) it tells the same of that call, and in
/// [`offload`](crate::offload) of the fiber that called `offload`. Elsewhere it is `false`.
///
/// # Examples
///
/// ```
/// use tower_fiber::{WaitExt as _, caller_gone};
///
/// fn export(rows: std::ops::Range<u32>) -> u32 {
///     rows.take_while(|_| !caller_gone()).inspect(|_| async { /* writes the row */ }.wait()).count() as u32
/// }
///
/// # #[tokio::main]
/// # async fn main() {
/// assert_eq!(tower_fiber::run_in_fiber(|| export(0..7)).await, 7);
/// # }
/// ```
#[must_use]
pub fn caller_gone() -> bool {
    match with_current(|state| state.map(|state| state.is_caller_gone())) {
        Some(is_gone) => is_gone,
        None => blocking::caller().is_some_and(|caller| *caller.borrow() || caller.has_changed().is_err()),
    }
}

/// Lets code on another thread see that the caller has gone.
pub(crate) fn watch_caller() -> Option<watch::Receiver<bool>> {
    with_current(|state| state.map(|state| state.watch_caller())).or_else(blocking::caller)
}

/// Returns a future that is ready when the caller of this fiber has gone, for `select!`; see [`caller_gone`].
///
/// The future belongs to the call in which it was made, may be awaited anywhere, and is also ready when that call has
/// ended. Outside calls it is never ready.
///
/// # Cancel safety
///
/// The future can be dropped and made again at any time.
///
/// # Examples
///
/// ```
/// use tower_fiber::{WaitExt as _, until_caller_gone};
///
/// /// The next order, or `None` if the caller has gone.
/// fn next_order(orders: &mut tokio::sync::mpsc::Receiver<u32>) -> Option<u32> {
///     let next = async {
///         tokio::select! {
///             order = orders.recv() => order,
///             () = until_caller_gone() => None,
///         }
///     };
///     next.wait()
/// }
///
/// # #[tokio::main]
/// # async fn main() {
/// let (send, mut receive) = tokio::sync::mpsc::channel(1);
/// send.send(7).await.unwrap();
/// assert_eq!(tower_fiber::run_in_fiber(move || next_order(&mut receive)).await, Some(7));
/// # }
/// ```
pub fn until_caller_gone() -> UntilCallerGone {
    let gone: Pin<Box<dyn Future<Output = ()> + Send + Sync>> = match watch_caller() {
        // An error means that the call has ended.
        Some(mut watched) => {
            let gone = async move { _ = watched.wait_for(|gone| *gone).await };
            Box::pin(Relayed::new(Box::pin(gone)))
        }
        None => Box::pin(pending()),
    };
    UntilCallerGone { gone }
}

/// The future of [`until_caller_gone`].
#[must_use = "futures do nothing unless polled"]
pub struct UntilCallerGone {
    gone: Pin<Box<dyn Future<Output = ()> + Send + Sync>>,
}

impl Future for UntilCallerGone {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.gone.as_mut().poll(cx)
    }
}

impl fmt::Debug for UntilCallerGone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UntilCallerGone").finish_non_exhaustive()
    }
}
