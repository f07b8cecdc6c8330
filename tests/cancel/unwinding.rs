//! Waits while the thread is panicking: never suspended there. Each case is a process of its own.

use std::{
    future::{pending, ready},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{Once, atomic::AtomicU32, atomic::Ordering},
    thread,
};

use tower_fiber::{
    FiberLayer, OnDrop, WaitExt as _, error::TryAwaitError, run_in_fiber, try_await_in_fiber, until_caller_gone,
};

use crate::{
    child,
    support::{Drops, both, poll_once, until},
};

fn block_on<R>(future: impl Future<Output = R>) -> R {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

async fn pending_once() {
    tokio::task::yield_now().await;
}

/// A destructor that waits, as the `Drop` of a buffered writer does.
struct Flush<F: FnMut()>(F);

impl<F: FnMut()> Drop for Flush<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Drops a call of each placement while it waits, under `policy`.
async fn dropped(policy: OnDrop, code: fn()) {
    for layer in both(FiberLayer::builder().name("orders").on_drop(policy)) {
        let mut call = Box::pin(layer.run(code));
        assert!(poll_once(&mut call).await.is_none());
        until(|| layer.handle().live() == 1).await;
        drop(call);
        layer.handle().drained().await;
        assert_eq!(layer.handle().counters().leaked, 0);
        assert_eq!(layer.run(|| pending_once().wait()).await, (), "the thread still serves");
    }
}

#[test]
fn a_destructor_waits_while_its_handler_panics() {
    child::passes("unwinding::a_destructor_waits_while_its_handler_panics", || {
        for layer in both(FiberLayer::builder()) {
            block_on(async {
                let caught = tokio::spawn(layer.run(|| {
                    let _flush = Flush(|| {
                        assert!(matches!(try_await_in_fiber(pending_once()), Err(TryAwaitError::Unwinding)));
                        assert_eq!(try_await_in_fiber(ready(1)).unwrap(), 1, "what is ready at once has its value");
                        assert_eq!(ready(2).wait(), 2);
                    });
                    panic!("expected");
                }));
                assert!(caught.await.unwrap_err().is_panic());
                assert!(!thread::panicking());
                assert!(
                    !layer
                        .run(|| {
                            pending_once().wait();
                            thread::panicking()
                        })
                        .await,
                    "in the next task"
                );
                layer.handle().drained().await;
                assert_eq!(layer.handle().counters().refused_waits, 1);
            });
        }
    });
}

#[test]
fn a_destructor_waits_infallibly_while_its_handler_panics() {
    let texts = ["`orders`", "tests/cancel/unwinding.rs", "try_await_in_fiber", "FiberIo"];
    child::aborts("unwinding::a_destructor_waits_infallibly_while_its_handler_panics", &texts, || {
        let layer = FiberLayer::new().name("orders");
        block_on(layer.run(|| {
            let _flush = Flush(|| pending_once().wait());
            panic!("expected");
        }));
    });
}

#[test]
fn unwind_a_locals_drop_waits_by_try() {
    child::passes("unwinding::unwind_a_locals_drop_waits_by_try", || {
        static REFUSED: AtomicU32 = AtomicU32::new(0);
        block_on(async {
            for policy in [OnDrop::Cancel, OnDrop::Unwind] {
                dropped(policy, || {
                    let _flush = Flush(|| {
                        assert!(matches!(try_await_in_fiber(pending_once()), Err(TryAwaitError::Cancelled(Some(_)))));
                        REFUSED.fetch_add(1, Ordering::Relaxed);
                    });
                    _ = try_await_in_fiber(pending::<()>());
                    pending_once().wait();
                })
                .await;
            }
        });
        assert_eq!(REFUSED.load(Ordering::Relaxed), 4);
    });
}

#[test]
fn unwind_infallible_wait_in_a_drop() {
    let texts = ["`orders`", "tests/cancel/unwinding.rs", "try_await_in_fiber", "FiberIo"];
    child::aborts("unwinding::unwind_infallible_wait_in_a_drop", &texts, || {
        block_on(dropped(OnDrop::Unwind, || {
            let _flush = Flush(|| pending_once().wait());
            pending::<()>().wait();
        }));
    });
}

/// A frame that cannot be unwound, like that of a C function that calls back.
extern "C" fn callback() {
    _ = try_await_in_fiber(until_caller_gone());
    pending_twice().wait();
}

async fn pending_twice() {
    pending_once().await;
    pending_once().await;
}

#[test]
fn unwind_a_c_frame_on_the_stack() {
    child::aborts("unwinding::unwind_a_c_frame_on_the_stack", &["cannot unwind"], || {
        block_on(dropped(OnDrop::Unwind, || callback()));
    });
}

#[test]
fn finish_and_cancel_a_c_frame_and_an_infallible_wait_in_a_drop() {
    child::passes("unwinding::finish_and_cancel_a_c_frame_and_an_infallible_wait_in_a_drop", || {
        block_on(async {
            for policy in [OnDrop::Finish, OnDrop::Cancel] {
                dropped(policy, || {
                    let _flush = Flush(|| pending_once().wait());
                    callback();
                })
                .await;
            }
        });
    });
}

#[test]
fn a_panic_hook_waits() {
    child::passes("unwinding::a_panic_hook_waits", || {
        static HOOK: Once = Once::new();
        std::panic::set_hook(Box::new(|_| {
            HOOK.call_once(|| assert!(matches!(try_await_in_fiber(pending_once()), Err(TryAwaitError::Unwinding))));
        }));
        block_on(async {
            for _ in 0..2 {
                let caught = tokio::spawn(run_in_fiber(|| panic!("expected"))).await;
                assert!(caught.unwrap_err().is_panic());
            }
        });
        assert!(HOOK.is_completed());
        assert!(catch_unwind(AssertUnwindSafe(|| panic!("unrelated"))).is_err());
    });
}

#[test]
fn a_future_is_dropped_while_the_thread_unwinds() {
    child::passes("unwinding::a_future_is_dropped_while_the_thread_unwinds", || {
        block_on(async {
            for policy in [OnDrop::Finish, OnDrop::Cancel, OnDrop::Unwind] {
                for layer in both(FiberLayer::builder().on_drop(policy)) {
                    let drops = Drops::default();
                    let held = drops.held();
                    let mut call = Box::pin(layer.run(move || {
                        let _held = held;
                        _ = try_await_in_fiber(until_caller_gone());
                        pending_twice().wait();
                    }));
                    assert!(poll_once(&mut call).await.is_none());
                    let caught = catch_unwind(AssertUnwindSafe(|| {
                        let _call = call;
                        resume_unwind(Box::new("expected"));
                    }));
                    assert!(caught.is_err());
                    layer.handle().drained().await;
                    assert_eq!((drops.count(), layer.handle().counters().leaked), (1, 0));
                }
            }
        });
    });
}
