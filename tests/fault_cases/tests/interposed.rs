//! Interposed calls where nothing may suspend, and those of fortified C code, which do.

#![cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]

#[path = "../../support/child.rs"]
mod child;

fn run(case: &str) {
    let mut command = child::shell("", env!("CARGO_BIN_EXE_fault-cases"));
    command.arg(format!("interposed {case}"));
    let ended = child::in_time(case, command);
    assert!(ended.0.status.success(), "{ended:?}");
}

#[test]
fn in_a_handler_of_a_signal_it_blocks() {
    run("in a handler");
}

#[test]
fn with_signals_blocked_it_blocks() {
    run("with signals blocked");
}

#[test]
fn on_standard_input_it_blocks() {
    run("standard input");
}

#[test]
fn in_a_child_before_exec_it_blocks() {
    run("before exec");
}

#[test]
fn calls_of_fortified_c_code_suspend() {
    run("fortified");
}

#[test]
fn a_plugin_that_asks_for_it_is_refused() {
    run("in a plugin");
}

#[test]
fn in_an_allocator_it_blocks() {
    run("in an allocator");
}

#[test]
fn while_the_crate_prepares_a_wait_an_allocator_blocks() {
    run("while the bridge allocates");
}

#[test]
fn system_calls_that_are_not_known_pass_on() {
    run("unknown");
}
