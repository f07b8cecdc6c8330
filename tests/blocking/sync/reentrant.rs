//! A lock that its fiber may take again.

use std::{cell::Cell, rc::Rc, sync::Arc, thread};

use futures_util::future::join_all;
use tokio::task::yield_now;
use tower_fiber::{
    FiberLayer, FiberPool, WaitExt as _, block_on_waits, no_wait, offload, on_thread_stack, run_in_fiber, run_local,
    sync::ReentrantMutex,
};

use crate::support::{both_with_one_worker, on_each_runtime, poll_once};

type Stock = ReentrantMutex<Cell<u32>>;

fn add(stock: &Stock) {
    let stock = stock.lock();
    let before = stock.get();
    yield_now().wait();
    stock.set(before + 1);
}

/// Locks it again below, also where the fiber cannot wait.
fn add_two(stock: &Stock) {
    let guard = stock.lock();
    add(stock);
    assert!(no_wait(|| stock.try_lock().is_some()));
    assert!(on_thread_stack(|| stock.is_owned_by_current()));
    on_thread_stack(|| drop(stock.lock()));
    async { drop(stock.lock()) }.wait();
    add(stock);
    assert!(stock.is_locked());
    drop(guard);
}

#[test]
fn it_belongs_to_the_fiber() {
    on_each_runtime(|| async {
        let pool = FiberPool::builder().worker_threads(2).build().unwrap();
        let layers = both_with_one_worker(FiberLayer::builder());
        for layer in [FiberLayer::builder().placement(pool).build().unwrap()].into_iter().chain(layers) {
            let stock = Arc::new(Stock::default());
            let calls = (0..20).map(|call| {
                let stock = Arc::clone(&stock);
                layer.run(move || if call % 10 == 9 { offload(move || add_two(&stock)) } else { add_two(&stock) })
            });
            let calls = join_all(calls.collect::<Vec<_>>());
            let beside = Arc::clone(&stock);
            let thread = thread::spawn(move || block_on_waits(|| (0..5).for_each(|_| add_two(&beside))));
            calls.await;
            thread.join().unwrap();
            assert!(!stock.is_locked());
            assert_eq!(stock.try_lock().unwrap().get(), 2 * (20 + 5));
        }
    });
}

#[test]
fn another_fiber_of_the_thread_does_not_get_it() {
    on_each_runtime(|| async {
        let stock = Rc::new(Stock::default());
        let inside = Rc::clone(&stock);
        let mut holds = Box::pin(run_local(move || {
            let guard = inside.lock();
            yield_now().wait();
            drop(guard);
            inside.is_owned_by_current()
        }));
        assert!(poll_once(&mut holds).await.is_none());
        assert!(stock.try_lock().is_none(), "outside fibers");
        assert!(stock.is_locked() && !stock.is_owned_by_current());
        let other = Rc::clone(&stock);
        assert!(run_local(move || other.try_lock().is_none()).await);
        assert!(!holds.await);
        // The thread has it now, and its fibers do not.
        let held = stock.lock();
        let other = Rc::clone(&stock);
        assert!(run_local(move || other.try_lock().is_none()).await);
        assert!(stock.try_lock().is_some());
        assert_eq!(format!("{stock:?} {held:?}"), "ReentrantMutex { data: Cell { value: 0 } } Cell { value: 0 }");
    });
}

#[test]
fn a_panic_gives_it_back() {
    on_each_runtime(|| async {
        let stock = Arc::new(Stock::default());
        let inside = Arc::clone(&stock);
        let panics = run_in_fiber(move || {
            let _twice = (inside.lock(), inside.lock());
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let _third = inside.lock();
                std::panic::resume_unwind(Box::new("third"));
            }))
            .unwrap_err();
            assert!(inside.is_owned_by_current());
            std::panic::resume_unwind(Box::new("both"));
        });
        assert!(tokio::spawn(panics).await.unwrap_err().is_panic());
        assert!(!stock.is_locked());
        assert_eq!(Arc::into_inner(stock).unwrap().into_inner().get(), 0);
    });
}
