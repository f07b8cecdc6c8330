//! Blocked threads are asked where they are by a signal: in system calls, on small stacks, and where the program uses
//! it too.

#![cfg(target_os = "linux")]

#[path = "../../support/child.rs"]
mod child;

/// What the case says; it must end as if nobody had asked.
fn said_by(case: &str) -> String {
    let mut command = child::shell("", env!("CARGO_BIN_EXE_fault-cases"));
    command.arg(case);
    let ended = child::in_time(case, command);
    assert!(ended.0.status.success(), "{ended:?}");
    let said = ended.stderr();
    for text in ["service=\"orders\"", "a fiber has blocked thread `main`"] {
        assert!(said.contains(text), "{case}: `{text}` is missing: {said}");
    }
    said + &String::from_utf8_lossy(&ended.0.stdout)
}

fn assert_says(case: &str, texts: &[&str]) {
    let said = said_by(case);
    for text in texts {
        assert!(said.contains(text), "{case}: `{text}` is missing: {said}");
    }
}

#[test]
fn a_system_call_that_sleeps() {
    assert_says("sleep in the system", &["nanosleep", "blocked::pause_in_the_system", "call_back", "src/blocked.rs:"]);
    assert_says("sleep among signals", &["nanosleep", "blocked::pause_in_the_system"]);
}

#[test]
fn a_stack_with_little_room_left() {
    assert_says("sleep deep down", &["nanosleep", "blocked::pause_in_the_system", "blocked::deep_down", "and more"]);
}

#[test]
fn a_program_that_uses_the_signal_keeps_it() {
    assert_says(
        "sleep with the signal taken",
        &["no backtrace: the program has its own handler of SIGURG", "urgent 0 times"],
    );
    assert_says(
        "sleep with the signal ignored",
        &["no backtrace: the program has its own handler of SIGURG, or ignores it"],
    );
}

#[test]
fn a_thread_that_does_not_answer() {
    assert_says("sleep with signals blocked", &["no backtrace: the thread did not answer to SIGURG in time"]);
}

#[test]
fn locks_of_others_that_a_suspended_fiber_holds() {
    let locks = [
        ("pthread lock", "a pthread mutex"),
        ("parking_lot lock", "a parking_lot Mutex"),
        ("spin lock", "a spin lock"),
    ];
    for (case, lock) in locks {
        let said = format!("it waits for {lock}; if a suspended fiber");
        assert_says(case, &[&said, "`orders`, waiting at tests/fault_cases/src/blocked.rs:", "fault_cases::blocked::"]);
    }
}
