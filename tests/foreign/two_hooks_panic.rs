//! Hooks and carried values that panic, in each combination: the first panic reaches the code that polls, and
//! everything is put back.

use std::{
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
    thread,
};

use tokio::{sync::oneshot, task::yield_now};
use tower_fiber::{FiberLayer, Hook, WaitExt as _, join, run_local};

use crate::support::{in_each_task, poll_once, text_of_panic, until};

tokio::task_local!(static REQUEST: u32);

thread_local! {
    static CURRENT: Cell<u32> = const { Cell::new(0) };
    static OPEN: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum At {
    Never,
    Call,
    Resume,
    Suspend,
    Drop,
}

const ALL: [At; 5] = [At::Never, At::Call, At::Resume, At::Suspend, At::Drop];

/// Panics where it is told to, once it is armed, and keeps a value of `CURRENT` otherwise.
struct Panics(&'static str, At, Arc<AtomicBool>);

struct State(&'static str, bool, u32);

impl Drop for State {
    fn drop(&mut self) {
        if self.1 {
            resume_unwind(Box::new(self.0));
        }
    }
}

impl Panics {
    fn at(&self, at: At) {
        if self.1 == at && self.2.load(Ordering::Relaxed) {
            // Without the panic hook, which would fill the output.
            resume_unwind(Box::new(self.0));
        }
    }
}

impl Hook for Panics {
    type State = State;

    fn on_call(&self) -> State {
        self.at(At::Call);
        State(self.0, self.1 == At::Drop && self.2.load(Ordering::Relaxed), CURRENT.get())
    }

    fn on_resume(&self, state: &mut State) {
        self.at(At::Resume);
        OPEN.with_borrow_mut(|open| open.push(self.0));
        state.2 = CURRENT.replace(state.2);
    }

    fn on_suspend(&self, state: &mut State) {
        state.2 = CURRENT.replace(state.2);
        assert_eq!(OPEN.with_borrow_mut(Vec::pop), Some(self.0));
        self.at(At::Suspend);
    }
}

/// What the task has is there.
fn assert_clean() {
    assert_eq!(CURRENT.get(), 1);
    assert!(OPEN.with_borrow(Vec::is_empty), "{:?}", OPEN.take());
    assert!(REQUEST.try_with(|_| ()).is_err());
    assert!(!thread::panicking());
}

fn layer(first: At, second: At, armed: &Arc<AtomicBool>) -> FiberLayer {
    let [first, second] = [("first", first), ("second", second)].map(|(name, at)| Panics(name, at, Arc::clone(armed)));
    FiberLayer::new().carry(&REQUEST).hook(first).hook(second)
}

fn poll_by_hand<F: Future>(call: &mut Pin<Box<F>>) -> thread::Result<Poll<F::Output>> {
    let mut cx = Context::from_waker(Waker::noop());
    catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(&mut cx)))
}

/// With which of them a call fails that is polled once.
fn expected(first: At, second: At) -> Option<&'static str> {
    let panics = |at| [("first", first), ("second", second)].into_iter().filter(move |hook| hook.1 == at);
    let begins = panics(At::Call).next().or_else(|| panics(At::Resume).next());
    match begins {
        // The one around it has been resumed, and is suspended after it has panicked.
        Some((name, _)) => Some(name),
        None => panics(At::Suspend).next_back().map(|(name, _)| name),
    }
}

#[test]
fn two_hooks_panic() {
    in_each_task(|| async {
        CURRENT.set(1);
        for first in ALL {
            for second in ALL {
                let layer = layer(first, second, &Arc::new(AtomicBool::new(true)));
                let call = tokio::spawn(REQUEST.scope(7, layer.run(|| 5)));
                let outcome = call.await.map_err(|error| *error.into_panic().downcast::<&str>().unwrap());
                assert_eq!(outcome.err(), expected(first, second), "{first:?} {second:?}");
                assert_clean();
                assert_eq!((layer.handle().live(), layer.handle().counters().leaked), (0, 0));
            }
        }
    });
}

#[test]
fn while_the_service_waits() {
    in_each_task(|| async {
        CURRENT.set(1);
        for [first, second] in [[At::Suspend; 2], [At::Resume; 2], [At::Resume, At::Suspend], [At::Suspend, At::Resume]]
        {
            let armed = Arc::new(AtomicBool::new(false));
            let layer = layer(first, second, &armed);
            let ((open, gate), (tell, told)) = (oneshot::channel::<()>(), oneshot::channel());
            let call = layer.run(move || {
                CURRENT.set(2);
                yield_now().wait();
                yield_now().wait();
                gate.wait().unwrap();
                tell.send((REQUEST.get(), CURRENT.get())).unwrap();
            });
            let mut call = Box::pin(REQUEST.scope(7, call));
            assert!(poll_once(&mut call).await.is_none());
            assert_clean();
            armed.store(true, Ordering::Relaxed);
            for _ in 0..2 {
                assert!(poll_by_hand(&mut call).is_err_and(|payload| payload.is::<&str>()), "{first:?} {second:?}");
                assert_clean();
            }
            // What is kept for the fiber is still there, and it can go on.
            armed.store(false, Ordering::Relaxed);
            open.send(()).unwrap();
            call.await;
            assert_eq!(told.await.unwrap(), (7, 2));
            assert_clean();
            assert_eq!((layer.handle().live(), layer.handle().counters().leaked), (0, 0));
        }
    });
}

#[test]
fn a_call_whose_first_poll_has_panicked_goes_on_in_the_background() {
    in_each_task(|| async {
        CURRENT.set(1);
        let armed = Arc::new(AtomicBool::new(true));
        let layer = layer(At::Suspend, At::Suspend, &armed);
        let ((open, gate), (tell, told)) = (oneshot::channel::<()>(), oneshot::channel());
        let call = layer.run(move || {
            gate.wait().unwrap();
            tell.send(REQUEST.get()).unwrap();
        });
        let mut call = Box::pin(REQUEST.scope(7, call));
        assert!(poll_by_hand(&mut call).is_err());
        assert_clean();
        armed.store(false, Ordering::Relaxed);
        drop(call);
        open.send(()).unwrap();
        assert_eq!(told.await, Ok(7));
        until(|| layer.handle().live() == 0).await;
        assert_eq!(layer.handle().counters().leaked, 0);
    });
}

#[test]
fn a_panic_of_the_service_comes_first() {
    struct Noisy;

    impl Drop for Noisy {
        fn drop(&mut self) {
            resume_unwind(Box::new("output"));
        }
    }

    in_each_task(|| async {
        CURRENT.set(1);
        let layer = layer(At::Suspend, At::Drop, &Arc::new(AtomicBool::new(true)));
        let text = text_of(tokio::spawn(layer.run(|| -> u32 { resume_unwind(Box::new("service")) })).await);
        assert_eq!(text, "service");
        // What the service gave is dropped, which may panic as well.
        let text = text_of(tokio::spawn(layer.run(|| Noisy)).await);
        assert_eq!(text, "first");
        assert_clean();
    });

    fn text_of<T>(outcome: Result<T, tokio::task::JoinError>) -> &'static str {
        let Err(error) = outcome else { panic!("it should have panicked") };
        *error.into_panic().downcast::<&str>().unwrap()
    }
}

#[test]
fn hooks_of_children_panic() {
    in_each_task(|| async {
        CURRENT.set(1);
        for first in ALL {
            for second in ALL {
                let armed = Arc::new(AtomicBool::new(false));
                let layer = layer(first, second, &armed);
                let arms = Arc::clone(&armed);
                let call = layer.run(move || {
                    arms.store(true, Ordering::Relaxed);
                    CURRENT.set(2);
                    let child = || {
                        CURRENT.set(3);
                        yield_now().wait();
                    };
                    let joined = catch_unwind(AssertUnwindSafe(|| join(child, child)));
                    arms.store(false, Ordering::Relaxed);
                    yield_now().wait();
                    let payload = joined.err().map(|payload| *payload.downcast::<&str>().unwrap());
                    (payload, REQUEST.get(), CURRENT.get())
                });
                // As the parent's hooks do not panic at its own wait, which would be a race of the two.
                let is_parents = [first, second].iter().any(|at| matches!(at, At::Suspend | At::Resume));
                let outcome = tokio::spawn(REQUEST.scope(7, call)).await;
                if !is_parents {
                    assert_eq!(outcome.unwrap(), (expected(first, second), 7, 2), "{first:?} {second:?}");
                }
                assert_clean();
                armed.store(false, Ordering::Relaxed);
                until(|| layer.handle().live() == 0).await;
            }
        }
    });
}

#[test]
fn a_hook_cannot_wait_in_the_fiber_that_polls_its_own() {
    struct Waits;

    impl Hook for Waits {
        type State = ();

        fn on_call(&self) {}

        fn on_resume(&self, (): &mut ()) {
            if tower_fiber::in_fiber() {
                yield_now().wait();
            }
        }

        fn on_suspend(&self, (): &mut ()) {}
    }

    in_each_task(|| async {
        let layer = FiberLayer::new().hook(Waits);
        let text = layer.run(|| text_of_panic(|| join(|| (), || ()))).await;
        assert!(text.contains("waited in a callback"), "{text}");
        let inner = layer.clone();
        let text = run_local(move || text_of_panic(|| inner.run(|| ()).wait())).await;
        assert!(text.contains("waited in a callback"), "{text}");
    });
}

#[test]
fn on_the_pool_a_fiber_that_waits_is_leaked() {
    in_each_task(|| async {
        let armed = Arc::new(AtomicBool::new(true));
        let pool = tower_fiber::FiberPool::builder().worker_threads(1).build().unwrap();
        let [first, second] = ["first", "second"].map(|name| Panics(name, At::Suspend, Arc::clone(&armed)));
        let layer = FiberLayer::new().carry(&REQUEST).hook(first).hook(second).placement(pool);
        let outcome = tokio::spawn(REQUEST.scope(7, layer.run(|| yield_now().wait()))).await;
        assert_eq!(*outcome.unwrap_err().into_panic().downcast::<&str>().unwrap(), "second");
        until(|| layer.handle().counters().leaked == 1).await;
        // Its thread is as it was.
        armed.store(false, Ordering::Relaxed);
        let here = || (REQUEST.try_with(|_| ()).is_err(), CURRENT.get(), OPEN.with_borrow(Vec::len));
        CURRENT.set(0);
        assert_eq!(layer.run(here).await, (true, 0, 2));
        assert_eq!(layer.handle().live(), 0);
    });
}

/// Panics for children, when it is armed.
struct OfChildren(At, Arc<AtomicBool>);

impl Hook for OfChildren {
    type State = bool;

    fn on_call(&self) -> bool {
        CURRENT.get() == 2
    }

    fn on_resume(&self, is_child: &mut bool) {
        if *is_child && self.0 == At::Resume && self.1.load(Ordering::Relaxed) {
            resume_unwind(Box::new("resumed"));
        }
    }

    fn on_suspend(&self, is_child: &mut bool) {
        // Once.
        if *is_child && self.0 == At::Suspend && self.1.swap(false, Ordering::Relaxed) {
            resume_unwind(Box::new("suspended"));
        }
    }
}

#[test]
fn a_panic_at_the_end_of_a_child_is_its_outcome() {
    in_each_task(|| async {
        let (armed, other) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let layer = FiberLayer::new().hook(OfChildren(At::Suspend, Arc::clone(&armed)));
        let has_ended = Arc::clone(&other);
        let call = layer.run(move || {
            CURRENT.set(2);
            let ends = move || armed.store(true, Ordering::Relaxed);
            let waits = move || {
                yield_now().wait();
                yield_now().wait();
                has_ended.store(true, Ordering::Relaxed);
            };
            let joined = catch_unwind(AssertUnwindSafe(|| join(ends, waits)));
            CURRENT.set(0);
            *joined.unwrap_err().downcast::<&str>().unwrap()
        });
        assert_eq!(call.await, "suspended");
        assert!(other.load(Ordering::Relaxed), "as when the function panics: after the other has ended");
        assert_eq!((layer.handle().live(), layer.handle().counters().leaked), (0, 0));
    });
}

#[test]
fn a_child_that_cannot_be_resumed_is_leaked() {
    in_each_task(|| async {
        let armed = Arc::new(AtomicBool::new(false));
        let layer = FiberLayer::new().hook(OfChildren(At::Resume, Arc::clone(&armed)));
        let call = layer.run(move || {
            CURRENT.set(2);
            let arms = move || {
                armed.store(true, Ordering::Relaxed);
                yield_now().wait();
            };
            // Dropped while the parent unwinds, each is to be resumed once more.
            let joined = catch_unwind(AssertUnwindSafe(|| join(|| yield_now().wait(), arms)));
            CURRENT.set(0);
            *joined.unwrap_err().downcast::<&str>().unwrap()
        });
        assert_eq!(call.await, "resumed");
        assert_eq!((layer.handle().live(), layer.handle().counters().leaked), (0, 2));
    });
}
