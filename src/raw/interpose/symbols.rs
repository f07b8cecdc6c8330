//! The functions that replace those of libc, and whether the program's calls lead to them.

use std::{
    ffi::{CString, c_void},
    mem::MaybeUninit,
};

use super::{
    Call, children, connect, descriptors, fortified, futex, locks, messages, names, pump, ready, select, sleep, streams,
};

/// One of the crate's functions, with the libc name that it has.
struct Symbol {
    name: &'static str,
    address: *const c_void,
    call: Option<&'static Call>,
}

macro_rules! symbols {
    ($($module:ident: $($name:ident $(= $call:ident)?),+;)+) => {
        /// The list refers to the functions, so that the linker keeps them.
        fn symbols() -> Vec<Symbol> {
            vec![$($(Symbol {
                name: stringify!($name),
                address: $module::$name as *const c_void,
                call: None$(.or(Some(&$module::$call)))?,
            },)+)+]
        }
    };
}

symbols! {
    children: wait4 = WAIT4, waitid = WAITID, waitpid = WAITPID;
    connect: accept = ACCEPT, accept4 = ACCEPT4, connect = CONNECT;
    descriptors: close, close_range, dup2, dup3;
    fortified: __poll_chk, __ppoll_chk, __read_chk, __recv_chk, __recvfrom_chk;
    futex: syscall = SYSCALL;
    locks: flock = FLOCK, lockf = LOCKF;
    messages: recv = RECV, recvfrom = RECVFROM, recvmmsg = RECVMMSG, recvmsg = RECVMSG, send = SEND,
        sendmmsg = SENDMMSG, sendmsg = SENDMSG, sendto = SENDTO;
    names: getaddrinfo = GETADDRINFO, getnameinfo = GETNAMEINFO;
    pump: sendfile = SENDFILE, sendfile64 = SENDFILE64, splice = SPLICE;
    ready: epoll_pwait = EPOLL_PWAIT, epoll_pwait2 = EPOLL_PWAIT2, epoll_wait = EPOLL_WAIT, poll = POLL, ppoll = PPOLL;
    select: pselect = PSELECT, select = SELECT;
    sleep: clock_nanosleep = CLOCK_NANOSLEEP, nanosleep = NANOSLEEP, sleep = SLEEP, usleep = USLEEP;
    streams: read = READ, readv = READV, write = WRITE, writev = WRITEV;
}

/// The calls that may suspend a fiber.
pub(crate) fn calls() -> Vec<&'static Call> {
    let mut calls: Vec<_> = symbols().iter().filter_map(|symbol| symbol.call).collect();
    calls.extend([&futex::FUTEX, &futex::PARK]);
    calls
}

/// Where the executable or library that contains this address begins.
fn object_of(address: *const c_void) -> Option<usize> {
    let mut info = MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: invariant 12: it looks up an address, and writes what it has found into what is passed for that.
    let is_known = unsafe { libc::dladdr(address, info.as_mut_ptr()) } != 0;
    // SAFETY: invariant 12: all zeros are a valid value, which `dladdr` may have overwritten by another.
    let info = unsafe { info.assume_init() };
    is_known.then(|| info.dli_fbase.addr())
}

/// The names that do not resolve to this crate's functions: another library defines them, or the linker has not
/// exported them.
pub(crate) fn not_interposed() -> Vec<&'static str> {
    // In a library, the address of a function may resolve to another object's function of the same name. No other
    // object defines this name.
    let here = object_of(not_interposed as *const c_void);
    let leads_here = |symbol: &Symbol| {
        let name = CString::new(symbol.name).expect("names have no zeros");
        // SAFETY: invariant 17: the name ends with a zero; the handle means the program's own order of objects.
        let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
        found.cast_const() == symbol.address && object_of(found) == here
    };
    symbols().iter().filter(|symbol| !leads_here(symbol)).map(|symbol| symbol.name).collect()
}
