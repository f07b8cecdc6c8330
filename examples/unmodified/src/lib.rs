//! Blocking libraries as they are, in an axum service on one thread.
//!
//! The files of [`libraries`] know nothing of fibers. What makes their calls wait in a fiber is in [`service`]: a layer
//! with `interpose`.

pub mod libraries;
pub mod measure;
pub mod options;
pub mod peers;
pub mod service;

use std::{error::Error, sync::Arc, time::Duration};

/// Why a call failed.
pub type Failure = Box<dyn Error + Send + Sync>;

/// A library's blocking call, which waits for the given time.
pub type Call = Arc<dyn Fn(Duration) -> Result<(), Failure> + Send + Sync>;

/// Callers at the same time.
pub const CALLERS: usize = 50;
