//! A runtime in a thread-local: at thread exit its fibers must not touch other thread-locals, which may be gone.

use std::{
    cell::RefCell,
    future::pending,
    sync::{Arc, Mutex},
    thread,
};

use tokio::runtime::{Builder, Runtime};
use tower_fiber::{FiberLayer, OnDrop, WaitExt as _};

use crate::support::until;

thread_local! {
    static RUNTIME: RefCell<Option<Runtime>> = const { RefCell::new(None) };
    static BORROWED: Borrowed = const { Borrowed(RefCell::new(None)) };
}

/// Its destructor frees what the fiber borrows.
struct Borrowed(RefCell<Option<Box<u32>>>);

impl Drop for Borrowed {
    fn drop(&mut self) {
        drop(self.0.borrow_mut().take());
    }
}

#[test]
fn a_runtime_is_kept_in_a_thread_local_and_its_fiber_borrows_another() {
    /// Reads what it borrows when it is dropped.
    struct Reads<'a>(&'a Borrowed, Arc<Mutex<Vec<Option<u32>>>>);

    impl Drop for Reads<'_> {
        fn drop(&mut self) {
            self.1.lock().unwrap().push(self.0.0.borrow().as_deref().copied());
        }
    }

    for borrowed_first in [true, false] {
        let (layer, reads) = (FiberLayer::new().on_drop(OnDrop::Unwind), Arc::default());
        let (inside, read) = (layer.clone(), Arc::clone(&reads));
        let keeps = move || {
            let borrow = || BORROWED.with(|borrowed| borrowed.0.replace(Some(Box::new(7))));
            if borrowed_first {
                borrow();
            }
            RUNTIME.set(Some(Builder::new_current_thread().build().unwrap()));
            borrow();
            RUNTIME.with_borrow(|runtime| {
                let runtime = runtime.as_ref().unwrap();
                runtime.spawn(inside.run(move || {
                    BORROWED.with(|borrowed| {
                        let _reads = Reads(borrowed, read);
                        pending::<()>().wait();
                    });
                }));
                runtime.block_on(async { until(|| inside.handle().live() == 1).await });
            });
        };
        thread::spawn(keeps).join().unwrap();
        let counters = layer.handle().counters();
        assert_eq!((counters.live, counters.leaked), (0, 1));
        assert!(reads.lock().unwrap().is_empty(), "not read after its destruction");
    }
}
