//! [`SyncMiddleware`]: the functions that can be middleware.

use axum::response::{IntoResponse, Response};

use super::Next;
use crate::axum::extract::{Extract, all_the_tuples};

/// A synchronous function that [`from_sync_fn`](super::from_sync_fn) accepts: it takes 1 to 16 extractors and [`Next`],
/// and returns a response.
///
/// `T` stands for the argument types and is inferred; `S` is the middleware's state. The trait is implemented for such
/// functions only.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a plain function that can be middleware",
    label = "not a plain middleware function",
    note = "`from_sync_fn` takes functions that are not async (give async ones to `axum::middleware::from_fn`), with 1 to 16 \
            extractors and then `tower_fiber::axum::Next` as arguments",
    note = "the last extractor may implement `FromRequest`, as `Request` does, the others `FromRequestParts`",
    note = "the return type must implement `IntoResponse`; the function must be `Clone + Send + Sync + 'static`"
)]
pub trait SyncMiddleware<T, S>: sealed::Sealed<T> + Clone + Send + Sync + 'static {
    /// How the arguments are extracted.
    type Marker;

    /// The function's arguments.
    type Arguments: Extract<Self::Marker, S>;

    /// Runs the function.
    fn call(self, arguments: Self::Arguments, next: Next) -> Response;
}

mod sealed {
    #[expect(unnameable_types, reason = "nobody else is to implement it")]
    pub trait Sealed<T> {}
}

macro_rules! sync_middleware {
    ([$($part:ident $value:ident)*] $last:ident $last_value:ident) => {
        #[diagnostic::do_not_recommend]
        impl<F, R, M, $($part,)* $last> sealed::Sealed<(M, $($part,)* $last,)> for F where F: Fn($($part,)* $last, Next) -> R {}

        #[diagnostic::do_not_recommend]
        impl<F, S, R, M, $($part,)* $last> SyncMiddleware<(M, $($part,)* $last,), S> for F
        where
            F: Fn($($part,)* $last, Next) -> R + Clone + Send + Sync + 'static,
            R: IntoResponse,
            ($($part,)* $last,): Extract<M, S>,
        {
            type Marker = M;
            type Arguments = ($($part,)* $last,);

            fn call(self, ($($value,)* $last_value,): Self::Arguments, next: Next) -> Response {
                self($($value,)* $last_value, next).into_response()
            }
        }
    };
}

all_the_tuples!(sync_middleware);
