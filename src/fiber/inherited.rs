//! What fibers pass to the fibers that they start.

use std::{any::Any, sync::Arc};

/// What a layer's fibers pass to the fibers they start. Only the code that starts those knows the types.
#[derive(Debug, Default)]
pub(crate) struct Inherited {
    /// What follows a call.
    pub(crate) scopes: Option<Arc<dyn Any + Send + Sync>>,
    /// Where the layer's fibers run; `None` if they are of no layer.
    #[cfg_attr(not(feature = "stream"), expect(dead_code, reason = "only what streams goes on elsewhere"))]
    pub(crate) placement: Option<Box<dyn Any + Send + Sync>>,
}
