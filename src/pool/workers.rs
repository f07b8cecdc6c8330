//! Which worker gets what.

use std::{iter, ptr, sync::Arc};

use super::{member::Member, task::Task, watcher::Watcher};

/// As long as a worker has fewer tasks that could run, one after it gets no new ones: few busy workers are quicker than
/// many that fall asleep and are woken all the time.
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

    /// Gives a new task to the first worker that has not much to do and gets on, or else to the one that has least.
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

    /// For a worker that has nothing to do: a task that waits for another worker which does not get to it.
    pub(super) fn steal(&self) -> Option<Arc<dyn Task>> {
        self.members.iter().find_map(|member| {
            let waits_long = member.is_stuck() || member.queues.unstarted() > LONG;
            waits_long.then(|| member.queues.pop_start()).flatten()
        })
    }

    /// For a worker that has been asked: takes over what waits behind workers that do not get on. Only so much at once:
    /// it may seem stuck itself meanwhile, and two workers must not take from each other for ever. What is left is
    /// stolen later, or the watcher asks again.
    pub(super) fn relieve(&self, own: &Member) {
        let others = self.members.iter().filter(|member| !ptr::eq(*member, own) && member.is_stuck());
        let waiting = others.flat_map(|member| iter::from_fn(|| member.queues.pop_start()));
        for task in waiting.take(LONG) {
            own.queues.push_start(task);
        }
    }
}
