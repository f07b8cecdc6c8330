//! Calls that never wait although they take long are reported.

#![cfg(feature = "tracing")]

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use tokio::{sync::oneshot, task::yield_now};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_fiber::{FiberLayer, WaitExt as _, error::ConfigError};

use crate::events::Warnings;
use crate::support::poll_once;

const LIMIT: Duration = Duration::from_millis(2);

fn layer() -> FiberLayer {
    FiberLayer::builder().name("thumbnails").require_await(LIMIT).build().unwrap()
}

/// What a computation or a blocking call does to its thread.
fn burn() {
    let begun = Instant::now();
    while begun.elapsed() <= LIMIT {}
}

#[tokio::test]
async fn such_calls_are_counted_and_one_in_a_while_is_reported() {
    let warnings = Warnings::default();
    let _default = tracing::subscriber::set_default(warnings.clone());
    let layer = layer();
    for _ in 0..3 {
        layer.run(burn).await;
    }
    assert_eq!(layer.handle().counters().never_waited, 3);
    let said = warnings.take();
    assert_eq!(said.len(), 1, "{said:?}");
    for text in ["thumbnails", "never waited", "offload"] {
        assert!(said[0].contains(text), "{said:?}");
    }
}

#[tokio::test]
async fn without_a_name_it_is_the_type() {
    let warnings = Warnings::default();
    let _default = tracing::subscriber::set_default(warnings.clone());
    FiberLayer::builder().require_await(LIMIT).build().unwrap().run(burn).await;
    assert!(warnings.take()[0].contains("require_await::burn"));
}

#[tokio::test]
async fn calls_that_wait_or_are_quick_are_not() {
    let layer = FiberLayer::builder().require_await(Duration::from_secs(3600)).build().unwrap();
    layer.run(burn).await;
    assert_eq!(layer.handle().counters().never_waited, 0, "quick");
    let layer = self::layer();
    layer
        .run(|| {
            burn();
            yield_now().wait();
        })
        .await;
    layer
        .run(|| {
            yield_now().wait();
            burn();
        })
        .await;
    assert_eq!(layer.handle().counters().never_waited, 0);
}

#[tokio::test]
async fn panics_and_ready_waits_do_not_hide_it() {
    let layer = layer();
    let panics = layer.run(|| {
        async {}.wait();
        burn();
        panic!("on purpose");
    });
    assert!(tokio::spawn(panics).await.is_err());
    assert_eq!(layer.handle().counters().never_waited, 1);
}

#[tokio::test]
async fn async_services_wait_when_they_are_pending() {
    let layer = layer();
    let (open, gate) = oneshot::channel::<()>();
    let service = layer.layer(service_fn(|gate: oneshot::Receiver<()>| async {
        burn();
        gate.await.unwrap();
        Ok::<_, Infallible>(())
    }));
    let mut call = Box::pin(service.clone().oneshot(gate));
    assert!(poll_once(&mut call).await.is_none());
    open.send(()).unwrap();
    call.await.unwrap();
    assert_eq!(layer.handle().counters().never_waited, 0);

    // Ready at once.
    let (open, gate) = oneshot::channel::<()>();
    open.send(()).unwrap();
    service.oneshot(gate).await.unwrap();
    assert_eq!(layer.handle().counters().never_waited, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn on_the_pool() {
    let layer = layer();
    layer.run(burn).await;
    layer.run(|| tokio::time::sleep(2 * LIMIT).wait()).await;
    assert_eq!(layer.handle().counters().never_waited, 1);
}

#[test]
fn zero_is_refused() {
    let refused: ConfigError = FiberLayer::builder().require_await(Duration::ZERO).build().unwrap_err();
    assert!(refused.to_string().contains("require_await"), "{refused}");
}
