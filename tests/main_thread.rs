//! Fibers on the main thread of a process, whose stack lies elsewhere than those of other threads. Without a harness,
//! which would run each test on a thread of its own.

#[path = "support/child.rs"]
mod child;

use std::{env, hint::black_box, thread};

use tokio::runtime::Builder;
use tower_fiber::{FiberLayer, Placement, WaitExt as _, on_thread_stack, remaining_stack};

const SIZE: usize = 64 * 1024;

/// Takes 20 MB if each level finds room for itself.
fn recurse(levels: u64) -> u64 {
    stacker::maybe_grow(32 * 1024, 1 << 20, || {
        let block = black_box([levels; 128]);
        if levels == 0 { 0 } else { recurse(levels - 1) + block[127].min(1) }
    })
}

fn recursion_through_stacker_in_a_fiber(layer: &FiberLayer) {
    let recurses = layer.run(|| {
        tokio::task::yield_now().wait();
        recurse(20_000) + on_thread_stack(|| recurse(100))
    });
    let runtime = Builder::new_current_thread().build().unwrap();
    assert_eq!(runtime.block_on(recurses), 20_100);
    let remaining = runtime.block_on(layer.run(|| (remaining_stack(), on_thread_stack(remaining_stack))));
    assert!(remaining.0 < Some(SIZE) && remaining.1 > Some(SIZE) || cfg!(not(target_os = "linux")), "{remaining:?}");
}

/// In either order: the thread whose stack is found first must not matter.
fn run(order: &str) {
    let in_place = FiberLayer::builder().stack_size(SIZE).build().unwrap();
    let pooled = FiberLayer::builder().stack_size(SIZE).placement(Placement::SharedPool).build().unwrap();
    for who in order.split(' ') {
        match who {
            "main" => recursion_through_stacker_in_a_fiber(&in_place),
            "worker" => recursion_through_stacker_in_a_fiber(&pooled),
            "thread" => {
                let layer = in_place.clone();
                thread::spawn(move || recursion_through_stacker_in_a_fiber(&layer)).join().unwrap();
            }
            other => panic!("who is {other}?"),
        }
    }
}

fn main() {
    const ORDER: &str = "TOWER_FIBER_ORDER";
    if let Ok(order) = env::var(ORDER) {
        return run(&order);
    }
    for order in ["main thread worker", "worker main thread", "thread worker main"] {
        // An unlimited stack of the main thread makes Linux place everything else from the bottom up.
        for limit in ["", "ulimit -s unlimited || exit 0"] {
            let mut command = child::shell(limit, env::current_exe().unwrap());
            command.env(ORDER, order);
            let ended = child::in_time(order, command);
            assert!(ended.0.status.success(), "{order} after `{limit}`: {ended:?}");
            println!("{order} after `{limit}` ... ok");
        }
    }
}
