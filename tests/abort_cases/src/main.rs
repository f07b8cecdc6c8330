//! Drops calls while they wait, in a build that cannot unwind, and prints what became of them.

use std::{
    future::{Future, pending, poll_fn},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll, Waker},
};

use tokio::{runtime::Builder, sync::Semaphore, task::yield_now};
use tower_fiber::{FiberLayer, OnDrop, Placement, WaitExt as _, run_local, try_await_in_fiber, until_caller_gone};

#[derive(Clone, Default)]
struct Drops(Arc<AtomicU32>);

struct Held(Drops);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::Relaxed);
    }
}

async fn poll_once(future: impl Future) -> bool {
    let mut future = pin!(future);
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_ready())).await
}

async fn dropped_while_it_waits(policy: OnDrop, pooled: bool) {
    let builder = FiberLayer::builder().on_drop(policy);
    let layer = if pooled { builder.placement(Placement::SharedPool) } else { builder }.build().unwrap();
    let (drops, goes_on) = (Drops::default(), Arc::new(Semaphore::new(0)));
    let (held, gate) = (Held(drops.clone()), Arc::clone(&goes_on));
    let (refused, count) = (Arc::new(AtomicU32::new(0)), drops.0.clone());
    let refusals = Arc::clone(&refused);
    let call = layer.run(move || {
        let _held = held;
        for _ in 0..2 {
            let fallible = try_await_in_fiber(async {
                until_caller_gone().await;
                if policy != OnDrop::Finish {
                    pending().await
                }
            });
            refusals.fetch_add(u32::from(fallible.is_err()), Ordering::Relaxed);
        }
        gate.acquire().wait().unwrap().forget();
    });
    // On the pool it may not have begun when its caller goes; then it is not run at all, except under Finish.
    let mut call = Box::pin(call);
    assert!(!poll_once(&mut call).await);
    while layer.handle().live() == 0 {
        yield_now().await;
    }
    drop(call);
    for _ in 0..10 {
        yield_now().await;
    }
    assert_eq!(count.load(Ordering::Relaxed), 0, "an infallible wait goes on");
    goes_on.add_permits(1);
    layer.handle().drained().await;
    let counters = layer.handle().counters();
    println!(
        "{policy:?} pooled={pooled}: refused={} dropped={} cancelled={} leaked={}",
        refused.load(Ordering::Relaxed),
        drops.0.load(Ordering::Relaxed),
        counters.cancelled,
        counters.leaked,
    );
}

fn local(name: &str, waits: fn()) {
    let drops = Drops::default();
    let held = Held(drops.clone());
    let mut call = Box::pin(run_local(move || {
        let _held = held;
        waits();
    }));
    assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(call);
    println!("{name}: dropped={}", drops.0.load(Ordering::Relaxed));
}

fn main() {
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        for policy in [OnDrop::Finish, OnDrop::Cancel, OnDrop::Unwind] {
            for pooled in [false, true] {
                dropped_while_it_waits(policy, pooled).await;
            }
        }
    });
    local("LocalFiber, infallible", || pending::<()>().wait());
    local("LocalFiber, fallible", || assert!(try_await_in_fiber(pending::<()>()).is_err()));
}
