//! Very many fibers at once, and the memory that is kept when they have ended. Each case is a process of its own.

use std::{
    fs,
    future::poll_fn,
    hint::black_box,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::channel,
    },
    task::{Context, Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use tokio::runtime::Builder;
use tower_fiber::{FiberLayer, InFiber, WaitExt as _};

use crate::{
    child,
    support::skipped_without_own_stacks,
    system::{CHOSEN, has_markers, kib, mappings, resident_kib},
};

fn layer(stack_size: usize) -> FiberLayer {
    FiberLayer::builder().stack_size(stack_size).build().unwrap()
}

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Fibers that wait until they are let on, polled by hand.
struct Crowd {
    layer: FiberLayer,
    is_open: Arc<AtomicBool>,
    calls: Vec<InFiber<usize>>,
}

impl Crowd {
    /// Each calls `first` before it waits. Needs a runtime.
    fn gather(layer: &FiberLayer, count: usize, first: fn(usize) -> usize) -> Self {
        let is_open = Arc::new(AtomicBool::new(false));
        let mut calls = Vec::with_capacity(count);
        for n in 0..count {
            let gate = Arc::clone(&is_open);
            let mut call = layer.run(move || {
                let value = first(n);
                let opened = poll_fn(|_| if gate.load(Ordering::Relaxed) { Poll::Ready(()) } else { Poll::Pending });
                opened.wait();
                value
            });
            assert!(poll(&mut call).is_pending());
            calls.push(call);
        }
        assert_eq!(layer.handle().counters().stacks_in_use, count as u64);
        Self { layer: layer.clone(), is_open, calls }
    }

    /// Lets all end, in the order in which they began.
    fn dismiss(self) {
        self.is_open.store(true, Ordering::Relaxed);
        for (n, mut call) in self.calls.into_iter().enumerate() {
            assert_eq!(poll(&mut call), Poll::Ready(n));
        }
        assert_eq!(self.layer.handle().counters(), Default::default());
    }

    /// Lets all end, the last one first.
    fn dismiss_backwards(self) {
        self.is_open.store(true, Ordering::Relaxed);
        for (n, mut call) in self.calls.into_iter().enumerate().rev() {
            assert_eq!(poll(&mut call), Poll::Ready(n));
        }
        assert_eq!(self.layer.handle().counters(), Default::default());
    }
}

/// Runs a case that polls by hand, in a child with guard markers if there are any.
fn case(test: &str, case: impl FnOnce()) {
    child::passes_under(test, "", &[CHOSEN], || {
        polled_by_hand(case);
    });
}

fn polled_by_hand(f: impl FnOnce()) {
    Builder::new_current_thread().build().unwrap().block_on(tokio::task::unconstrained(async { f() }));
}

#[test]
fn fibers_suspended_at_once_40_000() {
    if skipped_without_own_stacks() {
        return;
    }
    case("capacity::fibers_suspended_at_once_40_000", || {
        // Older kernels have no room for so many guards; `shortage.rs` has what happens then.
        if !has_markers() {
            return;
        }
        for size in [2 << 20, 64 << 10] {
            let (resident, maps) = (resident_kib(), mappings());
            let crowd = Crowd::gather(&layer(size), 40_000, |n| n);
            let each = (resident_kib() - resident) as f64 / 40_000.0;
            // Two pages, since these are not optimised; with huge pages it would be 2 MiB.
            assert!(each < 12.0, "{each} KiB each");
            assert!(mappings() < maps + 100, "{maps} mappings before, {} after", mappings());
            crowd.dismiss();
        }
    });
}

/// What the kernel says about the mapping that has this address.
fn mapping_of(address: usize) -> Vec<String> {
    let all = fs::read_to_string("/proc/self/smaps").unwrap();
    let mut lines = all.lines().skip_while(|line| {
        let mut ends = line.split(' ').next().unwrap().split('-').map(|end| usize::from_str_radix(end, 16));
        !matches!((ends.next(), ends.next()), (Some(Ok(from)), Some(Ok(to))) if (from..to).contains(&address))
    });
    let mut found = vec![lines.next().unwrap().to_owned()];
    found.extend(lines.take_while(|line| line.contains(':') && !line.contains('-')).map(str::to_owned));
    found
}

#[test]
fn huge_pages_are_not_used() {
    if skipped_without_own_stacks() {
        return;
    }
    case("capacity::huge_pages_are_not_used", || {
        fn here(_: usize) -> usize {
            let local = black_box([1_u8; 4096]);
            let text = mapping_of(local.as_ptr().addr()).join("\n");
            assert!(text.contains("AnonHugePages:         0 kB"), "{text}");
            let flags = text.lines().find(|line| line.starts_with("VmFlags:")).unwrap();
            assert!(flags.contains(" nh"), "{flags}");
            0
        }
        Crowd::gather(&layer(2 << 20), 1, here).dismiss();
    });
}

const DEEP: usize = 1536 * 1024;

/// Touches so much of the stack.
fn deep(n: usize) -> usize {
    let mut block = [1_u8; DEEP];
    black_box(&mut block);
    n
}

/// A thousand calls, one after the other.
fn shallow(layer: &FiberLayer) {
    (0..1000).for_each(|n| assert_eq!(poll(&mut layer.run(move || n)), Poll::Ready(n)));
}

/// Makes calls one after the other until `condition` holds; a generous bound turns what never comes into a failure.
fn until_after_calls(layer: &FiberLayer, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "{} KiB, of which {} resident",
            kib("VmSize"),
            resident_kib()
        );
        shallow(layer);
    }
}

#[test]
fn deep_calls_on_1_000_fibers_leave_little_behind() {
    if skipped_without_own_stacks() {
        return;
    }
    case("capacity::deep_calls_on_1_000_fibers_leave_little_behind", || {
        let layer = layer(2 << 20);
        let before = resident_kib();
        let crowd = Crowd::gather(&layer, 1000, deep);
        assert!(resident_kib() > before + 1000 * DEEP / 1024, "they have touched it");
        crowd.dismiss();
        let after = resident_kib();
        assert!(after < before + 1000 * 64, "{before} KiB before, {after} KiB after");
    });
}

#[test]
fn a_deep_call_then_shallow_ones() {
    if skipped_without_own_stacks() {
        return;
    }
    case("capacity::a_deep_call_then_shallow_ones", || {
        let layer = layer(2 << 20);
        shallow(&layer);
        let before = resident_kib();
        // As many as a thread keeps in any case, and more.
        for count in [1, 10, 40] {
            Crowd::gather(&layer, count, deep).dismiss();
            until_after_calls(&layer, || resident_kib() < before + 64 * count);
        }
    });
}

#[test]
fn slabs_are_given_back() {
    if skipped_without_own_stacks() {
        return;
    }
    case("capacity::slabs_are_given_back", || {
        if !has_markers() {
            return;
        }
        let layer = layer(64 << 10);
        Crowd::gather(&layer, 100, |n| n).dismiss();
        let (before, resident) = (kib("VmSize"), resident_kib());
        for is_backwards in [true, true, false, false] {
            let crowd = Crowd::gather(&layer, 100_000, |n| n);
            let peak = kib("VmSize");
            assert!(peak > before + 100_000 * 64, "{peak}");
            if is_backwards {
                crowd.dismiss_backwards()
            } else {
                crowd.dismiss()
            }
            // What a thread has not needed for a while goes, half of it at a time.
            let is_given_back = || kib("VmSize") < before + (peak - before) * 5 / 100;
            until_after_calls(&layer, || is_given_back() && resident_kib() < resident + 100_000);
        }
    });
}

#[test]
fn a_burst_on_a_thread_that_then_makes_no_calls() {
    if skipped_without_own_stacks() {
        return;
    }
    case("capacity::a_burst_on_a_thread_that_then_makes_no_calls", || {
        let layer = layer(2 << 20);
        shallow(&layer);
        let before = resident_kib();
        let (ended, is_over) = channel();
        let (end, is_due) = channel::<()>();
        let burst = thread::spawn({
            let layer = layer.clone();
            move || {
                polled_by_hand(|| {
                    let crowd = Crowd::gather(&layer, 10_000, |n| n);
                    assert!(resident_kib() > before + 20_000, "there is something to give back");
                    let begun = Instant::now();
                    crowd.dismiss();
                    // Half of what it has not needed for a tenth of a second goes. A busy machine may be that slow.
                    let is_kept = resident_kib() > before + 20_000 || begun.elapsed() > Duration::from_millis(200);
                    assert!(is_kept, "it keeps what it may need again");
                });
                ended.send(()).unwrap();
                _ = is_due.recv();
            }
        });
        is_over.recv().unwrap();
        until_after_calls(&layer, || resident_kib() < before + 10_000);
        drop(end);
        burst.join().unwrap();
    });
}
