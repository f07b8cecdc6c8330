//! Locks that a suspended fiber holds while another one of its thread wants them, and news that it would have to bring:
//! the thread waits for itself, for ever.

use std::{
    process,
    sync::{Condvar, LazyLock, Mutex, OnceLock, RwLock, mpsc},
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
        "a suspended fiber of the same thread",
        "neither can ever go on",
        "`first`, waiting at tests/detector/locks.rs:",
        "`third`, waiting at tests/detector/locks.rs:",
        "`tower_fiber::sync`",
    ];
    assert!(!said.contains("`offload`"), "{said}");
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
        &[
            "it waits for a std Mutex: hold such a lock for moments only, or use one of `tower_fiber::sync`",
            "still does",
            "lock_contended",
            "::takes",
        ],
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

#[test]
fn a_map_with_locks_of_its_own() {
    static MAP: LazyLock<dashmap::DashMap<u32, u32>> = LazyLock::new(dashmap::DashMap::new);

    let holds = || {
        let _entry = MAP.entry(1).or_default();
        wait();
    };
    let wants = || _ = MAP.insert(1, 2);
    is_named(
        "locks::a_map_with_locks_of_its_own",
        &["it waits for a lock of a DashMap", "dashmap::lock::"],
        holds,
        wants,
    );
}

#[test]
fn locks_of_parking_lots() {
    static MUTEX: parking_lot::Mutex<()> = parking_lot::Mutex::new(());

    fn holds() {
        let _locked = MUTEX.lock();
        wait();
    }

    is_named("locks::locks_of_parking_lots", &["it waits for a parking_lot Mutex; if", "holds that"], holds, holds);
}

const COMES: &str = "if that is to come from";

/// Fibers wait for each other by a condition variable, which the thread waits for.
#[test]
fn condvar() {
    static READY: Mutex<bool> = Mutex::new(false);
    static CHANGED: Condvar = Condvar::new();

    let tells = || {
        wait();
        *READY.lock().unwrap() = true;
        CHANGED.notify_one();
    };
    let waits = || drop(CHANGED.wait_while(READY.lock().unwrap(), |ready| !*ready));
    is_named("locks::condvar", &["it waits for a std Condvar; ", COMES], tells, waits);
}

/// As r2d2 waits for a connection.
#[test]
fn condvar_of_parking_lots() {
    static READY: parking_lot::Mutex<bool> = parking_lot::Mutex::new(false);
    static CHANGED: parking_lot::Condvar = parking_lot::Condvar::new();

    let tells = || {
        wait();
        *READY.lock() = true;
        CHANGED.notify_one();
    };
    let waits = || while CHANGED.wait_for(&mut READY.lock(), Duration::from_secs(3600)).timed_out() {};
    is_named("locks::condvar_of_parking_lots", &["it waits for a parking_lot Condvar; ", COMES], tells, waits);
}

#[test]
fn channel() {
    let waits = || {
        let (_sender, receiver) = mpsc::channel::<()>();
        _ = receiver.recv();
    };
    is_named("locks::channel", &["it waits for a std channel; ", COMES], wait, waits);
}

#[test]
fn parked() {
    is_named("locks::parked", &["it waits for `Thread::unpark`; ", COMES], wait, thread::park);
}

#[tokio::test]
async fn parked_without_another_fiber() {
    #[inline(never)]
    fn waits() {
        let here = thread::current();
        let wakes = thread::spawn(move || {
            block_until_warned("parked", 1);
            here.unpark();
        });
        thread::park();
        wakes.join().unwrap();
    }

    watched("parked").build().unwrap().run(waits).await;
    assert_said("parked", &["it waits for `Thread::unpark`: use what suspends the fiber, of `tower_fiber::sync`"]);
    assert!(!warnings_of("parked")[0].contains("`offload`"));
}
