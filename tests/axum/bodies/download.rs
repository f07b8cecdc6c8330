//! Responses: what a plain function writes, and what the client gets.

use std::sync::Arc;

use axum::{Router, http::StatusCode, routing::get};
use http_body_util::BodyExt as _;
use tower_fiber::axum::{fiber, write_body_with};

use crate::{
    bodies::ends::{Case, End, Of, fails},
    bodies::formats::{Format, rows},
    sockets::{self, Version},
};

pub(crate) async fn end(format: &'static Format, end: End, version: Version) {
    let mut case = Case::new(end, Of::Response);
    let (layer, reporter) = (case.layer.clone(), Arc::new(case.reporter.clone()));
    let handler = move || {
        let reporter = Arc::clone(&reporter);
        write_body_with(&layer, move |w| {
            let result = (format.write)(w, &mut || reporter.midway());
            reporter.ended(&result);
            result
        })
    };
    let mut client = case.connect(Router::new().route("/", get(fiber(handler))), version).await;

    match end {
        End::Normal => {
            let response = client.send(sockets::get("/")).await.unwrap();
            assert_eq!(response.status(), StatusCode::OK);
            let bytes = response.into_body().collect().await.unwrap().to_bytes();
            assert!((format.read)(&mut &bytes[..]).unwrap().into_iter().eq(rows()));
        }
        End::Panic => fails(&mut client, sockets::get("/")).await,
        End::Reset(_) => {
            let body = client.send(sockets::get("/")).await.unwrap().into_body();
            let read = tokio::spawn(body.collect());
            case.is_midway().await;
            read.abort();
            assert!(read.await.unwrap_err().is_cancelled(), "it is not whole");
            client.disconnect().await;
        }
        End::Cancel(_) => {
            let handle = case.layer.handle();
            tokio::join!(fails(&mut client, sockets::get("/")), async {
                case.is_midway().await;
                handle.cancel_all();
            });
        }
    }
    case.check(version).await;
}
