//! How often it is said, and what can be set.

use std::time::Duration;

use tokio::task::yield_now;
use tower_fiber::{BlockingDetector, FiberLayer, WaitExt as _};

use crate::harness::{assert_said, block_until, block_until_warned, warnings_of, watched};

#[tokio::test]
async fn one_warning_in_five_seconds_and_the_rest_is_counted() {
    let layer = watched("often").build().unwrap();
    let handle = layer.handle();
    let counted = handle.clone();
    layer
        .run(move || {
            block_until_warned("often", 1);
            for times in 2..=4 {
                yield_now().wait();
                block_until(|| counted.counters().blocked == times);
            }
        })
        .await;
    assert_said("often", &["threshold"]);
    // Each time is a stretch of its own until one is said aloud.
    let counted = handle.clone();
    layer
        .run(move || {
            while warnings_of("often").len() == 1 {
                let before = counted.counters().blocked;
                block_until(|| counted.counters().blocked > before);
                yield_now().wait();
            }
            block_until(|| true);
        })
        .await;
    let said = warnings_of("often");
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[1].contains("more times were only counted since the last warning"), "{said:?}");
    assert!(handle.counters().blocked >= 5);
}

#[tokio::test]
async fn one_stretch_is_counted_once() {
    let layer = watched("long").build().unwrap();
    let begun = std::time::Instant::now();
    layer
        .run(move || {
            block_until_warned("long", 1);
            block_until(|| begun.elapsed() > Duration::from_millis(300));
        })
        .await;
    assert_said("long", &[]);
    assert_eq!(layer.handle().counters().blocked, 1);
}

#[tokio::test]
async fn without_a_signal_on_request() {
    let watch = BlockingDetector::new().threshold(Duration::from_millis(20)).backtrace(false);
    let layer = watched("quietly").detect_blocking(watch).build().unwrap();
    layer.run(|| block_until_warned("quietly", 1)).await;
    assert!(!warnings_of("quietly")[0].contains("backtrace"));
    assert!(!warnings_of("quietly")[0].contains("block_until"));
}

#[test]
fn thresholds_out_of_range() {
    for threshold in [Duration::ZERO, Duration::from_micros(999), Duration::from_secs(3601), Duration::MAX] {
        let error = FiberLayer::builder().detect_blocking(threshold).build().unwrap_err();
        assert!(error.to_string().contains("from 1 ms to 1 hour"), "{error}");
    }
    for threshold in [Duration::from_millis(1), Duration::from_secs(3600)] {
        _ = FiberLayer::builder().detect_blocking(threshold).build().unwrap();
    }
}
