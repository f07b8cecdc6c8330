//! Fibers that block their thread in ways that need system calls, and programs that get in the way of the question
//! where they are.

use std::{
    mem::MaybeUninit,
    process, ptr,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use tower_fiber::{FiberLayer, WaitExt as _};

use crate::{cases::block_on, events::Warnings};

/// Runs `f` in a fiber that is watched, and says what the warnings are.
pub(crate) fn watched(f: fn(&dyn Fn() -> bool)) {
    let warnings = subscribe();
    block_on(watching().run({
        let warnings = warnings.clone();
        move || f(&|| is_warned(&warnings))
    }));
    eprintln!("{}", warnings.take().join("\n"));
}

fn subscribe() -> Warnings {
    let warnings = Warnings::default();
    tracing::subscriber::set_global_default(warnings.clone()).unwrap();
    warnings
}

/// The first warning of a process does not yet have what it says of the functions.
fn is_warned(warnings: &Warnings) -> bool {
    warnings.with("orders").iter().any(|warning| !warning.contains("when the debug information has been read"))
}

fn watching() -> FiberLayer {
    FiberLayer::builder().name("orders").detect_blocking(Duration::from_millis(50)).build().unwrap()
}

/// Sleeps in the system, as a client of a database does, until that is noticed.
pub(crate) fn sleeps(is_noticed: &dyn Fn() -> bool) {
    call_back(|| until(is_noticed, pause_in_the_system));
}

/// A function of others.
#[inline(never)]
fn call_back(f: impl FnOnce()) {
    f();
    std::hint::black_box(());
}

#[inline(never)]
fn pause_in_the_system() {
    let time = libc::timespec { tv_sec: 0, tv_nsec: 10_000_000 };
    // A signal may cut it short.
    // SAFETY: the time is valid, and the rest is not asked for.
    unsafe { libc::nanosleep(&raw const time, ptr::null_mut()) };
}

fn until(is_noticed: &dyn Fn() -> bool, pause: fn()) {
    let begun = Instant::now();
    while !is_noticed() {
        assert!(begun.elapsed() < Duration::from_secs(120), "it was not noticed in two minutes");
        pause();
    }
}

/// With room for little more than the code itself: the handler has a stack of its own.
pub(crate) fn deep_down(is_noticed: &dyn Fn() -> bool) {
    let room = std::hint::black_box([1_u8; 512]);
    if tower_fiber::remaining_stack().is_some_and(|bytes| bytes > 4 * 1024) {
        deep_down(is_noticed);
    } else {
        until(is_noticed, pause_in_the_system);
    }
    std::hint::black_box(room);
}

static URGENT: AtomicUsize = AtomicUsize::new(0);

/// The program has its own use for the signal.
pub(crate) fn take_signal() {
    extern "C" fn count(_: libc::c_int) {
        URGENT.fetch_add(1, Ordering::Relaxed);
    }
    dispose(count as extern "C" fn(libc::c_int) as usize);
}

pub(crate) fn ignore_signal() {
    dispose(libc::SIG_IGN);
}

fn dispose(action: usize) {
    // SAFETY: the handler only counts.
    assert_ne!(unsafe { libc::signal(libc::SIGURG, action) }, libc::SIG_ERR);
}

/// What the program's handler has seen.
pub(crate) fn say_how_often_taken() {
    println!("urgent {} times", URGENT.load(Ordering::Relaxed));
}

/// The thread lets no such signal through; when it does, nobody waits for the answer any more.
pub(crate) fn sleeps_with_signals_blocked(is_noticed: &dyn Fn() -> bool) {
    mask(libc::SIG_BLOCK);
    until(is_noticed, pause_in_the_system);
    mask(libc::SIG_UNBLOCK);
}

fn mask(how: libc::c_int) {
    let mut set = MaybeUninit::uninit();
    // SAFETY: it fills the set.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: the set was filled.
    unsafe { libc::sigaddset(set.as_mut_ptr(), libc::SIGURG) };
    // SAFETY: the set was filled, and the former is not asked for.
    assert_eq!(unsafe { libc::pthread_sigmask(how, set.as_ptr(), ptr::null_mut()) }, 0);
}

/// Somebody else sends it as well, all the time.
pub(crate) fn sleeps_among_signals(is_noticed: &dyn Fn() -> bool) {
    // SAFETY: it returns a number.
    let this = unsafe { libc::pthread_self() };
    let sends = thread::spawn(move || {
        for _ in 0..10_000 {
            // SAFETY: that thread waits for this one.
            unsafe { libc::pthread_kill(this, libc::SIGURG) };
        }
    });
    until(is_noticed, pause_in_the_system);
    sends.join().unwrap();
}

static mut LOCK: libc::pthread_mutex_t = libc::PTHREAD_MUTEX_INITIALIZER;

/// A lock of C code, held over a wait.
pub(crate) fn lock_of_pthread() {
    let lock = &raw mut LOCK;
    // SAFETY: it was initialised, and never moves.
    unsafe { libc::pthread_mutex_lock(lock) };
    tokio::task::yield_now().wait();
    // SAFETY: this thread has locked it.
    unsafe { libc::pthread_mutex_unlock(lock) };
}

/// One that does not belong to std, held over a wait.
pub(crate) fn lock_of_parking_lot() {
    static LOCK: parking_lot::Mutex<()> = parking_lot::Mutex::new(());
    let _locked = LOCK.lock();
    tokio::task::yield_now().wait();
}

/// One that gives way to other threads until it is free.
pub(crate) mod spin {
    use std::{
        sync::atomic::{AtomicBool, Ordering},
        thread,
    };

    use tower_fiber::WaitExt as _;

    pub(crate) fn lock() {
        static IS_TAKEN: AtomicBool = AtomicBool::new(false);
        while IS_TAKEN.swap(true, Ordering::Acquire) {
            thread::yield_now();
        }
        tokio::task::yield_now().wait();
        IS_TAKEN.store(false, Ordering::Release);
    }
}

/// Two fibers of one thread want the lock. The thread is never free again; the warning ends the process.
pub(crate) fn twice(lock: fn()) {
    let warnings = subscribe();
    thread::spawn(move || {
        until(&|| is_warned(&warnings), pause_in_the_system);
        eprintln!("{}", warnings.take().join("\n"));
        process::exit(0);
    });
    let layer = watching();
    block_on(async {
        let first = tokio::spawn(layer.run(lock));
        layer.run(lock).await;
        first.await.unwrap();
    });
}
