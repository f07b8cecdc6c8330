//! Settings: what is accepted, and what is refused with which text.

use std::error::Error as _;

use tower_fiber::{FiberLayer, FiberPool, OnDrop, Placement};

#[test]
fn every_setting_is_accepted() {
    let pool = FiberPool::builder().worker_threads(1).build().unwrap();
    let layers = [
        FiberLayer::builder().build(),
        FiberLayer::builder()
            .name("n")
            .stack_size(64 * 1024)
            .on_drop(OnDrop::Unwind)
            .placement(Placement::InPlace)
            .build(),
        FiberLayer::builder().stack_size(1024 * 1024 * 1024).placement(Placement::SharedPool).build(),
        FiberLayer::builder().stack_size(100_001).placement(pool).build(),
    ];
    assert!(layers.iter().all(Result::is_ok));
}

#[test]
fn stack_sizes_out_of_range_are_refused() {
    for size in [0, 1, 64 * 1024 - 1, 1024 * 1024 * 1024 + 1, usize::MAX] {
        let error = FiberLayer::builder().stack_size(size).build().unwrap_err();
        let text = error.to_string();
        assert!(text.contains(&size.to_string()) && text.contains("64 KiB") && text.contains("1 GiB"), "{text}");
    }
}

#[tokio::test]
async fn a_stack_is_as_large_as_was_asked() {
    fn touch(bytes: usize) -> u8 {
        let mut block = [1_u8; 16 * 1024];
        std::hint::black_box(&mut block);
        if bytes > block.len() { touch(bytes - block.len()) | block[bytes % block.len()] } else { block[0] }
    }
    for (size, depth) in [(2 << 20, 1 << 20), (16 << 20, 12 << 20)] {
        let layer = FiberLayer::builder().stack_size(size).build().unwrap();
        assert_eq!(layer.run(move || touch(depth)).await, 1);
    }
}

#[tokio::test]
async fn the_smallest_stack_has_room_for_a_panic_with_its_hook_and_a_backtrace() {
    let layer = FiberLayer::builder().stack_size(64 * 1024).build().unwrap();
    let call = layer.run(|| {
        let backtrace = format!("{:#?}", std::backtrace::Backtrace::force_capture());
        assert!(backtrace.contains("the_smallest_stack"));
        panic!("formatted: {:?} {:.3}", [1, 2], 1.5);
    });
    assert!(tokio::spawn(call).await.unwrap_err().is_panic());
}

#[test]
fn the_last_placement_counts() {
    let pool = FiberPool::builder().worker_threads(1).build().unwrap();
    let layer = FiberLayer::builder().placement(pool).placement(Placement::InPlace).build().unwrap();
    assert!(format!("{layer:?}").contains("InPlace"), "{layer:?}");
}

#[tokio::test]
async fn an_empty_name_is_none() {
    for layer in [FiberLayer::new().name(""), FiberLayer::builder().name("orders").name("").build().unwrap()] {
        layer.handle().close();
        let refused = tokio::spawn(layer.run(|| ())).await.unwrap_err().into_panic();
        let text = refused.downcast::<String>().unwrap();
        assert!(text.contains("config::an_empty_name_is_none"), "{text}");
    }
}

#[tokio::test]
async fn a_layer_that_is_set_shares_nothing_with_what_it_was_made_of() {
    tokio::task_local!(static REQUEST: u32);
    let before = FiberLayer::new();
    let layer = before.clone().name("orders").carry(&REQUEST).placement(Placement::SharedPool).on_drop(OnDrop::Cancel);
    before.handle().close();
    let inside = layer.handle();
    let call = layer.run(move || (REQUEST.get(), inside.live()));
    assert_eq!(REQUEST.scope(7, call).await, (7, 1));
    let text = format!("{layer:?}");
    assert!(["orders", "SharedPool", "Cancel"].iter().all(|set| text.contains(set)), "{text}");
}

#[test]
fn pools_that_cannot_be_are_refused() {
    let error = FiberPool::builder().worker_threads(0).build().unwrap_err();
    assert!(error.to_string().contains("at least one thread"));
    assert!(error.source().is_none());
    assert!(FiberPool::builder().thread_name("a\0b").build().unwrap_err().to_string().contains("NUL"));
}
