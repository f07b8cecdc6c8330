//! Fiber-locals: values of each fiber's own.

use std::{
    cell::{Cell, RefCell},
    convert::Infallible,
    future::pending,
    rc::Rc,
};

use tokio::{sync::oneshot, task::yield_now};
use tower::{Layer as _, Service as _, service_fn};
use tower_fiber::{FiberLayer, OnDrop, WaitExt as _, block_on_waits, fiber_local, in_fiber, run_in_fiber, run_local};

use crate::support::{Drops, Held, both_with_one_worker, poll_once, text_of_panic, until};

fiber_local! {
    static COUNT: Cell<u32> = Cell::new(0);
    /// Nothing of a fiber need be `Send`.
    static LOCAL: RefCell<Vec<Rc<u32>>> = RefCell::default();
    static HELD: RefCell<Option<Held>> = RefCell::new(None);
    static WAITS_AT_END: RefCell<Option<WaitsAtEnd>> = RefCell::new(None);
    static ENDLESS: Endless = Endless
}

/// In place, and on a pool of one thread.
fn layers(policy: OnDrop) -> [FiberLayer; 2] {
    both_with_one_worker(FiberLayer::builder().on_drop(policy))
}

fn count() -> u32 {
    COUNT.with(|count| {
        count.set(count.get() + 1);
        count.get()
    })
}

/// Waits in its destructor, and uses another fiber-local there.
struct WaitsAtEnd(Option<oneshot::Sender<(bool, u32)>>);

impl Drop for WaitsAtEnd {
    fn drop(&mut self) {
        yield_now().wait();
        self.0.take().unwrap().send((in_fiber(), count())).unwrap();
    }
}

/// Its destructor makes it again.
struct Endless;

impl Drop for Endless {
    fn drop(&mut self) {
        ENDLESS.with(|_| ());
    }
}

#[tokio::test]
async fn each_fiber_has_its_own() {
    for layer in layers(OnDrop::Finish) {
        let calls = (0..10).map(|_| {
            layer.run(|| {
                let first = count();
                yield_now().wait();
                (first, count())
            })
        });
        assert_eq!(futures_util::future::join_all(calls).await, [(1, 2); 10]);
    }
}

#[tokio::test]
async fn fibers_inside_fibers_have_their_own() {
    let counted = run_in_fiber(|| {
        let outer = count();
        let inner = run_in_fiber(count).wait();
        let local = run_local(|| (LOCAL.with_borrow_mut_pushed(), count())).wait();
        (outer, inner, local, count())
    });
    assert_eq!(counted.await, (1, 1, (1, 1), 2));
}

/// A use of what is not `Send`.
trait Pushed {
    fn with_borrow_mut_pushed(&'static self) -> usize;
}

impl Pushed for tower_fiber::FiberLocal<RefCell<Vec<Rc<u32>>>> {
    fn with_borrow_mut_pushed(&'static self) -> usize {
        self.with(|values| {
            values.borrow_mut().push(Rc::new(1));
            values.borrow().len()
        })
    }
}

#[tokio::test]
async fn destructors_run_once_at_the_fibers_end() {
    for layer in layers(OnDrop::Unwind) {
        let drops = Drops::default();
        let hold = |held: Held| HELD.with(|slot| *slot.borrow_mut() = Some(held));

        let (held, seen) = (drops.held(), drops.clone());
        let before = layer.run(move || {
            hold(held);
            yield_now().wait();
            seen.count()
        });
        assert_eq!((before.await, drops.count()), (0, 1), "returned");

        let held = drops.held();
        let panics = layer.run(move || {
            hold(held);
            yield_now().wait();
            panic!("on purpose");
        });
        assert!(tokio::spawn(panics).await.is_err());
        assert_eq!(drops.count(), 2, "panicked");

        let held = drops.held();
        let mut unwound = Box::pin(layer.run(move || {
            hold(held);
            pending::<()>().wait();
        }));
        assert!(poll_once(&mut unwound).await.is_none());
        until(|| layer.handle().dump().fibers.len() == 1).await;
        drop(unwound);
        until(|| layer.handle().live() == 0).await;
        assert_eq!(drops.count(), 3, "unwound");
    }
}

#[tokio::test]
async fn a_destructor_may_wait_and_use_others() {
    for layer in layers(OnDrop::Finish) {
        let (tell, told) = oneshot::channel();
        let call = layer.run(move || {
            WAITS_AT_END.with(|slot| *slot.borrow_mut() = Some(WaitsAtEnd(Some(tell))));
            count();
            5
        });
        assert_eq!(call.await, 5);
        // The newer one had been dropped, and was made again.
        assert_eq!(told.await, Ok((true, 1)));
        assert_eq!(layer.handle().counters(), Default::default());
    }
}

#[tokio::test]
async fn one_that_is_made_again_for_ever_is_forgotten() {
    assert_eq!(run_in_fiber(|| ENDLESS.with(|_| 6)).await, 6);
}

#[tokio::test]
async fn an_async_service_keeps_it_while_it_holds_no_stack() {
    for layer in layers(OnDrop::Finish) {
        let drops = Drops::default();
        let counted = drops.clone();
        let (open, gate) = oneshot::channel::<()>();
        let mut service = layer.layer(service_fn(move |gate: oneshot::Receiver<()>| {
            let held = counted.held();
            async move {
                HELD.with(|slot| *slot.borrow_mut() = Some(held));
                count();
                gate.await.unwrap();
                Ok::<_, Infallible>(count())
            }
        }));
        let mut first = Box::pin(service.call(gate));
        assert!(poll_once(&mut first).await.is_none());
        until(|| layer.handle().counters().stacks_in_use == 0).await;
        open.send(()).unwrap();
        assert_eq!(first.await, Ok(2));
        assert_eq!(drops.count(), 1);
    }
}

#[tokio::test]
async fn a_pending_async_service_that_is_dropped_drops_it() {
    let layer = FiberLayer::new();
    let drops = Drops::default();
    let held = std::sync::Mutex::new(Some(drops.held()));
    let held = std::sync::Arc::new(held);
    let mut service = layer.layer(service_fn(move |()| {
        let held = held.lock().unwrap().take();
        async move {
            HELD.with(|slot| *slot.borrow_mut() = held);
            pending::<Result<(), Infallible>>().await
        }
    }));
    let mut call = Box::pin(service.call(()));
    assert!(poll_once(&mut call).await.is_none());
    assert_eq!(drops.count(), 0);
    drop(call);
    assert_eq!(drops.count(), 1);
}

#[tokio::test]
async fn a_leaked_fiber_leaks_it() {
    let layer = FiberLayer::new();
    let drops = Drops::default();
    let held = drops.held();
    let mut call = Box::pin(layer.run(move || {
        HELD.with(|slot| *slot.borrow_mut() = Some(held));
        pending::<()>().wait();
    }));
    let ended = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async { assert!(poll_once(&mut call).await.is_none()) });
        call
    });
    drop(ended.join().unwrap());
    assert_eq!((layer.handle().counters().leaked, drops.count()), (1, 0));
}

#[test]
fn where_the_thread_may_block() {
    let counted = block_on_waits(|| {
        let first = count();
        async { count() }.wait();
        block_on_waits(|| (first, count()))
    });
    assert_eq!(counted, (1, 3));
    assert_eq!(block_on_waits(count), 1, "the next call has another");
    let drops = Drops::default();
    block_on_waits(|| HELD.with(|slot| *slot.borrow_mut() = Some(drops.held())));
    assert_eq!(drops.count(), 1);
}

#[test]
fn outside_it_is_refused() {
    assert!(COUNT.try_with(Cell::get).is_err());
    let text = text_of_panic(|| COUNT.with(Cell::get));
    assert!(text.contains("outside a fiber") && text.contains("run_in_fiber"), "{text}");
}

#[tokio::test]
async fn making_one_may_wait_and_panic() {
    fiber_local! {
        static SLOW: u32 = {
            yield_now().wait();
            count() + 10
        };
        static BROKEN: u32 = panic!("no value");
    }
    let seen = run_in_fiber(|| (SLOW.with(|value| *value), count(), text_of_panic(|| BROKEN.with(|value| *value))));
    assert_eq!(seen.await, (11, 2, "no value".to_owned()));
}
