//! What the tests share: calls that begin together on one thread, and a callback whose waits end in an order that the test chooses.

use std::io;

use tokio::{runtime::Builder, task::yield_now};
use tower_fiber::{FiberLayer, FiberPool, Placement, on_thread_stack, try_await_in_fiber};

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

/// Runs `call` with two pairs of numbers in two fibers of one thread, which both have begun before one of them ends: in place, and on a pool.
/// The waits end first in, first out, then last in, first out. Each call must give its own numbers.
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

/// Runs `call` on the stack of a fiber's thread, where it must fail with a text that says that it cannot wait.
///
/// # Panics
///
/// If it does not fail, or does not say so.
pub fn is_refused(call: impl FnOnce() -> Result<(u64, u64), String> + Send + 'static) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("there can be a runtime");
    let refused = runtime.block_on(FiberLayer::new().run(|| on_thread_stack(call)));
    let text = refused.expect_err("it cannot wait");
    assert!(text.contains("on_thread_stack"), "{text}");
}
