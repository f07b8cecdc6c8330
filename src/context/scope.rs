//! What is around each stretch that one fiber runs.

use crate::util::drop_quietly::FirstPanic;

/// Keeps something for one fiber while that does not run.
pub(super) trait Scope: Send {
    /// In the caller's task, when the call is first polled.
    fn begin(&mut self);

    /// Calls `run` once, with what it keeps in place, unless that panics before. It does not unwind, and neither does
    /// `run`.
    fn around(&mut self, panics: &mut FirstPanic, run: &mut dyn FnMut(&mut FirstPanic));

    /// When the fiber has ended.
    fn end(&mut self) {}
}

/// Calls `run` with all scopes around it, the first outermost.
pub(super) fn attend(scopes: &mut [Box<dyn Scope>], panics: &mut FirstPanic, run: &mut dyn FnMut(&mut FirstPanic)) {
    match scopes {
        [] => run(panics),
        [first, rest @ ..] => first.around(panics, &mut |panics| attend(rest, panics, run)),
    }
}
