//! What a metrics exporter makes of a layer.

#![cfg(feature = "metrics")]

use std::{
    cell::Cell,
    convert::Infallible,
    future::pending,
    sync::OnceLock,
    thread::yield_now as yield_thread,
    time::{Duration, Instant},
};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::{sync::oneshot, task::yield_now, time::sleep};
use tower::{Layer as _, Service as _, service_fn};
use tower_fiber::{FiberLayer, OnDrop, Placement, WaitExt as _, run_in_fiber, try_await_in_fiber};

use crate::support::{in_each_task, poll_once, until};

pub(crate) fn exporter() -> &'static PrometheusHandle {
    static EXPORTER: OnceLock<PrometheusHandle> = OnceLock::new();
    EXPORTER.get_or_init(|| PrometheusBuilder::new().install_recorder().unwrap())
}

/// The value of this line in the exporter's text, after all layers have passed on what they have counted.
fn value(name: &str, layer: &str) -> f64 {
    _ = FiberLayer::new().name("without calls").metrics().handle().counters();
    exporter().run_upkeep();
    let text = exporter().render();
    let begin = format!("tower_fiber_{name}{{layer=\"{layer}\"");
    // Histograms have more labels.
    let line = text.lines().find(|line| line.starts_with(&begin)).unwrap_or_else(|| panic!("{begin} is not in {text}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// Checks such values. The thread that passes numbers on may be doing so just now.
#[track_caller]
fn assert_shown<const N: usize>(layer: &str, values: [(&str, f64); N]) {
    let shown = || values.map(|(name, _)| (name, value(name, layer)));
    let begun = Instant::now();
    while shown() != values && begun.elapsed() < Duration::from_secs(10) {
        yield_thread();
    }
    assert_eq!(shown(), values, "of {layer}");
}

#[test]
fn calls_and_waits_are_counted() {
    exporter();
    let names = Cell::new(["counted", "counted in a used task"]);
    in_each_task(|| {
        let [name, other] = names.get();
        names.set([other; 2]);
        async move {
            let layer = FiberLayer::new().name(name).metrics();
            for waits in 0..4 {
                layer.run(move || (0..waits).for_each(|_| yield_now().wait())).await;
            }
            let fibers = [("live_fibers", 0.0), ("live_fibers_max", 1.0), ("stacks_in_use", 0.0)];
            assert_shown(name, fibers);
            let times = [("running_seconds_count", 4.0), ("suspended_seconds_count", 4.0)];
            assert_shown(name, times);
            assert_shown(name, [("calls_total", 4.0), ("waits_total", 6.0)]);
        }
    });
    for described in ["# HELP tower_fiber_calls_total", "# TYPE tower_fiber_live_fibers gauge"] {
        assert!(exporter().render().contains(described), "{}", exporter().render());
    }
}

#[tokio::test]
async fn what_exists_and_what_existed_at_most() {
    exporter();
    for (name, builder) in
        [("exist", FiberLayer::builder()), ("exist pooled", FiberLayer::builder().placement(Placement::SharedPool))]
    {
        let layer = builder.name(name).metrics().build().unwrap();
        let mut gates = Vec::new();
        let mut calls = Vec::new();
        for _ in 0..3 {
            let (open, gate) = oneshot::channel::<()>();
            gates.push(open);
            calls.push(tokio::spawn(layer.run(move || gate.wait().unwrap())));
        }
        until(|| layer.handle().dump().fibers.len() == 3).await;
        assert_shown(name, [("live_fibers", 3.0), ("stacks_in_use", 3.0)]);
        gates.into_iter().for_each(|open| open.send(()).unwrap());
        for call in calls {
            call.await.unwrap();
        }
        assert_shown(name, [("live_fibers", 0.0), ("stacks_in_use", 0.0), ("live_fibers_max", 3.0)]);
    }
}

#[tokio::test(start_paused = true)]
async fn times_run_and_suspended() {
    exporter();
    let layer = FiberLayer::new().name("timed").metrics();
    let begun = std::time::Instant::now();
    let busy = Duration::from_millis(2);
    layer
        .run(move || {
            let resumed = std::time::Instant::now();
            while resumed.elapsed() < busy {}
            sleep(Duration::from_secs(3600)).wait();
        })
        .await;
    let real = begun.elapsed().as_secs_f64();
    assert_shown("timed", [("running_seconds_count", 1.0), ("suspended_seconds_count", 1.0)]);
    let (running, suspended) = (value("running_seconds_sum", "timed"), value("suspended_seconds_sum", "timed"));
    assert!((busy.as_secs_f64()..real).contains(&running), "{running}");
    // By the clock on the wall, since tokio's clock is paused.
    assert!(suspended > 0.0 && suspended < real, "{suspended}");
}

#[tokio::test]
async fn cancelled_handed_over_refused_and_leaked() {
    exporter();
    let layer = FiberLayer::new().name("events").metrics().on_drop(OnDrop::Cancel);
    let mut call = Box::pin(layer.run(|| try_await_in_fiber(pending::<()>()).is_err()));
    assert!(poll_once(&mut call).await.is_none());
    drop(call);
    until(|| layer.handle().live() == 0).await;
    assert_shown("events", [("abandoned_fibers", 0.0)]);
    let mut leaked = Box::pin(layer.run(|| pending::<()>().wait()));
    let leaked = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async { assert!(poll_once(&mut leaked).await.is_none()) });
        leaked
    });
    drop(leaked.join().unwrap());
    let counters = layer.handle().counters();
    for (name, counted) in [
        ("cancelled_total", counters.cancelled),
        ("handed_over_total", counters.handed_over),
        ("refused_waits_total", counters.refused_waits),
        ("leaked_total", counters.leaked),
        ("stacks_in_use", counters.stacks_in_use),
    ] {
        assert_eq!(counted, 1, "{name}");
        assert_shown("events", [(name, 1.0)]);
    }
    assert_shown("events", [("live_fibers", 0.0)]);
}

#[tokio::test]
async fn those_without_a_caller() {
    exporter();
    for (name, builder) in
        [("alone", FiberLayer::builder()), ("alone pooled", FiberLayer::builder().placement(Placement::SharedPool))]
    {
        let layer = builder.name(name).metrics().build().unwrap();
        let (open, gate) = oneshot::channel::<()>();
        let mut call = Box::pin(layer.run(move || gate.wait().unwrap()));
        assert!(poll_once(&mut call).await.is_none());
        until(|| layer.handle().live() == 1).await;
        drop(call);
        until(|| layer.handle().counters().abandoned == 1).await;
        assert_shown(name, [("abandoned_fibers", 1.0), ("handed_over_total", 1.0)]);
        open.send(()).unwrap();
        layer.handle().drained().await;
        assert_shown(name, [("abandoned_fibers", 0.0), ("live_fibers", 0.0)]);
    }
}

#[tokio::test]
async fn async_services_and_unnamed_layers() {
    exporter();
    let mut service = FiberLayer::new().name("async").metrics().layer(service_fn(|()| async {
        yield_now().await;
        Ok::<_, Infallible>(())
    }));
    service.call(()).await.unwrap();
    assert_shown("async", [("calls_total", 1.0), ("waits_total", 1.0)]);
    let two = [FiberLayer::new().name("same").metrics(), FiberLayer::new().name("same").metrics()];
    for layer in two {
        layer.run(|| ()).await;
    }
    assert_shown("same", [("calls_total", 2.0)]);
    FiberLayer::new().metrics().run(|| ()).await;
    assert_shown("unnamed", [("calls_total", 1.0)]);
    // Who does not ask for metrics has none.
    run_in_fiber(|| ()).await;
    FiberLayer::new().name("quiet").run(|| ()).await;
    assert_shown("unnamed", [("calls_total", 1.0)]);
    assert!(!exporter().render().contains("quiet"));
}

#[tokio::test]
async fn a_fiber_that_blocks_its_thread() {
    exporter();
    let layer =
        FiberLayer::builder().name("blocks").metrics().detect_blocking(Duration::from_millis(10)).build().unwrap();
    let handle = layer.handle();
    let begun = std::time::Instant::now();
    layer
        .run(move || {
            while handle.counters().blocked == 0 {
                assert!(begun.elapsed() < Duration::from_secs(120), "it was not seen in two minutes");
                std::hint::spin_loop();
            }
        })
        .await;
    assert_shown("blocks", [("blocked_total", 1.0)]);
}

#[tokio::test]
async fn numbers_are_passed_on_without_being_asked_for() {
    exporter();
    let shows = |line: &str| {
        exporter().run_upkeep();
        exporter().render().lines().any(|shown| shown == line)
    };
    // The second time, the thread that does it may rest.
    for calls in 1..=2 {
        FiberLayer::new().name("unasked").metrics().run(|| ()).await;
        let line = format!("tower_fiber_calls_total{{layer=\"unasked\"}} {calls}");
        until(|| shows(&line)).await;
        tokio::time::sleep(Duration::from_millis(if calls == 1 { 1_500 } else { 0 })).await;
    }
}

#[tokio::test]
async fn layers_that_are_gone_stay_counted() {
    exporter();
    for calls in 1..=3 {
        let layer = FiberLayer::new().name("gone").metrics();
        layer.run(|| yield_now().wait()).await;
        drop(layer);
        assert_shown("gone", [("calls_total", f64::from(calls)), ("live_fibers_max", 1.0), ("live_fibers", 0.0)]);
    }
}
