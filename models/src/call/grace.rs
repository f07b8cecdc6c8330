//! The caller's departure, without grace: the fiber is told at once, and cancelled unless it is to finish.

use std::task::Context;

use crate::{
    raw::{Fiber, Job},
    util::loom::Handle,
};

pub(crate) enum Grace {
    NotSeen,
    Told,
}

impl Grace {
    pub(crate) fn poll<J: Job>(&mut self, fiber: &mut Fiber<J>, _: Option<&Handle>, _: &mut Context<'_>) -> bool {
        if let Self::Told = self {
            return false;
        }
        *self = Self::Told;
        fiber.tell_caller_gone();
        if fiber.shared().drop_policy.follows {
            fiber.cancel();
        }
        true
    }
}
