//! Server-sent events from an iterator.

use axum::{
    BoxError,
    response::sse::{Event, Sse},
};

use crate::{
    layer::FiberLayer,
    stream::{FiberStream, iter, iter_with},
};

/// Makes a response of server-sent events from an iterator whose `next` may wait.
///
/// The iterator runs in a fiber of its own while the response is sent. Its `next` is called again when the client has
/// taken the event before the last one. An error ends the response as a failure. If events are rare, call `keep_alive`
/// on the returned value.
///
/// # Cancel safety
///
/// When the client disconnects, the iterator is dropped after the event that it is producing. It can find out earlier
/// from [`caller_gone`](crate::caller_gone) and [`until_caller_gone`](crate::until_caller_gone).
///
/// # Panics
///
/// A panic of the iterator ends the server's task for this connection or, with HTTP/2, for this request.
///
/// # Examples
///
/// ```
/// use std::{convert::Infallible, time::Duration};
/// use axum::{Router, response::{IntoResponse, sse::Event}, routing::get};
/// use tower_fiber::{WaitExt as _, axum::{fiber, sse}};
///
/// fn clock() -> impl IntoResponse {
///     sse((0..).map(|n: u32| {
///         tokio::time::sleep(Duration::from_secs(1)).wait();
///         Ok::<_, Infallible>(Event::default().data(n.to_string()))
///     }))
/// }
///
/// let app: Router = Router::new().route("/clock", get(fiber(clock)));
/// ```
pub fn sse<I, E>(events: I) -> Sse<FiberStream<Result<Event, E>>>
where
    I: IntoIterator<Item = Result<Event, E>> + Send + 'static,
    E: Into<BoxError> + Send + 'static,
{
    Sse::new(iter(events))
}

/// Like [`sse`], but with the settings of `layer`, whose name and counters it shares. When the client disconnects, the
/// iterator is also cancelled according to the layer's [`OnDrop`](crate::OnDrop).
pub fn sse_with<I, E>(layer: &FiberLayer, events: I) -> Sse<FiberStream<Result<Event, E>>>
where
    I: IntoIterator<Item = Result<Event, E>> + Send + 'static,
    E: Into<BoxError> + Send + 'static,
{
    Sse::new(iter_with(layer, events))
}
