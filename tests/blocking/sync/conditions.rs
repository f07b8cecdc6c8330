//! Condition variables in fibers.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::{runtime::Builder, task::yield_now, time::Instant};
use tower_fiber::{
    WaitExt as _, join, run_in_fiber,
    sync::{Condvar, Mutex},
};

use crate::support::on_each_runtime;

type Shared = Arc<(Mutex<Vec<u32>>, Condvar)>;

#[test]
fn one_is_notified_in_turn_or_all_are() {
    on_each_runtime(|| async {
        for layer in super::on_one_thread() {
            let shared = Shared::default();
            let waits = (0..5).map(|call| {
                let shared = Arc::clone(&shared);
                layer.run(move || {
                    let (woken, changed) = &*shared;
                    changed.wait(woken.lock().unwrap()).unwrap().push(call);
                })
            });
            let tells = Arc::clone(&shared);
            let tells = layer.run(move || {
                let (woken, changed) = &*tells;
                for n in 1..=2 {
                    changed.notify_one();
                    (0..10).for_each(|_| yield_now().wait());
                    assert_eq!(*woken.lock().unwrap(), (0..n).collect::<Vec<_>>());
                }
                changed.notify_all();
            });
            tokio::join!(join_all(waits), tells);
            let mut woken = shared.0.lock().unwrap();
            woken.sort_unstable();
            assert_eq!(*woken, [0, 1, 2, 3, 4]);
            // Nobody waits, so this is not kept for the next one.
            shared.1.notify_one();
            drop(woken);
            let late = Arc::clone(&shared);
            let late = layer.run(move || {
                let (result, ()) = join(
                    move || late.1.wait_timeout(late.0.lock().unwrap(), Duration::from_millis(1)).unwrap().1,
                    || (),
                );
                result.timed_out()
            });
            assert!(late.await);
        }
    });
}

/// The time is tokio's, so that a test may stop it.
#[test]
fn the_time_is_over() {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let hour = Duration::from_secs(3600);
    runtime.block_on(async {
        let begun = Instant::now();
        run_in_fiber(move || {
            let (state, changed) = (Mutex::new(0), Condvar::new());
            let (state, result) = changed.wait_timeout(state.lock().unwrap(), hour).unwrap();
            assert!(result.timed_out());
            let (state, result) = changed.wait_timeout_while(state, hour, |_| true).unwrap();
            assert!(result.timed_out());
            drop(state);
        })
        .await;
        assert!((2 * hour..2 * hour + Duration::from_secs(1)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    });
}

/// Each notification wakes one, but the condition is false until the last.
#[test]
fn it_is_woken_and_waits_for_the_rest_of_the_time() {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(run_in_fiber(|| {
        let shared = Shared::default();
        let tells = Arc::clone(&shared);
        let second = Duration::from_secs(1);
        let waits = move || {
            let (state, changed) = (&shared.0, &shared.1);
            let long = changed.wait_timeout_while(state.lock().unwrap(), 10 * second, |said| said.len() < 3).unwrap();
            assert!(!long.1.timed_out());
            let short = changed.wait_timeout_while(long.0, 2 * second, |said| said.len() < 6).unwrap();
            assert!(short.1.timed_out());
            assert_eq!(*short.0, [0, 1, 2, 3, 4]);
        };
        let tells = move || {
            for n in 0..6 {
                tokio::time::sleep(second - Duration::from_millis(10)).wait();
                tells.0.lock().unwrap().push(n);
                tells.1.notify_one();
            }
        };
        join(waits, tells);
    }));
}
