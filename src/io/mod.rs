//! Synchronous [`Read`](std::io::Read), [`Write`](std::io::Write), [`Seek`](std::io::Seek) and
//! [`BufRead`](std::io::BufRead) over asynchronous streams (feature `io`).
//!
//! | for | use |
//! |---|---|
//! | any `AsyncRead`, `AsyncWrite`, `AsyncSeek` or `AsyncBufRead` | [`FiberIo::new`] |
//! | code that was written for `std::net::TcpStream` | [`TcpStream`], which has the same methods |
//! | `std::net::ToSocketAddrs`, which blocks the thread | [`lookup_host`], [`lookup_host_timeout`] |
//!
//! # Examples
//!
//! ```
//! use std::io::{BufRead as _, BufReader, Write as _};
//! use tower_fiber::{io::FiberIo, run_in_fiber};
//!
//! # #[tokio::main]
//! # async fn main() -> std::io::Result<()> {
//! let (here, there) = tokio::io::duplex(64);
//! let client = run_in_fiber(|| {
//!     let mut stream = FiberIo::new(here);
//!     stream.write_all(b"hello\n")?;
//!     let mut line = String::new();
//!     BufReader::new(stream).read_line(&mut line)?;
//!     Ok::<_, std::io::Error>(line)
//! });
//! let server = run_in_fiber(|| {
//!     let mut stream = FiberIo::new(there);
//!     let mut line = String::new();
//!     BufReader::new(&mut stream).read_line(&mut line)?;
//!     stream.write_all(line.to_uppercase().as_bytes())
//! });
//! let (line, served) = tokio::join!(client, server);
//! served?;
//! assert_eq!(line?, "HELLO\n");
//! # Ok(())
//! # }
//! ```

mod fiber_io;
mod halves;
mod limit;
mod read;
mod resolve;
mod seek;
mod tcp;
mod wait;
mod write;

pub use self::{
    fiber_io::FiberIo,
    halves::{TcpReadHalf, TcpWriteHalf},
    limit::TimedOut,
    resolve::{Addresses, lookup_host, lookup_host_timeout},
    tcp::TcpStream,
};
