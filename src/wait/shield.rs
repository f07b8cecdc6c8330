//! Sections that are not cancelled.

use crate::raw::with_current;

/// Runs `f`; a cancel that arrives meanwhile takes effect at the first wait after it.
///
/// It protects what must not be cut in half under [`OnDrop::Cancel`](crate::OnDrop::Cancel) and
/// [`OnDrop::Unwind`](crate::OnDrop::Unwind), such as a payment and its record. Of nested sections the outermost
/// counts. An earlier cancel stays in effect. While a fiber waits in the section, a cancel of the fibers around it is
/// deferred too. Outside fibers it just runs `f`.
///
/// A [`LocalFiber`](crate::LocalFiber) that is dropped inside a section first runs to the end of the section. If it
/// must wait for that, it is leaked and counted.
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
