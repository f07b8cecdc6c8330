//! Systems that do not do what stacks ask for: memory that is locked, advice that is refused, no `/proc`.

use std::{
    future::{Future as _, pending, poll_fn},
    hint::black_box,
    io, ptr,
    sync::{Arc, Barrier},
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use tokio::{
    runtime::Builder,
    sync::Semaphore,
    task::{unconstrained, yield_now},
};
use tower_fiber::{FiberLayer, Placement, WaitExt as _};

use crate::{
    cases,
    events::Warnings,
    refused::{end_at_system_calls, refuse_madvise},
};

const MARK_GUARDS: u32 = 102;
const SIZE: usize = 128 * 1024;
const SECRET: u8 = 0xa5;

/// What this ends with where the machine does not allow the case.
const SKIPPED: i32 = 77;

pub(crate) fn run(name: &str) {
    let events = Warnings::and_infos();
    tracing::subscriber::set_global_default(events.clone()).unwrap();
    match name {
        "as usual" => works(),
        "locked" => {
            lock_all(libc::MCL_CURRENT | libc::MCL_FUTURE);
            works();
        }
        "locked when touched" => {
            lock_all(libc::MCL_CURRENT | libc::MCL_FUTURE | libc::MCL_ONFAULT);
            works();
        }
        "locked later" => {
            works();
            lock_all(libc::MCL_CURRENT | libc::MCL_FUTURE);
            works_later();
        }
        "locked for a while" => {
            lock_all(libc::MCL_CURRENT | libc::MCL_FUTURE);
            works();
            // SAFETY: it takes and gives plain numbers.
            assert_eq!(unsafe { libc::munlockall() }, 0);
            works_later();
        }
        "locked overflow" => {
            lock_all(libc::MCL_CURRENT | libc::MCL_FUTURE);
            cases::in_a_fiber(|| cases::recurse(0));
        }
        "locked up to a limit" => {
            // What is usual, and not enough for many threads.
            limit_locked_memory(8 << 20);
            lock_all(libc::MCL_FUTURE);
            cases::in_a_fiber(|| yield_now().wait());
            waits_for_a_stack(64 << 20);
        }
        "marks refused" => {
            refuse_madvise(Some(MARK_GUARDS));
            works();
        }
        "marks refused later" => {
            works();
            refuse_madvise(Some(MARK_GUARDS));
            works_later();
        }
        "marks refused overflow" => {
            refuse_madvise(Some(MARK_GUARDS));
            cases::in_a_fiber(|| cases::recurse(0));
        }
        "advice refused" => {
            refuse_madvise(None);
            works();
        }
        "advice refused later" => {
            works();
            refuse_madvise(None);
            works_later();
        }
        "a steady crowd" => steady_crowd(),
        "no proc" => {
            assert!(!std::fs::exists("/proc/self").unwrap(), "it is there");
            works();
        }
        other => panic!("no such case: {other}"),
    }
    eprintln!("{}", events.take().join("\n"));
}

/// Locks the memory of this process.
fn lock_all(flags: libc::c_int) {
    // SAFETY: it takes and gives plain numbers.
    let result = unsafe { libc::mlockall(flags) };
    if result != 0 {
        eprintln!("memory cannot be locked here: {}", io::Error::last_os_error());
        std::process::exit(SKIPPED);
    }
}

/// Lets only so much be locked, also by root.
fn limit_locked_memory(bytes: libc::rlim_t) {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
    // SAFETY: the kernel reads the limit, which is there until the call has returned.
    let result = unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const limit) };
    assert_eq!(result, 0);
    // A privilege lifts it: this process gives all of them up.
    const VERSION_3: u32 = 0x2008_0522;
    let header = [VERSION_3, 0];
    let none = [0_u32; 6];
    // SAFETY: the kernel reads both, which are there until the call has returned.
    let result = unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), none.as_ptr()) };
    assert_eq!(result, 0);
}

/// Calls of all kinds by several threads, with stacks that are wiped and measured.
fn works() {
    // More at once than a thread keeps stacks, so that some are trimmed.
    works_with(50);
}

/// So many that there are stacks among them which are new.
fn works_later() {
    works_with(400);
}

fn works_with(at_once: usize) {
    for pooled in [false, true] {
        let builder = FiberLayer::builder().name("orders").stack_size(SIZE).stack_hygiene(true);
        let layer = if pooled { builder.placement(Placement::SharedPool) } else { builder }.build().unwrap();
        let together = Arc::new(Barrier::new(2));
        let threads = [(); 2].map(|()| {
            let (layer, together) = (layer.clone(), Arc::clone(&together));
            thread::spawn(move || calls(&layer, at_once, &together))
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let counters = layer.handle().counters();
        assert_eq!((counters.live, counters.stacks_in_use, counters.leaked), (0, 0, 0));
        assert!((50_000..100_000).contains(&counters.deepest_stack), "{counters:?}");
    }
}

fn calls(layer: &FiberLayer, at_once: usize, together: &Barrier) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let gate = Arc::new(Semaphore::new(0));
        let wait = |n| {
            let gate = Arc::clone(&gate);
            tokio::spawn(layer.run(move || (gate.acquire().wait().unwrap().forget(), n).1))
        };
        let calls: Vec<_> = (0..at_once).map(wait).collect();
        // None waits for the stack of another.
        while layer.handle().live() < at_once as u64 {
            yield_now().await;
        }
        gate.add_permits(at_once);
        for (n, call) in calls.into_iter().enumerate() {
            assert_eq!(call.await.unwrap(), n);
        }
        // And nobody else uses those stacks.
        together.wait();
        layer.handle().measure_stacks(1);
        for _ in 0..3 {
            let secret = layer.run(|| (leave_a_secret(), yield_now().wait()).0).await;
            layer.handle().drained().await;
            assert!(!is_secret(secret), "it is still there");
        }
    });
}

/// Deep on the stack; gives its address.
fn leave_a_secret() -> usize {
    let mut block = [SECRET; 50_000];
    black_box(&mut block);
    block.as_ptr().addr() + 100
}

fn is_secret(address: usize) -> bool {
    (address..address + 100).any(|address| {
        let byte = ptr::with_exposed_provenance::<u8>(address);
        // SAFETY: it is in a stack, whose slab stays as long as this thread keeps stacks of it.
        let byte = unsafe { byte.read_volatile() };
        byte == SECRET
    })
}

/// A thousand calls begin and wait, and then all end, over and over. No system call is allowed meanwhile.
fn steady_crowd() {
    let layer = FiberLayer::builder().name("orders").build().unwrap();
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(unconstrained(async {
        // Without tokio's list of tasks to wake, which would grow here.
        let once = || {
            let mut polls = 0;
            poll_fn(move |_| {
                polls += 1;
                if polls > 1 { Poll::Ready(()) } else { Poll::Pending }
            })
        };
        let mut calls: Vec<_> = (0..1000).map(|_| Box::pin(layer.run(move || once().wait()))).collect();
        let mut go_on = |rounds: usize| {
            for _ in 0..rounds {
                let cx = &mut Context::from_waker(Waker::noop());
                assert!(calls.iter_mut().all(|call| call.as_mut().poll(cx).is_pending()));
                for call in &mut calls {
                    assert!(call.as_mut().poll(cx).is_ready());
                    call.set(layer.run(move || once().wait()));
                }
            }
        };
        go_on(5);
        end_at_system_calls();
        go_on(200);
        // SAFETY: it takes a plain number.
        unsafe { libc::_exit(0) };
    }));
}

/// There is no stack of this size, and calls wait for one.
fn waits_for_a_stack(size: usize) {
    let layer = FiberLayer::builder().name("orders").stack_size(size).build().unwrap();
    Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let call = layer.run(|| pending::<()>().wait());
        assert!(tokio::time::timeout(Duration::from_millis(1), call).await.is_err());
        assert_eq!(layer.handle().counters(), Default::default());
    });
}
