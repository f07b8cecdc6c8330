//! `tower_fiber::sync`: locks and channels like std's.

mod barrier;
mod cancelled;
mod channels;
mod conditions;
mod held;
mod once;
mod places;
mod poison;
mod reentrant;
mod same;
mod shared;

use tokio::runtime::{Handle, RuntimeFlavor};
use tower_fiber::{FiberLayer, FiberState};

use crate::support::both_with_one_worker;

/// How many of the layer's fibers wait.
fn waiting(layer: &FiberLayer) -> usize {
    let dump = layer.handle().dump();
    dump.fibers.iter().filter(|fiber| fiber.state == FiberState::Waiting).count()
}

/// Layers whose calls come to their thread in the order in which they are made.
fn on_one_thread() -> Vec<FiberLayer> {
    let [here, pooled] = both_with_one_worker(FiberLayer::builder());
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::MultiThread => vec![pooled],
        _ => vec![here, pooled],
    }
}
