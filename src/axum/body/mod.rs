//! Bodies for synchronous functions, which read requests and write responses.

mod error;
mod events;
mod reader;
mod report;
mod upload;
mod writer;

pub(super) use self::upload::Upload;
pub use self::{
    error::BodyError,
    events::{sse, sse_with},
    reader::BodyReader,
    writer::{BodyWriter, write_body, write_body_with},
};
