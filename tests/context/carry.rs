//! Carried task-locals follow a call into its fiber and are its own.

use std::{
    cell::{Cell, RefCell},
    convert::Infallible,
    sync::Arc,
};

use tokio::{
    sync::oneshot,
    task::{LocalSet, yield_now},
};
use tower::{Layer as _, Service as _};
use tower_fiber::{
    FiberLayer, OnDrop, Placement, WaitExt as _, error::TryAwaitError, run_in_fiber, sync_fn, try_await_in_fiber,
};

use crate::support::{both_with_one_worker, poll_once, text_of_panic, until};

tokio::task_local! {
    static REQUEST: u32;
    static USER: String;
    static STEPS: Cell<u32>;
    static NOTES: Arc<Notes>;
}

/// Written by the fiber, read by its caller.
type Notes = std::sync::Mutex<Vec<u32>>;

/// In place, and on a pool of one thread.
fn layers(policy: OnDrop) -> [FiberLayer; 2] {
    both_with_one_worker(
        FiberLayer::builder().name("orders").on_drop(policy).carry(&REQUEST).carry(&USER).carry(&STEPS),
    )
}

fn request() -> Option<u32> {
    REQUEST.try_with(|id| *id).ok()
}

#[tokio::test]
async fn several_keys_of_the_caller() {
    for layer in layers(OnDrop::Finish) {
        let call = layer.run(|| {
            let before = (REQUEST.get(), USER.with(Clone::clone));
            yield_now().wait();
            (before, (REQUEST.get(), USER.with(Clone::clone)))
        });
        let call = USER.scope("me".to_owned(), REQUEST.scope(7, call));
        let expected = (7, "me".to_owned());
        assert_eq!(call.await, (expected.clone(), expected));
        assert_eq!(layer.run(request).await, None, "a caller without a value has none to give");
        assert_eq!(request(), None);
    }
}

#[tokio::test]
async fn where_it_is_called_or_where_it_is_awaited() {
    for layer in layers(OnDrop::Finish) {
        let mut service = layer.layer(sync_fn(|()| Ok::<_, Infallible>(request())));
        let called = REQUEST.sync_scope(1, || service.call(()));
        assert_eq!(called.await, Ok(Some(1)));
        let awaited = REQUEST.scope(2, service.call(()));
        assert_eq!(awaited.await, Ok(Some(2)));
        let both = REQUEST.sync_scope(1, || service.call(()));
        assert_eq!(REQUEST.scope(2, both).await, Ok(Some(2)), "as an async function would see it");
    }
}

#[tokio::test]
async fn a_value_is_not_seen_by_others_while_its_fiber_waits() {
    for layer in layers(OnDrop::Finish) {
        let (open, gate) = oneshot::channel::<()>();
        let mut call = Box::pin(REQUEST.scope(
            7,
            layer.run(move || {
                gate.wait().unwrap();
                request()
            }),
        ));
        assert!(poll_once(&mut call).await.is_none());
        until(|| layer.handle().dump().fibers.len() == 1).await;
        assert_eq!(request(), None);
        assert_eq!(layer.run(request).await, None);
        assert_eq!(REQUEST.scope(8, layer.run(request)).await, Some(8));
        open.send(()).unwrap();
        assert_eq!(call.await, Some(7));
    }
}

#[tokio::test]
async fn what_changes_in_a_value_is_there_after_a_wait() {
    for layer in layers(OnDrop::Finish) {
        let call = layer.run(|| {
            for step in 1..4 {
                STEPS.with(|steps| steps.set(steps.get() + step));
                yield_now().wait();
            }
            STEPS.with(Cell::get)
        });
        let outside = STEPS.scope(Cell::new(10), async {
            let inside = call.await;
            (inside, STEPS.with(Cell::get))
        });
        assert_eq!(outside.await, (16, 10), "the fiber's own");
    }
}

#[tokio::test]
async fn a_scope_inside_the_fiber_over_a_wait_stays_inside() {
    for layer in layers(OnDrop::Finish) {
        let (open, gate) = oneshot::channel::<()>();
        let call = layer.run(move || {
            let inner = REQUEST.sync_scope(9, || {
                gate.wait().unwrap();
                request()
            });
            (inner, request())
        });
        let mut call = Box::pin(REQUEST.scope(7, call));
        assert!(poll_once(&mut call).await.is_none());
        until(|| layer.handle().dump().fibers.len() == 1).await;
        assert_eq!(request(), None);
        assert_eq!(layer.run(request).await, None);
        open.send(()).unwrap();
        assert_eq!(call.await, (Some(9), Some(7)));
    }
}

#[tokio::test]
async fn a_value_stays_after_the_caller_has_gone() {
    for layer in layers(OnDrop::Finish) {
        let ((open, gate), (tell, told)) = (oneshot::channel::<()>(), oneshot::channel());
        let mut call = Box::pin(REQUEST.scope(
            7,
            layer.run(move || {
                gate.wait().unwrap();
                let seen = request();
                yield_now().wait();
                tell.send([seen, request()]).unwrap();
            }),
        ));
        assert!(poll_once(&mut call).await.is_none());
        until(|| layer.handle().dump().fibers.len() == 1).await;
        drop(call);
        open.send(()).unwrap();
        assert_eq!(told.await.unwrap(), [Some(7); 2]);
        until(|| layer.handle().live() == 0).await;
    }
}

#[tokio::test]
async fn destructors_of_an_unwound_fiber_see_it() {
    struct Tells(Option<oneshot::Sender<Option<u32>>>);

    impl Drop for Tells {
        fn drop(&mut self) {
            self.0.take().unwrap().send(request()).unwrap();
        }
    }

    for layer in layers(OnDrop::Unwind) {
        let (tell, told) = oneshot::channel();
        let tells = Tells(Some(tell));
        let mut call = Box::pin(REQUEST.scope(
            7,
            layer.run(move || {
                let _tells = tells;
                std::future::pending::<()>().wait();
            }),
        ));
        assert!(poll_once(&mut call).await.is_none());
        until(|| layer.handle().dump().fibers.len() == 1).await;
        drop(call);
        assert_eq!(told.await, Ok(Some(7)));
    }
}

#[tokio::test]
async fn a_wait_that_would_leave_a_borrow_behind_is_refused() {
    for layer in layers(OnDrop::Finish) {
        let call = layer.run(|| {
            let text = text_of_panic(|| USER.with(|_| yield_now().wait()));
            let refused = USER.with(|_| try_await_in_fiber(yield_now()).unwrap_err());
            assert!(matches!(refused, TryAwaitError::Borrowed), "{refused:?}");
            // What is ready at once does not suspend.
            USER.with(|_| async {}.wait());
            yield_now().wait();
            (text, USER.with(Clone::clone))
        });
        let (text, user) = USER.scope("me".to_owned(), call).await;
        for part in ["carried task-local is borrowed", "clone", file!()] {
            assert!(text.contains(part), "{text}");
        }
        assert_eq!(user, "me");
        assert!(USER.try_with(|_| ()).is_err(), "the next task is clean");
        assert_eq!(layer.handle().counters().refused_waits, 2);
    }
}

#[tokio::test]
async fn many_ready_waits_leave_no_borrow_behind_either() {
    for layer in layers(OnDrop::Finish) {
        let call = layer.run(|| {
            // Any number of them yields, elsewhere.
            USER.with(|_| (0..1000).for_each(|_| async {}.wait()));
            let others = USER.with(|_| (0..1000).filter(|_| try_await_in_fiber(async {}).is_err()).count());
            yield_now().wait();
            (others, USER.with(Clone::clone))
        });
        let mut call = Box::pin(USER.scope("me".to_owned(), call));
        let answer = std::future::poll_fn(|cx| {
            let poll = call.as_mut().poll(cx);
            assert!(USER.try_with(|_| ()).is_err(), "the task around is clean");
            poll
        });
        assert_eq!(answer.await, (0, "me".to_owned()));
    }
}

#[cfg(feature = "io")]
#[tokio::test]
async fn a_stream_that_is_read_there_gives_an_error() {
    let [layer, _] = layers(OnDrop::Finish);
    let call = layer.run(|| {
        let (_client, server) = tokio::io::duplex(16);
        USER.with(|_| std::io::Read::read(&mut tower_fiber::io::FiberIo::new(server), &mut [0]))
    });
    let refused = USER.scope("me".to_owned(), call).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::Unsupported);
    assert!(refused.to_string().contains("carried task-local"), "{refused}");
}

#[tokio::test]
async fn a_foreign_poll_keeps_the_value() {
    let [layer, _] = layers(OnDrop::Finish);
    let (open, gate) = oneshot::channel::<()>();
    let mut call = Box::pin(REQUEST.scope(
        7,
        layer.run(move || {
            gate.wait().unwrap();
            request()
        }),
    ));
    assert!(poll_once(&mut call).await.is_none());
    let call = std::thread::spawn(move || {
        let text = text_of_panic(|| _ = tokio_test::task::spawn(call.as_mut()).poll());
        assert!(text.contains("never changes threads"), "{text}");
        call
    });
    let call = call.join().unwrap();
    open.send(()).unwrap();
    assert_eq!(call.await, Some(7));
}

#[tokio::test]
async fn one_that_is_not_carried_is_the_callers_in_place() {
    let seen = NOTES.scope(Arc::default(), async {
        run_in_fiber(|| {
            NOTES.with(|notes| notes.lock().unwrap().push(1));
            yield_now().wait();
            NOTES.with(|notes| notes.lock().unwrap().push(2));
        })
        .await;
        NOTES.with(|notes| notes.lock().unwrap().clone())
    });
    assert_eq!(seen.await, [1, 2]);
}

#[test]
fn in_a_local_set_of_a_multi_thread_runtime() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let layer = FiberLayer::new().placement(Placement::InPlace).carry(&REQUEST);
    let call = async move {
        let seen = REQUEST.scope(
            7,
            layer.run(|| {
                yield_now().wait();
                request()
            }),
        );
        seen.await
    };
    assert_eq!(LocalSet::new().block_on(&runtime, call), Some(7));
}

#[test]
fn a_key_need_not_be_sync() {
    // `Cell` and `RefCell` are not.
    tokio::task_local!(static CELL: RefCell<u32>);
    assert!(FiberLayer::builder().carry(&CELL).carry(&STEPS).build().is_ok());
}
