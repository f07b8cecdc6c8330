//! Small helpers.

pub(crate) mod drop_quietly;
pub(crate) mod first;
pub(crate) mod has_timers;
pub(crate) mod held;
#[cfg(feature = "metrics")]
pub(crate) mod histogram;
pub(crate) mod lock;
pub(crate) mod loom;
#[cfg(feature = "axum")]
pub(crate) mod never;
pub(crate) mod rate_limit;
pub(crate) mod seldom;
