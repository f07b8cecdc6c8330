//! A fiber's id: the same from its first line to its last, and no other's.

use std::{collections::HashSet, convert::Infallible, future::pending, sync::Arc};

use tokio::{
    sync::{Notify, oneshot},
    task::yield_now,
    time::{Duration, timeout},
};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_fiber::{
    FiberId, FiberLayer, FiberState, WaitExt as _, block_on_waits, fiber_id, join, offload, race, run_in_fiber,
    run_local,
};

use crate::support::{both_with_one_worker, on_each_runtime, until};

fn id() -> FiberId {
    fiber_id().expect("it is in a fiber")
}

#[test]
fn each_has_its_own() {
    on_each_runtime(|| async {
        for layer in both_with_one_worker(FiberLayer::builder()) {
            let inside = layer.clone();
            let call = layer.run(move || {
                let waits = || {
                    let before = id();
                    yield_now().wait();
                    assert_eq!(id(), before);
                    before
                };
                let (first, second) = join(waits, waits);
                let others =
                    [race([waits]), run_in_fiber(waits).wait(), run_local(waits).wait(), inside.run(waits).wait()];
                assert_eq!(offload(fiber_id), None);
                [&[first, second, waits()][..], &others].concat()
            });
            let ids = call.await;
            let further = layer.run(id).await;
            let all: HashSet<_> = ids.iter().chain([&further]).collect();
            assert_eq!(all.len(), 8, "{ids:?} {further:?}");
            let texts: HashSet<_> = ids.iter().map(FiberId::to_string).collect();
            assert_eq!(texts.len(), 7, "{texts:?}");
            assert!(texts.iter().all(|text| text.split_once('-').is_some()), "{texts:?}");
        }
    });
}

#[test]
fn outside_of_fibers_there_is_none() {
    assert_eq!((fiber_id(), block_on_waits(fiber_id)), (None, None));
}

/// And while nothing of it lies on a stack.
#[test]
fn an_async_service_keeps_it() {
    on_each_runtime(|| async {
        for layer in both_with_one_worker(FiberLayer::builder()) {
            let service = layer.layer(service_fn(|(): ()| async {
                let mut ids = vec![id()];
                for _ in 0..3 {
                    yield_now().await;
                    ids.push(id());
                }
                Ok::<_, Infallible>(ids)
            }));
            let (one, other) = tokio::join!(service.clone().oneshot(()), service.oneshot(()));
            let (one, other) = (one.unwrap(), other.unwrap());
            assert!(one.iter().all(|id| *id == one[0]) && other.iter().all(|id| *id == other[0]));
            assert_ne!(one[0], other[0]);
        }
    });
}

#[test]
fn it_stays_when_the_caller_goes() {
    on_each_runtime(|| async {
        for layer in both_with_one_worker(FiberLayer::builder()) {
            let gate = Arc::new(Notify::new());
            let opened = Arc::clone(&gate);
            let (report, reported) = oneshot::channel();
            let call = layer.run(move || {
                let before = id();
                opened.notified().wait();
                report.send((before, id())).unwrap();
            });
            assert!(timeout(Duration::from_millis(1), call).await.is_err());
            gate.notify_one();
            let (before, after) = reported.await.unwrap();
            assert_eq!(before, after);
            layer.handle().drained().await;
        }
    });
}

#[test]
fn a_dump_has_it() {
    on_each_runtime(|| async {
        for layer in both_with_one_worker(FiberLayer::builder().name("shop \"7\"")) {
            let (report, reported) = oneshot::channel();
            let call = tokio::spawn(layer.run(move || {
                report.send(id()).unwrap();
                pending::<()>().wait();
            }));
            let id = reported.await.unwrap();
            until(|| layer.handle().dump().fibers.len() == 1).await;
            let dump = layer.handle().dump_with_backtraces().await;
            assert_eq!(dump.fibers[0].id, id);
            let json: serde_json::Value = serde_json::from_str(&dump.to_json()).unwrap();
            let [fiber] = &json["fibers"].as_array().unwrap()[..] else { panic!("{json}") };
            assert_eq!((&fiber["id"], &fiber["service"]), (&id.to_string().into(), &"shop \"7\"".into()));
            let state = match dump.fibers[0].state {
                FiberState::Running => "running",
                _ => "waiting",
            };
            assert_eq!((&fiber["thread"], &fiber["state"]), (&dump.fibers[0].thread.as_str().into(), &state.into()));
            assert_eq!(fiber["waits_at"], dump.fibers[0].waits_at.unwrap().to_string());
            assert_eq!(fiber["backtrace"], dump.fibers[0].backtrace.clone().unwrap());
            assert!(fiber["age_seconds"].as_f64().unwrap() >= 0.0 && json["unlisted"] == 0, "{json}");
            call.abort();
        }
    });
}
