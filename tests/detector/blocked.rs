//! What is said of a fiber that blocks its thread, wherever it does so.

use std::{panic::Location, time::Duration};

use tokio::{task::yield_now, time::sleep};
use tower_fiber::{FiberLayer, Placement, WaitExt as _};

use crate::harness::{assert_in, assert_said, block_until_warned, compute_until_warned, warnings_of, watched};

/// Code of others that calls back.
#[inline(never)]
fn library<R>(callback: impl FnOnce() -> R) -> R {
    let result = callback();
    std::hint::black_box(());
    result
}

#[tokio::test]
async fn sleeps() {
    let layer = watched("sleeps").build().unwrap();
    let place = layer.run(|| {
        let place = Location::caller();
        sleep(Duration::from_millis(1)).wait();
        block_until_warned("sleeps", 1);
        format!("{}:{}", place.file(), line!() - 2)
    });
    let place = place.await;
    assert_said("sleeps", &["has blocked thread `", "still does", "threshold 100 ms", &place]);
    assert_in("sleeps", &["detector::harness::block_until_warned"], &["tests/detector/blocked.rs:"]);
    let fields = ["thread=thread `", "fiber=", "elapsed_ms=", "threshold_ms=100 ", "still_runs=true"];
    assert_said("sleeps", &fields);
    assert_said("sleeps", &[&format!("waits_at={place}")]);
    assert_eq!(layer.handle().counters().blocked, 1);
}

#[tokio::test]
async fn computes_in_an_adapter() {
    let layer = watched("computes").build().unwrap();
    layer.run(|| library(|| compute_until_warned("computes"))).await;
    assert_said("computes", &["it has not waited before", "`offload`"]);
    assert_in("computes", &["compute_until_warned", "detector::blocked::library"], &["tests/detector/blocked.rs:"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_pool() {
    let layer = watched("on the pool").placement(Placement::SharedPool).build().unwrap();
    layer
        .run(|| {
            yield_now().wait();
            block_until_warned("on the pool", 1);
        })
        .await;
    assert_said("on the pool", &["has blocked thread `tower-fiber-"]);
    assert_in("on the pool", &["block_until_warned"], &[]);
    assert_eq!(layer.handle().counters().blocked, 1);
}

#[cfg(feature = "io")]
#[tokio::test]
async fn in_a_stream_that_blocks_where_it_should_wait() {
    use std::{
        io::{self, Read as _},
        pin::Pin,
        task::{Context, Poll},
    };
    use tokio::io::{AsyncRead, ReadBuf};
    use tower_fiber::io::FiberIo;

    struct Blocks;

    impl AsyncRead for Blocks {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            block_until_warned("stream", 1);
            Poll::Ready(Ok(()))
        }
    }

    let layer = watched("stream").build().unwrap();
    layer.run(|| FiberIo::new(Blocks).read(&mut [0]).unwrap()).await;
    assert_in("stream", &["block_until_warned"], &["Blocks as", "poll_read", "FiberIo"]);
}

#[tokio::test]
async fn an_async_service_whose_poll_blocks() {
    use tower::{Layer as _, Service as _, service_fn};
    let layer = watched("async").build().unwrap();
    let mut service = layer.layer(service_fn(|(): ()| async {
        yield_now().await;
        block_until_warned("async", 1);
        Ok::<_, std::convert::Infallible>(())
    }));
    service.call(()).await.unwrap();
    assert_in("async", &["block_until_warned"], &[]);
    assert_eq!(layer.handle().counters().blocked, 1);
}

#[tokio::test]
async fn the_innermost_of_nested_fibers_is_meant() {
    let outer = watched("outer").build().unwrap();
    let inner = watched("inner").build().unwrap();
    let handles = [outer.handle(), inner.handle()];
    outer
        .run(move || {
            inner.run(|| block_until_warned("inner", 1)).wait();
            // It is the outer one's turn now, in a stretch that the inner one was a part of.
            block_until_warned("outer", 1);
        })
        .await;
    assert_in("inner", &["block_until_warned"], &[]);
    assert_in("outer", &["block_until_warned"], &[]);
    assert_eq!(handles.map(|handle| handle.counters().blocked), [1, 1]);
}

#[tokio::test]
async fn a_layer_without_a_watch_belongs_to_the_fiber_around_it() {
    let outer = watched("around").build().unwrap();
    let inner = FiberLayer::new().name("unwatched");
    let handle = inner.handle();
    outer.run(move || inner.run(|| block_until_warned("around", 1)).wait()).await;
    assert_in("around", &["block_until_warned"], &[]);
    assert_eq!((warnings_of("unwatched").len(), handle.counters().blocked), (0, 0));
}

#[tokio::test]
async fn nothing_is_said_about_the_same_time_awaited() {
    let layer = watched("awaits").detect_blocking(Duration::from_secs(1)).build().unwrap();
    layer.run(|| sleep(Duration::from_millis(1500)).wait()).await;
    // Many short stretches, one after the other, are not a long one.
    layer
        .run(|| {
            let begun = tokio::time::Instant::now();
            while begun.elapsed() < Duration::from_millis(1500) {
                yield_now().wait();
            }
        })
        .await;
    assert_eq!((warnings_of("awaits").len(), layer.handle().counters().blocked), (0, 0));
}

/// Even though the debug information is read first.
#[cfg(all(feature = "backtrace", target_os = "linux"))]
#[test]
fn the_first_warning_of_a_process_comes_at_once() {
    use crate::{child, events::Warnings, harness::block_until};

    child::passes("blocked::the_first_warning_of_a_process_comes_at_once", || {
        let warnings = Warnings::default();
        tracing::subscriber::set_global_default(warnings.clone()).unwrap();
        let layer = FiberLayer::builder().detect_blocking(Duration::from_millis(500)).build().unwrap();
        let heard = warnings.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(layer.run(move || block_until(|| heard.with("a fiber has blocked").len() == 2)));
        let said = warnings.with("a fiber has blocked");
        assert!(said[0].contains("follow when the debug information has been read"), "{said:?}");
        assert!(said[1].contains("the thread is in:") && said[1].contains("block_until"), "{said:?}");
        let (_, elapsed) = said[0].split_once("elapsed_ms=").unwrap();
        let elapsed: u64 = elapsed.split(' ').next().unwrap().parse().unwrap();
        // One and a half thresholds, and what a busy machine adds.
        assert!((500..1500).contains(&elapsed), "{said:?}");
    });
}
