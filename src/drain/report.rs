//! [`ShutdownReport`].

use std::fmt;

/// What a shutdown has cut. All numbers are zero if everything ended in time.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_fiber::FiberLayer;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let layer = FiberLayer::new();
/// layer.run(|| "done").await;
/// let report = layer.handle().shutdown(Duration::from_secs(10)).await;
/// assert!(!report.is_cut);
/// assert_eq!(report.to_string(), "everything ended in time");
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "it says what was cut"]
pub struct ShutdownReport {
    /// Whether anything was cut because the limit had passed or the process was signalled again.
    pub is_cut: bool,
    /// Connections that were cut, including idle ones and those whose request had not arrived completely. Websockets
    /// are not among them.
    pub connections: u64,
    /// Requests that were cut: their handler had not answered, or their body was still being sent.
    pub requests: u64,
    /// Websockets that were cut, because their function did not return or their client did not answer the close.
    pub websockets: u64,
    /// Calls of the layers that were cancelled, each according to its layer's [`OnDrop`](crate::OnDrop).
    pub cancelled: u64,
    /// Of the cancelled calls, those that still ran or waited at the end.
    pub left: u64,
}

impl ShutdownReport {
    /// Logs one event.
    pub(crate) fn log(&self) {
        #[cfg(feature = "tracing")]
        {
            let Self { connections, requests, websockets, cancelled, left, .. } = *self;
            if self.is_cut {
                tracing::warn!(
                    connections,
                    requests,
                    websockets,
                    cancelled,
                    left,
                    "the shutdown has cut what was left"
                );
            } else {
                tracing::info!("the shutdown is complete");
            }
        }
    }
}

impl fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_cut {
            return f.write_str("everything ended in time");
        }
        let Self { connections, requests, websockets, cancelled, left, .. } = self;
        write!(
            f,
            "cut {connections} connections, {requests} requests and {websockets} websockets; cancelled {cancelled} \
             calls, of which {left} still run"
        )
    }
}
