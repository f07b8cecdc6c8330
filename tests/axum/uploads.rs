//! Uploads that fail cannot look like empty ones, whatever the parser makes of the error.

use std::io::{self, ErrorKind, Read as _};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, FromRequest, Request},
    handler::Handler,
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use futures_util::stream;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tower_fiber::axum::{BodyError, BodyReader, Next, blocking, fiber, from_sync_fn, write_body};

use crate::{
    harness::{ok, on_each_runtime, request, send},
    sockets::serve,
};

/// csv takes an error in the first line for an end.
fn rows(body: impl io::Read) -> usize {
    csv::Reader::from_reader(body).into_records().map_while(Result::ok).count()
}

fn import(body: BodyReader) -> String {
    format!("{} items", rows(body))
}

/// A request whose body breaks off after `text`.
fn broken(text: &'static str) -> Request {
    let chunks = [Ok(Bytes::from(text)), Err(io::Error::other("the line is dead"))];
    whole(Body::from_stream(stream::iter(chunks)))
}

fn whole(body: impl Into<Body>) -> Request {
    let mut request = request(Method::POST, "/");
    *request.body_mut() = body.into();
    request
}

fn app<T: 'static>(handler: impl Handler<T, ()>) -> Router {
    Router::new().route("/", post(handler))
}

fn dead() -> (StatusCode, String) {
    (StatusCode::BAD_REQUEST, "the body of the request could not be read: the line is dead".to_owned())
}

#[test]
fn a_swallowed_error_is_the_answer() {
    on_each_runtime(|| async {
        for app in [app(fiber(import)), app(blocking(import))] {
            assert_eq!(send(&app, whole("name\na\nb\n")).await, ok("2 items"));
            assert_eq!(send(&app, whole("")).await, ok("0 items"));
            assert_eq!(send(&app, broken("na")).await, dead());
            assert_eq!(send(&app, broken("name\na\nb")).await, dead());
            let (status, text) = send(
                &app.layer(DefaultBodyLimit::max(1)),
                whole(Body::from_stream(stream::iter([Ok::<_, io::Error>("name")]))),
            )
            .await;
            assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "{text}");
        }
    });
}

/// As somebody saw it first.
#[test]
fn a_client_that_half_closes_in_the_first_line() {
    on_each_runtime(|| async {
        let mut client = TcpStream::connect(serve(app(fiber(import))).await).await.unwrap();
        client.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nna").await.unwrap();
        client.shutdown().await.unwrap();
        let mut answer = String::new();
        // The server need not answer; but it must not say that all is well.
        _ = client.read_to_string(&mut answer).await;
        assert!(!answer.contains("200 OK"), "{answer}");
    });
}

#[test]
fn an_answer_that_is_an_error_stays() {
    on_each_runtime(|| async {
        let strict = |body: BodyReader| match rows(body) {
            0 => (StatusCode::UNPROCESSABLE_ENTITY, "no items"),
            _ => (StatusCode::OK, "some"),
        };
        let app = app(fiber(strict));
        assert_eq!(send(&app, broken("na")).await, (StatusCode::UNPROCESSABLE_ENTITY, "no items".to_owned()));
        assert_eq!(send(&app, broken("name\na\n")).await, dead());
    });
}

#[test]
fn who_asks_for_the_error_answers_as_he_likes() {
    on_each_runtime(|| async {
        let partial = |mut body: BodyReader| {
            let rows = rows(&mut body);
            match body.take_error() {
                None => format!("all of {rows}"),
                Some(error) => format!("{rows} until {:?}", error.kind()),
            }
        };
        for app in [app(fiber(partial)), app(blocking(partial))] {
            assert_eq!(send(&app, whole("name\na\n")).await, ok("all of 1"));
            assert_eq!(send(&app, broken("name\na\n")).await, ok("1 until ConnectionAborted"));
        }
    });
}

#[test]
fn the_error_stays_the_same() {
    on_each_runtime(|| async {
        let twice = |mut body: BodyReader| {
            let first = body.read_to_end(&mut Vec::new()).unwrap_err();
            let (second, taken) = (body.read(&mut [0]).unwrap_err(), body.take_error().unwrap());
            assert_eq!((first.kind(), first.to_string()), (second.kind(), second.to_string()));
            assert_eq!((first.kind(), first.to_string()), (taken.kind(), taken.to_string()));
            assert_eq!(body.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionAborted);
            BodyError::from(second)
        };
        assert_eq!(send(&app(fiber(twice)), broken("na")).await, dead());
    });
}

/// The reader is inside of an extractor.
struct Count(usize);

impl FromRequest<()> for Count {
    type Rejection = BodyError;

    async fn from_request(request: Request, state: &()) -> Result<Self, BodyError> {
        let body = BodyReader::from_request(request, state).await?;
        Ok(Self(tower_fiber::run_in_fiber(|| rows(body)).await))
    }
}

#[test]
fn extractors_and_middleware() {
    on_each_runtime(|| async {
        let app_of_extractor = app(fiber(|Count(rows): Count| rows.to_string()));
        assert_eq!(send(&app_of_extractor, whole("name\na\n")).await, ok("1"));
        assert_eq!(send(&app_of_extractor, broken("na")).await, dead());

        // The handler below has a say of its own; the middleware does not overrule it.
        let pass = |request: Request, next: Next| -> Response { next.run(request) };
        let partial = |mut body: BodyReader| (rows(&mut body), body.take_error().is_some()).1.to_string();
        let app = app(fiber(partial)).layer(from_sync_fn(pass));
        assert_eq!(send(&app, broken("na")).await, ok("true"));
    });
}

/// The answer has begun when the error comes.
#[test]
fn a_reader_in_the_response() {
    on_each_runtime(|| async {
        let copy = |mut body: BodyReader| write_body(move |w| io::copy(&mut body, w).map(drop)).into_response();
        assert_eq!(send(&app(fiber(copy)), whole("hello")).await, ok("hello"));
    });
}
