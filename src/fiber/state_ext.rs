//! Queries by code on a fiber about that fiber, its layer, and the fibers around and inside it.

use std::{rc::Rc, sync::Arc};

use tokio::sync::watch;

use super::{Locals, Shared, id::FiberId};

pub(crate) trait StateExt {
    /// Calls `f` with the layer's data and the fiber's label. Waits are refused meanwhile.
    fn with_shared<R>(&self, f: impl FnOnce(&Shared, &'static str) -> R) -> R;

    fn id(&self) -> FiberId;

    fn shared_arc(&self) -> Arc<Shared>;

    /// Asks the layer's data of this fiber and of the fibers around it, from the innermost on. Waits are refused
    /// meanwhile.
    fn find_shared<R>(&self, ask: impl FnMut(&Arc<Shared>) -> Option<R>) -> Option<R>;

    /// Whether this fiber or one around it belongs to the layer with these data.
    fn is_within(&self, shared: &Shared) -> bool;

    /// How many fibers wait directly inside this one; they must learn of a cancel before this fiber acts on it.
    fn nested_waiting(&self) -> usize;

    /// Whether a fiber inside this one, at any depth, has put off the cancel.
    fn has_nested_shield(&self) -> bool;

    /// Whether something inside this fiber goes on to its end when it is dropped.
    #[cfg(feature = "axum")]
    fn has_nested_finishing(&self) -> bool;

    /// The fiber-locals of its code.
    fn locals(&self) -> Rc<Locals>;

    /// Receives `true` when the caller has gone; closes when the fiber ends.
    fn watch_caller(&self) -> watch::Receiver<bool>;
}
