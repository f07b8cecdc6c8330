//! The application's own handlers of faults, installed before the first fiber.

use std::{
    mem, ptr,
    sync::atomic::{AtomicUsize, Ordering},
};

type WithAddress = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);
type Plain = extern "C" fn(libc::c_int);

static PAGE: AtomicUsize = AtomicUsize::new(0);

pub(crate) fn report_with_address() {
    extern "C" fn report(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
        say("the application's handler\n");
        // SAFETY: the kernel passes it.
        let info = unsafe { &*info };
        // SAFETY: a fault has an address.
        let address = unsafe { info.si_addr() };
        end(if address.is_null() { 7 } else { 8 });
    }
    install(report as WithAddress as usize, libc::SA_SIGINFO | libc::SA_ONSTACK);
}

pub(crate) fn report_plainly() {
    extern "C" fn report(_: libc::c_int) {
        say("the application's handler\n");
        end(7);
    }
    install(report as Plain as usize, 0);
}

/// When the fault happens again, its default is wanted.
pub(crate) fn report_once() {
    extern "C" fn report(_: libc::c_int) {
        say("the application's handler\n");
    }
    install(report as Plain as usize, libc::SA_RESETHAND);
}

pub(crate) fn ignore() {
    install(libc::SIG_IGN, 0);
}

/// A page that cannot be written until its first fault, as programs have them that manage their memory by faults.
pub(crate) fn repair_one_page() -> usize {
    extern "C" fn repair(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
        // SAFETY: the kernel passes it.
        let info = unsafe { &*info };
        // SAFETY: a fault has an address.
        let address = unsafe { info.si_addr() };
        if address.addr() != PAGE.load(Ordering::Relaxed) {
            end(8);
        }
        // SAFETY: the page is only used by the case.
        unsafe { libc::mprotect(address, 4096, libc::PROT_READ | libc::PROT_WRITE) };
        say("repaired\n");
    }
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: it replaces no other mapping.
    let page = unsafe { libc::mmap(ptr::null_mut(), 4096, libc::PROT_NONE, flags, -1, 0) };
    assert_ne!(page, libc::MAP_FAILED);
    PAGE.store(page.expose_provenance(), Ordering::Relaxed);
    install(repair as WithAddress as usize, libc::SA_SIGINFO | libc::SA_ONSTACK);
    page.addr()
}

fn install(handler: usize, flags: libc::c_int) {
    // SAFETY: all zero is the default action.
    let mut action = unsafe { mem::zeroed::<libc::sigaction>() };
    action.sa_sigaction = handler;
    action.sa_flags = flags;
    // SAFETY: the handlers above call only what may be called in one.
    let result = unsafe { libc::sigaction(libc::SIGSEGV, &raw const action, ptr::null_mut()) };
    assert_eq!(result, 0);
}

fn say(text: &str) {
    // SAFETY: the kernel only reads the text.
    unsafe { libc::write(libc::STDERR_FILENO, text.as_ptr().cast(), text.len()) };
}

fn end(code: libc::c_int) -> ! {
    // SAFETY: it runs nothing of the program's.
    unsafe { libc::_exit(code) }
}
