//! Thread-locals that a fiber leaves changed while it waits are named.
//!
//! What is found is found once in a process, so that each test has thread-locals of its own.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::{Context, Waker},
};

use tokio::task::yield_now;
use tower_fiber::{
    FiberLayer, WaitExt as _,
    lint::{self, Finding},
    run_in_fiber, run_local,
};

/// The finding about the thread-local of that name.
fn finding(name: &str) -> Option<Finding> {
    lint::findings().into_iter().find(|finding| finding.thread_local == format!("{}::{name}", module_path!()))
}

#[track_caller]
fn assert_found(name: &str, line: u32) {
    let found = finding(name).unwrap_or_else(|| panic!("`{name}` is missing: {:?}", lint::findings()));
    assert_eq!((found.wait.file(), found.wait.line()), (file!(), line), "{found:?}");
}

mod scoped {
    scoped_tls::scoped_thread_local!(pub(super) static NAME: String);
}

/// The program that the crate's docs show, up to the read of freed memory.
#[tokio::test]
async fn scoped_thread_local_is_named_before_it_dangles() {
    lint::enable().unwrap();
    const WAIT: u32 = line!() + 2;
    fn scope(name: &str, waits: u32) {
        scoped::NAME.set(&name.to_owned(), || (0..waits).for_each(|_| yield_now().wait()));
    }
    let first = run_local(|| scope("first", 1));
    let second = run_local(|| scope("second", 2));
    let (mut first, mut second) = (pin!(first), pin!(second));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(first.as_mut().poll(&mut cx).is_pending());
    assert_found("scoped::NAME", WAIT);
    assert!(finding("scoped::NAME").unwrap().service.contains("scoped_thread_local_is_named"));
    assert!(second.as_mut().poll(&mut cx).is_pending());
    first.await;
    second.await;
}

tokio::task_local! {
    static USER: u32;
    static ON_THE_POOL: u32;
    static BORROWED: u32;
}

#[tokio::test]
async fn task_local_scope_is_named_at_its_first_wait() {
    lint::enable().unwrap();
    let layer = FiberLayer::new().name("orders");
    const WAIT: u32 = line!() + 1;
    layer.run(|| USER.sync_scope(7, || yield_now().wait())).await;
    assert_found("USER", WAIT);
    let found = finding("USER").unwrap();
    assert_eq!(found.service, "orders");
    let text = found.to_string();
    for part in ["service `orders`", "lint::lint::USER", file!(), &WAIT.to_string(), "before the wait", "lint::allow"] {
        assert!(text.contains(part), "`{part}` is missing: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn task_local_scope_on_the_pool() {
    lint::enable().unwrap();
    const WAIT: u32 = line!() + 1;
    run_in_fiber(|| ON_THE_POOL.sync_scope(7, || yield_now().wait())).await;
    assert_found("ON_THE_POOL", WAIT);
}

/// tokio itself panics about it when the scope is left; by then it has been named.
#[tokio::test]
async fn borrow_of_a_task_local_around_the_fiber() {
    lint::enable().unwrap();
    const WAIT: u32 = line!() + 1;
    let fiber = run_local(|| BORROWED.with(|_| yield_now().wait()));
    let mut fiber = Box::pin(BORROWED.scope(7, fiber));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(catch_unwind(AssertUnwindSafe(|| fiber.as_mut().poll(&mut cx))).is_err());
    assert_found("BORROWED", WAIT);
}

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static BASKET: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
    static SWAPPED: Cell<u32> = const { Cell::new(0) };
}

/// A depth counter as guards have it.
fn deeper(f: impl FnOnce()) {
    DEPTH.set(DEPTH.get() + 1);
    f();
    DEPTH.set(DEPTH.get() - 1);
}

#[tokio::test]
async fn depth_counter_is_named_when_it_goes_back() {
    lint::enable().unwrap();
    const WAIT: u32 = line!() + 2;
    let mut fiber = pin!(run_local(|| {
        deeper(|| yield_now().wait());
        yield_now().wait();
    }));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(fiber.as_mut().poll(&mut cx).is_pending());
    assert_eq!(finding("DEPTH"), None, "it may be a cache that was filled");
    assert!(fiber.as_mut().poll(&mut cx).is_pending());
    assert_found("DEPTH", WAIT);
    fiber.await;
}

#[tokio::test]
async fn borrowed_cell_is_named_at_the_wait() {
    lint::enable().unwrap();
    BASKET.with_borrow_mut(|basket| basket.push(1));
    const WAIT: u32 = line!() + 1;
    run_local(|| BASKET.with_borrow(|_| yield_now().wait())).await;
    assert_found("BASKET", WAIT);
}

#[tokio::test]
async fn change_inside_a_fiber_that_a_fiber_polls() {
    lint::enable().unwrap();
    SWAPPED.set(1);
    const WAIT: u32 = line!() + 4;
    run_local(|| {
        run_local(|| {
            let before = SWAPPED.replace(2);
            yield_now().wait();
            SWAPPED.set(before);
        })
        .wait();
    })
    .await;
    assert_found("SWAPPED", WAIT);
}

#[tokio::test]
async fn stack_limit_of_stacker() {
    lint::enable().unwrap();
    const WAIT: u32 = line!() + 1;
    run_local(|| stacker::grow(1 << 20, || yield_now().wait())).await;
    let found = lint::findings().into_iter().find(|finding| finding.thread_local == "stacker::STACK_LIMIT").unwrap();
    assert_eq!((found.wait.file(), found.wait.line()), (file!(), WAIT), "{found:?}");
}

#[cfg(feature = "tracing")]
#[tokio::test]
async fn it_is_said_once() {
    thread_local!(static SAID: Cell<u32> = const { Cell::new(0) });
    let warnings = crate::events::Warnings::default();
    let _default = tracing::subscriber::set_default(warnings.clone());
    lint::enable().unwrap();
    lint::enable().unwrap();
    for _ in 0..3 {
        let layer = FiberLayer::new().name("orders");
        layer
            .run(|| {
                SAID.set(SAID.get() + 1);
                yield_now().wait();
            })
            .await;
    }
    let said = warnings.take();
    assert_eq!(said.len(), 1, "{said:?}");
    for part in ["service=\"orders\"", "::SAID`", file!()] {
        assert!(said[0].contains(part), "`{part}` is missing: {said:?}");
    }
}
