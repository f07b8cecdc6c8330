//! [`Receiver`], and its iterators.

use std::{
    fmt,
    panic::{RefUnwindSafe, UnwindSafe},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{RecvError, RecvTimeoutError, TryRecvError},
    },
    time::Duration,
};

use tokio::sync::{Mutex, mpsc};

use super::parcel::Parcel;
use crate::{
    sync::wait::{take, wait_for},
    wait::note_ready,
};

/// The receiver of a channel.
pub struct Receiver<T> {
    // A lock, since others may receive while one waits.
    queue: Mutex<Queue<T>>,
    /// How many wait to receive.
    receiving: Arc<AtomicUsize>,
}

pub(super) enum Queue<T> {
    Unbounded(mpsc::UnboundedReceiver<Parcel<T>>),
    Bounded(mpsc::Receiver<Parcel<T>>),
}

impl<T> Queue<T> {
    async fn recv(&mut self) -> Option<T> {
        match self {
            Self::Unbounded(queue) => queue.recv().await,
            Self::Bounded(queue) => queue.recv().await,
        }
        .map(Parcel::open)
    }

    fn try_recv(&mut self) -> Result<T, TryRecvError> {
        let received = match self {
            Self::Unbounded(queue) => queue.try_recv(),
            Self::Bounded(queue) => queue.try_recv(),
        };
        received.map(Parcel::open).map_err(|error| match error {
            mpsc::error::TryRecvError::Empty => TryRecvError::Empty,
            mpsc::error::TryRecvError::Disconnected => TryRecvError::Disconnected,
        })
    }
}

impl<T> Receiver<T> {
    pub(super) fn new(queue: Queue<T>, receiving: Arc<AtomicUsize>) -> Self {
        Self { queue: Mutex::new(queue), receiving }
    }

    /// Receives a value, and waits for one if there is none.
    ///
    /// # Cancel safety
    ///
    /// See the [module](crate::sync#cancel-safety). If the wait unwinds, no value is lost.
    ///
    /// # Errors
    ///
    /// If there is none and all senders have gone.
    ///
    /// # Panics
    ///
    /// If it has to wait and cannot; see the [module](crate::sync#where-they-wait).
    #[track_caller]
    pub fn recv(&self) -> Result<T, RecvError> {
        let at_once = match self.try_recv() {
            Ok(value) => Some(Ok(value)),
            Err(TryRecvError::Disconnected) => Some(Err(RecvError)),
            Err(TryRecvError::Empty) => None,
        };
        take(at_once, self.next())
    }

    /// Receives a value, and waits for one for as long as `limit` at most.
    ///
    /// # Cancel safety
    ///
    /// Same as [`recv`](Self::recv).
    ///
    /// # Errors
    ///
    /// If there is none in that time; if there is none and all senders have gone.
    ///
    /// # Panics
    ///
    /// If it has to wait and cannot, or on a runtime without timers; see the [module](crate::sync#where-they-wait).
    #[track_caller]
    pub fn recv_timeout(&self, limit: Duration) -> Result<T, RecvTimeoutError> {
        match self.try_recv() {
            Ok(value) => {
                note_ready();
                Ok(value)
            }
            Err(TryRecvError::Disconnected) => Err(RecvTimeoutError::Disconnected),
            Err(TryRecvError::Empty) => match wait_for(limit, self.next()) {
                Some(received) => received.map_err(|RecvError| RecvTimeoutError::Disconnected),
                None => Err(RecvTimeoutError::Timeout),
            },
        }
    }

    async fn next(&self) -> Result<T, RecvError> {
        let _receiving = Receiving::begin(&self.receiving);
        self.queue.lock().await.recv().await.ok_or(RecvError)
    }

    /// Receives a value if there is one.
    ///
    /// # Errors
    ///
    /// If there is none, or none for this caller because others wait already; if there is none and all senders have
    /// gone.
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.queue.try_lock().map_err(|_| TryRecvError::Empty)?.try_recv()
    }

    /// An iterator that waits for each value, and ends when all senders have gone.
    pub fn iter(&self) -> Iter<'_, T> {
        Iter { receiver: self }
    }

    /// An iterator over the values that are there.
    pub fn try_iter(&self) -> TryIter<'_, T> {
        TryIter { receiver: self }
    }
}

/// A waiting receiver, counted until it has received or gives up.
struct Receiving<'a>(&'a AtomicUsize);

impl<'a> Receiving<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Receiving<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The iterator of [`Receiver::iter`].
#[derive(Debug)]
pub struct Iter<'a, T> {
    receiver: &'a Receiver<T>,
}

/// The iterator of [`Receiver::try_iter`].
#[derive(Debug)]
pub struct TryIter<'a, T> {
    receiver: &'a Receiver<T>,
}

/// The iterator of a [`Receiver`] by value.
#[derive(Debug)]
pub struct IntoIter<T> {
    receiver: Receiver<T>,
}

impl<T> Iterator for Iter<'_, T> {
    type Item = T;

    #[track_caller]
    fn next(&mut self) -> Option<T> {
        self.receiver.recv().ok()
    }
}

impl<T> Iterator for TryIter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.receiver.try_recv().ok()
    }
}

impl<T> Iterator for IntoIter<T> {
    type Item = T;

    #[track_caller]
    fn next(&mut self) -> Option<T> {
        self.receiver.recv().ok()
    }
}

impl<T> IntoIterator for Receiver<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;

    fn into_iter(self) -> IntoIter<T> {
        IntoIter { receiver: self }
    }
}

impl<'a, T> IntoIterator for &'a Receiver<T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}

impl<T> UnwindSafe for Receiver<T> {}
impl<T> RefUnwindSafe for Receiver<T> {}
