//! The supplier: a server of its own on the loopback address, as slow as it is told.

use std::{
    io,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use axum::{
    Router,
    extract::Path,
    http::{HeaderMap, StatusCode},
    routing::{get, post},
};
use tokio::{net::TcpListener, time::sleep};

static LOGINS: AtomicU32 = AtomicU32::new(0);

pub(crate) async fn serve(listener: TcpListener, latency: Duration) -> io::Result<()> {
    let login = move || async move {
        sleep(latency).await;
        format!("session-{}", LOGINS.fetch_add(1, Ordering::Relaxed) + 1)
    };
    let price = move |Path(item): Path<i32>, headers: HeaderMap| async move {
        sleep(latency).await;
        price(item, &headers)
    };
    axum::serve(listener, Router::new().route("/login", post(login)).route("/prices/{item}", get(price))).await
}

/// Says for which login and request it is, too.
fn price(item: i32, headers: &HeaderMap) -> Result<String, StatusCode> {
    let [session, request] = ["authorization", "x-request-id"].map(|name| headers.get(name)?.to_str().ok());
    let session = session.filter(|session| session.starts_with("session-")).ok_or(StatusCode::UNAUTHORIZED)?;
    Ok(format!("{item}.50 in {session} for request {}", request.unwrap_or("?")))
}
