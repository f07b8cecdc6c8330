//! [`CallerGone`]: the response of what was dropped.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};

/// Marks the response that [`Next::run`](super::Next::run) returns when the middleware's caller has gone and the code
/// below has been dropped.
///
/// The response has the status 499, as nginx logs it, an empty body, and this value as an extension. It reaches no
/// client. A loop that repeats failed calls ends by it.
///
/// # Examples
///
/// ```
/// use axum::{extract::Request, response::Response};
/// use tower_fiber::axum::{CallerGone, Next};
///
/// fn log(request: Request, next: Next) -> Response {
///     let path = request.uri().path().to_owned();
///     let response = next.run(request);
///     match response.extensions().get::<CallerGone>() {
///         Some(_) => println!("{path}: dropped, since its caller has gone"),
///         None => println!("{path}: {}", response.status()),
///     }
///     response
/// }
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CallerGone;

impl IntoResponse for CallerGone {
    fn into_response(self) -> Response {
        let mut response = ().into_response();
        *response.status_mut() = StatusCode::from_u16(499).expect("it has three digits");
        response.extensions_mut().insert(self);
        response
    }
}
