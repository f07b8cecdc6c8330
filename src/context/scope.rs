//! A scope that is entered around each resume of one fiber.

use crate::util::drop_quietly::FirstPanic;

/// Keeps something for one fiber while the fiber does not run.
pub(super) trait Scope: Send {
    /// Called in the caller's task when the call is first polled.
    fn begin(&mut self);

    /// Installs the value, calls `run` once and removes it. If installing panics, `run` is not called. Neither this nor
    /// `run` unwinds.
    fn around(&mut self, panics: &mut FirstPanic, run: &mut dyn FnMut(&mut FirstPanic));
}

/// Calls `run` inside all scopes, of which the first is the outermost.
pub(super) fn enter(scopes: &mut [Box<dyn Scope>], panics: &mut FirstPanic, run: &mut dyn FnMut(&mut FirstPanic)) {
    match scopes {
        [] => run(panics),
        [first, rest @ ..] => first.around(panics, &mut |panics| enter(rest, panics, run)),
    }
}
