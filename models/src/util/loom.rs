//! What the library's `util::sync` has, made of loom's types.

pub(crate) use loom::{
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicUsize, Ordering, fence},
    },
    thread::yield_now,
};

use std::collections::VecDeque;

/// Nothing suspends in a model.
pub(crate) struct Held;

impl Held {
    pub(crate) fn new() -> Self {
        Self
    }
}

/// The queue, which has models of its own where it comes from.
pub(crate) struct ConcurrentQueue<T>(Mutex<VecDeque<T>>);

impl<T> ConcurrentQueue<T> {
    pub(crate) fn unbounded() -> Self {
        Self(Mutex::new(VecDeque::new()))
    }

    pub(crate) fn push(&self, item: T) -> Result<(), T> {
        self.0.lock().unwrap().push_back(item);
        Ok(())
    }

    pub(crate) fn pop(&self) -> Result<T, ()> {
        self.0.lock().unwrap().pop_front().ok_or(())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

pub(crate) struct EnterGuard;

impl Drop for EnterGuard {
    fn drop(&mut self) {}
}

/// A runtime, which no model needs to do anything.
pub(crate) struct Handle;

impl Handle {
    pub(crate) fn enter(&self) -> EnterGuard {
        EnterGuard
    }
}

/// As tokio's, with the part of its promises that the library builds on.
pub(crate) mod oneshot {
    use std::{
        future::Future,
        pin::Pin,
        task::{Context, Poll, Waker},
    };

    use loom::sync::{Arc, Mutex};

    struct Shared<T> {
        value: Option<T>,
        is_sender_gone: bool,
        is_receiver_gone: bool,
        sender: Option<Waker>,
        receiver: Option<Waker>,
    }

    pub(crate) struct Sender<T>(Arc<Mutex<Shared<T>>>);

    pub(crate) struct Receiver<T>(Arc<Mutex<Shared<T>>>);

    pub(crate) fn channel<T>() -> (Sender<T>, Receiver<T>) {
        let shared =
            Shared { value: None, is_sender_gone: false, is_receiver_gone: false, sender: None, receiver: None };
        let shared = Arc::new(Mutex::new(shared));
        (Sender(Arc::clone(&shared)), Receiver(shared))
    }

    impl<T> Sender<T> {
        pub(crate) fn send(self, value: T) -> Result<(), T> {
            let mut shared = self.0.lock().unwrap();
            if shared.is_receiver_gone {
                return Err(value);
            }
            shared.value = Some(value);
            Ok(())
        }

        pub(crate) fn is_closed(&self) -> bool {
            self.0.lock().unwrap().is_receiver_gone
        }

        pub(crate) fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
            let mut shared = self.0.lock().unwrap();
            if shared.is_receiver_gone {
                return Poll::Ready(());
            }
            shared.sender = Some(cx.waker().clone());
            Poll::Pending
        }
    }

    impl<T> Drop for Sender<T> {
        fn drop(&mut self) {
            let waker = {
                let mut shared = self.0.lock().unwrap();
                shared.is_sender_gone = true;
                shared.receiver.take()
            };
            waker.into_iter().for_each(Waker::wake);
        }
    }

    impl<T> Future for Receiver<T> {
        type Output = Result<T, ()>;

        fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
            let mut shared = self.0.lock().unwrap();
            match shared.value.take() {
                Some(value) => Poll::Ready(Ok(value)),
                None if shared.is_sender_gone => Poll::Ready(Err(())),
                None => {
                    shared.receiver = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        }
    }

    impl<T> Drop for Receiver<T> {
        fn drop(&mut self) {
            let (waker, value) = {
                let mut shared = self.0.lock().unwrap();
                shared.is_receiver_gone = true;
                (shared.sender.take(), shared.value.take())
            };
            waker.into_iter().for_each(Waker::wake);
            drop(value);
        }
    }
}
