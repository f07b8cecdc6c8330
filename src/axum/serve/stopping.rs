//! [`Stopping`]: tells handlers that the server ends.

use std::{convert::Infallible, future::pending, pin::pin};

use axum::{extract::FromRequestParts, http::request::Parts};
use tokio::sync::watch;

use crate::fiber::Relayed;

/// How far the shutdown has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    #[default]
    Serving,
    /// Nothing is accepted any more, and what is open should end.
    Stopping,
    /// What has not ended is cut.
    Cutting,
}

/// An extractor by which a handler learns that its server ([`serve`](super::serve)) is shutting down.
///
/// [Event streams](crate::axum::sse) and [`SyncWebSocket`](crate::axum::SyncWebSocket)s are ended by the server itself.
/// A handler needs this for what the server cannot end in its middle: a long [`write_body`](crate::axum::write_body), a
/// long poll, or a websocket of axum's own. Under other servers it never tells anything.
///
/// # Examples
///
/// ```
/// use std::{io::Write as _, time::Duration};
/// use axum::{Router, body::Body, routing::get};
/// use tower_fiber::{WaitExt as _, axum::{Stopping, fiber, write_body}};
///
/// /// A line each second, until the client goes or the server ends.
/// fn ticks(stopping: Stopping) -> Body {
///     write_body(move |w| {
///         while tokio::time::timeout(Duration::from_secs(1), stopping.begun()).wait().is_err() {
///             w.write_all(b"tick\n")?;
///             w.flush()?;
///         }
///         w.write_all(b"the server stops\n")
///     })
/// }
///
/// let app: Router = Router::new().route("/ticks", get(fiber(ticks)));
/// ```
#[derive(Clone, Debug)]
pub struct Stopping {
    phase: watch::Receiver<Phase>,
}

impl Stopping {
    pub(super) fn new(phase: &watch::Sender<Phase>) -> Self {
        Self { phase: phase.subscribe() }
    }

    /// Whether the shutdown has begun.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        *self.phase.borrow() != Phase::Serving
    }

    /// Waits until the shutdown begins.
    ///
    /// # Cancel safety
    ///
    /// It can be dropped and called again at any time.
    pub async fn begun(&self) {
        self.reached(Phase::Stopping).await;
    }

    /// Waits until what has not ended is cut.
    #[cfg(feature = "ws")]
    pub(crate) async fn cut(&self) {
        self.reached(Phase::Cutting).await;
    }

    async fn reached(&self, phase: Phase) {
        let mut current = self.phase.clone();
        let reached = pin!(async move { current.wait_for(|current| *current >= phase).await.is_ok() });
        // Without a server nothing will come.
        if !Relayed::new(reached).await {
            pending().await
        }
    }
}

/// Never rejects: without [`serve`](super::serve), the shutdown never begins.
impl<S: Sync> FromRequestParts<S> for Stopping {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let of_server = parts.extensions.get::<Self>().cloned();
        Ok(of_server.unwrap_or_else(|| Self::new(&watch::Sender::default())))
    }
}
