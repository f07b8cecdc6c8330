//! The settings of a layer, which all its services share.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use crate::{
    context::Scopes,
    fiber::{DetectorSettings, DropPolicy, Inherited, Shared, Stacks},
    pool::{FiberPool, WeakFiberPool},
};

/// What happens to a fiber whose response future is dropped while synchronous code waits in it, for example because the
/// client has gone, a time-out has elapsed, or another branch has won a `select!`.
///
/// See the [lifecycle chapter](crate::docs::lifecycle) for every case.
///
/// An async service behind the layer that is pending with no synchronous frame below it is dropped under every policy,
/// as without the layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnDrop {
    /// The fiber runs to its end in the background, as a thread would: no call is cut short. The default.
    #[default]
    Finish,
    /// The present fallible wait and all later ones fail with
    /// [`Cancelled`](crate::error::TryAwaitError::Cancelled); infallible waits go on. Nothing unwinds.
    Cancel,
    /// Acts as `Cancel`, and unwinds the infallible wait with the payload [`Cancelled`](crate::error::Cancelled).
    ///
    /// Use it only for code that is written for it: half-done updates stay half-done, a `std::sync::Mutex` held over
    /// the wait is poisoned, and a C frame on the stack or an infallible wait in a destructor ends the process. A fiber
    /// that catches the unwinding and waits again is unwound again, 64 times, and is then leaked and counted. With
    /// `panic = "abort"` this acts as `Cancel`.
    Unwind,
}

impl OnDrop {
    pub(crate) fn drop_policy(self, grace: Duration) -> DropPolicy {
        // Without unwinding, a fiber can only be asked to stop.
        DropPolicy { unwinds: self == Self::Unwind && cfg!(panic = "unwind"), follows: self != Self::Finish, grace }
    }
}

/// Where a layer's fibers run; see [`FiberLayerBuilder::placement`](crate::FiberLayerBuilder::placement).
///
/// In place, a fiber runs inside the caller's task: `tokio::task::id()` is that task's, and `spawn_local` spawns on its
/// `LocalSet`. On a pool it is in no task, and tokio refuses both with a panic. [`fiber_id`](crate::fiber_id) works
/// everywhere. `block_in_place`, `blocking_lock` and `blocking_recv` panic in either place: use
/// [`offload`](crate::offload) and `.wait()`.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Placement {
    /// In place on the thread that drives a current-thread runtime, and on the process-wide [`FiberPool`] elsewhere.
    /// The default.
    #[default]
    Auto,
    /// On the calling thread under every runtime.
    ///
    /// On a multi-thread runtime, and on a thread that has entered the handle of a current-thread runtime without
    /// driving it, calls must be made inside a tokio `LocalSet`; otherwise they panic.
    InPlace,
    /// On the process-wide [`FiberPool`] under every runtime.
    SharedPool,
    /// On this pool under every runtime.
    Pool(FiberPool),
}

/// Converts a pool into [`Placement::Pool`].
impl From<FiberPool> for Placement {
    fn from(pool: FiberPool) -> Self {
        Self::Pool(pool)
    }
}

/// A layer's placement, as its fibers know it. They do not keep the layer's pool alive.
#[cfg_attr(not(feature = "stream"), expect(dead_code, reason = "only what streams goes on elsewhere"))]
enum KnownPlacement {
    /// Also for `InPlace`: the task that polls the call later may be outside the `LocalSet` that this would need.
    Auto,
    SharedPool,
    Pool(WeakFiberPool),
}

impl KnownPlacement {
    fn of(placement: &Placement) -> Self {
        match placement {
            Placement::Auto | Placement::InPlace => Self::Auto,
            Placement::SharedPool => Self::SharedPool,
            Placement::Pool(pool) => Self::Pool(pool.downgrade()),
        }
    }

    #[cfg(feature = "stream")]
    fn get(&self) -> Placement {
        match self {
            Self::Auto => Placement::Auto,
            Self::SharedPool => Placement::SharedPool,
            Self::Pool(pool) => pool.upgrade().map_or(Placement::Auto, Placement::Pool),
        }
    }
}

/// The settings that a layer, its services and its handlers share.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) shared: Arc<Shared>,
    /// `None` places a call inside the fiber that makes it.
    pub(crate) placement: Option<Placement>,
    /// What follows each call into its fiber; `None` if nothing does.
    pub(crate) scopes: Option<Arc<Scopes>>,
}

/// As large as the stack of a std thread. Only touched pages take memory.
pub(crate) const STACKS: Stacks = Stacks {
    size: 2 * 1024 * 1024,
    hygiene: false,
    max_fibers: None,
    #[cfg(feature = "interpose")]
    interposes: false,
};

impl Settings {
    pub(crate) fn new(
        name: Option<&str>,
        stacks: Stacks,
        placement: Placement,
        drop_policy: DropPolicy,
        scopes: Scopes,
        detector: Option<DetectorSettings>,
    ) -> Self {
        let (bar, meter) = (scopes.bar(), scopes.meter());
        let placement_inside = KnownPlacement::of(&placement);
        let inherited = Inherited { scopes: scopes.inherited(), placement: Some(Box::new(placement_inside)) };
        let has_context = !scopes.is_empty();
        let shared = Shared::new(name, stacks, drop_policy, bar, inherited, meter, detector);
        let scopes = has_context.then(|| Arc::new(scopes));
        Self { shared, placement: Some(placement), scopes }
    }

    /// Settings of calls that a fiber with this data makes and polls.
    pub(crate) fn inside(shared: Arc<Shared>, scopes: Option<Arc<Scopes>>) -> Self {
        Self { shared, placement: None, scopes }
    }

    /// Settings of calls that a fiber with this data makes for other tasks to poll. `None` if it is of no layer.
    #[cfg(feature = "stream")]
    pub(crate) fn beyond(shared: &Arc<Shared>, scopes: Option<Arc<Scopes>>) -> Option<Self> {
        if Arc::ptr_eq(shared, &Self::process_wide().shared) {
            return None;
        }
        let placement: &KnownPlacement = shared.inherited.placement.as_deref()?.downcast_ref()?;
        let scopes = Some(scopes.unwrap_or_else(Scopes::span_alone));
        Some(Self { shared: Arc::clone(shared), placement: Some(placement.get()), scopes })
    }

    /// Settings of calls that are made on a thread that may block, with the scopes that followed the code there.
    pub(crate) fn beside(scopes: &Scopes) -> Self {
        let drop_policy = OnDrop::Finish.drop_policy(Duration::ZERO);
        Self::new(None, STACKS, Placement::SharedPool, drop_policy, scopes.clone(), None)
    }

    /// Settings of `run_in_fiber`, and of handlers without a layer.
    pub(crate) fn process_wide() -> &'static Self {
        static SETTINGS: OnceLock<Settings> = OnceLock::new();
        SETTINGS.get_or_init(|| {
            let drop_policy = OnDrop::Finish.drop_policy(Duration::ZERO);
            Self::new(None, STACKS, Placement::Auto, drop_policy, Scopes::default(), None)
        })
    }

    /// For `run_local`.
    pub(crate) fn local() -> &'static Arc<Shared> {
        static LOCAL: OnceLock<Arc<Shared>> = OnceLock::new();
        LOCAL.get_or_init(|| Self::shared_of_local(&Scopes::default()))
    }

    /// For fibers that stay on the thread that makes them, with the scopes that follow them.
    pub(crate) fn shared_of_local(scopes: &Scopes) -> Arc<Shared> {
        let drop_policy = OnDrop::Unwind.drop_policy(Duration::ZERO);
        let inherited = Inherited { scopes: scopes.inherited(), placement: None };
        Shared::new(None, STACKS, drop_policy, scopes.bar(), inherited, None, None)
    }
}
