//! [`Sender`], [`SyncSender`].

use std::{
    fmt,
    panic::{RefUnwindSafe, UnwindSafe},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{SendError, TrySendError},
    },
};

use tokio::sync::mpsc;

use super::parcel::Parcel;
use crate::sync::wait::{take, wait};

/// The sender of a [`channel`](super::channel). It never waits, and may send from anywhere.
pub struct Sender<T> {
    inner: mpsc::UnboundedSender<Parcel<T>>,
}

impl<T> Sender<T> {
    pub(super) fn new(inner: mpsc::UnboundedSender<Parcel<T>>) -> Self {
        Self { inner }
    }

    /// Sends a value.
    ///
    /// # Errors
    ///
    /// If the receiver has gone; the error holds the value.
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        self.inner.send(Parcel::new(value)).map_err(|error| SendError(error.0.open()))
    }
}

/// The sender of a [`sync_channel`](super::sync_channel), which waits while the channel is full.
pub struct SyncSender<T> {
    inner: mpsc::Sender<Parcel<T>>,
    /// How many wait to receive, if values pass from hand to hand.
    hands: Option<Arc<AtomicUsize>>,
}

impl<T> SyncSender<T> {
    pub(super) fn new(inner: mpsc::Sender<Parcel<T>>, hands: Option<Arc<AtomicUsize>>) -> Self {
        Self { inner, hands }
    }

    /// Sends a value. Waits while the channel is full, and with a bound of zero until the value is received.
    ///
    /// # Cancel safety
    ///
    /// See the [module](crate::sync#cancel-safety). If the wait unwinds, the value is dropped, or with a bound of zero
    /// may still be received.
    ///
    /// # Errors
    ///
    /// If the receiver has gone; the error holds the value.
    ///
    /// # Panics
    ///
    /// If it has to wait and cannot; see the [module](crate::sync#where-they-wait).
    #[track_caller]
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        if self.hands.is_some() {
            let (parcel, returned) = Parcel::registered(value);
            self.put(parcel)?;
            // It closes when the value has been received.
            return wait(returned).map_or(Ok(()), |value| Err(SendError(value)));
        }
        self.put(Parcel::new(value))
    }

    #[track_caller]
    fn put(&self, parcel: Parcel<T>) -> Result<(), SendError<T>> {
        use mpsc::error::TrySendError::{Closed, Full};

        let (sent, parcel) = match self.inner.try_send(parcel) {
            Ok(()) => (Some(Ok(())), None),
            Err(Closed(parcel)) => (Some(Err(parcel)), None),
            Err(Full(parcel)) => (None, Some(parcel)),
        };
        let later = async {
            let parcel = parcel.expect("the channel is full, so the parcel has come back");
            self.inner.send(parcel).await.map_err(|error| error.0)
        };
        take(sent, later).map_err(|parcel| SendError(parcel.open()))
    }

    /// Sends a value if the channel is not full; with a bound of zero, if a receiver waits for it.
    ///
    /// # Errors
    ///
    /// If it is full, or the receiver has gone; the error holds the value.
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        use mpsc::error::TrySendError::{Closed, Full};

        let nobody_waits = self.hands.as_ref().is_some_and(|hands| hands.load(Ordering::SeqCst) == 0);
        if nobody_waits && !self.inner.is_closed() {
            return Err(TrySendError::Full(value));
        }
        self.inner.try_send(Parcel::new(value)).map_err(|error| match error {
            Full(parcel) => TrySendError::Full(parcel.open()),
            Closed(parcel) => TrySendError::Disconnected(parcel.open()),
        })
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<T> Clone for SyncSender<T> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), hands: self.hands.clone() }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for SyncSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncSender").finish_non_exhaustive()
    }
}

impl<T> UnwindSafe for Sender<T> {}
impl<T> RefUnwindSafe for Sender<T> {}
impl<T> UnwindSafe for SyncSender<T> {}
impl<T> RefUnwindSafe for SyncSender<T> {}
