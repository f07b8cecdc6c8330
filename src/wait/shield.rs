//! Sections that are not cancelled.

use crate::raw::with_current;

/// Runs `f`; a cancel that arrives meanwhile takes effect at the first wait after it.
///
/// For what must not be cut in half under [`OnDrop::Cancel`](crate::OnDrop::Cancel) and
/// [`OnDrop::Unwind`](crate::OnDrop::Unwind): two writes that belong together, a payment and its record. Of nested
/// sections the outermost counts. A cancel that took effect before is not taken back. While a fiber waits in the
/// section, the cancel of all fibers around it waits too, whichever of those inside them are polled. Outside fibers it
/// just runs `f`.
///
/// A [`LocalFiber`](crate::LocalFiber) that is dropped inside such a section goes on to the end of the section if it
/// can do so at once. If it must wait, it cannot go on anywhere: it is leaked and counted.
///
/// # Panics
///
/// Only if `f` does.
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
