//! [`BlockingDetector`]: whether a fiber keeps its thread for too long.

mod monitor;
#[cfg(feature = "tracing")]
mod report;
#[cfg(feature = "tracing")]
mod stack;

use std::time::Duration;

use crate::{error::ConfigError, fiber::DetectorSettings};

const MIN_THRESHOLD: Duration = Duration::from_millis(1);
const MAX_THRESHOLD: Duration = Duration::from_secs(60 * 60);

/// How [`FiberLayerBuilder::detect_blocking`](crate::FiberLayerBuilder::detect_blocking) looks for fibers that block
/// their thread.
///
/// While one fiber runs, its thread does nothing else. Code that computes for long, or that blocks (a file, a lock, a
/// synchronous client of a database), therefore holds up every other call of that thread. The detector finds it: a
/// fiber that has run longer than the threshold since it was last resumed is counted in
/// [`Counters::blocked`](crate::Counters::blocked), and one warning (feature `tracing`, target `tower_fiber::blocking`)
/// says so *while it still runs*. Code that never goes on, because it waits for a lock that another fiber of its thread
/// holds, is found as well. The warning has the field `service`, and its text names
///
/// * how long the fiber has run, at least;
/// * the thread, and the line where the fiber has waited last (a wait that was ready at once is none). Behind an
///   adapter (diesel's `BlockOn`, `io::FiberIo`) it is the adapter's line;
/// * with the feature `backtrace`, on Linux, the functions that the thread is in, innermost first;
/// * if that is a lock, the fibers of the thread that wait meanwhile, one of which may hold it.
///
/// Each stretch between two waits is warned of once, and a layer warns at most once in 5 seconds; what comes in between
/// is only counted, and the next warning says how often.
///
/// ```text
/// WARN tower_fiber::blocking: a fiber has blocked thread `main` (ThreadId(1)) for 769 ms (threshold 100 ms) and still does; nothing else runs there meanwhile; it waited last at src/orders.rs:14:37; what computes for long or blocks belongs into `offload`
/// the thread is in:
///    0: __GI___clock_nanosleep
///              at ./time/../sysdeps/unix/sysv/linux/clock_nanosleep.c:48
///    1: std::sys::thread::unix::sleep::nanosleep
///    2: std::sys::thread::unix::sleep
///    3: std::thread::functions::sleep
///    4: shop::legacy::wait_for_printer
///              at ./src/legacy.rs:8
///    5: shop::legacy::print_invoice
///              at ./src/legacy.rs:4
///    6: shop::orders::order
///              at ./src/orders.rs:10
///    7: shop::main::{{closure}}::{{closure}}
///              at ./src/main.rs:10 service="orders"
/// ```
///
/// (Printed by `tracing-subscriber`. Later warnings come sooner: the first backtrace has to read the debug
/// information.) The [insight chapter](crate::docs::insight) has one about a lock.
///
/// # How it works, and what it costs
///
/// Without a detector a layer pays nothing. With one, a call takes some nanoseconds more, and each resume of a fiber
/// writes a few words, without a look at any clock: a thread named `fiber-watch` looks four times in each threshold
/// whether it finds the same stretch again, so a warning comes up to half a threshold late. It starts with the first
/// fiber of a layer that is watched and rests while no such fiber runs. The warning comes from that thread: only a
/// subscriber for the whole process sees it.
///
/// A fiber that is ready to go on, but gets no processor because other processes have them all, is reported too. Time
/// in which the whole process is stopped does not count.
///
/// For the backtrace that thread sends the blocked one a signal, SIGURG, whose default is to be ignored and which few
/// programs use. A program with a handler of its own keeps it, and the warning says that there is no backtrace for that
/// reason. As any handled signal, it ends some system calls early, with `EINTR`: those that wait for a time
/// (`nanosleep`, `poll`, `epoll_wait`), which code has to expect, but C code sometimes does not.
/// [`backtrace(false)`](Self::backtrace) leaves it out. The first backtrace reads the program's debug information,
/// which takes memory and, on the thread of the watch, time; more so in programs that are not optimised. Each thread
/// that runs such a fiber gets a signal stack of 64 KiB if it has a smaller one.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_fiber::{FiberLayer, BlockingDetector};
///
/// let layer = FiberLayer::builder().name("orders").detect_blocking(BlockingDetector::new()).build()?;
/// assert_eq!(layer.handle().counters().blocked, 0);
///
/// let strict = BlockingDetector::new().threshold(Duration::from_millis(20)).backtrace(false);
/// let layer = FiberLayer::builder().name("prices").detect_blocking(strict).build()?;
///
/// // The threshold alone.
/// let layer = FiberLayer::builder().detect_blocking(Duration::from_millis(500)).build()?;
/// # Ok::<(), tower_fiber::error::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "it does nothing until it is given to a layer's builder"]
pub struct BlockingDetector {
    threshold: Duration,
    backtrace: bool,
}

impl BlockingDetector {
    /// A threshold of 100 ms, with backtraces where they can be had.
    pub const fn new() -> Self {
        Self { threshold: Duration::from_millis(100), backtrace: true }
    }

    /// How long a fiber may run without a wait that suspends it; 100 ms by default. From 1 ms to 1 hour, or the layer's
    /// [`build`](crate::FiberLayerBuilder::build) fails.
    pub const fn threshold(mut self, threshold: Duration) -> Self {
        self.threshold = threshold;
        self
    }

    /// Whether the blocked thread is asked where it is, by a signal; `true` by default. Without the feature
    /// `backtrace`, and elsewhere than on Linux, it never is.
    pub const fn backtrace(mut self, backtrace: bool) -> Self {
        self.backtrace = backtrace;
        self
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if !(MIN_THRESHOLD..=MAX_THRESHOLD).contains(&self.threshold) {
            return Err(ConfigError::new(format!(
                "the threshold of `detect_blocking` is {:?}: choose from 1 ms to 1 hour, or leave it out",
                self.threshold
            )));
        }
        Ok(())
    }

    pub(crate) fn settings(self) -> DetectorSettings {
        DetectorSettings::new(self.threshold, self.backtrace, monitor::start)
    }
}

impl Default for BlockingDetector {
    fn default() -> Self {
        Self::new()
    }
}

impl From<Duration> for BlockingDetector {
    /// One with this threshold.
    fn from(threshold: Duration) -> Self {
        Self::new().threshold(threshold)
    }
}
