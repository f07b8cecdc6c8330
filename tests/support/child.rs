//! Cases that may end their process: each runs as a child of its test, with a time limit.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::{
    env,
    path::Path,
    process::{Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

const CASE: &str = "TOWER_FIBER_CASE";

/// Runs `case` in a child process, for five minutes at most. `None` inside that child, which has run it.
///
/// `test` is the name of the test that calls this.
#[must_use = "the parent looks at it"]
pub(crate) fn run(test: &str, case: impl FnOnce()) -> Option<Ended> {
    if env::var(CASE).is_ok_and(|running| running == test) {
        case();
        return None;
    }
    let mut child = without_core_dump(&env::current_exe().unwrap());
    child.args([test, "--exact", "--nocapture", "--test-threads=1"]).env(CASE, test).env("RUST_BACKTRACE", "0");
    Some(Ended(output(&mut child, test)))
}

/// Runs `program` in a way in which it leaves no core dump when it aborts.
pub(crate) fn without_core_dump(program: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -c 0 && exec \"$0\" \"$@\""]).arg(program);
    command
}

/// Runs `command`, for five minutes at most.
pub(crate) fn output(command: &mut Command, name: &str) -> Output {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let id = child.id().to_string();
    let (send, receive) = mpsc::channel();
    thread::spawn(move || send.send(child.wait_with_output().unwrap()));
    receive.recv_timeout(Duration::from_secs(300)).unwrap_or_else(|_| {
        _ = Command::new("kill").args(["-9", &id]).status();
        panic!("`{name}` hangs");
    })
}

/// Runs `case` in a child process, which must end as a test that passes.
pub(crate) fn passes(test: &str, case: impl FnOnce()) {
    if let Some(ended) = run(test, case) {
        assert!(ended.0.status.success(), "{ended:?}");
    }
}

/// Runs `case` in a child process, which must be ended by an abort with these texts on its standard error.
pub(crate) fn aborts(test: &str, texts: &[&str], case: impl FnOnce()) {
    let Some(ended) = run(test, case) else { panic!("it should have ended the process") };
    let stderr = String::from_utf8_lossy(&ended.0.stderr).into_owned();
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt as _;
        assert_eq!(ended.0.status.signal(), Some(6), "{ended:?}");
    }
    for text in texts {
        assert!(stderr.contains(text), "`{text}` is missing: {stderr}");
    }
}

/// How a child has ended.
#[derive(Debug)]
pub(crate) struct Ended(pub(crate) Output);
