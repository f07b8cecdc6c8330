//! Calls that never suspend.

use std::{cell::Cell, convert::Infallible, future::ready, rc::Rc};

use tokio_test::{assert_ready, task};
use tower::{Layer as _, Service as _, ServiceBuilder, ServiceExt as _};
use tower_fiber::{
    FiberLayer, FiberService, ServiceExt as _, WaitExt as _, await_in_fiber, in_fiber, run_local, sync_fn,
};

fn double(n: u32) -> Result<u32, Infallible> {
    Ok(n * 2)
}

#[tokio::test]
async fn service_that_never_waits() {
    let layer = FiberLayer::new();
    let mut service = layer.layer(sync_fn(double));
    assert_eq!(service.ready().await.unwrap().call(21).await, Ok(42));
    assert_eq!(service.ready().await.unwrap().call(1).await, Ok(2));
    assert_eq!(layer.handle().counters(), Default::default());
}

#[tokio::test]
async fn every_way_to_wrap_a_service() {
    let inside = || sync_fn(|()| Ok::<_, Infallible>(in_fiber()));
    assert_eq!(inside().oneshot(()).await, Ok(false));
    assert_eq!(FiberService::new(inside()).oneshot(()).await, Ok(true));
    assert_eq!(FiberLayer::new().layer(inside()).oneshot(()).await, Ok(true));
    assert_eq!(ServiceBuilder::new().layer(FiberLayer::new()).service(inside()).oneshot(()).await, Ok(true));
    #[cfg(feature = "tower")]
    {
        use tower_fiber::ServiceBuilderExt as _;
        assert_eq!(ServiceBuilder::new().fiber().service(inside()).oneshot(()).await, Ok(true));
    }
    assert_eq!(tower_fiber::ServiceExt::fiber(inside()).oneshot(()).await, Ok(true));
    let mut unwrapped = inside().fiber();
    assert!(format!("{unwrapped:?}").contains("SyncFn"));
    assert!(format!("{:?}", unwrapped.get_ref()).contains("SyncFn"));
    assert!(format!("{:?}", unwrapped.get_mut()).contains("SyncFn"));
    assert_eq!(unwrapped.into_inner().oneshot(()).await, Ok(false));
}

#[tokio::test]
async fn errors_pass_unchanged() {
    #[derive(Debug, PartialEq)]
    struct Odd(u32);

    let half = sync_fn(|n: u32| if n % 2 == 0 { Ok(n / 2) } else { Err(Odd(n)) });
    let half = FiberService::new(half);
    assert_eq!(half.clone().oneshot(8).await, Ok(4));
    assert_eq!(half.oneshot(7).await, Err(Odd(7)));
}

#[tokio::test]
async fn async_service_behind_the_layer() {
    let service = tower::service_fn(|n: u32| async move {
        tokio::task::yield_now().await;
        Ok::<_, Infallible>((in_fiber(), n + 1))
    });
    assert_eq!(FiberService::new(service).oneshot(1).await, Ok((true, 2)));
}

#[test]
fn ready_waits_do_not_suspend() {
    let mut call = task::spawn(run_local(|| {
        let a = await_in_fiber(ready(1));
        let b = async { 2 }.wait();
        a + b
    }));
    assert_eq!(assert_ready!(call.poll()), 3);
    assert!(!call.is_woken());
}

#[test]
fn nothing_runs_before_the_first_poll() {
    let ran = Rc::new(Cell::new(false));
    let inside = Rc::clone(&ran);
    let mut call = task::spawn(run_local(move || inside.set(true)));
    assert!(!ran.get());
    assert_ready!(call.poll());
    assert!(ran.get());
}

/// Passes an array of `N` bytes through a closure's captures and its result, and through a request and its response.
fn round_trips<const N: usize>() {
    let run = || {
        // Not all alike, so that a shift shows. Without optimisation each move is a copy on the stack.
        let bytes: [u8; N] = std::array::from_fn(|i| (i % 251) as u8);
        let layer = FiberLayer::builder().stack_size(32 * N.max(64 * 1024)).build().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert!(runtime.block_on(layer.run(move || bytes)) == bytes);
        assert!(runtime.block_on(layer.run(move || async move { bytes }.wait())) == bytes);
        let echo = layer.layer(sync_fn(|request: [u8; N]| Ok::<_, Infallible>(request)));
        assert!(runtime.block_on(echo.oneshot(bytes)) == Ok(bytes));
    };
    std::thread::Builder::new().stack_size(256 * 1024 * 1024).spawn(run).unwrap().join().unwrap();
}

#[test]
fn closures_and_values_of_any_size() {
    round_trips::<0>();
    round_trips::<1025>();
    round_trips::<{ 5 * 1024 }>();
    round_trips::<{ 1024 * 1024 }>();
}

#[test]
fn layer_and_futures_say_what_they_are() {
    let layer = FiberLayer::new().name("orders");
    assert!(format!("{layer:?}").contains("orders"));
    assert!(format!("{:?}", layer.handle()).contains("orders"));
    assert!(format!("{:?}", layer.run(|| ())).contains("orders"));
    assert!(format!("{:?}", run_local(|| ())).contains("layer_and_futures"));
}
