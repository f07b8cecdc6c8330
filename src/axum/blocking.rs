//! [`blocking`]: a plain function as a [`Handler`] on the blocking pool.

use std::{
    any::type_name,
    fmt,
    future::Future as _,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
    thread,
};

use axum::{extract::Request, handler::Handler, response::Response};

use super::{
    SyncHandler,
    future::{Begin, HandlerFuture},
};
use crate::{blocking::BlockingLayer, layer::future::InBlocking};

/// Makes an axum [`Handler`] of a plain function that runs on tokio's pool of blocking threads, as [`BlockingLayer`]
/// runs services: its waits block that thread. Use it for functions that burn CPU or make blocking calls.
///
/// It takes the same functions as [`fiber`](super::fiber). Arguments are extracted by ordinary async code before a
/// thread is taken.
///
/// All defaults apply, as for [`BlockingLayer::new`]; [`blocking_with`] takes a layer with a limit or another runtime.
///
/// # Cancel safety
///
/// When the client goes while the function runs, it runs to its end; [`caller_gone`](crate::caller_gone) tells it so.
///
/// # Panics
///
/// The handler's future panics if the function does, with the same payload, and outside a tokio runtime.
///
/// # Examples
///
/// ```
/// use axum::{Router, routing::get};
/// use tower_fiber::axum::{blocking, fiber};
///
/// fn thumbnail() -> Vec<u8> {
///     // Decodes and scales an image.
///     # Vec::new()
/// }
///
/// fn title() -> String {
///     // Asks a database, by `wait`.
///     # String::new()
/// }
///
/// let app: Router = Router::new().route("/thumbnail", get(blocking(thumbnail))).route("/title", get(fiber(title)));
/// ```
pub fn blocking<F, T, S>(f: F) -> BlockingHandler<F, T, S>
where
    F: SyncHandler<T, S>,
{
    blocking_with(&BlockingLayer::new(), f)
}

/// As [`blocking`], with the settings of `layer`, whose limit it shares: further requests wait in order, without a
/// thread, and are dropped when their client goes. A layer with a runtime needs no other.
///
/// # Examples
///
/// ```
/// use axum::{Router, routing::get};
/// use tower_fiber::{BlockingLayer, axum::blocking_with};
///
/// let layer = BlockingLayer::builder().max_threads(4).build()?;
/// let app: Router = Router::new().route("/", get(blocking_with(&layer, || "hello")));
/// # Ok::<(), tower_fiber::error::ConfigError>(())
/// ```
pub fn blocking_with<F, T, S>(layer: &BlockingLayer, f: F) -> BlockingHandler<F, T, S>
where
    F: SyncHandler<T, S>,
{
    BlockingHandler { f, layer: layer.clone(), arguments: PhantomData }
}

/// The handler of [`blocking`] and [`blocking_with`].
#[must_use = "handlers do nothing unless routed to"]
pub struct BlockingHandler<F, T, S> {
    f: F,
    layer: BlockingLayer,
    arguments: PhantomData<fn(T, S)>,
}

impl<F, T, S> Unpin for BlockingHandler<F, T, S> {}

impl<F: Clone, T, S> Clone for BlockingHandler<F, T, S> {
    fn clone(&self) -> Self {
        Self { f: self.f.clone(), layer: self.layer.clone(), arguments: PhantomData }
    }
}

impl<F, T, S> fmt::Debug for BlockingHandler<F, T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingHandler").field("f", &type_name::<F>()).field("layer", &self.layer).finish()
    }
}

impl<F, T, S> Handler<T, S> for BlockingHandler<F, T, S>
where
    F: SyncHandler<T, S>,
    T: 'static,
    S: Send + Sync + 'static,
{
    type Future = HandlerFuture<Self, T, S>;

    fn call(self, request: Request, state: S) -> Self::Future {
        HandlerFuture::new(self, request, state)
    }
}

impl<F, T, S> Begin<T, S> for BlockingHandler<F, T, S>
where
    F: SyncHandler<T, S>,
{
    type Function = F;
    type Running = Box<InBlocking<Response>>;

    fn begin(
        self,
        arguments: F::Arguments,
        cx: &mut Context<'_>,
        ending: &mut Poll<thread::Result<Response>>,
    ) -> Option<Self::Running> {
        let f = self.f;
        let mut running = Box::new(self.layer.run(move || f.call(arguments)));
        *ending = Pin::new(&mut running).poll(cx).map(Ok);
        ending.is_pending().then_some(running)
    }
}
