//! The same source with std's locks and with those of fibers: only its `use` differs, and it says the same.

use std::{fmt::Debug, thread};

use tower_fiber::{block_on_waits, run_in_fiber};

use crate::support::on_each_runtime;

/// A line of what the program says.
fn line(lines: &mut Vec<String>, what: impl Debug) {
    lines.push(format!("{what:?}"));
}

macro_rules! program {
    ($name:ident, $($sync:ident)::+) => {
        mod $name {
            use std::{
                panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind, resume_unwind},
                thread,
                time::Duration,
            };

            use $($sync)::+::{
                Arc, Barrier, Condvar, LazyLock, Mutex, MutexGuard, Once, OnceLock, PoisonError, RwLock, RwLockReadGuard,
                RwLockWriteGuard, TryLockError, Weak,
                atomic::{AtomicU32, Ordering},
                mpsc::{self, RecvTimeoutError, TryRecvError, TrySendError},
            };

            use super::line;

            static TOTAL: Mutex<u32> = Mutex::new(0);
            static PRICES: RwLock<Vec<u32>> = RwLock::new(Vec::new());
            static CHANGED: Condvar = Condvar::new();
            static SET_UP: Once = Once::new();
            static RATE: OnceLock<u32> = OnceLock::new();
            static LAZY: LazyLock<String> = LazyLock::new(|| "made".to_owned());

            fn panics(f: impl FnOnce()) -> bool {
                catch_unwind(AssertUnwindSafe(f)).is_err()
            }

            pub(super) fn alone() -> Vec<String> {
                let mut lines = Vec::new();
                let lines = &mut lines;
                mutex(lines);
                rw_lock(lines);
                once(lines);
                channels(lines);
                std::mem::take(lines)
            }

            fn mutex(lines: &mut Vec<String>) {
                *TOTAL.lock().unwrap() += 1;
                let mut mutex = Mutex::from(7);
                *mutex.get_mut().unwrap() += 1;
                line(lines, &mutex);
                {
                    let mut guard: MutexGuard<'_, i32> = mutex.lock().unwrap();
                    *guard += 1;
                    line(lines, (&guard, guard.to_string()));
                    line(lines, matches!(mutex.try_lock(), Err(TryLockError::WouldBlock)));
                    line(lines, mutex.try_lock());
                }
                line(lines, panics(|| {
                    let _guard = mutex.lock();
                    resume_unwind(Box::new("poison"));
                }));
                line(lines, (mutex.is_poisoned(), mutex.lock(), mutex.try_lock().map(|_| ())));
                line(lines, &mutex);
                line(lines, mutex.lock().map(|_| ()).map_err(|error| error.to_string()));
                *mutex.lock().unwrap_or_else(PoisonError::into_inner) += 1;
                line(lines, mutex.get_mut());
                mutex.clear_poison();
                line(lines, (mutex.is_poisoned(), mutex.into_inner()));
                line(lines, Mutex::<u8>::default());
                let object: Arc<Mutex<dyn Send>> = Arc::new(Mutex::new(1));
                let weak: Weak<_> = Arc::downgrade(&object);
                line(lines, (object.is_poisoned(), weak.strong_count()));
            }

            fn rw_lock(lines: &mut Vec<String>) {
                PRICES.write().unwrap().push(7);
                let mut lock = RwLock::new(1);
                {
                    let first: RwLockReadGuard<'_, i32> = lock.read().unwrap();
                    let second = lock.try_read().unwrap();
                    line(lines, (&first, &second, first.to_string(), lock.try_write(), &lock));
                }
                {
                    let mut guard: RwLockWriteGuard<'_, i32> = lock.write().unwrap();
                    *guard += 1;
                    line(lines, (&guard, guard.to_string(), lock.try_read(), lock.try_write(), &lock));
                }
                line(lines, panics(|| {
                    let _guard = lock.read();
                    resume_unwind(Box::new("a reader"));
                }));
                line(lines, lock.is_poisoned());
                line(lines, panics(|| {
                    let _guard = lock.write();
                    resume_unwind(Box::new("a writer"));
                }));
                let read = lock.read().is_err();
                let write = lock.write().is_err();
                line(lines, (lock.is_poisoned(), read, write, lock.try_read().is_err()));
                lock.clear_poison();
                *lock.get_mut().unwrap() += 1;
                line(lines, (RwLock::<u8>::default(), RwLock::from(2), lock.into_inner()));
            }

            fn once(lines: &mut Vec<String>) {
                SET_UP.call_once(|| ());
                let runs = AtomicU32::new(0);
                let run = || _ = runs.fetch_add(1, Ordering::Relaxed);
                let once = Once::new();
                line(lines, panics(|| once.call_once(|| resume_unwind(Box::new("poison")))));
                line(lines, (once.is_completed(), panics(|| once.call_once(run))));
                once.call_once_force(|state| {
                    assert!(state.is_poisoned());
                    run();
                });
                once.call_once(run);
                once.call_once_force(|_| run());
                line(lines, (once.is_completed(), runs.load(Ordering::Relaxed), SET_UP.is_completed()));

                line(lines, (RATE.get_or_init(|| 7), RATE.set(8), RATE.get()));
                let mut cell = OnceLock::new();
                line(lines, (&cell, panics(|| _ = cell.get_or_init(|| resume_unwind(Box::new("no poison"))))));
                line(lines, (cell.get_or_init(|| 7), cell.clone() == OnceLock::from(7)));
                *cell.get_mut().unwrap() += 1;
                line(lines, (cell.take(), cell.set(1), cell.into_inner(), OnceLock::<u8>::default()));

                line(lines, (&LAZY.len(), LazyLock::force(&LAZY), &*LAZY));
                let lazy = LazyLock::<u8, _>::new(|| resume_unwind(Box::new("poison")));
                line(lines, (&lazy, panics(|| _ = *lazy), panics(|| _ = *lazy)));
                line(lines, *LazyLock::<u8>::default());
            }

            fn channels(lines: &mut Vec<String>) {
                let (sender, receiver) = mpsc::channel();
                line(lines, (receiver.try_recv(), receiver.recv_timeout(Duration::from_millis(1))));
                let other = sender.clone();
                (0..3).for_each(|item| other.send(item).unwrap());
                line(lines, (receiver.recv(), receiver.try_iter().collect::<Vec<_>>()));
                drop((other, sender.send(3), sender));
                line(lines, (&receiver).into_iter().collect::<Vec<_>>());
                line(lines, (receiver.recv(), receiver.try_recv(), receiver.recv_timeout(Duration::from_millis(1))));
                line(lines, (
                    receiver.try_recv() == Err(TryRecvError::Disconnected),
                    receiver.recv_timeout(Duration::MAX) == Err(RecvTimeoutError::Disconnected),
                ));

                let (sender, receiver) = mpsc::sync_channel(2);
                line(lines, [1, 2, 3].map(|item| sender.try_send(item)));
                line(lines, receiver.iter().take(2).collect::<Vec<_>>());
                drop(receiver);
                line(lines, (sender.send(4), matches!(sender.try_send(5), Err(TrySendError::Disconnected(5)))));
                line(lines, mpsc::channel().0.send(1));

                let (sender, receiver) = mpsc::sync_channel(0);
                line(lines, sender.try_send(1));
                drop(receiver);
                line(lines, (sender.try_send(2), sender.send(3)));
            }

            pub(super) fn on_threads() -> Vec<String> {
                let mut lines = Vec::new();
                let state = Mutex::new(0);
                let changed = Condvar::default();
                thread::scope(|scope| {
                    scope.spawn(|| {
                        let state = changed.wait_while(state.lock().unwrap(), |state| *state < 4).unwrap();
                        assert_eq!(*state, 4);
                    });
                    for _ in 0..4 {
                        scope.spawn(|| {
                            *state.lock().unwrap() += 1;
                            changed.notify_all();
                        });
                    }
                });
                let short = Duration::from_millis(1);
                let (state, result) = changed.wait_timeout(state.lock().unwrap(), short).unwrap();
                line(&mut lines, (*state, result.timed_out()));
                let (state, result) = changed.wait_timeout_while(state, short, |_| true).unwrap();
                line(&mut lines, (*state, result.timed_out()));
                let (state, result) = changed.wait_timeout_while(state, short, |_| false).unwrap();
                line(&mut lines, (*state, result.timed_out()));
                CHANGED.notify_one();

                // Three times three, one leader each time.
                let barrier = Barrier::new(3);
                let leaders = AtomicU32::new(0);
                thread::scope(|scope| {
                    for _ in 0..3 {
                        scope.spawn(|| {
                            for n in 1..=3 {
                                leaders.fetch_add(barrier.wait().is_leader().into(), Ordering::SeqCst);
                                barrier.wait();
                                assert_eq!(leaders.load(Ordering::SeqCst), n);
                                barrier.wait();
                            }
                        });
                    }
                });
                let alone = Barrier::new(1).wait();
                line(&mut lines, (&barrier, Barrier::new(0).wait().is_leader(), alone));

                // From hand to hand: what is sent has been received.
                let (sender, receiver) = mpsc::sync_channel(0);
                let received = AtomicU32::new(0);
                thread::scope(|scope| {
                    let received = &received;
                    scope.spawn(move || {
                        for item in receiver {
                            assert_eq!(received.fetch_add(1, Ordering::SeqCst), item);
                        }
                    });
                    for item in 0..100 {
                        sender.send(item).unwrap();
                        assert!(received.load(Ordering::SeqCst) >= item);
                    }
                    drop(sender);
                });
                line(&mut lines, received);

                // The receiver goes while a sender waits.
                let (sender, receiver) = mpsc::sync_channel(1);
                sender.send(1).unwrap();
                let waits = thread::spawn(move || sender.send(2));
                drop(receiver);
                line(&mut lines, waits.join().unwrap());
                lines
            }

            #[expect(dead_code, reason = "it is compiled")]
            fn traits() {
                fn have<T: Send + Sync + UnwindSafe + RefUnwindSafe>() {}
                have::<Mutex<std::cell::Cell<u8>>>();
                have::<Barrier>();
                have::<Condvar>();
                have::<Once>();
                have::<OnceLock<u8>>();
                have::<LazyLock<u8>>();
                have::<RwLock<u8>>();
            }
        }
    };
}

program!(of_std, std::sync);
program!(of_fibers, tower_fiber::sync);

#[test]
fn on_a_thread_without_a_runtime() {
    assert_eq!(of_fibers::alone(), of_std::alone());
    assert_eq!(of_fibers::on_threads(), of_std::on_threads());
}

#[test]
fn where_waits_block() {
    block_on_waits(|| {
        assert_eq!(of_fibers::alone(), of_std::alone());
        assert_eq!(of_fibers::on_threads(), of_std::on_threads());
    });
}

#[test]
fn in_a_fiber() {
    let std = thread::spawn(|| (of_std::alone(), of_std::on_threads())).join().unwrap();
    let std = std::sync::Arc::new(std);
    on_each_runtime(move || {
        let std = std.clone();
        async move {
            let ours = run_in_fiber(|| (of_fibers::alone(), of_fibers::on_threads())).await;
            assert_eq!(ours, *std);
        }
    });
}
