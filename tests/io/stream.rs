//! Streams as iterators, and producers as streams.

#![cfg(feature = "stream")]

use std::{
    io::{self, ErrorKind},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use futures_util::{FutureExt as _, Stream, StreamExt as _, stream};
use tokio::{
    runtime::Builder,
    sync::{mpsc, oneshot},
    task::yield_now,
};
use tower_fiber::{
    FiberLayer, OnDrop, WaitExt as _, block_on_waits, caller_gone,
    error::TryAwaitError,
    run_in_fiber,
    stream::{self as fiber, FiberIter, FiberStream, Yielder, fiber_stream, fiber_stream_with},
};

use crate::support::{Drops, on_each_runtime, poll_once, text_of_panic, until};

/// Counts from 0, and notes how far it got.
fn counter(given: &Arc<AtomicU32>) -> impl FnOnce(&mut Yielder<u32>) + Send + use<> {
    let given = Arc::clone(given);
    move |y| {
        for n in 0.. {
            if y.send(n).is_err() {
                return;
            }
            given.store(n + 1, Ordering::Relaxed);
        }
    }
}

#[test]
fn a_producer_gives_its_items_in_order_and_ends() {
    on_each_runtime(|| async {
        let stream = fiber_stream(|y| {
            for n in 0..1000 {
                if n % 10 == 0 {
                    yield_now().wait();
                }
                y.send(n).unwrap();
            }
        });
        assert_eq!(stream.collect::<Vec<_>>().await, (0..1000).collect::<Vec<_>>());
    });
}

#[test]
fn it_is_empty_when_nothing_is_given() {
    on_each_runtime(|| async {
        let mut stream = fiber_stream(|_: &mut Yielder<u32>| yield_now().wait());
        assert_eq!(stream.next().await, None);
        assert_eq!(stream.next().await, None);
    });
}

#[test]
fn an_error_is_the_last_item() {
    on_each_runtime(|| async {
        let mut stream = fiber_stream(|y: &mut Yielder<Result<u32, &str>>| {
            y.send(Ok(1)).unwrap();
            Err("no more")
        });
        assert_eq!(stream.by_ref().collect::<Vec<_>>().await, [Ok(1), Err("no more")]);
        assert_eq!(stream.next().await, None);
        let stream = fiber_stream(|y: &mut Yielder<Result<u32, &str>>| {
            y.send(Ok(1)).unwrap();
            Ok(())
        });
        assert_eq!(stream.collect::<Vec<_>>().await, [Ok(1)]);
    });
}

#[test]
fn a_producer_is_one_item_ahead_at_most() {
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let given = Arc::new(AtomicU32::new(0));
        let mut stream = fiber_stream(counter(&given));
        assert_eq!(given.load(Ordering::Relaxed), 0, "it starts when it is polled");
        for n in 0..5 {
            assert_eq!(stream.next().await, Some(n));
            for _ in 0..10 {
                yield_now().await;
            }
            assert_eq!(given.load(Ordering::Relaxed), n + 1);
        }
    });
}

#[test]
fn who_finds_it_closed_finds_the_caller_gone() {
    // On the pool: the producer looks on while the stream is being dropped.
    Builder::new_multi_thread().worker_threads(1).build().unwrap().block_on(async {
        for _ in 0..1000 {
            let (report, reported) = oneshot::channel();
            let mut stream = fiber_stream(|y| {
                y.send(()).unwrap();
                while !y.is_closed() {
                    std::hint::spin_loop();
                }
                report.send(caller_gone()).unwrap();
            });
            stream.next().await;
            drop(stream);
            assert_eq!(reported.await, Ok(true));
        }
    });
}

#[test]
fn it_ends_when_the_stream_is_dropped() {
    on_each_runtime(|| async {
        let layer = FiberLayer::new();
        let given = Arc::new(AtomicU32::new(0));
        let drops = Drops::default();
        let (held, count) = (drops.held(), counter(&given));
        let mut stream = fiber_stream_with(&layer, move |y| {
            let _held = held;
            count(y);
        });
        assert_eq!(stream.next().await, Some(0));
        drop(stream);
        until(|| drops.count() == 1).await;
        assert!(given.load(Ordering::Relaxed) <= 2);
        layer.handle().drained().await;
        assert_eq!(layer.handle().live(), 0);
    });
}

#[test]
fn it_is_dropped_unrun_before_the_first_poll() {
    let drops = Drops::default();
    let held = drops.held();
    let stream = fiber_stream(move |_: &mut Yielder<()>| drop(held));
    assert_eq!(drops.count(), 0);
    drop(stream);
    assert_eq!(drops.count(), 1);
}

#[test]
fn a_panic_comes_after_the_items_before_it() {
    on_each_runtime(|| async {
        let mut stream = fiber_stream(|y: &mut Yielder<u32>| {
            y.send(7).unwrap();
            assert!(y.is_closed(), "out of numbers");
        });
        assert_eq!(stream.next().await, Some(7));
        let payload = AssertUnwindSafe(stream.next()).catch_unwind().await.unwrap_err();
        assert_eq!(payload.downcast_ref(), Some(&"out of numbers"));
        assert_eq!(stream.next().await, None);
    });
}

#[test]
fn a_cancelled_producer_gets_an_error() {
    on_each_runtime(|| async {
        let layer = FiberLayer::new().on_drop(OnDrop::Cancel);
        let (report, reported) = oneshot::channel();
        let mut stream = fiber_stream_with(&layer, |y: &mut Yielder<u32>| {
            // It may be cancelled before the first.
            let error = loop {
                if let Err(error) = y.send(1) {
                    break error;
                }
            };
            assert!(!error.is_closed());
            report.send(io::Error::from(error)).unwrap();
        });
        assert!(poll_once(&mut stream.next()).await.is_none_or(|item| item == Some(1)));
        until(|| layer.handle().live() == 1).await;
        for _ in 0..100 {
            yield_now().await;
        }
        layer.handle().cancel_all();
        while stream.next().await.is_some() {}
        let error = reported.await.unwrap();
        assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
        assert!(error.to_string().contains("the fiber was cancelled"), "{error}");
    });
}

#[test]
fn a_dropped_stream_is_a_broken_pipe() {
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (report, reported) = oneshot::channel();
        let mut stream = fiber_stream(|y: &mut Yielder<u32>| {
            while y.send(0).is_ok() {}
            report.send(io::Error::from(y.send(0).unwrap_err())).unwrap();
        });
        stream.next().await;
        drop(stream);
        let error = reported.await.unwrap();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        assert_eq!(error.to_string(), "nobody reads any more: the stream was dropped");
    });
}

/// Gives an item when it is dropped.
struct Last<'a>(&'a mut Yielder<u32>);

impl Drop for Last<'_> {
    fn drop(&mut self) {
        while self.0.send(9).is_ok() {}
    }
}

#[test]
fn giving_while_panicking_ends_in_an_error() {
    on_each_runtime(|| async {
        let mut stream = fiber_stream(|y: &mut Yielder<u32>| {
            let last = Last(y);
            assert!(last.0.is_closed(), "in the middle");
        });
        // What has room is still given.
        let payload = loop {
            match AssertUnwindSafe(stream.next()).catch_unwind().await {
                Ok(item) => assert_eq!(item, Some(9)),
                Err(payload) => break payload,
            }
        };
        assert_eq!(payload.downcast_ref(), Some(&"in the middle"));
    });
}

#[test]
fn an_iterator_is_a_stream() {
    on_each_runtime(|| async {
        let slow = (0..50).inspect(|_| yield_now().wait());
        assert_eq!(fiber::iter(slow).map(|n| n * 2).sum_all().await, 49 * 50);
        // One without an end stops when nobody reads.
        let drops = Drops::default();
        let held = drops.held();
        let mut stream = fiber::iter((0_u64..).inspect(move |_| _ = &held));
        assert_eq!(stream.next().await, Some(0));
        drop(stream);
        until(|| drops.count() == 1).await;
    });
}

trait SumAll {
    async fn sum_all(self) -> u32;
}

impl<S: Stream<Item = u32>> SumAll for S {
    async fn sum_all(self) -> u32 {
        self.fold(0, async |sum, n| sum + n).await
    }
}

#[test]
fn a_stream_is_an_iterator() {
    on_each_runtime(|| async {
        let (sender, mut receiver) = mpsc::channel(1);
        let stream = stream::poll_fn(move |cx| receiver.poll_recv(cx));
        let reader = tokio::spawn(run_in_fiber(|| FiberIter::new(stream).collect::<Vec<u32>>()));
        for n in 0..20 {
            sender.send(n).await.unwrap();
        }
        drop(sender);
        assert_eq!(reader.await.unwrap(), (0..20).collect::<Vec<_>>());
    });
}

#[test]
fn an_iterator_says_how_much_is_left() {
    let mut items = FiberIter::new(stream::iter([1, 2, 3]));
    assert_eq!(items.size_hint(), (3, Some(3)));
    block_on_waits(|| assert_eq!(items.next(), Some(1)));
    assert_eq!(items.size_hint(), (2, Some(2)));
    assert_eq!(Stream::size_hint(items.get_ref()), Stream::size_hint(items.get_mut()));
    assert_eq!(items.into_inner().now_or_never_next(), Some(2));
}

trait NowOrNeverNext: Stream + Unpin + Sized {
    fn now_or_never_next(mut self) -> Option<Self::Item> {
        self.next().now_or_never().unwrap()
    }
}

impl<S: Stream + Unpin> NowOrNeverNext for S {}

#[test]
fn an_iterator_is_refused_outside_a_fiber() {
    let mut items = FiberIter::new(stream::iter([1, 2]));
    assert!(matches!(items.try_next(), Err(TryAwaitError::NotInFiber(()))));
    assert!(text_of_panic(|| items.next()).contains("waited outside a fiber"));
    // Nothing was lost.
    block_on_waits(|| assert_eq!(items.try_next().unwrap(), Some(1)));
}

#[test]
fn both_ways_at_once() {
    on_each_runtime(|| async {
        let numbers = fiber_stream(|y| (0..100_u32).try_for_each(|n| y.send(n)).unwrap());
        let doubled = fiber_stream(|y| FiberIter::new(numbers).try_for_each(|n| y.send(n * 2)).unwrap());
        assert_eq!(doubled.sum_all().await, 99 * 100);
    });
}

#[test]
fn it_can_be_sent() {
    fn assert_send<T: Send + Unpin>(_: &T) {}
    let stream: FiberStream<u32> = fiber_stream(|_| {});
    assert_send(&stream);
    let text = format!("{stream:?}");
    assert_eq!(text, "FiberStream { has_ended: false, .. }");
    // Outside a runtime it says what to do.
    let result = catch_unwind(AssertUnwindSafe(|| futures_util::FutureExt::now_or_never(stream.into_future())));
    assert!(result.is_err());
}
