//! Dumps: which fibers there are, and where they wait.

use std::{
    convert::Infallible,
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Duration,
};

use tokio::{runtime::Builder, sync::oneshot, task::yield_now};
use tower::{Layer as _, Service as _};
use tower_fiber::{Dump, FiberLayer, FiberState, OnDrop, WaitExt as _, run_local, sync_fn};

use crate::support::{both, poll_once, until};

fn layers() -> [FiberLayer; 2] {
    both(FiberLayer::builder().name("orders").on_drop(OnDrop::Unwind))
}

/// A synchronous library that waits in its own lines.
mod library {
    use tower_fiber::WaitExt as _;

    #[inline(never)]
    pub(crate) fn fetch(future: impl Future<Output = u32>) -> u32 {
        let fetched = Box::pin(future).wait();
        std::hint::black_box(fetched)
    }
}

#[inline(never)]
fn legacy_page(gate: oneshot::Receiver<u32>) -> u32 {
    let page = library::fetch(async { gate.await.unwrap() });
    std::hint::black_box(page)
}

fn only(dump: &Dump) -> &tower_fiber::FiberInfo {
    assert_eq!((dump.fibers.len(), dump.unlisted), (1, 0), "{dump}");
    &dump.fibers[0]
}

#[tokio::test]
async fn a_fiber_that_waits_is_listed_with_its_line() {
    for layer in layers() {
        let handle = layer.handle();
        assert_eq!(handle.dump().to_string(), "no fibers");
        let (open, gate) = oneshot::channel();
        let (second, second_gate) = oneshot::channel();
        let line = line!() + 2;
        let call = tokio::spawn(layer.run(|| {
            let first: u32 = gate.wait().unwrap();
            first + legacy_page(second_gate)
        }));
        until(|| handle.dump().fibers.len() == 1).await;
        let dump = handle.dump();
        let fiber = only(&dump);
        assert_eq!((fiber.service.as_str(), fiber.state), ("orders", FiberState::Waiting));
        let place = fiber.waits_at.unwrap();
        assert_eq!((place.file(), place.line()), (file!(), line));
        assert!(fiber.age.unwrap() < Duration::from_secs(60));
        assert!(fiber.backtrace.is_none());
        let text = dump.to_string();
        assert!(text.contains("`orders` waits at") && text.ends_with("fibers: 1"), "{text}");
        // The next wait is in a library.
        open.send(1).unwrap();
        until(|| handle.dump().fibers[0].waits_at.unwrap().line() != line).await;
        second.send(2).unwrap();
        assert_eq!(call.await.unwrap(), 3);
        until(|| handle.live() == 0).await;
        assert_eq!(handle.dump().fibers.len(), 0);
    }
}

#[tokio::test]
async fn a_backtrace_shows_who_waits_behind_an_adapter() {
    for layer in layers() {
        let handle = layer.handle();
        let (open, gate) = oneshot::channel();
        let call = tokio::spawn(layer.run(|| legacy_page(gate)));
        until(|| handle.dump().fibers.len() == 1).await;
        // As often as one likes, and the wait goes on.
        for _ in 0..3 {
            let dump = handle.dump_with_backtraces().await;
            let backtrace = only(&dump).backtrace.as_deref().unwrap();
            let (library, page) = (backtrace.find("fetch"), backtrace.find("legacy_page"));
            assert!(library.unwrap() < page.unwrap(), "{backtrace}");
            // The function of the wait itself is left out, and so is what is below the fiber's job.
            assert!(!backtrace.contains("await_in_fiber") && !backtrace.contains("corosensei"), "{backtrace}");
            assert!(dump.to_string().contains("\n    "), "{dump}");
        }
        open.send(7).unwrap();
        assert_eq!(call.await.unwrap(), 7);
        assert_eq!(handle.counters(), Default::default());
    }
}

/// Each time that another layer's fibers are cancelled, all others write themselves down anew.
#[test]
fn a_fiber_that_waits_again_and_again_is_never_missing() {
    let [_, layer] = layers();
    let other = FiberLayer::new().handle();
    let (waits, is_waiting) = mpsc::channel();
    let is_seen = Arc::new(AtomicBool::new(false));
    let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let call = runtime.spawn(layer.run({
        let is_seen = is_seen.clone();
        move || {
            yield_now().wait();
            waits.send(()).unwrap();
            while !is_seen.load(Ordering::Relaxed) {
                yield_now().wait();
            }
        }
    }));
    is_waiting.recv().unwrap();
    for _ in 0..5_000 {
        other.cancel_all();
        only(&layer.handle().dump());
    }
    is_seen.store(true, Ordering::Relaxed);
    runtime.block_on(call).unwrap();
}

#[cfg(feature = "io")]
#[tokio::test]
async fn a_wait_in_a_stream_shows_its_reader() {
    #[inline(never)]
    fn parse(mut input: impl std::io::Read) -> u8 {
        let mut byte = [0];
        input.read_exact(&mut byte).unwrap();
        std::hint::black_box(byte[0])
    }

    let layer = FiberLayer::new();
    let (mut client, server) = tokio::io::duplex(16);
    let call = tokio::spawn(layer.run(|| parse(tower_fiber::io::FiberIo::new(server))));
    until(|| layer.handle().dump().fibers.len() == 1).await;
    let dump = layer.handle().dump_with_backtraces().await;
    assert!(only(&dump).backtrace.as_ref().unwrap().contains("parse"), "{dump}");
    tokio::io::AsyncWriteExt::write_all(&mut client, &[5]).await.unwrap();
    assert_eq!(call.await.unwrap(), 5);
}

#[tokio::test]
async fn a_cancel_reaches_a_fiber_that_has_reported() {
    for layer in layers() {
        let handle = layer.handle();
        let call = tokio::spawn(layer.run(|| pending::<()>().wait()));
        until(|| handle.dump().fibers.len() == 1).await;
        assert!(only(&handle.dump_with_backtraces().await).backtrace.is_some());
        handle.cancel_all();
        assert!(call.await.unwrap_err().into_panic().is::<tower_fiber::Cancelled>());
        until(|| handle.live() == 0).await;
    }
}

#[tokio::test]
async fn the_fiber_that_asks_is_one_that_runs() {
    let layer = FiberLayer::new();
    let handle = layer.handle();
    let dump = layer.run(move || {
        let before = handle.dump();
        tokio::task::yield_now().wait();
        (before, handle.dump())
    });
    let (before, after) = dump.await;
    assert_eq!((before.fibers.len(), before.unlisted), (0, 1));
    assert!(before.to_string().contains("and 1 that run"), "{before}");
    assert_eq!(only(&after).state, FiberState::Running);
    assert!(after.to_string().contains("runs; waited last at"), "{after}");
}

#[tokio::test]
async fn fibers_inside_fibers_report_each_for_itself() {
    let layer = FiberLayer::new();
    let handle = layer.handle();
    let inner = layer.clone();
    #[inline(never)]
    fn innermost() {
        pending::<()>().wait();
        // Or an optimised build jumps to the wait, and this function is not on the stack.
        std::hint::black_box(0_u8);
    }
    let call = tokio::spawn(layer.run(move || inner.run(innermost).wait()));
    until(|| handle.dump().fibers.len() == 2).await;
    let dump = handle.dump_with_backtraces().await;
    let with_innermost = dump.fibers.iter().filter(|fiber| fiber.backtrace.as_ref().unwrap().contains("::innermost"));
    assert_eq!(with_innermost.count(), 1, "{dump}");
    call.abort();
}

/// Nobody drives the runtime of that fiber.
#[test]
fn a_fiber_that_cannot_report_is_listed_without_a_backtrace() {
    let layer = FiberLayer::new();
    let stopped = Builder::new_current_thread().build().unwrap();
    stopped.block_on(async {
        let mut call = Box::pin(layer.run(|| pending::<()>().wait()));
        assert!(poll_once(&mut call).await.is_none());
        tokio::spawn(call);
        tokio::task::yield_now().await;
    });
    // Without timers, and the dump ends all the same.
    let dump = Builder::new_current_thread().build().unwrap().block_on(layer.handle().dump_with_backtraces());
    assert!(only(&dump).backtrace.is_none());
}

#[tokio::test]
async fn other_layers_are_not_listed() {
    let (mine, other) = (FiberLayer::new(), FiberLayer::new());
    let mut service = other.layer(sync_fn(|never: std::future::Pending<u32>| Ok::<_, Infallible>(never.wait())));
    let mut call = Box::pin(service.call(pending()));
    assert!(poll_once(&mut call).await.is_none());
    let mut local = run_local(|| pending::<()>().wait());
    assert!(poll_once(&mut local).await.is_none());
    assert_eq!(mine.handle().dump().fibers.len(), 0);
    assert_eq!(other.handle().dump().fibers.len(), 1);
}

#[tokio::test]
async fn a_hundred_fibers() {
    for layer in layers() {
        let calls: Vec<_> = (0..100).map(|_| tokio::spawn(layer.run(|| pending::<()>().wait()))).collect();
        until(|| layer.handle().dump().fibers.len() == 100).await;
        let dump = layer.handle().dump_with_backtraces().await;
        assert!(dump.fibers.iter().all(|fiber| fiber.backtrace.is_some()), "{dump}");
        let plain = layer.handle().dump().to_string();
        // On the pool there may be some on each worker.
        let of_lines: usize = plain
            .lines()
            .filter_map(|line| line.split_once(" of `orders` wait at "))
            .map(|(n, _)| n.parse::<usize>().unwrap())
            .sum();
        assert!(of_lines >= 98 && plain.ends_with("fibers: 100"), "{plain}");
        layer.handle().cancel_all();
        for call in calls {
            assert!(call.await.is_err());
        }
        until(|| layer.handle().live() == 0).await;
    }
}
