//! `max_fibers`: who waits, in what order, what wakes it, and what needs no place.

use std::{convert::Infallible, future::pending, time::Duration};

use tokio::{runtime::Builder, sync::oneshot};
use tokio_test::{assert_pending, assert_ready_eq, assert_ready_ok, task};
use tower::{Layer as _, Service, ServiceBuilder, ServiceExt as _, load_shed::error::Overloaded, service_fn};
use tower_fiber::{FiberLayer, FiberService, OnDrop, Placement, WaitExt as _, run_in_fiber, sync_fn};
use tower_test::mock::Spawn;

use crate::support::{both, in_each_task, poll_once, until};

type Gate = oneshot::Receiver<u32>;

/// In place and on the pool.
fn layers(max: usize) -> [FiberLayer; 2] {
    both(FiberLayer::builder().name("orders").max_fibers(max))
}

fn handler(gate: Gate) -> Result<u32, Infallible> {
    Ok(gate.wait().unwrap())
}

type Handler = FiberService<tower_fiber::SyncFn<fn(Gate) -> Result<u32, Infallible>>>;

fn service(layer: &FiberLayer) -> Spawn<Handler> {
    Spawn::new(layer.layer(sync_fn(handler as fn(Gate) -> _)))
}

type Call = std::pin::Pin<Box<<Handler as Service<Gate>>::Future>>;

/// A call whose fiber waits until a value is sent.
async fn begin(layer: &FiberLayer) -> (oneshot::Sender<u32>, Call) {
    let before = layer.handle().live();
    let (open, gate) = oneshot::channel();
    let mut service = service(layer);
    assert_ready_ok!(service.poll_ready::<Gate>());
    let mut call = Box::pin(service.call(gate));
    assert!(poll_once(&mut call).await.is_none());
    until(|| layer.handle().live() == before + 1).await;
    (open, call)
}

fn is_ready(service: &mut Spawn<Handler>) -> bool {
    service.poll_ready::<Gate>().is_ready()
}

/// A deadlock fails.
async fn in_time<R>(call: impl Future<Output = R>) -> R {
    tokio::time::timeout(Duration::from_secs(60), call).await.expect("it hangs")
}

/// Whether a service of the layer would be ready now.
fn has_room(layer: &FiberLayer) -> bool {
    is_ready(&mut service(layer))
}

/// In a task that has made calls before, they begin the plain way.
#[test]
fn an_ended_call_that_is_still_there_has_no_permit() {
    in_each_task(|| async {
        let layer = FiberLayer::builder().max_fibers(1).build().unwrap();
        let mut at_once = Box::pin(layer.run(|| ()));
        assert!(poll_once(&mut at_once).await.is_some());
        assert!(has_room(&layer));

        let (open, gate) = oneshot::channel();
        let mut waits = Box::pin(layer.run(|| gate.wait().unwrap()));
        assert!(poll_once(&mut waits).await.is_none());
        assert!(!has_room(&layer));
        open.send(7).unwrap();
        assert_eq!(poll_once(&mut waits).await, Some(7));
        assert!(has_room(&layer));

        let mut ready = service(&layer);
        assert!(is_ready(&mut ready) && is_ready(&mut ready) && !has_room(&layer));
        drop(ready);
        assert!(has_room(&layer));
    });
}

#[tokio::test]
async fn max_fibers_reached_is_pending_until_a_fiber_ends() {
    for layer in layers(2) {
        let (first, _second) = (begin(&layer).await, begin(&layer).await);
        let mut waits = service(&layer);
        assert_pending!(waits.poll_ready::<Gate>());
        assert!(!waits.is_woken());
        let (open, call) = first;
        open.send(1).unwrap();
        assert_eq!(call.await, Ok(1));
        assert!(waits.is_woken());
        assert_ready_ok!(waits.poll_ready::<Gate>());
        assert!(!has_room(&layer), "it has the place now");
        let (open, gate) = oneshot::channel();
        open.send(2).unwrap();
        assert_eq!(waits.call(gate).await, Ok(2));
        assert!(has_room(&layer));
    }
}

#[tokio::test]
async fn a_fiber_whose_response_was_dropped_keeps_its_place_until_it_ends() {
    for layer in layers(1) {
        let (open, call) = begin(&layer).await;
        let mut waits = service(&layer);
        assert_pending!(waits.poll_ready::<Gate>());
        drop(call);
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert!(!waits.is_woken() && !is_ready(&mut waits));
        open.send(1).unwrap();
        until(|| waits.is_woken()).await;
        assert_ready_ok!(waits.poll_ready::<Gate>());
        assert_eq!(layer.handle().live(), 0);
    }
}

#[tokio::test]
async fn those_that_wait_have_their_turn_in_order() {
    for layer in layers(1) {
        let mut running = begin(&layer).await;
        let mut waiting: Vec<_> = (0..3).map(|_| service(&layer)).collect();
        assert!(!waiting.iter_mut().any(is_ready));
        while !waiting.is_empty() {
            let (open, call) = running;
            open.send(1).unwrap();
            call.await.unwrap();
            let woken: Vec<_> = waiting.iter().map(Spawn::is_woken).collect();
            assert!(woken[0] && !woken[1..].contains(&true), "{woken:?}");
            assert!(!has_room(&layer), "a call that comes now has to wait behind them");
            let mut first = waiting.remove(0);
            assert!(is_ready(&mut first));
            let (open, gate) = oneshot::channel();
            let mut call = Box::pin(first.call(gate));
            assert!(poll_once(&mut call).await.is_none());
            running = (open, call);
        }
    }
}

#[tokio::test]
async fn one_that_gives_up_passes_its_turn_on() {
    for layer in layers(1) {
        let (open, call) = begin(&layer).await;
        let [mut first, mut second, mut third] = [(); 3].map(|()| service(&layer));
        assert!(!is_ready(&mut first) && !is_ready(&mut second) && !is_ready(&mut third));
        drop(first);
        open.send(1).unwrap();
        call.await.unwrap();
        assert!(second.is_woken() && !third.is_woken());
        drop(second);
        assert!(third.is_woken() && is_ready(&mut third), "also one that has been woken");
    }
}

#[tokio::test]
async fn a_response_that_waits_for_its_place_gives_up() {
    for layer in layers(1) {
        let (open, call) = begin(&layer).await;
        // Nobody asked whether these are ready.
        let mut waiting = [1, 2].map(|n| Box::pin(layer.run(move || n)));
        let [first, second] = &mut waiting;
        assert!(poll_once(first).await.is_none() && poll_once(second).await.is_none());
        assert_eq!(layer.handle().live(), 1);
        let [first, second] = waiting;
        drop(first);
        open.send(1).unwrap();
        assert_eq!((call.await, second.await), (Ok(1), 2));
        until(|| has_room(&layer)).await;
    }
}

#[tokio::test]
async fn the_limit_is_shared_by_all_that_the_layer_makes() {
    for layer in layers(1) {
        let (open, call) = begin(&layer.clone()).await;
        assert!(!has_room(&layer));
        let mut other = Box::pin(layer.run(|| 7));
        assert!(poll_once(&mut other).await.is_none());
        let another = ServiceBuilder::new().layer(layer.clone()).service(sync_fn(|()| Ok::<_, Infallible>(())));
        assert_pending!(Spawn::new(another).poll_ready::<()>());
        assert!(has_room(&layers(1)[0]), "other layers have their own");
        open.send(1).unwrap();
        assert_eq!((call.await, other.await), (Ok(1), 7));
    }
}

#[tokio::test]
async fn re_entry_takes_no_place() {
    for layer in layers(1) {
        let inner = layer.clone();
        let call = layer.run(move || {
            let within = inner.clone();
            let (open, gate) = oneshot::channel();
            open.send(1).unwrap();
            let mut service = inner.layer(sync_fn(handler));
            // Directly, by a service, and with another layer's fiber between.
            let direct = inner.run(|| async { 2 }.wait()).wait();
            let by_service = service.ready().wait().unwrap().call(gate).wait().unwrap();
            let between = FiberLayer::builder().max_fibers(1).build().unwrap();
            let deep = between.run(move || within.run(|| tokio::task::yield_now().wait()).wait());
            deep.wait();
            (direct, by_service)
        });
        assert_eq!(in_time(call).await, (2, 1));
        assert_eq!(layer.handle().counters().refused_waits, 0);
        until(|| has_room(&layer)).await;
    }
}

#[tokio::test]
async fn nested_layers_of_one_limit() {
    for layer in layers(1) {
        let inner = layer.layer(sync_fn(handler));
        let outer = layer.layer(service_fn(move |gate| inner.clone().oneshot(gate)));
        let (open, gate) = oneshot::channel();
        let mut call = Box::pin(outer.oneshot(gate));
        assert!(poll_once(&mut call).await.is_none());
        open.send(1).unwrap();
        assert_eq!(in_time(call).await, Ok(1));
    }
}

#[tokio::test]
async fn a_place_goes_with_the_ready_service_and_not_with_its_clone() {
    for layer in layers(1) {
        let mut ready = service(&layer);
        assert!(is_ready(&mut ready) && is_ready(&mut ready), "asked twice it has one place");
        let mut clone = ready.clone();
        assert!(!is_ready(&mut clone));
        drop(ready);
        assert!(clone.is_woken() && is_ready(&mut clone), "a ready service that is dropped gives its place back");
    }
}

#[tokio::test]
async fn an_async_service_that_is_parked_has_no_place() {
    for layer in layers(1) {
        let idle = layer.layer(service_fn(|()| pending::<Result<(), Infallible>>()));
        let mut call = Box::pin(idle.oneshot(()));
        assert!(poll_once(&mut call).await.is_none());
        until(|| has_room(&layer)).await;
        assert_eq!(layer.run(|| async { 1 }.wait()).await, 1);
    }
}

#[test]
fn a_leaked_fiber_keeps_its_place() {
    let current_thread = || Builder::new_current_thread().build().unwrap();
    let [layer, _] = layers(1);
    let runtime = current_thread();
    let (_open, call) = runtime.block_on(begin(&layer));
    drop(runtime);
    drop(call);
    let counters = layer.handle().counters();
    assert_eq!((counters.live, counters.leaked), (0, 1));
    assert!(!has_room(&layer));
}

#[tokio::test]
async fn max_fibers_reached_with_load_shed_directly_outside_is_an_error() {
    for layer in layers(1) {
        let (open, call) = begin(&layer).await;
        let mut shedding = ServiceBuilder::new().load_shed().layer(layer.clone()).service(sync_fn(handler));
        // A call that was let in would fail in another way.
        let (_, gate) = oneshot::channel();
        let refused = shedding.ready().await.unwrap().call(gate).await.unwrap_err();
        assert!(refused.is::<Overloaded>(), "{refused}");
        open.send(1).unwrap();
        call.await.unwrap();
        let (open, gate) = oneshot::channel();
        open.send(2).unwrap();
        assert_eq!(shedding.ready().await.unwrap().call(gate).await.unwrap(), 2);
    }
}

#[tokio::test]
async fn a_cancelled_fiber_gives_its_place_back() {
    let layer = FiberLayer::builder().max_fibers(1).on_drop(OnDrop::Unwind).build().unwrap();
    let (_open, call) = begin(&layer).await;
    drop(call);
    layer.handle().drained().await;
    assert!(has_room(&layer));
}

#[test]
fn limits_that_cannot_be_are_refused() {
    for max in [0, usize::MAX] {
        let text = FiberLayer::builder().max_fibers(max).build().unwrap_err().to_string();
        assert!(text.contains("max_fibers") && text.contains(&max.to_string()), "{text}");
    }
}

#[tokio::test]
async fn dropped_while_it_waits_for_a_place() {
    // On the pool a call under Finish has been handed over already, and nothing cuts it short.
    for (on_drop, pooled, runs) in
        [(OnDrop::Finish, true, true), (OnDrop::Finish, false, false), (OnDrop::Cancel, true, false)]
    {
        let builder = FiberLayer::builder().max_fibers(1).on_drop(on_drop);
        let layer = if pooled { builder.placement(Placement::SharedPool) } else { builder }.build().unwrap();
        let (open, call) = begin(&layer).await;
        let (ran, has_run) = oneshot::channel();
        let mut waits = Box::pin(layer.run(move || ran.send(()).unwrap()));
        assert!(poll_once(&mut waits).await.is_none());
        drop(waits);
        open.send(1).unwrap();
        assert_eq!(call.await, Ok(1));
        assert_eq!(has_run.await.is_ok(), runs, "{on_drop:?} {pooled}");
        in_time(layer.handle().drained()).await;
        let mut counters = layer.handle().counters();
        assert_eq!(std::mem::take(&mut counters.handed_over), u64::from(runs), "{on_drop:?} {pooled}");
        assert_eq!(counters, Default::default());
    }
}

/// In the line it is told nothing, so that it would look again and again.
#[tokio::test]
async fn one_that_waits_inside_a_fiber_sleeps_after_a_cancel_of_all() {
    let layer = FiberLayer::builder().max_fibers(1).build().unwrap();
    let (open, call) = begin(&layer).await;
    let inner = layer.clone();
    let mut outer = task::spawn(run_in_fiber(move || inner.run(|| 2).wait()));
    assert_pending!(outer.poll());
    layer.handle().cancel_all();
    for _ in 0..3 {
        assert_pending!(outer.poll());
        assert!(!outer.is_woken(), "its task never sleeps");
    }
    open.send(1).unwrap();
    assert_eq!(call.await, Ok(1));
    assert!(outer.is_woken());
    assert_ready_eq!(outer.poll(), 2);
}

#[tokio::test(start_paused = true)]
async fn limit_not_kept() {
    let nap = |milliseconds| tokio::time::sleep(Duration::from_millis(milliseconds)).wait();
    for way in ["race", "time-out"] {
        let layer = FiberLayer::builder().max_fibers(1).build().unwrap();
        let mut most = 0;
        for _ in 0..50 {
            let inner = layer.clone();
            let call = layer.run(move || match way {
                "race" => tower_fiber::race([1, 2000].map(|time| move || nap(time))),
                _ => {
                    let call = inner.run(move || nap(2000));
                    _ = async { tokio::time::timeout(Duration::from_millis(1), call).await }.wait();
                }
            });
            call.await;
            most = most.max(layer.handle().live());
        }
        // The one of `max_fibers` that was left behind; the next one begins when it has ended.
        assert_eq!(most, 1, "{way}");
        in_time(layer.handle().drained()).await;
        assert_eq!(layer.handle().counters().leaked, 0);
    }
}

/// One call that leaves others behind again and again.
#[tokio::test(start_paused = true)]
async fn calls_that_are_left_behind_are_bounded() {
    let layer = FiberLayer::builder().max_fibers(3).build().unwrap();
    let inner = layer.clone();
    let call = layer.run(move || {
        let mut most = 0;
        for _ in 0..50 {
            let call = inner.run(|| tokio::time::sleep(Duration::from_secs(2)).wait());
            _ = async { tokio::time::timeout(Duration::from_millis(1), call).await }.wait();
            most = most.max(inner.handle().live());
        }
        most
    });
    let most = in_time(call).await;
    assert!((4..=6).contains(&most), "{most}: twice `max_fibers` at most");
    in_time(layer.handle().drained()).await;
    assert!(has_room(&layer));
}

/// Readiness that is never used keeps new calls away, and not those that are under way.
#[tokio::test]
async fn a_root_goes_on_whoever_is_ready() {
    for layer in layers(1) {
        let (open, gate) = oneshot::channel::<()>();
        let gate = std::sync::Arc::new(std::sync::Mutex::new(Some(gate)));
        let inner = service_fn(move |()| {
            let gate = gate.lock().unwrap().take().unwrap();
            async {
                gate.await.unwrap();
                Ok::<_, Infallible>(())
            }
        });
        let mut root = Box::pin(layer.layer(inner).oneshot(()));
        assert!(poll_once(&mut root).await.is_none());
        until(|| has_room(&layer)).await;
        let mut never_called = service(&layer);
        assert!(is_ready(&mut never_called));
        assert!(!has_room(&layer));
        open.send(()).unwrap();
        in_time(root).await.unwrap();
        drop(never_called);
        assert!(has_room(&layer));
    }
}
