//! Serves the chat room: see the README of this example.

use std::{
    env,
    error::Error,
    io::{self, Write as _},
    net::{Ipv4Addr, SocketAddr},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use axum::serve::ListenerExt as _;
use chat::{room::Room, web};
use tokio::{net::TcpListener, runtime::Builder};
use tower_fiber::{FiberLayer, axum::serve};

const USAGE: &str =
    "usage: PORT=3000 chat   serves on 127.0.0.1 until Ctrl-C or SIGTERM; PORT chooses the port, 0 any that is free";
/// How long members have to answer the close of their websocket.
const LAST_MEMBERS: Duration = Duration::from_millis(800);

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            _ = writeln!(io::stderr(), "chat: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    match env::args_os().nth(1) {
        None => {}
        Some(argument) if argument == "--help" || argument == "-h" => return say(USAGE),
        Some(other) => return Err(format!("there is no argument {other:?}; {USAGE}").into()),
    }
    let port = match env::var("PORT") {
        Ok(port) => port.parse().map_err(|_| format!("PORT is {port:?}, it must be a number from 0 to 65535"))?,
        Err(env::VarError::NotPresent) => 3000,
        Err(error) => return Err(format!("PORT: {error}").into()),
    };
    // One thread for all members.
    Builder::new_current_thread().enable_all().build()?.block_on(open(SocketAddr::from((Ipv4Addr::LOCALHOST, port))))
}

/// Prints a text, and fails where `println!` would panic: on a full disk, and when nobody reads.
fn say(text: &str) -> Result<()> {
    writeln!(io::stdout(), "{text}").map_err(|error| format!("cannot write to the standard output: {error}").into())
}

async fn open(address: SocketAddr) -> Result<()> {
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| format!("cannot listen on {address}: {error}; set PORT to a free port, or to 0 for any"))?;
    let address = listener.local_addr()?;
    // What is said is short and should be seen at once.
    let listener = listener.tap_io(|stream| _ = stream.set_nodelay(true));

    let layer = FiberLayer::builder().name("members").stack_size(256 * 1024).build()?;
    let room = Arc::new(Room::default());
    say(&format!(
        "The room is open, on one thread. Open this in two windows of a browser, and talk:

  http://{address}/

Ctrl-C closes it."
    ))?;
    // Members are told by their websockets' close. A member that does not answer in time is cut, and loses nothing.
    let report = serve(listener, web::router(room, &layer)).layer(&layer).grace(LAST_MEMBERS).await?;
    say(&format!("Closed: {report}."))
}
