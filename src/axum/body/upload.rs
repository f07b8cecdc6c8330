//! [`Upload`]: does a handler know that its request's body could not be read?

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

use axum::{
    body::HttpBody as _,
    extract::Request,
    response::{IntoResponse as _, Response},
};

use super::{BodyError, error::ReadError};

/// The outcome of reading a request's body, shared by the reader and the handler that the request is for. It follows
/// the request as an extension, so that extractors that wrap the reader are told about, too.
#[derive(Clone, Default)]
pub(in crate::axum) struct Upload(Arc<ReadOutcome>);

#[derive(Default)]
struct ReadOutcome {
    error: OnceLock<ReadError>,
    /// The handler's code has asked for the error, so that its response is made in the knowledge of it.
    is_taken: AtomicBool,
}

impl Upload {
    /// Follows the body of `request`; `None` if it has no body.
    #[inline]
    pub(in crate::axum) fn of(request: &mut Request) -> Option<Self> {
        if request.body().is_end_stream() { None } else { Some(Self::follow(request)) }
    }

    // Not inlined, as most requests have no body.
    #[inline(never)]
    fn follow(request: &mut Request) -> Self {
        let upload = Self::default();
        request.extensions_mut().insert(upload.clone());
        upload
    }

    pub(super) fn following(request: &Request) -> Option<Self> {
        request.extensions().get().cloned()
    }

    pub(super) fn fail(&self, error: &ReadError) {
        _ = self.0.error.set(error.clone());
    }

    pub(super) fn take(&self) {
        self.0.is_taken.store(true, Ordering::Relaxed);
    }

    /// Returns the response to send: the error's, if `response` says that all went well and the handler has not asked
    /// for the error.
    pub(in crate::axum) fn judge(self, response: Response, handler: &str) -> Response {
        let Some(error) = self.0.error.get() else { return response };
        let status = response.status();
        if status.is_client_error() || status.is_server_error() || self.0.is_taken.load(Ordering::Relaxed) {
            return response;
        }
        #[cfg(feature = "tracing")]
        tracing::warn!(
            handler,
            error = error as &dyn std::error::Error,
            "answering with the error of an upload that the handler has passed over: it returned {status}; to answer otherwise, \
             ask for the error by `BodyReader::take_error` [TF48]"
        );
        #[cfg(not(feature = "tracing"))]
        let _ = handler;
        BodyError::from(error.clone().into_io()).into_response()
    }
}
