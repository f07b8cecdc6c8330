//! The methods as plain functions that know gRPC: requests and metadata in, responses, streams and statuses out.

use std::{fmt, sync::Arc};

use tonic::{Request, Response, Status, Streaming, metadata::MetadataValue};
use tower_fiber::{
    FiberLayer,
    stream::{FiberIter, FiberStream, Yielder, fiber_stream_with},
};

use crate::{
    business::{self, Directory, GreetError},
    proto::{HelloReply, HelloRequest},
    until::{Until, until_deadline, until_gone},
};

/// Metadata of `UNAVAILABLE`: after how many milliseconds it is worth asking again.
pub const RETRY_AFTER: &str = "retry-after-ms";
/// Metadata of `NOT_FOUND`: the unknown name. Names need not be ASCII, so it is binary.
pub const UNKNOWN_NAME: &str = "unknown-name-bin";

/// Answers that plain code produces.
pub type Replies = Until<FiberStream<Result<HelloReply, Status>>>;

/// Greets people of a [`Directory`].
#[derive(Clone)]
pub struct Methods {
    directory: Arc<dyn Directory>,
    layer: FiberLayer,
}

impl Methods {
    /// Methods that look titles up in `directory`, and produce their streams in fibers of `layer`.
    pub fn new(layer: &FiberLayer, directory: impl Directory) -> Self {
        Self { directory: Arc::new(directory), layer: layer.clone() }
    }

    /// One request, one reply.
    ///
    /// # Errors
    ///
    /// If there is no greeting.
    pub fn say_hello(&self, request: &Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        // A plain call: what waits further down suspends this call's fiber.
        let message = business::greet(&*self.directory, &request.get_ref().name)?;
        Ok(Response::new(HelloReply { message }))
    }

    /// An iterator in: its `next` suspends this call's fiber until the client has sent a name.
    ///
    /// # Errors
    ///
    /// If there is no greeting, and what the client's stream ends with if it does not end well.
    pub fn greet_all(&self, request: Request<Streaming<HelloRequest>>) -> Result<Response<HelloReply>, Status> {
        let message = business::greet_all(&*self.directory, names(request.into_inner()))?;
        Ok(Response::new(HelloReply { message }))
    }

    /// A producer out. It has a fiber of its own, since tonic reads the replies when this call has ended.
    pub fn watch(&self, request: Request<HelloRequest>) -> Response<Replies> {
        let directory = Arc::clone(&self.directory);
        let (metadata, _, HelloRequest { name }) = request.into_parts();
        let replies =
            fiber_stream_with(&self.layer, move |y| business::watch(&*directory, &name, |message| say(y, message)));
        Response::new(until_deadline(&metadata, replies))
    }

    /// Both, in the producer's fiber.
    pub fn chat(&self, request: Request<Streaming<HelloRequest>>) -> Response<Replies> {
        let directory = Arc::clone(&self.directory);
        let (metadata, _, requests) = request.into_parts();
        let replies = fiber_stream_with(&self.layer, move |y| {
            business::chat(&*directory, names(requests), |message| say(y, message))
        });
        Response::new(until_deadline(&metadata, replies))
    }
}

/// What the client sends.
fn names(requests: Streaming<HelloRequest>) -> impl Iterator<Item = Result<String, Status>> {
    FiberIter::new(until_gone(requests)).map(|request| Ok(request?.name))
}

/// Sends a reply to the reader. Fails when nobody reads any more.
fn say(y: &mut Yielder<Result<HelloReply, Status>>, message: String) -> Result<(), Status> {
    y.send(Ok(HelloReply { message })).map_err(|error| Status::cancelled(error.to_string()))
}

impl fmt::Debug for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Methods").field("layer", &self.layer).finish_non_exhaustive()
    }
}

impl From<GreetError> for Status {
    fn from(error: GreetError) -> Self {
        let text = error.to_string();
        match error {
            GreetError::NoName => Self::invalid_argument(text),
            GreetError::Unknown(name) => {
                let mut status = Self::not_found(text);
                status.metadata_mut().insert_bin(UNKNOWN_NAME, MetadataValue::from_bytes(name.as_bytes()));
                status
            }
            GreetError::Directory(cause) => {
                let mut status = Self::unavailable(format!("{text}: {cause}"));
                let milliseconds = u64::try_from(cause.retry_after.as_millis()).unwrap_or(u64::MAX);
                status.metadata_mut().insert(RETRY_AFTER, milliseconds.into());
                status
            }
        }
    }
}
