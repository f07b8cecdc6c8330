//! One pinned thread.

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::Poll,
    thread,
};

use tokio::{runtime::Runtime, task::unconstrained};

use super::{
    member::Member,
    queues::Queues,
    task::{self, Body, Ran, Task},
    workers::Workers,
};
use crate::util::drop_quietly::drop_quietly;

/// How many tasks a worker runs before tokio's scheduler regains control once.
const TURN: usize = 64;

/// How often an idle worker lets other threads run before it sleeps: waking it costs its caller more.
const YIELDS: u32 = 3;

thread_local! {
    static CURRENT: RefCell<Option<Worker>> = const { RefCell::new(None) };
}

/// The hook that a worker runs first.
pub(super) type OnStart = Arc<dyn Fn() + Send + Sync>;

/// A handle of one worker.
#[derive(Clone)]
pub(crate) struct Worker {
    queues: Arc<Queues<Arc<dyn Task>>>,
}

impl Worker {
    /// The worker whose thread this is.
    pub(crate) fn current() -> Option<Self> {
        CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
    }

    pub(crate) fn is_current() -> bool {
        CURRENT.try_with(|current| current.borrow().is_some()).unwrap_or(false)
    }

    /// Whether this thread is one of these workers.
    pub(super) fn is_current_of(workers: &Workers) -> bool {
        let is_of_team = |current: &Self| workers.members().iter().any(|m| Arc::ptr_eq(&m.queues, &current.queues));
        CURRENT.try_with(|current| current.borrow().as_ref().is_some_and(is_of_team)).unwrap_or(false)
    }

    /// Runs a task without a caller on this worker's thread, and on no other. If the worker has ended, the task is
    /// dropped.
    pub(crate) fn spawn(&self, body: impl Body) {
        if !self.queues.guest_comes() {
            return drop_quietly(body);
        }
        self.queues.push_resume(task::alone(body, Arc::clone(&self.queues)));
    }
}

/// Starts the thread of one member.
pub(super) fn start(name: String, workers: Arc<Workers>, index: usize, on_start: Option<OnStart>) -> io::Result<()> {
    // The runtime has no drivers and no tasks of its own. It makes tokio refuse `block_on` inside fibers, and delivers
    // after each turn the wakes that tokio defers until its scheduler regains control (`yield_now`).
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    thread::Builder::new().name(name).spawn(move || run(&runtime, &workers, &workers.members()[index], on_start))?;
    Ok(())
}

fn run(runtime: &Runtime, workers: &Workers, member: &Member, on_start: Option<OnStart>) {
    member.queues.settle();
    set_current(Some(Worker { queues: Arc::clone(&member.queues) }));
    if let Some(Err(payload)) = on_start.map(|f| catch_unwind(AssertUnwindSafe(|| f()))) {
        drop_quietly(payload);
    }
    let mut rounds = Rounds { workers, member, tasks: 0, idle: 0 };
    let turns = poll_fn(|cx| {
        if rounds.turn() {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    });
    // Unconstrained, because one turn polls many tasks and tokio's budget is for one.
    runtime.block_on(unconstrained(turns));
    set_current(None);
}

/// The thread is not ending, so its thread-local exists.
fn set_current(worker: Option<Worker>) {
    let _former = CURRENT.try_with(|current| current.replace(worker));
}

/// The state of the worker's loop.
struct Rounds<'a> {
    workers: &'a Workers,
    member: &'a Member,
    /// Tasks that have begun here and not ended, without guests.
    tasks: usize,
    /// Consecutive turns with nothing to do.
    idle: u32,
}

impl Rounds<'_> {
    /// Runs the tasks that are due, or sleeps. Returns `true` if the worker has come to its end.
    fn turn(&mut self) -> bool {
        let queues = &*self.member.queues;
        self.beat();
        let mut is_idle = true;
        // The two queues alternate, so that tasks that are always runnable do not keep others from beginning.
        for _ in 0..TURN / 2 {
            let resumed = queues.pop_resume().map(|task| self.go_on(task));
            let started = queues.pop_start().map(|task| self.begin(task));
            if resumed.or(started).is_none() {
                break;
            }
            is_idle = false;
        }
        if queues.was_asked() {
            self.workers.relieve(self.member);
        }
        if let Some(task) = is_idle.then(|| self.workers.steal()).flatten() {
            self.begin(task);
            is_idle = false;
        }
        if !is_idle {
            self.idle = 0;
            return false;
        }
        if self.tasks == 0 && queues.is_over() {
            return true;
        }
        self.idle += 1;
        if self.idle <= YIELDS {
            thread::yield_now();
        } else {
            // The earlier turns have let tokio deliver the wakes that it had deferred.
            queues.sleep(self.tasks > 0);
            self.idle = 0;
            self.workers.watcher.wake();
        }
        false
    }

    fn begin(&mut self, task: Arc<dyn Task>) {
        self.tasks += 1;
        self.go_on(task);
    }

    fn go_on(&mut self, task: Arc<dyn Task>) {
        self.beat();
        match task.run(&self.member.queues) {
            Ran::Waits => {}
            Ran::Ended => self.tasks -= 1,
            Ran::GuestEnded => self.member.queues.guest_ended(),
        }
    }

    fn beat(&self) {
        if self.member.heartbeat.beat() {
            self.workers.watcher.wake();
        }
    }
}
