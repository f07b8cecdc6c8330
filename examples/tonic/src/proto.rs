//! What `build.rs` generates from `proto/greeting.proto`.

tonic::include_proto!("greeting");

pub use self::{
    greeter_client::GreeterClient,
    greeter_server::{Greeter, GreeterServer},
};
