//! Readers and writers of a [`RwLock`] exclude each other, whatever they do meanwhile.

use std::sync::{
    Arc,
    atomic::{AtomicI32, Ordering},
};

use futures_util::future::join_all;
use proptest::prelude::*;
use tokio::{runtime::Builder, task::yield_now};
use tower_fiber::{FiberLayer, FiberPool, WaitExt as _, block_on_waits, sync::RwLock};

/// One use of the lock.
#[derive(Clone, Copy, Debug)]
struct Use {
    writes: bool,
    tries: bool,
    waits_before: u32,
    waits_inside: u32,
}

/// Positive: so many readers. Negative: a writer.
#[derive(Default)]
struct Inside(AtomicI32);

impl Inside {
    fn reads(&self, f: impl FnOnce()) {
        assert!(self.0.fetch_add(1, Ordering::SeqCst) >= 0, "a writer is inside");
        f();
        assert!(self.0.fetch_sub(1, Ordering::SeqCst) > 0, "a writer is inside");
    }

    fn writes(&self, f: impl FnOnce()) {
        assert_eq!(self.0.swap(-1, Ordering::SeqCst), 0, "someone is inside");
        f();
        assert_eq!(self.0.swap(0, Ordering::SeqCst), -1, "someone has come in");
    }
}

fn wait(times: u32) {
    (0..times).for_each(|_| yield_now().wait());
}

fn run(uses: &[Use], lock: &RwLock<u32>, inside: &Inside) -> u32 {
    let mut written = 0;
    for one in uses {
        wait(one.waits_before);
        let section = || wait(one.waits_inside);
        match (one.writes, one.tries) {
            (true, false) => {
                let mut value = lock.write().unwrap();
                let before = *value;
                inside.writes(section);
                *value = before + 1;
                written += 1;
            }
            (true, true) => {
                if let Ok(mut value) = lock.try_write() {
                    inside.writes(section);
                    *value += 1;
                    written += 1;
                }
            }
            (false, false) => {
                let value = lock.read().unwrap();
                let before = *value;
                inside.reads(section);
                assert_eq!(*value, before);
            }
            (false, true) => {
                if let Ok(value) = lock.try_read() {
                    let before = *value;
                    inside.reads(section);
                    assert_eq!(*value, before);
                }
            }
        }
    }
    written
}

fn uses() -> impl Strategy<Value = Vec<Use>> {
    let one = (any::<bool>(), any::<bool>(), 0..3_u32, 0..3_u32);
    let one =
        one.prop_map(|(writes, tries, waits_before, waits_inside)| Use { writes, tries, waits_before, waits_inside });
    prop::collection::vec(one, 0..8)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn exclusion(fibers in prop::collection::vec(uses(), 1..8), thread in uses()) {
        let pool = FiberPool::builder().worker_threads(2).build().unwrap();
        let runtime = Builder::new_current_thread().build().unwrap();
        for layer in [FiberLayer::new(), FiberLayer::builder().placement(pool).build().unwrap()] {
            let shared = Arc::new((RwLock::new(0), Inside::default()));
            let beside = {
                let (thread, shared) = (thread.clone(), Arc::clone(&shared));
                std::thread::spawn(move || block_on_waits(|| run(&thread, &shared.0, &shared.1)))
            };
            let calls: Vec<_> = fibers.iter().cloned().map(|uses| {
                let shared = Arc::clone(&shared);
                layer.run(move || run(&uses, &shared.0, &shared.1))
            }).collect();
            let written: u32 = runtime.block_on(join_all(calls)).into_iter().sum();
            let written = written + beside.join().unwrap();
            prop_assert_eq!(*shared.0.try_read().unwrap(), written);
        }
    }
}
