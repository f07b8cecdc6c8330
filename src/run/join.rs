//! [`join`], [`try_join`]: run functions side by side and return all results.

use std::{any::Any, future::poll_fn, panic::resume_unwind, task::Poll};

use super::child::{Child, unwrap};
use crate::{
    util::drop_quietly::{FirstPanic, drop_quietly},
    wait::await_in_fiber,
};

/// Runs two synchronous functions side by side, each in its own fiber on this thread, and returns both results. While
/// one function waits, the other goes on.
///
/// The functions need not be `Send`. Their fibers use the stack size, name and counters of this fiber's layer, and have
/// their own [`fiber_local!`](crate::fiber_local)s. This fiber's carried task-locals, hooks, span and dispatcher follow
/// them.
///
/// # Borrowing
///
/// The functions cannot borrow from this fiber, although it waits for both. A function that catches the unwinding of
/// [`OnDrop::Unwind`](crate::OnDrop::Unwind) again and again is leaked in the end, while this fiber goes on. What that
/// function has lent out, for example to a thread in [`std::thread::scope`], would then outlive this fiber's locals.
/// Move values in and return them, or share them by `Rc`:
///
/// ```
/// use std::rc::Rc;
/// use tower_fiber::{WaitExt as _, join, run_in_fiber};
///
/// # #[tokio::main]
/// # async fn main() {
/// run_in_fiber(|| {
///     let prices = Rc::new(vec![10, 20]);
///     let mut seen = Vec::new();
///     let other = Rc::clone(&prices);
///     let (first, seen) = join(
///         move || other[0] + async { 1 }.wait(),
///         move || {
///             seen.push(async { prices[1] }.wait());
///             seen
///         },
///     );
///     assert_eq!((first, seen), (11, vec![20]));
/// })
/// .await;
/// # }
/// ```
///
/// # Cancel safety
///
/// Cancelling this fiber cancels both: their fallible waits fail, and under [`OnDrop::Unwind`](crate::OnDrop::Unwind)
/// both unwind before this fiber does.
///
/// # Panics
///
/// If one function panics, with its payload, once both have ended; if both panic, with the payload of `a`. If a hook or
/// the `Clone` of a carried value panics. Where [`await_in_fiber`] panics.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_fiber::{WaitExt as _, join, run_in_fiber};
///
/// fn fetch(page: u32) -> u32 {
///     tokio::time::sleep(Duration::from_millis(1)).wait();
///     page * 10
/// }
///
/// # #[tokio::main]
/// # async fn main() {
/// assert_eq!(run_in_fiber(|| join(|| fetch(1), || fetch(2))).await, (10, 20));
/// # }
/// ```
#[track_caller]
pub fn join<A, B, RA, RB>(a: A, b: B) -> (RA, RB)
where
    A: FnOnce() -> RA + 'static,
    B: FnOnce() -> RB + 'static,
    RA: 'static,
    RB: 'static,
{
    let (mut a, mut b) = (Child::new(a), Child::new(b));
    // The future owns the children, so that they unwind first when the wait is cut.
    let outcomes = await_in_fiber(poll_fn(move |cx| {
        // `&` instead of `&&`, because both must be polled.
        if a.poll(cx) & b.poll(cx) { Poll::Ready((a.take(), b.take())) } else { Poll::Pending }
    }));
    match outcomes {
        (Ok(a), Ok(b)) => (a, b),
        (Err(payload), other) => resume_first(payload, other),
        (other, Err(payload)) => resume_first(payload, other),
    }
}

/// Resumes the panic of one function. It first drops the other results, because their destructors may panic.
fn resume_first<T>(payload: Box<dyn Any + Send>, others: T) -> ! {
    drop_quietly(others);
    resume_unwind(payload)
}

/// Like [`join`], for any number of functions. The results are in the order of the functions.
///
/// # Cancel safety
///
/// Same as [`join`].
///
/// # Panics
///
/// As for [`join`]; if several functions panic, with the payload of the first in order.
///
/// # Examples
///
/// ```
/// use tower_fiber::{WaitExt as _, join_all, run_in_fiber};
///
/// # #[tokio::main]
/// # async fn main() {
/// let squares = run_in_fiber(|| join_all((1..=100).map(|n| move || async move { n * n }.wait())));
/// assert_eq!(squares.await.iter().sum::<u32>(), 338_350);
/// # }
/// ```
#[track_caller]
pub fn join_all<I, F, R>(functions: I) -> Vec<R>
where
    I: IntoIterator<Item = F>,
    F: FnOnce() -> R + 'static,
    R: 'static,
{
    let mut children: Vec<_> = functions.into_iter().map(Child::new).collect();
    let outcomes = await_in_fiber(poll_fn(move |cx| {
        let waiting = children.iter_mut().filter_map(|child| (!child.poll(cx)).then_some(())).count();
        if waiting > 0 {
            return Poll::Pending;
        }
        Poll::Ready(children.iter_mut().map(Child::take).collect::<Vec<_>>())
    }));
    let (mut results, mut first) = (Vec::with_capacity(outcomes.len()), FirstPanic::default());
    for outcome in outcomes {
        match outcome {
            Ok(result) => results.push(result),
            Err(payload) => first.keep(payload),
        }
    }
    match first.into_payload() {
        Some(payload) => {
            results.into_iter().for_each(drop_quietly);
            resume_unwind(payload)
        }
        None => results,
    }
}

/// Like [`join`], for functions that may fail: returns both results, or the first error.
///
/// When one function fails, the other is dropped like a [`LocalFiber`](crate::LocalFiber), whatever the layer's
/// [`OnDrop`](crate::OnDrop) says: it unwinds from its wait, and its destructors run before this returns. If it is in a
/// [`shield`](crate::shield)ed section, the section ends first.
///
/// # Errors
///
/// The error of the function that fails first; if both fail in one poll, the error of `a`.
///
/// # Cancel safety
///
/// Same as [`join`].
///
/// # Panics
///
/// If one function panics, with its payload, once the other has been dropped as above. Otherwise as for [`join`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_fiber::{WaitExt as _, run_in_fiber, try_join};
///
/// fn check(stock: i32) -> Result<i32, String> {
///     tokio::time::sleep(Duration::from_millis(1)).wait();
///     if stock > 0 { Ok(stock) } else { Err("sold out".to_owned()) }
/// }
///
/// # #[tokio::main]
/// # async fn main() {
/// assert_eq!(run_in_fiber(|| try_join(|| check(3), || check(4))).await, Ok((3, 4)));
/// assert_eq!(run_in_fiber(|| try_join(|| check(3), || check(0))).await, Err("sold out".to_owned()));
/// # }
/// ```
#[track_caller]
pub fn try_join<A, B, RA, RB, E>(a: A, b: B) -> Result<(RA, RB), E>
where
    A: FnOnce() -> Result<RA, E> + 'static,
    B: FnOnce() -> Result<RB, E> + 'static,
    RA: 'static,
    RB: 'static,
    E: 'static,
{
    let (mut a, mut b) = (Child::new(a), Child::new(b));
    let (mut a, mut b) = await_in_fiber(async move {
        poll_fn(|cx| {
            let have_ended = a.poll(cx) & b.poll(cx);
            let is_over = (a.has_failed() || b.has_failed()) && !a.is_shielded() && !b.is_shielded();
            if have_ended || is_over { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        (a, b)
    });
    if a.has_failed() {
        drop_quietly(b);
        return unwrap(a.take()).map(|_| unreachable!("it has failed"));
    }
    if b.has_failed() {
        drop_quietly(a);
        return unwrap(b.take()).map(|_| unreachable!("it has failed"));
    }
    Ok((unwrap(a.take())?, unwrap(b.take())?))
}

/// Like [`try_join`], for any number of functions. The results are in the order of the functions.
///
/// # Errors
///
/// Same as [`try_join`].
///
/// # Cancel safety
///
/// Same as [`join`].
///
/// # Panics
///
/// Same as [`try_join`].
///
/// # Examples
///
/// ```
/// use tower_fiber::{WaitExt as _, run_in_fiber, try_join_all};
///
/// # #[tokio::main]
/// # async fn main() {
/// let parse = |text: &'static str| move || async move { text.parse::<u8>() }.wait();
/// let all = run_in_fiber(move || try_join_all(["1", "2", "3"].map(parse))).await;
/// assert_eq!(all, Ok(vec![1, 2, 3]));
/// assert!(run_in_fiber(move || try_join_all(["1", "2", "many"].map(parse))).await.is_err());
/// # }
/// ```
#[track_caller]
pub fn try_join_all<I, F, R, E>(functions: I) -> Result<Vec<R>, E>
where
    I: IntoIterator<Item = F>,
    F: FnOnce() -> Result<R, E> + 'static,
    R: 'static,
    E: 'static,
{
    let mut children: Vec<_> = functions.into_iter().map(Child::new).collect();
    let mut children = await_in_fiber(async move {
        poll_fn(|cx| {
            let waiting = children.iter_mut().filter_map(|child| (!child.poll(cx)).then_some(())).count();
            let is_over = children.iter().any(Child::has_failed) && !children.iter().any(Child::is_shielded);
            if waiting == 0 || is_over { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        children
    });
    if let Some(failed) = children.iter().position(Child::has_failed) {
        let mut failed = children.swap_remove(failed);
        children.into_iter().for_each(drop_quietly);
        return unwrap(failed.take()).map(|_| unreachable!("it has failed"));
    }
    children.iter_mut().map(|child| unwrap(child.take())).collect()
}
