//! The layers and handles through which the fibers of a layer can be inspected or cancelled.

use std::{fmt, ops::Deref, sync::Arc};

use super::Shared;

/// Held by the layers and handles through which fibers can be inspected or cancelled. It is cloned from another one, or
/// made before the first fiber.
pub(crate) struct Observer(Arc<Shared>);

impl Observer {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        shared.observe();
        Self(shared)
    }
}

impl Clone for Observer {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.0))
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.0.end_observing();
    }
}

impl Deref for Observer {
    type Target = Arc<Shared>;

    fn deref(&self) -> &Arc<Shared> {
        &self.0
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
