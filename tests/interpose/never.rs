//! Where nothing suspends: there the calls block, as they do without the crate.

use std::{
    cell::Cell,
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    panic::{self, catch_unwind, resume_unwind},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Wake, Waker},
    thread,
};

use futures_util::future::join_all;
use tower_fiber::{FiberLayer, Hook, WaitExt as _, interpose, join, no_wait, on_thread_stack, run_local, yield_now};

use super::{both, when_asleep};
use crate::support::{self, on_each_runtime, text_of_panic};

/// A call that has to wait, and gets what it waits for from another thread.
fn blocking_call() {
    let (mut here, mut there) = UnixStream::pair().unwrap();
    let written = when_asleep(move || there.write_all(b"x").unwrap());
    here.read_exact(&mut [0]).unwrap();
    written.join().unwrap();
}

/// Runs `f` in fibers, which must not suspend.
fn never(f: impl Fn() + Clone + Send + 'static) {
    on_each_runtime(move || {
        let f = f.clone();
        async move {
            for layer in both() {
                let f = f.clone();
                layer.run(f).await;
                assert_eq!(layer.handle().counters().interposed_waits, 0);
            }
        }
    });
}

#[test]
fn in_the_poll_of_an_awaited_future() {
    never(|| async { blocking_call() }.wait());
}

#[test]
fn off_the_stack() {
    never(|| on_thread_stack(blocking_call));
    never(|| stacker::grow(1024 * 1024, blocking_call));
}

#[test]
fn in_a_section_without_waits() {
    never(|| no_wait(blocking_call));
    never(|| {
        let refused = text_of_panic(|| no_wait(|| async { tokio::task::yield_now().await }.wait()));
        assert!(refused.contains("no_wait"), "{refused}");
    });
}

#[test]
fn while_the_thread_panics() {
    struct OnDrop;

    impl Drop for OnDrop {
        fn drop(&mut self) {
            blocking_call();
        }
    }

    never(|| {
        let text = text_of_panic(|| {
            let _on_drop = OnDrop;
            panic!("the text");
        });
        assert_eq!(text, "the text");
    });
}

#[test]
fn while_a_carried_task_local_is_borrowed() {
    tokio::task_local!(static KEY: u32);

    on_each_runtime(|| async {
        let layer = FiberLayer::builder().interpose().carry(&KEY).build().unwrap();
        KEY.scope(7, layer.run(|| KEY.with(|_| blocking_call()))).await;
        assert_eq!(layer.handle().counters().interposed_waits, 0);
    });
}

#[test]
fn without_the_layer() {
    on_each_runtime(|| async {
        let layer = FiberLayer::new();
        layer.run(blocking_call).await;
        assert_eq!(layer.handle().counters().interposed_waits, 0);
    });
}

#[test]
fn outside_fibers() {
    drop(both());
    blocking_call();
}

#[test]
fn where_a_thread_parks() {
    never(|| {
        let (send, receive) = std::sync::mpsc::channel();
        thread::spawn(move || {
            blocking_call();
            send.send(())
        });
        receive.recv().unwrap();
        let lock = parking_lot::Mutex::new(());
        let held = lock.lock();
        thread::scope(|scope| {
            scope.spawn(|| drop(lock.lock()));
            blocking_call_held(held);
        });
    });
    assert!(interpose::calls().iter().any(|call| call.name == "park" && call.blocked > 0 && call.suspended == 0));
}

/// The other thread waits meanwhile, not this one.
fn blocking_call_held(held: parking_lot::MutexGuard<'_, ()>) {
    no_wait(blocking_call);
    drop(held);
}

thread_local! {
    /// How often the other fibers of this thread have run.
    static OTHERS: Cell<u64> = const { Cell::new(0) };
}

/// A call that has to wait while others of the thread want to run, which they must not.
fn nothing_runs_meanwhile() {
    let before = OTHERS.get();
    blocking_call();
    assert_eq!(OTHERS.get(), before);
}

/// Runs `point` a few times beside fibers of the same thread that are always about to go on.
fn beside_others(layers: impl Fn() -> [FiberLayer; 2] + Clone + 'static, point: impl Fn() + Clone + Send + 'static) {
    on_each_runtime(move || {
        let (layers, point) = (layers.clone(), point.clone());
        async move {
            for layer in layers() {
                let is_over = Arc::new(AtomicBool::new(false));
                let other = || {
                    let is_over = Arc::clone(&is_over);
                    layer.run(move || {
                        while !is_over.load(Ordering::Relaxed) {
                            OTHERS.set(OTHERS.get() + 1);
                            yield_now();
                        }
                    })
                };
                let others = join_all([other(), other(), other()]);
                let point = point.clone();
                let point = layer.run(move || {
                    for _ in 0..3 {
                        let before = OTHERS.get();
                        // The others do run where something suspends.
                        while OTHERS.get() == before {
                            suspending_call();
                        }
                        point();
                    }
                    is_over.store(true, Ordering::Relaxed);
                });
                tokio::join!(others, point);
            }
        }
    });
}

/// A call that suspends, unless the other thread is quick. It cannot wait until this one sleeps, which the other fibers
/// prevent.
fn suspending_call() {
    let (mut here, mut there) = UnixStream::pair().unwrap();
    let written = thread::spawn(move || there.write_all(b"x").unwrap());
    here.read_exact(&mut [0]).unwrap();
    written.join().unwrap();
}

#[test]
fn while_others_want_to_run() {
    struct AtTheEnd;

    impl Drop for AtTheEnd {
        fn drop(&mut self) {
            nothing_runs_meanwhile();
        }
    }

    let points: [fn(); 7] = [
        || async { nothing_runs_meanwhile() }.wait(),
        || on_thread_stack(nothing_runs_meanwhile),
        || stacker::grow(1024 * 1024, nothing_runs_meanwhile),
        || no_wait(nothing_runs_meanwhile),
        || {
            let panicked = catch_unwind(|| {
                let _at_the_end = AtTheEnd;
                resume_unwind(Box::new("the payload"));
            });
            assert!(panicked.is_err());
        },
        || {
            thread_local!(static LAST: AtTheEnd = const { AtTheEnd });
            // A thread of its own, at whose end nothing can suspend; this one waits for it by `pthread_join`.
            let before = OTHERS.get();
            thread::spawn(|| LAST.with(|_| ())).join().unwrap();
            assert_eq!(OTHERS.get(), before);
        },
        || {
            let (send, receive) = std::sync::mpsc::channel();
            let before = OTHERS.get();
            let sends = when_asleep(move || send.send(()));
            receive.recv().unwrap();
            sends.join().unwrap().unwrap();
            assert_eq!(OTHERS.get(), before);
        },
    ];
    for point in points {
        beside_others(both, point);
    }
}

#[test]
fn in_the_panic_hook_while_others_want_to_run() {
    crate::child::passes("never::in_the_panic_hook_while_others_want_to_run", || {
        panic::set_hook(Box::new(|_| nothing_runs_meanwhile()));
        beside_others(both, || assert!(catch_unwind(|| panic!("the text")).is_err()));
        _ = panic::take_hook();
    });
}

/// Code that the crate calls: a hook, the clone of a carried value, a waker.
#[test]
fn in_callbacks_while_others_want_to_run() {
    struct Blocks;

    impl Hook for Blocks {
        type State = ();

        fn on_call(&self) {}

        fn on_resume(&self, (): &mut ()) {
            nothing_runs_meanwhile();
        }

        fn on_suspend(&self, (): &mut ()) {
            nothing_runs_meanwhile();
        }
    }

    struct Value;

    impl Clone for Value {
        fn clone(&self) -> Self {
            nothing_runs_meanwhile();
            Self
        }
    }

    tokio::task_local!(static KEY: Value);

    struct Wakes;

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            nothing_runs_meanwhile();
        }
    }

    // What is around each stretch of a fiber is so around the others' as well, so they rarely run.
    let hooked = || support::both_with_one_worker(FiberLayer::builder().interpose().hook(Blocks));
    beside_others(hooked, || ());
    let carrying = || support::both_with_one_worker(FiberLayer::builder().interpose().carry(&KEY));
    beside_others(carrying, || {
        KEY.sync_scope(Value, || _ = join(|| (), || ()));
    });
    beside_others(both, || {
        let mut yields = pin!(run_local(|| (0..128).for_each(|_| async {}.wait())));
        let waker = Waker::from(Arc::new(Wakes));
        assert!(yields.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    });
}
