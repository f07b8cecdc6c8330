//! What a layer attaches to each of its calls: something around each stretch that the fiber runs.

use std::{fmt, sync::Arc, time::Duration};

use tokio::task::LocalKey;

use crate::{
    Hook,
    context::{carry::CarriedKey, hook::AnyHook, never_waits::RequireAwait},
    raw::{Bar, Listener, Meta},
};
#[cfg(feature = "metrics")]
use crate::{context::measured, metrics::Metrics};

/// Keeps something for one fiber while that does not run.
pub(super) trait Attendant: Send {
    /// In the caller's task, when the call is first polled.
    fn begin(&mut self);

    /// Calls `run` once, with what it keeps in place.
    fn around(&mut self, run: &mut dyn FnMut());

    /// When the fiber has ended.
    fn end(&mut self) {}
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
    require_await: Option<Arc<RequireAwait>>,
    #[cfg(feature = "metrics")]
    metrics: Option<Arc<Metrics>>,
}

impl Attendants {
    pub(crate) fn carry<T: Clone + Send + 'static>(&mut self, key: &'static LocalKey<T>) {
        self.keys.push(Arc::new(key));
    }

    pub(crate) fn hook<H: Hook>(&mut self, hook: H) {
        self.hooks.push(Arc::new(hook));
    }

    pub(crate) fn require_await(&mut self, limit: Option<Duration>) {
        self.require_await = limit.map(|limit| Arc::new(RequireAwait::new(limit)));
    }

    /// For a layer of this name.
    #[cfg(feature = "metrics")]
    pub(crate) fn measure(&mut self, name: Option<&str>) {
        self.metrics = Some(Arc::new(Metrics::new(name)));
    }

    pub(crate) fn is_empty(&self) -> bool {
        #[cfg(feature = "metrics")]
        if self.metrics.is_some() {
            return false;
        }
        self.keys.is_empty() && self.hooks.is_empty() && self.require_await.is_none()
    }

    /// Who is to hear of all that is counted.
    pub(crate) fn listener(&self) -> Option<Arc<dyn Listener>> {
        #[cfg(feature = "metrics")]
        return self.metrics.clone().map(|metrics| metrics as _);
        #[cfg(not(feature = "metrics"))]
        return None;
    }

    /// What keeps code from suspending: a task-local that it borrows can be neither kept nor left to other tasks.
    pub(crate) fn bar(&self) -> Option<Bar> {
        let keys = self.keys.clone();
        (!keys.is_empty()).then(|| Bar::new(move || keys.iter().any(|key| key.is_borrowed())))
    }

    /// For one call. Hooks see the task-locals, and are not measured.
    pub(super) fn at_call(&self, meta: &Arc<Meta>, label: &'static str) -> Vec<Box<dyn Attendant>> {
        let keys = self.keys.iter().map(|key| Arc::clone(key).attend());
        let hooks = self.hooks.iter().map(|hook| Arc::clone(hook).attend());
        let rule = self.require_await.iter().map(|rule| Arc::clone(rule).attend(meta, label));
        let attendants = keys.chain(hooks).chain(rule);
        #[cfg(feature = "metrics")]
        let attendants = attendants.chain(self.metrics.iter().map(|metrics| measured::attend(metrics.of_calls())));
        attendants.collect()
    }
}

impl fmt::Debug for Attendants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { keys, hooks, require_await, .. } = self;
        let [keys, hooks] = [keys.len(), hooks.len()];
        f.debug_struct("Attendants")
            .field("keys", &keys)
            .field("hooks", &hooks)
            .field("require_await", require_await)
            .finish_non_exhaustive()
    }
}
