//! How users observe fibers: dumps, metrics, fibers that block their threads, and changes left in thread-locals.

pub(crate) mod detector;
mod dump;
#[cfg(feature = "lint")]
pub mod lint;
#[cfg(feature = "metrics")]
pub mod metrics;

pub(crate) use self::dump::{dump, dump_with_backtraces};
pub use self::{
    detector::BlockingDetector,
    dump::{Dump, FiberInfo, FiberState},
};
