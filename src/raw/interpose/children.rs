//! `waitpid`, `wait4`, `waitid`.

use std::os::fd::AsRawFd as _;

use libc::{c_int, c_void, id_t, idtype_t, pid_t, rusage, siginfo_t};
use syscalls::Sysno;

use super::{
    At, Bridge, Call, Direction, Refused, Returned,
    gate::{self, error_of, here, wait_or_block},
    kernel::{self, AGAIN, arg, finish},
    locks::try_again,
};

pub(super) static WAIT4: Call = Call::new("wait4");
pub(super) static WAITID: Call = Call::new("waitid");
pub(super) static WAITPID: Call = Call::new("waitpid");

/// As libc's.
///
/// # Safety
///
/// As for libc's.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn waitpid(pid: pid_t, status: *mut c_int, options: c_int) -> pid_t {
    // SAFETY: invariant 17: the arguments are the caller's, for a call that this is a case of.
    finish(unsafe { wait_for(&WAITPID, pid, status, options, std::ptr::null_mut(), here()) }) as pid_t
}

/// As libc's.
///
/// # Safety
///
/// As for libc's.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn wait4(pid: pid_t, status: *mut c_int, options: c_int, usage: *mut rusage) -> pid_t {
    // SAFETY: invariant 17: the arguments are the caller's, for the same call.
    finish(unsafe { wait_for(&WAIT4, pid, status, options, usage, here()) }) as pid_t
}

/// # Safety
///
/// As for `wait4`.
unsafe fn wait_for(
    call: &'static Call,
    pid: pid_t,
    status: *mut c_int,
    options: c_int,
    usage: *mut rusage,
    at: At,
) -> Returned {
    let ask = |options| {
        let args = [arg(pid), status.expose_provenance(), arg(options), usage.expose_provenance(), 0, 0];
        // SAFETY: invariant 17: the arguments are the caller's, for the same call.
        unsafe { kernel::call(Sysno::wait4, args) }
    };
    let mut at_once = || match ask(options | libc::WNOHANG) {
        0 => AGAIN,
        returned => returned,
    };
    let bridge = match gate::open() {
        Some(bridge) if options & libc::WNOHANG == 0 => bridge,
        _ => return ask(options),
    };
    let first = at_once();
    if first != AGAIN {
        return first;
    }
    // A descriptor reports only the end of a child, not that it was stopped.
    let is_about_end = options & (libc::WUNTRACED | libc::WCONTINUED) == 0;
    let only = (pid > 0 && is_about_end).then_some(pid);
    let wait = || until_changed(bridge, only, at, &mut at_once);
    wait_or_block(call, wait, || ask(options)).unwrap_or_else(error_of)
}

/// As libc's.
///
/// # Safety
///
/// As for libc's.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn waitid(kind: idtype_t, id: id_t, info: *mut siginfo_t, options: c_int) -> c_int {
    let ask = |info: *mut siginfo_t, options| {
        let args = [kind as usize, id as usize, info.cast::<c_void>().expose_provenance(), arg(options), 0, 0];
        // SAFETY: invariant 17: the arguments are the caller's for the same call, or those of this function.
        unsafe { kernel::call(Sysno::waitid, args) }
    };
    let waits = options & libc::WNOHANG == 0 && (kind != libc::P_PIDFD || kernel::is_blocking(id as c_int));
    let bridge = match gate::open() {
        Some(bridge) if waits => bridge,
        _ => return finish(ask(info, options)) as c_int,
    };
    let mut at_once = || {
        // SAFETY: invariant 17: all zeros are such an information, in which no child is named.
        let mut found = unsafe { std::mem::zeroed::<siginfo_t>() };
        let returned = ask(&raw mut found, options | libc::WNOHANG);
        // SAFETY: invariant 17: the call has written the fields of a child, or left the zeros.
        let pid = unsafe { found.si_pid() };
        if returned == 0 && pid == 0 {
            return AGAIN;
        }
        if returned == 0 && !info.is_null() {
            // SAFETY: invariant 17: the caller wants the information there.
            unsafe { info.write(found) };
        }
        returned
    };
    let first = at_once();
    if first != AGAIN {
        return finish(first) as c_int;
    }
    let at = here();
    let is_about_end = options & (libc::WSTOPPED | libc::WCONTINUED) == 0;
    let wait = || match kind {
        libc::P_PIDFD if is_about_end => bridge.ready(id as c_int, Direction::In, None, at, &mut |_, _| at_once()),
        libc::P_PID if is_about_end => until_changed(bridge, Some(id as pid_t), at, &mut at_once),
        _ => until_changed(bridge, None, at, &mut at_once),
    };
    finish(wait_or_block(&WAITID, wait, || ask(info, options)).unwrap_or_else(error_of)) as c_int
}

/// Waits until `attempt` has an answer: after the end of one child, or after a change of any of several.
fn until_changed(
    bridge: &'static dyn Bridge,
    only: Option<pid_t>,
    at: At,
    attempt: &mut dyn FnMut() -> Returned,
) -> Result<Returned, Refused> {
    if let Some(process) = only.and_then(kernel::process_descriptor) {
        return bridge.any_ready(&[(process.as_raw_fd(), libc::POLLIN)], None, at, attempt);
    }
    // No descriptor stands for a group of children.
    try_again(bridge, at, attempt)
}
