//! Extracts the arguments of synchronous functions in ordinary async code, before a stack or a thread is taken.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    extract::{FromRequest, FromRequestParts, Request},
    response::{IntoResponse, Response},
};

/// Extracts the tuple `Self` of arguments.
pub trait Extract<M, S>: sealed::Sealed + Sized + Send + 'static {
    /// An error is the response of the extractor that rejected the request.
    type Extraction: Future<Output = Result<Self, Response>> + Send + Unpin;

    /// Begins the extraction if no argument is made from the request, which is then not moved.
    #[inline]
    fn without_request() -> Option<Self::Extraction> {
        None
    }

    /// Begins the extraction.
    fn extract(request: Request, state: S) -> Self::Extraction;
}

mod sealed {
    #[expect(unnameable_types, reason = "nobody else is to implement it")]
    pub trait Sealed {}

    impl Sealed for () {}
}

impl<S> Extract<(), S> for () {
    type Extraction = NoArguments;

    #[inline]
    fn without_request() -> Option<NoArguments> {
        Some(NoArguments)
    }

    #[inline]
    fn extract(_: Request, _: S) -> NoArguments {
        NoArguments
    }
}

/// The extraction of no arguments. It is zero-sized because axum moves a handler's future.
#[derive(Debug)]
pub struct NoArguments;

impl Future for NoArguments {
    type Output = Result<(), Response>;

    #[inline]
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(()))
    }
}

macro_rules! extract {
    ([$($part:ident $value:ident)*] $last:ident $last_value:ident) => {
        impl<$($part,)* $last> sealed::Sealed for ($($part,)* $last,) {}

        impl<S, M, $($part,)* $last> Extract<M, S> for ($($part,)* $last,)
        where
            S: Send + Sync + 'static,
            $($part: FromRequestParts<S> + Send + 'static,)*
            $last: FromRequest<S, M> + Send + 'static,
        {
            type Extraction = Pin<Box<dyn Future<Output = Result<Self, Response>> + Send>>;

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
        }
    };
}

/// Calls a macro for 1 to 16 arguments.
macro_rules! all_the_tuples {
    ($name:ident) => {
        $name!([] A a);
        $name!([A a] B b);
        $name!([A a B b] C c);
        $name!([A a B b C c] D d);
        $name!([A a B b C c D d] E e);
        $name!([A a B b C c D d E e] G g);
        $name!([A a B b C c D d E e G g] H h);
        $name!([A a B b C c D d E e G g H h] I i);
        $name!([A a B b C c D d E e G g H h I i] J j);
        $name!([A a B b C c D d E e G g H h I i J j] K k);
        $name!([A a B b C c D d E e G g H h I i J j K k] L l);
        $name!([A a B b C c D d E e G g H h I i J j K k L l] N n);
        $name!([A a B b C c D d E e G g H h I i J j K k L l N n] O o);
        $name!([A a B b C c D d E e G g H h I i J j K k L l N n O o] P p);
        $name!([A a B b C c D d E e G g H h I i J j K k L l N n O o P p] Q q);
        $name!([A a B b C c D d E e G g H h I i J j K k L l N n O o P p Q q] T t);
    };
}

pub(super) use all_the_tuples;

all_the_tuples!(extract);
