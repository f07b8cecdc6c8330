// Rustdoc has no pages for these files of the repository, so links to them lead to the section that says where they
// are. A chapter includes this before its own text, because the first definition of a link counts.
macro_rules! files {
    () => {
        "
[BENCHMARKS.md]: crate::docs#files
[CONTRIBUTING]: crate::docs#files
[SECURITY]: crate::docs#files
[client_goes.rs]: crate::docs#files
[cut_off.rs]: crate::docs#files
[errors.rs]: crate::docs#files
[examples/bookshop]: crate::docs#files
[examples/bookshop-postgres]: crate::docs#files
[examples/bookshop/src/bridge.rs]: crate::docs#files
[examples/bookshop/src/db.rs]: crate::docs#files
[examples/chat]: crate::docs#files
[examples/hooks/src/minijinja.rs]: crate::docs#files
[examples/hooks/src/oauth2.rs]: crate::docs#files
[examples/hooks/src/opentelemetry.rs]: crate::docs#files
[examples/hooks/src/redis.rs]: crate::docs#files
[examples/hooks/src/rustls.rs]: crate::docs#files
[examples/hooks/src/sentry.rs]: crate::docs#files
[examples/hooks/src/tungstenite.rs]: crate::docs#files
[examples/hooks/src/ureq.rs]: crate::docs#files
[examples/policy]: crate::docs#files
[examples/replicas]: crate::docs#files
[examples/template/tests]: crate::docs#files
[examples/tonic/tests/greeter]: crate::docs#files
[examples/unmodified]: crate::docs#files
[examples/unmodified/tests/postgres.rs]: crate::docs#files
[half_sent.rs]: crate::docs#files
[leaving.rs]: crate::docs#files
[metadata.rs]: crate::docs#files
[models]: crate::docs#files
[models/src/futex.rs]: crate::docs#files
[mounting.rs]: crate::docs#files
[panics.rs]: crate::docs#files
[slow_reader.rs]: crate::docs#files
[src/raw/mod.rs]: crate::docs#files
[streams.rs]: crate::docs#files
[tests/axum/blocking.rs]: crate::docs#files
[tests/axum/bodies]: crate::docs#files
[tests/axum/body_read.rs]: crate::docs#files
[tests/axum/body_written.rs]: crate::docs#files
[tests/axum/client_goes.rs]: crate::docs#files
[tests/axum/defaults.rs]: crate::docs#files
[tests/axum/disconnects.rs]: crate::docs#files
[tests/axum/events.rs]: crate::docs#files
[tests/axum/extractors.rs]: crate::docs#files
[tests/axum/gigabytes.rs]: crate::docs#files
[tests/axum/gone]: crate::docs#files
[tests/axum/layer.rs]: crate::docs#files
[tests/axum/middleware.rs]: crate::docs#files
[tests/axum/middleware_scope.rs]: crate::docs#files
[tests/axum/overload.rs]: crate::docs#files
[tests/axum/rejections.rs]: crate::docs#files
[tests/axum/routing.rs]: crate::docs#files
[tests/axum/settings.rs]: crate::docs#files
[tests/axum/shutdown]: crate::docs#files
[tests/axum/uploads.rs]: crate::docs#files
[tests/axum/ws]: crate::docs#files
[tests/axum/ws/differential.rs]: crate::docs#files
[tests/blocking/blocking_layer.rs]: crate::docs#files
[tests/fuzz]: crate::docs#files
[tests/interpose]: crate::docs#files
[tests/interpose/differential]: crate::docs#files
[tests/interpreters]: crate::docs#files
[tests/model]: crate::docs#files
[tests/per_core]: crate::docs#files
[tests/python]: crate::docs#files
[tests/side_by_side]: crate::docs#files
[tests/ui]: crate::docs#files
[tower-fiber-diesel]: crate::docs#files
[until.rs]: crate::docs#files
"
    };
}
