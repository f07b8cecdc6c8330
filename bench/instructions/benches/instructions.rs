//! Instructions per call, counted by valgrind: the guard against regressions, since times on shared machines are not
//! stable.
//!
//! Each count has a bound here, which `.ci/instructions` holds it to. The bounds are for rustc 1.95 on x86-64 and for
//! the newest versions of all dependencies; another compiler counts a little differently.

#![expect(missing_docs, reason = "what gungraun's macros make has none")]

use std::{
    convert::Infallible,
    future::{Future, Pending, pending},
    hint::black_box,
    pin::Pin,
    time::Duration,
};

use axum::{Router, routing::get};
use bench::{
    drive::{context, in_task, one},
    work::{Large, NoWait, Payload, ReadyWait, Root, Suspends, Waiter, Waits, Word, call, ready_future},
};
use corosensei::{Coroutine, CoroutineResult, Yielder, stack::DefaultStack};
use gungraun::library_benchmark;
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use instructions::{at_most, suspend};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf, duplex};
use tower::{Layer as _, Service as _, service_fn};
use tower_fiber::{FiberLayer, await_in_fiber, axum::fiber, run_in_fiber, sync_fn};
use tracing::{Span, info_span, level_filters::LevelFilter};
use tracing_subscriber::layer::SubscriberExt as _;

#[derive(Clone, Copy)]
struct InFiber;

impl Waiter for InFiber {
    #[inline]
    fn ready(self) {
        black_box(await_in_fiber(ready_future()));
    }

    #[inline]
    fn suspend(self) {
        await_in_fiber(suspend());
    }
}

/// What is counted. It has run before: the stack, the thread-locals and the process-wide settings are there, and the
/// allocator has what it needs.
type Warm = Box<dyn FnMut()>;

fn warm(run: impl FnMut() + 'static) -> Warm {
    // First of all: it could take what the allocator keeps for the runs.
    let mut warm = Box::new(run);
    // Many more would use the task's budget up.
    (0..20).for_each(|_| warm());
    warm
}

/// A whole call through the layer.
fn service<W: Waits, P: Payload>() -> Warm {
    let service = sync_fn(|request| Ok::<_, Infallible>(call::<W, Root, P>(InFiber, request)));
    let mut service = FiberLayer::new().layer(service);
    warm(move || drop(black_box(one(service.call(P::request())))))
}

/// The same while somebody has the layer, and could cancel the call: it has a place among those that wait.
fn watched<W: Waits>() -> Warm {
    let layer = FiberLayer::new();
    let mut service = layer.layer(sync_fn(|request| Ok::<_, Infallible>(call::<W, Root, Word>(InFiber, request))));
    warm(move || {
        let _layer = &layer;
        _ = black_box(one(service.call(Word::request())));
    })
}

/// A call with one wait where a subscriber is, in `spans` spans of the caller's.
fn subscribed(spans: u32) -> Warm {
    let subscriber = tracing_subscriber::registry().with(LevelFilter::INFO);
    tracing::subscriber::set_global_default(subscriber).expect("each case has a process of its own");
    let service = sync_fn(|request| Ok::<_, Infallible>(call::<Suspends<1>, Root, Word>(InFiber, request)));
    let mut service = FiberLayer::new().layer(service);
    let spans: Vec<_> = (0..spans).map(|_| info_span!("request")).collect();
    warm(move || {
        let _entered: Vec<_> = spans.iter().map(Span::enter).collect();
        _ = black_box(one(service.call(Word::request())));
    })
}

/// Ends one call of a thousand that wait, and begins the next one in its place.
fn crowd() -> Warm {
    let layer = FiberLayer::new();
    let begin = move || {
        let mut call = layer.run(|| await_in_fiber(suspend()));
        assert!(Pin::new(&mut call).poll(&mut context()).is_pending(), "it waits");
        call
    };
    let mut calls: Vec<_> = (0..1000).map(|_| begin()).collect();
    let mut place = 0;
    warm(move || {
        let call = &mut calls[place];
        assert!(Pin::new(&mut *call).poll(&mut context()).is_ready(), "it waits once");
        *call = begin();
        place = (place + 1) % 1000;
    })
}

/// A hundred calls begin and wait, and then all end: more than a thread has stacks at hand.
fn wave() -> Warm {
    let layer = FiberLayer::new();
    let begin = move || layer.run(|| await_in_fiber(suspend()));
    let mut calls: Vec<_> = (0..100).map(|_| begin()).collect();
    warm(move || {
        let mut cx = context();
        assert!(calls.iter_mut().all(|call| Pin::new(call).poll(&mut cx).is_pending()), "they wait");
        for call in &mut calls {
            assert!(Pin::new(&mut *call).poll(&mut cx).is_ready(), "they wait once");
            *call = begin();
        }
    })
}

/// A call with one wait as a server has it: the layer is held and limited, has metrics and a detector; each call has a
/// span.
fn production() -> Warm {
    let subscriber = tracing_subscriber::registry().with(LevelFilter::INFO);
    tracing::subscriber::set_global_default(subscriber).expect("each case has a process of its own");
    let builder = FiberLayer::builder().name("orders").max_fibers(100).metrics();
    let layer = builder.detect_blocking(Duration::from_millis(100)).build().expect("valid settings");
    let mut service =
        layer.layer(sync_fn(|request| Ok::<_, Infallible>(call::<Suspends<1>, Root, Word>(InFiber, request))));
    warm(move || {
        let _layer = &layer;
        let _entered = info_span!("request").entered();
        _ = black_box(one(service.call(Word::request())));
    })
}

/// One poll of an async root: it is taken to a stack, polled, and parked again.
fn parked_root() -> Warm {
    let mut service = FiberLayer::new().layer(service_fn(|()| -> Pending<Result<(), Infallible>> { pending() }));
    let mut call = Box::pin(service.call(()));
    warm(move || {
        let mut cx = context();
        assert!(call.as_mut().poll(&mut cx).is_pending(), "it is for ever");
    })
}

/// One request over a connection of hyper's HTTP/1, in memory: what a server does for it, but the system calls. It is
/// answered at the last of `polls`.
fn request(app: Router, polls: usize) -> Warm {
    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: 127.0.0.1:3000\r\nuser-agent: curl/8.14.1\r\naccept: */*\r\n\r\n";
    // As `axum::serve` does once for each connection.
    let app = app.with_state::<()>(());
    let (mut client, server) = duplex(4096);
    let mut http = http1::Builder::new();
    // It is made anew once a second.
    http.auto_date_header(false);
    let mut connection = Box::pin(http.serve_connection(TokioIo::new(server), TowerToHyperService::new(app)));
    warm(move || {
        let mut cx = context();
        assert!(Pin::new(&mut client).poll_write(&mut cx, REQUEST).is_ready(), "there is room");
        for _ in 0..polls {
            assert!(connection.as_mut().poll(&mut cx).is_pending(), "it is kept alive");
        }
        let mut buffer = [0; 256];
        let mut buffer = ReadBuf::new(&mut buffer);
        assert!(Pin::new(&mut client).poll_read(&mut cx, &mut buffer).is_ready(), "it is answered at once");
        assert!(buffer.filled().ends_with(b"Hello, World!"));
    })
}

/// The same handler, async, and as a plain function in a fiber.
fn hello_async() -> Warm {
    request(Router::new().route("/", get(|| async { "Hello, World!" })), 1)
}

fn hello_fiber() -> Warm {
    request(Router::new().route("/", get(fiber(|| "Hello, World!"))), 1)
}

/// The same, with one wait.
fn wait_async() -> Warm {
    let wait = || async {
        suspend().await;
        "Hello, World!"
    };
    request(Router::new().route("/", get(wait)), 2)
}

fn wait_fiber() -> Warm {
    let wait = || {
        await_in_fiber(suspend());
        "Hello, World!"
    };
    request(Router::new().route("/", get(fiber(wait))), 2)
}

fn function() -> Warm {
    warm(|| {
        black_box(one(run_in_fiber(|| black_box(7))));
    })
}

/// corosensei alone, on a stack that is used again: the least that a stackful call can cost.
fn bare() -> Warm {
    let mut stack = Some(DefaultStack::default());
    warm(move || {
        let stack_of_last = stack.take().expect("it was given back");
        let mut coroutine = Coroutine::with_stack(stack_of_last, |_: &Yielder<(), ()>, ()| black_box(7));
        assert!(matches!(coroutine.resume(()), CoroutineResult::Return(7)), "it does not suspend");
        stack = Some(coroutine.into_stack());
    })
}

#[library_benchmark]
#[bench::bare(args = (bare()), config = at_most(87))]
#[bench::no_wait(args = (service::<NoWait, Word>()), config = at_most(500))]
#[bench::no_wait_large(args = (service::<NoWait, Large>()), config = at_most(556))]
#[bench::ready_wait(args = (service::<ReadyWait, Word>()), config = at_most(542))]
#[bench::one_wait(args = (service::<Suspends<1>, Word>()), config = at_most(888))]
#[bench::ten_waits(args = (service::<Suspends<10>, Word>()), config = at_most(2673))]
#[bench::one_wait_watched(args = (watched::<Suspends<1>>()), config = at_most(1275))]
#[bench::one_wait_subscribed(args = (subscribed(0)), config = at_most(1720))]
#[bench::one_wait_in_a_span(args = (subscribed(1)), config = at_most(4424))]
#[bench::crowd(args = (crowd()), config = at_most(1484))]
#[bench::wave(args = (wave()), config = at_most(149152))]
#[bench::production(args = (production()), config = at_most(6246))]
#[bench::parked_root(args = (parked_root()), config = at_most(499))]
#[bench::hello_async(args = (hello_async()), config = at_most(11556))]
#[bench::hello_fiber(args = (hello_fiber()), config = at_most(11850))]
#[bench::wait_async(args = (wait_async()), config = at_most(12304))]
#[bench::wait_fiber(args = (wait_fiber()), config = at_most(13428))]
#[bench::run_in_fiber(args = (function()), config = at_most(537))]
fn count(mut warm: Warm) -> Warm {
    warm();
    // Given back, so that its end is not counted.
    warm
}

mod harness {
    use gungraun::library_benchmark_group;

    use super::count;

    library_benchmark_group!(name = fibers, benchmarks = count);
    gungraun::main!(library_benchmark_groups = fibers);

    pub(super) fn run() {
        main();
    }
}

fn main() {
    in_task(harness::run);
}
