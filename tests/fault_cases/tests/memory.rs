//! Systems that do not do what stacks ask for: calls work, stacks are wiped and guarded, and what that costs is said
//! once.

#![cfg(target_os = "linux")]

#[path = "../../support/child.rs"]
mod child;

use child::Ended;

/// What a case ends with where the machine does not allow it.
const SKIPPED: Option<i32> = Some(77);
const MARKS: &str = "does not mark guards";

/// `None` where the machine does not allow it, which is said.
fn run_after(first: &str, case: &str) -> Option<Ended> {
    let mut command = child::shell(first, env!("CARGO_BIN_EXE_fault-cases"));
    // The crate chooses its guards.
    command.arg(format!("memory {case}")).env("TOWER_FIBER_GUARDS", "");
    let ended = child::in_time(case, command);
    if ended.0.status.code() == SKIPPED {
        println!("`{case}` is skipped: {}", ended.stderr());
        return None;
    }
    Some(ended)
}

/// How often the case says that guards are not marked.
fn works(case: &str) -> Option<usize> {
    works_after("", case)
}

fn works_after(first: &str, case: &str) -> Option<usize> {
    let ended = run_after(first, case)?;
    assert!(ended.0.status.success(), "{case}: {ended:?}");
    Some(ended.stderr().matches(MARKS).count())
}

#[test]
fn locked_memory() {
    // Marks are refused on older systems anyway.
    let usual = works("as usual").unwrap();
    assert!(usual <= 1);
    for case in ["locked", "locked when touched", "locked later", "locked for a while"] {
        assert!(works(case).is_none_or(|said| said == 1), "{case}");
    }
}

#[test]
fn an_overflow_in_locked_memory() {
    let Some(ended) = run_after("", "locked overflow") else { return };
    assert_eq!(ended.signal(), Some(6), "{ended:?}");
    assert!(ended.stderr().contains("overflowed its stack of 64 KiB"), "{ended:?}");
}

#[test]
fn a_limit_of_locked_memory() {
    let Some(ended) = run_after("", "locked up to a limit") else { return };
    assert!(ended.0.status.success(), "{ended:?}");
    let said = ended.stderr();
    assert_eq!(said.matches("RLIMIT_MEMLOCK").count(), 1, "{said}");
    assert!(said.contains("no stack for a fiber"), "{said}");
}

#[test]
fn advice_that_a_filter_refuses() {
    for case in ["marks refused", "marks refused later", "advice refused", "advice refused later"] {
        assert_eq!(works(case), Some(1), "{case}");
    }
}

#[test]
fn an_overflow_where_a_filter_refuses_marks() {
    let ended = run_after("", "marks refused overflow").unwrap();
    assert_eq!(ended.signal(), Some(6), "{ended:?}");
    assert!(ended.stderr().contains("overflowed its stack of 64 KiB"), "{ended:?}");
}

#[test]
fn no_proc() {
    // Once more in a mount namespace of its own, in which something else covers it.
    const UNMOUNT: &str = r#"
        if [ -z "$COVERED" ]; then
            unshare -m true 2>/dev/null || { echo "there are no mount namespaces here" >&2; exit 77; }
            COVERED=1 exec unshare -m sh -c 'mount -t tmpfs none /proc || exit 77; exec "$0" "$@"' "$0" "$@"
        fi"#;
    assert!(works_after(UNMOUNT, "no proc").is_none_or(|said| said <= 1));
}

#[test]
fn a_steady_crowd_makes_no_system_calls() {
    // A machine that stops the program for 100 ms between two waves makes the load look lower than it is.
    let is_silent = |_| run_after("", "a steady crowd").is_none_or(|ended| ended.0.status.success());
    assert!((0..10).any(is_silent), "each of ten runs made a system call");
}
