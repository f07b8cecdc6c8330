//! Plain functions side by side: `join`, `try_join`, `race`, `timeout`.

use std::{
    cell::{Cell, RefCell},
    collections::HashSet,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use futures_util::FutureExt as _;
use tokio::{
    runtime::Builder,
    sync::{Barrier, Notify, Semaphore, mpsc},
    task::yield_now,
};
use tower_fiber::{
    FiberLayer, InFiber, OnDrop, WaitExt as _, block_on_waits, caller_gone, fiber_local, in_fiber, join, join_all,
    race, remaining_stack, run_in_fiber, run_local, shield, timeout, timeout_or_unwind, try_await_in_fiber, try_join,
    try_join_all,
};

use crate::support::{Drops, on_each_runtime, poll_once, text_of_panic, until};

const LONG: Duration = Duration::from_secs(600);

#[test]
fn both_wait_at_once_on_this_thread() {
    on_each_runtime(|| async {
        let both = run_in_fiber(|| {
            let here = thread::current().id();
            let meeting = Rc::new(Barrier::new(2));
            let other = Rc::clone(&meeting);
            // Not `Send`, and neither comes past the meeting alone.
            let one = move || (meeting.wait().wait().is_leader(), thread::current().id(), in_fiber());
            let two = move || (other.wait().wait().is_leader(), thread::current().id(), in_fiber());
            let (one, two) = join(one, two);
            assert!(one.0 != two.0);
            [one, two].iter().all(|side| side.1 == here && side.2)
        });
        assert!(both.await);
    });
}

#[test]
fn results_are_in_order_and_of_any_type() {
    on_each_runtime(|| async {
        let results = run_in_fiber(|| {
            join(
                || {
                    for _ in 0..5 {
                        yield_now().wait();
                    }
                    "slow".to_owned()
                },
                || 7,
            )
        });
        assert_eq!(results.await, ("slow".to_owned(), 7));
        let many = run_in_fiber(|| {
            join_all((0..500_u32).map(|n| {
                move || {
                    for _ in 0..n % 7 {
                        yield_now().wait();
                    }
                    n
                }
            }))
        });
        assert_eq!(many.await, (0..500).collect::<Vec<_>>());
        assert_eq!(run_in_fiber(|| join_all(Vec::<fn()>::new())).await, []);
    });
}

#[test]
fn they_nest() {
    on_each_runtime(|| async {
        fn sum(from: u32, to: u32) -> u32 {
            if to - from == 1 {
                yield_now().wait();
                return from;
            }
            let middle = from.midpoint(to);
            let (left, right) = join(move || sum(from, middle), move || sum(middle, to));
            left + right
        }
        assert_eq!(run_in_fiber(|| sum(0, 64)).await, 63 * 32);
    });
}

#[test]
fn one_that_does_not_wait_is_polled_once() {
    // What wakes one does not poll the others.
    let polls = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&polls);
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(run_in_fiber(move || {
        let done = Rc::new(Notify::new());
        let waits = Rc::clone(&done);
        join(
            move || {
                let mut notified = Box::pin(waits.notified());
                std::future::poll_fn(|cx| {
                    counter.fetch_add(1, Ordering::Relaxed);
                    notified.as_mut().poll(cx)
                })
                .wait();
            },
            move || {
                for _ in 0..100 {
                    yield_now().wait();
                }
                done.notify_one();
            },
        );
    }));
    assert_eq!(polls.load(Ordering::Relaxed), 2);
}

#[test]
fn a_panic_comes_when_all_have_ended() {
    on_each_runtime(|| async {
        let drops = Drops::default();
        let (held, after) = (drops.held(), drops.clone());
        let call = run_in_fiber(move || {
            let result = catch_unwind(AssertUnwindSafe(|| {
                join(
                    || panic!("the first"),
                    move || {
                        let _held = held;
                        for _ in 0..5 {
                            yield_now().wait();
                        }
                    },
                )
            }));
            assert_eq!(after.count(), 1, "the other has ended before");
            *result.map(|((), ())| ()).unwrap_err().downcast::<&str>().unwrap()
        });
        assert_eq!(call.await, "the first");
        // In order of the arguments, not of time.
        let call = run_in_fiber(|| {
            join_all((0..3).map(|n| {
                move || {
                    for _ in n..3 {
                        yield_now().wait();
                    }
                    assert_eq!(n, 0, "number {n}");
                }
            }))
        });
        let payload = AssertUnwindSafe(call).catch_unwind().await.unwrap_err();
        assert!(payload.downcast_ref::<String>().unwrap().contains("number 1"));
    });
}

fn layer(policy: OnDrop) -> FiberLayer {
    FiberLayer::new().name("family").on_drop(policy)
}

/// Two children that wait for what never comes, and report how that ended.
fn waiting(layer: &FiberLayer, reports: &mpsc::UnboundedSender<&'static str>) -> InFiber<()> {
    struct Unwinds(mpsc::UnboundedSender<&'static str>);
    impl Drop for Unwinds {
        fn drop(&mut self) {
            self.0.send(if thread::panicking() { "unwinds" } else { "returns" }).unwrap();
        }
    }
    let child = |reports: &mpsc::UnboundedSender<&'static str>| {
        let reports = reports.clone();
        move || {
            let _unwinds = Unwinds(reports.clone());
            reports.send("waits").unwrap();
            let forever = std::future::pending::<()>();
            reports.send(if try_await_in_fiber(forever).is_err() { "refused" } else { "goes on" }).unwrap();
            yield_now().wait();
        }
    };
    let (one, two) = (child(reports), child(reports));
    layer.run(move || _ = join(one, two))
}

async fn dropped(policy: OnDrop) -> Vec<&'static str> {
    let layer = layer(policy);
    let (report, mut reports) = mpsc::unbounded_channel();
    let mut call = waiting(&layer, &report);
    drop(report);
    assert!(poll_once(&mut call).await.is_none());
    let mut seen = vec![reports.recv().await.unwrap(), reports.recv().await.unwrap()];
    assert_eq!(seen, ["waits", "waits"]);
    until(|| layer.handle().live() == 3).await;
    drop(call);
    while let Some(report) = reports.recv().await {
        seen.push(report);
    }
    layer.handle().drained().await;
    assert_eq!(layer.handle().counters().leaked, 0);
    seen.sort_unstable();
    seen
}

#[test]
fn a_cancelled_parent_cancels_both() {
    on_each_runtime(|| async {
        let seen = dropped(OnDrop::Cancel).await;
        assert_eq!(seen, ["refused", "refused", "returns", "returns", "waits", "waits"]);
    });
}

#[test]
fn an_unwound_parent_unwinds_both() {
    on_each_runtime(|| async {
        let seen = dropped(OnDrop::Unwind).await;
        assert_eq!(seen, ["refused", "refused", "unwinds", "unwinds", "waits", "waits"]);
    });
}

#[test]
fn a_local_parent_that_is_dropped_unwinds_both() {
    let drops = Drops::default();
    let (one, two) = (drops.held(), drops.held());
    let wait = |held| {
        move || {
            let _held = held;
            std::future::pending::<()>().wait();
        }
    };
    let (one, two) = (wait(one), wait(two));
    let mut parent = run_local(move || _ = join(one, two));
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async { assert!(poll_once(&mut parent).await.is_none()) });
    assert_eq!(drops.count(), 0);
    drop(parent);
    assert_eq!(drops.count(), 2);
}

#[test]
fn children_know_that_the_caller_has_gone() {
    on_each_runtime(|| async {
        let layer = layer(OnDrop::Finish);
        let (report, mut reports) = mpsc::unbounded_channel();
        let child = |report: &mpsc::UnboundedSender<bool>| {
            let report = report.clone();
            move || {
                report.send(caller_gone()).unwrap();
                while !caller_gone() {
                    yield_now().wait();
                }
                report.send(true).unwrap();
            }
        };
        let (one, two) = (child(&report), child(&report));
        let mut call = layer.run(move || _ = join(one, two));
        assert!(poll_once(&mut call).await.is_none());
        assert_eq!([reports.recv().await, reports.recv().await], [Some(false); 2]);
        drop(call);
        assert_eq!([reports.recv().await, reports.recv().await], [Some(true); 2]);
        layer.handle().drained().await;
    });
}

#[test]
fn children_are_of_the_layer() {
    on_each_runtime(|| async {
        // One fiber is all that there may be from outside.
        let layer = FiberLayer::builder().stack_size(512 * 1024).max_fibers(1).build().unwrap();
        let handle = layer.handle();
        let sizes = layer.run(move || {
            join_all((0..3).map(|_| {
                let handle = handle.clone();
                move || {
                    yield_now().wait();
                    (remaining_stack().unwrap() < 512 * 1024, handle.live())
                }
            }))
        });
        assert!(sizes.await.iter().all(|(is_small, live)| *is_small && *live >= 2));
        layer.handle().drained().await;
        assert_eq!(layer.handle().live(), 0);
    });
}

fiber_local!(static NAME: RefCell<&'static str> = RefCell::new("nobody"));

#[test]
fn each_has_fiber_locals_of_its_own() {
    on_each_runtime(|| async {
        let names = run_in_fiber(|| {
            NAME.with(|name| *name.borrow_mut() = "parent");
            let child = |own| {
                move || {
                    let before = NAME.with(|name| name.replace(own));
                    yield_now().wait();
                    (before, NAME.with(|name| *name.borrow()))
                }
            };
            let (one, two) = join(child("one"), child("two"));
            (one, two, NAME.with(|name| *name.borrow()))
        });
        assert_eq!(names.await, (("nobody", "one"), ("nobody", "two"), "parent"));
    });
}

#[test]
fn a_shield_around_holds() {
    on_each_runtime(|| async {
        let layer = layer(OnDrop::Unwind);
        let done = Arc::new(AtomicU32::new(0));
        let gate = Arc::new(Semaphore::new(0));
        let (inside, go) = (Arc::clone(&done), Arc::clone(&gate));
        let mut call = layer.run(move || {
            shield(|| {
                let child = || {
                    let (done, go) = (Arc::clone(&inside), Arc::clone(&go));
                    move || {
                        go.acquire().wait().unwrap().forget();
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                };
                join(child(), child());
            });
        });
        assert!(poll_once(&mut call).await.is_none());
        until(|| layer.handle().live() == 3).await;
        drop(call);
        gate.add_permits(2);
        layer.handle().drained().await;
        assert_eq!((done.load(Ordering::Relaxed), layer.handle().counters().leaked), (2, 0));
    });
}

#[test]
fn on_a_thread_that_blocks() {
    let meeting = Rc::new(Barrier::new(2));
    let other = Rc::clone(&meeting);
    let sides =
        block_on_waits(|| join(move || meeting.wait().wait().is_leader(), move || other.wait().wait().is_leader()));
    assert!(sides.0 != sides.1);
    assert_eq!(block_on_waits(|| race([|| 1])), 1);
}

#[test]
fn outside_a_fiber_it_says_what_to_do() {
    let ran = Rc::new(Cell::new(false));
    let inside = Rc::clone(&ran);
    let text = text_of_panic(move || join(move || inside.set(true), || ()));
    assert!(text.contains("waited outside a fiber"), "{text}");
    assert!(!ran.get());
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    assert!(text_of_panic(|| race([|| ()])).contains("waited outside a fiber"));
}

#[test]
fn the_first_wins() {
    on_each_runtime(|| async {
        let first = run_in_fiber(|| {
            race((1..=5_u32).map(|n| {
                move || {
                    for _ in 0..n * 10 {
                        yield_now().wait();
                    }
                    n
                }
            }))
        });
        assert_eq!(first.await, 1);
        let nobody = run_in_fiber(|| text_of_panic(|| race(Vec::<fn()>::new())));
        assert_eq!(nobody.await, "`race` was given no functions, so none can end first: give it at least one [TF24]");
    });
}

#[test]
fn a_panic_may_win() {
    on_each_runtime(|| async {
        let call = run_in_fiber(|| {
            let functions: [Box<dyn FnOnce() + Send>; 2] =
                [Box::new(|| std::future::pending::<()>().wait()), Box::new(|| panic!("too fast"))];
            race(functions)
        });
        assert_eq!(AssertUnwindSafe(call).catch_unwind().await.unwrap_err().downcast_ref(), Some(&"too fast"));
    });
}

/// What one that has lost does until it may end.
async fn loser(policy: OnDrop) -> Vec<&'static str> {
    let layer = layer(policy);
    let log = Arc::new(Mutex::new(Vec::new()));
    let gate = Arc::new(Notify::new());
    let (inside, go, threads) = (Arc::clone(&log), Arc::clone(&gate), Arc::new(Mutex::new(HashSet::new())));
    let seen = Arc::clone(&threads);
    let winner = layer.run(move || {
        let note = move |text| inside.lock().unwrap().push(text);
        let lost = Box::new(move || {
            let drops = Drops::default();
            let _held = drops.held();
            seen.lock().unwrap().insert(thread::current().id());
            if try_await_in_fiber(go.notified()).is_err() {
                note("refused");
            }
            yield_now().wait();
            seen.lock().unwrap().insert(thread::current().id());
            note("ended");
            0
        });
        let functions: [Box<dyn FnOnce() -> u32 + Send>; 2] = [lost, Box::new(|| 1)];
        race(functions)
    });
    assert_eq!(winner.await, 1);
    gate.notify_one();
    layer.handle().drained().await;
    assert_eq!(layer.handle().counters().leaked, 0);
    assert_eq!(threads.lock().unwrap().len(), 1, "it stays on its thread");
    log.lock().unwrap().clone()
}

#[test]
fn the_others_do_what_their_layer_says() {
    on_each_runtime(|| async {
        assert_eq!(loser(OnDrop::Finish).await, ["ended"]);
        assert_eq!(loser(OnDrop::Cancel).await, ["refused", "ended"]);
        assert_eq!(loser(OnDrop::Unwind).await, ["refused"]);
    });
}

#[tokio::test(start_paused = true)]
async fn a_time_out_elapses_or_not() {
    let second = Duration::from_secs(1);
    assert_eq!(run_in_fiber(move || timeout(LONG, move || tokio::time::sleep(second).wait())).await, Ok(()));
    assert_eq!(run_in_fiber(move || timeout_or_unwind(LONG, move || tokio::time::sleep(second).wait())).await, Ok(()));
    let elapsed = run_in_fiber(move || timeout(second, || tokio::time::sleep(LONG).wait())).await.unwrap_err();
    assert_eq!(io::Error::from(elapsed).kind(), io::ErrorKind::TimedOut);
    assert!(run_in_fiber(move || timeout_or_unwind(second, || tokio::time::sleep(LONG).wait())).await.is_err());
}

#[test]
fn after_a_time_out_the_function_does_what_its_layer_says_or_unwinds() {
    on_each_runtime(|| async {
        for policy in [OnDrop::Finish, OnDrop::Cancel, OnDrop::Unwind] {
            let layer = layer(policy);
            let (drops, gate) = (Drops::default(), Arc::new(Notify::new()));
            let (held, go) = (drops.held(), Arc::clone(&gate));
            let left = layer.run(move || {
                let waits = move || {
                    let _held = held;
                    go.notified().wait();
                };
                timeout(Duration::from_millis(1), waits).is_err()
            });
            assert!(left.await, "{policy:?}");
            if policy != OnDrop::Unwind {
                assert_eq!(drops.count(), 0, "{policy:?}");
                gate.notify_one();
            }
            layer.handle().drained().await;
            assert_eq!(drops.count(), 1, "{policy:?}");
            let (held, seen) = (drops.held(), drops.clone());
            let ended = layer.run(move || {
                let rc = Rc::new(held);
                let waits = move || {
                    let _rc = rc;
                    std::future::pending::<()>().wait();
                };
                (timeout_or_unwind(Duration::from_millis(1), waits).is_err(), seen.count())
            });
            assert_eq!(ended.await, (true, 2), "{policy:?}");
            layer.handle().drained().await;
            assert_eq!(layer.handle().counters().leaked, 0);
        }
    });
}

#[test]
fn the_first_error_ends_the_others() {
    on_each_runtime(|| async {
        for policy in [OnDrop::Finish, OnDrop::Cancel, OnDrop::Unwind] {
            let layer = layer(policy);
            let drops = Drops::default();
            let held = [drops.held(), drops.held(), drops.held()];
            let seen = drops.clone();
            let failed = layer.run(move || {
                let [a, b, c] = held.map(|held| {
                    move || -> Result<u32, &str> {
                        let _held = held;
                        std::future::pending::<()>().wait();
                        Ok(1)
                    }
                });
                let fails = || {
                    yield_now().wait();
                    Err("first")
                };
                assert_eq!((try_join(a, fails), seen.count()), (Err("first"), 1));
                assert_eq!((try_join(fails, b), seen.count()), (Err("first"), 2));
                let all: [Box<dyn FnOnce() -> Result<u32, &'static str>>; 3] =
                    [Box::new(|| Ok(3)), Box::new(c), Box::new(fails)];
                assert_eq!((try_join_all(all), seen.count()), (Err("first"), 3));
                try_join(|| Ok::<_, ()>(1), || Ok(2)).unwrap()
            });
            assert_eq!(failed.await, (1, 2));
            layer.handle().drained().await;
            assert_eq!(layer.handle().counters().leaked, 0);
        }
    });
}

#[test]
fn a_panic_ends_the_others_as_an_error_does() {
    on_each_runtime(|| async {
        let drops = Drops::default();
        let (held, seen) = (drops.held(), drops.clone());
        let call = run_in_fiber(move || {
            let waits = move || -> Result<(), ()> {
                let _held = held;
                std::future::pending::<()>().wait();
                Ok(())
            };
            let text = text_of_panic(|| try_join(waits, || -> Result<(), ()> { panic!("too fast") }));
            (text, seen.count())
        });
        assert_eq!(call.await, ("too fast".to_owned(), 1));
    });
}

/// In a fiber, and on a thread that blocks.
#[test]
fn a_shielded_section_ends_before_its_function_does() {
    let layer = FiberLayer::new();
    let sections = Arc::new(AtomicU32::new(0));
    let noted = Arc::clone(&sections);
    let both = move || {
        let shields = {
            let noted = Arc::clone(&noted);
            move || -> Result<(), &str> {
                shield(|| tokio::time::sleep(Duration::from_millis(20)).wait());
                noted.fetch_add(1, Ordering::Relaxed);
                std::future::pending::<()>().wait();
                Ok(())
            }
        };
        let fails = || Err("first");
        assert_eq!(try_join(shields.clone(), fails), Err("first"));
        let all: [Box<dyn FnOnce() -> Result<(), &'static str>>; 2] = [Box::new(fails), Box::new(shields.clone())];
        assert_eq!(try_join_all(all), Err("first"));
        assert!(timeout_or_unwind(Duration::from_millis(1), shields).is_err());
    };
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(layer.run(both.clone()));
    assert_eq!(sections.load(Ordering::Relaxed), 3);
    assert_eq!((layer.handle().live(), layer.handle().counters().leaked), (0, 0));
    let thread = thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async { tokio::task::spawn_blocking(move || block_on_waits(both)).await.unwrap() });
    });
    thread.join().unwrap();
    assert_eq!(sections.load(Ordering::Relaxed), 6);
}
