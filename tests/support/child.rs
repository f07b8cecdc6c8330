//! Cases that may end their process: each runs as a child of its test, with a time limit.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::{
    env,
    ffi::OsStr,
    path::Path,
    process::{Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

const CASE: &str = "TOWER_FIBER_CASE";

/// Runs `case` in a child process, for five minutes at most. `None` inside that child, which has run it.
///
/// `test` is the name of the test that calls this, with its modules.
#[must_use = "the parent looks at it"]
pub(crate) fn run(test: &str, case: impl FnOnce()) -> Option<Ended> {
    run_under(test, "", &[], case)
}

/// As [`run`], with a command of the shell before it (`ulimit -v 1000000`), and with variables of the environment.
#[must_use = "the parent looks at it"]
pub(crate) fn run_under(test: &str, first: &str, variables: &[(&str, &str)], case: impl FnOnce()) -> Option<Ended> {
    if is_child(test) {
        case();
        return None;
    }
    Some(has_run(in_time(test, again(test, shell(first, env::current_exe().unwrap()), variables))))
}

/// Runs the case of `test` as [`run`] does, in a copy of this program.
pub(crate) fn run_program(test: &str, program: &Path) -> Ended {
    has_run(in_time(test, again(test, shell("", program), &[])))
}

/// A name that no test has would pass.
fn has_run(ended: Ended) -> Ended {
    let stdout = String::from_utf8_lossy(&ended.0.stdout);
    assert!(!stdout.contains("running 0 tests"), "it is another name: {stdout}");
    ended
}

fn again(test: &str, mut child: Command, variables: &[(&str, &str)]) -> Command {
    child.args([test, "--exact", "--nocapture", "--test-threads=1"]).env(CASE, test).envs(variables.iter().copied());
    child
}

/// Whether this process is the child of that test.
pub(crate) fn is_child(test: &str) -> bool {
    env::var(CASE).is_ok_and(|running| running == test)
}

/// A command that runs `program` without core dumps, which some of the children would leave.
pub(crate) fn shell(first: &str, program: impl AsRef<OsStr>) -> Command {
    if cfg!(windows) && first.is_empty() {
        // Which may have no shell, and leaves no core dumps.
        return Command::new(program);
    }
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("ulimit -c 0\n{first}\nexec \"$0\" \"$@\"")).arg(program);
    command
}

/// Runs `command` for five minutes at most.
pub(crate) fn in_time(test: &str, mut command: Command) -> Ended {
    if command.get_envs().all(|(name, _)| name != "RUST_BACKTRACE") {
        command.env("RUST_BACKTRACE", "0");
    }
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let id = child.id().to_string();
    let (send, receive) = mpsc::channel();
    thread::spawn(move || send.send(child.wait_with_output().unwrap()));
    let output = receive.recv_timeout(Duration::from_secs(300)).unwrap_or_else(|_| {
        _ = Command::new("kill").args(["-9", &id]).status();
        panic!("`{test}` hangs");
    });
    Ended(output)
}

/// Runs `case` in a child process, which must end as a test that passes.
pub(crate) fn passes(test: &str, case: impl FnOnce()) {
    passes_under(test, "", &[], case);
}

/// As [`passes`], with a command of the shell before it, and with variables of the environment.
pub(crate) fn passes_under(test: &str, first: &str, variables: &[(&str, &str)], case: impl FnOnce()) {
    if let Some(ended) = run_under(test, first, variables, case) {
        assert!(ended.0.status.success(), "{ended:?}");
    }
}

/// Runs `case` in a child process, which must be ended by an abort with these texts on its standard error.
pub(crate) fn aborts(test: &str, texts: &[&str], case: impl FnOnce()) {
    let Some(ended) = run(test, case) else { panic!("it should have ended the process") };
    #[cfg(unix)]
    assert_eq!(ended.signal(), Some(6), "{ended:?}");
    let stderr = ended.stderr();
    for text in texts {
        assert!(stderr.contains(text), "`{text}` is missing: {stderr}");
    }
}

/// How a child has ended.
#[derive(Debug, PartialEq)]
pub(crate) struct Ended(pub(crate) Output);

impl Ended {
    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self) -> Option<i32> {
        use std::os::unix::process::ExitStatusExt as _;
        self.0.status.signal()
    }
}
