//! Local fibers that are dropped while they wait, in places where nothing may go wrong. Each case is a process of its
//! own.

use std::{
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use tokio_test::{assert_pending, task};
use tower_fiber::{Cancelled, FiberLayer, WaitExt as _, run_local, shield, try_await_in_fiber, until_caller_gone};

use crate::{
    child,
    support::{Drops, poll_once},
};

/// A destructor that waits.
struct Flush;

impl Drop for Flush {
    fn drop(&mut self) {
        assert!(try_await_in_fiber(tokio::task::yield_now()).is_err());
    }
}

#[test]
fn a_local_fiber_is_dropped_while_the_thread_unwinds() {
    child::passes("local_dropped::a_local_fiber_is_dropped_while_the_thread_unwinds", || {
        let (drops, caught) = (Drops::default(), Arc::new(AtomicU32::new(0)));
        let (held, inside) = (drops.held(), Arc::clone(&caught));
        let mut call = task::spawn(run_local(move || {
            let _held = held;
            let _flush = Flush;
            for _ in 0..3 {
                // Catching the unwinding and waiting again is bad, but no reason to end the process.
                assert!(catch_unwind(|| pending::<()>().wait()).unwrap_err().is::<Cancelled>());
                inside.fetch_add(1, Ordering::Relaxed);
            }
            pending::<()>().wait();
        }));
        assert_pending!(call.poll());
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            let _call = call;
            resume_unwind(Box::new("expected"));
        }));
        assert!(unwound.unwrap_err().is::<&str>());
        assert_eq!((drops.count(), caught.load(Ordering::Relaxed)), (1, 3));
        assert!(!thread::panicking());
    });
}

#[test]
fn a_local_fiber_in_a_shield_or_around_another_is_dropped_while_the_thread_unwinds() {
    child::passes(
        "local_dropped::a_local_fiber_in_a_shield_or_around_another_is_dropped_while_the_thread_unwinds",
        || {
            let layer = FiberLayer::new();
            let (inner, drops) = (layer.clone(), Drops::default());
            let held = drops.held();
            let shielded = run_local(|| shield(|| pending::<()>().wait()));
            let shielded_and_fallible = run_local(|| shield(|| _ = try_await_in_fiber(pending::<()>())));
            let around = run_local(move || {
                let _held = held;
                inner.run(|| until_caller_gone().wait()).wait();
            });
            tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
                for call in [shielded, shielded_and_fallible, around] {
                    let mut call = Box::pin(call);
                    assert!(poll_once(&mut call).await.is_none());
                    let unwound = catch_unwind(AssertUnwindSafe(|| {
                        let _call = call;
                        resume_unwind(Box::new("expected"));
                    }));
                    assert!(unwound.unwrap_err().is::<&str>());
                    assert!(!thread::panicking());
                }
                assert_eq!((drops.count(), layer.handle().live()), (1, 1), "the inner one goes on by its own policy");
                layer.handle().drained().await;
                assert_eq!(layer.handle().counters().leaked, 0);
            });
        },
    );
}

#[test]
fn a_local_fiber_that_is_dropped_makes_many_waits() {
    child::passes("local_dropped::a_local_fiber_that_is_dropped_makes_many_waits", || {
        for waits in [1_000, u32::MAX] {
            let drops = Drops::default();
            let held = drops.held();
            let mut call = task::spawn(run_local(move || {
                let _held = held;
                let _flush = Flush;
                // It goes on after the errors, each of which is there at once; in the end it is given up.
                (0..waits).for_each(|_| assert!(try_await_in_fiber(pending::<()>()).is_err()));
            }));
            assert_pending!(call.poll());
            drop(call);
            assert_eq!(drops.count(), usize::from(waits == 1_000));
        }
    });
}

/// Panics at each event.
#[cfg(feature = "tracing")]
struct Angry;

#[cfg(feature = "tracing")]
impl tracing::Subscriber for Angry {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, _: &tracing::Event<'_>) {
        resume_unwind(Box::new("angry"));
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[cfg(feature = "tracing")]
#[test]
fn a_subscriber_panics_while_a_fiber_is_leaked() {
    child::passes("local_dropped::a_subscriber_panics_while_a_fiber_is_leaked", || {
        tracing::subscriber::set_global_default(Angry).unwrap();
        let mut call = task::spawn(run_local(|| shield(|| pending::<()>().wait())));
        assert_pending!(call.poll());
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            let _leaked = call;
            resume_unwind(Box::new("expected"));
        }));
        assert_eq!(unwound.unwrap_err().downcast_ref(), Some(&"expected"));
    });
}
