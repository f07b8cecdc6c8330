//! Calls of a task that has made others begin the plain way, and are watched all the same.

use std::{cell::Cell, future::poll_fn, pin::pin, rc::Rc};

use tokio::{
    sync::oneshot,
    task::{spawn_local, yield_now},
};
use tower_fiber::WaitExt as _;

use crate::{
    harness::{assert_said, block_until_warned, watched},
    support::{in_each_task, in_used_task, poll_once},
};

#[test]
fn before_and_after_the_first_wait() {
    let names = Cell::new([["begins", "goes on"], ["begins in a used task", "goes on in a used task"]]);
    in_each_task(|| {
        let [[begins, goes_on], others] = names.get();
        names.set([others; 2]);
        async move {
            let layer = watched(begins).build().unwrap();
            layer.run(|| block_until_warned(begins, 1)).await;
            assert_said(begins, &["it has not waited before"]);
            assert_eq!(layer.handle().counters().blocked, 1);
            let layer = watched(goes_on).build().unwrap();
            let call = layer.run(|| {
                yield_now().wait();
                block_until_warned(goes_on, 1);
            });
            call.await;
            assert_said(goes_on, &["waits_at="]);
            assert_eq!(layer.handle().counters().blocked, 1);
        }
    });
}

#[test]
fn it_is_listed_while_it_waits() {
    in_each_task(|| async {
        let layer = watched("listed").build().unwrap();
        let listed = || layer.handle().dump().fibers.len();
        layer.run(|| ()).await;
        assert_eq!(listed(), 0);
        let mut call = Box::pin(layer.run(|| yield_now().wait()));
        assert!(poll_once(&mut call).await.is_none());
        assert_eq!(listed(), 1);
        call.as_mut().await;
        assert_eq!(listed(), 0);
    });
}

/// It is registered before it begins, and has then heard already of what all calls were told earlier.
#[test]
fn it_does_not_wake_its_task() {
    in_used_task(async {
        let layer = watched("quiet").build().unwrap();
        layer.handle().cancel_all();
        let (open, gate) = oneshot::channel::<()>();
        let polls = Rc::new(Cell::new(0));
        let polled = Rc::clone(&polls);
        let other = spawn_local(async move {
            for _ in 0..10 {
                yield_now().await;
            }
            assert_eq!(polled.get(), 1);
            open.send(()).unwrap();
        });
        let mut call = pin!(layer.run(|| gate.wait().unwrap()));
        poll_fn(|cx| {
            polls.set(polls.get() + 1);
            call.as_mut().poll(cx)
        })
        .await;
        other.await.unwrap();
        assert_eq!(polls.get(), 2);
    });
}
