//! OpenTelemetry's current context, as `opentelemetry` 0.31 keeps it, by a [`Hook`]: the caller's context follows each
//! call of the layer, the fibers that the call makes (`join`, `race`), and what it offloads.
//!
//! ```
//! use hooks::opentelemetry::OpenTelemetry;
//! use opentelemetry::{Context, context::FutureExt as _};
//! use tower_fiber::{FiberLayer, WaitExt as _};
//!
//! #[derive(PartialEq, Debug)]
//! struct Tenant(&'static str);
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let layer = FiberLayer::new().hook(OpenTelemetry);
//! let call = layer.run(|| {
//!     tokio::task::yield_now().wait(); // other calls run here, in contexts of their own
//!     Context::current().get::<Tenant>().map(|tenant| tenant.0)
//! });
//! assert_eq!(call.with_context(Context::new().with_value(Tenant("ada"))).await, Some("ada"));
//! # }
//! ```
//!
//! # Guards over waits
//!
//! Hold no `ContextGuard` over a wait. `opentelemetry` keeps the guards of a thread on one stack, from which a hook can
//! take its own only. From the first wait until the guard is dropped, tasks of the thread that are not calls of the
//! layer see its context, and the call itself sees that of its caller again. Other calls of the layer see theirs. When
//! the guard has been dropped, all is as it was.
//!
//! There are three ways to wait in a context of one's own:
//!
//! * A future has one by `future.with_context(cx).wait()`, which attaches it only while the future is polled.
//! * A section of synchronous code has one as a call: `layer.run(section).with_context(cx).wait()`.
//! * Spans of the crate `tracing` are kept apart by `tower-fiber` itself, guards included.

use std::cell::RefCell;

use opentelemetry::{Context, ContextGuard};
use tower_fiber::Hook;

thread_local! {
    /// Of the fibers that run on this thread, one inside the other. A guard cannot be kept with the fiber, since it is
    /// not `Send`.
    static GUARDS: RefCell<Vec<ContextGuard>> = const { RefCell::new(Vec::new()) };
}

/// Lets the current context of OpenTelemetry follow each call.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenTelemetry;

impl Hook for OpenTelemetry {
    type State = Context;

    fn on_call(&self) -> Context {
        Context::current()
    }

    fn on_resume(&self, context: &mut Context) {
        let guard = context.clone().attach();
        GUARDS.with_borrow_mut(|guards| guards.push(guard));
    }

    fn on_suspend(&self, _: &mut Context) {
        let guard = GUARDS.with_borrow_mut(Vec::pop);
        // Outside of the borrow: contexts have values of others.
        drop(guard);
    }
}
