//! What follows a call follows the fibers that it makes by `join`, `join_all` and `race`, for as long as they live.

use std::{
    cell::{Cell, RefCell},
    future::pending,
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    sync::{Notify, oneshot},
    task::yield_now,
};
use tower_fiber::{
    FiberLayer, Hook, OnDrop, WaitExt as _, block_on_waits, error::TryAwaitError, join, join_all, race, run_in_fiber,
    try_await_in_fiber,
};

use crate::support::{both_with_one_worker, in_each_task, on_each_runtime, poll_once, text_of_panic, until};

tokio::task_local! {
    static USER: String;
    static REQUEST: u32;
    static STEPS: Cell<u32>;
}

thread_local!(static CURRENT: Cell<u32> = const { Cell::new(0) });

fn user() -> Option<String> {
    USER.try_with(Clone::clone).ok()
}

fn request() -> Option<u32> {
    REQUEST.try_with(|id| *id).ok()
}

/// What is in `CURRENT` follows each call.
#[derive(Clone, Default)]
struct Current {
    calls: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
}

impl Hook for Current {
    type State = u32;

    fn on_call(&self) -> u32 {
        self.calls.fetch_add(1, Ordering::Relaxed);
        CURRENT.get()
    }

    fn on_resume(&self, state: &mut u32) {
        self.open.fetch_add(1, Ordering::Relaxed);
        *state = CURRENT.replace(*state);
    }

    fn on_suspend(&self, state: &mut u32) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        *state = CURRENT.replace(*state);
    }
}

/// As the runtime has it, and on a pool of one thread.
fn layers(hook: &Current) -> [FiberLayer; 2] {
    both_with_one_worker(FiberLayer::builder().carry(&USER).carry(&REQUEST).carry(&STEPS).hook(hook.clone()))
}

#[test]
fn race_loser_context() {
    on_each_runtime(|| async {
        let hook = Current::default();
        for layer in layers(&hook) {
            let (open, seen) = (Arc::new(Notify::new()), Arc::new(Mutex::new(Vec::new())));
            let (gate, said) = (Arc::clone(&open), Arc::clone(&seen));
            CURRENT.set(3);
            let call = layer.run(move || {
                let racer = |is_slow: bool| {
                    let (gate, said) = (Arc::clone(&gate), Arc::clone(&said));
                    move || {
                        let before = (user(), CURRENT.get());
                        yield_now().wait();
                        if is_slow {
                            gate.notified().wait();
                            yield_now().wait();
                        }
                        said.lock().unwrap().push((before, (user(), CURRENT.get())));
                    }
                };
                race([racer(false), racer(true)])
            });
            USER.scope("ada".to_owned(), call).await;
            CURRENT.set(0);
            until(|| seen.lock().unwrap().len() == 1).await;
            open.notify_one();
            until(|| seen.lock().unwrap().len() == 2).await;
            until(|| layer.handle().live() == 0).await;
            let is_ada = (Some("ada".to_owned()), 3);
            assert_eq!(*seen.lock().unwrap(), [(is_ada.clone(), is_ada.clone()), (is_ada.clone(), is_ada)]);
            assert_eq!((user(), CURRENT.get(), hook.open.load(Ordering::Relaxed)), (None, 0, 0));
        }
    });
}

#[test]
fn a_child_has_what_its_parent_has_when_it_is_made() {
    on_each_runtime(|| async {
        for layer in layers(&Current::default()) {
            let call = layer.run(|| {
                let child = || {
                    let before = request();
                    yield_now().wait();
                    (before, request())
                };
                let inside = REQUEST.sync_scope(9, || join(child, child));
                let all = REQUEST.sync_scope(8, || join_all([child; 3]));
                let raced = REQUEST.sync_scope(7, || race([child]));
                let outside = join(child, child);
                (inside, all, raced, outside, request())
            });
            let (inside, all, raced, outside, parent) = REQUEST.scope(1, call).await;
            let of = |id| (Some(id), Some(id));
            assert_eq!((inside, outside), ((of(9), of(9)), (of(1), of(1))));
            assert_eq!((all, raced, parent), (vec![of(8); 3], of(7), Some(1)));
        }
    });
}

#[test]
fn children_and_their_parent_do_not_see_each_others() {
    on_each_runtime(|| async {
        for layer in layers(&Current::default()) {
            let call = layer.run(|| {
                let child = |id: u32| {
                    move || {
                        STEPS.with(|steps| steps.set(steps.get() + id));
                        CURRENT.set(CURRENT.get() + id);
                        let inner = REQUEST.sync_scope(id, || {
                            yield_now().wait();
                            yield_now().wait();
                            request()
                        });
                        yield_now().wait();
                        (inner, request(), STEPS.with(Cell::get), CURRENT.get())
                    }
                };
                let both = join(child(5), child(6));
                (both, (request(), STEPS.with(Cell::get), CURRENT.get()))
            });
            CURRENT.set(100);
            let (both, parent) = STEPS.scope(Cell::new(10), REQUEST.scope(1, call)).await;
            CURRENT.set(0);
            assert_eq!(both, ((Some(5), Some(1), 15, 105), (Some(6), Some(1), 16, 106)));
            assert_eq!(parent, (Some(1), 10, 100));
        }
    });
}

#[test]
fn children_of_children() {
    on_each_runtime(|| async {
        for layer in layers(&Current::default()) {
            let call = layer.run(|| {
                let inner = || {
                    yield_now().wait();
                    (user(), CURRENT.get())
                };
                let outer = move |name: &'static str, current| {
                    move || {
                        CURRENT.set(current);
                        yield_now().wait();
                        USER.sync_scope(name.to_owned(), || {
                            let (joined, raced) = join(inner, move || race([inner]));
                            [joined, raced, inner()]
                        })
                    }
                };
                join(outer("ada", 1), outer("bob", 2))
            });
            let (ada, bob) = USER.scope("nobody".to_owned(), call).await;
            for (all, name, current) in [(ada, "ada", 1), (bob, "bob", 2)] {
                assert!(all.iter().all(|seen| *seen == (Some(name.to_owned()), current)), "{all:?}");
            }
        }
    });
}

#[test]
fn one_that_is_cut_still_has_it() {
    /// The request, and what `CURRENT` was.
    type Seen = Vec<(Option<u32>, u32)>;

    struct Says(Rc<RefCell<Seen>>);

    impl Drop for Says {
        fn drop(&mut self) {
            self.0.borrow_mut().push((request(), CURRENT.get()));
        }
    }

    in_each_task(|| async {
        let hook = Current::default();
        let builder = FiberLayer::builder().on_drop(OnDrop::Unwind).carry(&REQUEST).hook(hook.clone());
        let layer = builder.build().unwrap();
        let (tell, told) = oneshot::channel();
        CURRENT.set(4);
        let call = layer.run(move || {
            struct Tells(Rc<RefCell<Seen>>, Option<oneshot::Sender<Seen>>);

            impl Drop for Tells {
                fn drop(&mut self) {
                    self.1.take().unwrap().send(self.0.take()).unwrap();
                }
            }

            let seen = Rc::default();
            let _tells = Tells(Rc::clone(&seen), Some(tell));
            let child = || {
                let says = Says(Rc::clone(&seen));
                move || {
                    let _says = says;
                    pending::<()>().wait();
                }
            };
            join(child(), child());
        });
        let mut call = Box::pin(REQUEST.scope(7, call));
        assert!(poll_once(&mut call).await.is_none());
        CURRENT.set(0);
        drop(call);
        assert_eq!(told.await.unwrap(), [(Some(7), 4); 2]);
        until(|| layer.handle().live() == 0).await;
        assert_eq!((CURRENT.get(), hook.open.load(Ordering::Relaxed)), (0, 0));
    });
}

#[test]
fn hooks_are_called_for_each_child_and_in_its_parent() {
    in_each_task(|| async {
        let hook = Current::default();
        let [layer, _] = layers(&hook);
        let call = layer.run(|| {
            CURRENT.set(5);
            let child = || CURRENT.replace(6);
            (join(child, child), join_all([child; 2]), race([child; 2]), CURRENT.get())
        });
        assert_eq!(call.await, ((5, 5), vec![5; 2], 5, 5));
        // Also for the one that never began, since the other had won.
        assert_eq!(hook.calls.load(Ordering::Relaxed), 7);
        assert_eq!((CURRENT.get(), hook.open.load(Ordering::Relaxed)), (0, 0));
    });
}

#[test]
fn what_a_parent_borrows_its_children_can_read_and_not_wait_with() {
    in_each_task(|| async {
        let [layer, _] = layers(&Current::default());
        let call = layer.run(|| {
            let reads = || request();
            let waits = || try_await_in_fiber(yield_now());
            let (seen, refused) = REQUEST.with(|_| join(reads, waits));
            assert!(matches!(refused, Err(TryAwaitError::Borrowed)), "{refused:?}");
            let text = text_of_panic(|| REQUEST.with(|_| join(reads, || yield_now().wait())));
            assert!(text.contains("carried task-local is borrowed"), "{text}");
            yield_now().wait();
            (seen, request())
        });
        assert_eq!(REQUEST.scope(7, call).await, (Some(7), Some(7)));
        assert_eq!(request(), None);
    });
}

#[test]
fn a_call_without_a_value_sees_none_of_the_fiber_that_polls_it() {
    in_each_task(|| async {
        let [layer, _] = layers(&Current::default());
        let inner = layer.clone();
        let call = layer.run(move || {
            let mut call = Box::pin(inner.run(|| {
                let before = request();
                yield_now().wait();
                (before, request())
            }));
            assert!(async { poll_once(&mut call).await }.wait().is_none());
            REQUEST.sync_scope(1, || call.wait())
        });
        assert_eq!(call.await, (None, None));

        let inner = layer.clone();
        let call = layer.run(move || {
            let mut call = Box::pin(REQUEST.sync_scope(5, || {
                inner.run(|| {
                    let before = request();
                    yield_now().wait();
                    (before, request())
                })
            }));
            assert!(REQUEST.sync_scope(6, || async { poll_once(&mut call).await }.wait()).is_none());
            (REQUEST.sync_scope(7, || call.wait()), request())
        });
        assert_eq!(REQUEST.scope(1, call).await, ((Some(6), Some(6)), Some(1)));
    });
}

#[test]
fn in_a_call_without_a_layer_they_see_what_the_task_has() {
    in_each_task(|| async {
        let call = run_in_fiber(|| join(request, || race([request])));
        assert_eq!(REQUEST.scope(7, call).await, (Some(7), Some(7)));
        let joined = block_on_waits_elsewhere(|| REQUEST.sync_scope(8, || join(request, request))).await;
        assert_eq!(joined, (Some(8), Some(8)));
    });
}

async fn block_on_waits_elsewhere<R: Send + 'static>(f: impl FnOnce() -> R + Send + 'static) -> R {
    tokio::task::spawn_blocking(|| block_on_waits(f)).await.unwrap()
}
