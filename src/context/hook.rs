//! Hooks: any other kind of context that follows a call into its fiber.

use std::{panic::resume_unwind, sync::Arc};

use super::scope::Scope;
use crate::{
    raw::{foreign, let_go},
    util::drop_quietly::FirstPanic,
};

/// Keeps the context of a fiber apart from that of its thread, for context that
/// [`carry`](crate::FiberLayerBuilder::carry) and spans do not cover: the current context of OpenTelemetry, a logger's
/// diagnostic context, or anything else in a thread-local.
///
/// [`on_resume`](Self::on_resume) and [`on_suspend`](Self::on_suspend) are called alternately, on the fiber's home
/// thread, around each stretch that the fiber runs, even if it panics, is cancelled or is unwound. They cannot wait.
///
/// Hooks run in the order in which they were added to the layer, and in reverse order on suspend. The fiber's spans and
/// carried task-locals are in place meanwhile.
///
/// A hook sees only what the context's own interface shows. Where that keeps guards on a stack of the thread and gives
/// no access to them, as `opentelemetry` does, no hook can keep apart a guard that code holds over a wait: other tasks
/// of the thread see its context until it is dropped. The [isolation chapter](crate::docs::isolation#hooks) says what
/// to do instead; `examples/hooks` has hooks for OpenTelemetry and sentry.
///
/// # Children, and other threads
///
/// The fibers of [`join`](crate::join), [`join_all`](crate::join_all) and [`race`](crate::race) have the hooks of the
/// layer as well, and so have streams, bodies and websockets that a fiber makes. [`on_call`](Self::on_call) is called
/// in the parent when it makes them. The other two are called around each stretch of the child, whether the parent
/// polls it, the server does, or it has been left to the background.
///
/// A closure that a fiber gives to [`offload`](crate::offload) has them too: `on_call` is called in the fiber, and
/// `on_resume` and `on_suspend` once each on the other thread, before and after the closure. Waits in the closure block
/// that thread, and no hook is called around them.
///
/// # Panics
///
/// Hooks should not panic. The first panic goes to the caller, as a panic of the service would, and all other hooks are
/// still called. If `on_resume` panics, the fiber does not run in that poll, and `on_suspend` of the same hook is not
/// called. A panic in the destructor of a `State` is dropped.
///
/// # Examples
///
/// A context like OpenTelemetry's, which library code reads from a thread-local:
///
/// ```
/// use std::cell::RefCell;
/// use tokio::task::yield_now;
/// use tower_fiber::{FiberLayer, Hook, WaitExt as _};
///
/// thread_local!(static CURRENT: RefCell<Option<String>> = const { RefCell::new(None) });
///
/// struct Tracing;
///
/// impl Hook for Tracing {
///     /// The fiber's context while the thread has its own, and the other way round.
///     type State = Option<String>;
///
///     fn on_call(&self) -> Option<String> {
///         CURRENT.with_borrow(Clone::clone)
///     }
///
///     fn on_resume(&self, state: &mut Option<String>) {
///         CURRENT.with_borrow_mut(|current| std::mem::swap(current, state));
///     }
///
///     fn on_suspend(&self, state: &mut Option<String>) {
///         CURRENT.with_borrow_mut(|current| std::mem::swap(current, state));
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let layer = FiberLayer::new().hook(Tracing);
/// CURRENT.set(Some("trace 1".to_owned()));
/// let call = layer.run(|| {
///     yield_now().wait(); // other tasks run here, and set their own
///     CURRENT.take()
/// });
/// let (seen, ()) = tokio::join!(call, async { CURRENT.set(Some("trace 2".to_owned())) });
/// assert_eq!(seen.as_deref(), Some("trace 1"));
/// assert_eq!(CURRENT.take().as_deref(), Some("trace 2"));
/// # }
/// ```
pub trait Hook: Send + Sync + 'static {
    /// What the hook keeps for each fiber.
    type State: Send + 'static;

    /// Returns what the fiber begins with. Called in the caller's task when a call is first polled, and in the parent
    /// when it makes a child.
    fn on_call(&self) -> Self::State;

    /// Called before the fiber begins or goes on.
    fn on_resume(&self, state: &mut Self::State);

    /// Called after the fiber has suspended or ended.
    fn on_suspend(&self, state: &mut Self::State);
}

/// A hook with any state.
pub(super) trait AnyHook: Send + Sync {
    /// Makes the scope of a call, which begins later.
    fn new_scope(self: Arc<Self>) -> Box<dyn Scope>;

    /// Makes the scope of a fiber that begins with what is here now.
    fn new_scope_now(self: Arc<Self>) -> Box<dyn Scope>;
}

impl<H: Hook> AnyHook for H {
    fn new_scope(self: Arc<Self>) -> Box<dyn Scope> {
        Box::new(Attached { hook: self, state: None })
    }

    fn new_scope_now(self: Arc<Self>) -> Box<dyn Scope> {
        let mut attached = Attached { hook: self, state: None };
        attached.begin();
        Box::new(attached)
    }
}

/// A hook, and what it keeps for one fiber.
struct Attached<H: Hook> {
    hook: Arc<H>,
    /// Set once it is known what the fiber begins with.
    state: Option<H::State>,
}

impl<H: Hook> Scope for Attached<H> {
    fn begin(&mut self) {
        let state = foreign(|| self.hook.on_call()).unwrap_or_else(|payload| resume_unwind(payload));
        // A state exists if an earlier poll has panicked.
        let_go(self.state.replace(state));
    }

    fn around(&mut self, panics: &mut FirstPanic, run: &mut dyn FnMut(&mut FirstPanic)) {
        let Some(state) = &mut self.state else { return run(panics) };
        if let Err(payload) = foreign(|| self.hook.on_resume(state)) {
            // The fiber does not run, because it would lack its context.
            return panics.keep(payload);
        }
        run(panics);
        if let Err(payload) = foreign(|| self.hook.on_suspend(state)) {
            panics.keep(payload);
        }
    }
}

impl<H: Hook> Drop for Attached<H> {
    fn drop(&mut self) {
        let_go(self.state.take());
    }
}
