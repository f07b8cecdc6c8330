//! What a fiber is called, how it takes a cancel, and where it is counted.

use std::sync::atomic::{AtomicU64, Ordering};

use super::calls::Calls;

/// What all fibers of one layer share.
#[derive(Debug)]
pub(crate) struct Meta {
    /// The layer's name; without one, messages use the type name of what runs.
    pub(crate) name: Option<Box<str>>,
    /// Usable bytes of each stack.
    pub(crate) stack_size: usize,
    pub(crate) conduct: Conduct,
    pub(crate) counts: Counts,
    pub(crate) calls: Calls,
}

/// What a cancel does to these fibers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conduct {
    /// Infallible waits unwind. Otherwise they go on, and only the fallible ones fail.
    pub(crate) unwinds: bool,
    /// A cancel of the fiber around it cancels a fiber too.
    pub(crate) follows: bool,
}

impl Meta {
    pub(crate) fn new(name: Option<&str>, stack_size: usize, conduct: Conduct) -> Self {
        Self { name: name.map(Into::into), stack_size, conduct, counts: Counts::default(), calls: Calls::default() }
    }

    /// The layer's name, or `label`, the type name of the service or function.
    pub(crate) fn name_or<'a>(&'a self, label: &'a str) -> &'a str {
        self.name.as_deref().unwrap_or(label)
    }
}

/// Monotonic or balanced counters; the public snapshot is `Counters`.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) live: Count,
    pub(crate) stacks_in_use: Count,
    pub(crate) leaked: Count,
    pub(crate) cancelled: Count,
    pub(crate) handed_over: Count,
    pub(crate) refused_waits: Count,
}

/// One counter. Whoever sees it fall sees what was counted before.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    #[inline]
    pub(crate) fn up(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn down(&self) {
        self.0.fetch_sub(1, Ordering::Release);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}
