//! A fiber that waits for a lock or a channel is cancelled.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use tower_fiber::{
    Cancelled, FiberLayer, OnDrop,
    sync::{Condvar, Mutex, RwLock, mpsc},
};

use crate::support::{both_with_one_worker, on_each_runtime, poll_once, until};

#[derive(Default)]
struct Shared {
    mutex: Mutex<u32>,
    lock: RwLock<u32>,
    free: Mutex<bool>,
    changed: Condvar,
    reached: AtomicU32,
}

type Wait = fn(&Shared, &mpsc::Receiver<u32>);

/// What waits for ever, until the test gives it what it wants.
const WAITS: [Wait; 5] = [
    |shared, _| drop(shared.mutex.lock()),
    |shared, _| drop(shared.lock.read()),
    |shared, _| drop(shared.lock.write()),
    |shared, _| drop(shared.changed.wait_while(shared.free.lock().unwrap(), |free| !*free)),
    |_, receiver| assert_eq!(receiver.recv(), Ok(7)),
];

async fn cancelled_in_each(layer: &FiberLayer, unwinds: bool) {
    for wait in WAITS {
        let shared = Arc::new(Shared::default());
        let (sender, receiver) = mpsc::channel();
        let receiver = Arc::new(receiver);
        let (inside, from) = (Arc::clone(&shared), Arc::clone(&receiver));
        let held = (shared.mutex.lock().unwrap(), shared.lock.write().unwrap());
        let mut call = Box::pin(layer.run(move || {
            inside.reached.store(1, Ordering::SeqCst);
            let ended = catch_unwind(AssertUnwindSafe(|| wait(&inside, &from)));
            inside.reached.store(2, Ordering::SeqCst);
            if let Err(payload) = ended {
                assert!(payload.is::<Cancelled>());
                std::panic::resume_unwind(payload);
            }
            inside.reached.store(3, Ordering::SeqCst);
        }));
        assert!(poll_once(&mut call).await.is_none());
        until(|| super::waiting(layer) == 1).await;
        drop(call);
        if unwinds {
            layer.handle().drained().await;
            assert_eq!(shared.reached.load(Ordering::SeqCst), 2);
        }
        drop(held);
        *shared.free.try_lock().expect("it has left the lock") = true;
        shared.changed.notify_one();
        sender.send(7).unwrap();
        layer.handle().drained().await;
        assert_eq!(shared.reached.load(Ordering::SeqCst), if unwinds { 2 } else { 3 });
        // It has left no place in a line, and has lost nothing that came.
        assert!(shared.mutex.try_lock().is_ok() && shared.lock.try_write().is_ok());
        let left = receiver.try_recv();
        assert!(if unwinds { left == Ok(7) } else { true }, "{left:?}");
    }
}

#[test]
fn it_goes_on() {
    on_each_runtime(|| async {
        for policy in [OnDrop::Finish, OnDrop::Cancel] {
            for layer in both_with_one_worker(FiberLayer::builder().on_drop(policy)) {
                cancelled_in_each(&layer, false).await;
            }
        }
    });
}

#[test]
fn it_unwinds() {
    on_each_runtime(|| async {
        for layer in both_with_one_worker(FiberLayer::builder().on_drop(OnDrop::Unwind)) {
            cancelled_in_each(&layer, true).await;
        }
    });
}

/// The one that unwinds had been given the lock, or notified, and passes it on.
#[test]
fn what_it_was_given_goes_to_the_next_one() {
    on_each_runtime(|| async {
        let layer = FiberLayer::new().on_drop(OnDrop::Unwind).placement(tower_fiber::Placement::InPlace);
        // In place, where a fiber is resumed by its own task only.
        if tokio::runtime::Handle::current().runtime_flavor() == tokio::runtime::RuntimeFlavor::MultiThread {
            return;
        }
        let shared = Arc::new(Shared::default());
        let call = |wait: Wait| {
            let inside = Arc::clone(&shared);
            Box::pin(layer.run(move || wait(&inside, &mpsc::channel().1)))
        };
        let held = shared.mutex.lock().unwrap();
        let [mut first, mut second] = [call(WAITS[0]), call(WAITS[0])];
        assert!(poll_once(&mut first).await.is_none() && poll_once(&mut second).await.is_none());
        drop(held);
        assert!(shared.mutex.try_lock().is_err(), "the first has it");
        drop(first);
        second.await;

        let [mut first, mut second] = [call(WAITS[3]), call(WAITS[3])];
        assert!(poll_once(&mut first).await.is_none() && poll_once(&mut second).await.is_none());
        *shared.free.lock().unwrap() = true;
        shared.changed.notify_one();
        drop(first);
        second.await;
    });
}
