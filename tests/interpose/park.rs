//! A thread that is parked in a fiber: the call ends as it should, and is named.

use std::{
    thread,
    time::{Duration, Instant},
};

use tower_fiber::FiberLayer;

use crate::support::on_each_runtime;
#[cfg(feature = "tracing")]
use crate::{child, events::Warnings};

/// Longer than what is named.
const LIMIT: Duration = Duration::from_millis(60);

fn parked_for(park: impl Fn() + Clone + Send + 'static) {
    on_each_runtime(move || {
        let park = park.clone();
        async move {
            let layer = FiberLayer::builder().interpose().build().unwrap();
            let begun = Instant::now();
            layer.run(park).await;
            let parked = begun.elapsed();
            assert!(parked >= LIMIT && parked < LIMIT * 50, "{parked:?}");
            assert_eq!(layer.handle().counters().interposed_waits, 0);
        }
    });
}

/// One of parking_lot's threads, which tells the kernel how long it waits.
fn parking_lot_times_out() {
    let (lock, condvar) = (parking_lot::Mutex::new(()), parking_lot::Condvar::new());
    assert!(condvar.wait_for(&mut lock.lock(), LIMIT).timed_out());
}

#[test]
fn with_a_time_limit_of_parking_lots() {
    parked_for(parking_lot_times_out);
}

#[test]
fn with_a_time_limit_of_stds() {
    parked_for(|| {
        let until = Instant::now() + LIMIT;
        while Instant::now() < until {
            thread::park_timeout(until - Instant::now());
        }
    });
}

#[test]
fn a_parked_thread_of_parking_lots_is_woken() {
    on_each_runtime(|| async {
        let layer = FiberLayer::builder().interpose().build().unwrap();
        layer
            .run(|| {
                let (lock, condvar) = (parking_lot::Mutex::new(false), parking_lot::Condvar::new());
                thread::scope(|scope| {
                    let mut done = lock.lock();
                    scope.spawn(|| {
                        parking_lot_times_out();
                        *lock.lock() = true;
                        condvar.notify_one();
                    });
                    while !*done {
                        assert!(!condvar.wait_for(&mut done, Duration::from_secs(60)).timed_out());
                    }
                });
            })
            .await;
    });
}

/// It counts the warnings of the whole process.
#[cfg(feature = "tracing")]
#[test]
fn it_is_named_from_another_thread() {
    child::passes("park::it_is_named_from_another_thread", || {
        let warnings = Warnings::default();
        let _subscriber = tracing::subscriber::set_default(warnings.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let layer = FiberLayer::builder().name("parks").interpose().build().unwrap();
        runtime.block_on(layer.run(parking_lot_times_out));
        // The limit of the child's time is that of this loop.
        let said = loop {
            match warnings.with("has parked its thread").pop() {
                Some(said) => break said,
                None => thread::yield_now(),
            }
        };
        assert!(
            said.contains("parks") && said.contains("call=\"park\"") && said.contains("`tower_fiber::sync`"),
            "{said}"
        );
    });
}
