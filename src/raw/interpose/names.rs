//! `getaddrinfo` and `getnameinfo`, on a thread that may block.

use std::{
    ffi::{CStr, CString, c_char},
    ptr, slice,
    sync::{
        Arc, Mutex,
        atomic::{AtomicPtr, Ordering},
    },
};

use libc::{addrinfo, c_int, sockaddr, socklen_t};

use super::{
    Bridge, Call, Refused,
    gate::{self, here, wait_or_block},
    kernel::{errno, set_errno},
    libc_next::Next,
};
use crate::util::lock::lock;

pub(super) static GETADDRINFO: Call = Call::new("getaddrinfo");
pub(super) static GETNAMEINFO: Call = Call::new("getnameinfo");

type GetAddrInfo = unsafe extern "C" fn(*const c_char, *const c_char, *const addrinfo, *mut *mut addrinfo) -> c_int;
type GetNameInfo =
    unsafe extern "C" fn(*const sockaddr, socklen_t, *mut c_char, socklen_t, *mut c_char, socklen_t, c_int) -> c_int;

static NEXT_GETADDRINFO: Next = Next::new(c"getaddrinfo");
static NEXT_GETNAMEINFO: Next = Next::new(c"getnameinfo");

/// A list that libc has allocated. It is freed unless it is taken.
struct Found(AtomicPtr<addrinfo>);

impl Drop for Found {
    fn drop(&mut self) {
        let list = *self.0.get_mut();
        if !list.is_null() {
            // SAFETY: invariant 17: libc has made the list, and nobody has taken it.
            unsafe { libc::freeaddrinfo(list) };
        }
    }
}

/// The result of a look-up: what libc returned, `errno`, and the answer.
type Answer<T> = Arc<Mutex<Option<(c_int, c_int, T)>>>;

/// Asks on a thread that may block, and waits.
fn ask<T: Send + 'static>(
    bridge: &'static dyn Bridge,
    at: super::At,
    f: impl FnOnce() -> (c_int, T) + Send + 'static,
) -> Result<(c_int, Option<T>), Refused> {
    let answer = Answer::<T>::default();
    let sent = Arc::clone(&answer);
    bridge.on_blocking_thread(
        Box::new(move || {
            let (result, found) = f();
            *lock(&sent) = Some((result, errno(), found));
        }),
        at,
    )?;
    // A thread that panicked has no answer.
    let (result, errno, found) = lock(&answer).take().ok_or(Refused::Unable)?;
    set_errno(errno);
    Ok((result, Some(found)))
}

/// The result of a question that was cancelled.
fn cancelled<T>(answered: Result<(c_int, Option<T>), Refused>) -> (c_int, Option<T>) {
    answered.unwrap_or_else(|_| {
        set_errno(libc::ECONNABORTED);
        (libc::EAI_SYSTEM, None)
    })
}

/// As libc's.
///
/// # Safety
///
/// As for libc's.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn getaddrinfo(
    node: *const c_char,
    service: *const c_char,
    hints: *const addrinfo,
    result: *mut *mut addrinfo,
) -> c_int {
    // SAFETY: invariant 17: the name is `getaddrinfo`, which has this type in libc.
    let next: GetAddrInfo = unsafe { NEXT_GETADDRINFO.get() };
    // SAFETY: invariant 17: the arguments are the caller's, for the same call.
    let plain = || unsafe { next(node, service, hints, result) };
    let Some(bridge) = gate::open() else { return plain() };
    // SAFETY: invariant 17: the caller passes a string or null.
    let node = unsafe { copy(node) };
    // SAFETY: invariant 17: the caller passes a string or null.
    let service = unsafe { copy(service) };
    // SAFETY: invariant 17: the caller passes hints or null.
    let hints =
        unsafe { hints.as_ref() }.map(|hints| (hints.ai_flags, hints.ai_family, hints.ai_socktype, hints.ai_protocol));
    let question = move || {
        let hints = hints.map(|(ai_flags, ai_family, ai_socktype, ai_protocol)| addrinfo {
            ai_flags,
            ai_family,
            ai_socktype,
            ai_protocol,
            ai_addrlen: 0,
            ai_addr: ptr::null_mut(),
            ai_canonname: ptr::null_mut(),
            ai_next: ptr::null_mut(),
        });
        let text = |text: &Option<CString>| text.as_ref().map_or(ptr::null(), |text| text.as_ptr());
        let mut list = ptr::null_mut();
        let hints = hints.as_ref().map_or(ptr::null(), ptr::from_ref);
        // SAFETY: invariant 17: the arguments are copies of the caller's, on this thread.
        let result = unsafe { next(text(&node), text(&service), hints, &raw mut list) };
        (result, Found(AtomicPtr::new(list)))
    };
    let at = here();
    let answered = wait_or_block(&GETADDRINFO, || ask(bridge, at, question), || (plain(), None));
    let (answer, found) = cancelled(answered);
    if let Some(found) = found.filter(|_| answer == 0) {
        // SAFETY: invariant 17: the caller wants the list there.
        unsafe { result.write(found.0.swap(ptr::null_mut(), Ordering::Relaxed)) };
    }
    answer
}

/// # Safety
///
/// It is a string or null.
unsafe fn copy(text: *const c_char) -> Option<CString> {
    // SAFETY: invariant 17: the caller passes a string that ends with a zero.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_owned())
}

/// As libc's.
///
/// # Safety
///
/// As for libc's.
#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn getnameinfo(
    address: *const sockaddr,
    size: socklen_t,
    host: *mut c_char,
    host_len: socklen_t,
    service: *mut c_char,
    service_len: socklen_t,
    flags: c_int,
) -> c_int {
    // SAFETY: invariant 17: the name is `getnameinfo`, which has this type in libc.
    let next: GetNameInfo = unsafe { NEXT_GETNAMEINFO.get() };
    // SAFETY: invariant 17: the arguments are the caller's, for the same call.
    let plain = || unsafe { next(address, size, host, host_len, service, service_len, flags) };
    let bridge = match gate::open() {
        Some(bridge) if !address.is_null() => bridge,
        _ => return plain(),
    };
    // SAFETY: invariant 17: the caller passes an address of this size.
    let bytes: Box<[u8]> = unsafe { slice::from_raw_parts(address.cast::<u8>(), size as usize) }.into();
    let (hosts, services) =
        (if host.is_null() { 0 } else { host_len }, if service.is_null() { 0 } else { service_len });
    let question = move || {
        // As words, since an address is read as such.
        let mut words = vec![0_u64; bytes.len().div_ceil(8)];
        // SAFETY: invariant 17: the words have room for the bytes.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), words.as_mut_ptr().cast(), bytes.len()) };
        let (mut host, mut service) = (vec![0_u8; hosts as usize], vec![0_u8; services as usize]);
        let start = |text: &mut Vec<u8>| if text.is_empty() { ptr::null_mut() } else { text.as_mut_ptr().cast() };
        let (hosts_at, services_at) = (start(&mut host), start(&mut service));
        // SAFETY: invariant 17: the address is a copy of the caller's, and both texts have room for as much.
        let result = unsafe {
            next(words.as_ptr().cast(), bytes.len() as socklen_t, hosts_at, hosts, services_at, services, flags)
        };
        (result, (host, service))
    };
    let at = here();
    let answered = wait_or_block(&GETNAMEINFO, || ask(bridge, at, question), || (plain(), None));
    let (answer, found) = cancelled(answered);
    if let Some((hosts, services)) = found.filter(|_| answer == 0) {
        // SAFETY: invariant 17: the caller has as much room as was asked for.
        unsafe { ptr::copy_nonoverlapping(hosts.as_ptr(), host.cast(), hosts.len()) };
        // SAFETY: invariant 17: the caller has as much room as was asked for.
        unsafe { ptr::copy_nonoverlapping(services.as_ptr(), service.cast(), services.len()) };
    }
    answer
}
