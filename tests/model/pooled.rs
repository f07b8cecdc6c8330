//! The same scripts on pools: what must hold in any order.

use std::{
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    thread,
    time::Duration,
};

use futures_util::FutureExt as _;
use tokio::runtime::{Builder, Runtime};
use tower_fiber::{FiberHandle, FiberLayer, FiberPool, InFiber};

use crate::{
    script::{Ending, GATES, Operation},
    world::Stage,
};

/// What lives through all cases; a case that ends its pool makes one of its own.
pub(crate) struct Pools {
    pool: FiberPool,
    runtime: Runtime,
}

impl Pools {
    pub(crate) fn new() -> Self {
        Self { pool: pool(), runtime: Builder::new_current_thread().enable_time().build().unwrap() }
    }

    pub(crate) fn check(&self, operations: &[Operation], ending: Ending) {
        let pool = if ending == Ending::ShutDown { pool() } else { self.pool.clone() };
        let context = Stage::new(&FiberLayer::builder().placement(pool));
        let mut calls: Vec<Pin<Box<InFiber<()>>>> = Vec::new();
        self.runtime.block_on(async {
            for operation in operations {
                apply(&context, &mut calls, operation);
            }
            if ending != Ending::OpenAll {
                calls.clear();
            }
            if ending == Ending::ShutDown {
                // The last handles of the pool, but for those of fibers that wait for another one.
                context.drop_layers();
            }
            (0..GATES).for_each(|gate| context.open(gate));
            for call in calls {
                let ended = AssertUnwindSafe(call).catch_unwind();
                _ = tokio::time::timeout(Duration::from_secs(30), ended).await.expect("each call ends");
            }
            for handle in &context.handles {
                tokio::time::timeout(Duration::from_secs(30), handle.drained()).await.expect("each fiber ends");
            }
        });
        for counters in context.handles.each_ref().map(FiberHandle::counters) {
            assert_eq!((counters.live, counters.stacks_in_use, counters.leaked), (0, 0, 0));
        }
        let (made, drops) = (context.made.load(Ordering::Relaxed), context.drops.load(Ordering::Relaxed));
        assert_eq!(made, drops, "each value is dropped once");
    }
}

fn pool() -> FiberPool {
    FiberPool::builder().worker_threads(2).build().unwrap()
}

fn apply(context: &Arc<Stage>, calls: &mut Vec<Pin<Box<InFiber<()>>>>, operation: &Operation) {
    let count = calls.len();
    match operation {
        Operation::Start(script) => calls.extend(context.start(script).map(Box::pin)),
        Operation::Open(gate) => context.open(*gate),
        Operation::CancelAll(layer) => context.handles[*layer].cancel_all(),
        Operation::Idle => thread::yield_now(),
        Operation::Poll(_) | Operation::Drop(_) | Operation::DropElsewhere(_) if count == 0 => {}
        Operation::Poll(n) => {
            if AssertUnwindSafe(calls[n % count].as_mut()).catch_unwind().now_or_never().is_some() {
                drop(calls.swap_remove(n % count));
            }
        }
        Operation::Drop(n) => drop(calls.swap_remove(n % count)),
        Operation::DropElsewhere(n) => {
            let call = calls.swap_remove(n % count);
            thread::spawn(move || drop(call)).join().unwrap();
        }
    }
}
