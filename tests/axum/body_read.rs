//! Request bodies that are read.

use std::{
    io::{self, BufRead as _, ErrorKind, Read as _},
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    Router,
    body::{Body, Bytes, HttpBody},
    extract::DefaultBodyLimit,
    http::{Method, StatusCode},
    routing::post,
};
use futures_util::{FutureExt as _, stream};
use hyper::body::{Frame, SizeHint};
use serde::Deserialize;
use tokio::task::yield_now;
use tower_fiber::{
    Counters, FiberLayer,
    axum::{BodyError, BodyReader, blocking, fiber, fiber_with},
    block_on_waits,
};

use crate::{
    harness::{ok, on_each_runtime, request, send},
    sockets::{self, Client, on_each_version, serve},
};

fn chunks(chunks: &[&'static str]) -> Body {
    let chunks: Vec<_> = chunks.iter().map(|chunk| Ok::<_, io::Error>(Bytes::from_static(chunk.as_bytes()))).collect();
    Body::from_stream(stream::unfold(chunks.into_iter(), async |mut chunks| {
        yield_now().await;
        Some((chunks.next()?, chunks))
    }))
}

fn with_body(body: impl Into<Body>) -> axum::extract::Request {
    let mut request = request(Method::POST, "/");
    *request.body_mut() = body.into();
    request
}

fn read_all(mut body: BodyReader) -> Result<String, BodyError> {
    let mut text = String::new();
    body.read_to_string(&mut text)?;
    // The end stays the end.
    assert_eq!(body.read(&mut [0; 8])?, 0);
    Ok(text)
}

#[test]
fn it_comes_in_pieces() {
    on_each_runtime(|| async {
        for handler in [post(fiber(read_all)), post(blocking(read_all))] {
            let app = Router::new().route("/", handler);
            assert_eq!(send(&app, with_body(chunks(&["he", "", "llo", " ", "", "you"]))).await, ok("hello you"));
            assert_eq!(send(&app, with_body("whole")).await, ok("whole"));
            assert_eq!(send(&app, with_body(Body::empty())).await, ok(""));
        }
    });
}

#[test]
fn by_lines_and_in_small_reads() {
    on_each_runtime(|| async {
        let lines = |body: BodyReader| -> Result<String, BodyError> {
            Ok(body.lines().collect::<Result<Vec<_>, _>>()?.join("|"))
        };
        let bytes = |body: BodyReader| -> Result<String, BodyError> {
            Ok(body.bytes().collect::<Result<Vec<_>, _>>()?.len().to_string())
        };
        let app = Router::new().route("/", post(fiber(lines)).put(fiber(bytes)));
        assert_eq!(send(&app, with_body(chunks(&["a\nb", "\n", "c"]))).await, ok("a|b|c"));
        let mut put = with_body(chunks(&["abc", "defg"]));
        *put.method_mut() = Method::PUT;
        assert_eq!(send(&app, put).await, ok("7"));
    });
}

#[derive(Deserialize)]
struct Row {
    title: String,
    price: u32,
}

/// csv's errors do not say what they came from, unless they are asked in this way.
fn cause(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::new(ErrorKind::InvalidData, format!("{other:?}")),
    }
}

fn parse_csv(body: BodyReader) -> Result<String, BodyError> {
    let mut total = 0;
    let mut titles = Vec::new();
    let mut reader = csv::Reader::from_reader(body);
    // An error before the first row is lost otherwise.
    reader.headers().map_err(cause)?;
    for row in reader.deserialize() {
        let Row { title, price } = row.map_err(cause)?;
        total += price;
        titles.push(title);
    }
    Ok(format!("{} {total}", titles.join(",")))
}

fn parse_json(body: BodyReader) -> Result<String, BodyError> {
    let row: Row = serde_json::from_reader(body).map_err(io::Error::from)?;
    Ok(row.title)
}

#[test]
fn parsers_read_it() {
    on_each_runtime(|| async {
        let app = Router::new().route("/", post(fiber(parse_csv)).put(fiber(parse_json)));
        assert_eq!(
            send(&app, with_body(chunks(&["title,pri", "ce\nEmma,7\nUl", "ysses,9\n"]))).await,
            ok("Emma,Ulysses 16")
        );
        let put = |body: Body| {
            let mut request = with_body(body);
            *request.method_mut() = Method::PUT;
            send(&app, request)
        };
        assert_eq!(put(chunks(&["{\"title\": \"Em", "ma\", \"price\": 7}"])).await, ok("Emma"));
        // Rubbish, and an end in the middle.
        assert_eq!(put("rubbish".into()).await.0, StatusCode::BAD_REQUEST);
        assert_eq!(put("{\"title\": ".into()).await.0, StatusCode::BAD_REQUEST);
    });
}

#[test]
fn a_declared_length_over_the_limit_is_rejected_before_a_stack_is_taken() {
    let layer = FiberLayer::new();
    let app = Router::new().route("/", post(fiber_with(&layer, read_all)).layer(DefaultBodyLimit::max(10)));
    // Polled once, outside a runtime: a call that took a stack would panic.
    let (status, text) = send(&app, with_body("eleven byte")).now_or_never().unwrap();
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(text, "the body of the request is longer than is allowed here");
    assert_eq!(layer.handle().counters(), Counters::default());
}

#[test]
fn what_turns_out_to_be_longer_is_rejected_too() {
    on_each_runtime(|| async {
        let app = Router::new().route("/", post(fiber(read_all)).layer(DefaultBodyLimit::max(10)));
        assert_eq!(send(&app, with_body(chunks(&["ten", " bytes", "!"]))).await, ok("ten bytes!"));
        assert_eq!(send(&app, with_body("ten bytes!")).await, ok("ten bytes!"));
        let (status, text) = send(&app, with_body(chunks(&["eleven", " byte"]))).await;
        assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(text, "the body of the request is longer than is allowed here");
        // Also through a parser that wraps the error.
        let app = Router::new().route("/", post(fiber(parse_csv)).layer(DefaultBodyLimit::max(10)));
        assert_eq!(send(&app, with_body(chunks(&["title,price\n", "a,1\n"]))).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    });
}

#[test]
fn the_limit_is_axums() {
    on_each_runtime(|| async {
        let app = Router::new().route(
            "/",
            post(fiber(|body: BodyReader| -> Result<String, BodyError> { Ok(read_all(body)?.len().to_string()) })),
        );
        let body = "a".repeat(2 * 1024 * 1024 + 1);
        assert_eq!(send(&app, with_body(body.clone())).await.0, StatusCode::PAYLOAD_TOO_LARGE);
        let app = app.layer(DefaultBodyLimit::disable());
        assert_eq!(send(&app, with_body(body)).await, ok((2 * 1024 * 1024 + 1).to_string()));
    });
}

#[test]
fn over_sockets_too() {
    on_each_version(|version| async move {
        let app = Router::new().route("/", post(fiber(read_all)).layer(DefaultBodyLimit::max(100)));
        let mut client = Client::connect(serve(app).await, version).await;
        assert_eq!(client.text(sockets::post("/", chunks(&["he", "llo"]))).await, ok("hello"));
        assert_eq!(client.text(sockets::post("/", "whole".into())).await, ok("whole"));
        let (status, _) = client.text(sockets::post("/", "a".repeat(101).into())).await;
        assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    });
}

#[test]
fn a_failed_body_stays_failed() {
    let pieces = [Ok(Bytes::from_static(b"half")), Err(io::Error::other("the cable was pulled"))];
    let mut body = BodyReader::new(Body::from_stream(stream::iter(pieces)));
    block_on_waits(|| {
        let mut text = [0; 4];
        body.read_exact(&mut text).unwrap();
        let error = body.read(&mut text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
        assert_eq!(error.to_string(), "the body of the request could not be read: the cable was pulled");
        assert_eq!(BodyError::from(error).status(), StatusCode::BAD_REQUEST);
        assert!(body.read(&mut text).is_err() && body.fill_buf().is_err());
    });
}

#[test]
fn other_errors_are_the_servers() {
    let error = BodyError::from(io::Error::other("disk full"));
    assert_eq!((error.status(), error.to_string()), (StatusCode::INTERNAL_SERVER_ERROR, "disk full".to_owned()));
    on_each_runtime(|| async {
        let handler = || -> Result<(), BodyError> { Err(io::Error::other("the password is 1234").into()) };
        let app = Router::new().route("/", post(fiber(handler)));
        assert_eq!(send(&app, with_body("")).await, (StatusCode::INTERNAL_SERVER_ERROR, String::new()));
    });
}

#[test]
fn outside_a_fiber_it_says_what_to_do() {
    let mut body = BodyReader::new(chunks(&["a"]));
    assert_eq!(body.read(&mut []).unwrap(), 0, "there is nothing to wait for");
    let error = body.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("run_in_fiber"), "{error}");
    // Nothing was lost.
    block_on_waits(|| assert_eq!(read_all(body).unwrap(), "a"));
}

/// Four bytes of ten, and then the end.
struct CutOff(Option<Bytes>);

impl HttpBody for CutOff {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(if self.0.is_some() { 10 } else { 6 })
    }
}

#[test]
fn less_than_was_declared_is_an_error() {
    let mut body = BodyReader::new(Body::new(CutOff(Some(Bytes::from_static(b"half")))));
    block_on_waits(|| {
        let error = body.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "the body of the request could not be read: it ended before its declared length");
    });
}
