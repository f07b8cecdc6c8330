//! The pool's queues, parking and end.

use loom::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use super::queues::Queues;
use crate::explore;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    Ends,
    GuestEnds,
}

/// The worker's loop, as in `worker.rs`: each item is a task that says what becomes of it when it is run. `tasks`
/// have begun and wait.
fn worker(queues: &Queues<Task>, mut tasks: usize) -> usize {
    queues.settle();
    let mut run = 0;
    loop {
        let resumed = queues.pop_resume();
        let started = queues.pop_start();
        tasks += usize::from(started.is_some());
        for task in resumed.into_iter().chain(started) {
            run += 1;
            match task {
                Task::Ends => tasks -= 1,
                Task::GuestEnds => queues.guest_ended(),
            }
        }
        if resumed.is_none() && started.is_none() {
            if tasks == 0 && queues.is_over() {
                return run;
            }
            // It hangs if a wake is lost, which loom reports as a deadlock.
            queues.sleep(tasks > 0);
        }
    }
}

#[test]
fn a_push_against_a_worker_that_goes_to_sleep() {
    explore(|| {
        let queues = Arc::new(Queues::new());
        let other = Arc::clone(&queues);
        let pusher = thread::spawn(move || {
            other.push_start(Task::Ends);
            other.close();
        });
        assert_eq!(worker(&queues, 0), 1);
        pusher.join().unwrap();
    });
}

#[test]
fn a_start_a_wake_and_the_worker() {
    explore(|| {
        let queues = Arc::new(Queues::new());
        let other = Arc::clone(&queues);
        let waker = thread::spawn(move || other.push_resume(Task::Ends));
        let other = Arc::clone(&queues);
        let starter = thread::spawn(move || {
            other.push_start(Task::Ends);
            other.close();
        });
        assert_eq!(worker(&queues, 1), 2);
        waker.join().unwrap();
        starter.join().unwrap();
    });
}

#[test]
fn a_guest_against_the_workers_end() {
    explore(|| {
        let queues = Arc::new(Queues::new());
        let other = Arc::clone(&queues);
        let came = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&came);
        let host = thread::spawn(move || {
            if other.guest_comes() {
                other.push_resume(Task::GuestEnds);
                count.store(1, Ordering::SeqCst);
            }
        });
        queues.close();
        let run = worker(&queues, 0);
        host.join().unwrap();
        assert_eq!(run, came.load(Ordering::SeqCst), "it is run, or refused");
        assert!(queues.pop_resume().is_none(), "nothing is left that nobody runs");
        assert!(!queues.guest_comes(), "it has ended");
    });
}

#[test]
fn a_worker_that_is_asked_takes_over_from_another() {
    explore(|| {
        let (stalled, free) = (Arc::new(Queues::new()), Arc::new(Queues::<Task>::new()));
        stalled.push_start(Task::Ends);
        let asker = Arc::clone(&free);
        let watcher = thread::spawn(move || asker.ask());
        let (from, to) = (Arc::clone(&stalled), Arc::clone(&free));
        let helper = thread::spawn(move || {
            to.settle();
            while !to.was_asked() {
                to.sleep(false);
            }
            usize::from(from.pop_start().is_some())
        });
        // The stalled one goes on after all.
        stalled.close();
        let run = worker(&stalled, 0);
        watcher.join().unwrap();
        assert_eq!(run + helper.join().unwrap(), 1);
    });
}
