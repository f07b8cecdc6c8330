//! The fibers of a thread that wait for the same std lock.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
    time::Duration,
};

use tokio::sync::Notify;

use crate::raw::{foreign, interpose::Refused};

/// How often one of the fibers checks without being told to, because another thread may have released the lock.
const LOOK: Duration = Duration::from_millis(1);

/// How often the other fibers check.
const SELDOM: Duration = Duration::from_millis(16);

/// How many addresses a thread remembers.
const REMEMBERED: usize = 1024;

#[derive(Default)]
struct Line {
    changed: Notify,
    waiting: Cell<usize>,
    /// Whether one of the fibers checks often.
    is_looked_at: Cell<bool>,
}

thread_local! {
    /// By the address of the lock.
    static LINES: RefCell<HashMap<usize, Rc<Line>>> = RefCell::default();
}

fn known(address: usize) -> Option<Rc<Line>> {
    LINES.try_with(|lines| lines.borrow().get(&address).cloned()).ok().flatten()
}

fn of(address: usize) -> Option<Rc<Line>> {
    let of = |lines: &RefCell<HashMap<usize, Rc<Line>>>| {
        let mut lines = lines.borrow_mut();
        if lines.len() >= REMEMBERED {
            lines.retain(|_, line| line.waiting.get() > 0);
        }
        Rc::clone(lines.entry(address).or_default())
    };
    LINES.try_with(of).ok()
}

/// A fiber in the line.
struct Waiting {
    line: Rc<Line>,
    looks_often: bool,
}

impl Waiting {
    fn new(line: Rc<Line>) -> Self {
        line.waiting.set(line.waiting.get() + 1);
        Self { line, looks_often: false }
    }

    fn pause(&mut self) -> Duration {
        self.looks_often |= !self.line.is_looked_at.replace(true);
        if self.looks_often { LOOK } else { SELDOM }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.line.waiting.set(self.line.waiting.get() - 1);
        if self.looks_often {
            self.line.is_looked_at.set(false);
        }
    }
}

/// Waits until `is_due`.
pub(super) async fn changed(address: usize, is_due: &mut dyn FnMut() -> bool) -> Result<(), Refused> {
    let mut waiting = Waiting::new(of(address).ok_or(Refused::Unable)?);
    while !is_due() {
        let pause = waiting.pause();
        // Either way it is time to check.
        _ = tokio::time::timeout(pause, waiting.line.changed.notified()).await;
    }
    Ok(())
}

/// Whether fibers of this thread have waited here for longer than a lock is held under which nothing suspends.
pub(super) fn is_known(address: usize) -> bool {
    known(address).is_some()
}

/// Lets one fiber check, or `all`.
pub(super) fn change(address: usize, all: bool) {
    if let Some(line) = known(address).filter(|line| line.waiting.get() > 0) {
        _ = foreign(|| if all { line.changed.notify_waiters() } else { line.changed.notify_one() });
    }
}
