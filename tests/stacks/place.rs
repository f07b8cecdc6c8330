//! Where a fiber's stack lies, and what that is to code that looks at the limits of its thread's stack; how to leave
//! it.

use std::{
    future::ready,
    hint::black_box,
    panic::{catch_unwind, resume_unwind},
    thread,
};

use pest::Parser as _;
use tokio::runtime::Builder;
use tokio_test::{assert_pending, assert_ready_eq, task};
use tower_fiber::{
    FiberLayer, WaitExt as _, block_on_waits, error::TryAwaitError, in_fiber, on_thread_stack, remaining_stack,
    run_local, try_await_in_fiber,
};

use crate::support::{both, skipped_without_own_stacks, text_of_panic};

const SIZE: usize = 64 * 1024;
const LARGE: usize = 512 * 1024;

/// In place and on the pool.
fn layers() -> [FiberLayer; 2] {
    both(FiberLayer::builder().name("orders").stack_size(SIZE))
}

fn block_on<R>(future: impl Future<Output = R>) -> R {
    Builder::new_current_thread().build().unwrap().block_on(future)
}

/// Half a megabyte on the stack.
fn large_frame() -> usize {
    let mut block = [1_u8; LARGE];
    black_box(&mut block).iter().map(|&n| usize::from(n)).sum()
}

mod grammar {
    /// Parentheses inside parentheses.
    #[derive(pest_derive::Parser)]
    #[grammar_inline = "nested = { \"(\" ~ nested? ~ \")\" }"]
    pub(super) struct Nested;
}

fn parse(depth: usize) -> Result<usize, String> {
    let text = "(".repeat(depth) + &")".repeat(depth);
    let parsed = grammar::Nested::parse(grammar::Rule::nested, &text);
    parsed.map(|pairs| pairs.flatten().count()).map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_pest_parser_is_refused_in_a_fiber_and_works_by_on_thread_stack() {
    if skipped_without_own_stacks() {
        return;
    }
    assert_eq!(parse(100), Ok(100));
    for layer in layers() {
        let refused = layer.run(|| parse(1)).await.unwrap_err();
        assert!(refused.contains("stack limit reached"), "{refused}");
        assert_eq!(layer.run(|| on_thread_stack(|| parse(100))).await, Ok(100));
    }
}

#[tokio::test]
async fn on_thread_stack_returns_the_value_and_has_the_threads_room() {
    for layer in layers() {
        let call = layer.run(|| {
            let mut borrowed = 1;
            let text = on_thread_stack(|| {
                borrowed += 1;
                format!("{} {}", large_frame(), in_fiber())
            });
            async { (text, borrowed) }.wait()
        });
        assert_eq!(call.await, (format!("{LARGE} true"), 2));
    }
    assert_eq!(on_thread_stack(large_frame), LARGE, "outside of fibers it just runs it");
    assert_eq!(thread::spawn(|| block_on_waits(|| on_thread_stack(|| 3))).join().unwrap(), 3);
}

#[tokio::test]
async fn a_panic_passes_through_on_thread_stack_with_its_payload() {
    for layer in layers() {
        let call = layer.run(|| {
            let caught = catch_unwind(|| on_thread_stack(|| resume_unwind(Box::new(7_u8))));
            assert_eq!(caught.unwrap_err().downcast_ref(), Some(&7_u8));
            tokio::task::yield_now().wait();
            on_thread_stack(|| resume_unwind(Box::new(8_u8)))
        });
        let payload = tokio::spawn(call).await.unwrap_err().into_panic();
        assert_eq!(payload.downcast_ref(), Some(&8_u8));
        assert_eq!(layer.handle().counters().stacks_in_use, 0);
    }
}

#[tokio::test]
async fn a_wait_inside_on_thread_stack_is_refused() {
    for layer in layers() {
        let call = layer.run(|| {
            on_thread_stack(|| {
                let error = try_await_in_fiber(ready(5)).unwrap_err();
                assert!(matches!(error, TryAwaitError::OnThreadStack(_)), "{error:?}");
                let text = error.to_string();
                assert!(text.contains("on_thread_stack") && text.contains("before or after"), "{text}");
                assert_eq!(error.into_future().unwrap().into_inner(), 5, "the future comes back");
                assert_eq!(text_of_panic(|| ready(6).wait()), text);
                on_thread_stack(|| assert!(try_await_in_fiber(ready(7)).is_err(), "also one level further"));
                assert!(try_await_in_fiber(ready(8)).is_err());
            });
            tokio::task::yield_now().wait();
        });
        call.await;
        assert_eq!(layer.handle().counters().refused_waits, 4);
    }
}

#[tokio::test]
async fn a_fiber_inside_a_fiber_gets_the_stack_of_the_thread_itself() {
    let [in_place, pooled] = layers();
    let pairs = [[&in_place, &in_place], [&in_place, &pooled], [&pooled, &in_place], [&pooled, &pooled]];
    for [outer, inner] in pairs.map(|pair| pair.map(FiberLayer::clone)) {
        let call = outer.run(move || {
            let nested = inner.run(|| {
                tokio::task::yield_now().wait();
                let sum = on_thread_stack(|| on_thread_stack(large_frame));
                tokio::task::yield_now().wait();
                sum
            });
            nested.wait() + on_thread_stack(large_frame)
        });
        assert_eq!(call.await, 2 * LARGE);
    }
}

#[tokio::test]
async fn fibers_run_inside_on_thread_stack() {
    for layer in layers() {
        let call = layer.run(|| {
            on_thread_stack(|| {
                let mut local = task::spawn(run_local(|| {
                    tokio::task::yield_now().wait();
                    let refused = on_thread_stack(|| try_await_in_fiber(ready(1)).is_err());
                    (refused, remaining_stack().is_some(), on_thread_stack(large_frame))
                }));
                assert_pending!(local.poll());
                assert_ready_eq!(local.poll(), (true, true, LARGE));
                let mut dropped = task::spawn(run_local(|| std::future::pending::<()>().wait()));
                assert_pending!(dropped.poll());
                drop(dropped);
                assert!(try_await_in_fiber(ready(1)).is_err(), "this code is where it was");
            });
            tokio::task::yield_now().wait();
        });
        call.await;
    }
}

#[tokio::test]
async fn remaining_stack_falls_with_the_depth() {
    fn deeper(levels: usize) -> usize {
        let block = black_box([1_u8; 4096]);
        let remaining = if levels > 1 { deeper(levels - 1) } else { remaining_stack().unwrap() };
        remaining + usize::from(block[0]) - 1
    }
    for layer in layers() {
        let call = layer.run(|| {
            let here = remaining_stack().unwrap();
            let there = deeper(4);
            tokio::task::yield_now().wait();
            (here, there, remaining_stack().unwrap(), on_thread_stack(remaining_stack))
        });
        let (here, there, after, on_thread) = call.await;
        assert!((SIZE * 3 / 4..SIZE).contains(&here), "{here}");
        assert!(there <= here - 4 * 4096, "{here}, four levels deeper {there}");
        assert!(after.abs_diff(here) < 1024, "{here} and {after}");
        // What a thread's own stack has left is known on Linux.
        assert_eq!(on_thread.is_some(), cfg!(target_os = "linux"));
        assert!(on_thread.is_none_or(|bytes| bytes > SIZE), "{on_thread:?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn remaining_stack_of_a_thread() {
    // Larger than any stack that the C library may have kept from a thread of another test.
    let size = 64 << 20;
    let remains = || (remaining_stack().unwrap(), block_on(async { remaining_stack().unwrap() }));
    let (before, deeper) = thread::Builder::new().stack_size(size).spawn(remains).unwrap().join().unwrap();
    assert!((size / 2..=size + 64 * 1024).contains(&before) && deeper < before, "{before}, {deeper}");
}

/// Takes 20 MB if each level finds room for itself.
fn recurse(levels: u64) -> u64 {
    stacker::maybe_grow(32 * 1024, 1 << 20, || {
        let block = black_box([levels; 128]);
        if levels == 0 { 0 } else { recurse(levels - 1) + block[127].min(1) }
    })
}

#[test]
fn recursion_through_stacker_maybe_grow_in_a_fiber_on_a_spawned_thread_and_on_a_worker() {
    if skipped_without_own_stacks() {
        return;
    }
    let recurses = || {
        for layer in layers() {
            assert_eq!(block_on(layer.run(|| recurse(20_000))), 20_000);
            let twice = move || recurse(10_000) + async { 1 }.wait() + on_thread_stack(|| recurse(10_000));
            assert_eq!(block_on(layer.run(twice)), 20_001);
        }
        recurse(10_000)
    };
    // One thread that is there before the first fiber is, and others that come later.
    let (begin, begins) = std::sync::mpsc::channel::<()>();
    let early = thread::spawn(move || {
        begins.recv().unwrap();
        recurses()
    });
    assert_eq!(thread::spawn(recurses).join().unwrap(), 10_000);
    begin.send(()).unwrap();
    assert_eq!(early.join().unwrap(), 10_000);
}

#[test]
fn stacks_lie_below_those_of_threads() {
    if skipped_without_own_stacks() {
        return;
    }
    fn here() -> usize {
        let local = 0_u8;
        (&raw const *black_box(&local)).addr()
    }
    for _ in 0..3 {
        let on_thread = || {
            for layer in layers() {
                let (fiber, thread) = block_on(layer.run(|| (here(), on_thread_stack(here))));
                assert!(fiber < thread && fiber < here(), "{fiber:x} {thread:x} {:x}", here());
            }
        };
        thread::spawn(on_thread).join().unwrap();
    }
}
