//! Unmodified blocking code waits: libc's calls suspend the fiber (Linux on x86-64 and aarch64).
//!
//! Most libraries open their own sockets and block their thread: `std::net`, libpq, the synchronous clients of redis
//! and MySQL, ureq, C libraries. With this feature, the crate defines libc's blocking functions, and the linker
//! resolves the calls of the whole program to them, including those of dynamic libraries. In a fiber of a layer with
//! [`interpose`](crate::FiberLayerBuilder::interpose), such a call first tries without blocking. If it would have to
//! wait, the fiber suspends until the descriptor is ready. Everywhere else the call goes straight to the kernel.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use futures_util::future::join_all;
//! use tower_fiber::FiberLayer;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_fiber::error::ConfigError> {
//! let layer = FiberLayer::builder().interpose().build()?;
//!
//! // Fifty calls on this one thread, each of which "blocks" it for 100 ms.
//! let begun = Instant::now();
//! join_all((0..50).map(|_| layer.run(|| std::thread::sleep(Duration::from_millis(100))))).await;
//! assert!(begun.elapsed() < Duration::from_secs(2));
//! # Ok(())
//! # }
//! ```
//!
//! The [interposition chapter](crate::docs::interposition) lists the calls and how they differ from libc's, and says
//! where nothing suspends and what this means for locks.

mod blocked;
mod bridge;
mod line;
mod wait;
mod watch;

use std::sync::{OnceLock, atomic::Ordering};

use self::bridge::Tokio;
use crate::{error::ConfigError, raw::interpose as raw};

/// How often calls of one libc function had to wait in fibers of layers with
/// [`interpose`](crate::FiberLayerBuilder::interpose), in the whole process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallCount {
    /// The function's name. `futex` is a wait for a std lock, `park` that of a parked thread.
    pub name: &'static str,
    /// How many calls have suspended their fiber and gone on.
    pub suspended: u64,
    /// How many calls had to wait and have blocked their thread, because nothing could suspend there.
    pub blocked: u64,
}

/// Returns how often each libc function had to wait, omitting those that never did.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_fiber::{FiberLayer, interpose};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_fiber::error::ConfigError> {
/// let layer = FiberLayer::builder().interpose().build()?;
/// layer.run(|| std::thread::sleep(Duration::from_millis(1))).await;
/// assert!(interpose::calls().iter().any(|call| call.name.ends_with("sleep") && call.suspended == 1));
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn calls() -> Vec<CallCount> {
    let counts = raw::calls().into_iter().map(|call| CallCount {
        name: call.name,
        suspended: call.suspended.load(Ordering::Relaxed),
        blocked: call.blocked.load(Ordering::Relaxed),
    });
    counts.filter(|call| call.suspended + call.blocked > 0).collect()
}

/// Lets fibers wait in libc calls from now on, if the program's calls lead here.
pub(crate) fn install() -> Result<(), ConfigError> {
    static INSTALLED: OnceLock<Result<(), String>> = OnceLock::new();
    INSTALLED.get_or_init(try_install).clone().map_err(ConfigError::new)
}

fn try_install() -> Result<(), String> {
    let not_interposed = raw::not_interposed();
    if !not_interposed.is_empty() {
        return Err(format!(
            "`interpose` does not work in this program, where these calls lead elsewhere: {}; the crate must be linked \
             into the executable, and the executable must export its symbols. In a plugin or a Python module, leave \
             `interpose` out and use `offload`",
            not_interposed.join(", ")
        ));
    }
    if !raw::parks_as_known() {
        return Err(
            "`interpose` does not know how threads park in this version of std, which fibers must not do; use \
                    another version of Rust, or leave it out"
                .to_owned(),
        );
    }
    raw::install(&Tokio);
    #[cfg(feature = "tracing")]
    tracing::info!(
        target: "tower_fiber::interpose",
        "in fibers of layers with `interpose`, these calls suspend instead of blocking: {}",
        raw::calls().iter().map(|call| call.name).collect::<Vec<_>>().join(", ")
    );
    Ok(())
}
