//! Thousands of HTTP/1 and HTTP/2 clients that reset in the middle of their requests, against a real axum server: every
//! policy, both placements, twenty rounds, and memory stays flat.
//!
//! Each combination is a process of its own, since memory is the process's.

mod clients;
mod shop;

use tokio::runtime::{Builder, Runtime};
use tower_fiber::OnDrop;

use crate::{child, system::memory};
use shop::Shop;

const ROUNDS: usize = 20;
/// Of each protocol, in each round.
const CLIENTS: usize = 1000;
/// At once.
const BATCH: usize = 250;

/// Rounds of resets; then nothing is left, and memory has not grown by what leaking a page a request would take.
fn rounds(runtime: &Runtime, policy: OnDrop) {
    runtime.block_on(async {
        let shop = Shop::open(policy).await;
        let mut warm = None;
        for round in 0..ROUNDS {
            for _ in 0..CLIENTS / BATCH {
                clients::reset_http1(&shop, BATCH).await;
                shop.settle(BATCH).await;
                clients::reset_http2(&shop, BATCH).await;
                shop.settle(BATCH).await;
            }
            shop.answers().await;
            if round == 4 {
                warm = Some(memory());
            }
        }
        let ((resident, maps), (resident_after, maps_after)) = (warm.unwrap(), memory());
        // Fifteen rounds of two thousand pages would be 117 MiB.
        assert!(
            resident_after < resident + 16 * 1024,
            "{resident} KiB after 5 rounds, {resident_after} KiB in the end"
        );
        assert!(maps_after < maps + 400, "{maps} mappings after 5 rounds, {maps_after} in the end");
    });
}

fn in_place(policy: OnDrop) {
    rounds(&Builder::new_current_thread().enable_all().build().unwrap(), policy);
}

fn on_the_pool(policy: OnDrop) {
    rounds(&Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap(), policy);
}

macro_rules! combinations {
    ($($name:ident: $placement:ident $policy:ident;)*) => {$(
        #[test]
        fn $name() {
            child::passes(concat!("resets::", stringify!($name)), || $placement(OnDrop::$policy));
        }
    )*};
}

combinations! {
    finish_in_place: in_place Finish;
    finish_on_the_pool: on_the_pool Finish;
    cancel_in_place: in_place Cancel;
    cancel_on_the_pool: on_the_pool Cancel;
    unwind_in_place: in_place Unwind;
    unwind_on_the_pool: on_the_pool Unwind;
}
