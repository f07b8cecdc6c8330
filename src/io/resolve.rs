//! [`lookup_host`]: resolves names without blocking the thread.

use std::{
    future::Future,
    io::{self, ErrorKind},
    iter::FusedIterator,
    net::SocketAddr,
    vec,
};

use tokio::{net::ToSocketAddrs, runtime::Handle};

use super::{limit::Limit, wait::wait_within};

/// Resolves a host's addresses while the fiber waits. `std::net::ToSocketAddrs::to_socket_addrs` blocks the thread.
///
/// The system's resolver runs on tokio's blocking pool. Numeric addresses need no resolver.
///
/// # Cancel safety
///
/// In a cancelled fiber it returns an error. The resolver cannot be stopped: it occupies a thread of the blocking pool
/// until it answers.
///
/// # Errors
///
/// The errors of the resolver and of the waits of [`FiberIo`](super::FiberIo), and
/// [`Unsupported`](ErrorKind::Unsupported) outside a tokio runtime.
///
/// # Examples
///
/// ```
/// use tower_fiber::{io::lookup_host, run_in_fiber};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let mut addresses = run_in_fiber(|| lookup_host("localhost:80")).await?;
/// assert!(addresses.all(|address| address.ip().is_loopback() && address.port() == 80));
/// # Ok(())
/// # }
/// ```
#[track_caller]
pub fn lookup_host(host: impl ToSocketAddrs) -> io::Result<Addresses> {
    wait_on_runtime(Limit::none(), async {
        // The addresses may borrow from `host`.
        let found: Vec<_> = tokio::net::lookup_host(host).await?.collect();
        Ok(Addresses(found.into_iter()))
    })
}

/// The addresses that [`lookup_host`] has found, in the resolver's order.
#[derive(Clone, Debug)]
#[must_use = "iterators do nothing unless consumed"]
pub struct Addresses(vec::IntoIter<SocketAddr>);

impl Iterator for Addresses {
    type Item = SocketAddr;

    fn next(&mut self) -> Option<SocketAddr> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for Addresses {}
impl FusedIterator for Addresses {}

/// Waits for a tokio future that would panic without a runtime.
#[track_caller]
pub(super) fn wait_on_runtime<R>(limit: Limit, future: impl Future<Output = io::Result<R>>) -> io::Result<R> {
    wait_within(limit, async {
        if Handle::try_current().is_err() {
            return Err(io::Error::new(
                ErrorKind::Unsupported,
                "sockets and names need a tokio runtime, and there is none here: enter one, or use block_on_waits, which \
                 brings one",
            ));
        }
        future.await
    })
}
