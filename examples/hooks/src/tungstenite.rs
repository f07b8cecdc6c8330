//! tungstenite in fibers: websockets whose `read` and `send` suspend the fiber.
//!
//! tungstenite speaks over any stream that is `Read + Write`, so it needs no more than a [`TcpStream`] of
//! `tower_fiber::io`. Its own `connect` opens a `std` socket, which blocks the thread; [`connect`] is for it.
//!
//! | of tungstenite | here |
//! |---|---|
//! | `connect("ws://..")` | [`connect`]; redirects are not followed |
//! | `connect("wss://..")` | a TLS stream (`rustls.rs` makes one), and [`client`] |
//! | `client(request, stream)`, `accept(stream)` | [`client`], [`accept`], whose error is tungstenite's plain [`Error`] |
//! | the handshake that closes | [`close`] |
//! | `WebSocket`, `Message`, `WebSocketConfig` | as ever |
//!
//! # Time-outs
//!
//! `socket.get_mut().set_read_timeout(..)` limits how long a `read` waits without a byte. It is an `Error::Io` of kind
//! [`TimedOut`](ErrorKind::TimedOut) then, by which nothing is lost: the socket may be read again, also in the middle
//! of a message. That is how one fiber both waits for messages and sends its own from time to time.
//!
//! # Calls that are cancelled
//!
//! The wait of a cancelled fiber is an `Error::Io` of kind [`ConnectionAborted`](ErrorKind::ConnectionAborted). The
//! other side sees the connection end without a closing handshake, when the socket is dropped.
//!
//! # Example
//!
//! ```
//! use tokio::net::TcpListener;
//! use tower_fiber::{io::FiberIo, run_in_fiber};
//! use tungstenite::{Error, Message};
//!
//! fn greet(stream: tokio::net::TcpStream) -> Result<(), Error> {
//!     let mut socket = hooks::tungstenite::accept(FiberIo::new(stream))?;
//!     let name = socket.read()?;
//!     socket.send(format!("hello, {name}").into())?;
//!     hooks::tungstenite::close(&mut socket, None)
//! }
//!
//! fn ask(url: &str) -> Result<Message, Error> {
//!     let (mut socket, _) = hooks::tungstenite::connect(url)?;
//!     socket.send("world".into())?;
//!     let answer = socket.read()?;
//!     hooks::tungstenite::close(&mut socket, None)?;
//!     Ok(answer)
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! let url = format!("ws://{}/", listener.local_addr()?);
//! let asked = tokio::spawn(run_in_fiber(move || ask(&url)));
//! let (stream, _) = listener.accept().await?;
//! run_in_fiber(move || greet(stream)).await?;
//! assert_eq!(asked.await??, "hello, world".into());
//! # Ok(())
//! # }
//! ```

use std::io::{self, ErrorKind, Read, Write};

use tower_fiber::io::TcpStream;
use tungstenite::{
    Error, HandshakeError, WebSocket,
    client::{IntoClientRequest, uri_mode},
    error::UrlError,
    handshake::{HandshakeRole, client::Response},
    protocol::CloseFrame,
    stream::Mode,
};

/// Connects to a `ws://` URL. The addresses of its host are tried in turn.
///
/// # Errors
///
/// tungstenite's; of the connection and of the waits, [`Error::Io`]. For a `wss://` URL too, of kind
/// [`Unsupported`](ErrorKind::Unsupported).
pub fn connect(request: impl IntoClientRequest) -> Result<(WebSocket<TcpStream>, Response), Error> {
    let request = request.into_client_request()?;
    let uri = request.uri();
    if let Mode::Tls = uri_mode(uri)? {
        let text = "this connects without TLS: for a wss URL connect a TLS stream, and give it to `client`";
        return Err(io::Error::new(ErrorKind::Unsupported, text).into());
    }
    let host = uri.host().ok_or(UrlError::NoHostName)?;
    // An IPv6 address has brackets there.
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((host, uri.port_u16().unwrap_or(80)))?;
    // A message goes out when it is sent.
    stream.set_nodelay(true)?;
    client(request, stream)
}

/// Begins to speak as a client on a stream that is connected.
///
/// # Errors
///
/// tungstenite's; of the stream, [`Error::Io`].
pub fn client<S: Read + Write>(request: impl IntoClientRequest, stream: S) -> Result<(WebSocket<S>, Response), Error> {
    tungstenite::client(request, stream).map_err(failure)
}

/// Begins to speak as a server on a stream that was accepted.
///
/// # Errors
///
/// tungstenite's; of the stream, [`Error::Io`].
pub fn accept<S: Read + Write>(stream: S) -> Result<WebSocket<S>, Error> {
    tungstenite::accept(stream).map_err(failure)
}

/// Closes in order: says so, and reads on until the other side has said it too. Messages that come meanwhile are lost.
///
/// Where the other side has begun, it is the answer to that.
///
/// # Errors
///
/// Those of reading and writing, except [`Error::ConnectionClosed`], which is what this waits for.
pub fn close<S: Read + Write>(socket: &mut WebSocket<S>, frame: Option<CloseFrame>) -> Result<(), Error> {
    let mut done = socket.close(frame);
    while done.is_ok() {
        done = socket.read().map(drop);
    }
    match done {
        Err(Error::ConnectionClosed) => Ok(()),
        done => done,
    }
}

fn failure<R: HandshakeRole>(error: HandshakeError<R>) -> Error {
    match error {
        HandshakeError::Failure(error) => error,
        // Of streams that do not block, which is no wait in a fiber.
        HandshakeError::Interrupted(_) => io::Error::from(ErrorKind::WouldBlock).into(),
    }
}
