//! The panic hook: silent for what scripts provoke, and a failure for what they do not.

use std::{
    panic::{set_hook, take_hook},
    sync::{Mutex, MutexGuard, Once, PoisonError},
};

/// With what the panics of the library begin, or what lies in them, that are as its documents say.
const EXPECTED: &[&str] = &[
    "waited outside a fiber",
    "waited in",
    // By which alone tokio says that it is borrowed.
    "cannot enter a task-local scope",
    "waited while",
    "a fiber-local was used",
    "lives on",
    "is closed (`FiberHandle::close`)",
    // By a waker, on a pool worker, whose own runtime has none.
    "timers are disabled",
    "has no timers",
    // By tokio, of a timer in a fiber whose caller's runtime has ended.
    "it is being shutdown",
    "was started outside a tokio runtime",
    "is to run in place (`Placement::InPlace`)",
    "`spawn_local` called from outside",
    "was unwound too often",
    "no outcome",
    "was polled after it had ended",
    "resumed after",
    "must not be polled after",
];

/// What begins so is told.
pub(crate) const LOUD: &str = "the script fails";

static UNEXPECTED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Scripts panic without the hook, so that what comes here is of the library, or one of its dependencies.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let former = take_hook();
        set_hook(Box::new(move |info| {
            let payload = info.payload();
            let text = payload.downcast_ref::<String>().map(String::as_str);
            let text = text.or(payload.downcast_ref::<&str>().copied()).unwrap_or_default();
            if text.starts_with(LOUD) {
                former(info);
            } else if !EXPECTED.iter().any(|expected| text.contains(expected)) {
                unexpected().push(info.to_string());
            }
        }));
    });
}

fn unexpected() -> MutexGuard<'static, Vec<String>> {
    UNEXPECTED.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn take_unexpected() -> Vec<String> {
    std::mem::take(&mut *unexpected())
}
