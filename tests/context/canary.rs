//! In debug builds: what a fiber leaves behind on its thread over a wait is reported.

#![cfg(all(feature = "tracing", debug_assertions))]

use tokio::{runtime::Builder, task::yield_now};
use tower_fiber::{FiberLayer, WaitExt as _};

use crate::events::Warnings;
use crate::support::poll_once;

#[tokio::test]
async fn a_runtime_that_is_entered_over_a_wait() {
    let warnings = Warnings::default();
    let _default = tracing::subscriber::set_default(warnings.clone());
    let other = Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let handle = other.handle().clone();
    let layer = FiberLayer::new().name("orders");
    let line = line!() + 3;
    let call = layer.run(move || {
        let _entered = handle.enter();
        yield_now().wait();
    });
    let mut call = Box::pin(call);
    assert!(poll_once(&mut call).await.is_none());
    let said = warnings.take();
    assert_eq!(said.len(), 1, "{said:?}");
    for text in ["orders", "Handle::enter", &format!("{}:{line}", file!())] {
        assert!(said[0].contains(text), "{said:?}");
    }
    call.await;
    assert_eq!(warnings.take(), [""; 0], "once for each wait");
    other.shutdown_background();
}

#[tokio::test]
async fn guards_of_two_fibers_that_end_in_the_wrong_order() {
    let warnings = Warnings::default();
    let _default = tracing::subscriber::set_default(warnings.clone());
    let others = [(); 2].map(|()| Builder::new_multi_thread().worker_threads(1).build().unwrap());
    let layer = FiberLayer::new();
    let calls = others.each_ref().map(|other| {
        let handle = other.handle().clone();
        tokio::spawn(layer.run(move || {
            let _entered = handle.enter();
            yield_now().wait();
        }))
    });
    for call in calls {
        // tokio refuses some of them, which is that call's failure.
        _ = call.await;
    }
    assert!(!warnings.take().is_empty());
    // The process lives, and so does this thread.
    assert_eq!(layer.run(|| async { 5 }.wait()).await, 5);
    others.into_iter().for_each(|other| other.shutdown_background());
}

#[tokio::test]
async fn a_fiber_that_leaves_nothing_is_not_reported() {
    let warnings = Warnings::default();
    let _default = tracing::subscriber::set_default(warnings.clone());
    let layer = FiberLayer::new();
    for _ in 0..3 {
        layer.run(|| yield_now().wait()).await;
    }
    tokio::spawn(layer.run(|| yield_now().wait())).await.unwrap();
    assert_eq!(warnings.take(), [""; 0]);
}

tokio::task_local! {
    static USER: String;
}

/// The layer of the handlers carries it, and a middleware of another layer, or of none, sets it.
#[tokio::test]
async fn a_task_local_that_another_layer_carries() {
    let warnings = Warnings::default();
    let _default = tracing::subscriber::set_default(warnings.clone());
    let _handlers = FiberLayer::new().carry(&USER);
    let layer = FiberLayer::new().name("middleware");
    let sets = || USER.sync_scope("ada".to_owned(), || yield_now().wait());
    let line = line!() - 1;
    let mut call = Box::pin(layer.run(sets));
    assert!(poll_once(&mut call).await.is_none());
    let said = warnings.take();
    assert_eq!(said.len(), 1, "{said:?}");
    for text in ["middleware", "task-local of `alloc::string::String`", "sync_scope", &format!("{}:{line}", file!())] {
        assert!(said[0].contains(text), "{said:?}");
    }
    call.await;
    // A fiber around which it has a value leaves it as it is.
    USER.scope("grace".to_owned(), layer.run(|| yield_now().wait())).await;
    assert_eq!(warnings.take(), [""; 0], "once for each wait");
}
