//! The methods of the gRPC service, and how it is mounted.

use std::fmt;

use tonic::{
    Request, Response, Status,
    metadata::MetadataValue,
    service::{LayerExt as _, Layered},
};
use tower_fiber::{FiberLayer, FiberService};

use crate::{
    business::{Directory, GreetError, greet},
    proto::{Greeter, GreeterServer, HelloReply, HelloRequest},
};

/// Metadata of `UNAVAILABLE`: after how many milliseconds it is worth asking again.
pub const RETRY_AFTER: &str = "retry-after-ms";
/// Metadata of `NOT_FOUND`: the unknown name. Names need not be ASCII, so it is binary.
pub const UNKNOWN_NAME: &str = "unknown-name-bin";

/// A server whose synchronous code runs in fibers.
pub type FiberServer<T> = Layered<FiberService<GreeterServer<T>>, GreeterServer<T>>;

/// Mounts the greeter behind `layer`. `named_layer` keeps the gRPC name by which tonic routes.
pub fn server(layer: &FiberLayer, directory: impl Directory) -> FiberServer<DirectoryGreeter> {
    layer.named_layer(GreeterServer::new(DirectoryGreeter::new(directory)))
}

/// Greets people of a [`Directory`].
pub struct DirectoryGreeter {
    directory: Box<dyn Directory>,
}

impl DirectoryGreeter {
    /// A greeter that looks titles up in `directory`.
    pub fn new(directory: impl Directory) -> Self {
        Self { directory: Box::new(directory) }
    }
}

impl fmt::Debug for DirectoryGreeter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirectoryGreeter").finish_non_exhaustive()
    }
}

#[tonic::async_trait]
impl Greeter for DirectoryGreeter {
    async fn say_hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        // A plain call: what waits further down suspends this call's fiber.
        let message = greet(&*self.directory, &request.get_ref().name)?;
        Ok(Response::new(HelloReply { message }))
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
