//! What the operator looks at: metrics, where each request waits, and the numbers of requests.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};

use axum::{
    Router,
    extract::{Request, State},
    middleware::Next,
    response::Response,
    routing::get,
};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use opentelemetry::{Context, context::FutureExt as _};
use tower_fiber::{FiberHandle, FiberLayer, axum::insight_routes};

use crate::legacy::supplier::RequestId;

/// The process's recorder: it has to be there before the first request.
fn exporter() -> &'static PrometheusHandle {
    static EXPORTER: OnceLock<PrometheusHandle> = OnceLock::new();
    EXPORTER.get_or_init(|| PrometheusBuilder::new().install_recorder().expect("nobody else installs one"))
}

pub(crate) fn router(layer: &FiberLayer) -> Router {
    exporter();
    let metrics = Router::new().route("/metrics", get(metrics)).with_state(layer.handle());
    metrics.nest("/fibers", insight_routes([layer.handle()]))
}

async fn metrics(State(layer): State<FiberHandle>) -> String {
    // The layer passes on what it has counted until now, and does not wait for the next tenth of a second.
    _ = layer.counters();
    exporter().run_upkeep();
    exporter().render()
}

/// Gives each request a number in OpenTelemetry's context, which follows it into its fibers by the layer's hook.
pub(crate) async fn number(request: Request, next: Next) -> Response {
    static NUMBERS: AtomicU64 = AtomicU64::new(1);
    let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
    let context = Context::current_with_value(RequestId(number));
    let mut response = next.run(request).with_context(context).await;
    response.headers_mut().insert("x-request-id", number.into());
    response
}
