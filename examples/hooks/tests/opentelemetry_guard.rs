//! OpenTelemetry's context follows each call by a hook. What it does with guards that are held over waits is told as it
//! is.

use hooks::opentelemetry::OpenTelemetry;
use opentelemetry::{
    Context,
    context::FutureExt as _,
    trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState},
};
use tokio::{sync::Semaphore, task::yield_now};
use tower_fiber::{FiberLayer, FiberPool, WaitExt as _, join, offload, race};

#[derive(Debug, PartialEq)]
struct Trace(&'static str);

fn trace() -> Option<&'static str> {
    Context::map_current(|context| context.get::<Trace>().map(|trace| trace.0))
}

fn traced(name: &'static str) -> Context {
    Context::current_with_value(Trace(name))
}

/// In place, and on a pool of one thread.
fn layers() -> [FiberLayer; 2] {
    let pool = FiberPool::builder().worker_threads(1).build().unwrap();
    let builder = FiberLayer::builder().hook(OpenTelemetry);
    [builder.clone().build().unwrap(), builder.placement(pool).build().unwrap()]
}

/// Nothing is left on this thread, nor on the fiber's.
async fn assert_clean(layer: &FiberLayer) {
    assert_eq!(trace(), None);
    assert_eq!(layer.run(trace).await, None);
}

#[tokio::test]
async fn the_callers_context_follows() {
    for layer in layers() {
        let call = |name| {
            let call = layer.run(|| {
                let waits = || {
                    yield_now().wait();
                    trace()
                };
                let (joined, raced) = join(waits, move || race([waits]));
                [joined, raced, offload(trace), waits()]
            });
            call.with_context(traced(name))
        };
        let all = tokio::join!(call("a"), call("b"), layer.run(trace));
        assert_eq!(all, ([Some("a"); 4], [Some("b"); 4], None));
        assert_clean(&layer).await;
    }
}

#[tokio::test]
async fn the_span_follows() {
    for layer in layers() {
        let id = TraceId::from(7);
        let span = SpanContext::new(id, SpanId::from(1), TraceFlags::SAMPLED, false, TraceState::NONE);
        let call = layer.run(|| {
            yield_now().wait();
            Context::current().span().span_context().trace_id()
        });
        assert_eq!(call.with_context(Context::new().with_remote_span_context(span)).await, id);
        assert_clean(&layer).await;
    }
}

#[tokio::test]
async fn a_future_and_a_section_have_contexts_of_their_own() {
    for layer in layers() {
        let call = |name: &'static str, inner: &'static str| {
            let sections = layer.clone();
            let call = layer.run(move || {
                let future = async {
                    yield_now().await;
                    trace()
                };
                let future = future.with_context(traced(inner)).wait();
                let section = sections.run(|| {
                    yield_now().wait();
                    yield_now().wait();
                    trace()
                });
                let section = section.with_context(traced(inner)).wait();
                (future, section, trace())
            });
            call.with_context(traced(name))
        };
        let others = async {
            let mut seen = Vec::new();
            for _ in 0..10 {
                seen.push(trace());
                yield_now().await;
            }
            seen
        };
        let (a, b, others) = tokio::join!(call("a", "in a"), call("b", "in b"), others);
        assert_eq!(a, (Some("in a"), Some("in a"), Some("a")));
        assert_eq!(b, (Some("in b"), Some("in b"), Some("b")));
        assert_eq!(others, vec![None; 10]);
        assert_clean(&layer).await;
    }
}

#[tokio::test]
async fn a_guard_between_waits() {
    for layer in layers() {
        let call = layer.run(|| {
            yield_now().wait();
            let inside = {
                let _guard = traced("inside").attach();
                trace()
            };
            yield_now().wait();
            (inside, trace())
        });
        assert_eq!(call.with_context(traced("a")).await, (Some("inside"), Some("a")));
        assert_clean(&layer).await;
    }
}

#[tokio::test(flavor = "current_thread")]
async fn opentelemetry_guard() {
    static GATE: Semaphore = Semaphore::const_new(0);

    let [layer, _] = layers();
    let holds = layer.run(|| {
        let guard = traced("held").attach();
        let before = trace();
        GATE.acquire().wait().unwrap().forget();
        let after = trace();
        drop(guard);
        let dropped = trace();
        yield_now().wait();
        (before, after, dropped, trace())
    });
    let others = async {
        yield_now().await;
        // A task sees it, which is wrong. A call sees the context of its caller, which is that.
        let with_it = (trace(), layer.run(trace).await, layer.run(trace).with_context(traced("b")).await);
        GATE.add_permits(1);
        yield_now().await;
        yield_now().await;
        (with_it, trace())
    };
    let (holds, (with_it, without)) = tokio::join!(holds.with_context(traced("a")), others);
    // It is itself in the context of its caller again, after the wait.
    assert_eq!(holds, (Some("held"), Some("a"), Some("a"), Some("a")));
    assert_eq!(with_it, (Some("held"), Some("held"), Some("b")));
    assert_eq!(without, None);
    assert_clean(&layer).await;
}
