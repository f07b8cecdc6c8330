//! The pool's queue, parking and end.

use std::{future::poll_fn, task::Poll};

use loom::{
    future::block_on,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use super::inbox::Inbox;
use crate::explore;

/// The worker's loop, as in `worker.rs`: each item is a task that says what becomes of it when it is run.
fn worker(inbox: &Inbox<Task>) -> usize {
    let mut run = 0;
    block_on(poll_fn(|cx| {
        inbox.wake_up();
        while let Some(task) = inbox.pop() {
            run += 1;
            if task == Task::Ends {
                inbox.end();
            }
        }
        if inbox.is_over_or_sleeps(cx.waker()) { Poll::Ready(()) } else { Poll::Pending }
    }));
    run
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    /// It will be woken again.
    Waits,
    Ends,
}

#[test]
fn a_push_against_a_loop_that_goes_to_sleep() {
    explore(|| {
        let inbox = Arc::new(Inbox::new());
        assert!(inbox.begin());
        let other = Arc::clone(&inbox);
        let pusher = thread::spawn(move || {
            other.push(Task::Ends).unwrap();
            other.close();
        });
        // It hangs if a wake is lost, which loom reports as a deadlock.
        assert_eq!(worker(&inbox), 1);
        pusher.join().unwrap();
    });
}

#[test]
fn two_pushers_and_the_loop() {
    explore(|| {
        let inbox = Arc::new(Inbox::new());
        assert!(inbox.begin() && inbox.begin());
        let pushers = [(); 2].map(|()| {
            let other = Arc::clone(&inbox);
            thread::spawn(move || other.push(Task::Ends).unwrap())
        });
        inbox.close();
        assert_eq!(worker(&inbox), 2);
        pushers.into_iter().for_each(|pusher| pusher.join().unwrap());
    });
}

#[test]
fn a_close_against_the_last_tasks_end() {
    explore(|| {
        let inbox = Arc::new(Inbox::new());
        assert!(inbox.begin());
        let (closer, ender) = (Arc::clone(&inbox), Arc::clone(&inbox));
        let threads = [
            thread::spawn(move || closer.close()),
            // A task can end on another thread: it was never pushed, but dropped.
            thread::spawn(move || ender.end()),
        ];
        assert_eq!(worker(&inbox), 0);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert!(!inbox.begin(), "it has ended");
    });
}

#[test]
fn a_spawn_against_the_workers_end() {
    explore(|| {
        let inbox = Arc::new(Inbox::new());
        let other = Arc::clone(&inbox);
        let spawned = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&spawned);
        let spawner = thread::spawn(move || {
            if other.begin() {
                other.push(Task::Ends).expect("while a task is counted the queue is open");
                count.store(1, Ordering::SeqCst);
            }
        });
        inbox.close();
        let run = worker(&inbox);
        spawner.join().unwrap();
        assert_eq!(run, spawned.load(Ordering::SeqCst), "it is run, or refused");
        assert!(inbox.pop().is_none(), "nothing is left that nobody runs");
    });
}

#[test]
fn a_wake_of_a_task_that_has_run_once() {
    explore(|| {
        let inbox = Arc::new(Inbox::new());
        assert!(inbox.begin());
        inbox.push(Task::Waits).unwrap();
        inbox.close();
        let other = Arc::clone(&inbox);
        let waker = thread::spawn(move || other.push(Task::Ends).unwrap());
        assert_eq!(worker(&inbox), 2);
        waker.join().unwrap();
    });
}
