//! What `tonic-prost-build` generates from this file, in the same shape:
//!
//! ```proto
//! syntax = "proto3";
//! package greeting;
//!
//! service Greeter {
//!     rpc SayHello (HelloRequest) returns (HelloReply);
//!     rpc GreetAll (stream HelloRequest) returns (HelloReply);
//!     rpc Watch (HelloRequest) returns (stream HelloReply);
//!     rpc Chat (stream HelloRequest) returns (stream HelloReply);
//! }
//! message HelloRequest { string name = 1; }
//! message HelloReply { string message = 1; }
//! ```

mod client;
mod messages;
mod server;

pub use self::{
    client::GreeterClient,
    messages::{HelloReply, HelloRequest},
    server::{Greeter, GreeterServer},
};
