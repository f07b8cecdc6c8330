//! Response futures that are dropped: what becomes of the fiber, by policy and placement.

use std::{
    convert::Infallible,
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures_util::FutureExt as _;
use tokio::{
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};
use tokio_test::{assert_pending, task};
use tower_fiber::{
    FiberLayer, OnDrop, WaitExt as _, error::TryAwaitError, run_in_fiber, run_local, try_await_in_fiber,
};

use crate::support::{Drops, both, in_each_task, until};

/// Waits until no fiber of the layer is left.
async fn settled(layer: &FiberLayer) {
    until(|| layer.handle().live() == 0).await;
}

/// Starts a call whose sync code waits for the returned sender, drops it there, and returns what the code does next.
async fn dropped_while_it_waits<R: Send + 'static>(
    layer: &FiberLayer,
    wait: impl FnOnce(oneshot::Receiver<&'static str>) -> R + Send + 'static,
) -> (oneshot::Sender<&'static str>, mpsc::UnboundedReceiver<R>) {
    let (send, receive) = oneshot::channel();
    let (begun, begins) = oneshot::channel();
    let (effect, effects) = mpsc::unbounded_channel();
    let call = layer.run(move || {
        begun.send(()).unwrap();
        effect.send(wait(receive)).unwrap();
    });
    tokio::select! {
        biased;
        () = call => panic!("it waits"),
        begun = begins => begun.unwrap(),
    }
    (send, effects)
}

#[test]
fn finish_runs_to_the_end() {
    in_each_task(|| async {
        for layer in both(FiberLayer::builder()) {
            let (send, mut effects) = dropped_while_it_waits(&layer, |receive| receive.wait().unwrap()).await;
            let counters = layer.handle().counters();
            assert_eq!((counters.live, counters.stacks_in_use), (1, 1), "stack and fiber are held until the end");
            // On the pool it is counted when its worker next resumes it.
            while layer.handle().counters().handed_over == 0 {
                tokio::task::yield_now().await;
            }
            send.send("effect").unwrap();
            assert_eq!(effects.recv().await, Some("effect"));
            settled(&layer).await;
            let counters = layer.handle().counters();
            assert_eq!((counters.stacks_in_use, counters.leaked, counters.handed_over), (0, 0, 1));
        }
    });
}

#[tokio::test(start_paused = true)]
async fn finish_survives_a_time_out() {
    let effects = Arc::new(AtomicUsize::new(0));
    let inside = Arc::clone(&effects);
    let call = run_in_fiber(move || {
        for _ in 0..10 {
            sleep(Duration::from_secs(1)).wait();
            inside.fetch_add(1, Ordering::Relaxed);
        }
    });
    assert!(timeout(Duration::from_millis(2500), call).await.is_err());
    assert_eq!(effects.load(Ordering::Relaxed), 2);
    sleep(Duration::from_secs(8)).await;
    assert_eq!(effects.load(Ordering::Relaxed), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn finish_survives_an_abort_from_another_thread() {
    let layer = FiberLayer::new();
    let (send, receive) = oneshot::channel::<u32>();
    let (begun, begins) = oneshot::channel();
    let (effect, effects) = oneshot::channel();
    let call = layer.run(move || {
        begun.send(()).unwrap();
        effect.send(receive.wait()).unwrap();
    });
    let task = tokio::spawn(call);
    begins.await.unwrap();
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    send.send(5).unwrap();
    assert_eq!(effects.await.unwrap(), Ok(5));
}

#[test]
fn cancel_fails_fallible_waits_the_present_and_the_later() {
    in_each_task(|| async {
        for layer in both(FiberLayer::builder().on_drop(OnDrop::Cancel)) {
            let (_send, mut effects) = dropped_while_it_waits(&layer, |receive| {
                let present = matches!(try_await_in_fiber(receive), Err(TryAwaitError::Cancelled(None)));
                let later = try_await_in_fiber(async { 1 });
                let handed_back = matches!(later, Err(TryAwaitError::Cancelled(Some(_))));
                let infallible = async {
                    tokio::task::yield_now().await;
                    1
                };
                (present, handed_back, infallible.wait())
            })
            .await;
            assert_eq!(effects.recv().await, Some((true, true, 1)));
            settled(&layer).await;
            assert_eq!(layer.handle().counters().cancelled, 1);
            assert_eq!(layer.handle().counters().refused_waits, 2);
        }
    });
}

#[test]
fn cancel_lets_infallible_waits_go_on() {
    in_each_task(|| async {
        for layer in both(FiberLayer::builder().on_drop(OnDrop::Cancel)) {
            let (send, mut effects) = dropped_while_it_waits(&layer, |receive| receive.wait().unwrap()).await;
            tokio::task::yield_now().await;
            assert_eq!(layer.handle().live(), 1);
            send.send("went on").unwrap();
            assert_eq!(effects.recv().await, Some("went on"));
            settled(&layer).await;
        }
    });
}

#[test]
fn a_local_fiber_is_unwound_where_it_is_dropped() {
    let drops = Drops::default();
    let held = drops.held();
    let mut call = task::spawn(run_local(move || {
        let _held = held;
        pending::<()>().wait();
    }));
    assert_pending!(call.poll());
    drop(call);
    assert_eq!(drops.count(), 1);
}

#[test]
fn a_hand_over_that_the_runtime_refuses_is_leaked_and_counted() {
    in_each_task(|| async {
        let layer = FiberLayer::new();
        let inside = layer.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.spawn(inside.run(|| pending::<()>().wait()));
            runtime.block_on(tokio::task::yield_now());
            assert_eq!(inside.handle().live(), 1);
        })
        .join()
        .unwrap();
        let counters = layer.handle().counters();
        assert_eq!((counters.live, counters.leaked), (0, 1));
    });
}

/// A service that is never called.
#[derive(Clone)]
struct Uncalled;

impl<R> tower::Service<R> for Uncalled {
    type Response = ();
    type Error = Infallible;
    type Future = std::future::Ready<Result<(), Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: R) -> Self::Future {
        unreachable!("its response was never polled")
    }
}

#[test]
fn never_polled_drops_the_closure_and_the_request_and_takes_no_stack() {
    in_each_task(|| async {
        use tower::{Layer as _, Service as _};

        for policy in [OnDrop::Finish, OnDrop::Cancel, OnDrop::Unwind] {
            for layer in both(FiberLayer::builder().on_drop(policy)) {
                let drops = Drops::default();
                let held = drops.held();
                drop(layer.run(move || drop(held)));
                drop(layer.layer(Uncalled).call(drops.held()));
                assert_eq!(drops.count(), 2);
                assert_eq!(layer.handle().counters(), Default::default());
                layer.handle().drained().now_or_never().expect("none has begun");
            }
        }
    });
}
