//! One subscriber for the whole process, whose lines say in which spans an event was.

use std::{
    cell::{Cell, RefCell},
    convert::Infallible,
    future::pending,
    io,
    panic::{self, AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::future::join_all;
use tokio::{sync::oneshot, task::yield_now};
use tower::{Layer as _, Service as _, service_fn};
use tower_fiber::{FiberLayer, OnDrop, WaitExt as _, join, run_local, sync_fn};
use tracing::{Instrument as _, Span, info, info_span};

use super::{
    subscriber,
    support::{both_with_one_worker, in_each_task, poll_once, until},
};

/// What has been written.
#[derive(Clone, Default)]
pub(super) struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

thread_local!(static BEGUN: Cell<usize> = const { Cell::new(0) });

/// Panics of the registry, caught or not: it was told of a span that is closed.
static PANICS: AtomicUsize = AtomicUsize::new(0);

pub(super) fn lines() -> &'static Lines {
    static LINES: OnceLock<Lines> = OnceLock::new();
    LINES.get_or_init(|| {
        let former = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let is_of_registry = info.location().is_some_and(|place| place.file().contains("tracing"));
            PANICS.fetch_add(usize::from(is_of_registry), Ordering::Relaxed);
            former(info);
        }));
        let lines = Lines::default();
        let writer = lines.clone();
        let to_lines = subscriber::fmt().with_writer(move || writer.clone()).without_time().with_ansi(false);
        tracing::subscriber::set_global_default(to_lines.with_target(false).finish()).unwrap();
        lines
    })
}

/// The spans of this test's events with this text, which no other test uses, from the outermost to the innermost.
fn spans_of(text: &str) -> Vec<String> {
    let written = String::from_utf8(lines().0.lock().unwrap()[BEGUN.get()..].to_vec()).unwrap();
    let events = written.lines().filter_map(|line| line.trim_start().strip_prefix("INFO "));
    events
        .filter_map(|line| line.strip_suffix(text))
        .map(|spans| spans.trim_end_matches([':', ' ']).to_owned())
        .collect()
}

/// In place, and on a pool of one worker. Events before this are not of this test.
fn layers(policy: OnDrop) -> [FiberLayer; 2] {
    BEGUN.set(lines().0.lock().unwrap().len());
    both_with_one_worker(FiberLayer::builder().name("orders").on_drop(policy))
}

/// No span is left on the fiber's thread, nor on this one.
async fn assert_clean(layer: &FiberLayer) {
    assert!(Span::current().is_none(), "{:?}", Span::current());
    let left = layer.run(|| Span::current().is_none()).await;
    assert!(left, "a span is left on the fiber's thread");
    assert_eq!(PANICS.load(Ordering::Relaxed), 0, "the registry has panicked");
}

#[test]
fn the_span_of_the_call_is_the_fibers_parent() {
    in_each_task(|| async {
        for (index, layer) in layers(OnDrop::Finish).into_iter().enumerate() {
            let text = format!("parent {index}");
            let (before, after) = (format!("{text} before"), format!("{text} after"));
            let (said_before, said_after) = (before.clone(), after.clone());
            let handler = move |()| {
                info!("{said_before}");
                yield_now().wait();
                info!("{said_after}");
                Ok::<_, Infallible>(())
            };
            let mut service = layer.layer(sync_fn(handler));
            // Where it is called, where it is awaited, and both.
            let called = info_span!("called").in_scope(|| service.call(()));
            called.await.unwrap();
            service.call(()).instrument(info_span!("awaited")).await.unwrap();
            let both = info_span!("both");
            let call = both.in_scope(|| service.call(()));
            call.instrument(both).await.unwrap();
            for text in [before, after] {
                assert_eq!(spans_of(&text), ["called", "awaited", "both"], "{text}");
            }
            assert_clean(&layer).await;
        }
    });
}

/// The span of its making, not that of the task that reads it.
#[cfg(feature = "stream")]
#[test]
fn a_stream_is_in_the_span_of_its_maker() {
    in_each_task(|| async {
        use futures_util::StreamExt as _;
        use tower_fiber::stream::{Yielder, fiber_stream};

        for (index, layer) in layers(OnDrop::Finish).into_iter().enumerate() {
            let text = format!("streamed {index}");
            let said = text.clone();
            let make = move || {
                let produce = move |y: &mut Yielder<()>| {
                    for _ in 0..2 {
                        info!("{said}");
                        y.send(()).unwrap();
                        yield_now().wait();
                    }
                };
                info_span!("page").in_scope(|| fiber_stream(produce))
            };
            let stream = layer.run(make).instrument(info_span!("request")).await;
            assert_eq!(stream.count().instrument(info_span!("connection")).await, 2);
            assert_eq!(spans_of(&text), ["request:page", "request:page"], "{text}");
            assert_clean(&layer).await;
        }
    });
}

#[test]
fn a_span_that_is_held_over_a_wait_is_in_no_other_task() {
    in_each_task(|| async {
        for (index, layer) in layers(OnDrop::Finish).into_iter().enumerate() {
            let (mine, others) = (format!("held {index}"), format!("meanwhile {index}"));
            let (open, gate) = oneshot::channel::<()>();
            let said = mine.clone();
            let call = layer.run(move || {
                let _guard = info_span!("query").entered();
                info!("{said}");
                gate.wait().unwrap();
                info!("{said}");
            });
            let mut call = Box::pin(call.instrument(info_span!("request")));
            assert!(poll_once(&mut call).await.is_none());
            until(|| layer.handle().dump().fibers.len() == 1).await;
            info!("{others}");
            let said = others.clone();
            layer.run(move || info!("{said}")).instrument(info_span!("another")).await;
            open.send(()).unwrap();
            call.await;
            assert_eq!(spans_of(&mine), ["request:query", "request:query"]);
            assert_eq!(spans_of(&others), ["", "another"]);
            assert_clean(&layer).await;
        }
    });
}

#[test]
fn the_same_span_can_be_entered_twice_and_by_many() {
    in_each_task(|| async {
        for (index, layer) in layers(OnDrop::Finish).into_iter().enumerate() {
            let text = format!("twice {index}");
            let span = info_span!("same");
            let calls = join_all((0..10).map(|_| {
                let (span, text) = (span.clone(), text.clone());
                layer.run(move || {
                    let outer = span.enter();
                    let inner = info_span!("inner").entered();
                    let again = span.enter();
                    yield_now().wait();
                    info!("{text}");
                    drop(again);
                    yield_now().wait();
                    info!("{text}");
                    drop(inner);
                    drop(outer);
                    yield_now().wait();
                    assert!(Span::current().is_none());
                })
            }));
            calls.await;
            assert_eq!(spans_of(&text).len(), 20);
            assert!(spans_of(&text).iter().all(|spans| spans == "same:inner"), "{:?}", spans_of(&text));
            assert_clean(&layer).await;
        }
    });
}

#[test]
fn a_parent_that_is_entered_again_by_the_fiber() {
    in_each_task(|| async {
        for (index, layer) in layers(OnDrop::Finish).into_iter().enumerate() {
            let text = format!("parent again {index}");
            let span = info_span!("request");
            let (inside, said) = (span.clone(), text.clone());
            let call = layer.run(move || {
                let guard = inside.enter();
                yield_now().wait();
                drop(guard);
                info!("{said}");
                yield_now().wait();
                info!("{said}");
            });
            call.instrument(span).await;
            assert_eq!(spans_of(&text), ["request", "request"]);
            assert_clean(&layer).await;
        }
    });
}

#[test]
fn a_caller_that_goes_leaves_the_span_to_the_fiber() {
    in_each_task(|| async {
        for (index, layer) in layers(OnDrop::Finish).into_iter().enumerate() {
            let text = format!("alone {index}");
            let (open, gate) = oneshot::channel::<()>();
            let said = text.clone();
            let call = layer.run(move || {
                gate.wait().unwrap();
                info!("{said}");
                yield_now().wait();
                info!("{said}");
            });
            let mut call = Box::pin(call.instrument(info_span!("request", number = 7)));
            assert!(poll_once(&mut call).await.is_none());
            until(|| layer.handle().dump().fibers.len() == 1).await;
            // Its span is dropped with it, and the fiber still has that.
            drop(call);
            open.send(()).unwrap();
            until(|| layer.handle().live() == 0).await;
            assert_eq!(spans_of(&text), ["request{number=7}", "request{number=7}"]);
            assert_clean(&layer).await;
        }
    });
}

#[test]
fn unwinding_and_panics_leave_no_span() {
    in_each_task(|| async {
        for (index, layer) in layers(OnDrop::Unwind).into_iter().enumerate() {
            struct Says(String);

            impl Drop for Says {
                fn drop(&mut self) {
                    info!("{}", self.0);
                }
            }

            let text = format!("unwound {index}");
            let said = Says(text.clone());
            let call = layer.run(move || {
                let _guard = info_span!("query").entered();
                let _said = said;
                pending::<()>().wait();
            });
            let mut call = Box::pin(call.instrument(info_span!("request")));
            assert!(poll_once(&mut call).await.is_none());
            until(|| layer.handle().dump().fibers.len() == 1).await;
            drop(call);
            until(|| layer.handle().live() == 0).await;
            assert_eq!(spans_of(&text), ["request:query"]);
            assert_clean(&layer).await;

            let panics = layer.run(|| {
                let _guard = info_span!("query").entered();
                yield_now().wait();
                panic!("on purpose");
            });
            assert!(tokio::spawn(panics.instrument(info_span!("request"))).await.is_err());
            assert_clean(&layer).await;
        }
    });
}

#[test]
fn a_guard_that_is_never_dropped_ends_with_the_fiber() {
    in_each_task(|| async {
        for layer in layers(OnDrop::Finish) {
            layer
                .run(|| {
                    let _forgotten = std::mem::ManuallyDrop::new(info_span!("forgotten").entered());
                    yield_now().wait();
                })
                .await;
            assert_clean(&layer).await;
        }
    });
}

#[test]
fn spans_inside_of_the_layer() {
    in_each_task(|| async {
        for (index, layer) in layers(OnDrop::Finish).into_iter().enumerate() {
            let text = format!("inside {index}");
            let said = text.clone();
            let inner = service_fn(move |()| {
                let said = said.clone();
                let work = async move {
                    info!("{said}");
                    yield_now().await;
                    tower_fiber::await_in_fiber(yield_now());
                    info!("{said}");
                    Ok::<_, Infallible>(())
                };
                work.instrument(info_span!("inner"))
            });
            let mut service = layer.layer(inner);
            let (first, second) = (service.call(()).instrument(info_span!("outer")), service.call(()));
            let (first, second) = tokio::join!(first, second);
            first.and(second).unwrap();
            let mut spans = spans_of(&text);
            spans.sort();
            // The inner spans were made by `call`, before anything was awaited.
            assert_eq!(spans.len(), 4);
            assert!(spans.iter().all(|spans| spans.ends_with("inner")), "{spans:?}");
            assert_clean(&layer).await;
        }
    });
}

#[test]
fn fibers_inside_fibers_and_local_ones() {
    in_each_task(|| async {
        let [layer, _] = layers(OnDrop::Finish);
        let text = "nested";
        let inner = layer.clone();
        let outer = layer.run(move || {
            let guard = info_span!("outer").entered();
            let call = inner.run(move || {
                let _guard = info_span!("inner").entered();
                yield_now().wait();
                info!("{text}");
            });
            call.wait();
            info!("{text}");
            drop(guard);
        });
        let local = run_local(move || {
            let _guard = info_span!("local").entered();
            yield_now().wait();
            info!("{text}");
        });
        tokio::join!(outer, local);
        let mut spans = spans_of(text);
        spans.sort();
        assert_eq!(spans, ["local", "outer", "outer:inner"]);
        assert_clean(&layer).await;
    });
}

#[test]
fn a_foreign_poll_changes_nothing() {
    in_each_task(|| async {
        let [layer, _] = layers(OnDrop::Finish);
        let (open, gate) = oneshot::channel::<()>();
        let call = layer.run(move || {
            gate.wait().unwrap();
            Span::current().metadata().map(|metadata| metadata.name())
        });
        let mut call = Box::pin(call.instrument(info_span!("request")));
        assert!(poll_once(&mut call).await.is_none());
        let mut call = std::thread::spawn(move || {
            let mut task = tokio_test::task::spawn(&mut call);
            assert!(catch_unwind(AssertUnwindSafe(|| task.poll())).is_err(), "it lives elsewhere");
            assert!(Span::current().is_none());
            drop(task);
            call
        })
        .join()
        .unwrap();
        open.send(()).unwrap();
        assert_eq!(call.as_mut().await, Some("request"));
    });
}

#[test]
fn span_guard_in_child() {
    in_each_task(|| async {
        for layer in layers(OnDrop::Finish) {
            let call = layer.run(|| {
                let guard = info_span!("work").entered();
                let both = join(
                    move || {
                        yield_now().wait();
                        drop(guard);
                        let after = name_of_current();
                        yield_now().wait();
                        (after, name_of_current())
                    },
                    || {
                        yield_now().wait();
                        yield_now().wait();
                        name_of_current()
                    },
                );
                let parent = name_of_current();
                yield_now().wait();
                let inner = info_span!("new").in_scope(name_of_current);
                (both, parent, inner, name_of_current())
            });
            // The other child was made in the span, and stays in it.
            assert_eq!(call.await, (((None, None), Some("work")), None, Some("new"), None));
            assert_clean(&layer).await;
        }
    });
}

#[test]
fn the_span_is_gone_also_if_somebody_has_it() {
    in_each_task(|| async {
        for layer in layers(OnDrop::Finish) {
            let call = layer.run(|| {
                let outer = info_span!("outer").entered();
                let span = info_span!("work");
                let guard = span.clone().entered();
                join(
                    move || {
                        // By a child of the child.
                        join(move || drop(guard), || ());
                        (name_of_current(), yield_now().wait()).0
                    },
                    || (),
                );
                let with_it = name_of_current();
                drop(span);
                yield_now().wait();
                let without = name_of_current();
                drop(outer);
                (with_it, without, name_of_current())
            });
            assert_eq!(call.await, (Some("outer"), Some("outer"), None));
            assert_clean(&layer).await;
        }
    });
}

#[test]
fn a_guard_of_a_child_in_its_parent() {
    in_each_task(|| async {
        for layer in layers(OnDrop::Finish) {
            let call = layer.run(|| {
                // One that has ended, and one that waits.
                let (ended, ()) = join(|| info_span!("ended").entered(), || ());
                let kept = Rc::new(RefCell::new(None));
                let child = Rc::clone(&kept);
                let ((), seen) = join(
                    move || {
                        yield_now().wait();
                        drop(ended);
                        drop(kept.take());
                    },
                    move || {
                        *child.borrow_mut() = Some(info_span!("waits").entered());
                        let before = name_of_current();
                        yield_now().wait();
                        yield_now().wait();
                        let after = name_of_current();
                        (before, after, info_span!("new").in_scope(name_of_current), name_of_current())
                    },
                );
                (seen, name_of_current())
            });
            assert_eq!(call.await, ((Some("waits"), None, Some("new"), None), None));
            assert_clean(&layer).await;
        }
    });
}

#[test]
fn a_guard_of_the_task_in_a_local_fiber() {
    in_each_task(|| async {
        lines();
        let guard = info_span!("task").entered();
        let local = run_local(move || {
            yield_now().wait();
            drop(guard);
            let after = name_of_current();
            yield_now().wait();
            after
        });
        assert_eq!(local.await, None);
        assert!(Span::current().is_none());
        let inner = info_span!("new").in_scope(|| run_local(name_of_current)).await;
        assert_eq!(inner, Some("new"));
    });
}

fn name_of_current() -> Option<&'static str> {
    Span::current().metadata().map(|metadata| metadata.name())
}
