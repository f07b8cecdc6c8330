//! Places that may block: `block_on_waits`, `offload`, and the same function in both worlds.

use std::{future::ready, panic::catch_unwind, thread, time::Duration};

use tokio::{runtime::Builder, sync::oneshot, time::sleep};
use tower_fiber::{
    WaitExt as _, WaitMode, block_on_waits, error::TryAwaitError, in_fiber, offload, run_in_fiber, try_await_in_fiber,
    wait_mode,
};

use crate::support::text_of_panic;

/// Plain code that serves in fibers and on threads that may block.
fn legacy() -> (WaitMode, u32) {
    sleep(Duration::from_millis(1)).wait();
    (wait_mode(), try_await_in_fiber(ready(4)).unwrap())
}

#[test]
fn without_a_runtime_it_brings_its_own() {
    assert_eq!(block_on_waits(legacy), (WaitMode::Blocking, 4));
    assert_eq!(block_on_waits(|| tokio::spawn(async { 6 }).wait().unwrap()), 6);
    assert_eq!(wait_mode(), WaitMode::None);
}

#[test]
fn with_a_runtime_entered_it_uses_that_one() {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let _entered = runtime.enter();
    let id = runtime.handle().id();
    assert_eq!(block_on_waits(|| async { tokio::runtime::Handle::current().id() }.wait()), id);
    assert_eq!(block_on_waits(legacy), (WaitMode::Blocking, 4));
}

#[tokio::test]
async fn in_spawn_blocking_it_waits_on_that_thread() {
    let blocking = tokio::task::spawn_blocking(|| block_on_waits(|| (legacy(), block_on_waits(legacy))));
    assert_eq!(blocking.await.unwrap(), ((WaitMode::Blocking, 4), (WaitMode::Blocking, 4)));
    assert_eq!(run_in_fiber(legacy).await, (WaitMode::Fiber, 4));
}

#[tokio::test]
async fn it_is_refused_on_a_thread_that_drives_a_runtime() {
    let text = text_of_panic(|| block_on_waits(|| ()));
    assert!(text.contains("run_in_fiber") && text.contains("spawn_blocking"), "{text}");
    let text = run_in_fiber(|| text_of_panic(|| block_on_waits(|| ()))).await;
    assert!(text.contains("inside a fiber"), "{text}");
}

#[test]
fn nested_waits_are_refused_there_too() {
    block_on_waits(|| {
        let refused = async { try_await_in_fiber(ready(1)).map_err(|refused| refused.to_string()) }.wait();
        assert!(refused.unwrap_err().contains("run the synchronous part with run_in_fiber"));
        assert_eq!(ready(2).wait(), 2);
    });
}

#[test]
fn other_tasks_of_its_runtime_are_not_part_of_it() {
    block_on_waits(|| {
        let task = tokio::spawn(async { matches!(try_await_in_fiber(ready(1)), Err(TryAwaitError::NotInFiber(_))) });
        assert!(task.wait().unwrap());
    });
}

#[test]
fn fibers_run_below_it() {
    let (blocking, inside) = block_on_waits(|| (in_fiber(), run_in_fiber(legacy).wait()));
    assert!(!blocking);
    assert_eq!(inside, (WaitMode::Fiber, 4));
}

#[test]
fn the_mode_ends_with_a_panic() {
    assert!(catch_unwind(|| block_on_waits(|| panic!("expected"))).is_err());
    assert_eq!(wait_mode(), WaitMode::None);
}

#[tokio::test]
async fn offload_leaves_the_thread_and_others_go_on() {
    let here = thread::current().id();
    let (send, receive) = oneshot::channel();
    let call = run_in_fiber(move || {
        offload(move || {
            // Ends only if the loop below runs meanwhile.
            receive.blocking_recv().unwrap();
            (thread::current().id(), wait_mode(), ready(1).wait())
        })
    });
    let (result, ()) = tokio::join!(call, async { send.send(()).unwrap() });
    assert_ne!(result.0, here);
    assert_eq!((result.1, result.2), (WaitMode::Blocking, 1));
}

#[tokio::test]
async fn offload_passes_panics_with_their_payload() {
    let payload = run_in_fiber(|| catch_unwind(|| offload(|| std::panic::panic_any(5_u8))).unwrap_err()).await;
    assert_eq!(*payload.downcast::<u8>().unwrap(), 5);
}

#[test]
fn offload_under_block_on_waits_stays_on_the_thread() {
    let here = thread::current().id();
    assert_eq!(block_on_waits(move || offload(|| thread::current().id())), here);
}
