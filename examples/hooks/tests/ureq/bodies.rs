//! Bodies: large, compressed, redirected, cut off.

use std::{fs, io::Read as _};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::DefaultBodyLimit,
    response::Redirect,
    routing::{get, post},
};
use tokio::io::AsyncWriteExt as _;
use tower_fiber::run_in_fiber;
use ureq::{Error, SendBody, http::StatusCode};

use crate::{agent, config, config_for, head, run, serve, serve_by_hand, text};

const LARGE: usize = 8 << 20;

/// No two parts of it are alike.
fn large() -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 56) as u8
    };
    (0..LARGE).map(|_| next()).collect()
}

fn echo() -> Router {
    Router::new().route("/", post(|body: Bytes| async { body })).layer(DefaultBodyLimit::disable())
}

#[test]
fn large_both_ways_over_https() {
    let Some(nginx) = servers::nginx() else { return };
    run(async {
        let url = format!("https://localhost:{}/to/{}/", nginx.port, serve(echo()).await.port());
        let agent = hooks::ureq::agent(config_for(nginx));
        let same = run_in_fiber(move || {
            let sent = large();
            let mut answer = agent.post(&url).send(&sent[..]).unwrap();
            answer.body_mut().with_config().limit(LARGE as u64).read_to_vec().unwrap() == sent
        });
        assert!(same.await);
    });
}

/// By a reader whose length is not known, and as a body whose length is not told.
#[test]
fn large_both_ways_in_chunks() {
    run(async {
        let app = Router::new().route(
            "/",
            post(|body: Body| async { Body::from_stream(body.into_data_stream()) }).layer(DefaultBodyLimit::disable()),
        );
        let url = format!("http://{}/", serve(app).await);
        let agent = agent();
        let same = run_in_fiber(move || {
            let sent = large();
            let body = SendBody::from_owned_reader(std::io::Cursor::new(sent.clone()));
            let answer = agent.post(&url).send(body).unwrap();
            let is_chunked = answer.headers()["transfer-encoding"] == "chunked";
            let mut got = Vec::new();
            answer.into_body().into_reader().read_to_end(&mut got).unwrap();
            is_chunked && got == sent
        });
        assert!(same.await);
    });
}

#[test]
fn compressed() {
    let Some(nginx) = servers::nginx() else { return };
    run(async {
        let written = "all the same\n".repeat(10_000);
        fs::create_dir_all(nginx.directory.join("files")).unwrap();
        fs::write(nginx.directory.join("files/repeated"), &written).unwrap();
        let base = format!("https://localhost:{}", nginx.port);
        let agent = hooks::ureq::agent(config_for(nginx));
        run_in_fiber(move || {
            for (path, is_packed) in [("repeated", false), ("gzip/repeated", true)] {
                let mut answer = agent.get(format!("{base}/{path}")).call().unwrap();
                // ureq takes the header away that says so; nginx says that the bytes are others than those of the file.
                assert_eq!(answer.headers()["etag"].as_bytes().starts_with(b"W/"), is_packed);
                assert!(answer.body_mut().read_to_string().unwrap() == written);
            }
        })
        .await;
    });
}

#[test]
fn redirected() {
    run(async {
        let elsewhere = Router::new().route("/end", get(|| async { "the end" }));
        let end = format!("http://{}/end", serve(elsewhere).await);
        let app = Router::new()
            .route("/", get(|| async { Redirect::temporary("/there") }))
            .route("/there", get(move || async move { Redirect::temporary(&end) }))
            .route("/round", get(|| async { Redirect::temporary("/round") }));
        let base = format!("http://{}", serve(app).await);
        let agent = agent();
        let not_followed = hooks::ureq::agent(config().max_redirects(0).build());
        run_in_fiber(move || {
            assert_eq!(text(&agent, &base).unwrap(), "the end");
            let error = text(&agent, &format!("{base}/round")).unwrap_err();
            assert!(matches!(error, Error::TooManyRedirects), "{error}");
            assert_eq!(not_followed.get(&base).call().unwrap().status(), StatusCode::TEMPORARY_REDIRECT);
        })
        .await;
    });
}

#[test]
fn cut_off() {
    run(async {
        for answer in [
            "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
            "HTTP/1.1 200 OK\r\ncontent-le",
            "",
        ] {
            let server = serve_by_hand(move |mut stream| async move {
                head(&mut stream).await;
                stream.write_all(answer.as_bytes()).await.unwrap();
            })
            .await;
            let agent = agent();
            let error = run_in_fiber(move || text(&agent, &format!("http://{server}/")).unwrap_err()).await;
            assert_eq!(error.to_string(), "io: Peer disconnected", "{answer:?}");
        }
    });
}
