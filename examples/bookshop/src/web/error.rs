//! Errors as answers: one status and one message, as JSON or as a page.

use std::error::Error;
use std::io::{self, Write as _};
use std::iter;

use axum::Json;
use axum::extract::rejection::{FormRejection, JsonRejection, PathRejection, QueryRejection};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use serde::Serialize;

use crate::legacy::ShopError;
use crate::legacy::pages::error_page;
use crate::program::NAME;

/// What the customer is told.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
}

/// An error of the API: `{"error": {"status": 404, "message": "there is no book 9999"}}`.
#[derive(Debug)]
pub(crate) struct ApiError(pub(crate) Failure);

/// An error of a page.
#[derive(Debug)]
pub(crate) struct PageError(pub(crate) Failure);

#[derive(Serialize)]
struct ErrorBody {
    error: Reason,
}

#[derive(Serialize)]
struct Reason {
    status: u16,
    message: String,
}

impl<E: Into<Failure>> From<E> for ApiError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl<E: Into<Failure>> From<E> for PageError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Failure { status, message } = self.0;
        let error = Reason { status: status.as_u16(), message };
        (status, Json(ErrorBody { error })).into_response()
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let Failure { status, message } = self.0;
        let heading = status.canonical_reason().unwrap_or("Error");
        match error_page(heading, &message) {
            Ok(page) => (status, Html(page)).into_response(),
            Err(_) => (status, message).into_response(),
        }
    }
}

impl From<ShopError> for Failure {
    fn from(error: ShopError) -> Self {
        let root = error.root();
        let status = match root {
            ShopError::NotFound { .. } => StatusCode::NOT_FOUND,
            ShopError::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            ShopError::OutOfStock { .. } => StatusCode::CONFLICT,
            ShopError::Supplier(_) | ShopError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            ShopError::Query(_) | ShopError::Page(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        if status.is_server_error() {
            log(&error);
        }
        let message = root.to_string();
        Self { status, message }
    }
}

/// The customer is told what happened; why it happened is for the shop's own eyes.
fn log(error: &ShopError) {
    let causes = iter::successors(error.source(), |&cause| cause.source()).map(|cause| format!(": {cause}"));
    // Not `eprintln!`, which panics where nothing can be written.
    _ = writeln!(io::stderr(), "{NAME}: {error}{}", causes.collect::<String>());
}

impl From<JsonRejection> for Failure {
    fn from(rejection: JsonRejection) -> Self {
        Self { status: rejection.status(), message: rejection.body_text() }
    }
}

impl From<FormRejection> for Failure {
    fn from(rejection: FormRejection) -> Self {
        Self { status: rejection.status(), message: rejection.body_text() }
    }
}

impl From<QueryRejection> for Failure {
    fn from(rejection: QueryRejection) -> Self {
        Self { status: rejection.status(), message: rejection.body_text() }
    }
}

impl From<PathRejection> for Failure {
    fn from(rejection: PathRejection) -> Self {
        Self { status: rejection.status(), message: rejection.body_text() }
    }
}
