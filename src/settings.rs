//! What a layer is set to; shared by all its services.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use crate::{
    context::Attendants,
    pool::FiberPool,
    raw::{Conduct, Meta, Sentry, Stacks},
};

/// What becomes of a fiber whose response future is dropped while synchronous code waits in it: the client has gone, a
/// time-out has elapsed, a `select!` was won by another branch.
///
/// See the [lifecycle chapter](crate::lifecycle) for every case.
///
/// An async service behind the layer that is pending with no synchronous frame below it is simply dropped under every policy, as
/// without the layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnDrop {
    /// The fiber runs to its end in the background, as a thread would: no call is cut short. The default.
    #[default]
    Finish,
    /// The present and all later fallible waits fail with
    /// [`Cancelled`](crate::error::TryAwaitError::Cancelled); infallible waits go on. Nothing unwinds.
    Cancel,
    /// As `Cancel`, and the infallible wait unwinds with the payload [`Cancelled`](crate::error::Cancelled).
    ///
    /// Only for code that is written for it: half-done updates stay half-done, a `std::sync::Mutex` held over
    /// the wait is poisoned, and a C frame on the stack or an infallible wait in a destructor ends the process. A
    /// fiber that catches the unwinding and waits again is unwound again, 64 times, and then leaked and counted. With
    /// `panic = "abort"` this acts as `Cancel`.
    Unwind,
}

impl OnDrop {
    pub(crate) fn conduct(self, grace: Duration) -> Conduct {
        // Without unwinding, cooperation is all there is.
        Conduct { unwinds: self == Self::Unwind && cfg!(panic = "unwind"), follows: self != Self::Finish, grace }
    }

    pub(crate) fn of(conduct: Conduct) -> Self {
        match conduct {
            Conduct { follows: false, .. } => Self::Finish,
            Conduct { unwinds: false, .. } => Self::Cancel,
            Conduct { unwinds: true, .. } => Self::Unwind,
        }
    }
}

/// Where fibers run.
#[derive(Clone, Debug, Default)]
pub(crate) enum Placement {
    /// In place on current-thread runtimes, on the shared pool on multi-thread ones.
    #[default]
    Auto,
    /// Always on this pool, or on the process-wide one.
    Pool(Option<FiberPool>),
    /// Always on the calling thread.
    InPlace,
    /// Inside the fiber that makes the call, which stays where it is.
    Inside,
}

/// Layers, services and handlers share them.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) meta: Arc<Meta>,
    pub(crate) placement: Placement,
    /// What follows each call into its fiber; most layers have none.
    pub(crate) attendants: Option<Arc<Attendants>>,
}

/// As much for a fiber as a std thread has. Only touched pages take memory.
pub(crate) const STACKS: Stacks = Stacks { size: 2 * 1024 * 1024, hygiene: false, max_fibers: None };

impl Settings {
    pub(crate) fn new(
        name: Option<&str>,
        stacks: Stacks,
        placement: Placement,
        conduct: Conduct,
        attendants: Attendants,
        sentry: Option<Sentry>,
    ) -> Self {
        let (bar, listener) = (attendants.bar(), attendants.listener());
        // A watch is paid for where attendants are, by those who have some.
        let has_context = !attendants.is_empty() || sentry.is_some();
        let meta = Arc::new(Meta::new(name, stacks, conduct, bar, listener, sentry));
        let attendants = has_context.then(|| Arc::new(attendants));
        Self { meta, placement, attendants }
    }

    /// All defaults.
    pub(crate) fn default_layer() -> Self {
        Self::new(None, STACKS, Placement::Auto, OnDrop::Finish.conduct(Duration::ZERO), Attendants::default(), None)
    }

    /// Those of calls from inside a fiber that has these data.
    pub(crate) fn inside(meta: Arc<Meta>) -> Self {
        Self { meta, placement: Placement::Inside, attendants: None }
    }

    /// Those of `run_in_fiber`, and of handlers without a layer.
    pub(crate) fn process_wide() -> &'static Self {
        static SETTINGS: OnceLock<Settings> = OnceLock::new();
        SETTINGS.get_or_init(Self::default_layer)
    }

    /// Those of `run_local`.
    pub(crate) fn local() -> &'static Arc<Meta> {
        static META: OnceLock<Arc<Meta>> = OnceLock::new();
        META.get_or_init(|| Arc::new(Meta::new(None, STACKS, OnDrop::Unwind.conduct(Duration::ZERO), None, None, None)))
    }
}
