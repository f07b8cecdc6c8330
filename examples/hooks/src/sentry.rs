//! sentry's hub, as `sentry-core` 0.49 keeps it, by a [`Hook`]: each call has a hub of its own, and so do the fibers
//! that it makes (`join`, `race`, streams) and what it offloads. The crate `sentry` exports the same types.
//!
//! ```
//! use hooks::sentry::Sentry;
//! use sentry_core::{capture_message, configure_scope, test::with_captured_events, Level};
//! use tower_fiber::{FiberLayer, WaitExt as _};
//!
//! let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! let layer = FiberLayer::new().hook(Sentry);
//! let call = |user: &'static str| {
//!     layer.run(move || {
//!         configure_scope(|scope| scope.set_tag("user", user));
//!         tokio::task::yield_now().wait(); // other calls run here, with tags of their own
//!         capture_message("out of stock", Level::Warning);
//!     })
//! };
//! let events = with_captured_events(|| _ = runtime.block_on(async { tokio::join!(call("ada"), call("grace")) }));
//! let mut users: Vec<_> = events.iter().map(|event| event.tags["user"].as_str()).collect();
//! users.sort_unstable();
//! assert_eq!(users, ["ada", "grace"]);
//! ```
//!
//! # What is kept apart
//!
//! A call begins with the topmost scope of the hub that is current where it is first polled, as a thread begins with
//! that of the main thread. With `sentry-tower`'s `NewSentryLayer` outside the [`FiberLayer`](tower_fiber::FiberLayer),
//! that is the request's. Tags, users and breadcrumbs that the call adds stay its own: a layer outside does not see
//! them.
//!
//! Guards may be held over waits, those of `Hub::push_scope` and `HubSwitchGuard`s as well as `with_scope` and
//! `Hub::run` around a wait: a fiber takes them along, and no other call sees them.

use std::{
    cell::RefCell,
    sync::{Arc, LazyLock},
};

use sentry_core::{Hub, HubSwitchGuard};
use tower_fiber::Hook;

thread_local! {
    /// What the fibers that run on this thread have taken the place of, one inside the other. A guard cannot be kept
    /// with the fiber, since it is not `Send`.
    static GUARDS: RefCell<Vec<[HubSwitchGuard; 2]>> = const { RefCell::new(Vec::new()) };
}

/// Between the thread's hub and the fiber's. A guard that finds its own hub there already restores none.
static BETWEEN: LazyLock<Arc<Hub>> = LazyLock::new(|| Arc::new(Hub::new(None, Arc::default())));

/// Gives each call a hub of its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sentry;

impl Hook for Sentry {
    /// The fiber's current hub, while it does not run.
    type State = Arc<Hub>;

    fn on_call(&self) -> Arc<Hub> {
        Arc::new(Hub::new_from_top(Hub::current()))
    }

    fn on_resume(&self, hub: &mut Arc<Hub>) {
        let guards = [HubSwitchGuard::new(Arc::clone(&BETWEEN)), HubSwitchGuard::new(Arc::clone(hub))];
        GUARDS.with_borrow_mut(|all| all.push(guards));
    }

    fn on_suspend(&self, hub: &mut Arc<Hub>) {
        // Code that waits in `Hub::run` has another one than before.
        *hub = Hub::current();
        if let Some([between, fiber]) = GUARDS.with_borrow_mut(Vec::pop) {
            drop(fiber);
            drop(between);
        }
    }
}
