//! tokio's clock of tests stands still, and jumps to the next timer when its runtime is idle. It must not jump while a
//! fiber of that runtime can run, or runs, on a pool worker. tokio holds the clock for its own blocking tasks only, so
//! one such task stands in for the fibers.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, Weak, mpsc},
    task::{Context, Poll, Wake, Waker},
    time,
};

use tokio::{
    runtime::{Handle, RuntimeFlavor},
    time::Instant,
};

use crate::util::{drop_quietly::drop_quietly, lock::lock};

/// A fiber that holds the clock of its runtime from its creation to its end, except while it is suspended.
pub(super) struct Hold(Arc<Clocked>);

impl Hold {
    /// Holds the clock of this runtime for a fiber. `None` if the runtime uses the system's clock, as all do outside
    /// tests.
    pub(super) fn of(runtime: &Handle) -> Option<Self> {
        if runtime.runtime_flavor() != RuntimeFlavor::CurrentThread || !is_shifted(runtime) {
            return None;
        }
        let hold = Self(Arc::new(Clocked { clock: Clock::of(runtime), state: Mutex::default() }));
        drop(hold.0.take());
        Some(hold)
    }

    /// Polls the fiber.
    pub(super) fn poll<R>(&self, cx: &Context<'_>, poll: impl FnOnce(&mut Context<'_>) -> Poll<R>) -> Poll<R> {
        let alarm = Alarm { fiber: Arc::clone(&self.0), task: cx.waker().clone() };
        self.0.take().is_due = false;
        let polled = poll(&mut Context::from_waker(&Waker::from(Arc::new(alarm))));
        if polled.is_pending() {
            self.0.let_go();
        }
        polled
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        {
            let mut state = lock(&self.0.state);
            state.is_due = false;
            // The fiber's wakers may be kept, and woken, for any length of time.
            state.has_ended = true;
        }
        self.0.let_go();
    }
}

struct Clocked {
    clock: Arc<Clock>,
    state: Mutex<ClockState>,
}

#[derive(Default)]
struct ClockState {
    /// Whether the fiber was woken and has not been polled since.
    is_due: bool,
    holds: bool,
    has_ended: bool,
}

impl Clocked {
    fn take(&self) -> MutexGuard<'_, ClockState> {
        let mut state = lock(&self.state);
        if state.has_ended {
            return state;
        }
        state.is_due = true;
        if !state.holds {
            state.holds = true;
            self.clock.take();
        }
        state
    }

    /// Releases the clock, unless the fiber is due.
    fn let_go(&self) {
        let mut state = lock(&self.state);
        if state.holds && !state.is_due {
            state.holds = false;
            self.clock.let_go();
        }
    }
}

/// Wakes the fiber's task; the fiber holds the clock from then on.
struct Alarm {
    fiber: Arc<Clocked>,
    task: Waker,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        drop(self.fiber.take());
        self.task.wake_by_ref();
    }
}

/// The clock of one runtime.
struct Clock {
    runtime: Handle,
    holds: Mutex<Holds>,
}

#[derive(Default)]
struct Holds {
    fibers: usize,
    /// Dropping it ends the blocking task.
    task: Option<mpsc::Sender<()>>,
}

impl Clock {
    fn of(runtime: &Handle) -> Arc<Self> {
        static CLOCKS: Mutex<Vec<Weak<Clock>>> = Mutex::new(Vec::new());

        let mut clocks = lock(&CLOCKS);
        clocks.retain(|clock| clock.strong_count() > 0);
        let known = clocks.iter().filter_map(Weak::upgrade).find(|clock| clock.runtime.id() == runtime.id());
        known.unwrap_or_else(|| {
            let clock = Arc::new(Self { runtime: runtime.clone(), holds: Mutex::default() });
            clocks.push(Arc::downgrade(&clock));
            clock
        })
    }

    fn take(&self) {
        let mut holds = lock(&self.holds);
        holds.fibers += 1;
        if holds.task.is_some() {
            return;
        }
        let (task, ends) = mpsc::channel::<()>();
        let begin = || drop(self.runtime.spawn_blocking(move || ends.recv()));
        // If tokio has no thread for the task, the clock is not held.
        match catch_unwind(AssertUnwindSafe(begin)) {
            Ok(()) => holds.task = Some(task),
            Err(payload) => drop_quietly(payload),
        }
    }

    fn let_go(&self) {
        let mut holds = lock(&self.holds);
        holds.fibers -= 1;
        if holds.fibers == 0 {
            holds.task = None;
        }
    }
}

/// Whether the runtime's clock differs from the system's.
fn is_shifted(runtime: &Handle) -> bool {
    if Handle::try_current().is_err_and(|error| error.is_thread_local_destroyed()) {
        return false;
    }
    let _entered = runtime.enter();
    let before = time::Instant::now();
    let now = Instant::now().into_std();
    !(before..=time::Instant::now()).contains(&now)
}
