//! Waits that block their thread.

use std::{
    cell::RefCell,
    future::{Future, IntoFuture, poll_fn, ready},
    mem::{self, ManuallyDrop},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::watch,
};

use super::in_flight::{Cancel, InFlight};
use crate::{context::Scopes, error::TryAwaitError, fiber::Locals, raw::with_current, util::first::first};

thread_local! {
    // It has no destructor, so that it can be used while the thread ends. Nothing leaks, because the switches restore
    // `Off`.
    static MODE: RefCell<ManuallyDrop<Mode>> = const { RefCell::new(ManuallyDrop::new(Mode::Off)) };
}

#[derive(Clone)]
enum Mode {
    Off,
    On(Rc<Blocked>),
    /// The thread polls the future of a wait.
    Polling(Rc<Blocked>),
}

/// One outermost call.
struct Blocked {
    blocker: Blocker,
    locals: Rc<Locals>,
    /// Turns `true`, or closes, when the caller has gone.
    caller: Option<watch::Receiver<bool>>,
    /// `Some` in a call of a layer.
    cancel: Option<Cancel>,
    /// The scopes that followed the code to this thread.
    scopes: Option<Arc<Scopes>>,
}

enum Blocker {
    Entered(Handle),
    Own(Runtime),
}

impl Blocked {
    /// Blocks the thread until `poll` is ready. Not generic, since each `wait` of a program comes here.
    fn block_on(self: &Rc<Self>, poll: &mut dyn FnMut(&mut Context<'_>) -> Poll<()>) {
        let future = poll_fn(|cx| {
            let _polling = Switch::to(Mode::Polling(Rc::clone(self)));
            poll(cx)
        });
        match &self.blocker {
            Blocker::Entered(handle) => handle.block_on(future),
            Blocker::Own(runtime) => runtime.block_on(future),
        }
    }
}

/// Restores the thread's former mode.
struct Switch(Mode);

impl Switch {
    fn to(mode: Mode) -> Self {
        let former = MODE.replace(ManuallyDrop::new(mode));
        Self(ManuallyDrop::into_inner(former))
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        let former = mem::replace(&mut self.0, Mode::Off);
        let present = MODE.replace(ManuallyDrop::new(former));
        drop(ManuallyDrop::into_inner(present));
    }
}

/// Runs `f` on this thread; waits inside it block the thread.
///
/// With it, functions that wait also work outside fibers, wherever a thread may block: in tests, command-line tools,
/// `main`, `spawn_blocking` and rayon. Waits use the runtime that is entered, or else a current-thread runtime made for
/// this call. If the entered runtime is a current-thread one, another thread must drive it meanwhile, as is the case in
/// `spawn_blocking`; otherwise its sockets and timers do not advance.
///
/// # Cancel safety
///
/// The call always runs to its end.
///
/// # Panics
///
/// * If `f` panics.
/// * Inside a fiber, where `f` can be called directly.
/// * On a thread that drives a runtime, because blocking it would stop other tasks; tokio prints its own panic first.
/// * If no runtime is entered and none can be built.
/// * In the destructor of a thread-local, once the destructor of tokio's thread-local has run.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_fiber::{WaitExt as _, block_on_waits};
///
/// let answer = block_on_waits(|| {
///     async { tokio::time::sleep(Duration::from_millis(1)).await }.wait();
///     42
/// });
/// assert_eq!(answer, 42);
/// ```
#[track_caller]
pub fn block_on_waits<R>(f: impl FnOnce() -> R) -> R {
    run_for(None, None, None, f)
}

/// Like [`block_on_waits`], for a caller that may go and a call that may be cancelled, with the scopes that followed
/// `f` to this thread.
#[track_caller]
pub(super) fn run_for<R>(
    caller: Option<watch::Receiver<bool>>,
    cancel: Option<Cancel>,
    scopes: Option<Arc<Scopes>>,
    f: impl FnOnce() -> R,
) -> R {
    assert!(
        with_current(|fiber| fiber.is_none()),
        "block_on_waits inside a fiber would block its thread: call the function directly, its waits suspend [TF20]"
    );
    if is_on() {
        return f();
    }
    let blocker = match Handle::try_current() {
        Ok(handle) => {
            if drives_a_runtime(&handle) {
                panic!(
                    "block_on_waits would block a thread that drives a runtime: use run_in_fiber here, or move the \
                     call to tokio::task::spawn_blocking [TF21]"
                );
            }
            Blocker::Entered(handle)
        }
        Err(error) if error.is_thread_local_destroyed() => {
            panic!(
                "block_on_waits on a thread that is ending, after the destructor of tokio's thread-local: call it earlier [TF22]"
            )
        }
        Err(_) => match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => Blocker::Own(runtime),
            Err(error) => panic!("block_on_waits could not build a runtime: {error}"),
        },
    };
    let blocked = Rc::new(Blocked { blocker, locals: Rc::default(), caller, cancel, scopes });
    let _mode = Switch::to(Mode::On(Rc::clone(&blocked)));
    // Timers and sockets need an entered runtime where they are made, not only where they are awaited.
    let _entered = match &blocked.blocker {
        Blocker::Entered(_) => None,
        Blocker::Own(runtime) => Some(runtime.enter()),
    };
    let _ended = EndOfLocals(&blocked.locals);
    f()
}

/// Whether this thread, on which `runtime` is entered, drives a runtime. Only tokio knows, and it tells that by a
/// panic.
pub(super) fn drives_a_runtime(runtime: &Handle) -> bool {
    catch_unwind(AssertUnwindSafe(|| runtime.block_on(ready(())))).is_err()
}

/// Runs the destructors of fiber-locals, which may wait.
struct EndOfLocals<'a>(&'a Locals);

impl Drop for EndOfLocals<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

fn blocked() -> Option<Rc<Blocked>> {
    MODE.with_borrow(|mode| match &**mode {
        Mode::Off => None,
        Mode::On(blocked) | Mode::Polling(blocked) => Some(Rc::clone(blocked)),
    })
}

/// The fiber-locals of the code that may block here.
pub(crate) fn locals() -> Option<Rc<Locals>> {
    blocked().map(|blocked| Rc::clone(&blocked.locals))
}

/// Turns `true`, or closes, when the caller of the code that may block here has gone.
pub(crate) fn caller() -> Option<watch::Receiver<bool>> {
    blocked().and_then(|blocked| blocked.caller.clone())
}

/// The scopes that followed the code that may block here.
pub(crate) fn scopes() -> Option<Arc<Scopes>> {
    blocked().and_then(|blocked| blocked.scopes.clone())
}

/// The scopes that follow the code here to fibers and threads.
pub(crate) fn scopes_here() -> Option<Arc<Scopes>> {
    with_current(|state| state.map_or_else(scopes, Scopes::around))
}

/// Whether the code that may block here is a call of the layer with this count of calls.
pub(super) fn is_within(in_flight: &Arc<InFlight>) -> bool {
    blocked().is_some_and(|blocked| blocked.cancel.as_ref().is_some_and(|cancel| cancel.is_of(in_flight)))
}

/// Whether waits outside fibers block this thread.
pub(crate) fn is_on() -> bool {
    MODE.with_borrow(|mode| !matches!(**mode, Mode::Off))
}

/// Waits outside fibers, by blocking the thread.
pub(crate) fn wait<F: IntoFuture>(future: F) -> Result<F::Output, TryAwaitError<F>> {
    // While the thread is blocked, its runtime may poll other tasks here; waits in those are refused.
    let (blocked, _hidden) = match MODE.with_borrow(|mode| Mode::clone(mode)) {
        Mode::Off => return Err(TryAwaitError::NotInFiber(future)),
        Mode::Polling(_) => return Err(TryAwaitError::Nested(future)),
        Mode::On(blocked) => (blocked, Switch::to(Mode::Off)),
    };
    let mut future = pin!(future.into_future());
    let mut output = None;
    blocked.block_on(&mut |cx| future.as_mut().poll(cx).map(|ready| output = Some(ready)));
    Ok(output.expect("the thread was blocked until the future was ready"))
}

/// As `wait`, but fails if the call is cancelled.
pub(crate) fn try_wait<F: IntoFuture>(future: F) -> Result<F::Output, TryAwaitError<F>> {
    let mode = MODE.with_borrow(|mode| Mode::clone(mode));
    let Mode::On(blocked) = mode else { return wait(future) };
    match &blocked.cancel {
        None => wait(future),
        Some(cancel) if cancel.is_told() => Err(TryAwaitError::Cancelled(Some(future))),
        Some(cancel) => match wait(first(future.into_future(), cancel.clone().told())) {
            Ok(Ok(output)) => Ok(output),
            Ok(Err(())) => Err(TryAwaitError::Cancelled(None)),
            Err(_) => unreachable!("the thread may block"),
        },
    }
}
