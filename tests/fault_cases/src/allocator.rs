//! An allocator that makes calls which wait, as one does that asks another process for memory.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    os::fd::RawFd,
    sync::Mutex,
};

use tower_fiber::no_wait;

use crate::interposed::ask;

pub(crate) struct Allocator;

/// What the allocator does before it allocates.
#[derive(Clone, Copy)]
pub(crate) enum Mode {
    Passes,
    Asks(RawFd),
    AsksUnderALock(RawFd),
}

thread_local! {
    static MODE: Cell<Mode> = const { Cell::new(Mode::Passes) };
    static ASKED: Cell<usize> = const { Cell::new(0) };
}

static LOCK: Mutex<()> = Mutex::new(());

/// How often the allocator has asked while this thread ran `f`.
pub(crate) fn asked_in(mode: Mode, f: impl FnOnce()) -> usize {
    let before = ASKED.get();
    MODE.set(mode);
    f();
    MODE.set(Mode::Passes);
    ASKED.get() - before
}

fn count_and_ask(fd: RawFd) {
    ASKED.set(ASKED.get() + 1);
    ask(fd);
}

// SAFETY: it is the system's allocator.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match MODE.try_with(Cell::get) {
            Ok(Mode::Asks(fd)) => count_and_ask(fd),
            Ok(Mode::AsksUnderALock(fd)) => no_wait(|| {
                let _held = LOCK.lock();
                count_and_ask(fd);
            }),
            Ok(Mode::Passes) | Err(_) => {}
        }
        // SAFETY: what the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: what the caller promises, and `alloc` passes on as well.
        unsafe { System.dealloc(pointer, layout) }
    }
}
