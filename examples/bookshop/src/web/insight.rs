//! What the people who run the shop look at: metrics, and where each request waits.

use std::sync::OnceLock;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tower_fiber::{FiberHandle, FiberLayer};

/// Seconds that requests are expected to take.
const BUCKETS: [f64; 6] = [0.001, 0.01, 0.1, 0.25, 1.0, 2.5];

/// The process's recorder: it has to be there before the first request.
pub(crate) fn exporter() -> &'static PrometheusHandle {
    static EXPORTER: OnceLock<PrometheusHandle> = OnceLock::new();
    EXPORTER.get_or_init(|| {
        let seconds = Matcher::Suffix("_seconds".to_owned());
        let builder = PrometheusBuilder::new().set_buckets_for_metric(seconds, &BUCKETS).expect("there are buckets");
        builder.install_recorder().expect("nobody else installs one")
    })
}

/// The routes that tell of these layers.
pub(crate) fn router(layers: [&FiberLayer; 2]) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/fibers", get(fibers))
        .route("/fibers/backtraces", get(backtraces))
        .with_state(layers.map(FiberLayer::handle))
}

async fn metrics(State([pages, _]): State<[FiberHandle; 2]>) -> String {
    // The layers pass on what they have counted until now, and do not wait for the next tenth of a second.
    _ = pages.counters();
    // Without a server of its own the exporter has no one else to tidy up.
    exporter().run_upkeep();
    exporter().render()
}

async fn fibers(State(layers): State<[FiberHandle; 2]>) -> String {
    layers.map(|layer| format!("{}\n", layer.dump())).concat()
}

async fn backtraces(State([pages, api]): State<[FiberHandle; 2]>) -> String {
    let (pages, api) = tokio::join!(pages.dump_with_backtraces(), api.dump_with_backtraces());
    format!("{pages}\n{api}\n")
}
