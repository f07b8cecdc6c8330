//! Systems on which the lint cannot find the thread-locals.

use std::{convert::Infallible, panic::Location};

use super::LintError;

/// Fails: the fiber lint works on Linux only.
///
/// # Errors
///
/// Always.
pub fn enable() -> Result<(), LintError> {
    Err(LintError::new("the fiber lint works on Linux only: enable it under `cfg(target_os = \"linux\")`"))
}

/// Always empty.
pub(crate) struct Snapshot(Infallible);

#[inline]
pub(crate) fn is_on() -> bool {
    false
}

#[inline]
pub(crate) fn look() -> Option<Snapshot> {
    None
}

impl Snapshot {
    pub(crate) fn compare(self, _service: &str, _wait: Option<&'static Location<'static>>) {
        match self.0 {}
    }
}
