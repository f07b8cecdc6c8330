//! What a layer puts around each stretch that the fibers of its calls run.

use std::{any::Any, fmt, sync::Arc};

use tokio::task::LocalKey;

#[cfg(feature = "metrics")]
use crate::diagnostics::metrics::meter_of;
use crate::{
    context::{Hook, carry::CarriedKey, hook::AnyHook, scope::Scope},
    fiber::{Bar, Meter, StateExt as _},
    raw::State,
};

/// The task-locals that a layer carries, and its hooks.
#[derive(Clone, Default)]
pub(crate) struct Scopes {
    /// Whether the scopes are for fibers that the layer's fibers make.
    are_of_children: bool,
    keys: Vec<Arc<dyn CarriedKey>>,
    hooks: Vec<Arc<dyn AnyHook>>,
    meter: Option<Arc<Meter>>,
}

impl Scopes {
    pub(crate) fn carry<T: Clone + Send + 'static>(&mut self, key: &'static LocalKey<T>) {
        let key: Arc<dyn CarriedKey> = Arc::new(key);
        #[cfg(debug_assertions)]
        super::canary::look_after(&key);
        self.keys.push(key);
    }

    pub(crate) fn hook<H: Hook>(&mut self, hook: H) {
        self.hooks.push(Arc::new(hook));
    }

    /// Adds the metrics of a layer with this name.
    #[cfg(feature = "metrics")]
    pub(crate) fn measured(self, name: Option<&str>) -> Self {
        Self { meter: Some(meter_of(name)), ..self }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.hooks.is_empty() && self.meter.is_none()
    }

    /// What is counted for metrics.
    pub(crate) fn meter(&self) -> Option<Arc<Meter>> {
        self.meter.clone()
    }

    /// Whether calls are timed for metrics.
    pub(super) fn is_measured(&self) -> bool {
        self.meter.is_some()
    }

    /// The scopes of fibers that the layer's own fibers make. The metrics of calls leave those out.
    fn for_children(&self) -> Option<Arc<Self>> {
        let Self { keys, hooks, .. } = self;
        let is_empty = keys.is_empty() && hooks.is_empty();
        let children = Self { are_of_children: true, keys: keys.clone(), hooks: hooks.clone(), meter: None };
        (!is_empty).then(|| Arc::new(children))
    }

    /// What the layer's fibers pass to the fibers they start.
    pub(crate) fn inherited(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        self.for_children().map(|children| children as _)
    }

    /// The scopes of the fibers that code on this fiber makes: those that its layer hands on, and the layers around it.
    pub(crate) fn around(state: &State) -> Option<Arc<Self>> {
        let mut found: Option<Arc<Self>> = None;
        state.find_shared(|shared| {
            let scopes = shared.inherited.scopes.as_ref()?;
            let scopes = Arc::clone(scopes).downcast::<Self>().expect("inherited scopes are of this type");
            found = Some(match found.take() {
                Some(inner) => Self::inside(scopes, inner),
                None => scopes,
            });
            None::<()>
        });
        found
    }

    /// Both, where `inner` is of a fiber inside that of `outer`.
    fn inside(outer: Arc<Self>, inner: Arc<Self>) -> Arc<Self> {
        if Arc::ptr_eq(&outer, &inner) {
            return outer;
        }
        let mut both = Self::clone(&outer);
        both.keys
            .extend(inner.keys.iter().filter(|key| outer.keys.iter().all(|known| known.id() != key.id())).cloned());
        let is_new = |hook: &&Arc<dyn AnyHook>| outer.hooks.iter().all(|known| !Arc::ptr_eq(known, hook));
        both.hooks.extend(inner.hooks.iter().filter(is_new).cloned());
        Arc::new(both)
    }

    /// For a fiber that carries nothing, and begins with the span in which it is made.
    #[cfg(feature = "stream")]
    pub(crate) fn span_alone() -> Arc<Self> {
        Arc::new(Self { are_of_children: true, ..Self::default() })
    }

    pub(super) fn are_of_children(&self) -> bool {
        self.are_of_children
    }

    /// Keeps code from suspending: a task-local that the code borrows, or sets where its caller had none, can be
    /// neither kept for the fiber nor left to other tasks.
    pub(crate) fn bar(&self) -> Option<Bar> {
        let keys = self.keys.clone();
        (!keys.is_empty()).then(|| Bar::new(move || keys.iter().any(|key| key.is_stuck())))
    }

    /// The scopes of a fiber that is made here and begins with what is here now. Hooks see the task-locals of this
    /// place.
    pub(super) fn of_child(&self) -> Vec<Box<dyn Scope>> {
        let keys = self.keys.iter().map(|key| Arc::clone(key).new_scope());
        keys.chain(self.hooks.iter().map(|hook| Arc::clone(hook).new_scope_now())).collect()
    }

    /// The scopes of one call. Hooks see the task-locals.
    #[inline]
    pub(super) fn at_call(&self) -> Vec<Box<dyn Scope>> {
        if self.keys.is_empty() && self.hooks.is_empty() { Vec::new() } else { self.scopes_of_call() }
    }

    fn scopes_of_call(&self) -> Vec<Box<dyn Scope>> {
        let keys = self.keys.iter().map(|key| Arc::clone(key).new_scope());
        let hooks = self.hooks.iter().map(|hook| Arc::clone(hook).new_scope());
        keys.chain(hooks).collect()
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [keys, hooks] = [self.keys.len(), self.hooks.len()];
        f.debug_struct("Scopes").field("keys", &keys).field("hooks", &hooks).finish_non_exhaustive()
    }
}
