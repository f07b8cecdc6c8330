//! Unwind: what is dropped, what is printed, and what code makes of it that catches the unwinding. Each case is a
//! process of its own.

use std::{
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use tokio::runtime::Builder;
use tower_fiber::{Cancelled, FiberLayer, OnDrop, WaitExt as _};

use crate::support::{Drops, Held, both_with_one_worker, poll_once, until};

/// In place, and on a pool of one worker.
fn layers() -> [FiberLayer; 2] {
    both_with_one_worker(FiberLayer::builder().on_drop(OnDrop::Unwind))
}

/// Drops a call of `layer` while `code` waits, until nothing of it is left. In a task that has made calls, as a
/// connection is one.
fn dropped<R: Send + 'static>(layer: &FiberLayer, code: impl FnOnce() -> R + Send + 'static) {
    let layer = layer.clone();
    let task = async move {
        layer.run(|| ()).await;
        let mut call = Box::pin(layer.run(code));
        assert!(poll_once(&mut call).await.is_none());
        until(|| layer.handle().live() == 1).await;
        drop(call);
        layer.handle().drained().await;
    };
    Builder::new_current_thread().build().unwrap().block_on(async { tokio::spawn(task).await.unwrap() });
}

/// The thread of the dropped call goes on.
fn serves(layer: &FiberLayer) {
    let runtime = Builder::new_current_thread().build().unwrap();
    let call = layer.run(|| {
        tokio::task::yield_now().wait();
        1
    });
    assert_eq!(runtime.block_on(call), 1);
}

/// Waits for ever with locals in two frames.
fn waits_with_locals(drops: &Drops) {
    let _outer = drops.held();
    let inner = drops.held();
    let below = move || {
        let _inner = inner;
        pending::<()>().wait();
    };
    below();
    unreachable!("the code after the wait does not run");
}

#[test]
fn each_local_is_dropped_once_and_nothing_is_printed() {
    let test = "unwind::each_local_is_dropped_once_and_nothing_is_printed";
    let ended = crate::child::run(test, || {
        for layer in layers() {
            for n in 1..=10 {
                let drops = Drops::default();
                let inside = drops.clone();
                dropped(&layer, move || waits_with_locals(&inside));
                assert_eq!(drops.count(), 2);
                let counters = layer.handle().counters();
                assert_eq!((counters.cancelled, counters.stacks_in_use, counters.leaked), (n, 0, 0));
            }
        }
    });
    if let Some(ended) = ended {
        assert!(ended.0.status.success() && ended.0.stderr.is_empty(), "{ended:?}");
    }
}

#[test]
fn the_handler_catches_the_unwind_and_returns_ok() {
    crate::child::passes("unwind::the_handler_catches_the_unwind_and_returns_ok", || {
        for layer in layers() {
            let drops = Drops::default();
            let value = drops.held();
            dropped(&layer, move || {
                assert!(catch_unwind(|| pending::<()>().wait()).unwrap_err().is::<Cancelled>());
                Ok::<Held, ()>(value)
            });
            assert_eq!(drops.count(), 1, "the value is discarded");
            let counters = layer.handle().counters();
            assert_eq!((counters.cancelled, counters.leaked, counters.stacks_in_use), (1, 0, 0));
            serves(&layer);
        }
    });
}

#[test]
fn the_handler_catches_the_cancel_and_then_panics() {
    struct Payload(#[expect(dead_code, reason = "its drop is what counts")] Held);

    crate::child::passes("unwind::the_handler_catches_the_cancel_and_then_panics", || {
        for layer in layers() {
            let drops = Drops::default();
            let payload = Payload(drops.held());
            dropped(&layer, move || {
                assert!(catch_unwind(|| pending::<()>().wait()).is_err());
                resume_unwind(Box::new(payload))
            });
            assert_eq!(drops.count(), 1, "the payload is dropped");
            let counters = layer.handle().counters();
            assert_eq!((counters.cancelled, counters.leaked, counters.stacks_in_use), (1, 0, 0));
            serves(&layer);
        }
    });
}

#[test]
fn a_loop_that_catches_each_unwind_is_leaked_after_64_tries() {
    crate::child::passes("unwind::a_loop_that_catches_each_unwind_is_leaked_after_64_tries", || {
        for layer in layers() {
            let (drops, tries) = (Drops::default(), Arc::new(AtomicU32::new(0)));
            let (held, inside) = (drops.held(), Arc::clone(&tries));
            dropped(&layer, move || {
                let _held = held;
                loop {
                    let caught = catch_unwind(AssertUnwindSafe(|| pending::<()>().wait())).unwrap_err();
                    assert!(caught.is::<Cancelled>());
                    inside.fetch_add(1, Ordering::Relaxed);
                }
            });
            assert_eq!((tries.load(Ordering::Relaxed), drops.count()), (64, 0));
            let counters = layer.handle().counters();
            assert_eq!((counters.live, counters.leaked, counters.stacks_in_use), (0, 1, 1));
            serves(&layer);
        }
    });
}
