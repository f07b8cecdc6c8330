//! The signals that end a process.

use std::{
    future::pending,
    io,
    sync::atomic::{AtomicBool, Ordering},
};

/// Whether a signal has ended a [`shutdown_signal`]. tokio then handles these signals for the rest of the process.
static IS_ASKED: AtomicBool = AtomicBool::new(false);

/// Waits for SIGTERM or Ctrl-C (SIGINT), or on Windows for Ctrl-C, Ctrl-Break, and the close of the console.
///
/// From the first poll on, these signals no longer end the process, even after the future was dropped. A later signal
/// cuts a shutdown that this future has begun: see [`Shutdown`](super::Shutdown). If the system refuses to deliver the
/// signals, an error is logged (feature `tracing`), and the future is pending for ever.
///
/// # Panics
///
/// When polled outside a tokio runtime, or in one without `enable_io`.
///
/// # Examples
///
/// ```no_run
/// # #[tokio::main]
/// # async fn main() {
/// tower_fiber::shutdown_signal().await;
/// println!("closing");
/// # }
/// ```
pub async fn shutdown_signal() {
    let signal = async { listen()?.await.map_or_else(|| Err(io::ErrorKind::BrokenPipe.into()), Ok) };
    match signal.await {
        Ok(()) => IS_ASKED.store(true, Ordering::Relaxed),
        Err(error) => {
            not_heard(&error);
            pending().await
        }
    }
}

/// Waits for the next signal. Pending for ever if no signal has begun the shutdown: the signals may be the program's.
pub(super) async fn another_signal() {
    if !IS_ASKED.load(Ordering::Relaxed) {
        pending().await
    }
    shutdown_signal().await;
}

#[cfg(unix)]
fn listen() -> io::Result<impl Future<Output = Option<()>>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move { crate::util::first::first(terminate.recv(), interrupt.recv()).await.unwrap_or_else(|other| other) })
}

#[cfg(windows)]
fn listen() -> io::Result<impl Future<Output = Option<()>>> {
    use crate::util::first::first;
    use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close};
    let (mut pressed, mut broken, mut closed) = (ctrl_c()?, ctrl_break()?, ctrl_close()?);
    Ok(async move {
        let keys = async { first(pressed.recv(), broken.recv()).await.unwrap_or_else(|other| other) };
        first(keys, closed.recv()).await.unwrap_or_else(|other| other)
    })
}

#[cfg(not(any(unix, windows)))]
fn listen() -> io::Result<std::future::Ready<Option<()>>> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg_attr(not(feature = "tracing"), expect(unused_variables, reason = "there are no events"))]
fn not_heard(error: &io::Error) {
    #[cfg(feature = "tracing")]
    tracing::error!(%error, "signals cannot be received, so none will begin the shutdown: begin it by `with_graceful_shutdown` [TF51]");
}
