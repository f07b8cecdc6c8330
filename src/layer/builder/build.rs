//! Checks the settings of a layer and makes it.

use super::FiberLayerBuilder;
use crate::{
    diagnostics::BlockingDetector,
    error::ConfigError,
    layer::FiberLayer,
    settings::{OnDrop, Settings},
};

/// The smallest stack allowed: a panic with its hook and a backtrace needs more than 16 KiB.
const MIN_STACK_SIZE: usize = 64 * 1024;
/// The largest stack allowed, so that sums of sizes do not overflow and typing errors are found.
const MAX_STACK_SIZE: usize = 1024 * 1024 * 1024;
/// The largest `max_fibers`.
const MAX_FIBERS: usize = tokio::sync::Semaphore::MAX_PERMITS;

#[cfg(all(feature = "interpose", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
use crate::interpose::install as interpose;

#[cfg(all(feature = "interpose", not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))))]
fn interpose() -> Result<(), ConfigError> {
    Err(ConfigError::new("`interpose` needs Linux on x86-64 or aarch64: leave it out here"))
}

impl FiberLayerBuilder {
    /// Makes the layer.
    ///
    /// # Errors
    ///
    /// It fails if the stack size, the number of fibers or the threshold of the detector is out of range, if a `grace`
    /// is set with [`OnDrop::Finish`], which never cancels, or if `interpose` cannot work in this program.
    pub fn build(self) -> Result<FiberLayer, ConfigError> {
        if !(MIN_STACK_SIZE..=MAX_STACK_SIZE).contains(&self.stacks.size) {
            return Err(ConfigError::new(format!(
                "stack_size is {} bytes: choose from {MIN_STACK_SIZE} (64 KiB) to {MAX_STACK_SIZE} (1 GiB)",
                self.stacks.size
            )));
        }
        if let Some(fibers) = self.stacks.max_fibers.filter(|fibers| !(1..=MAX_FIBERS).contains(fibers)) {
            return Err(ConfigError::new(format!(
                "max_fibers is {fibers}: choose from 1 to {MAX_FIBERS}, or leave it out for no limit"
            )));
        }
        if self.grace.is_some() && self.on_drop == OnDrop::Finish {
            return Err(ConfigError::new(
                "`grace` has no use with OnDrop::Finish, which never cancels: choose OnDrop::Cancel or OnDrop::Unwind, or \
                 leave it out",
            ));
        }
        #[cfg(feature = "interpose")]
        if self.stacks.interposes {
            interpose()?;
        }
        self.detector.iter().try_for_each(BlockingDetector::check)?;
        Ok(FiberLayer::of(self))
    }

    /// The settings that the layer and its services share.
    pub(in crate::layer) fn settings(&self) -> Settings {
        let name = self.name.as_deref();
        let scopes = self.scopes.clone();
        #[cfg(feature = "metrics")]
        let scopes = if self.metrics { scopes.measured(name) } else { scopes };
        let detector = self.detector.map(BlockingDetector::settings);
        let drop_policy = self.on_drop.drop_policy(self.grace.unwrap_or_default());
        Settings::new(name, self.stacks, self.placement.clone(), drop_policy, scopes, detector)
    }
}
