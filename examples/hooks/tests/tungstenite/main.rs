//! tungstenite in fibers, as a server and as a client.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/tls.rs"]
mod tls;

mod cancelled;
mod closing;
mod connecting;
mod messages;
mod overlap;
mod violations;

use std::{future::Future, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tower_fiber::run_in_fiber;
use tungstenite::WebSocket;

/// A websocket over TCP.
type Socket = WebSocket<tower_fiber::io::TcpStream>;

/// Runs a test on one thread, and fails if it hangs.
fn run<T>(test: impl Future<Output = T>) -> T {
    common::on_one_thread(async { timeout(Duration::from_secs(120), test).await.expect("the test hangs") })
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("ws://{}/", listener.local_addr().expect("an address"));
    (listener, url)
}

async fn accept(listener: &TcpListener) -> TcpStream {
    listener.accept().await.expect("a client").0
}

/// Runs both sides of a connection in fibers, and gives what they give.
async fn talk<S: Send + 'static, C: Send + 'static>(
    server: impl FnOnce(&mut Socket) -> S + Send + 'static,
    client: impl FnOnce(&mut Socket) -> C + Send + 'static,
) -> (S, C) {
    let (listener, url) = listen().await;
    let client = run_in_fiber(move || client(&mut hooks::tungstenite::connect(url).expect("a websocket").0));
    let server = async {
        let stream = accept(&listener).await;
        run_in_fiber(move || server(&mut hooks::tungstenite::accept(stream.into()).expect("a websocket"))).await
    };
    tokio::join!(server, client)
}
