//! Who sends a request.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{StatusCode, header::AUTHORIZATION},
    middleware,
    response::Response,
};
use tower_fiber::axum::Next;

use crate::{
    failure::Failure,
    legacy::{USER, stock},
    web::Shop,
};

#[derive(Clone)]
struct User(String);

/// Synchronous middleware, which waits for the database. The user travels in an extension of the request.
pub(crate) fn authenticate(
    State(shop): State<Arc<Shop>>,
    mut request: Request,
    next: Next,
) -> Result<Response, Failure> {
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(token) = header.and_then(|value| value.strip_prefix("Bearer ")).map(str::to_owned) else {
        return Err(Failure::new(StatusCode::UNAUTHORIZED, "send a header `authorization: Bearer <token>`"));
    };
    let Some(user) = shop.pool.with(move |conn| stock::user_of(conn, &token))?? else {
        return Err(Failure::new(StatusCode::UNAUTHORIZED, "nobody has this token"));
    };
    request.extensions_mut().insert(User(user));
    Ok(next.run(request))
}

/// Sets the task-local, in async code: other requests would see a scope around the wait of a synchronous function.
pub(crate) async fn scope(request: Request, next: middleware::Next) -> Response {
    let user = request.extensions().get().map_or_else(String::new, |User(user)| user.clone());
    USER.scope(user, next.run(request)).await
}
