//! [`shield`]: sections that are not cancelled.

use crate::raw::with_current;

/// Runs `f`. A cancel that arrives during `f` takes effect at the first wait after `f`.
///
/// A shield protects operations that must not be cut in half under [`OnDrop::Cancel`](crate::OnDrop::Cancel) and
/// [`OnDrop::Unwind`](crate::OnDrop::Unwind), such as a payment and its record. Of nested sections the outermost
/// counts. A cancel that arrived before `f` stays in effect. While a fiber waits in the section, a cancel of the fibers
/// around it is deferred too. Outside fibers `shield` just runs `f`.
///
/// A [`LocalFiber`](crate::LocalFiber) that is dropped inside a section first runs to the end of the section. If the
/// section then has to wait, the fiber is leaked and counted.
///
/// # Panics
///
/// Only if `f` panics.
///
/// # Examples
///
/// ```
/// use tower_fiber::{WaitExt as _, shield};
///
/// async fn charge() {}
/// async fn record() {}
///
/// fn pay() {
///     shield(|| {
///         charge().wait();
///         record().wait();
///     });
/// }
///
/// # #[tokio::main]
/// # async fn main() {
/// tower_fiber::run_in_fiber(pay).await;
/// # }
/// ```
pub fn shield<R>(f: impl FnOnce() -> R) -> R {
    with_current(|state| {
        let _shield = state.map(|state| state.shield());
        f()
    })
}
