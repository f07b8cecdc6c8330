//! The settings that cannot fail, as methods of the layer.

use std::sync::Arc;

use tokio::task::LocalKey;

use super::{FiberLayer, FiberLayerBuilder};
use crate::{
    context::Hook,
    settings::{OnDrop, Placement},
};

impl FiberLayer {
    /// As [`FiberLayerBuilder::name`].
    pub fn name(self, name: impl Into<String>) -> Self {
        self.set(|builder| builder.name(name))
    }

    /// As [`FiberLayerBuilder::placement`].
    pub fn placement(self, placement: impl Into<Placement>) -> Self {
        self.set(|builder| builder.placement(placement))
    }

    /// As [`FiberLayerBuilder::on_drop`].
    pub fn on_drop(self, policy: OnDrop) -> Self {
        self.set(|builder| builder.on_drop(policy))
    }

    /// As [`FiberLayerBuilder::stack_hygiene`].
    pub fn stack_hygiene(self, wipe: bool) -> Self {
        self.set(|builder| builder.stack_hygiene(wipe))
    }

    /// As [`FiberLayerBuilder::carry`].
    pub fn carry<T: Clone + Send + 'static>(self, key: &'static LocalKey<T>) -> Self {
        self.set(|builder| builder.carry(key))
    }

    /// As [`FiberLayerBuilder::hook`].
    pub fn hook(self, hook: impl Hook) -> Self {
        self.set(|builder| builder.hook(hook))
    }

    /// As [`FiberLayerBuilder::metrics`].
    #[cfg(feature = "metrics")]
    pub fn metrics(self) -> Self {
        self.set(FiberLayerBuilder::metrics)
    }

    fn set(self, change: impl FnOnce(FiberLayerBuilder) -> FiberLayerBuilder) -> Self {
        Self::of(change(Arc::unwrap_or_clone(self.builder)))
    }
}
