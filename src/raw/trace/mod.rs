//! Traces of another thread: the addresses of the functions on its stack.

use std::{fmt, time::Duration};

#[cfg_attr(
    not(all(feature = "backtrace", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))),
    path = "no_trace.rs"
)]
mod here;
mod thread;

#[cfg(feature = "tracing")]
pub(crate) use self::here::trace_thread;
pub(super) use self::thread::this_thread;

/// How long a thread may take to answer.
#[cfg_attr(
    not(all(feature = "backtrace", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))),
    allow(dead_code, reason = "nobody asks")
)]
const PATIENCE: Duration = Duration::from_millis(500);

/// A thread's trace.
#[derive(Debug)]
pub(crate) struct Trace {
    /// The next instruction to execute, then the return addresses in the callers, innermost first.
    pub(crate) addresses: Vec<usize>,
    /// Whether callers were left out.
    pub(crate) is_cut: bool,
}

/// Why there is no trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(all(feature = "backtrace", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))),
    allow(dead_code, reason = "nobody asks")
)]
pub(crate) enum Untraceable {
    /// The crate was built without support for traces.
    #[cfg_attr(
        all(feature = "backtrace", target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")),
        allow(dead_code, reason = "it was")
    )]
    NotBuilt,
    /// The program uses the signal itself.
    Taken,
    /// The thread did not answer in time.
    Silent,
    /// The stretch was over when the thread was asked.
    WentOn,
    /// The thread has ended.
    Gone,
}

impl fmt::Display for Untraceable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotBuilt if cfg!(feature = "backtrace") => "there are none on this system",
            Self::NotBuilt => "the feature `backtrace` of tower-fiber adds it (on Linux)",
            Self::Taken => {
                "the program has its own handler of SIGURG, or ignores it, by which the thread would be asked"
            }
            Self::Silent => "the thread did not answer to SIGURG in time; does it block that signal?",
            Self::WentOn => "the fiber has waited or ended meanwhile",
            Self::Gone => "the thread has ended",
        })
    }
}
