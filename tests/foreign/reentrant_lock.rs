//! A lock that its thread may take again does not keep fibers of that thread apart: what to use instead of holding one
//! over a wait.

use std::{
    cell::Cell,
    io::{self, ErrorKind},
    sync::{Arc, Mutex},
};

use parking_lot::ReentrantMutex;
use tokio::{join, task::yield_now};
use tower_fiber::{FiberLayer, WaitExt as _, offload, on_thread_stack, try_await_in_fiber};

use crate::support::{both_with_one_worker, text_of_panic};

type Stock = ReentrantMutex<Cell<u32>>;

/// Adds one, and looks at something else between reading and writing.
fn add(stock: &Stock) -> io::Result<()> {
    let stock = stock.lock();
    let before = stock.get();
    try_await_in_fiber(yield_now())?;
    stock.set(before + 1);
    Ok(())
}

/// In place, and on a pool of one thread.
fn layers() -> [FiberLayer; 2] {
    both_with_one_worker(FiberLayer::builder().name("stock"))
}

#[tokio::test]
async fn a_lock_that_belongs_to_its_guard() {
    for layer in layers() {
        let stock = Arc::new(tokio::sync::Mutex::new(0));
        let add = || {
            let stock = Arc::clone(&stock);
            layer.run(move || {
                let mut stock = stock.lock().wait();
                let before = *stock;
                yield_now().wait();
                *stock = before + 1;
            })
        };
        join!(add(), add());
        assert_eq!(*stock.lock().await, 2);
    }
}

#[tokio::test]
async fn on_other_threads() {
    for layer in layers() {
        let stock = Arc::new(Stock::default());
        let add = || {
            let stock = Arc::clone(&stock);
            layer.run(move || offload(move || add(&stock)).unwrap())
        };
        join!(add(), add());
        assert_eq!(stock.lock().get(), 2);
    }
}

#[tokio::test]
async fn a_wait_is_refused_on_the_stack_of_the_thread() {
    for layer in layers() {
        let stock = Arc::new(Stock::default());
        let add = || {
            let stock = Arc::clone(&stock);
            layer.run(move || on_thread_stack(|| add(&stock)))
        };
        let (first, second) = join!(add(), add());
        for refused in [first, second] {
            let error = refused.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains("on_thread_stack"), "{error}");
        }
        assert_eq!(stock.lock().get(), 0, "neither has written what it read before");

        // The form that has no error to give.
        let refused = layer.run({
            let stock = Arc::clone(&stock);
            move || text_of_panic(|| on_thread_stack(|| (stock.lock(), yield_now().wait()).1))
        });
        assert!(refused.await.contains("on_thread_stack"));
        // Who panics gives it back, so that another thread can have it.
        let taken = Arc::clone(&stock);
        std::thread::spawn(move || assert!(taken.try_lock().is_some())).join().unwrap();
    }
}

/// What is short needs none of that: nothing waits while it is held, and no other fiber runs.
#[tokio::test]
async fn a_section_without_a_wait() {
    for layer in layers() {
        let stock = Arc::new(Stock::default());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let add = || {
            let (stock, seen) = (Arc::clone(&stock), Arc::clone(&seen));
            layer.run(move || {
                for _ in 0..3 {
                    {
                        let stock = stock.lock();
                        let again = (stock.get(), stock.set(stock.get() + 1)).0;
                        seen.lock().unwrap().push(again);
                    }
                    yield_now().wait();
                }
            })
        };
        join!(add(), add());
        assert_eq!(*seen.lock().unwrap(), [0, 1, 2, 3, 4, 5]);
    }
}
