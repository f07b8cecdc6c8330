//! What fibers hand on to the fibers that they make.

use std::{any::Any, sync::Arc};

/// What the layer's fibers hand on to the fibers that they make. Only the code that makes those knows the types.
#[derive(Debug, Default)]
pub(crate) struct Luggage {
    /// What follows a call.
    pub(crate) scopes: Option<Arc<dyn Any + Send + Sync>>,
    /// Where the layer's fibers run; `None` if they are of no layer.
    #[cfg_attr(not(feature = "stream"), expect(dead_code, reason = "only what streams goes on elsewhere"))]
    pub(crate) placement: Option<Box<dyn Any + Send + Sync>>,
}
