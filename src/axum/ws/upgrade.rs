//! [`WebSocketUpgradeExt`].

use axum::{
    extract::ws::{OnFailedUpgrade, WebSocketUpgrade},
    response::Response,
};

use super::{SyncWebSocket, conversation::Prepared};
use crate::{layer::FiberLayer, settings::Settings, util::timers};

/// Extends axum's [`WebSocketUpgrade`] to serve a websocket with a synchronous function. The settings of the upgrade
/// (`protocols`, `max_message_size`, `on_failed_upgrade`) apply.
///
/// The function and the pump that moves its messages run in one task, which axum spawns. If the function panics, the
/// client gets a close frame with the code 1011, then the task panics.
///
/// axum's notes on [`ws`](axum::extract::ws) apply, so use [`any`](axum::routing::any) for routes that HTTP/2 clients
/// should reach.
///
/// # Examples
///
/// ```
/// use axum::{Router, extract::WebSocketUpgrade, response::Response, routing::any};
/// use tower_fiber::axum::{SyncWebSocket, WebSocketUpgradeExt as _, fiber};
///
/// fn greet(mut socket: SyncWebSocket) {
///     _ = socket.send("hello");
/// }
///
/// // The handler that upgrades can be async, or a plain function as well.
/// fn upgrade(ws: WebSocketUpgrade) -> Response {
///     ws.max_message_size(1024).on_upgrade_fiber(greet)
/// }
///
/// let app: Router = Router::new().route("/", any(fiber(upgrade)));
/// ```
pub trait WebSocketUpgradeExt: Sized + sealed::Sealed {
    /// Upgrades the connection, and runs `f` with the websocket in a fiber with default settings, as
    /// [`run_in_fiber`](crate::run_in_fiber) does.
    ///
    /// When `f` returns, its queued messages go out, and the websocket is closed (see [`SyncWebSocket::close`]).
    ///
    /// # Cancel safety
    ///
    /// Only the end of the runtime drops `f` while it waits. A client that disconnects ends the websocket, not `f`.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, and on one without timers.
    #[must_use = "to set up the websocket, this response must be returned"]
    fn on_upgrade_fiber<G>(self, f: G) -> Response
    where
        G: FnOnce(SyncWebSocket) + Send + 'static;

    /// Like [`on_upgrade_fiber`](Self::on_upgrade_fiber), but with the settings of `layer`, whose name and counters it
    /// shares.
    ///
    /// The spans and [carried](crate::FiberLayerBuilder::carry) values that are current at this call follow it into the
    /// fiber. [`cancel_all`](crate::FiberHandle::cancel_all) cancels the waits of the websocket.
    ///
    /// # Examples
    ///
    /// ```
    /// use axum::{Router, extract::{State, WebSocketUpgrade}, response::Response, routing::any};
    /// use tower_fiber::{FiberLayer, axum::WebSocketUpgradeExt as _};
    ///
    /// async fn upgrade(State(layer): State<FiberLayer>, ws: WebSocketUpgrade) -> Response {
    ///     ws.on_upgrade_fiber_with(&layer, |mut socket| {
    ///         _ = socket.send("hello");
    ///     })
    /// }
    ///
    /// let layer = FiberLayer::builder().name("greetings").stack_size(256 * 1024).build()?;
    /// let app: Router = Router::new().route("/", any(upgrade)).with_state(layer);
    /// # Ok::<(), tower_fiber::error::ConfigError>(())
    /// ```
    #[must_use = "to set up the websocket, this response must be returned"]
    fn on_upgrade_fiber_with<G>(self, layer: &FiberLayer, f: G) -> Response
    where
        G: FnOnce(SyncWebSocket) + Send + 'static;
}

impl<F: OnFailedUpgrade> WebSocketUpgradeExt for WebSocketUpgrade<F> {
    #[track_caller]
    fn on_upgrade_fiber<G>(self, f: G) -> Response
    where
        G: FnOnce(SyncWebSocket) + Send + 'static,
    {
        upgrade(self, Settings::process_wide(), f)
    }

    #[track_caller]
    fn on_upgrade_fiber_with<G>(self, layer: &FiberLayer, f: G) -> Response
    where
        G: FnOnce(SyncWebSocket) + Send + 'static,
    {
        upgrade(self, layer.settings(), f)
    }
}

#[track_caller]
fn upgrade<F, G>(ws: WebSocketUpgrade<F>, settings: &Settings, f: G) -> Response
where
    F: OnFailedUpgrade,
    G: FnOnce(SyncWebSocket) + Send + 'static,
{
    assert!(
        timers::has_timers(),
        "websockets need timers, to end where the client does not: build the runtime with `enable_time` or `enable_all`, and call \
         `on_upgrade_fiber` in it"
    );
    let prepared = Prepared::new(settings, ws.selected_protocol().cloned(), f);
    ws.on_upgrade(move |socket| prepared.connect(socket))
}

mod sealed {
    use axum::extract::ws::WebSocketUpgrade;

    #[expect(unnameable_types, reason = "nobody else is to implement it")]
    pub trait Sealed {}

    impl<F> Sealed for WebSocketUpgrade<F> {}
}
