//! What cannot work, and the texts that say so.

use axum::{body::Body, extract::WebSocketUpgrade, http::Request, routing::any};
use tokio::runtime::Builder;
use tower::ServiceExt as _;
use tower_fiber::axum::WebSocketUpgradeExt as _;

use crate::support::text_of_panic;

/// A request whose upgrade never comes.
fn request() -> Request<Body> {
    let mut connected = Request::new(());
    let upgrade = hyper::upgrade::on(&mut connected);
    Request::builder()
        .header("upgrade", "websocket")
        .header("connection", "Upgrade")
        .header("sec-websocket-key", "6D69KGBOr4Re+Nj6zx9aQA==")
        .header("sec-websocket-version", "13")
        .extension(upgrade)
        .body(Body::empty())
        .unwrap()
}

#[test]
fn a_runtime_without_timers() {
    let handler = any(async |ws: WebSocketUpgrade| ws.on_upgrade_fiber(|_| unreachable!("it is refused")));
    let runtime = Builder::new_current_thread().build().unwrap();
    let text = text_of_panic(|| runtime.block_on(handler.oneshot(request())));
    assert!(text.contains("enable_time"), "{text}");
}

#[test]
fn a_failed_upgrade_drops_the_function_unrun() {
    let drops = crate::support::Drops::default();
    let inside = drops.clone();
    let (report, mut reports) = tokio::sync::mpsc::unbounded_channel();
    let handler = any(async move |ws: WebSocketUpgrade| {
        let held = inside.held();
        ws.on_failed_upgrade(move |error: axum::Error| report.send(error).unwrap()).on_upgrade_fiber(|_| {
            drop(held);
            unreachable!("there is no connection")
        })
    });
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let response = handler.oneshot(request()).await.unwrap();
        assert_eq!(response.status(), 101);
        reports.recv().await.unwrap();
        crate::support::until(|| drops.count() == 1).await;
    });
}
