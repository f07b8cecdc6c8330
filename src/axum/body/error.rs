//! [`BodyError`]: turns an `io::Error` into a response.

use std::{
    error::Error,
    fmt,
    io::{self, ErrorKind},
    sync::Arc,
};

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use http_body_util::LengthLimitError;

use crate::error::Elapsed;

/// Turns an [`io::Error`] into a response, for functions that read a request's body and use `?`.
///
/// | status | because |
/// |---|---|
/// | 413 Payload Too Large | the body is longer than axum's [`DefaultBodyLimit`](axum::extract::DefaultBodyLimit) allows |
/// | 400 Bad Request | the body could not be read, because the client disconnected or broke the protocol, or its content is wrong ([`InvalidData`](ErrorKind::InvalidData), [`UnexpectedEof`](ErrorKind::UnexpectedEof)) |
/// | 500 Internal Server Error | any other error; its text is not sent but logged as a warning (feature `tracing`) |
///
/// The causes of an error are found through `source()`, which the errors of `serde_json` implement. The errors of `csv`
/// do not: take the `io::Error` out with `csv::Error::into_kind`.
#[derive(Debug)]
pub struct BodyError {
    status: StatusCode,
    source: io::Error,
}

impl BodyError {
    pub(super) fn too_large() -> Self {
        Self::from(ReadError::from(axum::Error::new(TooLong)).into_io())
    }

    /// The status of the response.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

impl From<io::Error> for BodyError {
    fn from(source: io::Error) -> Self {
        let status = match read_error(&source) {
            Some(error) if error.is_too_long() => StatusCode::PAYLOAD_TOO_LARGE,
            Some(_) => StatusCode::BAD_REQUEST,
            None if matches!(source.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) => {
                StatusCode::BAD_REQUEST
            }
            None => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self { status, source }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl Error for BodyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.source()
    }
}

impl IntoResponse for BodyError {
    fn into_response(self) -> Response {
        if self.status.is_server_error() {
            #[cfg(feature = "tracing")]
            tracing::warn!(
                error = &self as &dyn Error,
                "answering {}, whose client is not told the error",
                self.status
            );
            return self.status.into_response();
        }
        (self.status, self.source.to_string()).into_response()
    }
}

/// Why a request's body could not be read.
#[derive(Clone, Debug)]
pub(super) struct ReadError(Arc<axum::Error>);

impl From<axum::Error> for ReadError {
    fn from(error: axum::Error) -> Self {
        Self(Arc::new(error))
    }
}

impl ReadError {
    fn is_too_long(&self) -> bool {
        chain(&*self.0).any(|error| error.is::<LengthLimitError>() || error.is::<TooLong>())
    }

    pub(super) fn into_io(self) -> io::Error {
        let kind = if self.is_too_long() { ErrorKind::FileTooLarge } else { ErrorKind::ConnectionAborted };
        io::Error::new(kind, self)
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_too_long() {
            return f.write_str("the body of the request is longer than is allowed here");
        }
        f.write_str("the body of the request could not be read")?;
        // The errors in between add no information, nor does the source of a time-out's error.
        chain(&*self.0).filter(|cause| !cause.is::<Elapsed>()).last().map_or(Ok(()), |cause| write!(f, ": {cause}"))
    }
}

// It has no `source`, because its text contains the cause.
impl Error for ReadError {}

/// The declared length is above the limit.
#[derive(Debug)]
struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("length limit exceeded")
    }
}

impl Error for TooLong {}

/// The body ended before its declared length.
#[derive(Debug)]
pub(super) struct CutOff;

impl fmt::Display for CutOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it ended before its declared length")
    }
}

impl Error for CutOff {}

/// An error and its causes. `io::Error::source` skips the error that it wraps.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| match error.downcast_ref::<io::Error>() {
        Some(error) => error.get_ref().map(|inner| inner as _),
        None => error.source(),
    })
}

fn read_error(error: &io::Error) -> Option<&ReadError> {
    chain(error).find_map(|error| error.downcast_ref())
}
