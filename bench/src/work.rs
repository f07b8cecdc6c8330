//! The work of one call, the same for every peer: how it waits, from how deep, and what it is given and gives.

use std::{
    future::{Future, ready},
    hint::black_box,
    pin::Pin,
    task::{Context, Poll},
};

/// What a call is given and gives.
pub trait Payload: Send + 'static {
    /// In names of results.
    const NAME: &'static str;
    /// What it is given.
    type Request: Copy + Send + 'static;
    /// What it gives.
    type Response: Send + 'static;

    /// A request that the compiler does not know.
    fn request() -> Self::Request;
    /// What the request asks for.
    fn answer(request: Self::Request) -> Self::Response;
}

/// One machine word each way.
#[derive(Debug)]
pub struct Word;

impl Payload for Word {
    const NAME: &'static str = "word";
    type Request = u64;
    type Response = u64;

    #[inline]
    fn request() -> u64 {
        black_box(7)
    }

    #[inline]
    fn answer(request: u64) -> u64 {
        request + 1
    }
}

/// 224 bytes in and 128 out: as large as an `http::Request` and a `Response` with small bodies.
#[derive(Debug)]
pub struct Large;

impl Payload for Large {
    const NAME: &'static str = "large";
    type Request = [u64; 28];
    type Response = [u64; 16];

    #[inline]
    fn request() -> [u64; 28] {
        [black_box(7); 28]
    }

    #[inline]
    fn answer(request: [u64; 28]) -> [u64; 16] {
        std::array::from_fn(|i| request[i + 12])
    }
}

/// How a peer waits.
pub trait Waiter: Copy {
    /// Waits for a future that is ready at once.
    fn ready(self);
    /// Waits for something that is pending once.
    fn suspend(self);
}

/// How often a call waits, and for what.
pub trait Waits: Send + 'static {
    /// In names of results.
    const NAME: &'static str;

    /// As synchronous code.
    fn run(waiter: impl Waiter);
    /// As asynchronous code.
    fn run_async() -> impl Future<Output = ()> + Send;
}

/// No wait.
#[derive(Debug)]
pub struct NoWait;

impl Waits for NoWait {
    const NAME: &'static str = "none";

    #[inline]
    fn run(_: impl Waiter) {}

    async fn run_async() {}
}

/// One wait for a future that is ready at once.
#[derive(Debug)]
pub struct ReadyWait;

impl Waits for ReadyWait {
    const NAME: &'static str = "ready";

    #[inline]
    fn run(waiter: impl Waiter) {
        waiter.ready();
    }

    async fn run_async() {
        black_box(ready_future().await);
    }
}

/// `N` waits that suspend once each.
#[derive(Debug)]
pub struct Suspends<const N: usize>;

impl<const N: usize> Waits for Suspends<N> {
    const NAME: &'static str = match N {
        1 => "one",
        _ => "ten",
    };

    #[inline]
    fn run(waiter: impl Waiter) {
        for _ in 0..N {
            waiter.suspend();
        }
    }

    async fn run_async() {
        for _ in 0..N {
            suspend().await;
        }
    }
}

/// A future that is ready at once.
#[inline]
pub fn ready_future() -> impl Future<Output = u64> + Send {
    ready(black_box(7))
}

/// A future that is pending once.
#[inline]
pub fn suspend() -> impl Future<Output = ()> + Send + Unpin {
    Suspend { suspended: false }
}

struct Suspend {
    suspended: bool,
}

impl Future for Suspend {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.suspended {
            return Poll::Ready(());
        }
        self.suspended = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// How many plain calls lie between the service and its waits.
pub trait Depth: Send + 'static {
    /// In names of results.
    const NAME: &'static str;

    /// As plain calls.
    fn descend<W: Waits>(waiter: impl Waiter);
    /// As async functions that await one another.
    fn descend_async<W: Waits>() -> impl Future<Output = ()> + Send;
}

/// None: the service itself waits.
#[derive(Debug)]
pub struct Root;

impl Depth for Root {
    const NAME: &'static str = "root";

    #[inline]
    fn descend<W: Waits>(waiter: impl Waiter) {
        W::run(waiter);
    }

    fn descend_async<W: Waits>() -> impl Future<Output = ()> + Send {
        W::run_async()
    }
}

/// Ten.
#[derive(Debug)]
pub struct Deep;

impl Depth for Deep {
    const NAME: &'static str = "deep";

    #[inline]
    fn descend<W: Waits>(waiter: impl Waiter) {
        down::<W>(waiter, black_box(10));
    }

    fn descend_async<W: Waits>() -> impl Future<Output = ()> + Send {
        levels::ten::<W>()
    }
}

#[inline(never)]
fn down<W: Waits>(waiter: impl Waiter, levels: u32) {
    if levels == 0 {
        W::run(waiter)
    } else {
        down::<W>(waiter, levels - 1)
    }
    // Something left to do, or the call would be a jump.
    black_box(levels);
}

/// One async function per level: a generic one would double the size of its future with each.
mod levels {
    use super::{Waits, black_box};

    macro_rules! levels {
        ($($name:ident awaits $inner:ident),*) => { $(
            pub(super) async fn $name<W: Waits>() {
                $inner::<W>().await;
                black_box(());
            }
        )* };
    }

    async fn zero<W: Waits>() {
        W::run_async().await;
    }

    levels!(one awaits zero, two awaits one, three awaits two, four awaits three, five awaits four);
    levels!(six awaits five, seven awaits six, eight awaits seven, nine awaits eight, ten awaits nine);
}

/// A call as synchronous code.
#[inline]
pub fn call<W: Waits, D: Depth, P: Payload>(waiter: impl Waiter, request: P::Request) -> P::Response {
    D::descend::<W>(waiter);
    P::answer(request)
}

/// The same call as asynchronous code.
pub async fn call_async<W: Waits, D: Depth, P: Payload>(request: P::Request) -> P::Response {
    D::descend_async::<W>().await;
    P::answer(request)
}
