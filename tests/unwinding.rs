//! Waits while the thread is panicking: never suspended there. Each case is a process of its own.

use std::{
    env,
    future::ready,
    panic::{AssertUnwindSafe, catch_unwind},
    process::{Command, Output, Stdio},
    sync::{Once, mpsc},
    thread,
    time::Duration,
};

use tower_fiber::{FiberLayer, WaitExt as _, error::TryAwaitError, run_in_fiber, try_await_in_fiber};

const CASE: &str = "TOWER_FIBER_CASE";

/// Runs one test of this binary as a child that takes its branch of `case`, for a minute at most.
fn child(test: &str) -> Output {
    // Without core dumps, which some of the children would leave.
    let child = Command::new("sh")
        .args(["-c", "ulimit -c 0 && exec \"$0\" \"$@\""])
        .arg(env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(CASE, test)
        .env("RUST_BACKTRACE", "0")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let id = child.id().to_string();
    let (send, receive) = mpsc::channel();
    thread::spawn(move || send.send(child.wait_with_output().unwrap()));
    receive.recv_timeout(Duration::from_secs(60)).unwrap_or_else(|_| {
        _ = Command::new("kill").args(["-9", &id]).status();
        panic!("`{test}` hangs");
    })
}

fn is_child(test: &str) -> bool {
    env::var(CASE).is_ok_and(|case| case == test)
}

fn block_on<R>(future: impl Future<Output = R>) -> R {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

async fn pending_once() {
    tokio::task::yield_now().await;
}

/// A destructor that waits, as the `Drop` of a buffered writer does.
struct Flush<F: FnMut()>(F);

impl<F: FnMut()> Drop for Flush<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[test]
fn a_destructor_waits_by_try_while_its_handler_panics() {
    const TEST: &str = "a_destructor_waits_by_try_while_its_handler_panics";
    if !is_child(TEST) {
        let output = child(TEST);
        assert!(output.status.success(), "{output:?}");
        return;
    }
    block_on(async {
        let caught = tokio::spawn(run_in_fiber(|| {
            let _flush = Flush(|| {
                assert!(matches!(try_await_in_fiber(pending_once()), Err(TryAwaitError::Unwinding)));
                assert_eq!(try_await_in_fiber(ready(1)).unwrap(), 1, "what is ready at once has its value");
            });
            panic!("expected");
        }));
        assert!(caught.await.unwrap_err().is_panic());
        assert!(!thread::panicking());
        assert_eq!(run_in_fiber(|| ready(1).wait()).await, 1);
    });
}

#[test]
fn a_destructor_waits_infallibly_while_its_handler_panics() {
    const TEST: &str = "a_destructor_waits_infallibly_while_its_handler_panics";
    if !is_child(TEST) {
        let output = child(TEST);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success());
        for part in ["`orders`", "tests/unwinding.rs", "try_await_in_fiber"] {
            assert!(stderr.contains(part), "{part} is missing: {stderr}");
        }
        return;
    }
    let layer = FiberLayer::builder().name("orders").build().unwrap();
    block_on(layer.run(|| {
        let _flush = Flush(|| pending_once().wait());
        panic!("expected");
    }));
}

#[test]
fn a_panic_hook_waits() {
    const TEST: &str = "a_panic_hook_waits";
    if !is_child(TEST) {
        let output = child(TEST);
        assert!(output.status.success(), "{output:?}");
        return;
    }
    static HOOK: Once = Once::new();
    std::panic::set_hook(Box::new(|_| {
        HOOK.call_once(|| assert!(matches!(try_await_in_fiber(pending_once()), Err(TryAwaitError::Unwinding))));
    }));
    block_on(async {
        for _ in 0..2 {
            let caught = tokio::spawn(run_in_fiber(|| panic!("expected"))).await;
            assert!(caught.unwrap_err().is_panic());
        }
    });
    assert!(HOOK.is_completed());
    assert!(catch_unwind(AssertUnwindSafe(|| panic!("unrelated"))).is_err());
}
