//! What is on a stack that is used again, and how much of one was used.

use std::{
    fs::File,
    hint::black_box,
    os::unix::fs::FileExt as _,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tower_fiber::{FiberLayer, WaitExt as _};

use crate::support::{both, skipped_without_own_stacks};

const SIZE: usize = 1 << 20;
const SECRET: [u8; 4096] = [0xa5; 4096];

/// What lies at an address of this process, read without touching it by code.
fn read(address: usize) -> Vec<u8> {
    let mut bytes = vec![1; SECRET.len()];
    File::open("/proc/self/mem").unwrap().read_exact_at(&mut bytes, address as u64).unwrap();
    bytes
}

/// Leaves the secret deep on the stack, below what later frames of these tests use, and says where.
fn write_secret() -> usize {
    fn place() -> usize {
        let mut local = SECRET;
        black_box(&mut local);
        local.as_ptr().addr()
    }
    fn deeper() -> usize {
        let mut block = [0_u8; SIZE / 4];
        black_box(&mut block);
        place()
    }
    deeper()
}

/// Whether the secret can be found after its fiber has ended, and by the next fiber on the same stack.
async fn is_found(is_wiped: bool) -> (bool, bool) {
    let layer = FiberLayer::builder().stack_size(SIZE).stack_hygiene(is_wiped).build().unwrap();
    let address = layer.run(|| (write_secret(), tokio::task::yield_now().wait()).0).await;
    let after = read(address);
    let inside = layer.run(move || {
        let local = 0_u8;
        let is_same_stack = (address..address + SIZE).contains(&(&raw const local).addr());
        assert!(is_same_stack);
        read(address)
    });
    let inside = inside.await;
    for bytes in [&after, &inside] {
        assert!(*bytes == SECRET || bytes.iter().all(|&byte| byte == 0), "{bytes:x?}");
    }
    (after == SECRET, inside == SECRET)
}

#[tokio::test]
async fn stack_hygiene_leaves_zeros_on_a_stack() {
    if skipped_without_own_stacks() {
        return;
    }
    assert_eq!(is_found(true).await, (false, false));
}

#[tokio::test]
async fn without_stack_hygiene_a_stack_is_used_again_as_it_is() {
    assert_eq!(is_found(false).await, (true, true));
}

#[tokio::test]
async fn stack_hygiene_after_a_panic_and_on_the_pool() {
    if skipped_without_own_stacks() {
        return;
    }
    // Of a size that no other test here uses: they share the pool.
    for layer in both(FiberLayer::builder().stack_size(2 * SIZE).stack_hygiene(true)) {
        let place = Arc::new(AtomicUsize::new(0));
        let noted = Arc::clone(&place);
        let call = layer.run(move || {
            noted.store(write_secret(), Ordering::Relaxed);
            std::panic::resume_unwind(Box::new("expected"));
        });
        assert!(tokio::spawn(call).await.unwrap_err().is_panic());
        assert_eq!(read(place.load(Ordering::Relaxed)), [0; SECRET.len()]);
    }
}

#[tokio::test]
async fn measured_stacks_say_how_deep_calls_go() {
    if skipped_without_own_stacks() {
        return;
    }
    fn deep(kib: usize) {
        let mut block = [1_u8; 1024];
        black_box(&mut block);
        if kib > 1 {
            deep(kib - 1);
        }
        black_box(&mut block);
    }
    for layer in both(FiberLayer::builder().stack_size(SIZE)) {
        let handle = layer.handle();
        layer.run(|| deep(500)).await;
        assert_eq!(handle.counters(), Default::default(), "only on request");
        handle.measure_stacks(3);
        layer.run(|| deep(300)).await;
        let deepest = handle.counters().deepest_stack;
        assert!((300 << 10..450 << 10).contains(&deepest) && deepest % 4096 == 0, "{deepest}");
        layer.run(|| tokio::task::yield_now().wait()).await;
        let counters = handle.counters();
        assert_eq!((counters.stacks_measured, counters.deepest_stack), (2, deepest), "the most of all");
        layer.run(|| deep(400)).await;
        let deepest = handle.counters().deepest_stack;
        layer.run(|| deep(500)).await;
        let counters = handle.counters();
        assert_eq!((counters.stacks_measured, counters.deepest_stack), (3, deepest), "three were asked for");
        handle.measure_stacks(5);
        handle.measure_stacks(0);
        layer.run(|| deep(500)).await;
        assert_eq!(handle.counters().stacks_measured, counters.stacks_measured, "zero ends it");
    }
}

#[tokio::test]
async fn sizes_that_are_no_whole_pages_are_rounded_up() {
    for size in [64 * 1024 + 1, 100_001, 128 * 1024 - 1] {
        let layer = FiberLayer::builder().stack_size(size).build().unwrap();
        let remaining = layer.run(|| tower_fiber::remaining_stack().unwrap()).await;
        let whole = size.next_multiple_of(4096);
        assert!((whole - 8192..whole).contains(&remaining), "{remaining} of {size}");
    }
}
