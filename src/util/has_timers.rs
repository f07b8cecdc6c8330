//! Whether the current runtime has timers.

use std::{panic::catch_unwind, time::Duration};

/// tokio shows that only by panicking.
pub(crate) fn has_timers() -> bool {
    catch_unwind(|| drop(tokio::time::sleep(Duration::ZERO))).is_ok()
}
