//! Server-sent events from an iterator.

use std::any::type_name;

use axum::{
    BoxError,
    response::sse::{Event, Sse},
};

use super::report;
use crate::{
    layer::FiberLayer,
    stream::{FiberStream, Yielder, fiber_stream, fiber_stream_with},
};

/// Makes a response of server-sent events from an iterator whose `next` may wait.
///
/// The iterator runs in a fiber of its own while the response is sent. Its `next` is called again when the client has
/// taken the event before the last one. In a fiber of a layer, as handlers are, it belongs to the same layer, and the
/// handler's context follows it: see [`fiber_stream`](crate::stream::fiber_stream). [`sse_with`] takes another layer.
/// An error ends the response as a failure, and a warning with the error is logged (feature `tracing`; on the level
/// `debug` if the client has gone before). If events are rare, call `keep_alive` on the returned value.
///
/// # Cancel safety
///
/// When the client disconnects, the iterator is dropped after the event that it is producing. It can find out earlier
/// from [`caller_gone`](crate::caller_gone) and [`until_caller_gone`](crate::until_caller_gone), and is cancelled
/// according to its layer's [`OnDrop`](crate::OnDrop).
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
pub fn sse<I, E>(events: I) -> Sse<FiberStream<Result<Event, BoxError>>>
where
    I: IntoIterator<Item = Result<Event, E>> + Send + 'static,
    E: Into<BoxError> + Send + 'static,
{
    Sse::new(fiber_stream(|y| send_all(events, y, type_name::<I>())))
}

/// Like [`sse`], but as a call of `layer`, which takes a permit of its
/// [`max_fibers`](crate::FiberLayerBuilder::max_fibers).
pub fn sse_with<I, E>(layer: &FiberLayer, events: I) -> Sse<FiberStream<Result<Event, BoxError>>>
where
    I: IntoIterator<Item = Result<Event, E>> + Send + 'static,
    E: Into<BoxError> + Send + 'static,
{
    let service = layer.settings().shared.name_or(type_name::<I>()).to_owned();
    Sse::new(fiber_stream_with(layer, move |y| send_all(events, y, &service)))
}

fn send_all<I, E>(events: I, y: &mut Yielder<Result<Event, BoxError>>, service: &str)
where
    I: IntoIterator<Item = Result<Event, E>>,
    E: Into<BoxError>,
{
    for event in events {
        let event = event.map_err(Into::into);
        if let Err(error) = &event {
            report::cut(service, &**error, y.is_closed());
        }
        if y.send(event).is_err() {
            break;
        }
    }
}
