//! A time limit without tokio's timers: the caller's runtime may have none, and its time may be paused.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    thread,
    time::Duration,
};

use tokio::sync::oneshot;

pub(super) struct DumpLimit {
    elapsed: oneshot::Receiver<()>,
    is_over: bool,
    clock: Option<thread::Thread>,
}

/// Starts a limit that ends after this time.
pub(super) fn after(time: Duration) -> DumpLimit {
    let (elapse, elapsed) = oneshot::channel();
    let wait = move || {
        thread::park_timeout(time);
        // The receiver may be gone.
        _ = elapse.send(());
    };
    let clock = thread::Builder::new().name("fiber-dump".to_owned()).spawn(wait);
    // Without a thread, the limit ends at once.
    DumpLimit { elapsed, is_over: clock.is_err(), clock: clock.ok().map(|clock| clock.thread().clone()) }
}

impl DumpLimit {
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Returns when `future` is ready or the limit has ended.
    pub(super) async fn or(&mut self, future: impl Future<Output = ()>) {
        let mut future = pin!(future);
        poll_fn(|cx| {
            self.is_over |= pin!(&mut self.elapsed).poll(cx).is_ready();
            if self.is_over { Poll::Ready(()) } else { future.as_mut().poll(cx) }
        })
        .await;
    }
}

impl Drop for DumpLimit {
    fn drop(&mut self) {
        if let Some(clock) = &self.clock {
            clock.unpark();
        }
    }
}
