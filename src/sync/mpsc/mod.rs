//! Channels with the signatures of `std::sync::mpsc`.
//!
//! The channel is tokio's. The [module above](super) says where [`Receiver::recv`] and [`SyncSender::send`] wait, and
//! in which order. Errors are those of std. Unlike in std, a [`Receiver`] may be shared: its waiters are served in
//! turn.
//!
//! # Examples
//!
//! ```
//! use tower_fiber::{join, run_in_fiber, sync::mpsc};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let (sender, receiver) = mpsc::sync_channel(1);
//! let produce = move || (0..10).for_each(|item| sender.send(item).unwrap()); // waits while the channel is full
//! let consume = move || receiver.iter().sum::<u32>();
//! let (_, sum) = run_in_fiber(|| join(produce, consume)).await;
//! assert_eq!(sum, 45);
//! # }
//! ```

mod parcel;
mod receiver;
mod sender;

use std::sync::atomic::AtomicUsize;
#[doc(no_inline)]
pub use std::sync::mpsc::{RecvError, RecvTimeoutError, SendError, TryRecvError, TrySendError};

use super::Arc;

use self::receiver::Queue;
pub use self::{
    receiver::{IntoIter, Iter, Receiver, TryIter},
    sender::{Sender, SyncSender},
};

/// Makes a channel without a bound, whose sender never waits.
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let (sender, queue) = tokio::sync::mpsc::unbounded_channel();
    (Sender::new(sender), Receiver::new(Queue::Unbounded(queue), Arc::default()))
}

/// Makes a channel that holds as many as `bound` values, and whose sender waits while it is full. With a bound of zero
/// each value passes from hand to hand: its sender waits until it is received.
///
/// # Panics
///
/// If `bound` is larger than tokio's channels allow, `usize::MAX >> 3`.
pub fn sync_channel<T>(bound: usize) -> (SyncSender<T>, Receiver<T>) {
    let receiving: Arc<AtomicUsize> = Arc::default();
    let (sender, queue) = tokio::sync::mpsc::channel(bound.max(1));
    let hands = (bound == 0).then(|| Arc::clone(&receiving));
    (SyncSender::new(sender, hands), Receiver::new(Queue::Bounded(queue), receiving))
}
