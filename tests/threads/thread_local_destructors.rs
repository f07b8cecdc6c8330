//! The crate in the destructors of thread-locals, when a thread ends: an error, nothing, or the usual panic, but never
//! an abort.

use std::{
    cell::{Cell, RefCell},
    convert::Infallible,
    future::{pending, ready},
    pin::pin,
    sync::{Mutex, OnceLock},
    task::{Context, Poll, Waker},
    thread,
};

use tokio::runtime::Builder;
use tower::{Layer as _, Service as _};
use tower_fiber::{
    BlockingLayer, FiberLayer, FiberPool, WaitExt as _, WaitMode, await_in_fiber, block_on_waits, caller_gone,
    error::TryAwaitError, fiber_id, fiber_local, in_fiber, join, join_all, offload, on_thread_stack, race,
    remaining_stack, run_in_fiber, run_local, shield, sync_fn, synchronize, try_await_in_fiber, until_caller_gone,
    wait_mode, yield_now,
};

use crate::{
    child,
    support::{ENDS_UNDER_A_LOCK, skipped_on_windows, text_of_panic},
};

fiber_local!(static LOCAL: u32 = 7);

/// What a call does where it may refuse with a text.
fn try_to<R>(f: impl FnOnce() -> R) -> Result<R, String> {
    let mut result = None;
    let run = std::panic::AssertUnwindSafe(|| result = Some(f()));
    match std::panic::catch_unwind(run) {
        Ok(()) => Ok(result.unwrap()),
        Err(payload) => Err(text_of_panic(|| std::panic::resume_unwind(payload))),
    }
}

/// It panics with this in its text.
fn refuses<R>(why: &str, f: impl FnOnce() -> R) {
    match try_to(f) {
        Ok(_) => panic!("it should have been refused: {why}"),
        Err(text) => assert!(text.contains(why), "{text}"),
    }
}

/// It does what it always does, or panics since the thread's own thread-locals have gone: of this crate's, or of
/// tokio's.
fn works_or_says_why(f: impl FnOnce()) {
    if let Err(text) = try_to(f) {
        let texts = ["a thread that is ending", "Thread Local Storage", "thread-local"];
        assert!(texts.iter().any(|known| text.contains(known)), "{text}");
    }
}

fn poll<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

const OUTSIDE: &str = "waited outside a fiber";
const NO_RUNTIME: &str = "outside a tokio runtime";

fn layer() -> &'static FiberLayer {
    static LAYER: OnceLock<FiberLayer> = OnceLock::new();
    LAYER.get_or_init(FiberLayer::new)
}

type Case = (&'static str, fn());

const CASES: &[Case] = &[
    ("await_in_fiber", || refuses(OUTSIDE, || await_in_fiber(ready(1)))),
    ("wait", || refuses(OUTSIDE, || ready(1).wait())),
    ("try_await_in_fiber", || {
        let refused = try_await_in_fiber(ready(1)).unwrap_err();
        assert!(matches!(&refused, TryAwaitError::NotInFiber(_)), "{refused:?}");
    }),
    ("yield_now", || refuses(OUTSIDE, yield_now)),
    ("in_fiber", || assert!(!in_fiber())),
    ("fiber_id", || assert_eq!(fiber_id(), None)),
    ("wait_mode", || assert_eq!(wait_mode(), WaitMode::None)),
    ("caller_gone", || assert!(!caller_gone())),
    ("until_caller_gone", || assert!(poll(until_caller_gone()).is_pending())),
    ("join", || refuses(OUTSIDE, || join(|| 1, || 2))),
    ("join_all", || refuses(OUTSIDE, || join_all([|| 1, || 2]))),
    ("race", || refuses(OUTSIDE, || race([|| 1]))),
    ("offload", || refuses(OUTSIDE, || offload(|| 1))),
    ("synchronize", || refuses(OUTSIDE, synchronize(async || 1))),
    ("shield", || assert_eq!(shield(|| 5), 5)),
    ("on_thread_stack", || assert_eq!(on_thread_stack(|| 5), 5)),
    ("remaining_stack", || _ = remaining_stack()),
    ("FiberLocal", || {
        assert!(LOCAL.try_with(|value| *value).is_err());
        refuses("fiber-local", || LOCAL.with(|value| *value));
    }),
    ("block_on_waits", || {
        works_or_says_why(|| {
            let inside = || (wait_mode(), caller_gone(), LOCAL.with(|value| *value), async { 5 }.wait());
            assert_eq!(block_on_waits(inside), (WaitMode::Blocking, false, 7, 5));
            assert_eq!(wait_mode(), WaitMode::None);
        });
    }),
    ("run_in_fiber", || refuses(NO_RUNTIME, || poll(run_in_fiber(|| 5)))),
    ("run_in_fiber in a runtime", || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        works_or_says_why(|| assert_eq!(runtime.block_on(run_in_fiber(|| async { 5 }.wait())), 5));
    }),
    ("run_in_fiber, dropped", || {
        works_or_says_why(|| {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { assert!(poll(run_in_fiber(|| pending::<()>().wait())).is_pending()) });
        });
    }),
    ("run_local", || assert_eq!(poll(run_local(|| async { 5 }.wait())), Poll::Ready(5))),
    ("run_local, dropped", || assert!(poll(run_local(|| pending::<()>().wait())).is_pending())),
    ("the verbs in a fiber", || {
        let inside = || {
            let (one, two) = join(|| 1, || async { 2 }.wait());
            assert_eq!((in_fiber(), wait_mode(), caller_gone()), (true, WaitMode::Fiber, false));
            // tokio's channel, which it polls, refuses it once tokio's thread-local has gone.
            works_or_says_why(|| assert!(poll(until_caller_gone()).is_pending()));
            one + two + LOCAL.with(|value| *value) + on_thread_stack(|| shield(|| 5))
        };
        assert_eq!(poll(run_local(inside)), Poll::Ready(15));
    }),
    ("a layer", || {
        let layer = FiberLayer::builder().name("orders").max_fibers(2).build().unwrap();
        let mut service = layer.layer(sync_fn(|n: u32| Ok::<_, Infallible>(n)));
        assert!(matches!(poll(std::future::poll_fn(|cx| service.poll_ready(cx))), Poll::Ready(Ok(()))));
        let call = service.call(5);
        refuses(NO_RUNTIME, || poll(call));
        let handle = layer.handle();
        assert_eq!(handle.counters(), tower_fiber::Counters::default());
        handle.measure_stacks(1);
        handle.cancel_all();
        handle.close();
        assert!(poll(handle.drained()).is_ready());
    }),
    ("a dump", || {
        let handle = layer().handle();
        let Poll::Ready(dump) = poll(handle.dump_with_backtraces()) else { panic!("no fiber has to answer") };
        assert_eq!(handle.dump().to_string(), dump.to_string());
    }),
    ("a pool", || {
        let pool = FiberPool::builder().worker_threads(1).build().unwrap();
        let layer = FiberLayer::new().placement(pool);
        refuses(NO_RUNTIME, || poll(layer.run(|| 5)));
        works_or_says_why(|| {
            let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
            assert_eq!(runtime.block_on(layer.run(|| 5)), 5);
        });
    }),
    ("the blocking layer", || refuses(NO_RUNTIME, || poll(BlockingLayer::new().run(|| 5)))),
    #[cfg(feature = "io")]
    ("io", || {
        use std::io::{Read as _, Write as _};
        let mut stream = tower_fiber::io::FiberIo::new(tokio::io::empty());
        assert!(stream.write(b"x").is_err() && stream.read(&mut [0]).is_err() && stream.flush().is_err());
        assert!(tower_fiber::io::TcpStream::connect("127.0.0.1:1").is_err());
        assert!(tower_fiber::io::lookup_host("localhost:1").is_err());
    }),
    #[cfg(feature = "stream")]
    ("streams", || {
        use futures_util::Stream as _;
        use tower_fiber::stream::{FiberIter, fiber_stream, iter};
        refuses(OUTSIDE, || FiberIter::new(futures_util::stream::iter([1])).next());
        let mut produced = pin!(fiber_stream(|y| y.send(1).unwrap()));
        refuses(NO_RUNTIME, || produced.as_mut().poll_next(&mut Context::from_waker(Waker::noop())));
        let mut items = pin!(iter([1]));
        refuses(NO_RUNTIME, || items.as_mut().poll_next(&mut Context::from_waker(Waker::noop())));
    }),
    #[cfg(feature = "axum")]
    ("handlers", || {
        use axum::{body::Body, handler::Handler as _};
        let request = || http::Request::new(Body::empty());
        refuses(NO_RUNTIME, || poll(tower_fiber::axum::fiber(|| "hello").call(request(), ())));
        refuses(NO_RUNTIME, || poll(tower_fiber::axum::blocking(|| "hello").call(request(), ())));
    }),
];

/// Runs its function when it is dropped.
struct Late(Cell<Option<fn()>>);

impl Drop for Late {
    fn drop(&mut self) {
        if let Some(f) = self.0.take() {
            *FAILED.lock().unwrap() = try_to(f).err();
        }
    }
}

/// Why the latest case failed.
static FAILED: Mutex<Option<String>> = Mutex::new(None);

thread_local! {
    static LATE: Late = const { Late(Cell::new(None)) };
    static KEPT: RefCell<Vec<tower_fiber::LocalFiber<()>>> = const { RefCell::new(Vec::new()) };
}

/// Makes the thread-locals that the crate and tokio have on this thread.
fn use_all() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(run_in_fiber(yield_now));
    block_on_waits(|| tokio::task::yield_now().wait());
    assert_eq!(wait_mode(), WaitMode::None);
}

/// Runs `f` on a thread that ends: after the destructors of all thread-locals that the thread has used, or before them,
/// or without any.
fn at_the_end(name: &str, when: &str, f: fn()) {
    let thread = thread::spawn({
        let when = when.to_owned();
        move || {
            // The newest are dropped first.
            if when == "before them" {
                use_all();
            }
            LATE.with(|late| late.0.set(Some(f)));
            if when == "after them" {
                use_all();
            }
        }
    });
    thread.join().unwrap();
    let failed = FAILED.lock().unwrap().take();
    assert!(failed.is_none(), "{name}, {when}: {failed:?}");
}

#[test]
fn thread_local_destructors() {
    if skipped_on_windows(ENDS_UNDER_A_LOCK) {
        return;
    }
    child::passes("thread_local_destructors::thread_local_destructors", || {
        for (name, f) in CASES {
            for when in ["after them", "before them", "without them"] {
                eprintln!("{name}, {when}");
                at_the_end(name, when, *f);
            }
        }
    });
}

/// On the thread that all tests of the library's run on, and in the order of the case: the mode has been asked for
/// after it.
#[test]
fn a_local_fiber_in_a_thread_local() {
    child::passes("thread_local_destructors::a_local_fiber_in_a_thread_local", || {
        let thread = thread::spawn(|| {
            KEPT.with_borrow_mut(Vec::clear);
            use_all();
            let mut local = run_local(|| pending::<()>().wait());
            assert!(poll(&mut local).is_pending());
            KEPT.with_borrow_mut(|kept| kept.push(local));
        });
        thread.join().unwrap();
    });
}
