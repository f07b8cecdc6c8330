//! tokio's own functions that do not work in a fiber: tokio refuses them in its own words, and a warning says what to
//! do.

use tokio::{
    runtime::Handle,
    sync::{Mutex, mpsc},
    task::{self, LocalSet},
};
use tower_fiber::{FiberLayer, fiber_id};

use crate::support::{both, on_each_runtime, text_of_panic};

/// What each does, how tokio's text begins, and what the warning advises.
const REFUSED: [(fn(), &str, &str); 4] = [
    (
        || task::block_in_place(|| ()),
        "can call blocking only when running on the multi-threaded runtime",
        "use `offload`",
    ),
    (|| drop(Mutex::new(()).blocking_lock()), "Cannot block the current thread", "`lock().wait()`"),
    (|| _ = mpsc::channel::<()>(1).1.blocking_recv(), "Cannot block the current thread", "`recv().wait()`"),
    (|| Handle::current().block_on(async {}), "Cannot start a runtime from within a runtime", "`.wait()` where"),
];

#[test]
fn they_are_refused_everywhere() {
    on_each_runtime(|| async {
        for layer in both(FiberLayer::builder().name("legacy")) {
            LocalSet::new().run_until(are_refused(layer)).await;
        }
    });
}

async fn are_refused(layer: FiberLayer) {
    for (call, text, _) in REFUSED {
        let panic = layer.run(move || text_of_panic(call)).await;
        assert!(panic.starts_with(text), "{panic}");
    }
}

/// On the pool a fiber is in no task.
#[test]
fn task_id_is_no_key_on_the_pool() {
    on_each_runtime(|| async {
        let [_, pooled] = both(FiberLayer::builder());
        let (id, panic) = pooled.run(|| (task::try_id(), text_of_panic(task::id))).await;
        assert!(id.is_none() && panic.starts_with("Can't get a task id"), "{panic}");
        assert!(pooled.run(fiber_id).await.is_some());
    });
}

#[cfg(feature = "tracing")]
#[test]
fn a_warning_says_what_to_do_in_a_fiber() {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use futures_util::FutureExt as _;

    use crate::events::Warnings;

    on_each_runtime(|| async {
        let warnings = Warnings::default();
        // The caller's subscriber follows the call to the pool.
        let _default = tracing::subscriber::set_default(warnings.clone());
        let [in_place, pooled] = both(FiberLayer::builder().name("legacy"));
        let set = LocalSet::new();
        let panics = async |layer: &FiberLayer, call: fn()| {
            let call = AssertUnwindSafe(set.run_until(layer.run(call))).catch_unwind();
            assert!(call.await.is_err());
            warnings.take().join("\n")
        };
        for layer in [&in_place, &pooled] {
            for (call, text, advice) in REFUSED {
                let warning = panics(layer, call).await;
                for part in ["service=\"legacy\"", text, advice] {
                    assert!(warning.contains(part), "`{part}` is missing: {warning}");
                }
            }
            assert_eq!(panics(layer, || panic!("another text")).await, "");
            assert_eq!(panics(layer, || std::panic::panic_any(7)).await, "");
        }
        let warning = panics(&pooled, || _ = task::id()).await;
        assert!(warning.contains("fiber_id()"), "{warning}");
        let warning = panics(&pooled, || drop(task::spawn_local(async {}))).await;
        assert!(warning.contains("tokio::spawn"), "{warning}");
        // What the code catches itself never ends the fiber.
        pooled.run(|| assert!(catch_unwind(task::id).is_err())).await;
        assert_eq!(warnings.take(), [""; 0]);
    });
}
