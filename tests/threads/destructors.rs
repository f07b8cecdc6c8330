//! A destructor that panics, of each part of a call, at each way out of it: permit, stack, numbers, and the place among
//! those that wait come back.

use std::{
    cell::RefCell,
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use futures_util::FutureExt as _;
use tokio::{sync::Semaphore, task::yield_now};
use tower::{Layer as _, Service as _, ServiceExt as _};
use tower_fiber::{FiberLayer, Hook, OnDrop, Placement, WaitExt as _, fiber_local, sync_fn, try_await_in_fiber};

use crate::support::{Drops, in_each_task, poll_once, until};

/// Panics when it is dropped, unless its thread panics: that ends the process, as everywhere.
#[derive(Clone)]
struct Bomb(Drops);

impl Drop for Bomb {
    fn drop(&mut self) {
        drop(self.0.held());
        if !thread::panicking() {
            // Without the hook, which would print a backtrace for each of some thousand.
            resume_unwind(Box::new("in drop"));
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Request,
    Service,
    Response,
    Payload,
    OnTheStack,
    FiberLocal,
    Awaited,
    HookState,
    Carried,
}

const PARTS: [Part; 9] = [
    Part::Request,
    Part::Service,
    Part::Response,
    Part::Payload,
    Part::OnTheStack,
    Part::FiberLocal,
    Part::Awaited,
    Part::HookState,
    Part::Carried,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Ends,
    Panics,
    /// Dropped before its first poll.
    NotPolled,
    /// Dropped while another call has the only permit.
    InLine,
    /// Dropped while it waits.
    Waiting,
    CancelAll,
}

const WAYS: [Way; 6] = [Way::Ends, Way::Panics, Way::NotPolled, Way::InLine, Way::Waiting, Way::CancelAll];

fiber_local!(static LOCAL: RefCell<Option<Bomb>> = RefCell::new(None));
tokio::task_local!(static CARRIED: Option<Bomb>);

/// Its state is a bomb while it is armed.
struct Armed(Arc<AtomicBool>, Drops);

impl Hook for Armed {
    type State = Option<Bomb>;

    fn on_call(&self) -> Option<Bomb> {
        self.0.load(Ordering::Relaxed).then(|| Bomb(self.1.clone()))
    }

    fn on_resume(&self, _: &mut Option<Bomb>) {}

    fn on_suspend(&self, _: &mut Option<Bomb>) {}
}

/// One part of one call that is a bomb.
#[derive(Clone)]
struct Case {
    part: Part,
    way: Way,
    drops: Drops,
    gate: Arc<Semaphore>,
}

impl Case {
    fn bomb(&self, part: Part) -> Option<Bomb> {
        (part == self.part).then(|| Bomb(self.drops.clone()))
    }

    fn code(&self) -> Option<Bomb> {
        let _held = self.bomb(Part::OnTheStack);
        LOCAL.with(|local| *local.borrow_mut() = self.bomb(Part::FiberLocal));
        let (awaited, gate) = (self.bomb(Part::Awaited), Arc::clone(&self.gate));
        let wait = async move {
            let _awaited = awaited;
            drop(gate.acquire().await);
        };
        // Both kinds of waits: this one may be cut by an error, the other by unwinding.
        if self.drops.count() % 2 == 0 {
            wait.wait();
        } else {
            _ = try_await_in_fiber(wait);
        }
        if self.way == Way::Panics {
            resume_unwind(Box::new(self.bomb(Part::Payload)));
        }
        self.bomb(Part::Response)
    }

    async fn run(&self, layer: &FiberLayer) {
        let own = self.clone();
        let of_service = self.bomb(Part::Service);
        let mut service = layer.layer(sync_fn(move |_: Option<Bomb>| {
            let _ = &of_service;
            Ok::<_, Infallible>(own.code())
        }));
        let call = service.ready().await.unwrap().call(self.bomb(Part::Request));
        let mut call = Box::pin(AssertUnwindSafe(call).catch_unwind());
        match self.way {
            Way::Ends | Way::Panics => {
                self.gate.add_permits(1);
                let outcome = call.as_mut().await;
                _ = catch_unwind(AssertUnwindSafe(|| drop(outcome)));
            }
            Way::NotPolled => {}
            Way::InLine => {
                let other = Arc::new(Semaphore::new(0));
                let gate = Arc::clone(&other);
                let mut holds = Box::pin(layer.run(move || drop(gate.acquire().wait())));
                // The readiness of the call keeps it away for some turns.
                while layer.handle().live() == 0 {
                    assert!(poll_once(&mut holds).await.is_none());
                    yield_now().await;
                }
                _ = poll_once(&mut call).await;
                drop_quietly(call);
                other.add_permits(1);
                holds.await;
                return drop_quietly(service);
            }
            Way::Waiting | Way::CancelAll => {
                assert!(poll_once(&mut call).await.is_none());
                until(|| layer.handle().live() == 1).await;
                if self.way == Way::CancelAll {
                    layer.handle().cancel_all();
                }
            }
        }
        drop_quietly(call);
        drop_quietly(service);
    }
}

fn drop_quietly<T>(value: T) {
    _ = catch_unwind(AssertUnwindSafe(|| drop(value)));
}

#[test]
fn whatever_panics_when_it_is_dropped_all_comes_back() {
    in_each_task(|| async {
        for policy in [OnDrop::Finish, OnDrop::Cancel, OnDrop::Unwind] {
            for pooled in [false, true] {
                for (part, way) in PARTS.into_iter().flat_map(|part| WAYS.map(|way| (part, way))) {
                    all_comes_back(policy, pooled, part, way).await;
                }
            }
        }
    });
}

async fn all_comes_back(policy: OnDrop, pooled: bool, part: Part, way: Way) {
    let (drops, is_armed) = (Drops::default(), Arc::new(AtomicBool::new(part == Part::HookState)));
    let hook = Armed(Arc::clone(&is_armed), drops.clone());
    let builder = FiberLayer::builder().max_fibers(1).on_drop(policy).carry(&CARRIED).hook(hook);
    let layer = if pooled { builder.placement(Placement::SharedPool) } else { builder }.build().unwrap();
    let case = Case { part, way, drops, gate: Arc::new(Semaphore::new(0)) };
    let what = format!("{policy:?}, {part:?}, {way:?}, pooled: {pooled}");
    let scoped = CARRIED.scope(case.bomb(Part::Carried), case.run(&layer));
    let mut scoped = Box::pin(AssertUnwindSafe(scoped).catch_unwind());
    _ = scoped.as_mut().await;
    drop_quietly(scoped);
    is_armed.store(false, Ordering::Relaxed);
    // For what goes on by its policy.
    case.gate.add_permits(10);
    layer.handle().drained().await;
    let counters = layer.handle().counters();
    assert_eq!((counters.live, counters.stacks_in_use, counters.leaked), (0, 0, 0), "{what}");
    assert!(layer.handle().dump().fibers.is_empty(), "{what}");
    let again = CARRIED.scope(None, layer.run(|| 5));
    assert_eq!(again.await, 5, "{what}: the permit is back");
}
