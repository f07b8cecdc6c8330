//! A dispatcher that is the thread's own follows a call wherever that goes, and what it makes.

#![cfg(feature = "tracing")]

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use tokio::{
    sync::{Notify, oneshot},
    task::yield_now,
};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_fiber::{FiberLayer, FiberPool, OnDrop, WaitExt as _, join, offload, race, run_local};
use tracing::{
    Dispatch, Event, Metadata, Subscriber, dispatcher,
    field::{Field, Visit},
    info, info_span,
    instrument::WithSubscriber as _,
    span,
};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use crate::support::{both_with_one_worker, on_each_runtime, poll_once, until};

/// What was said, with the innermost span in which it was.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<String>>>);

impl Said {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// Spans by a registry, whose ids are like those of other registries.
    fn dispatch(&self) -> Dispatch {
        Dispatch::new(tracing_subscriber::registry().with(self.clone()))
    }
}

impl<S: Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>> Layer<S> for Said {
    fn on_event(&self, event: &Event<'_>, cx: Context<'_, S>) {
        let span = cx.event_span(event).map_or("", |span| span.name());
        if event.metadata().target() == "mine" {
            let mut text = Text(format!("{span}:"));
            event.record(&mut text);
            self.0.lock().unwrap().push(text.0);
        }
    }
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, _: &Field, value: &dyn std::fmt::Debug) {
        self.0 += &format!("{value:?}");
    }
}

/// As the runtime has it, on a pool of one thread, and as the runtime has it without a layer.
fn layers() -> [FiberLayer; 2] {
    both_with_one_worker(FiberLayer::builder().name("orders"))
}

/// Nothing of it is left on this thread, nor on the fiber's.
async fn assert_clean(layer: &FiberLayer) {
    let say = || info!(target: "mine", "nobody hears this");
    say();
    layer.run(say).await;
    layer.run(move || offload(say)).await;
}

/// A subscriber that only counts, as the simplest do.
struct Counts(Arc<Mutex<usize>>);

impl Subscriber for Counts {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "mine"
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, _: &Event<'_>) {
        *self.0.lock().unwrap() += 1;
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[test]
fn with_subscriber_on_pool() {
    on_each_runtime(|| async {
        let inner = service_fn(|()| async {
            info!(target: "mine", "one");
            yield_now().await;
            info!(target: "mine", "two");
            Ok::<_, Infallible>(())
        });
        for layer in layers() {
            let count = Arc::default();
            layer.layer(inner).oneshot(()).with_subscriber(Counts(Arc::clone(&count))).await.unwrap();
            assert_eq!(*count.lock().unwrap(), 2);
            layer.layer(inner).oneshot(()).await.unwrap();
            assert_clean(&layer).await;
            assert_eq!(*count.lock().unwrap(), 2);
        }
    });
}

#[test]
fn where_it_is_made_or_where_it_is_awaited() {
    on_each_runtime(|| async {
        for layer in layers() {
            let (made, awaited) = (Said::default(), Said::default());
            let say = || {
                yield_now().wait();
                info!(target: "mine", "here");
            };
            let call = dispatcher::with_default(&made.dispatch(), || layer.run(say));
            call.await;
            let call = dispatcher::with_default(&made.dispatch(), || layer.run(say));
            call.with_subscriber(awaited.dispatch()).await;
            assert_eq!((made.take(), awaited.take()), (vec![":here".to_owned()], vec![":here".to_owned()]));
            assert_clean(&layer).await;
            assert!(made.take().is_empty() && awaited.take().is_empty());
        }
    });
}

#[test]
fn it_follows_to_children_and_to_what_is_offloaded_with_the_spans() {
    on_each_runtime(|| async {
        for layer in layers() {
            let said = Said::default();
            let call = async {
                let call = layer.run(|| {
                    let _guard = info_span!("handler").entered();
                    let child = |text: &'static str| {
                        move || {
                            yield_now().wait();
                            info!(target: "mine", "{text}");
                        }
                    };
                    join(child("joined"), move || join(child("inner"), || ()));
                    race([child("raced")]);
                    offload(move || {
                        info!(target: "mine", "offloaded");
                        join(child("joined there"), || ());
                        race([child("raced there")]);
                    });
                    child("after")();
                });
                tracing::Instrument::instrument(call, info_span!("request")).await;
            };
            call.with_subscriber(said.dispatch()).await;
            let mut said_there = said.take();
            said_there.sort();
            let texts = ["after", "inner", "joined", "joined there", "offloaded", "raced", "raced there"];
            assert_eq!(said_there, texts.map(|text| format!("handler:{text}")));
            assert_clean(&layer).await;
            assert!(said.take().is_empty());
        }
    });
}

#[test]
fn the_rest_of_a_dropped_call_has_it() {
    on_each_runtime(|| async {
        for policy in [OnDrop::Finish, OnDrop::Unwind] {
            struct Says;

            impl Drop for Says {
                fn drop(&mut self) {
                    info!(target: "mine", "the end");
                }
            }

            let pool = FiberPool::builder().worker_threads(1).build().unwrap();
            let builder = FiberLayer::builder().on_drop(policy);
            for layer in [builder.clone().build().unwrap(), builder.placement(pool).build().unwrap()] {
                let said = Said::default();
                let (open, gate) = oneshot::channel::<()>();
                let call = layer.run(move || {
                    let _says = Says;
                    gate.wait().unwrap();
                    yield_now().wait();
                });
                let mut call = Box::pin(call.with_subscriber(said.dispatch()));
                assert!(poll_once(&mut call).await.is_none());
                until(|| layer.handle().dump().fibers.len() == 1).await;
                drop(call);
                if policy == OnDrop::Finish {
                    open.send(()).unwrap();
                }
                until(|| layer.handle().live() == 0).await;
                assert_eq!(said.take(), [":the end"]);
                assert_clean(&layer).await;
                assert!(said.take().is_empty());
            }
        }
    });
}

#[test]
fn a_race_loser_has_it() {
    on_each_runtime(|| async {
        for layer in layers() {
            let said = Said::default();
            let gate = Arc::new(Notify::new());
            let open = Arc::clone(&gate);
            let call = layer.run(move || {
                let racer = |is_slow: bool| {
                    let gate = Arc::clone(&gate);
                    move || {
                        yield_now().wait();
                        if is_slow {
                            gate.notified().wait();
                            info!(target: "mine", "late");
                        }
                    }
                };
                race([racer(true), racer(false)])
            });
            call.with_subscriber(said.dispatch()).await;
            open.notify_one();
            until(|| layer.handle().live() == 0).await;
            assert_eq!(said.take(), [":late"]);
        }
    });
}

#[test]
fn fibers_of_two_do_not_mix() {
    on_each_runtime(|| async {
        for layer in layers() {
            let said = [Said::default(), Said::default()];
            let call = |name: &'static str| {
                layer.run(move || {
                    let _guard = info_span!("work").entered();
                    for _ in 0..3 {
                        yield_now().wait();
                        info!(target: "mine", "{name}");
                    }
                })
            };
            let [first, second] = said.each_ref().map(Said::dispatch);
            tokio::join!(call("first").with_subscriber(first), call("second").with_subscriber(second), call("none"));
            assert_eq!(said.each_ref().map(Said::take), [vec!["work:first"; 3], vec!["work:second"; 3]]);
        }
    });
}

#[test]
fn a_local_fiber_has_that_of_its_first_poll() {
    on_each_runtime(|| async {
        let said = Said::default();
        let mut local = Box::pin(run_local(|| {
            yield_now().wait();
            info!(target: "mine", "local");
        }));
        let first = std::future::poll_fn(|cx| std::task::Poll::Ready(local.as_mut().poll(cx).is_pending()));
        assert!(first.with_subscriber(said.dispatch()).await);
        local.await;
        assert_eq!(said.take(), [":local"]);
    });
}
