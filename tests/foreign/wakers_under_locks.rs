//! Wakers that do something when they are cloned or dropped, where the crate waits by tokio primitives, which do
//! that under locks of their own. What may hang is a process of its own.

use std::{
    convert::Infallible,
    future::{Future, poll_fn, ready},
    panic::resume_unwind,
    pin::{Pin, pin},
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use cooked_waker::{IntoWaker as _, Wake, WakeRef};
use tokio::{
    runtime::{Builder, Runtime},
    sync::oneshot,
    task::{LocalSet, yield_now},
};
use tower::{Layer as _, Service as _, service_fn};
use tower_fiber::{BlockingLayer, FiberLayer, Placement, WaitExt as _, run_in_fiber, until_caller_gone};

type Act = Arc<dyn Fn() + Send + Sync>;

/// What a waker does when it is cloned, and when it is dropped.
struct Does {
    cloned: Act,
    dropped: Act,
}

impl Clone for Does {
    fn clone(&self) -> Self {
        (self.cloned)();
        Self { cloned: Arc::clone(&self.cloned), dropped: Arc::clone(&self.dropped) }
    }
}

impl WakeRef for Does {
    fn wake_by_ref(&self) {}
}

impl Wake for Does {}

impl Drop for Does {
    fn drop(&mut self) {
        (self.dropped)();
    }
}

/// Does something each time it is cloned.
fn cloning(f: impl Fn() + Send + Sync + 'static) -> Waker {
    Box::new(Does { cloned: Arc::new(f), dropped: Arc::new(|| ()) }).into_waker()
}

fn poll_with<F: Future + ?Sized>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn cloned_by_drained_it_makes_a_call() {
    crate::child::passes("wakers_under_locks::cloned_by_drained_it_makes_a_call", || {
        runtime().block_on(async {
            let layer = FiberLayer::new();
            let (open, gate) = oneshot::channel::<()>();
            let mut call = Box::pin(layer.run(|| gate.wait().unwrap()));
            assert!(poll_with(call.as_mut(), Waker::noop()).is_pending());
            let (handle, calls) = (layer.handle(), layer.clone());
            let waker = cloning(move || assert!(poll_with(pin!(calls.run(|| ())), Waker::noop()).is_ready()));
            let mut drained = pin!(handle.drained());
            assert!(poll_with(drained.as_mut(), &waker).is_pending());
            open.send(()).unwrap();
            call.await;
            drained.await;
        });
    });
}

#[test]
fn cloned_by_until_caller_gone_it_ends_the_call() {
    crate::child::passes("wakers_under_locks::cloned_by_until_caller_gone_it_ends_the_call", || {
        runtime().block_on(async {
            let (open, gate) = oneshot::channel::<()>();
            let (tell, told) = oneshot::channel();
            let mut call = Box::pin(run_in_fiber(move || {
                assert!(tell.send(until_caller_gone()).is_ok());
                gate.wait().unwrap();
            }));
            assert!(poll_with(call.as_mut(), Waker::noop()).is_pending());
            let rest = Mutex::new(Some((open, call)));
            let waker = cloning(move || {
                if let Some((open, mut call)) = rest.lock().unwrap().take() {
                    open.send(()).unwrap();
                    assert!(poll_with(call.as_mut(), Waker::noop()).is_ready());
                }
            });
            let mut gone = told.await.unwrap();
            assert!(poll_with(Pin::new(&mut gone), Waker::noop()).is_pending());
            assert!(poll_with(Pin::new(&mut gone), &waker).is_ready(), "the call has ended");
        });
    });
}

#[test]
fn cloned_in_line_for_a_thread_it_gives_one_back() {
    crate::child::passes("wakers_under_locks::cloned_in_line_for_a_thread_it_gives_one_back", || {
        runtime().block_on(async {
            let layer = BlockingLayer::builder().max_threads(1).build().unwrap();
            let mut first = layer.layer(service_fn(|()| ready(Ok::<_, Infallible>(()))));
            let mut second = first.clone();
            poll_fn(|cx| first.poll_ready(cx)).await.unwrap();
            let first = Mutex::new(Some(first));
            let waker = cloning(move || drop(first.lock().unwrap().take()));
            // In line before or after that.
            _ = second.poll_ready(&mut Context::from_waker(&waker));
            poll_fn(|cx| second.poll_ready(cx)).await.unwrap();
            second.call(()).await.unwrap();
        });
    });
}

/// A panic between two steps would leave a channel that may not be asked again.
#[tokio::test(flavor = "multi_thread")]
async fn dropped_with_an_outcome_it_panics() {
    let set = LocalSet::new();
    set.run_until(async {
        let layer = FiberLayer::new().placement(Placement::InPlace);
        let mut call = Box::pin(layer.run(|| 7));
        let dropped: Act = Arc::new(|| {
            if !std::thread::panicking() {
                resume_unwind(Box::new("a waker"));
            }
        });
        let waker = std::mem::ManuallyDrop::new(Box::new(Does { cloned: Arc::new(|| ()), dropped }).into_waker());
        while poll_with(call.as_mut(), &waker).is_pending() {
            yield_now().await;
        }
    })
    .await;
}
