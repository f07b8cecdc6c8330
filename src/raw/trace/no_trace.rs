//! Traces on systems and builds without support for them.

use super::{Trace, Untraceable};
use crate::raw::run_slot::{RunSlot, Running};

pub(crate) fn trace_thread(_: &RunSlot, _: &Running) -> Result<Trace, Untraceable> {
    Err(Untraceable::NotBuilt)
}
