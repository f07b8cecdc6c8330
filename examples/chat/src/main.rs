//! Serves the chat room: see the README of this example.

use std::{
    env,
    error::Error,
    future::IntoFuture as _,
    net::{Ipv4Addr, SocketAddr},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use axum::serve::ListenerExt as _;
use chat::{room::Room, web};
use tokio::{net::TcpListener, runtime::Builder, sync::oneshot, time::timeout};
use tower_fiber::FiberLayer;

/// How long members have to go after Ctrl-C. Longer than a websocket takes for its close.
const LAST_MEMBERS: Duration = Duration::from_secs(15);

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chat: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let port = match env::var("PORT") {
        Ok(port) => port.parse().map_err(|_| format!("PORT is {port:?}, it must be a number from 0 to 65535"))?,
        Err(env::VarError::NotPresent) => 3000,
        Err(error) => return Err(format!("PORT: {error}").into()),
    };
    // One thread for all members.
    Builder::new_current_thread().enable_all().build()?.block_on(serve(SocketAddr::from((Ipv4Addr::LOCALHOST, port))))
}

async fn serve(address: SocketAddr) -> Result<()> {
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| format!("cannot listen on {address}: {error}; set PORT to a free port, or to 0 for any"))?;
    let address = listener.local_addr()?;
    // What is said is short and should be seen at once.
    let listener = listener.tap_io(|stream| _ = stream.set_nodelay(true));

    let layer = FiberLayer::builder().name("members").stack_size(256 * 1024).build()?;
    let room = Arc::new(Room::default());
    let (stop, stopped) = oneshot::channel::<()>();
    let server = axum::serve(listener, web::router(Arc::clone(&room), &layer))
        .with_graceful_shutdown(async { stopped.await.unwrap_or_default() });
    let server = tokio::spawn(server.into_future());
    println!(
        "The room is open, on one thread. Open this in two windows of a browser, and talk:

  http://{address}/

Ctrl-C closes it."
    );

    tokio::signal::ctrl_c().await?;
    println!("Closing.");
    drop(stop);
    room.close();
    let last = async {
        layer.handle().drained().await;
        server.await
    };
    match timeout(LAST_MEMBERS, last).await {
        Ok(ended) => Ok(ended??),
        Err(_) => Err("some connections were still open, and are cut".into()),
    }
}
