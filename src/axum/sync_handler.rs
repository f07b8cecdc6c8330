//! [`SyncHandler`]: the functions that can be handlers.

use axum::response::{IntoResponse, Response};

use super::extract::{Extract, all_the_tuples};

/// A synchronous function that [`fiber`](super::fiber) and [`blocking`](super::blocking) accept: it takes 0 to 16
/// extractors and returns a response.
///
/// `T` stands for the argument types and is inferred; `S` is the router's state. The trait is implemented for such
/// functions only.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a plain function that can handle requests",
    label = "not a plain handler function",
    note = "`fiber` and `blocking` take functions that are not async (give async ones to axum as they are), with at most 16 \
            arguments; axum's `debug_handler`, which an error below may suggest, is for async functions only",
    note = "each argument must be an extractor: the last one may implement `FromRequest`, the others `FromRequestParts`",
    note = "the return type must implement `IntoResponse`; the function must be `Clone + Send + Sync + 'static`"
)]
pub trait SyncHandler<T, S>: sealed::Sealed<T> + Clone + Send + Sync + 'static {
    /// How the arguments are extracted.
    type Marker;

    /// The function's arguments.
    type Arguments: Extract<Self::Marker, S>;

    /// Runs the function.
    fn call(self, arguments: Self::Arguments) -> Response;
}

pub(super) mod sealed {
    #[expect(unnameable_types, reason = "nobody else is to implement it")]
    pub trait Sealed<T> {}
}

#[diagnostic::do_not_recommend]
impl<F: Fn() -> R, R> sealed::Sealed<((),)> for F {}

#[diagnostic::do_not_recommend]
impl<F, S, R> SyncHandler<((),), S> for F
where
    F: Fn() -> R + Clone + Send + Sync + 'static,
    R: IntoResponse,
{
    type Marker = ();
    type Arguments = ();

    #[inline]
    fn call(self, (): ()) -> Response {
        self().into_response()
    }
}

macro_rules! sync_handler {
    ([$($part:ident $value:ident)*] $last:ident $last_value:ident) => {
        #[diagnostic::do_not_recommend]
        impl<F, R, M, $($part,)* $last> sealed::Sealed<(M, $($part,)* $last,)> for F where F: Fn($($part,)* $last,) -> R {}

        #[diagnostic::do_not_recommend]
        impl<F, S, R, M, $($part,)* $last> SyncHandler<(M, $($part,)* $last,), S> for F
        where
            F: Fn($($part,)* $last,) -> R + Clone + Send + Sync + 'static,
            R: IntoResponse,
            ($($part,)* $last,): Extract<M, S>,
        {
            type Marker = M;
            type Arguments = ($($part,)* $last,);

            #[inline]
            fn call(self, ($($value,)* $last_value,): Self::Arguments) -> Response {
                self($($value,)* $last_value).into_response()
            }
        }
    };
}

all_the_tuples!(sync_handler);
