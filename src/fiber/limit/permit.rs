//! One fiber's share of the limit.

use std::{mem::ManuallyDrop, sync::Arc};

use super::Limit;
use crate::fiber::Shared;

#[inline]
pub(super) fn limit_of(shared: &Shared) -> &Limit {
    shared.limit.as_ref().expect("only layers with a limit have places")
}

/// One fiber's share of the limit, held while it has a stack.
pub(in crate::fiber) struct Permit(pub(super) Arc<Shared>);

impl Permit {
    /// For a fiber that goes on outside the fiber that made it.
    pub(in crate::fiber) fn beyond_limit(shared: Arc<Shared>) -> Self {
        limit_of(&shared).line().used += 1;
        Self(shared)
    }

    /// Never releases the permit; for a leaked fiber.
    pub(in crate::fiber) fn keep(self) {
        let _kept = ManuallyDrop::new(self);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        limit_of(&self.0).change(|line| line.used -= 1);
    }
}
