//! Sections in which this thread's libc calls block as they do without the feature `interpose`.

#[cfg(feature = "interpose")]
use std::cell::Cell;

#[cfg(feature = "interpose")]
thread_local! {
    static HELD: Cell<bool> = const { Cell::new(false) };
}

/// While this lives no libc call suspends the fiber, because the code holds something internal to the crate.
#[cfg(feature = "interpose")]
pub(crate) struct Held(bool);

#[cfg(feature = "interpose")]
impl Held {
    #[inline]
    pub(crate) fn new() -> Self {
        Self(HELD.try_with(|held| held.replace(true)).unwrap_or(true))
    }

    /// Whether the code is in such a section.
    #[cfg_attr(
        not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))),
        allow(dead_code, reason = "nothing is interposed here")
    )]
    #[inline]
    pub(crate) fn is_there() -> bool {
        HELD.try_with(Cell::get).unwrap_or(true)
    }
}

#[cfg(feature = "interpose")]
impl Drop for Held {
    #[inline]
    fn drop(&mut self) {
        _ = HELD.try_with(|held| held.set(self.0));
    }
}

/// Nothing suspends there.
#[cfg(not(feature = "interpose"))]
pub(crate) struct Held;

#[cfg(not(feature = "interpose"))]
impl Held {
    #[inline]
    pub(crate) fn new() -> Self {
        Self
    }
}
