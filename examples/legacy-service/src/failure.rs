//! What a client is told if its request fails: a status, and one line.

use std::io;

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use diesel::result::{DatabaseErrorKind, Error as QueryError};
use tower_fiber::axum::BodyError;

#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    message: String,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    pub(crate) fn into_message(self) -> String {
        self.message
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.status, self.message + "\n").into_response()
    }
}

impl From<diesel::ConnectionError> for Failure {
    fn from(error: diesel::ConnectionError) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, format!("no connection to the database: {error}"))
    }
}

impl From<QueryError> for Failure {
    fn from(error: QueryError) -> Self {
        let message = error.to_string();
        // The last one: SQLite has given the transaction up by itself, for one of the others.
        let is_full = ["disk is full", "disk I/O error", "cannot rollback - no transaction is active"];
        match error {
            QueryError::DatabaseError(DatabaseErrorKind::CheckViolation, _) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, format!("the database: {message}"))
            }
            _ if is_full.iter().any(|text| message.contains(text)) => {
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "the database has no more room, or its disk is broken")
            }
            _ => Self::new(StatusCode::INTERNAL_SERVER_ERROR, format!("the database: {message}")),
        }
    }
}

impl From<ureq::Error> for Failure {
    fn from(error: ureq::Error) -> Self {
        let status = match error {
            ureq::Error::Timeout(_) => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::BAD_GATEWAY,
        };
        Self::new(status, format!("the supplier: {error}"))
    }
}

impl From<csv::Error> for Failure {
    fn from(error: csv::Error) -> Self {
        let message = format!("the upload: {error}");
        match error.into_kind() {
            csv::ErrorKind::Io(error) => Self::new(status_of(error), message),
            _ => Self::new(StatusCode::BAD_REQUEST, message),
        }
    }
}

fn status_of(error: io::Error) -> StatusCode {
    BodyError::from(error).into_response().status()
}
