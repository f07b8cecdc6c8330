//! What poisons a lock: a panic while it is held, and nothing else.

use std::{
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::pin,
    sync::Arc,
    task::{Context, Waker},
};

use tokio::task::yield_now;
use tower_fiber::{
    Cancelled, FiberLayer, OnDrop, WaitExt as _, run_local,
    sync::{Mutex, RwLock},
};

use crate::support::{both_with_one_worker, on_each_runtime, poll_once, until};

type Shared = Arc<(Mutex<u32>, RwLock<u32>)>;

fn are_poisoned(shared: &Shared) -> [bool; 2] {
    [shared.0.is_poisoned(), shared.1.is_poisoned()]
}

#[test]
fn a_panic_after_a_wait() {
    on_each_runtime(|| async {
        for layer in both_with_one_worker(FiberLayer::builder()) {
            let shared = Shared::default();
            let inside = Arc::clone(&shared);
            let panics = layer.run(move || {
                let _guards = (inside.0.lock(), inside.1.write());
                yield_now().wait();
                resume_unwind(Box::new("poison"));
            });
            assert!(tokio::spawn(panics).await.unwrap_err().is_panic());
            assert_eq!(are_poisoned(&shared), [true; 2]);
            // And so it is for all, wherever they are.
            assert!(layer.run(move || shared.0.lock().is_err() && shared.1.read().is_err()).await);
        }
    });
}

#[test]
fn a_cancel_does_not() {
    on_each_runtime(|| async {
        for layer in both_with_one_worker(FiberLayer::builder().on_drop(OnDrop::Unwind)) {
            let shared = Shared::default();
            let inside = Arc::clone(&shared);
            let mut call = Box::pin(layer.run(move || {
                let _guards = (inside.0.lock(), inside.1.write());
                pending::<()>().wait();
            }));
            assert!(poll_once(&mut call).await.is_none());
            until(|| layer.handle().live() == 1 && shared.0.try_lock().is_err()).await;
            drop(call);
            layer.handle().drained().await;
            assert_eq!(layer.handle().counters().cancelled, 1);
            assert_eq!(are_poisoned(&shared), [false; 2]);
            assert!(shared.0.try_lock().is_ok() && shared.1.try_write().is_ok(), "it has given them back");
        }
    });
}

/// A panic of its own poisons, even if a cancel is due and has not unwound it yet.
#[test]
fn a_panic_before_the_cancel() {
    let shared = Shared::default();
    let inside = Arc::clone(&shared);
    let mut call = Box::pin(run_local(move || {
        let caught = catch_unwind(|| pending::<()>().wait()).unwrap_err();
        assert!(caught.is::<Cancelled>());
        let guard = inside.1.write();
        assert!(
            catch_unwind(AssertUnwindSafe(|| {
                let _guard = guard;
                pending::<()>().wait();
            }))
            .is_err()
        );
    }));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(pin!(&mut call).poll(&mut cx).is_pending());
    drop(call);
    assert_eq!(are_poisoned(&shared), [false; 2]);

    let layer = FiberLayer::new().on_drop(OnDrop::Unwind);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let inside = Arc::clone(&shared);
        let (entered, mut is_in) = tokio::sync::oneshot::channel();
        let mut call = Box::pin(layer.run(move || {
            tower_fiber::shield(|| {
                let _guard = inside.0.lock();
                _ = entered.send(());
                yield_now().wait();
                resume_unwind(Box::new("while a cancel is due"));
            });
        }));
        assert!(poll_once(&mut call).await.is_none());
        assert!(is_in.try_recv().is_ok());
        drop(call);
        layer.handle().drained().await;
    });
    assert_eq!(are_poisoned(&shared), [true, false]);
}

/// The thread that resumes a fiber is panicking, and the fiber is not.
#[test]
fn a_panic_of_the_thread_below() {
    struct Polls<F: Future + Unpin>(F);

    impl<F: Future + Unpin> Drop for Polls<F> {
        fn drop(&mut self) {
            assert!(pin!(&mut self.0).poll(&mut Context::from_waker(Waker::noop())).is_ready());
        }
    }

    let shared = Shared::default();
    let inside = Arc::clone(&shared);
    let mut call = Polls(Box::pin(run_local(move || {
        let guard = inside.0.lock();
        yield_now().wait();
        drop((guard, inside.1.write()));
    })));
    assert!(pin!(&mut call.0).poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let panics = catch_unwind(AssertUnwindSafe(move || {
        let _call = call;
        resume_unwind(Box::new("below"));
    }));
    assert!(panics.is_err());
    assert_eq!(are_poisoned(&shared), [false; 2]);
}
