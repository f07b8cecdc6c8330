//! The findings, and which ones are allowed.

use std::{fmt, panic::Location, sync::Mutex};

use crate::util::lock::lock;

static FINDINGS: Mutex<Vec<Finding>> = Mutex::new(Vec::new());
static ALLOWED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// A thread-local that a fiber left changed while it waited. Its [`Display`](fmt::Display) is the warning's text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The layer's name, or the type name of the service or function that the fiber ran.
    pub service: String,
    /// Its path in the source, such as `shop::cart::CURRENT_USER`.
    pub thread_local: String,
    /// Where the fiber waited.
    pub wait: &'static Location<'static>,
}

/// Crates whose thread-locals say that the thread is inside a call into an interpreter.
const INTERPRETERS: &[&str] = &["pyo3", "wasmtime"];

impl Finding {
    fn is_of_interpreter(&self) -> bool {
        let path = self.thread_local.trim_start_matches(['_', '<', '&']);
        INTERPRETERS.iter().any(|name| path.starts_with(name))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, thread_local, wait } = self;
        if self.is_of_interpreter() {
            return write!(
                f,
                "fiber of service `{service}` waited at {wait} inside a call into an interpreter, which changes the \
                 thread-local `{thread_local}`: if another fiber of the thread enters it meanwhile, their calls mix and \
                 the process may crash. Lock a `tower_fiber::sync::Mutex` around the whole call, run the call by \
                 `offload`, or refuse its waits by `no_wait`; if it is locked already, call `lint::allow(\"{thread_local}\")` [TF35]"
            );
        }
        write!(
            f,
            "fiber of service `{service}` waited at {wait} while it had changed the thread-local `{thread_local}`, \
             which all other code of the thread then sees: end its scope, borrow or guard before the wait, let the \
             layer keep it for the fiber (`carry`, `hook`), or, if the change does no harm, call `lint::allow(\"{thread_local}\")` [TF35]"
        )
    }
}

/// Allows changes of the thread-locals whose path contains `pattern`, such as `shop::CACHE` or `metrics::`, for the
/// rest of the process. It may be called before [`enable`](super::enable).
///
/// # Examples
///
/// ```
/// // Counts the requests of each thread, so it changes all the time.
/// tower_fiber::lint::allow("shop::ASKED");
/// ```
pub fn allow(pattern: impl Into<String>) {
    lock(&ALLOWED).push(pattern.into());
}

/// Returns the findings of this process so far, oldest first, one for each thread-local.
///
/// # Examples
///
/// ```
/// // At the end of a test.
/// assert_eq!(tower_fiber::lint::findings(), []);
/// ```
pub fn findings() -> Vec<Finding> {
    lock(&FINDINGS).clone()
}

/// Reports a finding, unless it is allowed.
#[cfg(target_os = "linux")]
pub(super) fn report(finding: Finding) {
    if lock(&ALLOWED).iter().any(|pattern| finding.thread_local.contains(pattern)) {
        return;
    }
    lock(&FINDINGS).push(finding.clone());
    #[cfg(feature = "tracing")]
    tracing::warn!(service = finding.service, "{finding}");
    #[cfg(not(feature = "tracing"))]
    eprintln!("tower-fiber: {finding}");
}
