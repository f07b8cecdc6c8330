//! `Shutdown`, by which servers of other kinds end, and the handles that it ends layers by.

use std::{future::pending, io, sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, oneshot},
    time::Instant,
};
use tower_fiber::{FiberLayer, OnDrop, Shutdown, ShutdownReport, Stopped, WaitExt as _, try_await_in_fiber};

use crate::harness::on_each_runtime;

/// Runs a test on a clock that goes on by itself when nothing else can.
fn with_paused_time<F: Future<Output = ()>>(test: impl FnOnce() -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(test());
}

fn stopped() -> (oneshot::Sender<()>, impl Future<Output = ()> + Send) {
    let (stop, stopped) = oneshot::channel::<()>();
    (stop, async { stopped.await.unwrap_or_default() })
}

#[test]
fn the_server_ends_before_its_layer() {
    on_each_runtime(|| async {
        let (stop, stopped) = stopped();
        let layer = FiberLayer::new();
        let inside = layer.clone();
        let server = move |stop: Stopped| async move {
            stop.await;
            // The layer still takes calls.
            assert_eq!(inside.run(|| async { 7 }.wait()).await, 7);
            Ok::<_, io::Error>(())
        };
        let shutdown = Shutdown::new().layer(&layer).with_graceful_shutdown(stopped);
        let running = tokio::spawn(shutdown.run(server));
        drop(stop);
        assert_eq!(running.await.unwrap().unwrap(), ShutdownReport::default());
    });
}

#[test]
fn a_server_that_fails_leaves_its_layer_open() {
    on_each_runtime(|| async {
        let layer = FiberLayer::new();
        let shutdown = Shutdown::new().layer(&layer).with_graceful_shutdown(pending());
        let failed = shutdown.run(async |_| Err::<(), _>(io::Error::other("no")));
        assert_eq!(failed.await.unwrap_err().to_string(), "no");
        assert_eq!(layer.run(|| 7).await, 7);
    });
}

#[test]
fn a_server_that_does_not_end_is_cut() {
    with_paused_time(|| async {
        let begun = Instant::now();
        let layer = FiberLayer::builder().on_drop(OnDrop::Cancel).build().unwrap();
        let call = tokio::spawn(layer.run(|| try_await_in_fiber(pending::<()>()).is_err()));
        let shutdown = Shutdown::new().layer(&layer).grace(Duration::from_secs(7)).with_graceful_shutdown(async {});
        let report = shutdown.run(|_| pending::<io::Result<()>>()).await.unwrap();
        assert_eq!((report.is_cut, report.cancelled, report.left), (true, 1, 0));
        assert_eq!(begun.elapsed().as_secs(), 7);
        assert!(call.await.unwrap());
    });
}

#[test]
fn a_handle_ends_its_layer() {
    with_paused_time(|| async {
        let begun = Instant::now();
        let layer = FiberLayer::new();
        let release = Arc::new(Notify::new());
        let released = Arc::clone(&release);
        let done = tokio::spawn(layer.run(|| tokio::time::sleep(Duration::from_secs(1)).wait()));
        let cancelled = tokio::spawn(layer.run(|| try_await_in_fiber(pending::<()>()).is_err()));
        let left = tokio::spawn(layer.run(move || released.notified().wait()));
        tokio::task::yield_now().await;
        let report = layer.handle().shutdown(Duration::from_secs(3)).await;
        assert_eq!((report.is_cut, report.cancelled, report.left), (true, 2, 1));
        assert_eq!(
            report.to_string(),
            "cut 0 connections, 0 requests and 0 websockets; cancelled 2 calls, of which 1 still run"
        );
        // Three seconds for all, and five for those that were cancelled.
        assert_eq!(begun.elapsed().as_secs(), 8);
        done.await.unwrap();
        assert!(cancelled.await.unwrap());
        release.notify_one();
        left.await.unwrap();
        assert_eq!(layer.handle().shutdown(Duration::ZERO).await, ShutdownReport::default());
    });
}
