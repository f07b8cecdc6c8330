//! What follows a call follows what it offloads, too.

use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use tokio::task::yield_now;
use tower_fiber::{BlockingLayer, FiberLayer, Hook, WaitExt as _, await_in_fiber, block_on_waits, join, offload, race};

use crate::{
    current::{CURRENT, Current},
    support::{both_with_one_worker, on_each_runtime, text_of_panic, until},
};

tokio::task_local! {
    static REQUEST: u64;
    static STEPS: Cell<u32>;
}

fn request() -> Option<u64> {
    REQUEST.try_with(|id| *id).ok()
}

fn layers(hook: &Current) -> [FiberLayer; 2] {
    both_with_one_worker(FiberLayer::builder().carry(&REQUEST).carry(&STEPS).hook(hook.clone()))
}

#[test]
fn offload_context() {
    on_each_runtime(|| async {
        let hook = Current::default();
        for layer in layers(&hook) {
            CURRENT.set(3);
            let seen = layer.run(|| {
                let here = thread::current().id();
                let offloaded = offload(move || {
                    assert_ne!(thread::current().id(), here);
                    let before = (request(), CURRENT.replace(4));
                    yield_now().wait();
                    // One that is offloaded already stays.
                    (before, offload(|| (request(), CURRENT.get())))
                });
                (request(), CURRENT.get(), offloaded)
            });
            let seen = REQUEST.scope(7, seen).await;
            CURRENT.set(0);
            assert_eq!(seen, (Some(7), 3, ((Some(7), 3), (Some(7), 4))));
            // The thread that did it is as it was.
            let clean = tokio::task::spawn_blocking(|| (request(), CURRENT.get())).await.unwrap();
            assert_eq!((clean, hook.0.load(Ordering::Relaxed)), ((None, 0), 0));
        }
    });
}

#[test]
fn it_has_what_the_code_has_there_and_its_own_from_then_on() {
    on_each_runtime(|| async {
        for layer in layers(&Current::default()) {
            let call = layer.run(|| {
                let inner = REQUEST.sync_scope(9, || offload(request));
                let steps = offload(|| {
                    STEPS.with(|steps| steps.set(steps.get() + 1));
                    STEPS.with(Cell::get)
                });
                (inner, steps, STEPS.with(Cell::get))
            });
            assert_eq!(STEPS.scope(Cell::new(5), REQUEST.scope(7, call)).await, (Some(9), 6, 5));
        }
    });
}

#[test]
fn fibers_that_it_makes_have_it_too() {
    on_each_runtime(|| async {
        for layer in layers(&Current::default()) {
            CURRENT.set(3);
            let call = layer.run(|| {
                offload(|| {
                    let child = |id| {
                        move || {
                            let scoped = REQUEST.sync_scope(id, || {
                                yield_now().wait();
                                request()
                            });
                            yield_now().wait();
                            (scoped, request(), CURRENT.get())
                        }
                    };
                    let joined = join(child(1), move || join(child(2), child(3)));
                    (joined, race([child(4)]), request(), CURRENT.get())
                })
            });
            let seen = REQUEST.scope(7, call).await;
            CURRENT.set(0);
            let of = |id| (Some(id), Some(7), 3);
            assert_eq!(seen, ((of(1), (of(2), of(3))), of(4), Some(7), 3));
        }
    });
}

#[test]
fn a_blocking_layer_in_a_fiber_does_the_same() {
    on_each_runtime(|| async {
        let blocking = BlockingLayer::new();
        for layer in layers(&Current::default()) {
            let (first, second) = (blocking.clone(), blocking.clone());
            let call = layer.run(move || await_in_fiber(first.run(move || (request(), second.run(request).wait()))));
            assert_eq!(REQUEST.scope(7, call).await, (Some(7), Some(7)));
        }
        assert_eq!(REQUEST.scope(7, blocking.run(request)).await, None, "outside of fibers nothing is carried");
    });
}

#[test]
fn a_panic_of_a_hook_goes_to_the_code_that_offloads() {
    struct Panics(bool);

    impl Hook for Panics {
        type State = bool;

        fn on_call(&self) -> bool {
            // For what is offloaded, not for the call.
            CURRENT.replace(1) == 1
        }

        fn on_resume(&self, is_offloaded: &mut bool) {
            assert!(!(self.0 && *is_offloaded), "it panics before");
        }

        fn on_suspend(&self, is_offloaded: &mut bool) {
            assert!(!*is_offloaded, "it panics after");
        }
    }

    on_each_runtime(|| async {
        for (is_before, expected) in [(true, "it panics before"), (false, "it panics after")] {
            let layer = FiberLayer::new().carry(&REQUEST).hook(Panics(is_before));
            CURRENT.set(0);
            let ran = Arc::new(AtomicUsize::new(0));
            let counts = Arc::clone(&ran);
            let text = layer.run(move || {
                CURRENT.set(1);
                text_of_panic(move || offload(move || counts.fetch_add(1, Ordering::Relaxed)))
            });
            let text = REQUEST.scope(7, text).await;
            CURRENT.set(0);
            assert!(text.contains(expected), "{text}");
            assert_eq!(ran.load(Ordering::Relaxed), usize::from(!is_before));
            let clean = tokio::task::spawn_blocking(request).await.unwrap();
            assert_eq!(clean, None);
            until(|| layer.handle().live() == 0).await;
        }
    });
}

#[test]
fn under_block_on_waits_it_is_the_threads() {
    let seen = block_on_waits(|| REQUEST.sync_scope(7, || offload(request)));
    assert_eq!(seen, Some(7));
}
