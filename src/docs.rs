//! Chapters: whether a library works, what happens when, and what is kept apart.

#[cfg(feature = "axum")]
#[doc = include_str!("../docs/guide.md")]
pub mod guide {}
#[doc = include_str!("../docs/insight.md")]
pub mod insight {}
#[cfg(feature = "interpose")]
#[doc = include_str!("../docs/interposition.md")]
pub mod interposition {}
#[doc = include_str!("../docs/isolation.md")]
pub mod isolation {}
#[doc = include_str!("../docs/lifecycle.md")]
pub mod lifecycle {}
#[cfg(feature = "axum")]
#[doc = include_str!("../docs/servers.md")]
pub mod servers {}
#[doc = include_str!("../docs/stacks.md")]
pub mod stacks {}
