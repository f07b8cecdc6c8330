//! Request streams that were cut off.

use tonic::{
    Code, Status,
    body::Body,
    codegen::{Body as HttpBody, Bytes, StdError, http},
};

/// Lets a request whose client resets it in the middle of its messages end with `ABORTED`.
///
/// tonic lets it end as if all had been sent. Async code is dropped then, and never acts on that; plain code goes on,
/// and would take half of the messages for the whole.
pub fn is_an_error<B>(request: http::Request<B>) -> http::Request<Body>
where
    B: HttpBody<Data = Bytes, Error: Into<StdError>> + Send + 'static,
{
    request.map(|body| Body::new(http_body_util::BodyExt::map_err(body, in_words)))
}

fn in_words(error: impl Into<StdError>) -> Status {
    let status = Status::from_error(error.into());
    match status.code() {
        Code::Cancelled => Status::aborted("the client has reset the stream before its end"),
        _ => status,
    }
}
