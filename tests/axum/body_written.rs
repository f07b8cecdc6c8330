//! Response bodies that are written.

use std::{
    io::{self, ErrorKind, Write},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, HttpBody as _},
    http::{Method, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use http_body_util::BodyExt as _;
use tokio::{sync::oneshot, task::yield_now};
use tower::ServiceExt as _;
use tower_fiber::{
    FiberLayer, WaitExt as _,
    axum::{fiber, write_body, write_body_with},
    caller_gone,
};

use crate::{
    harness::{get as fetch, ok, on_each_runtime, request},
    sockets::{self, Client, on_each_version, serve},
};

fn rows() -> impl IntoResponse {
    let body = write_body(|w| {
        let mut csv = csv::Writer::from_writer(w);
        for n in 0..1000 {
            csv.serialize((n, n * n))?;
            if n % 100 == 0 {
                yield_now().wait();
            }
        }
        csv.flush()
    });
    ([(CONTENT_TYPE, "text/csv")], body)
}

fn expected_rows() -> String {
    (0..1000).map(|n| format!("{n},{}\n", n * n)).collect()
}

#[test]
fn what_is_written_is_sent() {
    on_each_version(|version| async move {
        let app = Router::new().route("/", get(fiber(rows)));
        assert_eq!(fetch(&app, "/").await, ok(expected_rows()));
        let mut client = Client::connect(serve(app).await, version).await;
        assert_eq!(client.text(sockets::get("/")).await, ok(expected_rows()));
    });
}

#[test]
fn by_an_async_handler_too() {
    on_each_runtime(|| async {
        let app = Router::new().route("/", get(async || rows()));
        assert_eq!(fetch(&app, "/").await, ok(expected_rows()));
    });
}

async fn body_of(app: &Router) -> Body {
    let response: Response = app.clone().oneshot(request(Method::GET, "/")).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    response.into_body()
}

#[test]
fn it_comes_in_chunks_and_by_flushes() {
    on_each_runtime(|| async {
        let handler = || {
            write_body(|w| {
                w.flush()?;
                write!(w, "first")?;
                w.flush()?;
                w.flush()?;
                w.write_all(&[b'x'; 70_000])
            })
        };
        let mut body = body_of(&Router::new().route("/", get(fiber(handler)))).await;
        let mut sizes = Vec::new();
        while let Some(frame) = body.frame().await {
            sizes.push(frame.unwrap().into_data().unwrap().len());
        }
        assert_eq!(sizes, [5, 32 * 1024, 32 * 1024, 70_000 - 64 * 1024]);
        assert!(body.is_end_stream() || body.frame().await.is_none());
    });
}

#[test]
fn it_waits_for_the_client() {
    on_each_runtime(|| async {
        let written = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&written);
        let handler = move || {
            let counter = Arc::clone(&counter);
            write_body(move |w| {
                loop {
                    w.write_all(&[0; 1024])?;
                    counter.fetch_add(1024, Ordering::Relaxed);
                }
            })
        };
        let mut body = body_of(&Router::new().route("/", get(fiber(handler)))).await;
        let mut read = 0;
        for _ in 0..20 {
            read += body.frame().await.unwrap().unwrap().into_data().unwrap().len();
            for _ in 0..50 {
                yield_now().await;
            }
            let ahead = written.load(Ordering::Relaxed).saturating_sub(read);
            assert!(ahead <= 3 * 32 * 1024, "{ahead} bytes ahead of the client");
        }
    });
}

#[test]
fn an_error_fails_the_body() {
    on_each_version(|version| async move {
        let handler = || {
            write_body(|w| {
                w.write_all(b"half of it")?;
                w.flush()?;
                Err(io::Error::other("disk full"))
            })
        };
        let app = Router::new().route("/", get(fiber(handler)));
        let mut body = body_of(&app).await;
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "half of it");
        assert_eq!(body.frame().await.unwrap().unwrap_err().to_string(), "disk full");
        assert!(body.frame().await.is_none());
        // The client can tell.
        let mut client = Client::connect(serve(app).await, version).await;
        client.broken(sockets::get("/")).await;
    });
}

#[test]
fn a_panic_fails_the_body() {
    on_each_version(|version| async move {
        let handler = || {
            write_body(|w| {
                // Writes when it is dropped, by the panic.
                let mut gz = flate2::write::GzEncoder::new(w, flate2::Compression::fast());
                gz.write_all(&[7; 100_000])?;
                assert!(caller_gone(), "out of ink");
                Ok(())
            })
        };
        let app = Router::new().route("/", get(fiber(handler))).route("/alive", get(async || "alive"));
        let address = serve(app).await;
        let mut client = Client::connect(address, version).await;
        client.broken(sockets::get("/")).await;
        let mut client = Client::connect(address, version).await;
        assert_eq!(client.text(sockets::get("/alive")).await, ok("alive"));
    });
}

#[test]
fn archives_and_compressors() {
    on_each_runtime(|| async {
        let archive = || {
            write_body(|w| {
                let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(w, flate2::Compression::fast()));
                for name in ["a.txt", "b.txt"] {
                    let text = format!("I am {name}").repeat(10_000);
                    let mut header = tar::Header::new_gnu();
                    header.set_size(text.len() as u64);
                    header.set_cksum();
                    tar.append_data(&mut header, name, text.as_bytes())?;
                }
                tar.into_inner()?.finish()?.flush()
            })
        };
        let body = body_of(&Router::new().route("/", get(fiber(archive)))).await;
        let bytes = body.collect().await.unwrap().to_bytes();
        let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(&bytes[..]));
        let texts: Vec<_> = tar.entries().unwrap().map(|entry| io::read_to_string(entry.unwrap()).unwrap()).collect();
        assert_eq!(texts, ["I am a.txt".repeat(10_000), "I am b.txt".repeat(10_000)]);
    });
}

#[test]
fn a_dropped_body_is_a_broken_pipe() {
    on_each_runtime(|| async {
        let layer = FiberLayer::new();
        let (report, reported) = oneshot::channel();
        let mut body = write_body_with(&layer, |w| {
            let error = loop {
                if let Err(error) = w.write_all(&[0; 1024]) {
                    break error;
                }
            };
            report.send((error.kind(), caller_gone())).unwrap();
            Err(error)
        });
        body.frame().await.unwrap().unwrap();
        drop(body);
        assert_eq!(reported.await.unwrap(), (ErrorKind::BrokenPipe, true));
        layer.handle().drained().await;
        assert_eq!((layer.handle().live(), layer.handle().counters().leaked), (0, 0));
    });
}

#[test]
fn a_body_that_nobody_reads_is_not_written() {
    on_each_runtime(|| async {
        let app = Router::new().route("/", get(fiber(|| write_body(|_| panic!("it is written")))));
        let mut client = Client::connect(serve(app).await, sockets::Version::Http1).await;
        let mut head = sockets::get("/");
        *head.method_mut() = Method::HEAD;
        assert_eq!(client.text(head.map(|_| Body::empty())).await, ok(""));
    });
}
