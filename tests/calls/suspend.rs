//! Calls that suspend: once, often, spuriously, woken from here and from elsewhere.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    rc::Rc,
    sync::{Arc, Mutex, mpsc},
    task::{Context, Wake, Waker},
    thread,
};

use tokio::sync::oneshot;
use tokio_test::{assert_pending, assert_ready, assert_ready_eq, task};
use tower_fiber::{WaitExt as _, await_in_fiber, run_in_fiber, run_local, yield_now};

/// Pending the given number of times, waking itself.
async fn pending_times(times: usize) -> usize {
    for _ in 0..times {
        tokio::task::yield_now().await;
    }
    times
}

#[test]
fn once_pending() {
    let (send, receive) = oneshot::channel::<i32>();
    let mut call = task::spawn(run_local(|| receive.wait().unwrap() + 1));
    assert_pending!(call.poll());
    assert!(!call.is_woken());
    send.send(1).unwrap();
    assert!(call.is_woken());
    assert_ready_eq!(call.poll(), 2);
}

#[tokio::test]
async fn often_pending() {
    assert_eq!(run_in_fiber(|| (0..50).map(|n| pending_times(n).wait()).sum::<usize>()).await, 1225);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn often_pending_on_the_pool() {
    assert_eq!(run_in_fiber(|| (0..50).map(|n| pending_times(n).wait()).sum::<usize>()).await, 1225);
}

#[test]
fn spurious_polls_change_nothing() {
    let polls = Rc::new(Cell::new(0));
    let (send, receive) = oneshot::channel();
    let inside = Rc::clone(&polls);
    let mut call = task::spawn(run_local(move || {
        let mut receive = pin!(receive);
        await_in_fiber(poll_fn(|cx| {
            inside.set(inside.get() + 1);
            receive.as_mut().poll(cx)
        }))
        .unwrap()
    }));
    for times in 1..=5 {
        assert_pending!(call.poll());
        assert_eq!(polls.get(), times);
    }
    send.send("value").unwrap();
    assert_ready_eq!(call.poll(), "value");
}

#[test]
fn woken_from_another_thread() {
    let (send, receive) = oneshot::channel();
    let call = run_local(|| receive.wait().unwrap());
    let sender = thread::spawn(move || send.send(thread::current().id()).unwrap());
    let sent_by = tokio_test::block_on(call);
    assert_eq!(sent_by, sender.thread().id());
    sender.join().unwrap();
}

struct Counting(Mutex<usize>);

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        *self.0.lock().unwrap() += 1;
    }
}

#[test]
fn the_newest_waker_is_used() {
    let wakers = [(); 3].map(|()| Arc::new(Counting(Mutex::new(0))));
    let (send, receive) = oneshot::channel();
    let mut call = pin!(run_local(|| receive.wait().unwrap()));
    for waker in &wakers {
        let waker = Waker::from(Arc::clone(waker));
        assert!(call.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    send.send(()).unwrap();
    assert_eq!(wakers.map(|waker| *waker.0.lock().unwrap()), [0, 0, 1]);
}

#[test]
fn awaited_futures_may_borrow_and_need_not_be_send() {
    let mut call = task::spawn(run_local(|| {
        let words = RefCell::new(VecDeque::from(["a", "b", "c"]));
        let shared = Rc::new(Cell::new(0));
        let mut all = String::new();
        while !words.borrow().is_empty() {
            let borrowed = &words;
            let shared = Rc::clone(&shared);
            let all = &mut all;
            await_in_fiber(async move {
                tokio::task::yield_now().await;
                all.push_str(borrowed.borrow_mut().pop_front().unwrap());
                shared.set(shared.get() + 1);
            });
        }
        (all, shared.get())
    }));
    tokio_test::block_on(async {
        assert_eq!((&mut *call).await, ("abc".to_owned(), 3));
    });
}

#[test]
fn into_future_values_can_be_waited_for() {
    struct Later(u8);

    impl IntoFuture for Later {
        type Output = u8;
        type IntoFuture = Pin<Box<dyn Future<Output = u8>>>;

        fn into_future(self) -> Self::IntoFuture {
            Box::pin(async move { self.0 })
        }
    }

    let mut call = task::spawn(run_local(|| Later(9).wait()));
    assert_ready_eq!(call.poll(), 9);
}

#[test]
fn yielding_lets_others_run_once() {
    let mut call = task::spawn(run_local(|| {
        yield_now();
        yield_now();
    }));
    for _ in 0..2 {
        assert_pending!(call.poll());
        assert!(call.is_woken());
    }
    assert_ready!(call.poll());
}

#[test]
fn ready_waits_in_a_row_yield_at_the_128th() {
    let waits = Rc::new(Cell::new(0));
    let inside = Rc::clone(&waits);
    let mut call = task::spawn(run_local(move || {
        for _ in 0..300 {
            inside.set(inside.get() + 1);
            async {}.wait();
        }
    }));
    for expected in [128, 256] {
        assert_pending!(call.poll());
        assert!(call.is_woken(), "a yield wakes its own task");
        assert_eq!(waits.get(), expected);
    }
    assert_ready!(call.poll());
    assert_eq!(waits.get(), 300);
}

#[tokio::test]
async fn a_million_ready_waits_do_not_starve_the_thread() {
    let progress = Rc::new(Cell::new(0));
    let inside = Rc::clone(&progress);
    let waits = run_local(move || {
        for _ in 0..1_000_000 {
            async {}.wait();
        }
        inside.get()
    });
    let mut waits = pin!(waits);
    // Biased, so that the other branch moves only when the fiber yields.
    let seen = loop {
        tokio::select! {
            biased;
            seen = &mut waits => break seen,
            () = async {} => progress.set(progress.get() + 1),
        }
    };
    assert!(seen > 1000, "the other branch ran {seen} times");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_waits_stay_on_one_thread() {
    let threads = run_in_fiber(|| {
        let mut threads = vec![thread::current().id()];
        for n in 0..10_000 {
            // Some are woken by other threads of the runtime.
            if n % 3 == 0 {
                tokio::spawn(async {}).wait().unwrap()
            } else {
                tokio::task::yield_now().wait()
            }
            if !threads.contains(&thread::current().id()) {
                threads.push(thread::current().id());
            }
        }
        threads.len()
    });
    assert_eq!(tokio::spawn(threads).await.unwrap(), 1);
}

#[test]
fn wakes_that_race_with_suspending_are_not_lost() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (requests, incoming) = mpsc::channel::<oneshot::Sender<usize>>();
    let echo = thread::spawn(move || incoming.into_iter().enumerate().for_each(|(n, reply)| reply.send(n).unwrap()));
    runtime.block_on(run_in_fiber(move || {
        for n in 0..20_000 {
            let (send, receive) = oneshot::channel();
            requests.send(send).unwrap();
            assert_eq!(receive.wait(), Ok(n));
        }
    }));
    echo.join().unwrap();
}
