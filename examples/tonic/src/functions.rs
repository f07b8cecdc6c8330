//! Single functions as methods, without the generated server.
//!
//! `sync_fn(f)` behind a [`FiberLayer`] is what tonic calls a `UnaryService`, if `f` takes a `Request` and gives a
//! `Response` or a `Status`. By the same rule it is a `ClientStreamingService`, a `ServerStreamingService` or a
//! `StreamingService` if it takes or gives a stream.

use std::convert::Infallible;

use tonic::{
    body::Body,
    codegen::{Body as HttpBody, Bytes, Service, StdError, http},
    server::Grpc,
    service::Routes,
};
use tonic_prost::ProstCodec;
use tower::{Layer as _, service_fn};
use tower_fiber::{FiberLayer, sync_fn};

use crate::{
    business::Directory,
    cut_off,
    methods::Methods,
    proto::{HelloReply, HelloRequest},
};

/// Mounts each method at its path.
pub fn routes(layer: &FiberLayer, directory: impl Directory) -> Routes {
    let methods = Methods::new(layer, directory);
    let [say_hello, greet_all, watch, chat] = [methods.clone(), methods.clone(), methods.clone(), methods];
    let say_hello = layer.layer(sync_fn(move |request| say_hello.say_hello(&request)));
    let greet_all = layer.layer(sync_fn(move |request| greet_all.greet_all(request)));
    let watch = layer.layer(sync_fn(move |request| Ok(watch.watch(request))));
    let chat = layer.layer(sync_fn(move |request| Ok(chat.chat(request))));
    Routes::default()
        .into_axum_router()
        .route_service("/greeting.Greeter/SayHello", mount(say_hello, |f, r| async { grpc().unary(f, r).await }))
        .route_service(
            "/greeting.Greeter/GreetAll",
            mount(greet_all, |f, r| async { grpc().client_streaming(f, r).await }),
        )
        .route_service("/greeting.Greeter/Watch", mount(watch, |f, r| async { grpc().server_streaming(f, r).await }))
        .route_service("/greeting.Greeter/Chat", mount(chat, |f, r| async { grpc().streaming(f, r).await }))
        .into()
}

fn grpc() -> Grpc<ProstCodec<HelloReply, HelloRequest>> {
    Grpc::new(ProstCodec::default())
}

/// A service for one path, which calls `method` by `serve`.
pub fn mount<S, B, F, Answer>(
    method: S,
    serve: F,
) -> impl Service<http::Request<B>, Response = http::Response<Body>, Error = Infallible, Future: Send> + Clone
where
    S: Clone,
    B: HttpBody<Data = Bytes, Error: Into<StdError>> + Send + 'static,
    F: FnOnce(S, http::Request<Body>) -> Answer + Clone,
    Answer: Future<Output = http::Response<Body>> + Send,
{
    service_fn(move |request| {
        let answer = serve.clone()(method.clone(), cut_off::is_an_error(request));
        async { Ok(answer.await) }
    })
}
