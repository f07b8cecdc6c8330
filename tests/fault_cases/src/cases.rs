//! The faults.

use std::{future::Future, hint::black_box, ptr};

use tokio::runtime::Builder;
use tower_fiber::{FiberLayer, Placement, WaitExt as _};

use crate::{blocked, handlers, interposed, memory};

unsafe extern "C" {
    safe fn frames_of_40_kb(levels: libc::c_int) -> libc::c_int;
}

pub(crate) fn run(name: &str) {
    match name {
        "c frames" => in_a_fiber(c_frames),
        "c frames on the pool" => on_the_pool(c_frames),
        "null write without a fiber" => null_write(),
        "null write" => in_a_fiber(null_write),
        "null write on the pool" => on_the_pool(null_write),
        "null write after fibers" => {
            in_a_fiber(|| ());
            null_write();
        }
        "bus error without a fiber" => bus_error(),
        "bus error" => in_a_fiber(bus_error),
        "signal sent without a fiber" => send_signal(),
        "signal sent" => in_a_fiber(send_signal),
        "thread's overflow" => {
            in_a_fiber(|| ());
            recurse(0);
        }
        "overflow on a thread of C code" => on_a_thread_of_c_code(|| in_a_fiber(|| recurse(0))),
        "null write with a handler" => {
            handlers::report_with_address();
            in_a_fiber(null_write);
        }
        "null write with a plain handler" => {
            handlers::report_plainly();
            in_a_fiber(null_write);
        }
        "null write with a handler for once" => {
            handlers::report_once();
            in_a_fiber(null_write);
        }
        "overflow with a handler" => {
            handlers::report_with_address();
            in_a_fiber(|| recurse(0));
        }
        "fault that a handler repairs" => {
            let page = handlers::repair_one_page();
            in_a_fiber(move || {
                tokio::task::yield_now().wait();
                write(ptr::with_exposed_provenance_mut(page));
            });
        }
        "null write with faults ignored" => {
            handlers::ignore();
            in_a_fiber(null_write);
        }
        "sleep in the system" => blocked::watched(blocked::sleeps),
        "sleep deep down" => blocked::watched(blocked::deep_down),
        "sleep with signals blocked" => blocked::watched(blocked::sleeps_with_signals_blocked),
        "sleep among signals" => blocked::watched(blocked::sleeps_among_signals),
        "sleep with the signal taken" => {
            blocked::take_signal();
            blocked::watched(blocked::sleeps);
            blocked::say_how_often_taken();
        }
        "sleep with the signal ignored" => {
            blocked::ignore_signal();
            blocked::watched(blocked::sleeps);
        }
        "pthread lock" => blocked::twice(blocked::lock_of_pthread),
        "spin lock" => blocked::twice(blocked::spin::lock),
        "parking_lot lock" => blocked::twice(blocked::lock_of_parking_lot),
        name if name.starts_with("interposed ") => interposed::run(&name["interposed ".len()..]),
        name if name.starts_with("memory ") => memory::run(&name["memory ".len()..]),
        other => panic!("no such case: {other}"),
    }
}

pub(crate) fn in_a_fiber(f: impl FnOnce() + Send + 'static) {
    block_on(FiberLayer::builder().name("orders").stack_size(64 * 1024).build().unwrap().run(f));
}

fn on_the_pool(f: impl FnOnce() + Send + 'static) {
    block_on(
        FiberLayer::builder()
            .name("orders")
            .stack_size(64 * 1024)
            .placement(Placement::SharedPool)
            .build()
            .unwrap()
            .run(f),
    );
}

pub(crate) fn block_on(future: impl Future) {
    Builder::new_current_thread().build().unwrap().block_on(future);
}

pub(crate) fn recurse(level: usize) {
    let block = black_box([level; 32]);
    if block[1] < usize::MAX {
        recurse(level + 1);
    }
    black_box(block);
}

fn c_frames() {
    black_box(frames_of_40_kb(1000));
}

fn null_write() {
    write(ptr::null_mut());
}

fn write(address: *mut u8) {
    // In C, where nothing looks at the address first.
    // SAFETY: there is nothing, and the case ends here; or a handler makes it a page.
    unsafe { libc::memset(black_box(address).cast(), 1, 1) };
}

/// Touches a page of a file that has no such page.
fn bus_error() {
    // SAFETY: the name is a string that ends in NUL.
    let file = unsafe { libc::memfd_create(c"empty".as_ptr(), 0) };
    // SAFETY: it replaces no other mapping.
    let page = unsafe { libc::mmap(ptr::null_mut(), 4096, libc::PROT_WRITE, libc::MAP_SHARED, file, 0) };
    assert_ne!(page, libc::MAP_FAILED);
    write(page.cast());
}

fn send_signal() {
    // SAFETY: it ends this process.
    unsafe { libc::raise(libc::SIGSEGV) };
}

/// Such a thread has no signal stack when it begins.
fn on_a_thread_of_c_code(f: fn()) {
    extern "C" fn begin(f: *mut libc::c_void) -> *mut libc::c_void {
        // SAFETY: it is the function that the thread was made with.
        let f = unsafe { std::mem::transmute::<*mut libc::c_void, fn()>(f) };
        f();
        ptr::null_mut()
    }

    let mut thread = 0;
    // SAFETY: `begin` gets the function that it expects.
    let result = unsafe { libc::pthread_create(&raw mut thread, ptr::null(), begin, f as *mut libc::c_void) };
    assert_eq!(result, 0);
    // SAFETY: the thread was made, and nobody else joins it.
    unsafe { libc::pthread_join(thread, ptr::null_mut()) };
}
