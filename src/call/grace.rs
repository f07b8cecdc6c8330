//! What a fiber is told when its caller has gone: at once, when the grace is over, when its runtime ends.

use std::{
    future::{Future as _, pending},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{runtime::Handle, task::JoinHandle, time::sleep};

use crate::{context::InContext, fiber::DropPolicy, raw::Job};

/// What the fiber has been told since its caller has gone.
pub(super) enum Grace {
    /// The caller is there, or has just gone.
    NotSeen,
    /// The fiber knows. It is cancelled when the scout comes back.
    Awaited(Scout),
    /// The fiber is to be cancelled now.
    Due,
    /// The fiber has been told everything.
    Told,
}

impl Grace {
    /// Once the caller has gone. Whether the fiber has been told something.
    pub(super) fn poll<J: Job>(
        &mut self,
        fiber: &mut InContext<J>,
        runtime: Option<&Handle>,
        cx: &mut Context<'_>,
    ) -> bool {
        let is_first = matches!(self, Self::NotSeen);
        if is_first {
            fiber.tell_caller_gone();
            *self = Self::begin(fiber.shared().drop_policy, runtime);
        }
        let is_due = match self {
            Self::Awaited(scout) => scout.poll(cx).is_ready(),
            Self::Due => true,
            Self::NotSeen | Self::Told => false,
        };
        if is_due {
            fiber.cancel();
            *self = Self::Told;
        }
        is_first || is_due
    }

    fn begin(drop_policy: DropPolicy, runtime: Option<&Handle>) -> Self {
        let grace = drop_policy.follows.then_some(drop_policy.grace);
        match grace {
            Some(Duration::ZERO) => return Self::Due,
            // A task of the runtime ends with it; a pool's has to look whether the caller's runtime is still there.
            None if runtime.is_none() => return Self::Told,
            _ => {}
        }
        Self::Awaited(match runtime {
            Some(runtime) => Scout::send(runtime, grace),
            None => Scout::send(&Handle::current(), grace),
        })
    }
}

/// A task on the caller's runtime: it ends when the grace is over, or when the runtime does. On a runtime that has
/// ended it ends at once.
pub(super) struct Scout(JoinHandle<()>);

impl Scout {
    fn send(runtime: &Handle, grace: Option<Duration>) -> Self {
        Self(runtime.spawn(async move {
            match grace {
                Some(grace) => sleep(grace).await,
                None => pending().await,
            }
        }))
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Finished and cancelled come to the same.
        Pin::new(&mut self.0).poll(cx).map(drop)
    }
}

impl Drop for Scout {
    fn drop(&mut self) {
        self.0.abort();
    }
}
