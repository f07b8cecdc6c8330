//! The handle of a layer: what it counts, refuses, cancels and waits for.

use std::{
    convert::Infallible,
    future::pending,
    sync::mpsc::{self, Receiver, Sender},
    time::Duration,
};

use tokio::runtime::Builder;
use tower::{BoxError, ServiceBuilder, ServiceExt as _};
use tower_fiber::{
    BlockingLayer, ShutdownReport, WaitExt as _,
    error::{Closed, TryAwaitError},
    sync_fn, try_await_in_fiber,
};

use crate::support::on_each_runtime;

/// A call that says that it has begun and really blocks until it is released.
fn blocked() -> (impl FnOnce() + Send, Receiver<()>, Sender<()>) {
    let (begin, begun) = mpsc::channel();
    let (release, released) = mpsc::channel();
    let call = move || {
        begin.send(()).unwrap();
        _ = released.recv();
    };
    (call, begun, release)
}

#[test]
fn it_counts_and_waits() {
    let runtime = Builder::new_multi_thread().worker_threads(1).max_blocking_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let layer = BlockingLayer::new();
        let handle = layer.handle();
        let (call, begun, release) = blocked();
        let first = tokio::spawn(layer.run(call));
        begun.recv().unwrap();
        let second = tokio::spawn(layer.run(|| 7));
        while handle.counters().queued == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!((handle.live(), handle.counters().queued), (1, 1));
        let drained = tokio::spawn(async move { handle.drained().await });
        tokio::task::yield_now().await;
        assert!(!drained.is_finished());
        drop(release);
        first.await.unwrap();
        assert_eq!(second.await.unwrap(), 7);
        drained.await.unwrap();
        let counters = layer.handle().counters();
        assert_eq!((counters.live, counters.queued, counters.cancelled), (0, 0, 0));
    });
}

#[test]
fn a_call_that_is_dropped_in_the_queue_is_not_counted_any_more() {
    let runtime = Builder::new_multi_thread().worker_threads(1).max_blocking_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let layer = BlockingLayer::new();
        let (call, begun, release) = blocked();
        let first = tokio::spawn(layer.run(call));
        begun.recv().unwrap();
        let second = tokio::spawn(layer.run(|| ()));
        while layer.handle().counters().queued == 0 {
            tokio::task::yield_now().await;
        }
        second.abort();
        drop(release);
        first.await.unwrap();
        layer.handle().drained().await;
    });
}

#[test]
fn a_closed_layer_refuses_calls() {
    on_each_runtime(|| async {
        let layer = BlockingLayer::new();
        layer.handle().close();
        let handler = |n: u32| Ok::<_, Infallible>(n);
        let as_error = ServiceBuilder::new().layer(layer.clone()).map_err(BoxError::from).service(sync_fn(handler));
        let error = as_error.oneshot(7).await.unwrap_err();
        assert!(error.is::<Closed>() && error.to_string().contains("`BlockingHandle::close`"), "{error}");
        let panicked = tokio::spawn(layer.run(|| 7)).await.unwrap_err();
        assert!(panicked.is_panic());
    });
}

#[test]
fn a_call_in_flight_still_makes_calls() {
    on_each_runtime(|| async {
        let layer = BlockingLayer::new();
        let inside = layer.clone();
        let call = move || {
            inside.handle().close();
            inside.run(|| 7).wait()
        };
        assert_eq!(layer.run(call).await, 7);
    });
}

#[test]
fn a_cancel_ends_fallible_waits_only() {
    on_each_runtime(|| async {
        let layer = BlockingLayer::new();
        let (begin, begun) = tokio::sync::oneshot::channel();
        let (release, released) = tokio::sync::oneshot::channel();
        let call = tokio::spawn(layer.run(move || {
            begin.send(()).unwrap();
            let during = try_await_in_fiber(pending::<()>());
            // The cancel may come before the wait.
            assert!(matches!(during, Err(TryAwaitError::Cancelled(_))));
            let later = try_await_in_fiber(async {});
            assert!(matches!(later, Err(TryAwaitError::Cancelled(Some(_)))));
            released.wait().unwrap()
        }));
        begun.await.unwrap();
        layer.handle().cancel_all();
        release.send(7).unwrap();
        assert_eq!(call.await.unwrap(), 7);
        layer.handle().drained().await;
        assert_eq!(layer.handle().counters().cancelled, 1);
        // Calls that begin later are not cancelled.
        assert_eq!(layer.run(|| try_await_in_fiber(async { 7 }).unwrap()).await, 7);
    });
}

#[test]
fn a_shutdown_says_what_is_left() {
    on_each_runtime(|| async {
        let layer = BlockingLayer::new();
        let call = tokio::spawn(layer.run(|| try_await_in_fiber(pending::<()>()).is_err()));
        while layer.handle().live() == 0 {
            tokio::task::yield_now().await;
        }
        let report = layer.handle().shutdown(Duration::from_millis(20)).await;
        assert_eq!((report.is_cut, report.cancelled, report.left), (true, 1, 0));
        assert!(call.await.unwrap());
        assert_eq!(layer.handle().shutdown(Duration::ZERO).await, ShutdownReport::default());
    });
}
