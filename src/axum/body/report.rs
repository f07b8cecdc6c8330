//! Says on the server why a response ends early.

use std::error::Error;

/// Reports the error in which the code behind a response's body has ended, and with which the connection or stream is
/// cut. An error after the client has gone is most often a consequence of that.
pub(super) fn cut(service: &str, error: &(dyn Error + 'static), has_client_gone: bool) {
    #[cfg(feature = "tracing")]
    if has_client_gone {
        tracing::debug!(service, error, "the body of a response ends by an error after its client has gone");
    } else {
        tracing::warn!(service, error, "the body of a response ends by an error: its client is cut off");
    }
    #[cfg(not(feature = "tracing"))]
    let _ = (service, error, has_client_gone);
}
