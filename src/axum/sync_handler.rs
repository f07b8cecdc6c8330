//! Which functions can be handlers, and how their arguments are extracted.

use std::{
    future::{Future, Ready, ready},
    pin::Pin,
};

use axum::{
    extract::{FromRequest, FromRequestParts, Request},
    response::{IntoResponse, Response},
};

/// A plain function that [`fiber`](super::fiber) and [`blocking`](super::blocking) take: 0 to 16 extractors in, a response out.
///
/// `T` stands for the argument types and is inferred; `S` is the router's state.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a plain function that can handle requests",
    label = "not a plain handler function",
    note = "`fiber` and `blocking` take functions that are not async (give async ones to axum as they are), with at most 16 \
            arguments; axum's `debug_handler`, which an error below may suggest, is for async functions only",
    note = "each argument must be an extractor: the last one may implement `FromRequest`, the others `FromRequestParts`",
    note = "the return type must implement `IntoResponse`; the function must be `Clone + Send + Sync + 'static`"
)]
pub trait SyncHandler<T, S>: Clone + Send + Sync + 'static {
    /// What the function is called with.
    type Arguments: Send + 'static;

    /// Extracts that. An error is the response of the extractor that rejected the request.
    type Extraction: Future<Output = Result<Self::Arguments, Response>> + Send + Unpin;

    /// Begins to extract the arguments, as ordinary async code.
    fn extract(request: Request, state: S) -> Self::Extraction;

    /// Runs the function.
    fn call(self, arguments: Self::Arguments) -> Response;
}

#[diagnostic::do_not_recommend]
impl<F, S, R> SyncHandler<((),), S> for F
where
    F: Fn() -> R + Clone + Send + Sync + 'static,
    S: Send + Sync + 'static,
    R: IntoResponse,
{
    type Arguments = ();
    type Extraction = Ready<Result<(), Response>>;

    fn extract(_: Request, _: S) -> Self::Extraction {
        ready(Ok(()))
    }

    #[inline]
    fn call(self, (): ()) -> Response {
        self().into_response()
    }
}

/// The extraction of arguments.
type Extraction<A> = Pin<Box<dyn Future<Output = Result<A, Response>> + Send>>;

macro_rules! sync_handler {
    ([$($part:ident $value:ident)*] $last:ident $last_value:ident) => {
        #[diagnostic::do_not_recommend]
        impl<F, S, R, M, $($part,)* $last> SyncHandler<(M, $($part,)* $last,), S> for F
        where
            F: Fn($($part,)* $last,) -> R + Clone + Send + Sync + 'static,
            S: Send + Sync + 'static,
            R: IntoResponse,
            $($part: FromRequestParts<S> + Send + 'static,)*
            $last: FromRequest<S, M> + Send + 'static,
        {
            type Arguments = ($($part,)* $last,);
            type Extraction = Extraction<Self::Arguments>;

            fn extract(request: Request, state: S) -> Self::Extraction {
                Box::pin(async move {
                    #[allow(unused_mut, reason = "a function of one argument has no parts")]
                    let (mut parts, body) = request.into_parts();
                    $(let $value = $part::from_request_parts(&mut parts, &state).await.map_err(IntoResponse::into_response)?;)*
                    let request = Request::from_parts(parts, body);
                    let $last_value = $last::from_request(request, &state).await.map_err(IntoResponse::into_response)?;
                    Ok(($($value,)* $last_value,))
                })
            }

            #[inline]
            fn call(self, ($($value,)* $last_value,): Self::Arguments) -> Response {
                self($($value,)* $last_value).into_response()
            }
        }
    };
}

sync_handler!([] A a);
sync_handler!([A a] B b);
sync_handler!([A a B b] C c);
sync_handler!([A a B b C c] D d);
sync_handler!([A a B b C c D d] E e);
sync_handler!([A a B b C c D d E e] G g);
sync_handler!([A a B b C c D d E e G g] H h);
sync_handler!([A a B b C c D d E e G g H h] I i);
sync_handler!([A a B b C c D d E e G g H h I i] J j);
sync_handler!([A a B b C c D d E e G g H h I i J j] K k);
sync_handler!([A a B b C c D d E e G g H h I i J j K k] L l);
sync_handler!([A a B b C c D d E e G g H h I i J j K k L l] N n);
sync_handler!([A a B b C c D d E e G g H h I i J j K k L l N n] O o);
sync_handler!([A a B b C c D d E e G g H h I i J j K k L l N n O o] P p);
sync_handler!([A a B b C c D d E e G g H h I i J j K k L l N n O o P p] Q q);
sync_handler!([A a B b C c D d E e G g H h I i J j K k L l N n O o P p Q q] T t);
