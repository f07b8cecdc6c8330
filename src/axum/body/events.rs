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
/// The iterator runs in a fiber of its own, while the response is sent; it is asked for the next event when the client
/// has taken the one before the last. An error ends the response as a failure. Give what comes back a `keep_alive` if
/// events are rare.
///
/// # Cancel safety
///
/// When the client goes, the iterator is dropped after the event that it is about to give;
/// [`caller_gone`](crate::caller_gone) and [`until_caller_gone`](crate::until_caller_gone) tell it so before.
///
/// # Panics
///
/// A panic of the iterator goes to the server's task of this connection, or with HTTP/2 of this request, which ends.
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

/// As [`sse`], with the settings of `layer`, whose name and counters it shares. When the client goes, the iterator is
/// also cancelled as the layer's [`OnDrop`](crate::OnDrop) says.
pub fn sse_with<I, E>(layer: &FiberLayer, events: I) -> Sse<FiberStream<Result<Event, E>>>
where
    I: IntoIterator<Item = Result<Event, E>> + Send + 'static,
    E: Into<BoxError> + Send + 'static,
{
    Sse::new(iter_with(layer, events))
}
