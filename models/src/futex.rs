//! Locks as std makes them, of which some wait in the kernel and some, in fibers, by looking at the value now and then.
//!
//! The algorithms are those of std's `sys::sync::mutex::futex` and `condvar::futex`. What is shown: who looks misses
//! nothing, and takes nothing from those who wait in the kernel.

use loom::{
    cell::Cell,
    sync::{
        Arc, Condvar, Mutex as Queue,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use crate::explore;

const UNLOCKED: u32 = 0;
const LOCKED: u32 = 1;
const CONTENDED: u32 = 2;

/// A word on which threads wait in the kernel.
struct Futex {
    word: AtomicU32,
    queue: Queue<()>,
    woken: Condvar,
}

/// How a thread waits while the word has a value. It may return for no reason.
#[derive(Clone, Copy)]
enum Waits {
    InKernel,
    ByLooking,
}

impl Futex {
    fn new(value: u32) -> Self {
        Self { word: AtomicU32::new(value), queue: Queue::new(()), woken: Condvar::new() }
    }

    fn wait(&self, value: u32, how: Waits) {
        match how {
            Waits::InKernel => {
                let queue = self.queue.lock().unwrap();
                if self.word.load(Ordering::SeqCst) == value {
                    drop(self.woken.wait(queue).unwrap());
                }
            }
            Waits::ByLooking => {
                while self.word.load(Ordering::Relaxed) == value {
                    thread::yield_now();
                }
            }
        }
    }

    fn wake_one(&self) {
        let _queue = self.queue.lock().unwrap();
        self.woken.notify_one();
    }
}

struct Mutex {
    futex: Futex,
    data: Cell<u32>,
}

impl Mutex {
    fn new() -> Arc<Self> {
        Arc::new(Self { futex: Futex::new(UNLOCKED), data: Cell::new(0) })
    }

    fn lock(&self, how: Waits) {
        let word = &self.futex.word;
        if word.compare_exchange(UNLOCKED, LOCKED, Ordering::Acquire, Ordering::Relaxed).is_err() {
            while word.load(Ordering::Relaxed) == CONTENDED || word.swap(CONTENDED, Ordering::Acquire) != UNLOCKED {
                self.futex.wait(CONTENDED, how);
            }
        }
    }

    fn unlock(&self) {
        if self.futex.word.swap(UNLOCKED, Ordering::Release) == CONTENDED {
            self.futex.wake_one();
        }
    }

    /// loom fails if two are here at once, or if one does not see what the other did before.
    fn add(&self, how: Waits) {
        self.lock(how);
        self.data.set(self.data.get() + 1);
        self.unlock();
    }
}

fn all_get_the_lock<const N: usize>(own: Waits, others: [Waits; N]) {
    explore(move || {
        let mutex = Mutex::new();
        let others = others.map(|how| {
            let mutex = Arc::clone(&mutex);
            thread::spawn(move || mutex.add(how))
        });
        mutex.add(own);
        others.into_iter().for_each(|other| other.join().unwrap());
        mutex.lock(own);
        assert_eq!(mutex.data.get(), 1 + N as u32);
    });
}

#[test]
fn who_looks_and_who_waits_in_the_kernel_get_the_lock() {
    all_get_the_lock(Waits::InKernel, [Waits::InKernel, Waits::ByLooking]);
}

#[test]
fn two_who_look_get_the_lock() {
    all_get_the_lock(Waits::ByLooking, [Waits::ByLooking]);
}

#[test]
fn who_looks_sees_a_condition_that_is_signalled_once() {
    explore(|| {
        let mutex = Mutex::new();
        let signals = Arc::new(Futex::new(0));
        let other = {
            let (mutex, signals) = (Arc::clone(&mutex), Arc::clone(&signals));
            thread::spawn(move || {
                mutex.add(Waits::InKernel);
                signals.word.fetch_add(1, Ordering::Relaxed);
                signals.wake_one();
            })
        };
        mutex.lock(Waits::ByLooking);
        while mutex.data.get() == 0 {
            let seen = signals.word.load(Ordering::Relaxed);
            mutex.unlock();
            signals.wait(seen, Waits::ByLooking);
            mutex.lock(Waits::ByLooking);
        }
        mutex.unlock();
        other.join().unwrap();
    });
}
