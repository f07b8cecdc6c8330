//! [`write_body`]: a response body that a synchronous function writes.

use std::{
    any::type_name,
    fmt,
    io::{self, Write},
    mem,
};

use axum::body::{Body, Bytes};

use super::report;
use crate::{
    layer::FiberLayer,
    stream::{Yielder, fiber_stream, fiber_stream_with},
};

/// The number of bytes that are gathered before they are sent.
const CHUNK: usize = 32 * 1024;

/// Makes a response body from a synchronous function that writes it: CSV, archives, templates, or any code that takes a
/// [`Write`].
///
/// The function runs in a fiber of its own while the body is sent: it starts when the handler has returned, and waits
/// for slow clients. The body is sent in chunks of 32 KiB, and the function is at most three chunks ahead of the
/// client, whatever the size of the body. [`flush`](Write::flush) sends a chunk that is not full yet.
///
/// In a fiber of a layer, as handlers are, that fiber belongs to the same layer, and the handler's context follows it:
/// see [`fiber_stream`]. [`write_body_with`] takes another layer.
///
/// If the function returns an error, the body ends as a failure, so that the client knows that it is incomplete, and a
/// warning with the error is logged (feature `tracing`; on the level `debug` if the client has gone before).
///
/// # Cancel safety
///
/// When the client disconnects, writing the next chunk fails with an error of kind
/// [`BrokenPipe`](io::ErrorKind::BrokenPipe), and [`caller_gone`](crate::caller_gone) is true. The function is also
/// cancelled according to its layer's [`OnDrop`](crate::OnDrop). If the client never asks for the body (`HEAD`), the
/// function is dropped unrun.
///
/// # Panics
///
/// A panic of the function ends the server's task for this connection or, with HTTP/2, for this request.
///
/// # Examples
///
/// ```
/// use std::io::Write as _;
/// use axum::{Router, http::header::CONTENT_TYPE, response::IntoResponse, routing::get};
/// use tower_fiber::axum::{fiber, write_body};
///
/// fn squares() -> impl IntoResponse {
///     let body = write_body(|w| {
///         (1..=1_000_000_u64).try_for_each(|n| writeln!(w, "{n},{}", n * n))
///     });
///     ([(CONTENT_TYPE, "text/csv")], body)
/// }
///
/// let app: Router = Router::new().route("/squares.csv", get(fiber(squares)));
/// ```
pub fn write_body<F>(f: F) -> Body
where
    F: FnOnce(&mut BodyWriter<'_>) -> io::Result<()> + Send + 'static,
{
    Body::from_stream(fiber_stream(|chunks| write_all(f, chunks, type_name::<F>())))
}

/// Like [`write_body`], but as a call of `layer`, which takes a permit of its
/// [`max_fibers`](crate::FiberLayerBuilder::max_fibers).
pub fn write_body_with<F>(layer: &FiberLayer, f: F) -> Body
where
    F: FnOnce(&mut BodyWriter<'_>) -> io::Result<()> + Send + 'static,
{
    let service = layer.settings().shared.name_or(type_name::<F>()).to_owned();
    Body::from_stream(fiber_stream_with(layer, move |chunks| write_all(f, chunks, &service)))
}

fn write_all<F>(f: F, chunks: &mut Yielder<io::Result<Bytes>>, service: &str) -> io::Result<()>
where
    F: FnOnce(&mut BodyWriter<'_>) -> io::Result<()>,
{
    let mut writer = BodyWriter { chunks, gathered: Vec::new() };
    let result = f(&mut writer).and_then(|()| writer.flush());
    if let Err(error) = &result {
        report::cut(service, error, writer.chunks.is_closed());
    }
    result
}

/// Writes a response's body; see [`write_body`].
///
/// # Errors
///
/// [`BrokenPipe`](io::ErrorKind::BrokenPipe) when the client has disconnected; where no wait is possible, the error
/// kinds of `io::FiberIo`.
pub struct BodyWriter<'a> {
    chunks: &'a mut Yielder<io::Result<Bytes>>,
    gathered: Vec<u8>,
}

impl Write for BodyWriter<'_> {
    #[track_caller]
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        if self.gathered.len() == CHUNK {
            self.flush()?;
        }
        if self.gathered.capacity() == 0 {
            self.gathered.reserve_exact(CHUNK);
        }
        let taken = buffer.len().min(CHUNK - self.gathered.len());
        self.gathered.extend_from_slice(&buffer[..taken]);
        Ok(taken)
    }

    #[track_caller]
    fn flush(&mut self) -> io::Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        Ok(self.chunks.send(Ok(mem::take(&mut self.gathered).into()))?)
    }
}

impl fmt::Debug for BodyWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyWriter").field("gathered", &self.gathered.len()).finish_non_exhaustive()
    }
}
