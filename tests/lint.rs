//! Thread-locals that a fiber leaves changed while it waits are named; others are not.
//!
//! What is found is found once in a process, so that each test has thread-locals of its own.

#![cfg(all(feature = "lint", target_os = "linux"))]

#[path = "support/child.rs"]
mod child;
#[path = "support/events.rs"]
#[cfg(feature = "tracing")]
mod events;
mod support;

use std::{
    cell::{Cell, RefCell},
    env, fs,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    pin::pin,
    process::Command,
    task::{Context, Waker},
    time::Duration,
};

use tokio::task::{JoinSet, yield_now};
use tower_fiber::{
    FiberLayer, WaitExt as _,
    lint::{self, Finding},
    run_in_fiber, run_local,
};

/// The finding about the thread-local of that name.
fn finding(name: &str) -> Option<Finding> {
    lint::findings().into_iter().find(|finding| finding.thread_local == format!("lint::{name}"))
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
    static CARRIED: u32;
}

#[tokio::test]
async fn task_local_scope_is_named_at_its_first_wait() {
    lint::enable().unwrap();
    let layer = FiberLayer::builder().name("orders").build().unwrap();
    const WAIT: u32 = line!() + 1;
    layer.run(|| USER.sync_scope(7, || yield_now().wait())).await;
    assert_found("USER", WAIT);
    let found = finding("USER").unwrap();
    assert_eq!(found.service, "orders");
    let text = found.to_string();
    for part in ["service `orders`", "lint::USER", "tests/lint.rs", &WAIT.to_string(), "before the wait", "lint::allow"]
    {
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
    static CACHE: RefCell<Vec<u32>> = RefCell::new(Vec::with_capacity(4));
    static BASKET: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
    static NUMBER: Cell<u32> = const { Cell::new(1) };
    static ASKED: Cell<u32> = const { Cell::new(0) };
    static LAST: Cell<u32> = const { Cell::new(0) };
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
async fn borrowed_cell_is_named_by_the_next_fiber_at_the_latest() {
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

/// What the layer keeps for the fiber no other code sees.
#[tokio::test]
async fn carried_task_local_is_not_named() {
    lint::enable().unwrap();
    let layer = FiberLayer::builder().carry(&CARRIED).build().unwrap();
    for _ in 0..3 {
        let call = layer.run(|| {
            yield_now().wait();
            CARRIED.sync_scope(8, || yield_now().wait());
            CARRIED.get()
        });
        assert_eq!(CARRIED.scope(7, call).await, 7);
    }
    assert_eq!(finding("CARRIED"), None);
}

#[tokio::test]
async fn filling_a_cache_is_not_named() {
    lint::enable().unwrap();
    for _ in 0..3 {
        run_local(|| {
            CACHE.with_borrow_mut(|cache| {
                if cache.is_empty() {
                    cache.push(1);
                }
            });
            yield_now().wait();
        })
        .await;
    }
    assert_eq!(finding("CACHE"), None);
}

#[tokio::test]
async fn change_that_is_taken_back_before_the_wait_is_not_named() {
    lint::enable().unwrap();
    for _ in 0..3 {
        run_local(|| {
            NUMBER.set(2);
            NUMBER.set(1);
            yield_now().wait();
        })
        .await;
    }
    assert_eq!(finding("NUMBER"), None);
}

#[tokio::test]
async fn change_that_no_wait_follows_is_not_named() {
    lint::enable().unwrap();
    LAST.set(2);
    run_local(|| {
        yield_now().wait();
        LAST.set(3);
    })
    .await;
    assert_eq!(finding("LAST"), None);
}

#[tokio::test]
async fn allowed_thread_local_is_not_named() {
    lint::enable().unwrap();
    lint::allow("::ASKED");
    for _ in 0..3 {
        run_local(|| {
            ASKED.set(ASKED.get() + 1);
            yield_now().wait();
        })
        .await;
    }
    assert_eq!(finding("ASKED"), None);
}

/// Without the findings of other tests: in a process of its own.
#[test]
fn nothing_is_found_in_plain_fibers() {
    child::passes("nothing_is_found_in_plain_fibers", || {
        lint::enable().unwrap();
        for runtime in [tokio::runtime::Builder::new_current_thread(), tokio::runtime::Builder::new_multi_thread()] {
            let runtime = { runtime }.enable_all().build().unwrap();
            runtime.block_on(async {
                let layer = FiberLayer::new();
                let mut calls = JoinSet::new();
                for number in 0..50 {
                    calls.spawn(layer.run(move || plain(number)));
                }
                assert_eq!(calls.join_all().await.len(), 50);
                tokio::task::LocalSet::new().run_until(run_local(|| plain(1))).await;
            });
        }
        assert_eq!(lint::findings(), []);
    });
}

fn plain(number: u64) -> String {
    tokio::time::sleep(Duration::from_millis(number % 3)).wait();
    let task = tokio::spawn(async move { number + 1 });
    let map: std::collections::HashMap<_, _> = [(number, task.wait().unwrap())].into();
    yield_now().wait();
    let (send, receive) = tokio::sync::oneshot::channel();
    let thread = std::thread::spawn(move || send.send(1));
    receive.wait().unwrap();
    thread.join().unwrap().unwrap();
    let text = tower_fiber::offload(move || format!("{map:?}"));
    let caught = catch_unwind(|| std::panic::resume_unwind(Box::new(1)));
    assert!(caught.is_err());
    run_in_fiber(|| yield_now().wait()).wait();
    tokio::time::timeout(Duration::from_secs(60), yield_now()).wait().unwrap();
    text
}

#[cfg(feature = "tracing")]
#[tokio::test]
async fn it_is_said_once() {
    thread_local!(static SAID: Cell<u32> = const { Cell::new(0) });
    let warnings = events::Warnings::default();
    let _default = tracing::subscriber::set_default(warnings.clone());
    lint::enable().unwrap();
    lint::enable().unwrap();
    for _ in 0..3 {
        let layer = FiberLayer::builder().name("orders").build().unwrap();
        layer
            .run(|| {
                SAID.set(SAID.get() + 1);
                yield_now().wait();
            })
            .await;
    }
    let said = warnings.take();
    assert_eq!(said.len(), 1, "{said:?}");
    for part in ["service=\"orders\"", "::SAID`", "tests/lint.rs"] {
        assert!(said[0].contains(part), "`{part}` is missing: {said:?}");
    }
}

/// A copy of this program without symbols.
#[test]
fn stripped_executable_is_refused() {
    const TEST: &str = "stripped_executable_is_refused";
    if child::is_child(TEST) {
        let error = lint::enable().unwrap_err();
        assert!(error.to_string().contains("build without `strip`"), "{error}");
        run_in_fiber_of_its_own();
        return;
    }
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lint-stripped");
    let strip = Command::new("strip").arg("-o").arg(&copy).arg(env::current_exe().unwrap()).status();
    assert!(strip.expect("`strip` comes with the linker").success());
    let ended = child::run_program(TEST, &copy);
    fs::remove_file(&copy).unwrap();
    assert!(ended.0.status.success(), "{ended:?}");
}

/// Goes as without the lint.
fn run_in_fiber_of_its_own() {
    let mut fiber = pin!(run_local(|| yield_now().wait()));
    let mut cx = Context::from_waker(Waker::noop());
    while fiber.as_mut().poll(&mut cx).is_pending() {}
    assert_eq!(lint::findings(), []);
}
