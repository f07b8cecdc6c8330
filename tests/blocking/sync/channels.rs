//! Channels in fibers.

use std::{
    sync::{Arc, mpsc::RecvTimeoutError},
    thread,
    time::Duration,
};

use futures_util::future::join_all;
use tokio::{runtime::Builder, task::yield_now, time::Instant};
use tower_fiber::{FiberLayer, WaitExt as _, join, run_in_fiber, sync::mpsc};

use crate::support::{both_with_one_worker, on_each_runtime};

#[test]
fn fibers_and_threads_send_to_a_fiber() {
    on_each_runtime(|| async {
        for (bound, layer) in
            (0..3).flat_map(|bound| both_with_one_worker(FiberLayer::builder()).map(|layer| (bound, layer)))
        {
            let (sender, receiver) = mpsc::sync_channel(bound);
            let calls = (0..10).map(|call| {
                let sender = sender.clone();
                layer.run(move || (0..10).for_each(|item| sender.send(call * 10 + item).unwrap()))
            });
            let calls = join_all(calls.collect::<Vec<_>>());
            let thread = thread::spawn(move || (100..200).for_each(|item| sender.send(item).unwrap()));
            let (mut received, _) = tokio::join!(layer.run(move || receiver.iter().collect::<Vec<_>>()), calls);
            thread.join().unwrap();
            for sender in 0..10 {
                let of_one: Vec<_> = received.iter().copied().filter(|item| item / 10 == sender).collect();
                assert!(of_one.is_sorted(), "{of_one:?}");
            }
            received.sort_unstable();
            assert_eq!(received, (0..200).collect::<Vec<u32>>());
        }
    });
}

#[test]
fn from_hand_to_hand() {
    on_each_runtime(|| async {
        run_in_fiber(|| {
            let (sender, receiver) = mpsc::sync_channel(0);
            let sends = move || {
                assert!(sender.try_send(1).is_err(), "nobody waits");
                (0..5).for_each(|_| yield_now().wait());
                sender.try_send(2).unwrap();
                yield_now().wait();
                sender.send(3).unwrap();
                sender.send(4).unwrap_err().0
            };
            let receives = move || [receiver.recv(), receiver.recv()].map(Result::unwrap);
            assert_eq!(join(sends, receives), (4, [2, 3]));
        })
        .await;
    });
}

#[test]
fn one_receiver_for_several_fibers() {
    on_each_runtime(|| async {
        for layer in super::on_one_thread() {
            let (sender, receiver) = mpsc::channel();
            let receiver = Arc::new(receiver);
            let receives = (0..4).map(|_| {
                let receiver = Arc::clone(&receiver);
                layer.run(move || receiver.recv().unwrap())
            });
            let sends = layer.run(move || {
                yield_now().wait();
                (0..4).for_each(|item| sender.send(item).unwrap());
            });
            let (received, ()) = tokio::join!(join_all(receives), sends);
            assert_eq!(received, [0, 1, 2, 3], "in turn");
        }
    });
}

#[test]
fn the_time_is_over() {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let begun = Instant::now();
        let limit = Duration::from_secs(60);
        let receives = move || {
            let (sender, receiver) = mpsc::channel::<u32>();
            assert_eq!(receiver.recv_timeout(limit), Err(RecvTimeoutError::Timeout));
            sender.send(7).unwrap();
            receiver.recv_timeout(limit).unwrap()
        };
        assert_eq!(run_in_fiber(receives).await, 7);
        assert!((limit..2 * limit).contains(&begun.elapsed()));
    });
}

/// Values that are there keep others from running, but not for long.
#[test]
fn a_full_channel_does_not_starve_the_thread() {
    on_each_runtime(|| async {
        for layer in both_with_one_worker(FiberLayer::builder()) {
            let (sender, receiver) = mpsc::channel();
            let again = sender.clone();
            sender.send(true).unwrap();
            let passes_on = layer.run(move || {
                for goes_on in receiver {
                    if !goes_on {
                        return;
                    }
                    again.send(true).unwrap();
                }
            });
            let ends = layer.run(move || sender.send(false).unwrap());
            tokio::join!(passes_on, ends);
        }
    });
}
