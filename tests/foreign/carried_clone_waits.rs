//! Carried values whose `Clone` is code like any other: it waits, panics, calls back into the crate.

use std::{
    cell::Cell,
    panic::resume_unwind,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::task::yield_now;
use tower_fiber::{
    FiberLayer, FiberPool, WaitExt as _, error::TryAwaitError, in_fiber, join, offload, race, run_local,
    try_await_in_fiber,
};

use crate::support::{on_each_runtime, text_of_panic};

thread_local!(static PANICS: Cell<bool> = const { Cell::new(false) });

struct Waits;

impl Clone for Waits {
    fn clone(&self) -> Self {
        if in_fiber() {
            yield_now().wait();
        }
        Self
    }
}

struct Tries(Arc<AtomicUsize>);

impl Clone for Tries {
    fn clone(&self) -> Self {
        if let Err(refused) = try_await_in_fiber(yield_now()) {
            if in_fiber() {
                assert!(matches!(refused, TryAwaitError::InCallback(_)), "{refused:?}");
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        Self(Arc::clone(&self.0))
    }
}

struct CallsBack(FiberLayer);

impl Clone for CallsBack {
    fn clone(&self) -> Self {
        // A call carries what is here, which is this.
        drop(self.0.run(|| ()));
        if in_fiber() {
            let text = text_of_panic(|| join(|| (), || ()));
            assert!(text.contains("waited in a callback"), "{text}");
        }
        drop(run_local(|| ()));
        Self(self.0.clone())
    }
}

struct Panics;

impl Clone for Panics {
    fn clone(&self) -> Self {
        if PANICS.get() {
            resume_unwind(Box::new("a clone"));
        }
        Self
    }
}

/// It counts its clones.
struct Counts(Arc<AtomicUsize>);

impl Clone for Counts {
    fn clone(&self) -> Self {
        self.0.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&self.0))
    }
}

tokio::task_local! {
    static WAITS: Waits;
    static TRIES: Tries;
    static CALLS_BACK: CallsBack;
    static PANICKING: Panics;
    static COUNTS: Counts;
}

fn pool() -> FiberPool {
    FiberPool::builder().worker_threads(1).build().unwrap()
}

#[test]
fn carried_clone_waits() {
    on_each_runtime(|| async {
        let builder = FiberLayer::builder().carry(&WAITS);
        for layer in [builder.clone().build().unwrap(), builder.placement(pool()).build().unwrap()] {
            let call = layer.run(|| {
                yield_now().wait();
                let texts = [
                    text_of_panic(|| join(|| (), || ())),
                    text_of_panic(|| race([|| ()])),
                    text_of_panic(|| offload(|| ())),
                ];
                yield_now().wait();
                (texts, WAITS.try_with(|_| ()).is_ok())
            });
            let (texts, is_there) = WAITS.scope(Waits, call).await;
            assert!(texts.iter().all(|text| text.contains("waited in a callback")), "{texts:?}");
            assert!(is_there);
        }
    });
}

#[test]
fn it_is_told_why_it_cannot() {
    on_each_runtime(|| async {
        let builder = FiberLayer::builder().carry(&TRIES);
        for layer in [builder.clone().build().unwrap(), builder.placement(pool()).build().unwrap()] {
            let refused = Arc::new(AtomicUsize::new(0));
            let call = layer.run(|| {
                yield_now().wait();
                join(|| yield_now().wait(), || yield_now().wait());
                offload(|| ());
            });
            TRIES.scope(Tries(Arc::clone(&refused)), call).await;
            assert_eq!(refused.load(Ordering::Relaxed), 3, "once for each child, and for what is offloaded");
        }
    });
}

#[test]
fn no_suspend_clones() {
    on_each_runtime(|| async {
        let builder = FiberLayer::builder().carry(&COUNTS);
        for layer in [builder.clone().build().unwrap(), builder.placement(pool()).build().unwrap()] {
            let clones = Arc::new(AtomicUsize::new(0));
            let count = Arc::clone(&clones);
            let call = layer.run(move || {
                let before = count.load(Ordering::Relaxed);
                (0..100).for_each(|_| yield_now().wait());
                count.load(Ordering::Relaxed) - before
            });
            assert_eq!(COUNTS.scope(Counts(clones), call).await, 0);
        }
    });
}

#[test]
fn it_calls_back_into_the_crate() {
    on_each_runtime(|| async {
        let builder = FiberLayer::builder().carry(&CALLS_BACK);
        for layer in [builder.clone().build().unwrap(), builder.placement(pool()).build().unwrap()] {
            let value = CallsBack(layer.clone());
            let call = layer.run(|| {
                let has = || CALLS_BACK.try_with(|_| ()).is_ok();
                yield_now().wait();
                let (joined, offloaded) = (join(has, has), offload(has));
                yield_now().wait();
                (joined, offloaded, has())
            });
            assert_eq!(CALLS_BACK.scope(value, call).await, ((true, true), true, true));
        }
    });
}

#[test]
fn it_panics() {
    on_each_runtime(|| async {
        let builder = FiberLayer::builder().carry(&PANICKING);
        for layer in [builder.clone().build().unwrap(), builder.placement(pool()).build().unwrap()] {
            let call = layer.run(|| {
                PANICS.set(true);
                // The value is not cloned for this.
                yield_now().wait();
                let texts = [
                    text_of_panic(|| join(|| (), || ())),
                    text_of_panic(|| race([|| ()])),
                    text_of_panic(|| offload(|| ())),
                ];
                PANICS.set(false);
                yield_now().wait();
                (texts, PANICKING.try_with(|_| ()).is_ok())
            });
            let (texts, is_there) = PANICKING.scope(Panics, call).await;
            assert_eq!((texts.each_ref().map(String::as_str), is_there), (["a clone"; 3], true));
            // Where the call is made, and where it is first polled.
            let made = layer.clone();
            let both = PANICKING.scope(Panics, async move {
                PANICS.set(true);
                let text = text_of_panic(|| drop(made.run(|| ())));
                PANICS.set(false);
                let mut call = Box::pin(made.run(|| ()));
                PANICS.set(true);
                let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
                let polled = text_of_panic(|| _ = call.as_mut().poll(&mut cx));
                PANICS.set(false);
                call.await;
                [text, polled]
            });
            assert_eq!(both.await, ["a clone"; 2]);
            assert_eq!((layer.handle().live(), layer.handle().counters().leaked), (0, 0));
        }
    });
}
