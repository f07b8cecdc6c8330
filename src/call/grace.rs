//! The signals that a fiber gets after its caller has gone: at once, when the grace is over, and when its runtime ends.

use std::{
    future::{Future as _, pending},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{runtime::Handle, task::JoinHandle, time::sleep};

use crate::{
    context::InContext,
    fiber::{DropPolicy, Event},
    raw::Job,
};

/// The signals sent to the fiber since its caller went.
pub(super) enum Grace {
    /// The caller still waits, or has only just gone.
    NotSeen,
    /// The fiber knows that its caller has gone. It is cancelled when the scout returns.
    Awaited(Scout),
    /// The fiber is to be cancelled now.
    Due,
    /// The fiber has been told everything.
    Told,
}

impl Grace {
    /// Called once the caller has gone. Returns whether it has told the fiber something.
    pub(super) fn poll<J: Job>(
        &mut self,
        fiber: &mut InContext<J>,
        runtime: Option<&Handle>,
        cx: &mut Context<'_>,
    ) -> bool {
        let is_first = matches!(self, Self::NotSeen);
        if is_first {
            fiber.shared().count(Event::HandedOver);
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
            // A task of the runtime ends with the runtime. A pool's task must watch whether the caller's runtime still
            // exists.
            None if runtime.is_none() => return Self::Told,
            _ => {}
        }
        Self::Awaited(match runtime {
            Some(runtime) => Scout::send(runtime, grace),
            None => Scout::send(&Handle::current(), grace),
        })
    }
}

/// A task on the caller's runtime that ends when the grace is over or when the runtime ends. On a runtime that has
/// already ended, it ends at once.
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
        // A scout that finished and one that was cancelled are treated alike.
        Pin::new(&mut self.0).poll(cx).map(drop)
    }
}

impl Drop for Scout {
    fn drop(&mut self) {
        self.0.abort();
    }
}
