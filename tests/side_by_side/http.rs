//! Requests and responses of HTTP: extensions, headers, bodies and trailers; axum's routers.

use std::convert::Infallible;

use axum::{
    Extension, Router,
    body::{Body, Bytes},
    extract::{MatchedPath, OriginalUri, Request, State},
    http::{HeaderMap, HeaderName, Method, StatusCode, Version},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::{any, get},
};
use futures_util::stream;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use tower::{ServiceExt as _, service_fn};

use crate::harness::{Around, Seen, same};

#[derive(Clone, Copy)]
struct Note(&'static str);

async fn see_response(response: Response, seen: &Seen) {
    let (parts, mut body) = response.into_parts();
    seen.note(format_args!("{} {:?} {:?}", parts.status, parts.version, parts.headers));
    seen.note(format_args!("{:?}", parts.extensions.get::<Note>().map(|note| note.0)));
    while let Some(frame) = body.frame().await {
        seen.note(format_args!("{frame:?}"));
    }
}

/// A body of chunks and trailers.
fn chunks() -> Body {
    let trailers = HeaderMap::from_iter([(HeaderName::from_static("sum"), "7".parse().unwrap())]);
    let frames = [Frame::data(Bytes::from("one ")), Frame::data(Bytes::from("two")), Frame::trailers(trailers)];
    Body::new(StreamBody::new(stream::iter(frames.map(Ok::<_, Infallible>))))
}

fn request() -> Request {
    let request = Request::builder().method(Method::PUT).uri("/a/b?c=d").version(Version::HTTP_2);
    request.header("x-first", "1").header("x-first", "2").extension(Note("of the caller")).body(chunks()).unwrap()
}

#[test]
fn all_parts_of_requests_and_responses() {
    same(|around, seen| async move {
        let notes = seen.clone();
        let service = around.around(service_fn(move |request: Request| {
            let seen = notes.clone();
            async move {
                let (parts, mut body) = request.into_parts();
                seen.note(format_args!("{} {} {:?} {:?}", parts.method, parts.uri, parts.version, parts.headers));
                seen.note(format_args!("{:?}", parts.extensions.get::<Note>().map(|note| note.0)));
                while let Some(frame) = body.frame().await {
                    seen.note(format_args!("{frame:?}"));
                }
                let response = Response::builder().status(StatusCode::ACCEPTED).version(Version::HTTP_2);
                let response = response.header("y", "3").extension(Note("of the service")).body(chunks());
                Ok::<_, Infallible>(response.unwrap())
            }
        }));
        see_response(service.oneshot(request()).await.unwrap(), &seen).await;
    });
}

async fn handler(
    State(state): State<&'static str>,
    Extension(note): Extension<Note>,
    path: MatchedPath,
    uri: OriginalUri,
    body: String,
) -> Response {
    let response = format!("{state} {} {path:?} {uri:?} {body}", note.0).into_response();
    (Extension(Note("of the handler")), response).into_response()
}

async fn middleware(mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(Note("of the middleware"));
    let mut response = next.run(request).await;
    response.headers_mut().insert("middleware", "1".parse().unwrap());
    response
}

fn router() -> Router {
    Router::new()
        .nest("/a", Router::new().route("/{b}", any(handler)))
        .route("/empty", get(|| async { StatusCode::NO_CONTENT }))
        .layer(from_fn(middleware))
        .with_state("state")
}

async fn ask(app: Router, seen: Seen) {
    for uri in ["/a/b?c=d", "/empty", "/nothing"] {
        let request = Request::builder().uri(uri).body(Body::from("body")).unwrap();
        see_response(app.clone().oneshot(request).await.unwrap(), &seen).await;
    }
    let request = Request::builder().uri("/empty").method(Method::POST).body(Body::empty()).unwrap();
    see_response(app.oneshot(request).await.unwrap(), &seen).await;
}

#[test]
fn around_a_router() {
    same(|around: Around, seen| {
        let app = Router::new().fallback_service(around.around::<_, Request>(router()));
        ask(app, seen)
    });
}

#[test]
fn as_the_layer_of_a_router() {
    same(|around: Around, seen| ask(around.on_routes(router()), seen));
}
