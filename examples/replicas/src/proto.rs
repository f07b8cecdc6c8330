//! What `build.rs` generates from `proto/squares.proto`.

tonic::include_proto!("squares");

pub use self::{
    squares_client::SquaresClient,
    squares_server::{Squares, SquaresServer},
};
