//! Layers inside layers.

use tower::{Layer as _, ServiceBuilder};
use tower_fiber::FiberLayer;

use crate::harness::{any, each};

/// The inner call needs no permit of its own: it has that of the call in which it was made.
#[test]
fn over_itself() {
    each(1, |limited| async move {
        let inner = limited.layer.layer(limited.service());
        limited.all_end_inside(any(limited.layer.layer(inner)), 10, 2).await;
    });
    each(1, |limited| async move {
        let between = ServiceBuilder::new().concurrency_limit(1).service(limited.layer.layer(limited.service()));
        limited.all_end_inside(any(limited.layer.layer(between)), 10, 2).await;
    });
}

#[test]
fn over_and_under_another_layer() {
    for outer in [1, 5] {
        each(2, move |limited| async move {
            let other = FiberLayer::builder().max_fibers(outer).build().unwrap();
            limited.all_end(any(other.layer(limited.layer.layer(limited.service()))), 10).await;
            let other = FiberLayer::builder().max_fibers(outer).build().unwrap();
            limited.all_end(any(limited.layer.layer(other.layer(limited.service()))), 10).await;
        });
    }
}
