//! The fibers of a thread that wait for the same lock of std's. One of them looks at it now and then, the others wait
//! for their turn.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
    time::Duration,
};

use tokio::sync::{Mutex, Notify};

use crate::raw::{foreign, interpose::Refused};

/// How often the first in line looks, if nothing tells it to.
const LOOK: Duration = Duration::from_millis(1);

/// How many addresses a thread remembers.
const REMEMBERED: usize = 1024;

#[derive(Default)]
struct Line {
    turn: Mutex<()>,
    changed: Notify,
    waiting: Cell<usize>,
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

/// Waits until `is_due`.
pub(super) async fn changed(address: usize, is_due: &mut dyn FnMut() -> bool) -> Result<(), Refused> {
    struct Waiting(Rc<Line>);

    impl Drop for Waiting {
        fn drop(&mut self) {
            self.0.waiting.set(self.0.waiting.get() - 1);
        }
    }

    let line = of(address).ok_or(Refused::Unable)?;
    line.waiting.set(line.waiting.get() + 1);
    let line = Waiting(line);
    let _turn = line.0.turn.lock().await;
    while !is_due() {
        // Either way it is time to look.
        _ = tokio::time::timeout(LOOK, line.0.changed.notified()).await;
    }
    Ok(())
}

/// Whether fibers of this thread have waited here for longer than a lock is held that nothing suspends under.
pub(super) fn is_known(address: usize) -> bool {
    known(address).is_some()
}

/// Lets the first in line look.
pub(super) fn change(address: usize) {
    if let Some(line) = known(address).filter(|line| line.waiting.get() > 0) {
        _ = foreign(|| line.changed.notify_one());
    }
}
