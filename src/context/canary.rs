//! In debug builds, checks that a fiber leaves its thread as it found it.

use std::{collections::HashSet, panic::Location, sync::Mutex};

use tokio::{
    runtime::{self, Handle},
    task,
};

use super::spans;
use crate::util::lock::lock;

/// What the task had before it resumed the fiber.
#[derive(PartialEq, Eq)]
pub(super) struct Canary {
    runtime: Option<runtime::Id>,
    task: Option<task::Id>,
    span: spans::CurrentId,
}

impl Canary {
    pub(super) fn new() -> Self {
        Self {
            runtime: Handle::try_current().ok().map(|runtime| runtime.id()),
            task: task::try_id(),
            span: spans::current_id(),
        }
    }

    /// Reports what the code of `service` has left behind, once for each wait.
    pub(super) fn compare(&self, service: &str, waits_at: Option<&'static Location<'static>>) {
        let now = Self::new();
        if now == *self || !is_news(waits_at) {
            return;
        }
        let (changed, guard) = if now.runtime != self.runtime {
            ("runtime", "guard of `Handle::enter`")
        } else if now.task != self.task {
            ("task", "what sets it")
        } else {
            ("span", "guard of `subscriber::set_default`")
        };
        let place = waits_at.map_or_else(|| "before its first wait".to_owned(), |place| format!("at {place}"));
        report(
            service,
            &format!(
                "a fiber left its thread {place} with another current {changed} than it had found, which other tasks see now: hold no \
                 {guard} over a wait"
            ),
        );
    }
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
