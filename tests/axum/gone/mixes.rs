//! Each kind of code outside, and each kind inside.

use axum::{Router, middleware::from_fn};
use tokio::task::yield_now;
use tower_fiber::{FiberLayer, OnDrop, axum::from_sync_fn_with};

use super::{Goes, POLICIES, Script, Watch, leave, script};
use crate::{harness::on_each_runtime, support::both_on_drop};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Async,
    Fiber(OnDrop),
    Blocking,
}

impl Kind {
    /// Whether nothing but its own end ends it.
    fn finishes(self) -> bool {
        matches!(self, Self::Fiber(OnDrop::Finish) | Self::Blocking)
    }
}

fn inside(kind: Kind, script: &Script, layer: &FiberLayer) -> Router {
    let handler = match kind {
        Kind::Async => script.asynchronous(),
        Kind::Fiber(policy) => script.in_fiber(layer, policy),
        Kind::Blocking => script.blocking(),
    };
    Router::new().route("/", handler)
}

/// What is seen of the handler, in the order of the alphabet: the same whatever is outside.
fn seen_inside(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Async => &["handler dropped"],
        Kind::Fiber(OnDrop::Cancel) => &["handler cancelled"],
        Kind::Fiber(OnDrop::Unwind) => &["handler dropped"],
        Kind::Fiber(_) | Kind::Blocking => &["handler finished", "handler is told"],
    }
}

/// How the middleware ends, if it has its own policy.
fn seen_outside(outside: OnDrop, inside: Kind) -> &'static str {
    match (outside, inside) {
        // The handler's answer comes back before the middleware unwinds, which it does only at a wait.
        (OnDrop::Unwind, Kind::Fiber(OnDrop::Cancel)) => "outside saw the response",
        (OnDrop::Unwind, _) => "outside dropped",
        (_, inside) if inside.finishes() => "outside saw the response",
        _ => "outside saw 499",
    }
}

const INSIDE: [Kind; 5] = [
    Kind::Async,
    Kind::Fiber(OnDrop::Finish),
    Kind::Fiber(OnDrop::Cancel),
    Kind::Fiber(OnDrop::Unwind),
    Kind::Blocking,
];

/// Lets the caller go, and a handler that finishes on when it has been told, and the middleware outside has been cut if
/// it is to be. Gives all that was seen, in the order of the alphabet.
async fn seen(app: Router, goes: Goes, mut watch: Watch, kind: Kind, is_cut: bool) -> Vec<String> {
    leave(app, goes, &mut watch).await;
    let mut seen = Vec::new();
    if kind.finishes() {
        for _ in 0..if is_cut { 2 } else { 1 } {
            seen.push(watch.next().await);
        }
        // Enough for whatever would go on without the handler.
        for _ in 0..20 {
            yield_now().await;
        }
        watch.open.send(true).unwrap();
    }
    seen.extend(watch.rest().await);
    seen.sort();
    seen
}

#[test]
fn synchronous_middleware_outside() {
    on_each_runtime(|| async {
        for (policy, kind, goes) in mixes() {
            let kinds = match kind {
                Kind::Fiber(policy) => both_on_drop(policy),
                Kind::Async | Kind::Blocking => both_on_drop(OnDrop::Finish),
            };
            for (outer, layer) in both_on_drop(policy).into_iter().zip(kinds) {
                let (script, watch) = script();
                let app = inside(kind, &script, &layer).layer(from_sync_fn_with(&outer, script.plain("outside")));
                drop(script);
                let mut expected = [seen_inside(kind), &[seen_outside(policy, kind)]].concat();
                expected.sort_unstable();
                let seen = seen(app, goes, watch, kind, policy == OnDrop::Unwind).await;
                assert_eq!(seen, expected, "{policy:?} around {kind:?}, {goes:?}");
                for layer in [outer, layer] {
                    let handle = layer.handle();
                    handle.drained().await;
                    let counters = handle.counters();
                    assert_eq!(
                        (counters.live, counters.stacks_in_use, counters.leaked),
                        (0, 0, 0),
                        "{policy:?} {kind:?}"
                    );
                }
            }
        }
    });
}

fn mixes() -> impl Iterator<Item = (OnDrop, Kind, Goes)> {
    let outside_and_inside = POLICIES.into_iter().flat_map(|policy| INSIDE.map(|kind| (policy, kind)));
    outside_and_inside.flat_map(|(policy, kind)| [Goes::Client, Goes::TimeOut].map(|goes| (policy, kind, goes)))
}

/// The handlers do the same under async middleware, and without any.
#[test]
fn async_middleware_outside() {
    on_each_runtime(|| async {
        for (kind, goes) in INSIDE.into_iter().flat_map(|kind| [(kind, Goes::Client), (kind, Goes::TimeOut)]) {
            let policy = if let Kind::Fiber(policy) = kind { policy } else { OnDrop::Finish };
            for layer in both_on_drop(policy) {
                let (script, watch) = script();
                let outside = script.clone();
                let native = move |request, next| Script::native(outside.clone(), request, next);
                let app = inside(kind, &script, &layer).layer(from_fn(native));
                drop(script);
                let mut expected = [seen_inside(kind), &["outside dropped"]].concat();
                expected.sort_unstable();
                assert_eq!(seen(app, goes, watch, kind, true).await, expected, "{kind:?}, {goes:?}");
            }
        }
    });
}
