//! Filters of single layers, which the oldest version does not have.

use std::convert::Infallible;

use tokio::task::yield_now;
use tower::{Layer as _, Service as _};
use tower_fiber::{FiberLayer, WaitExt as _, sync_fn};
use tracing::{Instrument as _, Span, debug_span, info_span, level_filters::LevelFilter};
use tracing_subscriber::{Layer as _, layer::SubscriberExt as _};

#[tokio::test]
async fn spans_that_some_layers_do_not_see() {
    let quiet = tracing_subscriber::fmt::layer().with_writer(std::io::sink).with_filter(LevelFilter::INFO);
    let all = tracing_subscriber::fmt::layer().with_writer(std::io::sink).with_filter(LevelFilter::TRACE);
    let _default = tracing::subscriber::set_default(tracing_subscriber::registry().with(quiet).with(all));
    let mut service = FiberLayer::new().layer(sync_fn(|()| {
        let _outer = debug_span!("debug").entered();
        let _inner = info_span!("info").entered();
        yield_now().wait();
        Ok::<_, Infallible>(Span::current().metadata().map(|metadata| metadata.name()))
    }));
    let calls = [service.call(()), service.call(())].map(|call| call.instrument(debug_span!("request")));
    for name in futures_util::future::join_all(calls).await {
        assert_eq!(name, Ok(Some("info")));
    }
    assert!(Span::current().is_none());
}
