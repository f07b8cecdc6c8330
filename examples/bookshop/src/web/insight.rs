//! What the people who run the shop look at: metrics, and where each request waits.

use std::sync::OnceLock;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tower_fiber::axum::insight_routes;
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

/// The routes that tell of these layers. The shop listens on the loopback address only; a public one would have them
/// behind a login, or on a listener of their own.
pub(crate) fn router(layers: [&FiberLayer; 2]) -> Router {
    let layers = layers.map(FiberLayer::handle);
    let metrics = Router::new().route("/metrics", get(metrics)).with_state(layers[0].clone());
    metrics.nest("/fibers", insight_routes(layers))
}

async fn metrics(State(layer): State<FiberHandle>) -> String {
    // The layers pass on what they have counted until now, and do not wait for the next tenth of a second.
    _ = layer.counters();
    // Without a server of its own the exporter has no one else to tidy up.
    exporter().run_upkeep();
    exporter().render()
}
