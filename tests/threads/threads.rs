//! Fibers and OS threads: foreign polls and drops, placements, `LocalSet`s.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use tokio::{
    runtime::Builder,
    sync::{oneshot, watch},
    task::{LocalSet, yield_now},
};
use tokio_test::{assert_pending, assert_ready_eq, task};
use tower_fiber::{FiberLayer, Placement, WaitExt as _, run_in_fiber};

use crate::support::{text_of_panic, until};

#[test]
fn a_foreign_poll_names_both_threads_and_does_not_resume() {
    let runtime = Builder::new_current_thread().build().unwrap();
    let (send, receive) = oneshot::channel::<u32>();
    let layer = FiberLayer::new().name("orders");
    let mut call = task::spawn(layer.run(move || (receive.wait().unwrap(), thread::current().id())));
    runtime.block_on(async { assert_pending!(call.poll()) });
    send.send(1).unwrap();
    let foreign = thread::Builder::new().name("foreign".to_owned());
    let joined = foreign.spawn(move || (text_of_panic(|| call.poll()), call)).unwrap().join();
    let (text, mut call) = joined.unwrap();
    let home = thread::current().name().unwrap().to_owned();
    assert!(text.contains("`orders`") && text.contains("`foreign`") && text.contains(&home), "{text}");
    assert_ready_eq!(call.poll(), (1, thread::current().id()));
}

#[test]
fn a_foreign_drop_is_handed_home() {
    struct Where(Arc<std::sync::Mutex<Option<thread::ThreadId>>>);

    impl Drop for Where {
        fn drop(&mut self) {
            *self.0.lock().unwrap() = Some(thread::current().id());
        }
    }

    let runtime = Builder::new_current_thread().build().unwrap();
    let layer = FiberLayer::new();
    let dropped_on = Arc::new(std::sync::Mutex::new(None));
    let local = Where(Arc::clone(&dropped_on));
    let (send, receive) = oneshot::channel::<()>();
    let mut call = task::spawn(layer.run(move || {
        let _local = local;
        receive.wait().unwrap();
    }));
    runtime.block_on(async { assert_pending!(call.poll()) });
    thread::spawn(move || drop(call)).join().unwrap();
    assert_eq!(*dropped_on.lock().unwrap(), None);
    send.send(()).unwrap();
    runtime.block_on(async {
        until(|| layer.handle().live() == 0).await;
    });
    assert_eq!(*dropped_on.lock().unwrap(), Some(thread::current().id()));
    assert_eq!(layer.handle().counters().leaked, 0);
}

#[test]
fn a_hand_over_that_another_thread_drives_is_leaked_and_counted() {
    let runtime = Builder::new_current_thread().build().unwrap();
    let layer = FiberLayer::new();
    let resumed = Arc::new(AtomicUsize::new(0));
    let inside = Arc::clone(&resumed);
    runtime.block_on(async {
        let (send, receive) = oneshot::channel::<()>();
        let mut call = task::spawn(layer.run(move || {
            receive.wait().unwrap_err();
            inside.fetch_add(1, Ordering::Relaxed);
        }));
        assert_pending!(call.poll());
        drop((send, call));
    });
    thread::spawn(move || runtime.block_on(yield_now())).join().unwrap();
    let counters = layer.handle().counters();
    assert_eq!((counters.live, counters.leaked), (0, 1));
    assert_eq!(resumed.load(Ordering::Relaxed), 0, "nothing was resumed");
}

#[tokio::test]
async fn in_place_runs_on_the_callers_thread() {
    let here = thread::current().id();
    assert_eq!(run_in_fiber(|| thread::current().id()).await, here);
    let forced = FiberLayer::new().placement(Placement::SharedPool);
    assert_ne!(forced.run(|| thread::current().id()).await, here);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn multi_thread_runtimes_use_the_pool() {
    let name = run_in_fiber(|| thread::current().name().map(str::to_owned)).await.unwrap();
    assert!(name.starts_with("tower-fiber-"), "{name}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pool_fibers_see_the_callers_runtime() {
    let (callers, flavor) = run_in_fiber(|| {
        let handle = tokio::runtime::Handle::current();
        tokio::time::sleep(std::time::Duration::from_millis(1)).wait();
        (tokio::spawn(async { tokio::runtime::Handle::current().id() }).wait().unwrap(), handle.runtime_flavor())
    })
    .await;
    assert_eq!(callers, tokio::runtime::Handle::current().id());
    assert_eq!(flavor, tokio::runtime::RuntimeFlavor::MultiThread);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forced_in_place_on_a_multi_thread_runtime_needs_a_local_set() {
    let layer = FiberLayer::new().name("orders").placement(Placement::InPlace);
    let call = tokio::spawn(layer.run(|| ()));
    let text = *call.await.unwrap_err().into_panic().downcast::<String>().unwrap();
    assert!(text.contains("`orders`") && text.contains("LocalSet"), "{text}");
}

#[test]
fn forced_in_place_in_a_local_set_runs_there() {
    let runtime = Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let layer = FiberLayer::new().placement(Placement::InPlace);
    let inside = layer.clone();
    let local = LocalSet::new();
    local.block_on(&runtime, async move {
        let here = thread::current().id();
        let call = inside.run(|| {
            yield_now().wait();
            thread::current().id()
        });
        assert_eq!(call.await, here);
        // Dropped while it waits, it goes on as a task of the set.
        let (send, receive) = oneshot::channel::<()>();
        let mut call = task::spawn(inside.run(move || receive.wait().unwrap()));
        assert_pending!(call.poll());
        yield_now().await;
        drop(call);
        assert_eq!(inside.handle().live(), 1);
        send.send(()).unwrap();
        until(|| inside.handle().live() == 0).await;
    });
    assert_eq!(layer.handle().counters().leaked, 0);
}

#[test]
fn a_call_that_outlives_its_local_set_says_so() {
    let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let layer = FiberLayer::new().name("orders").placement(Placement::InPlace);
    let local = LocalSet::new();
    let mut call = task::spawn(layer.run(|| std::future::pending::<()>().wait()));
    local.block_on(&runtime, async {
        assert_pending!(call.poll());
        yield_now().await;
        assert_eq!(layer.handle().live(), 1);
    });
    drop(local);
    let text = text_of_panic(|| call.poll());
    assert!(text.contains("`orders`") && text.contains("keep it until its calls have ended"), "{text}");
    let counters = layer.handle().counters();
    assert_eq!((counters.live, counters.leaked), (0, 1));
}

#[test]
fn a_local_runtime_runs_fibers_in_place_and_finishes_them() {
    let runtime = Builder::new_current_thread().build_local(Default::default()).unwrap();
    let here = thread::current().id();
    let layer = FiberLayer::new();
    runtime.block_on(async {
        let task = tokio::task::spawn_local(layer.run(|| {
            yield_now().wait();
            thread::current().id()
        }));
        assert_eq!(task.await.unwrap(), here);
        for foreign in [false, true] {
            let (send, receive) = oneshot::channel::<()>();
            let (effect, effects) = oneshot::channel();
            let mut call = task::spawn(layer.run(move || {
                receive.wait().unwrap();
                effect.send(thread::current().id()).unwrap();
            }));
            assert_pending!(call.poll());
            if foreign {
                thread::spawn(move || drop(call)).join().unwrap()
            } else {
                drop(call)
            }
            send.send(()).unwrap();
            assert_eq!(effects.await.unwrap(), here);
        }
    });
    assert_eq!(layer.handle().counters().leaked, 0);
}

/// Up to 256 threads have numbers of their own in a layer; others share them.
#[test]
fn counters_add_up_over_many_threads() {
    for threads in [65, 300] {
        let layer = FiberLayer::new();
        let (open, gate) = watch::channel(false);
        let (begun, begin) = mpsc::channel();
        let threads: Vec<_> = (0..threads)
            .map(|_| {
                let (layer, mut gate, begun) = (layer.clone(), gate.clone(), begun.clone());
                thread::spawn(move || {
                    let runtime = Builder::new_current_thread().build().unwrap();
                    runtime.block_on(layer.run(move || {
                        begun.send(()).unwrap();
                        gate.wait_for(|is_open| *is_open).wait().unwrap();
                    }));
                })
            })
            .collect();
        begin.iter().take(threads.len()).for_each(drop);
        let counters = layer.handle().counters();
        let count = threads.len() as u64;
        assert_eq!((counters.live, counters.stacks_in_use), (count, count));
        open.send(true).unwrap();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(layer.handle().counters(), Default::default());
    }
}
