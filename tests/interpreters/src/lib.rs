//! What the tests share: calls that begin together on one thread, and a callback whose waits end in an order that the
//! test chooses.

use std::io;

use tokio::{runtime::Builder, task::yield_now};
use tower_fiber::{FiberLayer, FiberPool, Placement, lint, no_wait, on_thread_stack, try_await_in_fiber};

/// What scripts call: waits `turns` times, and gives the number back.
///
/// # Errors
///
/// Where it cannot wait.
pub fn fetch(turns: u64) -> io::Result<u64> {
    for _ in 0..turns {
        try_await_in_fiber(yield_now())?;
    }
    Ok(turns)
}

/// As [`fetch`], for hosts that call async functions.
pub async fn fetch_async(turns: u64) -> u64 {
    for _ in 0..turns {
        yield_now().await;
    }
    turns
}

/// Runs `call` with two pairs of numbers in two fibers of one thread, which both have begun before one of them ends: in
/// place, and on a pool. The waits end first in, first out, then last in, first out. Each call must give its own
/// numbers.
///
/// # Panics
///
/// If it gives others.
pub fn interleaves(call: impl Fn(u64, u64) -> (u64, u64) + Clone + Send + 'static) {
    let pool = FiberPool::builder().worker_threads(1).build().expect("a thread can be started");
    let builder = FiberLayer::builder().name("plugins");
    let layers = [builder.clone().placement(Placement::InPlace), builder.placement(pool)]
        .map(|builder| builder.build().expect("it is plain"));
    let runtime = Builder::new_current_thread().enable_all().build().expect("there can be a runtime");
    for layer in layers {
        for calls in [[(1, 2), (4, 5)], [(7, 8), (2, 1)]] {
            let run = |(a, b)| {
                let call = call.clone();
                runtime.spawn(layer.run(move || call(a, b)))
            };
            let begun = calls.map(run);
            for (call, expected) in begun.into_iter().zip(calls) {
                assert_eq!(runtime.block_on(call).expect("it does not panic"), expected);
            }
        }
    }
}

/// Runs `call` where waits are refused: in a `no_wait` section, and on the stack of a fiber's thread. It must fail with
/// a text that says so.
///
/// # Panics
///
/// If it does not fail, or does not say so.
pub fn is_refused(call: impl Fn() -> Result<(u64, u64), String> + Clone + Send + 'static) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("there can be a runtime");
    let (forbidden, off_the_stack) = (call.clone(), call);
    let refused = runtime.block_on(FiberLayer::new().run(|| no_wait(forbidden)));
    let text = refused.expect_err("it must not wait");
    assert!(text.contains("no_wait"), "{text}");
    let refused = runtime.block_on(FiberLayer::new().run(|| on_thread_stack(off_the_stack)));
    let text = refused.expect_err("it cannot wait");
    assert!(text.contains("on_thread_stack"), "{text}");
}

/// What the lint says after a fiber, alone on its thread, has run `call`.
///
/// # Panics
///
/// If the lint cannot be enabled.
pub fn findings(call: impl Fn(u64, u64) -> (u64, u64) + Clone + Send + 'static) -> Vec<lint::Finding> {
    lint::enable().expect("it is Linux, and the executable has its symbols");
    let runtime = Builder::new_current_thread().enable_all().build().expect("there can be a runtime");
    assert_eq!(runtime.block_on(FiberLayer::new().name("plugins").run(move || call(1, 2))), (1, 2));
    lint::findings()
}

/// One of them is of a thread-local whose path begins so, and says what to do about an interpreter.
///
/// # Panics
///
/// If there is none, or it does not say so.
pub fn is_named(findings: &[lint::Finding], path: &str) {
    let finding = findings.iter().find(|finding| finding.thread_local.starts_with(path));
    let text = finding.unwrap_or_else(|| panic!("none: {findings:?}")).to_string();
    for part in ["an interpreter", path, "src/lib.rs", "sync::Mutex", "`offload`", "`no_wait`"] {
        assert!(text.contains(part), "`{part}` is missing: {text}");
    }
}
