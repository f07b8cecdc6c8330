//! How users observe fibers: dumps, metrics, fibers that block their threads, and changes left in thread-locals.

pub(crate) mod detector;
mod dump;
#[cfg(feature = "lint")]
pub mod lint;
#[cfg(feature = "metrics")]
pub mod metrics;

#[cfg(all(feature = "signal", unix))]
pub(crate) use self::dump::Members as JsonMembers;
#[cfg(any(feature = "insight", all(feature = "signal", unix)))]
pub(crate) use self::dump::Text as JsonText;
#[cfg(feature = "insight")]
pub(crate) use self::dump::{Overview, Place, dump_one, overview};
pub(crate) use self::dump::{dump, dump_with_backtraces};
pub use self::{
    detector::BlockingDetector,
    dump::{Dump, FiberInfo, FiberState},
};
