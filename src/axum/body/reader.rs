//! [`BodyReader`]: reads a request's body.

use std::{
    fmt,
    future::poll_fn,
    io::{self, BufRead, Read},
    pin::Pin,
};

use axum::{
    RequestExt as _,
    body::{Body, Bytes, HttpBody as _},
    extract::{FromRequest, Request},
};

use super::{
    BodyError, Upload,
    error::{CutOff, ReadError},
};
use crate::wait::try_await_in_fiber;

/// Reads a body through [`Read`] and [`BufRead`], chunk by chunk as it arrives: for parsers, archives and copies larger
/// than memory.
///
/// As an extractor it takes the request's body under axum's own limit: 2 MB, unless
/// [`DefaultBodyLimit`](axum::extract::DefaultBodyLimit) changes it for the route. A request that declares a longer
/// body is rejected with 413 before the function is called. If a body exceeds the limit without declaring so, the read
/// fails with an error of kind [`FileTooLarge`](io::ErrorKind::FileTooLarge). [`BodyError`] turns either into a
/// response.
///
/// # Cancel safety
///
/// As for [`try_await_in_fiber`]: a read in a cancelled fiber fails, and no data is lost.
///
/// # Errors
///
/// [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) if the client disconnects before the end of the body; where
/// no wait is possible, the error kinds of `io::FiberIo`.
///
/// # Half a body is not a whole one
///
/// When the body could not be read, every later read fails with the same error. Some parsers take an error for an end
/// nevertheless: `csv` gives no records when it fails in the first line. Therefore a handler ([`fiber`], [`blocking`],
/// synchronous middleware) whose response is no error (below 400) although reading has failed before it returned is
/// answered with that error, as [`BodyError`] would, and a warning is logged (feature `tracing`). A handler that wants
/// to answer otherwise asks for the error by [`take_error`](Self::take_error). A reader that was made by
/// [`new`](Self::new) has no handler, nor has one that is read after the response, by
/// [`write_body`](super::write_body).
///
/// [`fiber`]: crate::axum::fiber
/// [`blocking`]: crate::axum::blocking
///
/// # Examples
///
/// ```
/// use std::io::BufRead as _;
/// use axum::{Router, extract::DefaultBodyLimit, routing::post};
/// use tower_fiber::axum::{BodyError, BodyReader, fiber};
///
/// fn count_lines(body: BodyReader) -> Result<String, BodyError> {
///     let mut lines = 0;
///     for line in body.lines() {
///         line?;
///         lines += 1;
///     }
///     Ok(format!("{lines} lines"))
/// }
///
/// let app: Router =
///     Router::new().route("/count", post(fiber(count_lines)).layer(DefaultBodyLimit::max(1 << 30)));
/// ```
pub struct BodyReader {
    body: Body,
    /// The bytes that have arrived but were not read yet.
    chunk: Bytes,
    state: State,
    /// Reports read errors to the handler's future.
    upload: Option<Upload>,
}

enum State {
    Open,
    Ended,
    Failed(ReadError),
}

impl BodyReader {
    /// Reads `body`, of a request or a response. It adds no limit.
    #[must_use]
    pub fn new(body: Body) -> Self {
        Self { body, chunk: Bytes::new(), state: State::Open, upload: None }
    }

    /// Returns the error that has ended the body, if there is one; reads go on to fail with it. The handler's response
    /// is then left as it is.
    ///
    /// Let a parser borrow the reader, or give it back, to ask afterwards.
    ///
    /// # Examples
    ///
    /// ```
    /// use axum::{Router, routing::post};
    /// use tower_fiber::axum::{BodyReader, fiber};
    ///
    /// /// Keeps what has come, also of an upload that breaks off.
    /// fn import(mut body: BodyReader) -> String {
    ///     let rows = csv::Reader::from_reader(&mut body).records().map_while(Result::ok).count();
    ///     match body.take_error() {
    ///         None => format!("{rows} rows"),
    ///         Some(error) => format!("{rows} rows until the upload broke off: {error}"),
    ///     }
    /// }
    ///
    /// let app: Router = Router::new().route("/import", post(fiber(import)));
    /// ```
    pub fn take_error(&mut self) -> Option<io::Error> {
        let State::Failed(error) = &self.state else { return None };
        if let Some(upload) = &self.upload {
            upload.take();
        }
        Some(error.clone().into_io())
    }

    fn fail(&mut self, error: axum::Error) -> io::Error {
        let error = ReadError::from(error);
        if let Some(upload) = &self.upload {
            upload.fail(&error);
        }
        self.state = State::Failed(error.clone());
        error.into_io()
    }

    /// Waits for the next chunk, if there is one.
    #[track_caller]
    fn next(&mut self) -> io::Result<Option<Bytes>> {
        match &self.state {
            State::Open => {}
            State::Ended => return Ok(None),
            State::Failed(error) => return Err(error.clone().into_io()),
        }
        loop {
            match try_await_in_fiber(poll_fn(|cx| Pin::new(&mut self.body).poll_frame(cx)))? {
                // When a server shuts down, a body ends as if it were complete; only its declared length shows that it
                // is not.
                None if self.body.size_hint().lower() > 0 => return Err(self.fail(axum::Error::new(CutOff))),
                None => {
                    self.state = State::Ended;
                    return Ok(None);
                }
                Some(Err(error)) => return Err(self.fail(error)),
                // Trailers are not data, and an empty chunk is not the end.
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(chunk) if !chunk.is_empty() => return Ok(Some(chunk)),
                    _ => {}
                },
            }
        }
    }
}

impl BufRead for BodyReader {
    #[track_caller]
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.chunk.is_empty() {
            self.chunk = self.next()?.unwrap_or_default();
        }
        Ok(&self.chunk)
    }

    fn consume(&mut self, amount: usize) {
        drop(self.chunk.split_to(amount));
    }
}

impl Read for BodyReader {
    #[track_caller]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // An empty buffer needs no wait.
        if buffer.is_empty() {
            return Ok(0);
        }
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl<S: Sync> FromRequest<S> for BodyReader {
    type Rejection = BodyError;

    async fn from_request(request: Request, _: &S) -> Result<Self, BodyError> {
        let upload = Upload::following(&request);
        let declared = request.body().size_hint().lower();
        let body = request.into_limited_body();
        if body.size_hint().upper().is_some_and(|limit| declared > limit) {
            return Err(BodyError::too_large());
        }
        Ok(Self { upload, ..Self::new(body) })
    }
}

impl fmt::Debug for BodyReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyReader").field("has_ended", &matches!(self.state, State::Ended)).finish_non_exhaustive()
    }
}
