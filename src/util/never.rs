//! [`NEVER`]: what is longer can be no time-out.

use std::time::Duration;

/// A limit that never comes. An instant that is [`Duration::MAX`] from now does not exist.
pub(crate) const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
