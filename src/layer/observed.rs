//! Which layers are shown: those of some handles, or all of the process.

use std::sync::Arc;

use super::FiberHandle;
use crate::fiber::{Shared, all_layers, observe_all_layers};

#[derive(Debug)]
pub(crate) enum Observed {
    /// All layers, those that are made later too.
    All,
    Some(Vec<FiberHandle>),
}

impl Observed {
    /// For `All`, registers the fibers of every layer from now on.
    pub(crate) fn start(&self) {
        if let Self::All = self {
            observe_all_layers();
        }
    }

    /// The layers to show; `All` omits unnamed layers without fibers.
    pub(crate) fn layers(&self) -> Vec<Arc<Shared>> {
        match self {
            Self::All => {
                let mut layers = all_layers();
                layers.retain(|shared| shared.name.is_some() || shared.counters.live() > 0);
                layers
            }
            Self::Some(handles) => handles.iter().map(|handle| Arc::clone(handle.shared())).collect(),
        }
    }
}
