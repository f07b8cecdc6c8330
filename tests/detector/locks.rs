//! Locks that a suspended fiber holds while another one of its thread wants them: the thread waits for itself, for ever.

use std::{
    process,
    sync::{LazyLock, Mutex, OnceLock, RwLock, mpsc},
    thread,
    time::Duration,
};

use tokio::time::sleep;
use tower_fiber::{FiberLayer, WaitExt as _};

use crate::{
    child,
    harness::{assert_said, block_until, block_until_warned, warnings_of, watched},
};

/// Long enough that a machine which has to read the program first is not what is found.
const PATIENCE: Duration = Duration::from_millis(500);

/// Runs two fibers of one thread, which is never free again; ends the process with the warning when there is one.
fn deadlock(first: fn(), second: fn()) {
    thread::spawn(|| {
        block_until(|| !warnings_of("second").is_empty());
        eprintln!("{}", warnings_of("second")[0]);
        process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let holds = FiberLayer::new().name("first");
        let wants = watched("second").detect_blocking(PATIENCE).build().unwrap();
        let elsewhere = FiberLayer::new().name("third");
        tokio::join!(holds.run(first), elsewhere.run(|| sleep(Duration::from_secs(3600)).wait()), wants.run(second));
    });
}

fn wait() {
    sleep(Duration::from_millis(1)).wait();
}

fn is_named(test: &str, texts: &[&str], first: fn(), second: fn()) {
    let Some(ended) = child::run(test, || deadlock(first, second)) else { return };
    assert!(ended.0.status.success(), "{ended:?}");
    let said = ended.stderr();
    let common = [
        "if a suspended fiber of the same thread holds that, neither can ever go on",
        "`first`, waiting at tests/detector/locks.rs:",
        "`third`, waiting at tests/detector/locks.rs:",
        "by await_in_fiber",
    ];
    for text in common.iter().chain(texts) {
        assert!(said.contains(text), "`{text}` is missing: {said}");
    }
}

static MUTEX: Mutex<()> = Mutex::new(());

#[test]
fn mutex() {
    #[inline(never)]
    fn locks() {
        let _locked = MUTEX.lock();
        wait();
    }

    is_named(
        "locks::mutex",
        &["it waits for a std Mutex", "lock_contended", "detector::locks::mutex::locks"],
        locks,
        locks,
    );
}

#[tokio::test]
async fn a_lock_that_another_thread_holds() {
    static HELD: Mutex<()> = Mutex::new(());

    #[inline(never)]
    fn takes() {
        drop(HELD.lock());
        std::hint::black_box(());
    }

    let (locked, is_locked) = mpsc::channel();
    let holds = thread::spawn(move || {
        let _held = HELD.lock();
        locked.send(()).unwrap();
        block_until_warned("contended", 1);
    });
    is_locked.recv().unwrap();
    let layer = watched("contended").build().unwrap();
    layer.run(takes).await;
    holds.join().unwrap();
    assert_said(
        "contended",
        &["it waits for a std Mutex: hold such a lock for moments only", "still does", "lock_contended", "::takes"],
    );
    assert_eq!(layer.handle().counters().blocked, 1);
}

static RW_LOCK: RwLock<()> = RwLock::new(());

#[test]
fn rw_lock() {
    let reads = || {
        let _locked = RW_LOCK.read();
        wait();
    };
    is_named("locks::rw_lock", &["it waits for a std RwLock", "write_contended"], reads, || drop(RW_LOCK.write()));
}

static LAZY: LazyLock<()> = LazyLock::new(wait);

#[test]
fn lazy_lock() {
    #[inline(never)]
    fn forces() {
        LazyLock::force(&LAZY);
        std::hint::black_box(());
    }

    is_named(
        "locks::lazy_lock",
        &["it waits for a value that is being initialised", "detector::locks::lazy_lock::forces"],
        forces,
        forces,
    );
}

static ONCE: OnceLock<()> = OnceLock::new();

#[test]
fn once_lock() {
    let initialises = || _ = ONCE.get_or_init(wait);
    is_named("locks::once_lock", &["it waits for a value that is being initialised"], initialises, initialises);
}
