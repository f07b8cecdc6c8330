//! Where a thread may block: waits that block it, and calls that run on such threads.
//!
//! `run` is what a wait does there, `call` how a closure gets to the blocking pool, and `layer` and `service` its tower
//! face.

mod call;
mod drive;
mod layer;
mod run;
mod service;

pub use self::{
    call::InBlocking,
    layer::{BlockingLayer, BlockingLayerBuilder},
    run::block_on_waits,
    service::BlockingService,
};
pub(crate) use self::{
    call::spawn,
    run::{Caller, caller, is_on, locals, scopes, wait},
};
