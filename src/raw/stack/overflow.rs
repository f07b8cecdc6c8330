//! Reports a fiber's stack overflow, and ends the process.
//!
//! A handler of SIGSEGV and SIGBUS checks whether the fault is in the guard of the fiber that runs on this thread.
//! Every other fault goes to the previous handler: that of std, which reports overflows of threads, or the program's
//! own.

use std::{
    cell::UnsafeCell,
    mem::{self, MaybeUninit},
    ptr,
    sync::Once,
};

use crate::raw::{State, with_current};

/// The previous handlers of the two signals.
static FORMER: [Former; 2] = [const { Former::new() }; 2];

struct Former(UnsafeCell<MaybeUninit<libc::sigaction>>);

// SAFETY: invariant 11: it is written once, before the handler that reads it is installed.
unsafe impl Sync for Former {}

type WithInfo = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);
type Plain = extern "C" fn(libc::c_int);

const SIGNALS: [libc::c_int; 2] = [libc::SIGSEGV, libc::SIGBUS];

/// Installs the handlers, once for the process.
pub(super) fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| SIGNALS.into_iter().zip(&FORMER).for_each(|(signal, former)| former.replace(signal)));
}

impl Former {
    const fn new() -> Self {
        Self(UnsafeCell::new(MaybeUninit::uninit()))
    }

    fn replace(&self, signal: libc::c_int) {
        let former = self.0.get().cast::<libc::sigaction>();
        // SAFETY: invariant 11: no handler reads it yet, and the kernel fills it.
        let read = unsafe { libc::sigaction(signal, ptr::null(), former) };
        if read != 0 {
            return;
        }
        // SAFETY: invariant 11: the call above succeeded, so the kernel has filled it, and no handler reads it yet.
        let mut action = unsafe { former.read() };
        // Keeps the former mask and flags except SA_RESETHAND, and adds fault information and the signal stack.
        action.sa_flags |= libc::SA_SIGINFO | libc::SA_ONSTACK;
        action.sa_flags &= !libc::SA_RESETHAND;
        action.sa_sigaction = handle as WithInfo as usize;
        // SAFETY: invariant 11: the action is valid, and its handler, `handle` below, calls only what may be called
        // there.
        let result = unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
        debug_assert_eq!(result, 0);
    }

    /// The previous action.
    fn get(&self) -> libc::sigaction {
        let former = self.0.get().cast::<libc::sigaction>();
        // SAFETY: invariant 11: it was filled before the handler was installed, and is not written again.
        unsafe { former.read() }
    }
}

extern "C" fn handle(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: invariant 11: the kernel passes a valid structure.
    let fault = unsafe { &*info };
    let code = fault.si_code;
    // If not positive, a process sent the signal, and there is no address.
    if code > 0 {
        // SAFETY: invariant 11: a code above zero says that the kernel sent the signal for a fault, which has an
        // address.
        let address = unsafe { fault.si_addr() }.addr();
        with_current(|state| {
            if let Some(state) = state.filter(|state| state.guard().contains(&address)) {
                report(state);
            }
        });
    }
    let index = usize::from(signal == SIGNALS[1]);
    pass_on(&FORMER[index].get(), signal, info, context, code);
}

/// Does what would have happened without this crate's handler.
fn pass_on(
    former: &libc::sigaction,
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
    code: libc::c_int,
) {
    let handler = former.sa_sigaction;
    if handler == libc::SIG_DFL || handler == libc::SIG_IGN {
        // The fault happens again when the handler returns, this time without it.
        // SAFETY: invariant 11: this puts back the action that was there before.
        unsafe { libc::sigaction(signal, former, ptr::null_mut()) };
        if code <= 0 {
            // SAFETY: invariant 11: a signal that was sent does not recur by itself and has to be raised again.
            unsafe { libc::raise(signal) };
        }
        return;
    }
    if former.sa_flags & libc::SA_RESETHAND != 0 {
        // SAFETY: invariant 11: the default action has no handler.
        let default = unsafe { MaybeUninit::<libc::sigaction>::zeroed().assume_init() };
        // SAFETY: invariant 11: the former handler asked for this.
        unsafe { libc::sigaction(signal, &raw const default, ptr::null_mut()) };
    }
    if former.sa_flags & libc::SA_SIGINFO == 0 {
        // SAFETY: invariant 11: without the flag the kernel would have called the handler like this.
        let handler = unsafe { mem::transmute::<usize, Plain>(handler) };
        handler(signal);
    } else {
        // SAFETY: invariant 11: with the flag the kernel would have called the handler like this.
        let handler = unsafe { mem::transmute::<usize, WithInfo>(handler) };
        handler(signal, info, context);
    }
}

/// Ends the process. It neither allocates nor locks: the fiber may have been interrupted in the middle of either.
fn report(state: &State) -> ! {
    let (mut now, mut then) = ([0; 20], [0; 20]);
    let size = state.usable().len();
    let text = [
        "fiber of service \"",
        state.owner().name(),
        "\" overflowed its stack of ",
        decimal(size / 1024, &mut now),
        " KiB; raise it by FiberLayer::builder().stack_size(",
        decimal(2 * size, &mut then),
        ") [TF26]\n",
    ];
    let parts = text.map(|part| libc::iovec { iov_base: part.as_ptr().cast_mut().cast(), iov_len: part.len() });
    // SAFETY: invariant 11: the kernel only reads what the parts point to.
    unsafe { libc::writev(libc::STDERR_FILENO, parts.as_ptr(), parts.len() as libc::c_int) };
    // SAFETY: invariant 11: `abort` may be called in a handler.
    unsafe { libc::abort() }
}

fn decimal(mut number: usize, digits: &mut [u8; 20]) -> &str {
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    std::str::from_utf8(&digits[start..]).unwrap_or_default()
}
