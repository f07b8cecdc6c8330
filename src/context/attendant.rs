//! What a layer attaches to each of its calls: something around each stretch that the fiber runs.

use std::{fmt, sync::Arc};

use tokio::task::LocalKey;

use crate::{
    Hook,
    context::{carry::CarriedKey, hook::AnyHook},
    raw::Bar,
};

/// Keeps something for one fiber while that does not run.
pub(super) trait Attendant: Send {
    /// In the caller's task, when the call is first polled.
    fn begin(&mut self);

    /// Calls `run` once, with what it keeps in place.
    fn around(&mut self, run: &mut dyn FnMut());
}

/// Calls `run` with all attendants around it, the first outermost.
pub(super) fn attend(attendants: &mut [Box<dyn Attendant>], run: &mut dyn FnMut()) {
    match attendants {
        [] => run(),
        [first, rest @ ..] => first.around(&mut || attend(rest, run)),
    }
}

/// What a layer is told to carry, and its hooks.
#[derive(Clone, Default)]
pub(crate) struct Attendants {
    keys: Vec<Arc<dyn CarriedKey>>,
    hooks: Vec<Arc<dyn AnyHook>>,
}

impl Attendants {
    pub(crate) fn carry<T: Clone + Send + 'static>(&mut self, key: &'static LocalKey<T>) {
        self.keys.push(Arc::new(key));
    }

    pub(crate) fn hook<H: Hook>(&mut self, hook: H) {
        self.hooks.push(Arc::new(hook));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.hooks.is_empty()
    }

    /// What keeps code from suspending: a task-local that it borrows can be neither kept nor left to other tasks.
    pub(crate) fn bar(&self) -> Option<Bar> {
        let keys = self.keys.clone();
        (!keys.is_empty()).then(|| Bar::new(move || keys.iter().any(|key| key.is_borrowed())))
    }

    /// For one call. Hooks see the task-locals.
    pub(super) fn at_call(&self) -> Vec<Box<dyn Attendant>> {
        let keys = self.keys.iter().map(|key| Arc::clone(key).attend());
        keys.chain(self.hooks.iter().map(|hook| Arc::clone(hook).attend())).collect()
    }
}

impl fmt::Debug for Attendants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attendants").field("keys", &self.keys.len()).field("hooks", &self.hooks.len()).finish()
    }
}
