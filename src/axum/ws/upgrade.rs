//! [`WebSocketUpgradeExt`].

use std::time::Duration;

use axum::{
    extract::ws::{OnFailedUpgrade, WebSocketUpgrade},
    response::Response,
};

use super::{SyncWebSocket, conversation::Prepared, heartbeat::Beat};
use crate::{layer::FiberLayer, util::has_timers::has_timers};

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
    /// Upgrades the connection, and runs `f` with the websocket in a fiber.
    ///
    /// If a fiber of a layer calls this, as a handler does, that fiber belongs to the same layer, and the span, the
    /// [carried](crate::FiberLayerBuilder::carry) values and the [`Hook`](crate::Hook)s' context that are current at
    /// this call follow it. It takes no permit of [`max_fibers`](crate::FiberLayerBuilder::max_fibers).
    /// [`cancel_all`](crate::FiberHandle::cancel_all) cancels the waits of the websocket. Outside layers the settings
    /// are the defaults, as with [`run_in_fiber`](crate::run_in_fiber).
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

    /// Like [`on_upgrade_fiber`](Self::on_upgrade_fiber), but as a call of `layer`, which takes a permit of its
    /// [`max_fibers`](crate::FiberLayerBuilder::max_fibers).
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

    /// Watches the client: when it has sent nothing for `interval`, it gets a ping, which browsers and libraries answer
    /// by themselves. If it then sends nothing for `timeout`, neither a pong nor anything else, its connection is cut,
    /// and the websocket ends as [`Vanished`](super::WebSocketEnd::Vanished). Without a heartbeat, the default, a
    /// client whose network is gone is noticed only when TCP gives up, which takes a quarter of an hour or for ever.
    ///
    /// Set axum's own settings first. The clock stands still while the pump does not read, because the function is slow
    /// and has unanswered messages. A message that is on its way counts when it is whole, and the ping comes after what
    /// was sent before: give `interval` and `timeout` together the time that the slowest client needs for the longest
    /// message.
    ///
    /// # Panics
    ///
    /// If `interval` or `timeout` is zero.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use axum::{Router, extract::WebSocketUpgrade, response::Response, routing::any};
    /// use tower_fiber::axum::WebSocketUpgradeExt as _;
    ///
    /// async fn upgrade(ws: WebSocketUpgrade) -> Response {
    ///     ws.heartbeat(Duration::from_secs(30), Duration::from_secs(10)).on_upgrade_fiber(|socket| {
    ///         for message in socket {
    ///             println!("{message:?}");
    ///         }
    ///     })
    /// }
    ///
    /// let app: Router = Router::new().route("/", any(upgrade));
    /// ```
    #[must_use = "it does nothing until `on_upgrade_fiber` is called"]
    #[track_caller]
    fn heartbeat(self, interval: Duration, timeout: Duration) -> WithHeartbeat<Self> {
        WithHeartbeat { upgrade: self, beat: Beat::new(interval, timeout) }
    }
}

/// An upgrade with a [`heartbeat`](WebSocketUpgradeExt::heartbeat).
#[derive(Debug)]
#[must_use = "it does nothing until `on_upgrade_fiber` is called"]
pub struct WithHeartbeat<U> {
    upgrade: U,
    beat: Beat,
}

impl<F: OnFailedUpgrade> WebSocketUpgradeExt for WithHeartbeat<WebSocketUpgrade<F>> {
    #[track_caller]
    fn on_upgrade_fiber<G>(self, f: G) -> Response
    where
        G: FnOnce(SyncWebSocket) + Send + 'static,
    {
        upgrade(self.upgrade, None, Some(self.beat), f)
    }

    #[track_caller]
    fn on_upgrade_fiber_with<G>(self, layer: &FiberLayer, f: G) -> Response
    where
        G: FnOnce(SyncWebSocket) + Send + 'static,
    {
        upgrade(self.upgrade, Some(layer), Some(self.beat), f)
    }
}

impl<F: OnFailedUpgrade> WebSocketUpgradeExt for WebSocketUpgrade<F> {
    #[track_caller]
    fn on_upgrade_fiber<G>(self, f: G) -> Response
    where
        G: FnOnce(SyncWebSocket) + Send + 'static,
    {
        upgrade(self, None, None, f)
    }

    #[track_caller]
    fn on_upgrade_fiber_with<G>(self, layer: &FiberLayer, f: G) -> Response
    where
        G: FnOnce(SyncWebSocket) + Send + 'static,
    {
        upgrade(self, Some(layer), None, f)
    }
}

#[track_caller]
fn upgrade<F, G>(ws: WebSocketUpgrade<F>, layer: Option<&FiberLayer>, beat: Option<Beat>, f: G) -> Response
where
    F: OnFailedUpgrade,
    G: FnOnce(SyncWebSocket) + Send + 'static,
{
    assert!(
        has_timers(),
        "websockets need timers, to end where the client does not: build the runtime with `enable_time` or `enable_all`, and call \
         `on_upgrade_fiber` in it [TF40]"
    );
    let prepared = Prepared::new(layer, ws.selected_protocol().cloned(), beat, f);
    let upgrading = prepared.upgrading();
    let mut response = ws.on_upgrade(move |socket| prepared.connect(socket));
    response.extensions_mut().insert(upgrading);
    response
}

mod sealed {
    use axum::extract::ws::WebSocketUpgrade;

    use super::WithHeartbeat;

    #[expect(unnameable_types, reason = "nobody else is to implement it")]
    pub trait Sealed {}

    impl<F> Sealed for WebSocketUpgrade<F> {}
    impl<U> Sealed for WithHeartbeat<U> {}
}
