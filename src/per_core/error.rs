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
/// If several cores fail, this is the first failure, and [`others`](Self::others) has the rest. The cause, such as the
/// error that a core's closure returned, is the [`source`](Error::source).
#[derive(Debug)]
pub struct PerCoreError {
    core: Option<usize>,
    kind: Kind,
    others: Vec<PerCoreError>,
}

#[derive(Debug)]
pub(super) enum Kind {
    Config(ConfigError),
    Resolve(io::Error),
    Listen(SocketAddr, io::Error),
    Start(io::Error),
    Failed(Box<dyn Error + Send + Sync>),
    /// The payload is only `Send`. The lock makes it `Sync`, so that the error can be boxed as `Send + Sync`.
    Panicked(Option<String>, Mutex<Box<dyn Any + Send>>),
    TimedOut(Duration),
}

impl PerCoreError {
    /// Returns the core on which the failure happened, or `None` if the server as a whole could not listen or start.
    #[must_use]
    pub fn core(&self) -> Option<usize> {
        self.core
    }

    /// Whether the core's closure panicked.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        matches!(self.kind, Kind::Panicked(..))
    }

    /// Returns the payload of the panic, for [`resume_unwind`](std::panic::resume_unwind), or `None` if the core's
    /// closure did not panic.
    #[must_use]
    pub fn into_panic(self) -> Option<Box<dyn Any + Send + 'static>> {
        match self.kind {
            Kind::Panicked(_, payload) => Some(payload.into_inner().unwrap_or_else(PoisonError::into_inner)),
            _ => None,
        }
    }

    /// Returns the failures of further cores, in the order in which they happened.
    #[must_use]
    pub fn others(&self) -> &[PerCoreError] {
        &self.others
    }

    pub(super) fn new(core: Option<usize>, kind: Kind) -> Self {
        Self { core, kind, others: Vec::new() }
    }

    pub(super) fn panicked(core: usize, payload: Box<dyn Any + Send>) -> Self {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let message = text.or_else(|| payload.downcast_ref::<&str>().copied()).map(str::to_owned);
        Self::new(Some(core), Kind::Panicked(message, Mutex::new(payload)))
    }

    /// Returns the first of `failures`, with the rest as its `others`.
    pub(super) fn first_of(failures: Vec<Self>) -> Option<Self> {
        let mut failures = failures.into_iter();
        let first = failures.next()?;
        Some(Self { others: failures.collect(), ..first })
    }
}

impl From<ConfigError> for PerCoreError {
    fn from(error: ConfigError) -> Self {
        Self::new(None, Kind::Config(error))
    }
}

impl fmt::Display for PerCoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(core) = self.core {
            write!(f, "core {core} ")?;
        }
        match &self.kind {
            Kind::Config(error) => error.fmt(f),
            Kind::Resolve(_) => f.write_str("the address to listen on cannot be resolved"),
            Kind::Listen(address, _) => write!(f, "cannot listen on {address}"),
            Kind::Start(_) => f.write_str("could not start"),
            Kind::Failed(_) => f.write_str("failed"),
            Kind::Panicked(Some(message), _) => write!(f, "panicked: {message}"),
            Kind::Panicked(None, _) => f.write_str("panicked"),
            Kind::TimedOut(limit) => {
                write!(f, "was still busy {limit:?} after the shutdown had begun, and was cut off [TF36]")
            }
        }?;
        self.others.iter().try_for_each(|other| write!(f, "; {other}"))
    }
}

impl Error for PerCoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            Kind::Config(error) => error.source(),
            Kind::Resolve(error) | Kind::Listen(_, error) | Kind::Start(error) => Some(error),
            Kind::Failed(error) => Some(&**error),
            Kind::Panicked(..) | Kind::TimedOut(_) => None,
        }
    }
}
