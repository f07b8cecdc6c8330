//! Calls on the blocking pool: where they run, how many at once, what becomes of them.

use std::{
    collections::HashSet,
    convert::Infallible,
    future::{pending, poll_fn},
    panic::AssertUnwindSafe,
    rc::Rc,
    sync::{Arc, Mutex},
    task::Poll,
    thread::{self, ThreadId},
};

use futures_util::{FutureExt as _, future::join_all};
use tokio::{
    runtime::{Builder, Handle},
    sync::{Barrier, Notify, Semaphore, mpsc, oneshot},
    task::{self, yield_now},
    time::{Duration, sleep},
};
use tower::{Layer as _, Service as _, ServiceBuilder, ServiceExt as _, service_fn};
use tower_fiber::{
    BlockingLayer, BlockingService, FiberLayer, WaitExt as _, WaitMode, caller_gone, in_fiber, offload, run_in_fiber,
    sync_fn, until_caller_gone, wait_mode,
};

use crate::support::{Drops, on_each_runtime, poll_once, text_of_panic, until};

/// Plain code, as it is under both layers.
fn handler(n: u32) -> Result<(u32, ThreadId, WaitMode), Infallible> {
    sleep(Duration::from_millis(1)).wait();
    Ok((n + 1, thread::current().id(), wait_mode()))
}

#[test]
fn one_line_moves_a_service_to_another_thread() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let in_fibers = ServiceBuilder::new().layer(FiberLayer::new()).service(sync_fn(handler));
        let on_threads = ServiceBuilder::new().layer(BlockingLayer::new()).service(sync_fn(handler));
        let here = thread::current().id();
        assert_eq!(in_fibers.oneshot(1).await, Ok((2, here, WaitMode::Fiber)));
        let (answer, there, mode) = on_threads.oneshot(1).await.unwrap();
        assert_eq!((answer, mode), (2, WaitMode::Blocking));
        assert_ne!(there, here);
    });
}

#[test]
fn others_are_served_while_a_thread_blocks() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (release, released) = std::sync::mpsc::channel::<()>();
        let released = Arc::new(Mutex::new(released));
        // Really blocks, without a wait that knows of runtimes.
        let blocks = BlockingService::new(sync_fn(move |()| {
            released.lock().unwrap().recv().unwrap();
            Ok::<_, Infallible>(thread::current().id())
        }));
        let blocked = tokio::spawn(blocks.oneshot(()));
        let service = FiberLayer::new().layer(sync_fn(handler));
        for n in 0..10 {
            assert_eq!(service.clone().oneshot(n).await.unwrap().0, n + 1);
        }
        assert!(!blocked.is_finished());
        release.send(()).unwrap();
        assert_ne!(blocked.await.unwrap().unwrap(), thread::current().id());
    });
}

/// Lets all threads go when the test ends, also by a failure: its runtime waits for them.
struct Release(Arc<Semaphore>);

impl Drop for Release {
    fn drop(&mut self) {
        self.0.add_permits(1000);
    }
}

#[test]
fn the_limit_is_the_layers() {
    on_each_runtime(|| async {
        let layer = BlockingLayer::builder().max_threads(2).build().unwrap();
        let (begun, mut begins) = mpsc::unbounded_channel();
        let answer = Arc::new(Semaphore::new(0));
        let _release = Release(Arc::clone(&answer));
        let inside = Arc::clone(&answer);
        let service = move |layer: &BlockingLayer| {
            let (begun, inside) = (begun.clone(), Arc::clone(&inside));
            layer.layer(sync_fn(move |n: u32| {
                begun.send(n).unwrap();
                async { inside.acquire().await.unwrap().forget() }.wait();
                Ok::<_, Infallible>(n)
            }))
        };
        // Two services of one layer.
        let mut calls = Vec::new();
        for n in 0..6 {
            calls.push(tokio::spawn(service(&layer.clone()).oneshot(n)));
        }
        let first = HashSet::from([begins.recv().await.unwrap(), begins.recv().await.unwrap()]);
        let mut third = service(&layer);
        assert!(poll_fn(|cx| Poll::Ready(third.poll_ready(cx))).await.is_pending());
        for _ in 0..100 {
            yield_now().await;
        }
        assert!(begins.try_recv().is_err(), "a third thread is taken beside {first:?}");
        answer.add_permits(6);
        for call in calls {
            call.await.unwrap().unwrap();
        }
        third.ready().await.unwrap();
        // A clone has no place because the original has one.
        let mut clone = third.clone();
        assert!(poll_fn(|cx| Poll::Ready(clone.poll_ready(cx))).await.is_ready());
    });
}

#[test]
fn a_service_that_is_dropped_in_line_leaves_it() {
    on_each_runtime(|| async {
        let layer = BlockingLayer::builder().max_threads(1).build().unwrap();
        let mut first = layer.layer(sync_fn(handler));
        first.ready().await.unwrap();
        let drops = Drops::default();
        let held = drops.held();
        let mut waits = layer.run(move || drop(held));
        assert!(poll_once(&mut waits).await.is_none());
        let mut third = layer.layer(sync_fn(handler));
        assert!(poll_fn(|cx| Poll::Ready(third.poll_ready(cx))).await.is_pending());
        drop(waits);
        assert_eq!(drops.count(), 1);
        drop(first);
        third.ready().await.unwrap().call(1).await.unwrap();
    });
}

#[test]
fn the_runtime_can_be_chosen() {
    let other = Builder::new_multi_thread().worker_threads(1).enable_all().thread_name("other").build().unwrap();
    let layer = BlockingLayer::builder().runtime(other.handle().clone()).build().unwrap();
    let id = other.handle().id();
    let ids = move || {
        let name = thread::current().name().map(str::to_owned);
        (Handle::current().id(), async { Handle::current().id() }.wait(), name)
    };
    let expected = (id, id, Some("other".to_owned()));
    let runtime = Builder::new_current_thread().build().unwrap();
    assert_eq!(runtime.block_on(layer.run(ids)), expected);
}

#[test]
fn without_a_runtime_it_says_what_to_do() {
    let mut run = Box::pin(BlockingLayer::new().run(|| 1));
    let text = text_of_panic(|| run.as_mut().now_or_never());
    assert!(text.contains("outside a tokio runtime") && text.contains(".runtime(..)"), "{text}");
}

#[test]
fn an_async_service_may_wait_below_its_own_awaits() {
    on_each_runtime(|| async {
        let service = service_fn(|n: u32| async move {
            // Its future is not `Send`.
            let value = Rc::new(n);
            yield_now().await;
            sleep(Duration::from_millis(1)).wait();
            let (a, b) = tokio::join!(async { yield_now().await }, async { handler(*value).unwrap().0 });
            let spawned = tokio::spawn(async { 4 }).await.unwrap();
            Ok::<_, Infallible>((a, b, spawned))
        });
        assert_eq!(BlockingService::new(service).oneshot(7).await, Ok(((), 8, 4)));
    });
}

#[test]
fn it_is_woken_from_other_threads() {
    on_each_runtime(|| async {
        let (go, gone) = (Arc::new(Notify::new()), Arc::new(Barrier::new(2)));
        let (inner, arrived) = (Arc::clone(&go), Arc::clone(&gone));
        let service = service_fn(move |()| {
            let (go, arrived) = (Arc::clone(&inner), Arc::clone(&arrived));
            async move {
                arrived.wait().await;
                go.notified().await;
                Ok::<_, Infallible>(9)
            }
        });
        let call = tokio::spawn(BlockingService::new(service).oneshot(()));
        gone.wait().await;
        go.notify_one();
        assert_eq!(call.await.unwrap(), Ok(9));
    });
}

#[test]
fn a_panic_goes_to_the_caller() {
    on_each_runtime(|| async {
        let layer = BlockingLayer::builder().max_threads(1).build().unwrap();
        for _ in 0..3 {
            let run = AssertUnwindSafe(layer.run(|| -> u32 { panic!("out of ink") }));
            assert_eq!(run.catch_unwind().await.unwrap_err().downcast_ref(), Some(&"out of ink"));
        }
        // And frees its thread.
        assert_eq!(layer.run(|| 1).await, 1);
    });
}

/// Drops a call while its function runs on another thread, and looks what that is told.
async fn is_told<C: Future + Unpin>(call: impl FnOnce(Box<dyn FnOnce() + Send>) -> C) {
    let (begun, begins) = oneshot::channel();
    let (end, ended) = oneshot::channel();
    let mut call = call(Box::new(move || {
        assert!(!caller_gone());
        begun.send(()).unwrap();
        until_caller_gone().wait();
        end.send(caller_gone()).unwrap();
    }));
    assert!(poll_once(&mut call).await.is_none());
    begins.await.unwrap();
    drop(call);
    assert!(ended.await.unwrap());
}

#[test]
fn a_dropped_call_runs_to_its_end_and_is_told() {
    on_each_runtime(|| is_told(|function| BlockingLayer::new().run(function)));
}

#[test]
fn what_a_fiber_offloads_is_told_too() {
    on_each_runtime(|| is_told(|function| run_in_fiber(|| offload(function))));
}

#[test]
fn a_fiber_can_offload_under_a_limit() {
    on_each_runtime(|| async {
        let layer = BlockingLayer::builder().max_threads(1).build().unwrap();
        let running = Arc::new(Mutex::new(()));
        let answers = join_all((0..20).map(|n| {
            let (layer, running) = (layer.clone(), Arc::clone(&running));
            run_in_fiber(move || {
                let work = move || {
                    let _alone = running.try_lock().expect("one at a time");
                    assert!(!in_fiber());
                    n * 2
                };
                layer.run(work).wait()
            })
        }));
        assert_eq!(answers.await, (0..20).map(|n| n * 2).collect::<Vec<_>>());
    });
}

#[test]
fn what_has_not_begun_when_its_caller_goes_does_not_run() {
    let runtime = Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let (release, released) = std::sync::mpsc::channel::<()>();
        let blocker = task::spawn_blocking(move || released.recv().unwrap());
        let drops = Drops::default();
        let held = drops.held();
        let mut call = BlockingLayer::new().run(move || {
            drop(held);
            panic!("it runs for nobody");
        });
        assert!(poll_once(&mut call).await.is_none());
        drop(call);
        release.send(()).unwrap();
        blocker.await.unwrap();
        until(|| drops.count() == 1).await;
    });
}

#[test]
fn a_runtime_that_has_ended_refuses() {
    let ended = Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let layer = BlockingLayer::builder().runtime(ended.handle().clone()).build().unwrap();
    ended.shutdown_background();
    let runtime = Builder::new_current_thread().build().unwrap();
    let text = text_of_panic(|| runtime.block_on(layer.run(|| 1)));
    assert!(text.contains("shutting down"), "{text}");
}

#[test]
fn bad_settings_are_refused() {
    let error = BlockingLayer::builder().max_threads(0).build().unwrap_err();
    assert_eq!(error.to_string(), "max_threads is 0, so no call could ever run: allow at least one [TF25]");
    let error = BlockingLayer::builder().max_threads(usize::MAX).build().unwrap_err();
    assert!(error.to_string().contains("at most"), "{error}");
}

#[test]
fn it_can_be_looked_at() {
    let service = BlockingService::new(sync_fn(handler));
    assert!(format!("{service:?}").starts_with("BlockingService"));
    assert_eq!(format!("{:?}", BlockingLayer::new().run(|| ())), "InBlocking { stage: \"in line\" }");
    assert_eq!(format!("{:?}", service.get_ref()), format!("{:?}", service.clone().get_mut()));
    _ = service.into_inner();
    fn assert_send<T: Send>(_: T) {}
    assert_send(BlockingService::new(service_fn(|()| pending::<Result<(), Infallible>>())).call(()));
}

#[cfg(feature = "tracing")]
#[test]
fn the_callers_span_is_current() {
    use tracing_subscriber::layer::SubscriberExt as _;

    // The subscriber is the whole process's.
    crate::child::passes("blocking_layer::the_callers_span_is_current", || {
        let subscriber = tracing_subscriber::registry().with(tracing::level_filters::LevelFilter::INFO);
        tracing::subscriber::set_global_default(subscriber).unwrap();
        let runtime = Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let span = tracing::info_span!("request");
            let inside = || tracing::Span::current().id();
            let call = tracing::Instrument::instrument(BlockingLayer::new().run(inside), span.clone());
            assert_eq!(call.await, span.id());
            let fiber = tracing::Instrument::instrument(run_in_fiber(move || offload(inside)), span.clone());
            assert_eq!(fiber.await, span.id());
            assert_eq!(BlockingLayer::new().run(inside).await, None);
        });
    });
}
