//! Suspends a fiber in a libc call, through which nothing may unwind.

use std::{
    cell::Cell,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
    time::Duration,
};

use tokio::{runtime, runtime::Handle};

use crate::{
    error::TryAwaitError,
    fiber::{Event, StateExt as _},
    raw::{At, interpose::Refused, with_current},
    util::drop_quietly::drop_quietly,
    wait::wait_in_call,
};

thread_local! {
    /// The runtime of this thread that was found to have no sockets or timers, so that it is not asked at each call.
    static UNABLE: Cell<Option<runtime::Id>> = const { Cell::new(None) };
}

/// Waits for `future`; in a cancelled fiber only if it `goes_on`.
pub(super) fn wait<T>(
    future: impl Future<Output = Result<T, Refused>>,
    limit: Option<Duration>,
    goes_on: bool,
    at: At,
) -> Result<T, Refused> {
    let Ok(handle) = Handle::try_current() else { return Err(Refused::Unable) };
    if UNABLE.get() == Some(handle.id()) {
        return Err(Refused::Unable);
    }
    let limited = async {
        match limit {
            Some(limit) => tokio::time::timeout(limit, future).await.unwrap_or(Err(Refused::Elapsed)),
            None => future.await,
        }
    };
    with_current(|state| {
        if let Some(state) = state {
            state.with_shared(|shared, _| shared.count(Event::Interposed));
        }
    });
    let waited = wait_in_call(caught(limited), at, goes_on);
    waited.unwrap_or_else(|refused| {
        Err(match refused {
            TryAwaitError::Cancelled(_) => Refused::Cancelled,
            _ => Refused::Unable,
        })
    })
}

/// A panic of the future becomes an error, since it must not unwind through the call: a runtime without sockets or
/// timers panics.
async fn caught<T>(future: impl Future<Output = Result<T, Refused>>) -> Result<T, Refused> {
    let mut future = pin!(future);
    poll_fn(move |cx| {
        catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))).unwrap_or_else(|payload| {
            drop_quietly(payload);
            UNABLE.set(Handle::try_current().ok().map(|handle| handle.id()));
            Poll::Ready(Err(Refused::Unable))
        })
    })
    .await
}
