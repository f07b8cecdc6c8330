//! Traces on Linux: the thread is sent SIGURG, which goes unnoticed by programs that do not wait for it, and its
//! handler records its own stack.
//!
//! Only one thread asks at a time, and it asks one thread. They share only atomics, so a late answer does no harm.

use std::{
    ffi::c_void,
    mem::MaybeUninit,
    ptr,
    sync::{
        Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{PATIENCE, Trace, Untraceable, thread::this_thread};
use crate::{
    raw::{
        run_slot::{RunSlot, Running, stretch_here},
        state,
    },
    util::lock::lock,
};

const SIGNAL: libc::c_int = libc::SIGURG;

/// The maximum number of functions in a trace.
const FRAMES: usize = 64;

/// The id of the thread that is asked, above the two bits of the phase.
static QUESTION: AtomicU64 = AtomicU64::new(IDLE);
const IDLE: u64 = 0;
const ASKED: u64 = 1;
const WRITING: u64 = 2;
const DONE: u64 = 3;
const PHASE: u64 = 3;
const PHASE_BITS: u32 = PHASE.count_ones();

/// The stretch that the question is about.
static STRETCH: AtomicU64 = AtomicU64::new(0);

/// Bytes at the top of a fiber's stack, above its state: more than its first functions use.
const TOP: usize = 16 * 1024;

static ADDRESSES: [AtomicUsize; FRAMES] = [const { AtomicUsize::new(0) }; FRAMES];
/// The number of addresses: more than fit if the trace was cut, zero if the stretch was over.
static COUNT: AtomicUsize = AtomicUsize::new(0);

type WithInfo = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut c_void);

/// Asks the thread of the run slot and waits for the answer. The thread answers if it is still in that stretch: then it
/// runs a fiber's code and is not between two stacks.
pub(crate) fn trace_thread(run_slot: &RunSlot, running: &Running) -> Result<Trace, Untraceable> {
    static ASKING: Mutex<()> = Mutex::new(());
    let _one = lock(&ASKING);
    let thread = run_slot.thread();
    if thread <= 0 {
        return Err(Untraceable::Gone);
    }
    if !is_listening() {
        return Err(Untraceable::Taken);
    }
    let question = |phase| (thread as u64) << PHASE_BITS | phase;
    // A thread that was asked earlier and did not answer in time may be writing now, for an unknown time.
    if QUESTION.load(Ordering::Acquire) & PHASE == WRITING {
        return Err(Untraceable::Silent);
    }
    STRETCH.store(running.stretch, Ordering::Relaxed);
    QUESTION.store(question(ASKED), Ordering::Release);
    if !send(thread) {
        QUESTION.store(IDLE, Ordering::Release);
        return Err(Untraceable::Gone);
    }
    let asked = Instant::now();
    while QUESTION.load(Ordering::Acquire) != question(DONE) {
        if asked.elapsed() > PATIENCE
            && QUESTION.compare_exchange(question(ASKED), IDLE, Ordering::AcqRel, Ordering::Acquire).is_ok()
        {
            return Err(Untraceable::Silent);
        }
        // Once it writes it is done soon, if it gets a processor.
        if asked.elapsed() > 20 * PATIENCE {
            return Err(Untraceable::Silent);
        }
        thread::park_timeout(Duration::from_micros(100));
    }
    let count = COUNT.load(Ordering::Relaxed);
    let addresses = ADDRESSES.iter().take(count).map(|address| address.load(Ordering::Relaxed)).collect();
    QUESTION.store(IDLE, Ordering::Release);
    if count == 0 {
        return Err(Untraceable::WentOn);
    }
    Ok(Trace { addresses, is_cut: count > FRAMES })
}

/// Whether the handler is in place; it is installed if there is no other handler.
fn is_listening() -> bool {
    // SAFETY: invariant 16: a `sigaction` may consist of zeros.
    let mut action = unsafe { MaybeUninit::<libc::sigaction>::zeroed().assume_init() };
    // SAFETY: invariant 16: without a new action the call changes nothing, and the kernel only fills the structure.
    let read = unsafe { libc::sigaction(SIGNAL, ptr::null(), &raw mut action) };
    let ours = answer as WithInfo as usize;
    if read != 0 || action.sa_sigaction == ours {
        return read == 0;
    }
    if action.sa_sigaction != libc::SIG_DFL {
        return false;
    }
    // The unwinder's one-time work, loading and binding, must not happen in the handler.
    walk(|_| true);
    action.sa_sigaction = ours;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
    // SAFETY: invariant 16: there is no other handler, and this one, `answer` below, calls only what may be called
    // there.
    unsafe { libc::sigaction(SIGNAL, &raw const action, ptr::null_mut()) == 0 }
}

/// Sends the signal. `false` if there is no such thread.
fn send(thread: i32) -> bool {
    let process = std::process::id();
    // SAFETY: invariant 12: the arguments are plain numbers, and the call touches no memory of the program.
    unsafe { libc::syscall(libc::SYS_tgkill, process, thread, SIGNAL) == 0 }
}

/// Runs on the asked thread, wherever it was interrupted. A signal from another sender is ignored, as it is by default.
extern "C" fn answer(_: libc::c_int, _: *mut libc::siginfo_t, context: *mut c_void) {
    let question = |phase| (this_thread() as u64) << PHASE_BITS | phase;
    if QUESTION.compare_exchange(question(ASKED), question(WRITING), Ordering::AcqRel, Ordering::Relaxed).is_err() {
        return;
    }
    // SAFETY: invariant 16: the call has no conditions: each thread has a place for `errno`.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: invariant 16: the place is this thread's own, and stays for as long as the thread runs.
    let former = unsafe { errno.read() };
    let (stretch, outside) = stretch_here();
    if stretch == STRETCH.load(Ordering::Relaxed) {
        write_down(&Interrupted::at(context), outside);
    } else {
        COUNT.store(0, Ordering::Relaxed);
    }
    // SAFETY: invariant 16: the place is this thread's own, and the interrupted code finds there the value that it had
    // left.
    unsafe { errno.write(former) };
    QUESTION.store(question(DONE), Ordering::Release);
}

/// Records the interrupted function and its callers. The handler's own frames and the system's, which come first, are
/// left out.
fn write_down(interrupted: &Interrupted, outside: usize) {
    ADDRESSES[0].store(interrupted.instruction, Ordering::Relaxed);
    let mut count = 1;
    if !interrupted.is_in_a_fiber(outside) {
        COUNT.store(count, Ordering::Relaxed);
        return;
    }
    let mut is_below = false;
    walk(|address| {
        if !is_below {
            is_below = address == interrupted.instruction;
            return true;
        }
        if let Some(place) = ADDRESSES.get(count) {
            place.store(address, Ordering::Relaxed);
        }
        count += 1;
        count <= FRAMES
    });
    COUNT.store(count, Ordering::Relaxed);
}

/// Passes the address of each function on this stack to `f`, innermost first, until that returns `false`.
fn walk(mut f: impl FnMut(usize) -> bool) {
    // SAFETY: invariant 16: on this system the unwinder needs no lock of its callers.
    unsafe { backtrace::trace_unsynchronized(|frame| f(frame.ip().addr())) };
}

/// The point at which the thread was interrupted.
struct Interrupted {
    instruction: usize,
    stack_pointer: usize,
}

impl Interrupted {
    fn at(context: *mut c_void) -> Self {
        // SAFETY: invariant 16: the kernel passes a valid structure.
        let context = unsafe { &*context.cast::<libc::ucontext_t>() };
        #[cfg(target_arch = "x86_64")]
        let [instruction, stack_pointer] =
            [libc::REG_RIP, libc::REG_RSP].map(|register| context.uc_mcontext.gregs[register as usize] as usize);
        #[cfg(target_arch = "aarch64")]
        let [instruction, stack_pointer] =
            [context.uc_mcontext.pc, context.uc_mcontext.sp].map(|register| register as usize);
        Self { instruction, stack_pointer }
    }

    /// Whether a fiber's code was interrupted, and not the code that begins or ends the fiber. There the stack is
    /// almost empty, and an unwinder with a wrong idea of it would walk off it. The first read of a page of code may
    /// well interrupt a thread there.
    fn is_in_a_fiber(&self, outside: usize) -> bool {
        let state = state::address();
        state != outside && state != 0 && !(state..state + TOP).contains(&self.stack_pointer)
    }
}
