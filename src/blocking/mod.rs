//! Threads that may block: the waits there (`run`), the way of a closure to the blocking pool and back (`call`), and
//! its layer and service.

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
