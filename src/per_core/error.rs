//! [`PerCoreError`].

use std::{
    any::Any,
    error::Error,
    fmt, io,
    net::SocketAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::error::ConfigError;

/// Why a server could not listen or start, or on which core it failed.
///
/// If several cores fail, it is the first failure, and has the [`others`](Self::others). What it came from, such as the
/// error that a core's closure has returned, is its [`source`](Error::source) and not in its text.
#[derive(Debug)]
pub struct PerCoreError {
    kind: Kind,
    others: Vec<PerCoreError>,
}

#[derive(Debug)]
enum Kind {
    Config(ConfigError),
    Resolve(io::Error),
    Listen { address: SocketAddr, error: io::Error },
    Start { error: io::Error },
    StartCore { core: usize, error: io::Error },
    Failed { core: usize, error: Box<dyn Error + Send + Sync> },
    Panicked { core: usize, message: Option<String>, payload: Payload },
    TimedOut { core: usize, limit: Duration },
}

impl PerCoreError {
    /// On which core it happened; `None` if the server could not listen or start at all.
    #[must_use]
    pub fn core(&self) -> Option<usize> {
        match self.kind {
            Kind::Config(_) | Kind::Resolve(_) | Kind::Listen { .. } | Kind::Start { .. } => None,
            Kind::StartCore { core, .. }
            | Kind::Failed { core, .. }
            | Kind::Panicked { core, .. }
            | Kind::TimedOut { core, .. } => Some(core),
        }
    }

    /// Whether the core's closure panicked.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        matches!(self.kind, Kind::Panicked { .. })
    }

    /// The payload of the panic, for [`resume_unwind`](std::panic::resume_unwind); `None` if it was none.
    #[must_use]
    pub fn into_panic(self) -> Option<Box<dyn Any + Send + 'static>> {
        match self.kind {
            Kind::Panicked { payload, .. } => Some(payload.0.into_inner().unwrap_or_else(PoisonError::into_inner)),
            _ => None,
        }
    }

    /// What went wrong on further cores, in the order in which it happened.
    #[must_use]
    pub fn others(&self) -> &[PerCoreError] {
        &self.others
    }

    fn new(kind: Kind) -> Self {
        Self { kind, others: Vec::new() }
    }

    pub(super) fn resolve(error: io::Error) -> Self {
        Self::new(Kind::Resolve(error))
    }

    pub(super) fn listen(address: SocketAddr, error: io::Error) -> Self {
        Self::new(Kind::Listen { address, error })
    }

    pub(super) fn start(error: io::Error) -> Self {
        Self::new(Kind::Start { error })
    }

    pub(super) fn start_core(core: usize, error: io::Error) -> Self {
        Self::new(Kind::StartCore { core, error })
    }

    pub(super) fn failed(core: usize, error: Box<dyn Error + Send + Sync>) -> Self {
        Self::new(Kind::Failed { core, error })
    }

    pub(super) fn panicked(core: usize, payload: Box<dyn Any + Send>) -> Self {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let message = text.or_else(|| payload.downcast_ref::<&str>().copied()).map(str::to_owned);
        Self::new(Kind::Panicked { core, message, payload: Payload(Mutex::new(payload)) })
    }

    pub(super) fn timed_out(core: usize, limit: Duration) -> Self {
        Self::new(Kind::TimedOut { core, limit })
    }

    /// The first of `failures`, with the others.
    pub(super) fn of(failures: Vec<Self>) -> Option<Self> {
        let mut failures = failures.into_iter();
        let first = failures.next()?;
        Some(Self { others: failures.collect(), ..first })
    }
}

impl From<ConfigError> for PerCoreError {
    fn from(error: ConfigError) -> Self {
        Self::new(Kind::Config(error))
    }
}

impl fmt::Display for PerCoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Config(error) => error.fmt(f),
            Kind::Resolve(_) => f.write_str("the address to listen on cannot be resolved"),
            Kind::Listen { address, .. } => write!(f, "cannot listen on {address}"),
            Kind::Start { .. } => f.write_str("could not start"),
            Kind::StartCore { core, .. } => write!(f, "core {core} could not start"),
            Kind::Failed { core, .. } => write!(f, "core {core} failed"),
            Kind::Panicked { core, message: Some(message), .. } => write!(f, "core {core} panicked: {message}"),
            Kind::Panicked { core, message: None, .. } => write!(f, "core {core} panicked"),
            Kind::TimedOut { core, limit } => {
                write!(f, "core {core} was still busy {limit:?} after the shutdown had begun, and was cut off")
            }
        }?;
        self.others.iter().try_for_each(|other| write!(f, "; {other}"))
    }
}

impl Error for PerCoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            Kind::Config(error) => error.source(),
            Kind::Resolve(error)
            | Kind::Listen { error, .. }
            | Kind::Start { error }
            | Kind::StartCore { error, .. } => Some(error),
            Kind::Failed { error, .. } => Some(&**error),
            Kind::Panicked { .. } | Kind::TimedOut { .. } => None,
        }
    }
}

/// A payload is `Send` only. The lock makes it `Sync`, so that the error can become any boxed one.
struct Payload(Mutex<Box<dyn Any + Send>>);

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}
