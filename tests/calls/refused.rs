//! Waits that are refused: outside a fiber, nested, and what comes back.

use std::{
    cell::Cell,
    future::{Future, poll_fn, ready},
    pin::pin,
    rc::Rc,
    task::Poll,
    thread,
};

use tokio_test::{assert_ready, task};
use tower_fiber::{
    FiberLayer, Placement, WaitExt as _, WaitMode, await_in_fiber, error::TryAwaitError, in_fiber, offload,
    run_in_fiber, run_local, try_await_in_fiber, wait_mode, yield_now,
};

use crate::support::text_of_panic;

const OUTSIDE: &str = "use `.await` here, enter a fiber with FiberLayer / run_in_fiber, or block on purpose with \
                       block_on_waits";
const NESTED: &str = "`.await` it, or run the synchronous part with run_in_fiber";

/// Counts its polls.
async fn counted(polls: &Cell<u32>) -> u32 {
    polls.set(polls.get() + 1);
    5
}

#[test]
fn outside_a_fiber_every_verb_names_the_fixes() {
    assert!(text_of_panic(|| await_in_fiber(ready(()))).contains(OUTSIDE));
    assert!(text_of_panic(|| ready(()).wait()).contains(OUTSIDE));
    assert!(text_of_panic(yield_now).contains(OUTSIDE));
    assert!(text_of_panic(|| offload(|| ())).contains(OUTSIDE));
    assert!(try_await_in_fiber(ready(())).unwrap_err().to_string().contains(OUTSIDE));
    assert!(!in_fiber());
    assert_eq!(wait_mode(), WaitMode::None);
}

#[tokio::test]
async fn outside_a_fiber_the_future_comes_back_unpolled() {
    let polls = Cell::new(0);
    let refused = try_await_in_fiber(counted(&polls)).unwrap_err();
    assert!(matches!(refused, TryAwaitError::NotInFiber(_)), "{refused:?}");
    assert_eq!(polls.get(), 0);
    assert_eq!(refused.into_future().unwrap().await, 5);
    assert_eq!(polls.get(), 1);
}

#[test]
fn nested_waits_are_refused_and_the_outer_one_goes_on() {
    let mut call = task::spawn(run_local(|| {
        let text = text_of_panic(|| {
            async { ready(()).wait() }.wait();
        });
        let polls = Cell::new(0);
        let (kind, back) = async {
            let refused = try_await_in_fiber(counted(&polls)).unwrap_err();
            let text = refused.to_string();
            (text, refused.into_future().unwrap().await)
        }
        .wait();
        assert_eq!(polls.get(), 1);
        assert!(kind.contains(NESTED), "{kind}");
        (text, back, ready(3).wait())
    }));
    let (text, back, later) = assert_ready!(call.poll());
    assert!(text.contains(NESTED), "{text}");
    assert_eq!((back, later), (5, 3));
}

#[tokio::test]
async fn refused_waits_are_counted() {
    let layer = FiberLayer::new();
    layer.run(|| async { assert!(try_await_in_fiber(ready(())).is_err()) }.wait()).await;
    assert_eq!(layer.handle().counters().refused_waits, 1);
}

#[tokio::test]
async fn the_nested_part_runs_in_a_fiber_of_its_own() {
    let sum = run_in_fiber(|| async { run_in_fiber(|| async { 1 }.wait()).await + 1 }.wait() + 1).await;
    assert_eq!(sum, 3);
}

#[tokio::test]
async fn threads_and_blocking_tasks_of_a_handler_are_outside() {
    run_in_fiber(|| {
        assert!(in_fiber());
        assert_eq!(wait_mode(), WaitMode::Fiber);
        thread::spawn(|| assert!(try_await_in_fiber(ready(())).is_err())).join().unwrap();
        let blocking =
            tokio::task::spawn_blocking(|| matches!(try_await_in_fiber(ready(())), Err(TryAwaitError::NotInFiber(_))));
        assert!(blocking.wait().unwrap());
        let task = tokio::spawn(async { (in_fiber(), wait_mode()) });
        assert_eq!(task.wait().unwrap(), (false, WaitMode::None));
    })
    .await;
}

#[test]
fn a_suspended_fiber_is_not_current_for_its_poller() {
    let open = Rc::new(Cell::new(false));
    let inside = Rc::clone(&open);
    let mut call = task::spawn(run_local(move || {
        poll_fn(|_| if inside.get() { Poll::Ready(()) } else { Poll::Pending }).wait();
        in_fiber()
    }));
    assert!(call.poll().is_pending());
    assert!(!in_fiber());
    assert!(try_await_in_fiber(ready(())).is_err());
    open.set(true);
    assert!(assert_ready!(call.poll()));
    assert!(!in_fiber());
}

#[test]
fn a_fiber_without_a_runtime_says_so() {
    let text = text_of_panic(|| {
        let call = pin!(run_in_fiber(|| ()));
        _ = call.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
    });
    assert!(text.contains("outside a tokio runtime"), "{text}");
    assert!(text.contains("run_local"), "{text}");
}

#[tokio::test]
async fn polled_after_the_end_says_so() {
    let mut call = task::spawn(run_in_fiber(|| ()));
    assert_ready!(call.poll());
    assert!(text_of_panic(|| _ = call.poll()).contains("after it had ended"));
    let mut call = task::spawn(run_local(|| ()));
    assert_ready!(call.poll());
    assert!(text_of_panic(|| _ = call.poll()).contains("after it had ended"));
}

#[tokio::test]
async fn tokio_refuses_to_block_inside_a_fiber_in_its_own_words() {
    for layer in [FiberLayer::new(), FiberLayer::new().placement(Placement::SharedPool)] {
        let text = layer.run(|| text_of_panic(|| tokio::runtime::Handle::current().block_on(async {}))).await;
        assert!(text.contains("Cannot start a runtime from within a runtime"), "{text}");
        assert_eq!(layer.run(|| ready(1).wait()).await, 1);
    }
}
