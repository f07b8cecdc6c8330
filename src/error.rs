//! Errors, and the payload of a cancelled fiber's unwinding.

use std::{
    any::Any,
    error::Error,
    fmt,
    io::{self, ErrorKind},
};

/// Why [`try_await_in_fiber`](crate::try_await_in_fiber) did not wait.
///
/// [`into_future`](Self::into_future) returns a future that was refused before it was polled, so that it can be awaited
/// where waiting is possible.
#[non_exhaustive]
pub enum TryAwaitError<F> {
    /// The code runs neither in a fiber nor under [`block_on_waits`](crate::block_on_waits).
    NotInFiber(F),
    /// The code runs inside the `poll` of a future that this fiber already waits for.
    Nested(F),
    /// The code runs inside [`on_thread_stack`](crate::on_thread_stack).
    OnThreadStack(F),
    /// The code runs in a callback between two steps of this crate: a waker, a [`Hook`](crate::Hook), a recorder of
    /// metrics, the `Clone` of a carried value.
    InCallback(F),
    /// The code runs inside [`no_wait`](crate::no_wait).
    NoWait(F),
    /// The caller of this fiber has gone and the drop policy cancels it, or all calls were cancelled through the
    /// layer's handle. The variant holds the future if the wait had not begun.
    Cancelled(Option<F>),
    /// The future was not ready at once, and a [carried](crate::FiberLayerBuilder::carry) task-local cannot be kept
    /// from other tasks: code on the fiber's stack borrows it around the wait (`KEY.with(|value| ..)`), or sets it
    /// although the caller had no value (`KEY.sync_scope(..)`).
    Borrowed,
    /// The future was not ready at once, and the fiber cannot suspend because its thread is panicking.
    Unwinding,
}

impl<F> TryAwaitError<F> {
    /// Returns the future, if it was refused before it was polled.
    pub fn into_future(self) -> Option<F> {
        match self {
            Self::NotInFiber(future)
            | Self::Nested(future)
            | Self::OnThreadStack(future)
            | Self::InCallback(future)
            | Self::NoWait(future) => Some(future),
            Self::Cancelled(future) => future,
            Self::Borrowed | Self::Unwinding => None,
        }
    }

    /// The same error without the future.
    pub(crate) fn without_future(self) -> TryAwaitError<()> {
        match self {
            Self::NotInFiber(_) => TryAwaitError::NotInFiber(()),
            Self::Nested(_) => TryAwaitError::Nested(()),
            Self::OnThreadStack(_) => TryAwaitError::OnThreadStack(()),
            Self::InCallback(_) => TryAwaitError::InCallback(()),
            Self::NoWait(_) => TryAwaitError::NoWait(()),
            Self::Cancelled(future) => TryAwaitError::Cancelled(future.map(drop)),
            Self::Borrowed => TryAwaitError::Borrowed,
            Self::Unwinding => TryAwaitError::Unwinding,
        }
    }

    pub(crate) fn io_kind(&self) -> ErrorKind {
        match self {
            Self::Cancelled(_) | Self::Unwinding => ErrorKind::ConnectionAborted,
            Self::NotInFiber(_)
            | Self::Nested(_)
            | Self::OnThreadStack(_)
            | Self::InCallback(_)
            | Self::NoWait(_)
            | Self::Borrowed => ErrorKind::Unsupported,
        }
    }
}

impl<F> fmt::Debug for TryAwaitError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotInFiber(_) => "NotInFiber(..)",
            Self::Nested(_) => "Nested(..)",
            Self::OnThreadStack(_) => "OnThreadStack(..)",
            Self::InCallback(_) => "InCallback(..)",
            Self::NoWait(_) => "NoWait(..)",
            Self::Cancelled(_) => "Cancelled(..)",
            Self::Borrowed => "Borrowed",
            Self::Unwinding => "Unwinding",
        })
    }
}

impl<F> fmt::Display for TryAwaitError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotInFiber(_) => NOT_IN_FIBER,
            Self::Nested(_) => NESTED,
            Self::OnThreadStack(_) => ON_THREAD_STACK,
            Self::InCallback(_) => IN_CALLBACK,
            Self::NoWait(_) => NO_WAIT,
            Self::Cancelled(_) => CANCELLED,
            Self::Borrowed => BORROWED,
            Self::Unwinding => UNWINDING,
        })
    }
}

impl<F> Error for TryAwaitError<F> {}

/// For traits whose errors are [`io::Error`]s. The new error holds this one as a `TryAwaitError<()>`, to which it can
/// be downcast; the future is dropped. Its kind is [`ConnectionAborted`](ErrorKind::ConnectionAborted) for a fiber that
/// is cancelled or unwinds, and [`Unsupported`](ErrorKind::Unsupported) where no wait is possible.
///
/// # Examples
///
/// ```
/// use std::io::{self, ErrorKind};
/// use tower_fiber::{error::TryAwaitError, try_await_in_fiber};
///
/// fn read() -> io::Result<u8> {
///     let read = async { Ok(7) };
///     try_await_in_fiber(read)?
/// }
///
/// let error = read().unwrap_err(); // not in a fiber
/// assert_eq!(error.kind(), ErrorKind::Unsupported);
/// let refused = error.get_ref().unwrap().downcast_ref();
/// assert!(matches!(refused, Some(TryAwaitError::<()>::NotInFiber(()))));
/// ```
impl<F> From<TryAwaitError<F>> for io::Error {
    fn from(refused: TryAwaitError<F>) -> Self {
        Self::new(refused.io_kind(), refused.without_future())
    }
}

pub(crate) const NOT_IN_FIBER: &str = "waited outside a fiber: use `.await` here, enter a fiber with \
     FiberLayer / run_in_fiber, or block on purpose with block_on_waits [TF01]";

pub(crate) const CANCELLED: &str =
    "the fiber was cancelled: its caller has gone, or `FiberHandle::cancel_all` was called [TF07]";

pub(crate) const BORROWED: &str = "waited while a carried task-local is borrowed (`KEY.with(|value| ..)`), or set where the fiber's \
     caller had no value (`KEY.sync_scope(..)`), which would show it to other tasks: clone what you need out of it, and wait afterwards; \
     set it outside of the layer, or pass it on by an argument [TF06]";

pub(crate) const UNWINDING: &str = "a fiber cannot suspend while its thread is panicking [TF08]";

pub(crate) const NESTED: &str = "waited inside a future that this fiber is already waiting for: `.await` it, \
     or run the synchronous part with run_in_fiber [TF02]";

pub(crate) const ON_THREAD_STACK: &str = "waited inside on_thread_stack, where the fiber's own stack is left and cannot be \
     suspended: wait before or after it [TF03]";

pub(crate) const IN_CALLBACK: &str = "waited in a callback that runs between two steps of a fiber (a waker, a hook, a recorder of \
     metrics, the `Clone` of a carried value), where nothing can suspend: hand the work to a task, or wait in the call itself [TF04]";

pub(crate) const NO_WAIT: &str =
    "waited inside no_wait, which the code put around what must not be suspended: wait before or after it [TF05]";

/// The panic payload that unwinds a cancelled fiber, under [`OnDrop::Unwind`](crate::OnDrop::Unwind) and when a
/// [`LocalFiber`](crate::LocalFiber) is dropped.
///
/// No panic hook runs and no message is printed. Code that catches unwinding can recognise the payload by
/// `payload.is::<Cancelled>()`, and should pass it on with [`resume_unwind`](std::panic::resume_unwind).
#[derive(Debug)]
#[non_exhaustive]
pub struct Cancelled;

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(CANCELLED)
    }
}

impl Error for Cancelled {}

/// A call began after its layer was [closed](crate::FiberHandle::close).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    service: String,
    /// The type of the handle.
    handle: &'static str,
}

impl Closed {
    pub(crate) fn new(service: &str) -> Self {
        Self { service: service.to_owned(), handle: "FiberHandle" }
    }

    pub(crate) fn of_blocking_layer(service: &str) -> Self {
        Self { service: service.to_owned(), handle: "BlockingHandle" }
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the layer of service `{}` is closed (`{}::close`): stop the server from accepting requests first, and close the \
             layer when it has stopped [TF16]",
            self.service, self.handle
        )
    }
}

impl Error for Closed {}

/// Returns `closed` as tower's `BoxError`, if `E` is that type.
pub(crate) fn as_box_error<E: 'static>(closed: Closed) -> Result<E, Closed> {
    let mut error = Some(Box::<dyn Error + Send + Sync>::from(closed.clone()));
    let error: &mut dyn Any = &mut error;
    error.downcast_mut().and_then(Option::take).ok_or(closed)
}

/// A builder refused a setting.
#[derive(Debug)]
pub struct ConfigError {
    text: String,
    source: Option<std::io::Error>,
}

impl ConfigError {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), source: None }
    }

    pub(crate) fn io(text: impl Into<String>, source: std::io::Error) -> Self {
        Self { text: text.into(), source: Some(source) }
    }

    /// Says what is wrong and why, without a code, for the text of another error.
    pub(crate) fn reason(&self) -> String {
        let Self { text, source } = self;
        source.as_ref().map_or_else(|| text.clone(), |source| format!("{text}: {source}"))
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [TF25]", self.text)
    }
}

impl Error for ConfigError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|error| error as _)
    }
}

/// A [`FiberLocal`](crate::FiberLocal) was used outside fibers and [`block_on_waits`](crate::block_on_waits).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessError(());

impl AccessError {
    pub(crate) const fn new() -> Self {
        Self(())
    }
}

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a fiber-local was used outside a fiber: use it below FiberLayer, run_in_fiber or block_on_waits [TF23]",
        )
    }
}

impl Error for AccessError {}

/// A time-out of [`timeout`](crate::timeout) or [`timeout_or_unwind`](crate::timeout_or_unwind) has elapsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed(());

impl Elapsed {
    pub(crate) fn new() -> Self {
        Self(())
    }
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time-out has elapsed")
    }
}

impl Error for Elapsed {}

/// The error's kind is [`TimedOut`](ErrorKind::TimedOut).
impl From<Elapsed> for io::Error {
    fn from(elapsed: Elapsed) -> Self {
        Self::new(ErrorKind::TimedOut, elapsed)
    }
}
