//! Where nothing suspends: there the calls block, as they do without the crate.

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    thread,
};

use tower_fiber::{FiberLayer, WaitExt as _, interpose, no_wait, on_thread_stack};

use super::{both, when_asleep};
use crate::support::{on_each_runtime, text_of_panic};

/// A call that has to wait, and gets what it waits for from another thread.
fn blocking_call() {
    let (mut here, mut there) = UnixStream::pair().unwrap();
    let written = when_asleep(move || there.write_all(b"x").unwrap());
    here.read_exact(&mut [0]).unwrap();
    written.join().unwrap();
}

/// Runs `f` in fibers, which must not suspend.
fn never(f: impl Fn() + Clone + Send + 'static) {
    on_each_runtime(move || {
        let f = f.clone();
        async move {
            for layer in both() {
                let f = f.clone();
                layer.run(f).await;
                assert_eq!(layer.handle().counters().interposed_waits, 0);
            }
        }
    });
}

#[test]
fn in_the_poll_of_an_awaited_future() {
    never(|| async { blocking_call() }.wait());
}

#[test]
fn off_the_stack() {
    never(|| on_thread_stack(blocking_call));
    never(|| stacker::grow(1024 * 1024, blocking_call));
}

#[test]
fn in_a_section_without_waits() {
    never(|| no_wait(blocking_call));
    never(|| {
        let refused = text_of_panic(|| no_wait(|| async { tokio::task::yield_now().await }.wait()));
        assert!(refused.contains("no_wait"), "{refused}");
    });
}

#[test]
fn while_the_thread_panics() {
    struct OnDrop;

    impl Drop for OnDrop {
        fn drop(&mut self) {
            blocking_call();
        }
    }

    never(|| {
        let text = text_of_panic(|| {
            let _on_drop = OnDrop;
            panic!("the text");
        });
        assert_eq!(text, "the text");
    });
}

#[test]
fn while_a_carried_task_local_is_borrowed() {
    tokio::task_local!(static KEY: u32);

    on_each_runtime(|| async {
        let layer = FiberLayer::builder().interpose().carry(&KEY).build().unwrap();
        KEY.scope(7, layer.run(|| KEY.with(|_| blocking_call()))).await;
        assert_eq!(layer.handle().counters().interposed_waits, 0);
    });
}

#[test]
fn without_the_layer() {
    on_each_runtime(|| async {
        let layer = FiberLayer::new();
        layer.run(blocking_call).await;
        assert_eq!(layer.handle().counters().interposed_waits, 0);
    });
}

#[test]
fn outside_fibers() {
    drop(both());
    blocking_call();
}

#[test]
fn where_a_thread_parks() {
    never(|| {
        let (send, receive) = std::sync::mpsc::channel();
        thread::spawn(move || {
            blocking_call();
            send.send(())
        });
        receive.recv().unwrap();
        let lock = parking_lot::Mutex::new(());
        let held = lock.lock();
        thread::scope(|scope| {
            scope.spawn(|| drop(lock.lock()));
            blocking_call_held(held);
        });
    });
    assert!(interpose::calls().iter().any(|call| call.name == "park" && call.blocked > 0 && call.suspended == 0));
}

/// The other thread waits meanwhile, not this one.
fn blocking_call_held(held: parking_lot::MutexGuard<'_, ()>) {
    no_wait(blocking_call);
    drop(held);
}
