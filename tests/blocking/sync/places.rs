//! Where a lock that is taken blocks, is refused, or ends the process; one that is free is taken everywhere.

use std::{
    cell::RefCell,
    panic::resume_unwind,
    sync::{Arc, mpsc as std_mpsc},
    task::{Context, Wake, Waker},
    thread,
};

use tokio::{
    runtime::Builder,
    task::{block_in_place, spawn_blocking, yield_now},
};
use tower_fiber::{
    FiberLayer, OnDrop, WaitExt as _, block_on_waits, no_wait, on_thread_stack, run_in_fiber,
    sync::{Mutex, MutexGuard, mpsc},
};

use crate::{
    child,
    support::{ENDS_UNDER_A_LOCK, on_each_runtime, skipped_on_windows, text_of_panic},
};

/// A lock that one other has for as long as this lives.
struct Taken {
    mutex: Arc<Mutex<u32>>,
    give: std_mpsc::Sender<()>,
    holder: thread::JoinHandle<()>,
}

impl Taken {
    fn new() -> Self {
        let mutex = Arc::new(Mutex::new(7));
        let (give, wanted) = std_mpsc::channel();
        let (has, is_held) = std_mpsc::channel();
        let held = Arc::clone(&mutex);
        let holder = thread::spawn(move || {
            let _guard = held.lock();
            has.send(()).unwrap();
            _ = wanted.recv();
        });
        is_held.recv().unwrap();
        Self { mutex, give, holder }
    }

    fn give(self) {
        drop(self.give);
        self.holder.join().unwrap();
    }
}

fn lock(mutex: &Mutex<u32>) -> u32 {
    *mutex.lock().unwrap()
}

#[test]
fn it_is_refused_where_a_fiber_cannot_wait() {
    type Place = fn(&Mutex<u32>) -> u32;
    const PLACES: [(&str, Place); 3] = [
        ("no_wait", |mutex| no_wait(|| lock(mutex))),
        ("on_thread_stack", |mutex| on_thread_stack(|| lock(mutex))),
        ("inside a future that this fiber is already waiting for", |mutex| async { lock(mutex) }.wait()),
    ];
    on_each_runtime(|| async {
        for (text, place) in PLACES {
            let taken = Taken::new();
            let mutex = Arc::clone(&taken.mutex);
            let refused = run_in_fiber(move || text_of_panic(|| place(&mutex))).await;
            assert!(refused.contains(text), "{refused}");
            let mutex = Arc::clone(&taken.mutex);
            taken.give();
            assert_eq!(run_in_fiber(move || place(&mutex)).await, 7, "it is free");
        }
    });
}

#[test]
fn it_is_refused_in_a_waker() {
    struct Locks(Arc<Mutex<u32>>, std::sync::Mutex<Vec<String>>);

    impl Wake for Locks {
        fn wake(self: Arc<Self>) {
            let text = text_of_panic(|| lock(&self.0));
            self.1.lock().unwrap().push(text);
        }
    }

    let taken = Taken::new();
    let waker = Arc::new(Locks(Arc::clone(&taken.mutex), std::sync::Mutex::default()));
    let mut call = Box::pin(tower_fiber::run_local(|| {
        // Every 128th wait in a row yields, and wakes.
        (0..128).for_each(|_| async {}.wait());
    }));
    assert!(call.as_mut().poll(&mut Context::from_waker(&Waker::from(Arc::clone(&waker)))).is_pending());
    let texts = waker.1.lock().unwrap().clone();
    assert!(matches!(&texts[..], [text] if text.contains("in a callback")), "{texts:?}");
    taken.give();
}

#[test]
fn it_is_refused_where_tasks_run() {
    let refused = |taken: &Taken| {
        let text = text_of_panic(|| lock(&taken.mutex));
        assert!(text.contains("would block a thread that drives a runtime: use it in a fiber"), "{text}");
        // What is there can be had.
        let (sender, receiver) = mpsc::sync_channel(1);
        sender.send(7).unwrap();
        assert_eq!(receiver.recv(), Ok(7));
        assert!(text_of_panic(|| receiver.recv()).contains("drives a runtime"));
    };
    on_each_runtime(move || async move {
        let taken = Taken::new();
        refused(&taken);
        taken.give();
    });
    // Under a blocked thread, which drives its runtime, too.
    let taken = Taken::new();
    block_on_waits(|| {
        let polled = async { text_of_panic(|| lock(&taken.mutex)) }.wait();
        assert!(polled.contains("inside a future that this fiber is already waiting for"), "{polled}");
    });
    taken.give();
}

/// Takes the lock on threads of each kind, while the holder goes on somewhere else.
#[test]
fn it_blocks_other_threads() {
    let taken = || {
        let taken = Taken::new();
        let mutex = Arc::clone(&taken.mutex);
        let gives = thread::spawn(move || {
            (0..100).for_each(|_| thread::yield_now());
            taken.give();
        });
        (mutex, gives)
    };
    let (mutex, gives) = taken();
    assert_eq!(lock(&mutex), 7);
    gives.join().unwrap();

    let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let (mutex, gives) = taken();
    assert_eq!(runtime.block_on(async { spawn_blocking(move || lock(&mutex)).await.unwrap() }), 7);
    gives.join().unwrap();

    let (mutex, gives) = taken();
    let in_place = runtime.spawn(async move { block_in_place(|| lock(&mutex)) });
    assert_eq!(runtime.block_on(in_place).unwrap(), 7);
    gives.join().unwrap();

    let (mutex, gives) = taken();
    let entered = runtime.enter();
    assert_eq!(lock(&mutex), 7);
    gives.join().unwrap();
    drop(entered);

    let (mutex, gives) = taken();
    assert_eq!(block_on_waits(|| lock(&mutex)), 7);
    gives.join().unwrap();
}

/// The holder is a fiber, which is suspended, and the one that waits is a thread.
#[test]
fn a_thread_waits_for_a_fiber() {
    on_each_runtime(|| async {
        let mutex = Arc::new(Mutex::new(0));
        let (held, thread) = (Arc::clone(&mutex), Arc::clone(&mutex));
        let (has, is_held) = std_mpsc::channel();
        let thread = thread::spawn(move || {
            is_held.recv().unwrap();
            lock(&thread)
        });
        let holds = run_in_fiber(move || {
            let mut guard = held.lock().unwrap();
            has.send(()).unwrap();
            (0..100).for_each(|_| yield_now().wait());
            *guard += 1;
        });
        holds.await;
        assert_eq!(spawn_blocking(move || thread.join().unwrap()).await.unwrap(), 1);
    });
}

/// A value whose destructor waits for a lock, or a message.
struct AtTheEnd(Arc<Mutex<u32>>, mpsc::Receiver<u32>);

impl Drop for AtTheEnd {
    fn drop(&mut self) {
        *self.0.lock().unwrap() += self.1.recv().unwrap();
    }
}

#[test]
fn it_blocks_a_thread_that_ends() {
    if skipped_on_windows(ENDS_UNDER_A_LOCK) {
        return;
    }
    thread_local!(static LAST: RefCell<Option<AtTheEnd>> = const { RefCell::new(None) });

    for uses_the_crate_before in [false, true] {
        let taken = Taken::new();
        let (sender, receiver) = mpsc::channel();
        let last = AtTheEnd(Arc::clone(&taken.mutex), receiver);
        let mutex = Arc::clone(&taken.mutex);
        let (ends, is_ending) = std_mpsc::channel();
        let thread = thread::spawn(move || {
            LAST.set(Some(last));
            if uses_the_crate_before {
                Builder::new_current_thread().build().unwrap().block_on(run_in_fiber(|| yield_now().wait()));
            }
            ends.send(()).unwrap();
        });
        is_ending.recv().unwrap();
        taken.give();
        sender.send(1).unwrap();
        thread.join().unwrap();
        assert_eq!(lock(&mutex), 8);
    }
}

/// A local of a handler that panics wants a lock which is taken: the fiber cannot suspend, and nothing can be returned.
#[test]
fn a_fiber_that_panics_ends_the_process() {
    struct Locks(Arc<Mutex<u32>>);

    impl Drop for Locks {
        fn drop(&mut self) {
            *self.0.lock().unwrap() += 1;
        }
    }

    let panics = |mutex: &Arc<Mutex<u32>>| {
        let local = Locks(Arc::clone(mutex));
        let call = FiberLayer::new().name("orders").run(move || {
            let _local = local;
            resume_unwind(Box::new("panic"));
        });
        let runtime = Builder::new_current_thread().build().unwrap();
        assert!(runtime.block_on(async { tokio::spawn(call).await.unwrap_err().is_panic() }));
    };
    let free = Arc::new(Mutex::new(0));
    panics(&free);
    assert_eq!(lock(&free), 1);

    let test = "sync::places::a_fiber_that_panics_ends_the_process";
    let Some(ended) = child::run(test, || panics(&Taken::new().mutex)) else { return };
    assert!(!ended.0.status.success());
    let said = ended.stderr();
    for text in ["fiber of service `orders`", "tests/blocking/sync/places.rs", "while its thread is panicking"] {
        assert!(said.contains(text), "{said}");
    }
}

/// A dump names the line that waits for the lock, not one of the crate's.
#[test]
fn a_dump_names_the_line() {
    let layer = FiberLayer::new().on_drop(OnDrop::Unwind);
    let runtime = Builder::new_current_thread().build().unwrap();
    let mutex = Arc::new(Mutex::new(0));
    let (sender, receiver) = mpsc::sync_channel(1);
    sender.send(1).unwrap();
    type Wait = Box<dyn FnOnce() + Send>;
    let waits: [Wait; 3] = [
        {
            let mutex = Arc::clone(&mutex);
            Box::new(move || drop::<MutexGuard<'_, u32>>(mutex.lock().unwrap()))
        },
        Box::new(move || sender.send(2).unwrap()),
        Box::new(move || {
            let never = tower_fiber::sync::Condvar::new();
            drop(never.wait(Mutex::new(0).lock().unwrap()));
        }),
    ];
    let here = line!();
    runtime.block_on(async {
        let _held = mutex.lock();
        for wait in waits {
            let mut call = Box::pin(layer.run(wait));
            assert!(crate::support::poll_once(&mut call).await.is_none());
            let dump = layer.handle().dump();
            let place = dump.fibers[0].waits_at.expect("it waits");
            assert!(place.file().ends_with("places.rs") && place.line() < here, "{place}");
        }
    });
    drop(receiver);
}
