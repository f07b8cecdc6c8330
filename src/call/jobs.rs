//! What fibers run: a closure, or one call of a tower service.

use std::{
    any::TypeId,
    convert::Infallible,
    future::Ready,
    pin::{Pin, pin},
    task::Poll,
};

use tower_service::Service;

use crate::raw::{Exit, Job};

/// A job that may move to another thread, and whose output may be sent back.
pub(crate) trait SendJob: Job<Output: Send> + Send {}

impl<J: Job<Output: Send> + Send> SendJob for J {}

/// A boxed closure. It may have any size, because a boxed value never crosses a stack switch by value.
pub(crate) struct Closure<F: ?Sized>(pub(crate) Box<F>);

impl<F, R> Job for Closure<F>
where
    F: FnOnce() -> R + ?Sized + 'static,
    R: 'static,
{
    type Root = Infallible;
    type Output = R;

    fn start(self, exit: Exit<'_, Self>) {
        exit.done((self.0)());
    }

    fn resume(root: Infallible, _: Exit<'_, Self>) {
        match root {}
    }
}

/// `service.call(request)`, and then its future, which is the root.
pub(crate) struct ServiceCall<S, Request> {
    pub(crate) service: S,
    pub(crate) request: Request,
}

impl<S, Request> Job for ServiceCall<S, Request>
where
    S: Service<Request> + 'static,
    S::Response: 'static,
    S::Error: 'static,
    S::Future: 'static,
    Request: 'static,
{
    type Root = Pin<Box<S::Future>>;
    type Output = Result<S::Response, S::Error>;

    fn start(self, exit: Exit<'_, Self>) {
        let Self { mut service, request } = self;
        let root = service.call(request);
        drop(service);
        if TypeId::of::<S::Future>() == TypeId::of::<Ready<Self::Output>>() {
            // `Ready` (`sync_fn`) is always ready, so it need not outlive this frame and needs no heap.
            return match exit.state.poll_awaited(pin!(root)) {
                Poll::Ready(output) => exit.done(output),
                Poll::Pending => unreachable!("std::future::Ready is ready"),
            };
        }
        Self::resume(Box::pin(root), exit);
    }

    fn resume(mut root: Self::Root, exit: Exit<'_, Self>) {
        match exit.state.poll_root(root.as_mut()) {
            Poll::Ready(output) => {
                // The root's destructor may wait, so it runs before the exit.
                drop(root);
                exit.done(output);
            }
            Poll::Pending => exit.park(root),
        }
    }
}
