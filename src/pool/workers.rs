//! Which worker gets which task.

use std::{iter, ptr, sync::Arc};

use super::{member::Member, task::Task, watcher::Watcher};

/// While a worker has fewer runnable tasks than this, no worker after it gets new ones: a few busy workers are quicker
/// than many that keep falling asleep and being woken.
const LONG: usize = 16;

/// The workers of a pool, as all of them and the pool see them.
pub(super) struct Workers {
    members: Box<[Member]>,
    pub(super) watcher: Watcher,
}

impl Workers {
    pub(super) fn new(workers: usize) -> Self {
        Self { members: (0..workers).map(|_| Member::new()).collect(), watcher: Watcher::new() }
    }

    pub(super) fn members(&self) -> &[Member] {
        &self.members
    }

    /// Lets the workers end when their tasks have ended.
    pub(super) fn close(&self) {
        for member in &self.members {
            member.queues.close();
        }
        self.watcher.close();
    }

    /// Gives a new task to the first worker that makes progress and has little to do, or else to the one that has the
    /// least.
    pub(super) fn start(&self, task: Arc<dyn Task>) {
        self.choose().queues.push_start(task);
    }

    fn choose(&self) -> &Member {
        let mut best = &self.members[0];
        let mut least = (true, usize::MAX);
        for member in &self.members {
            let load = (member.is_stuck(), member.queues.runnable());
            if !load.0 && load.1 < LONG {
                return member;
            }
            if load < least {
                (best, least) = (member, load);
            }
        }
        best
    }

    /// For an idle worker: takes a task that waits for a worker which does not get to it.
    pub(super) fn steal(&self) -> Option<Arc<dyn Task>> {
        self.members.iter().find_map(|member| {
            let waits_long = member.is_stuck() || member.queues.unstarted() > LONG;
            waits_long.then(|| member.queues.pop_start()).flatten()
        })
    }

    /// For a worker that was asked: takes over tasks that wait behind stuck workers. It takes a limited number at once,
    /// because it may seem stuck itself meanwhile, and two workers must not take from each other for ever. Idle workers
    /// steal the rest later, or the watcher asks again.
    pub(super) fn relieve(&self, own: &Member) {
        let others = self.members.iter().filter(|member| !ptr::eq(*member, own) && member.is_stuck());
        let waiting = others.flat_map(|member| iter::from_fn(|| member.queues.pop_start()));
        for task in waiting.take(LONG) {
            own.queues.push_start(task);
        }
    }
}
