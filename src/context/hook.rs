//! Hooks: context of any other kind that follows a call into its fiber.

use std::sync::Arc;

use super::attendant::Attendant;

/// Keeps a thread's own context and a fiber's apart, for what [`carry`](crate::FiberLayerBuilder::carry) and spans do not cover: the
/// current context of OpenTelemetry, a logger's diagnostic context, anything that lives in a thread-local.
///
/// [`on_resume`](Self::on_resume) and [`on_suspend`](Self::on_suspend) are called in turn, on the fiber's home thread, around each stretch
/// that the fiber runs: also if it panics, is cancelled, or unwound. Neither runs on the fiber: they cannot wait. They should not
/// panic; a panic there goes to whoever polls the call, as one of the service would.
///
/// Hooks run in the order in which they were added to the layer, on suspend in reverse order, with the fiber's spans and carried
/// task-locals in place.
///
/// # Examples
///
/// A context in the way of OpenTelemetry, which library code reads from a thread-local:
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
/// let layer = FiberLayer::builder().hook(Tracing).build().unwrap();
/// CURRENT.set(Some("trace 1".to_owned()));
/// let call = layer.run(|| {
///     yield_now().wait(); // others run here, and set their own
///     CURRENT.take()
/// });
/// let (seen, ()) = tokio::join!(call, async { CURRENT.set(Some("trace 2".to_owned())) });
/// assert_eq!(seen.as_deref(), Some("trace 1"));
/// assert_eq!(CURRENT.take().as_deref(), Some("trace 2"));
/// # }
/// ```
pub trait Hook: Send + Sync + 'static {
    /// What is kept for each fiber.
    type State: Send + 'static;

    /// Called in the caller's task when a call is first polled: what the fiber begins with.
    fn on_call(&self) -> Self::State;

    /// Called before the fiber begins or goes on.
    fn on_resume(&self, state: &mut Self::State);

    /// Called after the fiber has suspended or ended.
    fn on_suspend(&self, state: &mut Self::State);
}

/// A hook with any state.
pub(super) trait AnyHook: Send + Sync {
    fn attend(self: Arc<Self>) -> Box<dyn Attendant>;
}

impl<H: Hook> AnyHook for H {
    fn attend(self: Arc<Self>) -> Box<dyn Attendant> {
        Box::new(Attached { hook: self, state: None })
    }
}

/// A hook, and what it keeps for one fiber.
struct Attached<H: Hook> {
    hook: Arc<H>,
    /// From the first poll on.
    state: Option<H::State>,
}

impl<H: Hook> Attendant for Attached<H> {
    fn begin(&mut self) {
        self.state = Some(self.hook.on_call());
    }

    fn around(&mut self, run: &mut dyn FnMut()) {
        struct Resumed<'a, H: Hook>(&'a H, &'a mut H::State);

        impl<H: Hook> Drop for Resumed<'_, H> {
            fn drop(&mut self) {
                self.0.on_suspend(self.1);
            }
        }

        let Some(state) = &mut self.state else { return run() };
        self.hook.on_resume(state);
        let _resumed = Resumed(&*self.hook, state);
        run();
    }
}
