//! What does no harm is not named: there is no finding in all of a process.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    env, fs,
    future::Future,
    panic::{catch_unwind, resume_unwind},
    path::Path,
    pin::pin,
    process::Command,
    task::{Context, Waker},
    thread,
    time::Duration,
};

use tokio::{
    runtime::Builder,
    sync::oneshot,
    task::{JoinSet, LocalSet, yield_now},
    time::{sleep, timeout},
};
use tower_fiber::{FiberLayer, WaitExt as _, lint, offload, run_in_fiber, run_local};

use crate::child;

tokio::task_local! {
    static CARRIED: u32;
}

thread_local! {
    static CACHE: RefCell<Vec<u32>> = RefCell::new(Vec::with_capacity(4));
    static NUMBER: Cell<u32> = const { Cell::new(1) };
    static LAST: Cell<u32> = const { Cell::new(0) };
    static ASKED: Cell<u32> = const { Cell::new(0) };
}

/// In a process of its own, since all findings are the process's.
fn finds_nothing(test: &str, case: impl AsyncFnOnce()) {
    child::passes(test, || {
        lint::enable().unwrap();
        Builder::new_current_thread().enable_all().build().unwrap().block_on(case());
        assert_eq!(lint::findings(), []);
    });
}

/// What the layer keeps for the fiber no other code sees.
#[test]
fn carried_task_local() {
    finds_nothing("lint_silent::carried_task_local", async || {
        let layer = FiberLayer::new().carry(&CARRIED);
        for _ in 0..3 {
            let call = layer.run(|| {
                yield_now().wait();
                CARRIED.sync_scope(8, || yield_now().wait());
                CARRIED.get()
            });
            assert_eq!(CARRIED.scope(7, call).await, 7);
        }
    });
}

#[test]
fn filling_a_cache() {
    finds_nothing("lint_silent::filling_a_cache", async || {
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
    });
}

#[test]
fn change_that_is_taken_back_before_the_wait() {
    finds_nothing("lint_silent::change_that_is_taken_back_before_the_wait", async || {
        for _ in 0..3 {
            run_local(|| {
                NUMBER.set(2);
                NUMBER.set(1);
                yield_now().wait();
            })
            .await;
        }
    });
}

#[test]
fn change_that_no_wait_follows() {
    finds_nothing("lint_silent::change_that_no_wait_follows", async || {
        LAST.set(2);
        run_local(|| {
            yield_now().wait();
            LAST.set(3);
        })
        .await;
    });
}

#[test]
fn allowed_thread_local() {
    finds_nothing("lint_silent::allowed_thread_local", async || {
        lint::allow("::ASKED");
        for _ in 0..3 {
            run_local(|| {
                ASKED.set(ASKED.get() + 1);
                yield_now().wait();
            })
            .await;
        }
    });
}

#[test]
fn plain_fibers() {
    child::passes("lint_silent::plain_fibers", || {
        lint::enable().unwrap();
        for runtime in [Builder::new_current_thread(), Builder::new_multi_thread()] {
            let runtime = { runtime }.enable_all().build().unwrap();
            runtime.block_on(async {
                let layer = FiberLayer::new();
                let mut calls = JoinSet::new();
                for number in 0..50 {
                    calls.spawn(layer.run(move || plain(number)));
                }
                assert_eq!(calls.join_all().await.len(), 50);
                LocalSet::new().run_until(run_local(|| plain(1))).await;
            });
        }
        assert_eq!(lint::findings(), []);
    });
}

/// They are taken off while the fiber waits; what the subscriber writes into is its own.
#[cfg(feature = "tracing")]
#[test]
fn entered_spans() {
    finds_nothing("lint_silent::entered_spans", async || {
        let subscriber = tracing_subscriber::fmt().with_writer(std::io::sink).finish();
        let _default = tracing::subscriber::set_default(subscriber);
        let layer = FiberLayer::new();
        let calls = (0..3).map(|number| {
            layer.run(move || {
                let _span = tracing::info_span!("call", number).entered();
                tracing::info!("begins");
                yield_now().wait();
                tracing::info_span!("inner").in_scope(|| yield_now().wait());
            })
        });
        futures_util::future::join_all(calls).await;
    });
}

fn plain(number: u64) -> String {
    sleep(Duration::from_millis(number % 3)).wait();
    let task = tokio::spawn(async move { number + 1 });
    let map: HashMap<_, _> = [(number, task.wait().unwrap())].into();
    yield_now().wait();
    let (send, receive) = oneshot::channel();
    let thread = thread::spawn(move || send.send(1));
    receive.wait().unwrap();
    thread.join().unwrap().unwrap();
    let text = offload(move || format!("{map:?}"));
    let caught = catch_unwind(|| resume_unwind(Box::new(1)));
    assert!(caught.is_err());
    run_in_fiber(|| yield_now().wait()).wait();
    timeout(Duration::from_secs(60), yield_now()).wait().unwrap();
    text
}

/// A copy of this program without symbols.
#[test]
fn stripped_executable_is_refused() {
    const TEST: &str = "lint_silent::stripped_executable_is_refused";
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
