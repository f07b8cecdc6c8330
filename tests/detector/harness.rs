//! What these tests share: the process's one subscriber, and code that blocks until it has been found.

use std::{
    sync::OnceLock,
    thread::{self, park_timeout},
    time::{Duration, Instant},
};

use tokio::runtime::Builder;
use tower_fiber::{FiberLayer, FiberLayerBuilder};

use crate::events::Warnings;

/// Warnings come from a thread of the crate's own, so the subscriber must be that of the process.
pub(crate) fn warnings() -> &'static Warnings {
    static WARNINGS: OnceLock<Warnings> = OnceLock::new();
    WARNINGS.get_or_init(|| {
        let warnings = Warnings::default();
        tracing::subscriber::set_global_default(warnings.clone()).unwrap();
        read_symbols(&warnings);
        warnings
    })
}

/// The first warning of a process comes in two parts.
fn read_symbols(warnings: &Warnings) {
    let warnings = warnings.clone();
    let is_read = move || {
        let said = warnings.with("service=\"symbols\"");
        said.iter().any(|warning| warning.contains("the thread is in") || warning.contains("no backtrace"))
    };
    let layer = FiberLayer::builder().name("symbols").detect_blocking(Duration::from_millis(1)).build().unwrap();
    let runtime = Builder::new_current_thread().build().unwrap();
    // A test's own thread may drive a runtime already.
    thread::spawn(move || runtime.block_on(layer.run(move || block_until(is_read)))).join().unwrap();
}

/// Those of a layer.
pub(crate) fn warnings_of(name: &str) -> Vec<String> {
    warnings().with(&format!("service=\"{name}\""))
}

pub(crate) fn watched(name: &str) -> FiberLayerBuilder {
    warnings();
    FiberLayer::builder().name(name).detect_blocking(Duration::from_millis(100))
}

/// Stays on this thread until `is_done`.
#[inline(never)]
pub(crate) fn block_until(is_done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_done() {
        assert!(begun.elapsed() < Duration::from_secs(120), "it was not seen in two minutes");
        park_timeout(Duration::from_millis(1));
    }
}

/// Stays on this thread until the layer has warned so often.
#[inline(never)]
pub(crate) fn block_until_warned(name: &str, times: usize) {
    block_until(|| warnings_of(name).len() >= times);
}

/// Computes on this thread until the layer has warned.
#[inline(never)]
pub(crate) fn compute_until_warned(name: &str) {
    let begun = Instant::now();
    while warnings_of(name).is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(120), "it was not seen in two minutes");
        sum_up();
    }
}

#[inline(never)]
fn sum_up() -> u64 {
    (0..100_000_u64).map(std::hint::black_box).sum()
}

/// The one warning of a layer, which contains these texts.
pub(crate) fn assert_said(name: &str, texts: &[&str]) {
    let said = warnings_of(name);
    assert_eq!(said.len(), 1, "{said:?}");
    for text in texts {
        assert!(said[0].contains(text), "`{text}` is missing: {}", said[0]);
    }
}

/// As [`assert_said`], for functions in the backtrace, where there is one, and for what optimised programs do not say.
pub(crate) fn assert_in(name: &str, functions: &[&str], unless_optimised: &[&str]) {
    if cfg!(all(feature = "backtrace", target_os = "linux")) {
        assert_said(name, functions);
        if cfg!(debug_assertions) {
            assert_said(name, unless_optimised);
        }
    } else {
        assert_said(name, &["no backtrace: the feature `backtrace` of tower-fiber adds it"]);
    }
}
