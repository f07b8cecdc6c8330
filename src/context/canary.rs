//! In debug builds, checks that a fiber leaves its thread as it found it.

use std::{
    collections::HashSet,
    panic::Location,
    sync::{Arc, Mutex},
};

use tokio::{
    runtime::{self, Handle},
    task,
};

use super::{carry::CarriedKey, spans};
use crate::util::lock::lock;

/// The keys that any layer carries.
static CARRIED: Mutex<Vec<Arc<dyn CarriedKey>>> = Mutex::new(Vec::new());

/// Looks after this key from now on, in all fibers: those of other layers must not leave it set either.
pub(super) fn look_after(key: &Arc<dyn CarriedKey>) {
    let mut carried = lock(&CARRIED);
    if carried.iter().all(|known| known.id() != key.id()) {
        carried.push(Arc::clone(key));
    }
}

/// What the task had before it resumed the fiber.
#[derive(PartialEq, Eq)]
pub(super) struct Canary {
    runtime: Option<runtime::Id>,
    task: Option<task::Id>,
    span: spans::CurrentId,
    /// The number of carried keys so far, and those of them that have a value.
    carried: (usize, Vec<usize>),
}

impl Canary {
    pub(super) fn new() -> Self {
        Self {
            runtime: Handle::try_current().ok().map(|runtime| runtime.id()),
            task: task::try_id(),
            span: spans::current_id(),
            carried: carried(None),
        }
    }

    /// Reports what the code of `service` has left behind, once for each wait.
    pub(super) fn compare(&self, service: &str, waits_at: Option<&'static Location<'static>>) {
        let (known, set) = &self.carried;
        let now = Self { carried: carried(Some(*known)), ..Self::new() };
        if now == *self || !is_news(waits_at) {
            return;
        }
        let place = waits_at.map_or_else(|| "before its first wait".to_owned(), |place| format!("at {place}"));
        if let Some(key) = now.carried.1.iter().find(|key| !set.contains(key)) {
            let of = lock(&CARRIED)[*key].type_name();
            let text = format!(
                "a fiber left its thread {place} with a value in a task-local of `{of}`, which other tasks read now: set no \
                 task-local by `sync_scope` around a wait, or let the layer of this fiber carry it too [TF34]"
            );
            return report(service, &text);
        }
        let (changed, guard) = if now.runtime != self.runtime {
            ("runtime", "guard of `Handle::enter`")
        } else if now.task != self.task {
            ("task", "what sets it")
        } else {
            ("span", "guard of `subscriber::set_default`")
        };
        report(
            service,
            &format!(
                "a fiber left its thread {place} with another current {changed} than it had found, which other tasks see now: hold no \
                 {guard} over a wait [TF34]"
            ),
        );
    }
}

/// Which of the carried keys have a value: of the first so many, or of all.
fn carried(known: Option<usize>) -> (usize, Vec<usize>) {
    let keys = lock(&CARRIED).clone();
    let known = known.unwrap_or(keys.len());
    (known, (0..known).filter(|key| keys[*key].is_set()).collect())
}

fn is_news(waits_at: Option<&'static Location<'static>>) -> bool {
    static SAID: Mutex<Option<HashSet<Option<&'static Location<'static>>>>> = Mutex::new(None);
    lock(&SAID).get_or_insert_default().insert(waits_at)
}

fn report(service: &str, text: &str) {
    #[cfg(feature = "tracing")]
    tracing::warn!(service, "{text}");
    #[cfg(not(feature = "tracing"))]
    eprintln!("fiber of service `{service}`: {text}");
}
