//! The backtrace that std prints for a panic in a fiber: it ends where the fiber begins, however many lie around it.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use tokio::{runtime::Builder, task::yield_now};
use tower_fiber::{WaitExt as _, join, run_in_fiber, run_local};

use crate::child;

#[inline(never)]
fn legacy_code() {
    yield_now().wait();
    panic!("out of stock");
}

#[inline(never)]
fn calls_a_function() {
    run_in_fiber(legacy_code).wait();
}

#[test]
fn it_ends_at_the_fiber() {
    let case = || {
        let runtime = Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let call = run_in_fiber(|| run_local(|| join(calls_a_function, || ())).wait());
            assert!(AssertUnwindSafe(call).catch_unwind().await.is_err());
        });
    };
    let test = "backtrace::it_ends_at_the_fiber";
    let Some(ended) = child::run_under(test, "", &[("RUST_BACKTRACE", "1")], case) else { return };
    assert!(ended.0.status.success(), "{ended:?}");
    let stderr = ended.stderr();
    let (_, backtrace) = stderr.split_once("stack backtrace:").expect(&stderr);
    assert!(backtrace.contains("legacy_code"), "{backtrace}");
    // What was inlined is only known by debug information, which gives lines too.
    if backtrace.contains("tests/calls/backtrace.rs:") {
        let others = ["calls_a_function", "corosensei::", "tokio::runtime::", "tower_fiber::raw::coroutine"];
        assert!(others.iter().all(|other| !backtrace.contains(other)), "{backtrace}");
        assert!(backtrace.lines().count() < 40, "{backtrace}");
    }
}
