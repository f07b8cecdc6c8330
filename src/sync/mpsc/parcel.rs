//! What lies in the channel: a value, and the waiting sender if there is one.

use tokio::sync::oneshot;

/// A value on its way.
pub(super) struct Parcel<T> {
    value: Option<T>,
    /// Gets the value back if the parcel is dropped, and closes when it is received.
    sender: Option<oneshot::Sender<T>>,
}

impl<T> Parcel<T> {
    pub(super) fn new(value: T) -> Self {
        Self { value: Some(value), sender: None }
    }

    /// The second half gets the value back if no receiver takes it.
    pub(super) fn registered(value: T) -> (Self, oneshot::Receiver<T>) {
        let (sender, returned) = oneshot::channel();
        (Self { value: Some(value), sender: Some(sender) }, returned)
    }

    pub(super) fn open(mut self) -> T {
        self.value.take().expect("a parcel is opened once")
    }
}

impl<T> Drop for Parcel<T> {
    fn drop(&mut self) {
        if let (Some(value), Some(sender)) = (self.value.take(), self.sender.take()) {
            // If its sender has given up too, the value is dropped.
            _ = sender.send(value);
        }
    }
}
