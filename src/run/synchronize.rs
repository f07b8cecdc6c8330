//! [`synchronize`]: turns an async function into a synchronous one.

use std::future::Future;

use crate::wait::await_in_fiber;

/// Turns an async function into a synchronous one, which waits for the result, in a fiber or under
/// [`block_on_waits`](crate::block_on_waits).
///
/// It takes an async function or closure of 0 to 8 owned arguments and returns a boxed closure with the same arguments,
/// for code that takes an `Fn` (callbacks, template functions, hooks).
///
/// # Cancel safety
///
/// The returned closure waits as [`await_in_fiber`] does.
///
/// # Panics
///
/// The returned closure panics where [`await_in_fiber`] does, and if the async function panics.
///
/// # Examples
///
/// ```
/// use tower_fiber::{run_in_fiber, synchronize};
///
/// async fn add(a: u32, b: u32) -> u32 {
///     tokio::task::yield_now().await;
///     a + b
/// }
///
/// fn total(numbers: &[u32]) -> u32 {
///     let add = synchronize(add);
///     numbers.iter().fold(0, |sum, &n| add(sum, n))
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// assert_eq!(run_in_fiber(|| total(&[1, 2, 3])).await, 6);
/// # }
/// ```
pub fn synchronize<F, Args>(f: F) -> F::Plain
where
    F: AsyncFunction<Args>,
{
    f.into_plain()
}

/// An async function or closure of 0 to 8 owned arguments; see [`synchronize`]. The trait is implemented for such
/// functions only.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an async function that `synchronize` can make plain",
    label = "not an async function of 0 to 8 owned arguments",
    note = "the function must be `Send + Sync + 'static`, and return a future that owns its arguments",
    note = "a function that is not async can be called as it is"
)]
pub trait AsyncFunction<Args>: sealed::Sealed<Args> + Sized {
    /// The synchronous function: a boxed `Fn` with the same arguments.
    type Plain;

    /// Returns the value that [`synchronize`] returns.
    fn into_plain(self) -> Self::Plain;
}

mod sealed {
    #[expect(unnameable_types, reason = "nobody else is to implement it")]
    pub trait Sealed<Args> {}
}

macro_rules! async_function {
    ($($arg:ident $value:ident)*) => {
        #[diagnostic::do_not_recommend]
        impl<F, Fut, $($arg,)*> sealed::Sealed<($($arg,)*)> for F
        where
            F: Fn($($arg),*) -> Fut + Send + Sync + 'static,
            Fut: Future,
        {
        }

        #[diagnostic::do_not_recommend]
        impl<F, Fut, $($arg,)*> AsyncFunction<($($arg,)*)> for F
        where
            F: Fn($($arg),*) -> Fut + Send + Sync + 'static,
            Fut: Future,
        {
            type Plain = Box<dyn Fn($($arg),*) -> Fut::Output + Send + Sync>;

            fn into_plain(self) -> Self::Plain {
                Box::new(move |$($value),*| await_in_fiber(self($($value),*)))
            }
        }
    };
}

async_function!();
async_function!(A a);
async_function!(A a B b);
async_function!(A a B b C c);
async_function!(A a B b C c D d);
async_function!(A a B b C c D d E e);
async_function!(A a B b C c D d E e G g);
async_function!(A a B b C c D d E e G g H h);
async_function!(A a B b C c D d E e G g H h I i);
