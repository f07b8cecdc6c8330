//! [`lookup_host`] and [`lookup_host_timeout`]: resolve names without blocking the thread.

use std::{
    future::Future,
    io::{self, ErrorKind},
    iter::FusedIterator,
    net::SocketAddr,
    time::Duration,
    vec,
};

use tokio::{net::ToSocketAddrs, runtime::Handle};

use super::{limit::TimeLimit, wait::wait_within};

/// Resolves a host's addresses while the fiber waits. `std::net::ToSocketAddrs::to_socket_addrs` blocks the thread.
///
/// The system's resolver runs on tokio's blocking pool. Numeric addresses need no resolver. The wait lasts as long as
/// the resolver takes, often 5 to 30 seconds for a name server that is down; [`lookup_host_timeout`] has a limit.
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
    wait_on_runtime(TimeLimit::none(), find(host))
}

/// Like [`lookup_host`], but waits no longer than `limit`.
///
/// # Cancel safety
///
/// Same as [`lookup_host`]. Nor does the time-out stop the resolver, which keeps its thread of the blocking pool until
/// it answers.
///
/// # Errors
///
/// As for [`lookup_host`]; also [`TimedOut`](ErrorKind::TimedOut) when the time has elapsed,
/// [`InvalidInput`](ErrorKind::InvalidInput) for a limit of zero, and [`Unsupported`](ErrorKind::Unsupported) on a
/// runtime without timers (`enable_time`).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_fiber::{io::lookup_host_timeout, run_in_fiber};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let mut addresses = run_in_fiber(|| lookup_host_timeout("localhost:80", Duration::from_secs(30))).await?;
/// assert!(addresses.all(|address| address.ip().is_loopback()));
/// # Ok(())
/// # }
/// ```
#[track_caller]
pub fn lookup_host_timeout(host: impl ToSocketAddrs, limit: Duration) -> io::Result<Addresses> {
    if limit.is_zero() {
        let text = "lookup_host_timeout was given a limit of zero: use lookup_host for no limit, or give more than zero [TF44]";
        return Err(io::Error::new(ErrorKind::InvalidInput, text));
    }
    wait_on_runtime(TimeLimit::resolving(Some(limit)), find(host))
}

async fn find(host: impl ToSocketAddrs) -> io::Result<Addresses> {
    // The addresses may borrow from `host`.
    let found: Vec<_> = tokio::net::lookup_host(host).await?.collect();
    Ok(Addresses(found.into_iter()))
}

/// The addresses that [`lookup_host`] and [`lookup_host_timeout`] have found, in the resolver's order.
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
pub(super) fn wait_on_runtime<R>(limit: TimeLimit, future: impl Future<Output = io::Result<R>>) -> io::Result<R> {
    wait_within(limit, async {
        if Handle::try_current().is_err() {
            return Err(io::Error::new(
                ErrorKind::Unsupported,
                "sockets and names need a tokio runtime, and there is none here: enter one, or use block_on_waits, which \
                 brings one [TF45]",
            ));
        }
        future.await
    })
}
