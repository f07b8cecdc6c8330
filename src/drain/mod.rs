//! Ends the calls of layers: refuses new ones, waits, cancels the rest, and says what was cut.

mod report;

use std::{future::Future, pin::Pin, time::Duration};

use tokio::time::sleep;

pub use self::report::ShutdownReport;
use crate::util::first::first;

/// How long calls may take from their cancel to their end.
pub(crate) const AFTER_CANCEL: Duration = Duration::from_secs(5);

/// A layer whose calls can be ended.
pub(crate) trait Drain: Send + Sync {
    fn close(&self);
    fn cancel_all(&self);
    fn drained(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
    fn in_flight(&self) -> u64;
}

/// Closes the layers and waits for their calls until `limit` is ready, then cancels the rest and waits for as long as
/// `limit` has returned.
pub(crate) async fn end(layers: &[Box<dyn Drain>], limit: impl Future<Output = Duration>) -> ShutdownReport {
    layers.iter().for_each(|layer| layer.close());
    let drained = async || {
        for layer in layers {
            layer.drained().await;
        }
    };
    let Err(after_cancel) = first(drained(), limit).await else { return ShutdownReport::default() };
    let cancelled = in_flight(layers);
    layers.iter().for_each(|layer| layer.cancel_all());
    // What is left is counted, so it does not matter how the wait has ended.
    _ = first(drained(), sleep(after_cancel)).await;
    ShutdownReport { is_cut: cancelled > 0, cancelled, left: in_flight(layers), ..ShutdownReport::default() }
}

/// As `end`, for one layer that its own handle shuts down.
pub(crate) async fn end_one(layer: Box<dyn Drain>, limit: Duration) -> ShutdownReport {
    let limit = async {
        sleep(limit).await;
        AFTER_CANCEL
    };
    let report = end(&[layer], limit).await;
    report.log();
    report
}

fn in_flight(layers: &[Box<dyn Drain>]) -> u64 {
    layers.iter().map(|layer| layer.in_flight()).sum()
}
