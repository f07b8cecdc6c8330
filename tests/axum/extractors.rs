//! Functions of 0 to 16 arguments, and what they return.

use std::{convert::Infallible, num::ParseIntError};

use axum::{
    Extension, Form, Json, Router,
    body::Bytes,
    extract::{FromRef, FromRequestParts, Path, Query, Request, State, rejection::JsonRejection},
    http::{HeaderMap, Method, StatusCode, header::HOST, request::Parts},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use tower_fiber::axum::fiber;

use crate::harness::{self, get as fetch, ok, on_each_runtime, send, waited};

/// The `N`th letter of the query.
struct Letter<const N: usize>(char);

impl<S: Sync, const N: usize> FromRequestParts<S> for Letter<N> {
    type Rejection = (StatusCode, String);

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        // Extraction may wait as any async code does.
        tokio::task::yield_now().await;
        let letter = parts.uri.query().and_then(|query| query.chars().nth(N));
        letter.map(Self).ok_or_else(|| (StatusCode::BAD_REQUEST, format!("no letter {N}")))
    }
}

macro_rules! letters {
    ($($n:literal $name:ident)*) => {
        |$(Letter($name): Letter<$n>),*| waited([$($name),*].iter().collect::<String>())
    };
}

macro_rules! letters_and_body {
    ($($n:literal $name:ident)*) => {
        |$(Letter($name): Letter<$n>,)* body: String| waited([$($name),*].iter().collect::<String>() + &body)
    };
}

#[test]
fn of_any_number() {
    on_each_runtime(|| async {
        let app: Router = Router::new()
            .route("/0", get(fiber(|| waited(""))))
            .route("/1", get(fiber(letters!(0 a))))
            .route("/2", get(fiber(letters!(0 a 1 b))))
            .route("/7", get(fiber(letters!(0 a 1 b 2 c 3 d 4 e 5 f 6 g))))
            .route("/16", get(fiber(letters!(0 a 1 b 2 c 3 d 4 e 5 f 6 g 7 h 8 i 9 j 10 k 11 l 12 m 13 n 14 o 15 p))));
        for (n, path) in [(0, "/0"), (1, "/1"), (2, "/2"), (7, "/7"), (16, "/16")] {
            assert_eq!(fetch(&app, &format!("{path}?abcdefghijklmnop")).await, ok(&"abcdefghijklmnop"[..n]));
        }
        // The first one that rejects decides.
        let (status, text) = fetch(&app, "/16?abc").await;
        assert_eq!((status, text.as_str()), (StatusCode::BAD_REQUEST, "no letter 3"));
    });
}

#[test]
fn of_any_number_with_a_body_at_the_end() {
    on_each_runtime(|| async {
        let app: Router = Router::new()
            .route("/1", post(fiber(|body: String| waited(body))))
            .route("/2", post(fiber(letters_and_body!(0 a))))
            .route("/5", post(fiber(letters_and_body!(0 a 1 b 2 c 3 d))))
            .route(
                "/16",
                post(fiber(letters_and_body!(0 a 1 b 2 c 3 d 4 e 5 f 6 g 7 h 8 i 9 j 10 k 11 l 12 m 13 n 14 o))),
            );
        for (n, path) in [(0, "/1"), (1, "/2"), (4, "/5"), (15, "/16")] {
            let request = harness::post(&format!("{path}?abcdefghijklmno"), "text/plain", "BODY");
            assert_eq!(send(&app, request).await, ok(format!("{}BODY", &"abcdefghijklmno"[..n])));
        }
    });
}

#[derive(Deserialize, Serialize)]
struct Order {
    book: u32,
    quantity: u32,
}

#[test]
fn of_many_kinds() {
    fn describe(
        method: Method,
        headers: HeaderMap,
        Path(id): Path<u32>,
        Query(order): Query<Order>,
        Extension(extension): Extension<&'static str>,
        State(state): State<&'static str>,
        request: Request,
    ) -> String {
        let host = headers[HOST].to_str().unwrap();
        let path = request.uri().path();
        waited(format!("{method} {path} {host} {id} {}x{} {extension} {state}", order.quantity, order.book))
    }

    on_each_runtime(|| async {
        let app = Router::new()
            .route("/orders/{id}", post(fiber(describe)))
            .layer(Extension("extension"))
            .with_state("state");
        let mut request = harness::post("/orders/7?book=3&quantity=2", "text/plain", "");
        request.headers_mut().insert(HOST, "shop".parse().unwrap());
        assert_eq!(send(&app, request).await, ok("POST /orders/7 shop 7 2x3 extension state"));
    });
}

#[test]
fn parts_of_the_state() {
    #[derive(Clone)]
    struct Shop {
        name: &'static str,
        stock: u32,
    }

    #[derive(Clone)]
    struct Stock(u32);

    impl FromRef<Shop> for Stock {
        fn from_ref(shop: &Shop) -> Self {
            Self(shop.stock)
        }
    }

    on_each_runtime(|| async {
        let stock = |State(shop): State<Shop>, State(Stock(n)): State<Stock>| waited(format!("{}: {n}", shop.name));
        let app = Router::new().route("/", get(fiber(stock))).with_state(Shop { name: "books", stock: 3 });
        assert_eq!(fetch(&app, "/").await, ok("books: 3"));
    });
}

#[test]
fn bodies() {
    on_each_runtime(|| async {
        let app: Router = Router::new()
            .route("/bytes", post(fiber(|body: Bytes| waited(body.len().to_string()))))
            .route("/json", post(fiber(|Json(order): Json<Order>| waited(Json(order)))))
            .route("/form", post(fiber(|Form(order): Form<Order>| waited(Json(order)))));
        assert_eq!(send(&app, harness::post("/bytes", "text/plain", "four")).await, ok("4"));
        let json = r#"{"book":1,"quantity":2}"#;
        assert_eq!(send(&app, harness::post("/json", "application/json", json)).await, ok(json));
        let form = harness::post("/form", "application/x-www-form-urlencoded", "book=1&quantity=2");
        assert_eq!(send(&app, form).await, ok(json));
    });
}

#[test]
fn rejections_as_arguments() {
    on_each_runtime(|| async {
        let total = |order: Result<Json<Order>, JsonRejection>| match order {
            Ok(Json(order)) => waited(order.quantity.to_string()),
            Err(rejection) => waited(format!("mine: {}", rejection.status())),
        };
        let app: Router = Router::new().route("/", post(fiber(total)));
        assert_eq!(send(&app, harness::post("/", "application/json", "{")).await, ok("mine: 400 Bad Request"));
    });
}

#[test]
fn results_with_the_question_mark() {
    enum Failure {
        NotANumber(ParseIntError),
        Odd(u32),
    }

    impl From<ParseIntError> for Failure {
        fn from(error: ParseIntError) -> Self {
            Self::NotANumber(error)
        }
    }

    impl IntoResponse for Failure {
        fn into_response(self) -> Response {
            match self {
                Self::NotANumber(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
                Self::Odd(n) => (StatusCode::CONFLICT, format!("{n} is odd")).into_response(),
            }
        }
    }

    fn half(Path(n): Path<String>) -> Result<String, Failure> {
        let n: u32 = waited(n).parse()?;
        if waited(n) % 2 == 0 { Ok((n / 2).to_string()) } else { Err(Failure::Odd(n)) }
    }

    on_each_runtime(|| async {
        let app: Router = Router::new().route("/{n}", get(fiber(half)));
        assert_eq!(fetch(&app, "/8").await, ok("4"));
        assert_eq!(fetch(&app, "/7").await, (StatusCode::CONFLICT, "7 is odd".to_owned()));
        assert_eq!(fetch(&app, "/x").await, (StatusCode::BAD_REQUEST, "invalid digit found in string".to_owned()));
    });
}

#[test]
fn responses_of_many_kinds() {
    on_each_runtime(|| async {
        let app: Router = Router::new()
            .route("/unit", get(fiber(|| waited(()))))
            .route("/html", get(fiber(|| waited(Html("<p>")))))
            .route("/status", get(fiber(|| (StatusCode::CREATED, [("x-a", "b")], waited("made")))))
            .route("/infallible", get(fiber(|| waited(Ok::<_, Infallible>("fine")))))
            .route("/impl", get(fiber(|| waited("abc").into_response())));
        assert_eq!(fetch(&app, "/unit").await, ok(""));
        assert_eq!(fetch(&app, "/html").await, ok("<p>"));
        assert_eq!(fetch(&app, "/status").await, (StatusCode::CREATED, "made".to_owned()));
        assert_eq!(fetch(&app, "/infallible").await, ok("fine"));
        assert_eq!(fetch(&app, "/impl").await, ok("abc"));
    });
}
