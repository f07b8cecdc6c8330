//! What the routes answer. The paused clock goes on when everything waits, so no test takes the time that it waits.

use app::{bridge::LATENCY, web};
use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode},
};
use http_body_util::BodyExt as _;
use tokio::{task::JoinSet, time::Instant};
use tower::ServiceExt as _;
use tower_fiber::FiberLayer;

async fn get(app: Router, path: &str) -> (StatusCode, String) {
    let response = app.oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_price_is_converted() {
    let app = web::router(&FiberLayer::new());
    assert_eq!(get(app.clone(), "/prices/1999/USD").await, (StatusCode::OK, "2158".to_owned()));
    assert_eq!(get(app, "/healthz").await, (StatusCode::OK, "ok".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn what_makes_no_sense_is_refused() {
    let app = web::router(&FiberLayer::new());
    let unknown = (StatusCode::NOT_FOUND, "there is no currency \"XYZ\"".to_owned());
    assert_eq!(get(app.clone(), "/prices/1999/XYZ").await, unknown);
    assert_eq!(get(app.clone(), "/prices/much/USD").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(get(app, "/prices/-1/USD").await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_requests_take_the_time_of_one() {
    let layer = FiberLayer::new();
    let app = web::router(&layer);
    let begun = Instant::now();
    let mut requests = JoinSet::new();
    for cents in 0..100 {
        let app = app.clone();
        requests.spawn(async move { get(app, &format!("/prices/{cents}00/GBP")).await });
    }
    while let Some(answer) = requests.join_next().await {
        assert_eq!(answer.unwrap().0, StatusCode::OK);
    }
    assert!(begun.elapsed() < 2 * LATENCY, "they took {:?}", begun.elapsed());
    assert_eq!(layer.handle().live(), 0);
}
