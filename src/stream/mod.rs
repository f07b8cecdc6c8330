//! Turns streams into iterators, and synchronous functions and iterators into streams (feature `stream`).
//!
//! ```
//! use tower_fiber::{run_in_fiber, stream::{FiberIter, fiber_stream}};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! // A function that produces items, as a stream.
//! let numbers = fiber_stream(|y| {
//!     for n in 1.. {
//!         if y.send(n).is_err() {
//!             return; // the stream was dropped
//!         }
//!     }
//! });
//! // A stream, as an iterator.
//! let sum: i32 = run_in_fiber(|| FiberIter::new(numbers).take(4).sum()).await;
//! assert_eq!(sum, 10);
//! # }
//! ```

mod iter;
mod producer;
mod yielder;

pub use self::{
    iter::FiberIter,
    producer::{FiberStream, Outcome, fiber_stream, fiber_stream_with, iter, iter_with},
    yielder::{YieldError, Yielder},
};
