//! Faults that safe code cannot make: the overflow of C frames has its message, and every other fault ends as without
//! the crate.

#![cfg(target_os = "linux")]

#[path = "../../support/child.rs"]
mod child;

use child::Ended;

const OVERFLOW: &str = "fiber of service \"orders\" overflowed its stack of 64 KiB; raise it by FiberLayer::builder().stack_size(131072) [TF26]";
const SEGV: Option<i32> = Some(11);
const ABORT: Option<i32> = Some(6);

/// How the case ends, which must not depend on the kind of guards.
fn run(case: &str) -> Ended {
    let [markers, protected] = ["", "mprotect"].map(|guards| {
        let mut command = child::shell("", env!("CARGO_BIN_EXE_fault-cases"));
        command.arg(case).env("TOWER_FIBER_GUARDS", guards);
        child::in_time(case, command)
    });
    assert_eq!((markers.0.status, text(&markers)), (protected.0.status, text(&protected)), "{case}");
    markers
}

/// What it said, without numbers of threads.
fn text(ended: &Ended) -> String {
    ended.stderr().lines().map(|line| line.split(" (").next().unwrap_or_default().to_owned() + "\n").collect()
}

#[test]
fn c_frames_of_40_kb_without_probes() {
    for case in ["c frames", "c frames on the pool"] {
        let ended = run(case);
        assert_eq!(ended.signal(), ABORT, "{ended:?}");
        assert!(ended.stderr().starts_with(OVERFLOW), "{ended:?}");
    }
}

#[test]
fn null_write_in_a_handler() {
    let without = run("null write without a fiber");
    assert_eq!((without.signal(), &*without.stderr()), (SEGV, ""));
    for case in ["null write", "null write on the pool", "null write after fibers", "null write with faults ignored"] {
        let ended = run(case);
        assert_eq!((ended.signal(), &*ended.stderr()), (SEGV, ""), "{case}");
    }
}

#[test]
fn other_signals_of_a_handler() {
    assert_eq!(run("bus error").signal(), Some(7));
    // std's own handler returns from a signal that was sent.
    for case in ["bus error", "signal sent"] {
        let (without, with) = (run(&format!("{case} without a fiber")), run(case));
        assert_eq!(with, without, "{case}");
    }
}

#[test]
fn overflow_of_the_main_thread_after_fibers() {
    let ended = run("thread's overflow");
    assert_eq!(ended.signal(), ABORT, "{ended:?}");
    assert!(
        ended.stderr().contains("thread 'main'") && ended.stderr().contains("has overflowed its stack"),
        "{ended:?}"
    );
    assert!(!ended.stderr().contains("fiber"), "{ended:?}");
}

#[test]
fn overflow_in_a_fiber_on_a_thread_of_c_code() {
    let ended = run("overflow on a thread of C code");
    assert_eq!(ended.signal(), ABORT, "{ended:?}");
    assert!(ended.stderr().starts_with(OVERFLOW), "{ended:?}");
}

#[test]
fn other_faults_with_a_handler_of_the_application() {
    const SAID: &str = "the application's handler\n";
    for (case, code, signal, said) in [
        ("null write with a handler", Some(7), None, SAID),
        ("null write with a plain handler", Some(7), None, SAID),
        ("null write with a handler for once", None, SEGV, SAID),
        ("fault that a handler repairs", Some(0), None, "repaired\n"),
    ] {
        let ended = run(case);
        assert_eq!((ended.0.status.code(), ended.signal(), &*ended.stderr()), (code, signal, said), "{case}");
    }
}

#[test]
fn overflow_with_a_handler_of_the_application() {
    let ended = run("overflow with a handler");
    assert_eq!(ended.signal(), ABORT, "{ended:?}");
    assert!(ended.stderr().starts_with(OVERFLOW), "{ended:?}");
}
