//! [`TimeLimit`]: how long an operation may wait. [`TimedOut`]: it has waited that long.

use std::{
    error::Error,
    fmt,
    future::Future as _,
    io::{self, ErrorKind},
    panic::catch_unwind,
    pin::Pin,
    task::{Context, Poll, ready},
    thread,
    time::Duration,
};

use tokio::{
    runtime::Handle,
    time::{Sleep, sleep},
};

/// A time-out of this module has elapsed.
///
/// Each [`io::Error`] of a time-out of this module contains one; its kind is [`TimedOut`](ErrorKind::TimedOut). A
/// stream may report errors of that kind itself, such as the system's for a connection that is lost. To tell the two
/// apart, look for this type in [`io::Error::get_ref`].
///
/// # Examples
///
/// ```
/// use std::{io::{self, Read as _}, time::Duration};
/// use tower_fiber::{io::{FiberIo, TimedOut}, run_in_fiber};
///
/// fn is_by_our_timeout(error: &io::Error) -> bool {
///     error.get_ref().is_some_and(|inner| inner.is::<TimedOut>())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (here, _there) = tokio::io::duplex(64);
/// let error = run_in_fiber(|| {
///     let mut stream = FiberIo::new(here);
///     stream.set_read_timeout(Some(Duration::from_millis(1)))?;
///     stream.read(&mut [0; 16])
/// });
/// assert!(is_by_our_timeout(&error.await.unwrap_err()));
/// assert!(!is_by_our_timeout(&io::ErrorKind::TimedOut.into()));
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOut {
    time: Duration,
    text: &'static str,
}

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {:?}", self.text, self.time)
    }
}

impl Error for TimedOut {}

/// A time-out and the text of its error.
#[derive(Clone, Copy)]
pub(super) struct TimeLimit {
    time: Option<Duration>,
    /// Says which operation did not happen, and within which time-out.
    text: &'static str,
}

impl TimeLimit {
    pub(super) fn reading(time: Option<Duration>) -> Self {
        Self { time, text: "nothing was read within the read time-out" }
    }

    pub(super) fn writing(time: Option<Duration>) -> Self {
        Self { time, text: "nothing was written within the write time-out" }
    }

    pub(super) fn connecting(time: Option<Duration>) -> Self {
        Self { time, text: "no connection was made within the connect time-out" }
    }

    pub(super) fn resolving(time: Option<Duration>) -> Self {
        Self { time, text: "the name was not resolved within the time-out" }
    }

    pub(super) fn none() -> Self {
        Self { time: None, text: "" }
    }

    /// Polls the timer of a pending operation; the first poll starts it. Ready with the error to return when the time
    /// has elapsed.
    pub(super) fn poll(self, mut timer: Pin<&mut Option<Sleep>>, cx: &mut Context<'_>) -> Poll<io::Error> {
        let Some(time) = self.time else { return Poll::Pending };
        if timer.is_none() {
            // The wait is about to be refused. Starting a timer may panic, and a second panic would abort the process.
            if thread::panicking() {
                return Poll::Pending;
            }
            match start(time) {
                Ok(started) => timer.set(Some(started)),
                Err(error) => return Poll::Ready(error),
            }
        }
        if let Some(timer) = timer.as_pin_mut() {
            ready!(timer.poll(cx));
        }
        Poll::Ready(io::Error::new(ErrorKind::TimedOut, TimedOut { time, text: self.text }))
    }
}

fn start(time: Duration) -> io::Result<Sleep> {
    // tokio panics if the runtime has no timers. `try_current` finds a missing runtime first, without a panic message.
    let timer = Handle::try_current().ok().and_then(|_| catch_unwind(|| sleep(time)).ok());
    timer.ok_or_else(|| {
        io::Error::new(
            ErrorKind::Unsupported,
            "a time-out needs the timers of a tokio runtime, and there are none here: build the runtime with `enable_time` \
             or `enable_all`, or set no time-out [TF46]",
        )
    })
}
