//! The future of a synchronous handler: it first extracts the arguments, then runs the function.

use std::{
    any::type_name,
    fmt,
    future::Future,
    marker::PhantomData,
    panic::resume_unwind,
    pin::Pin,
    task::{Context, Poll, ready},
    thread,
};

use axum::{extract::Request, response::Response};

use super::{SyncHandler, body::Upload, defaults::OfLayer, extract::Extract};

/// Starts a handler's function, in a fiber or on the blocking pool, once its arguments are extracted.
pub trait Begin<T, S>: sealed::Sealed + Unpin {
    /// The function.
    type Function: SyncHandler<T, S>;

    /// The future of the running function.
    type Running: Future<Output = Response> + Unpin;

    /// The settings that the request brings for the function.
    fn settings_of(request: &Request) -> Option<OfLayer>;

    /// Calls the function and polls it for the first time. Returns `None` if it has ended; its outcome is then in
    /// `ending`, which was `Pending`.
    fn begin(
        self,
        arguments: Arguments<Self::Function, T, S>,
        settings: Option<OfLayer>,
        cx: &mut Context<'_>,
        ending: &mut Poll<thread::Result<Response>>,
    ) -> Option<Self::Running>;
}

pub(super) mod sealed {
    #[expect(unnameable_types, reason = "nobody else is to implement it")]
    pub trait Sealed {}
}

/// The future of a handler that is a synchronous function.
#[must_use = "futures do nothing unless polled"]
pub struct HandlerFuture<B: Begin<T, S>, T, S> {
    step: Step<B, B::Running, Extraction<B::Function, T, S>>,
    upload: Option<Upload>,
    arguments: PhantomData<fn(T, S)>,
}

type Arguments<F, T, S> = <F as SyncHandler<T, S>>::Arguments;
type Extraction<F, T, S> = <Arguments<F, T, S> as Extract<<F as SyncHandler<T, S>>::Marker, S>>::Extraction;

enum Step<B, R, E> {
    /// The handler is `Some` until it begins. With the settings that the request brought.
    Extracts(E, Option<B>, Option<OfLayer>),
    /// The function waited at its first poll.
    Runs(R),
}

impl<B: Begin<T, S>, T, S> HandlerFuture<B, T, S> {
    #[inline]
    pub(super) fn new(handler: B, mut request: Request, state: S) -> Self {
        let settings = B::settings_of(&request);
        let (upload, extraction) = match Arguments::<B::Function, T, S>::without_request() {
            Some(extraction) => (None, extraction),
            None => (Upload::of(&mut request), Arguments::<B::Function, T, S>::extract(request, state)),
        };
        Self { upload, step: Step::Extracts(extraction, Some(handler), settings), arguments: PhantomData }
    }

    // Not inlined, so that the response is moved less often.
    #[inline(never)]
    fn poll_function(&mut self, cx: &mut Context<'_>) -> Poll<Response> {
        match &mut self.step {
            Step::Extracts(extraction, handler, settings) => {
                let arguments = match ready!(Pin::new(extraction).poll(cx)) {
                    Ok(arguments) => arguments,
                    Err(rejection) => return Poll::Ready(rejection),
                };
                let handler = handler.take().expect("a handler's future was polled after it had ended [TF14]");
                let mut ending = Poll::Pending;
                if let Some(running) = handler.begin(arguments, settings.take(), cx, &mut ending) {
                    self.step = Step::Runs(running);
                }
                match ending {
                    Poll::Ready(Ok(response)) => Poll::Ready(response),
                    Poll::Ready(Err(payload)) => resume_unwind(payload),
                    Poll::Pending => Poll::Pending,
                }
            }
            Step::Runs(running) => Pin::new(running).poll(cx),
        }
    }
}

impl<B: Begin<T, S>, T, S> Future for HandlerFuture<B, T, S> {
    type Output = Response;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response> {
        if self.upload.is_none() {
            return self.poll_function(cx);
        }
        let response = ready!(self.poll_function(cx));
        let upload = self.upload.take().expect("a future with an upload has it until it ends");
        Poll::Ready(upload.judge(response, type_name::<B::Function>()))
    }
}

impl<B: Begin<T, S>, T, S> fmt::Debug for HandlerFuture<B, T, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step = match self.step {
            Step::Extracts(..) => "extracts",
            Step::Runs(_) => "runs",
        };
        f.debug_struct("HandlerFuture").field("step", &step).finish_non_exhaustive()
    }
}
