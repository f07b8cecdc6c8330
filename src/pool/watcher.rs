//! Notices that a worker is blocked, or computes for long.

use std::{
    sync::atomic::{AtomicBool, Ordering, fence},
    time::Duration,
};

use super::{member::Member, parker::Parker};

/// How long a worker may take for one turn of a task before other workers take over the tasks behind it. Noticing takes
/// at most as long again.
const TICK: Duration = Duration::from_millis(1);

/// Looks in a row without news before the watcher rests.
const QUIET: u32 = 16;

/// One thread that looks at all workers about every millisecond, and rests while each of them sleeps or is known to be
/// stalled.
pub(super) struct Watcher {
    resting: AtomicBool,
    closed: AtomicBool,
    parker: Parker,
}

impl Watcher {
    pub(super) fn new() -> Self {
        Self { resting: AtomicBool::new(false), closed: AtomicBool::new(false), parker: Parker::default() }
    }

    /// Called by a worker that goes on after a sleep or a stall.
    pub(super) fn wake(&self) {
        fence(Ordering::SeqCst);
        if self.resting.load(Ordering::Relaxed) && self.resting.swap(false, Ordering::AcqRel) {
            self.parker.unpark();
        }
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.parker.unpark();
    }

    /// Runs on the watcher's thread until the pool has gone.
    pub(super) fn run(&self, members: &[Member]) {
        self.parker.settle();
        let mut seen = vec![usize::MAX; members.len()];
        let mut quiet = 0;
        while !self.closed.load(Ordering::SeqCst) {
            if quiet < QUIET {
                self.parker.wait_at_most(TICK);
                quiet = if look(members, &mut seen) { 0 } else { quiet + 1 };
            } else {
                self.resting.store(true, Ordering::Relaxed);
                fence(Ordering::SeqCst);
                if !look(members, &mut seen) && !self.closed.load(Ordering::SeqCst) {
                    self.parker.wait();
                }
                self.resting.store(false, Ordering::Relaxed);
                quiet = 0;
            }
        }
    }
}

/// Whether anything happened since the last look, or another look is due.
fn look(members: &[Member], seen: &mut [usize]) -> bool {
    let mut is_news = false;
    for (member, seen) in members.iter().zip(seen) {
        let count = member.heartbeat.count();
        if count != *seen {
            *seen = count;
            is_news = true;
        } else if !member.queues.is_asleep() && !member.heartbeat.is_stalled() {
            member.heartbeat.miss(count);
            is_news = true;
        }
    }
    if members.iter().any(|member| member.is_stuck() && member.queues.unstarted() > 0) {
        let free = members.iter().filter(|member| !member.is_stuck());
        if let Some(member) = free.min_by_key(|member| member.queues.runnable()) {
            member.queues.ask();
            is_news = true;
        }
    }
    is_news
}
