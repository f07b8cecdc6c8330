//! A fiber overflows its stack: the process ends with a message that names the service, the size and the setting. Every
//! other fault is what it is without the crate. Each case is a process of its own; tests/fault_cases has those that
//! need unsafe code.

use std::{
    convert::Infallible,
    future::{Future, pending},
    hint::black_box,
    pin::pin,
    task::{Context, Poll, Waker},
    thread,
};

use tokio::runtime::Builder;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_fiber::{
    FiberLayer, FiberLayerBuilder, Placement, WaitExt as _, on_thread_stack, run_in_fiber, run_local, sync_fn,
};

use crate::{
    child,
    support::{poll_once, until},
};

const SIZE: usize = 128 * 1024;
const LINE: &str = "fiber of service \"orders\" overflowed its stack of 128 KiB; raise it by FiberLayer::builder().stack_size(262144) [TF26]";
const STD: &str = "has overflowed its stack";
const ABORT: i32 = 6;

fn builder() -> FiberLayerBuilder {
    FiberLayer::builder().name("orders").stack_size(SIZE)
}

fn layer() -> FiberLayer {
    builder().build().unwrap()
}

fn block_on<R>(future: impl Future<Output = R>) -> R {
    Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Never ends.
fn recurse(level: usize) -> usize {
    let block = black_box([level; 32]);
    if black_box(block[0]) == usize::MAX { 0 } else { recurse(level + 1) + block[1] }
}

/// The child must be aborted, and this be the beginning of a line of what it says.
fn overflows(test: &str, line: &str, case: impl FnOnce()) {
    let Some(ended) = child::run(test, case) else { panic!("it should have ended the process") };
    let stderr = ended.stderr();
    assert_eq!(ended.signal(), Some(ABORT), "{stderr}");
    assert!(stderr.lines().any(|found| found.starts_with(line)), "`{line}` is missing: {stderr}");
    assert!(!stderr.contains(STD), "one report is enough: {stderr}");
}

/// The child must be aborted with std's report of a thread's overflow, and none of the crate's.
fn overflows_as_a_thread(test: &str, name: &str, case: impl FnOnce()) {
    let Some(ended) = child::run(test, case) else { panic!("it should have ended the process") };
    let stderr = ended.stderr();
    assert_eq!(ended.signal(), Some(ABORT), "{stderr}");
    assert!(stderr.contains(&format!("thread '{name}'")) && stderr.contains(STD), "{stderr}");
    assert!(!stderr.contains("fiber"), "{stderr}");
}

#[test]
fn endless_recursion_in_place() {
    overflows("overflow::endless_recursion_in_place", LINE, || {
        block_on(layer().run(|| recurse(0)));
    });
}

#[test]
fn endless_recursion_on_the_pool() {
    overflows("overflow::endless_recursion_on_the_pool", LINE, || {
        block_on(builder().placement(Placement::SharedPool).build().unwrap().run(|| recurse(0)));
    });
}

#[test]
fn endless_recursion_in_a_service_after_a_wait() {
    overflows("overflow::endless_recursion_in_a_service_after_a_wait", LINE, || {
        let service = layer().layer(sync_fn(|level| {
            tokio::task::yield_now().wait();
            Ok::<_, Infallible>(recurse(level))
        }));
        block_on(service.oneshot(0)).unwrap();
    });
}

#[test]
fn endless_recursion_in_the_poll_of_an_async_service() {
    overflows("overflow::endless_recursion_in_the_poll_of_an_async_service", LINE, || {
        let service = layer().layer(service_fn(|level| async move { Ok::<_, Infallible>(recurse(level)) }));
        block_on(service.oneshot(0)).unwrap();
    });
}

#[test]
fn endless_recursion_in_a_future_that_is_waited_for() {
    overflows("overflow::endless_recursion_in_a_future_that_is_waited_for", LINE, || {
        block_on(layer().run(|| async { recurse(0) }.wait()));
    });
}

#[test]
fn endless_recursion_in_a_fiber_inside_a_fiber() {
    overflows("overflow::endless_recursion_in_a_fiber_inside_a_fiber", LINE, || {
        block_on(run_in_fiber(|| layer().run(|| recurse(0)).wait()));
    });
}

#[test]
fn endless_recursion_beside_fibers_that_wait() {
    overflows("overflow::endless_recursion_beside_fibers_that_wait", LINE, || {
        block_on(async {
            let others = FiberLayer::builder().name("others").stack_size(SIZE).build().unwrap();
            let mut waiting: Vec<_> = (0..100).map(|_| Box::pin(others.run(|| pending::<()>().wait()))).collect();
            for (n, call) in waiting.iter_mut().enumerate() {
                assert!(poll_once(call).await.is_none());
                if n == 50 {
                    let mut call = Box::pin(layer().run(|| {
                        tokio::task::yield_now().wait();
                        recurse(0)
                    }));
                    assert!(poll_once(&mut call).await.is_none());
                    tokio::spawn(call);
                }
            }
            pending::<()>().await;
        });
    });
}

#[test]
fn endless_recursion_without_a_name_says_the_type() {
    let line = "fiber of service \"stacks::overflow::endless_recursion_without_a_name_says_the_type";
    overflows("overflow::endless_recursion_without_a_name_says_the_type", line, || {
        block_on(FiberLayer::new().run(|| recurse(0)));
    });
}

#[test]
fn endless_recursion_in_run_local() {
    let line = "fiber of service \"stacks::overflow::endless_recursion_in_run_local";
    overflows("overflow::endless_recursion_in_run_local", line, || {
        block_on(run_local(|| recurse(0)));
    });
}

#[test]
fn endless_recursion_in_run_local_without_a_runtime_on_a_thread() {
    overflows(
        "overflow::endless_recursion_in_run_local_without_a_runtime_on_a_thread",
        "fiber of service \"stacks::overflow::",
        || {
            let recursing = || {
                let mut call = pin!(run_local(|| recurse(0)));
                assert_eq!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending);
            };
            thread::spawn(recursing).join().unwrap();
        },
    );
}

#[test]
fn one_frame_larger_than_the_stack() {
    overflows("overflow::one_frame_larger_than_the_stack", LINE, || {
        block_on(layer().run(|| black_box([1_u8; 16 * SIZE]).iter().map(|&n| usize::from(n)).sum::<usize>()));
    });
}

#[test]
fn overflow_of_a_normal_thread() {
    overflows_as_a_thread("overflow::overflow_of_a_normal_thread", "normal", || {
        thread::Builder::new().name("normal".to_owned()).spawn(|| recurse(0)).unwrap().join().unwrap();
    });
}

#[test]
fn overflow_of_a_normal_thread_beside_fibers() {
    overflows_as_a_thread("overflow::overflow_of_a_normal_thread_beside_fibers", "normal", || {
        block_on(async {
            let layer = builder().placement(Placement::SharedPool).build().unwrap();
            let mut call = Box::pin(layer.run(|| pending::<()>().wait()));
            assert!(poll_once(&mut call).await.is_none());
            until(|| layer.handle().live() == 1).await;
            thread::Builder::new().name("normal".to_owned()).spawn(|| recurse(0)).unwrap().join().unwrap();
        });
    });
}

#[test]
fn overflow_of_a_normal_thread_after_fibers_ran_on_it() {
    overflows_as_a_thread("overflow::overflow_of_a_normal_thread_after_fibers_ran_on_it", "normal", || {
        let case = || {
            block_on(async {
                layer().run(|| tokio::task::yield_now().wait()).await;
                let mut waits = Box::pin(layer().run(|| pending::<()>().wait()));
                assert!(poll_once(&mut waits).await.is_none());
                recurse(0)
            })
        };
        thread::Builder::new().name("normal".to_owned()).spawn(case).unwrap().join().unwrap();
    });
}

#[test]
fn overflow_of_the_threads_stack_by_on_thread_stack() {
    overflows_as_a_thread("overflow::overflow_of_the_threads_stack_by_on_thread_stack", "normal", || {
        let case = || block_on(layer().run(|| on_thread_stack(|| recurse(0))));
        thread::Builder::new().name("normal".to_owned()).spawn(case).unwrap().join().unwrap();
    });
}
