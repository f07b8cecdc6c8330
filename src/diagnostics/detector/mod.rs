//! [`BlockingDetector`]: finding fibers that block their thread.

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
/// While one fiber runs, its thread does nothing else. Code that computes for long or blocks (a file, a lock, a
/// synchronous database client) therefore holds up every other call of that thread. The detector counts a fiber that
/// has run longer than the threshold since it was last resumed in [`Counters::blocked`](crate::Counters::blocked), and
/// logs a warning (feature `tracing`, target `tower_fiber::blocking`) *while it still runs*. It also finds code that
/// never continues because another fiber of its thread holds the lock that it waits for. The warning has the field
/// `service`, `thread`, `fiber` (its [`fiber_id`](crate::fiber_id)), `elapsed_ms`, `threshold_ms`, `still_runs` and
/// `waits_at`, the line where the fiber last suspended. Its text names
///
/// * how long the fiber has run, at least;
/// * the thread, and the line where the fiber last suspended. Behind an adapter (diesel's `BlockOn`, `io::FiberIo`) it
///   is the adapter's line;
/// * with the feature `backtrace`, on Linux, the functions that the thread is in, innermost first;
/// * if the thread waits for a lock, a condition variable, a channel, or to be unparked, for which kind, and the
///   thread's suspended fibers, one of which may have it or may have to bring it. It knows those of std, of parking_lot
///   and what is built on it (DashMap), of crossbeam, once_cell and spin, and pthread's.
///
/// Each stretch between two waits causes at most one warning, and a layer warns at most once in 5 seconds. Stretches in
/// between are counted, and the next warning says how many there were.
///
/// ```text
/// WARN tower_fiber::blocking: a fiber has blocked thread `main` (ThreadId(1)) for 112 ms (threshold 100 ms) and still does; nothing else runs there meanwhile; it waited last at src/orders.rs:14:37; what computes for long or blocks belongs in `offload` [TF31]
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
///              at ./src/main.rs:10 service="orders" thread=thread `main` (ThreadId(1)) fiber=1-1 elapsed_ms=112 threshold_ms=100 still_runs=true waits_at=src/orders.rs:14:37
/// ```
///
/// (Printed by `tracing-subscriber`.) The first backtrace in a process reads its debug information, which may take a
/// second in programs that are not optimised. If that warning would have to wait for it, it comes without the
/// functions, and once more with them. The [insight chapter](crate::docs::insight) shows one about a lock.
///
/// # How it works, and what it costs
///
/// Without a detector a layer pays nothing. With one, a call takes some nanoseconds more, and each resume of a fiber
/// writes a few words and reads no clock. A thread named `fiber-detector` checks four times per threshold whether it
/// sees the same stretch again, so a warning comes up to half a threshold late. It starts with the first fiber of such
/// a layer and rests while none runs. The warning comes from that thread, so only a subscriber for the whole process
/// sees it.
///
/// A fiber that could run but gets no processor, because other processes have them all, is reported too. Time in which
/// the whole process is stopped does not count.
///
/// For the backtrace that thread sends the blocked thread the signal SIGURG, which is ignored by default and which few
/// programs use. If a program has its own handler, it keeps it, and the warning says that this is why there is no
/// backtrace. Like any handled signal it interrupts timed system calls (`nanosleep`, `poll`, `epoll_wait`) with
/// `EINTR`, which some C code does not expect; [`backtrace(false)`](Self::backtrace) avoids that. The first backtrace
/// reads the program's debug information, which takes memory and, on a thread named `fiber-symbols`, time: most in
/// programs that are not optimised. Each thread that runs such a fiber gets a signal stack of 64 KiB if it has a
/// smaller one.
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
    /// Makes a detector with a threshold of 100 ms, and with backtraces where they are available.
    pub const fn new() -> Self {
        Self { threshold: Duration::from_millis(100), backtrace: true }
    }

    /// Sets how long a fiber may run without suspending, from 1 ms to 1 hour; 100 ms by default. Outside of that range
    /// the layer's [`build`](crate::FiberLayerBuilder::build) fails.
    pub const fn threshold(mut self, threshold: Duration) -> Self {
        self.threshold = threshold;
        self
    }

    /// Sets whether a signal asks the blocked thread for a backtrace; `true` by default. Without the feature
    /// `backtrace`, and on systems other than Linux, there is none.
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
    /// Makes a detector with this threshold.
    fn from(threshold: Duration) -> Self {
        Self::new().threshold(threshold)
    }
}
