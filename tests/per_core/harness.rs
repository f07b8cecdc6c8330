//! Servers in threads of their own, and clients that wait for them with a limit.

use std::{
    future::Future,
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    panic::resume_unwind,
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use tokio::sync::oneshot;
use tower_fiber::per_core::{PerCore, PerCoreBuilder};

pub(crate) const ANY_PORT: &str = "127.0.0.1:0";
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// Runs a test with a socket for each core, then with one acceptor. A test that hangs fails.
pub(crate) fn each_way(test: fn(PerCoreBuilder)) {
    println!("as the system does it");
    in_time(move || test(PerCore::builder()));
    println!("with one acceptor");
    in_time(move || test(PerCore::builder().single_acceptor()));
}

/// Gives what `f` does, and its panic.
///
/// # Panics
///
/// If it takes too long.
pub(crate) fn in_time<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> R {
    background(f).end()
}

/// Work in another thread.
pub(crate) struct Background<R>(Receiver<thread::Result<R>>);

pub(crate) fn background<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> Background<R> {
    let (done, end) = mpsc::channel();
    thread::spawn(move || {
        let work = thread::spawn(f);
        let _ = done.send(work.join());
    });
    Background(end)
}

impl<R> Background<R> {
    pub(crate) fn end(self) -> R {
        let result = self.0.recv_timeout(LIMIT).expect("the test hangs");
        result.unwrap_or_else(|payload| resume_unwind(payload))
    }
}

/// A shutdown that the test asks for: by sending or by dropping the first.
pub(crate) fn shutdown() -> (oneshot::Sender<()>, impl Future<Output = ()> + Send) {
    let (ask, asked) = oneshot::channel::<()>();
    (ask, async { asked.await.unwrap_or_default() })
}

/// What the server answers to a request on a connection of its own.
pub(crate) fn get(address: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    let mut stream = connect(address)?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n")?;
    let response = io::read_to_string(&mut stream)?;
    let (head, body) = response.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok((head[9..12].parse().unwrap(), body.to_owned()))
}

/// What a server writes that says something to each client and closes.
pub(crate) fn greeting(address: SocketAddr) -> io::Result<String> {
    let mut text = String::new();
    connect(address)?.read_to_string(&mut text)?;
    Ok(text)
}

pub(crate) fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(LIMIT))?;
    Ok(stream)
}
