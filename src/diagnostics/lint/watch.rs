//! Compares the thread-locals before and after a fiber has run.

use std::{
    cell::RefCell,
    collections::HashMap,
    panic::Location,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{
    LintError,
    executable::{self, ThreadLocal},
    findings::{Finding, report},
};
use crate::raw::Block;

/// Set when the lint is on.
static LINT: OnceLock<Lint> = OnceLock::new();

thread_local! {
    /// The thread-locals that have changed once on this thread, by number, and over which wait.
    static FIRST: RefCell<HashMap<usize, First>> = RefCell::default();
}

struct Lint {
    block: Block,
    /// The initial contents of the block.
    image: Box<[u8]>,
    watched: Vec<Watched>,
}

struct Watched {
    key: ThreadLocal,
    is_reported: AtomicBool,
}

/// A change that may have filled a cache.
struct First {
    service: String,
    wait: &'static Location<'static>,
}

/// Turns the lint on for each fiber of this process from now on.
///
/// It reads the symbols of the executable once. Further calls do nothing.
///
/// # Errors
///
/// On systems other than Linux. If the executable cannot be read, has no symbols, or does not contain this crate
/// because a dynamic library does.
///
/// # Examples
///
/// ```
/// if let Err(error) = tower_fiber::lint::enable() {
///     eprintln!("goes on without the fiber lint: {error}");
/// }
/// ```
pub fn enable() -> Result<(), LintError> {
    if LINT.get().is_some() {
        return Ok(());
    }
    let (block, image) = Block::find().ok_or_else(|| {
        LintError::new(
            "this crate is not in the executable: link tower-fiber into it, not into a dynamic library that it loads",
        )
    })?;
    let keys = executable::thread_locals(block)?.into_iter();
    let watched = keys.map(|key| Watched { key, is_reported: AtomicBool::new(false) }).collect();
    // Another thread may have set the same value.
    _ = LINT.set(Lint { block, image, watched });
    Ok(())
}

/// The thread-locals at the time when a fiber is resumed.
pub(crate) struct Snapshot {
    lint: &'static Lint,
    /// The bytes of all watched thread-locals, in order.
    before: Vec<u8>,
}

#[inline]
pub(crate) fn is_on() -> bool {
    LINT.get().is_some()
}

/// Records this thread's thread-locals if the lint is on.
#[inline]
pub(crate) fn look() -> Option<Snapshot> {
    LINT.get().map(Snapshot::take)
}

impl Snapshot {
    #[cold]
    fn take(lint: &'static Lint) -> Self {
        let len = lint.watched.iter().map(|watched| watched.key.range.len()).sum();
        // Allocate first: an allocator has thread-locals too, and the fiber finds them as they are afterwards.
        let mut before = Vec::with_capacity(len);
        for Watched { key, .. } in &lint.watched {
            before.extend(lint.block.bytes(key.range.clone()));
        }
        Self { lint, before }
    }

    /// Reports what has changed while a fiber of `service` ran, until its `wait` or its end.
    pub(crate) fn compare(self, service: &str, wait: Option<&'static Location<'static>>) {
        let Self { lint, before } = self;
        let mut rest = &*before;
        for (number, Watched { key, is_reported }) in lint.watched.iter().enumerate() {
            let (before, others) = rest.split_at(key.range.len());
            rest = others;
            if is_reported.load(Ordering::Relaxed) || lint.block.bytes(key.range.clone()).eq(before.iter().copied()) {
                continue;
            }
            let Some(First { service, wait }) = lint.judge(number, before, service, wait) else { continue };
            if !is_reported.swap(true, Ordering::Relaxed) {
                report(Finding { service, thread_local: key.path.clone(), wait });
            }
        }
    }
}

impl Lint {
    /// Returns the service and the wait to blame for the change of that thread-local, or `None` if there is none yet.
    fn judge(
        &self,
        number: usize,
        before: &[u8],
        service: &str,
        wait: Option<&'static Location<'static>>,
    ) -> Option<First> {
        let key = &self.watched[number].key;
        let image = &self.image[key.range.clone()];
        let here = wait.map(|wait| First { service: service.to_owned(), wait });
        if before == image && !key.is_scope {
            // It may have filled a cache. The next change tells.
            note_first(number, here?);
            return None;
        }
        let first = take_first(number);
        let now = self.block.bytes(key.range.clone());
        let is_left = distance(now, image) < distance(before.iter().copied(), image);
        // A change that goes back towards the former value, or comes after the last wait, was held over the first wait.
        if is_left || here.is_none() { first.or(here) } else { here }
    }
}

/// Counts the bytes in which the two differ.
fn distance(bytes: impl Iterator<Item = u8>, image: &[u8]) -> usize {
    bytes.zip(image).filter(|(byte, at_first)| byte != *at_first).count()
}

fn note_first(number: usize, first: First) {
    // A thread that is ending runs no more fibers.
    _ = FIRST.try_with(|all| all.borrow_mut().insert(number, first));
}

fn take_first(number: usize) -> Option<First> {
    FIRST.try_with(|all| all.borrow_mut().remove(&number)).ok()?
}
