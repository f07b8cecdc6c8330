//! [`FiberBlockOn`]: how diesel-async's synchronous wrapper waits.

use diesel_async::async_connection_wrapper::BlockOn;
use tower_fiber::await_in_fiber;

/// Lets diesel-async's synchronous wrapper wait in the fiber for its futures.
///
/// A [`Pool`](crate::Pool) uses it. Without a pool, `AsyncConnectionWrapper<C, FiberBlockOn>` is a `diesel::Connection`
/// over any connection `C` of diesel-async's.
#[derive(Clone, Copy, Debug, Default)]
pub struct FiberBlockOn;

impl BlockOn for FiberBlockOn {
    fn block_on<F: Future>(&self, future: F) -> F::Output {
        await_in_fiber(future)
    }

    fn get_runtime() -> Self {
        Self
    }
}
