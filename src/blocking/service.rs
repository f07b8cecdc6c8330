//! [`BlockingService`].

use std::{
    any::type_name,
    fmt, mem,
    task::{Context, Poll, ready},
};

use tower_service::Service;

use super::{
    call::{InBlocking, Line, Place, Refused, Threads},
    drive::drive,
};
use crate::error::as_box_error;

/// Runs each call of `S` on the blocking pool; made by [`BlockingLayer`](crate::BlockingLayer).
///
/// Errors of `S` pass through unchanged. The future of `S` is built and polled on the pool's thread, so it need not be
/// `Send`, and synchronous code below it may wait.
///
/// # Back-pressure
///
/// `poll_ready` returns `Pending` while all of the layer's [`max_threads`](super::BlockingLayerBuilder::max_threads)
/// are in use.
#[must_use = "services do nothing unless called"]
pub struct BlockingService<S> {
    inner: S,
    threads: Threads,
    line: Option<Line>,
    /// The permit that `poll_ready` has acquired for the next call.
    place: Place,
}

impl<S> BlockingService<S> {
    /// Wraps `inner` with a [`BlockingLayer`](crate::BlockingLayer) of its own that has all defaults.
    pub fn new(inner: S) -> Self {
        Self::with_threads(inner, Threads::default())
    }

    pub(super) fn with_threads(inner: S, threads: Threads) -> Self {
        Self { inner, threads, line: None, place: None }
    }

    /// Returns a reference to the wrapped service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns a mutable reference to the wrapped service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Returns the wrapped service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, Request> Service<Request> for BlockingService<S>
where
    S: Service<Request, Response: Send + 'static, Error: Send + 'static> + Clone + Send + 'static,
    Request: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = InBlocking<Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        if self.place.is_none() {
            if self.line.is_none() {
                self.line = self.threads.line();
            }
            if let Some(line) = &mut self.line {
                self.place = Some(ready!(line.as_mut().poll(cx)));
                self.line = None;
            }
        }
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // The ready instance is called; its clone is not ready.
        let clone = self.inner.clone();
        let mut service = mem::replace(&mut self.inner, clone);
        let work = move || {
            let root = service.call(request);
            drop(service);
            drive(root)
        };
        let refused = Refused { label: type_name::<S>(), outcome: |closed| as_box_error(closed).map(Err) };
        InBlocking::new(&self.threads, self.place.take(), refused, Box::new(work))
    }
}

impl<S: Clone> Clone for BlockingService<S> {
    /// The clone is not ready, even if this service is.
    fn clone(&self) -> Self {
        Self::with_threads(self.inner.clone(), self.threads.clone())
    }
}

impl<S: fmt::Debug> fmt::Debug for BlockingService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingService").field("inner", &self.inner).field("threads", &self.threads).finish()
    }
}
