//! Threads that may block: the waits there (`run`), the way of a closure to the blocking pool and back (`call`), its
//! layer and service, and how their calls are observed and ended (`in_flight`, `counters`, `handle`).

mod call;
mod counters;
mod drive;
mod handle;
mod in_flight;
mod layer;
mod run;
mod service;

pub use self::{
    call::InBlocking,
    counters::BlockingCounters,
    handle::BlockingHandle,
    layer::{BlockingLayer, BlockingLayerBuilder},
    run::block_on_waits,
    service::BlockingService,
};
pub(crate) use self::{
    call::spawn,
    drive::block,
    run::{caller, is_on, locals, scopes, scopes_here, try_wait, wait},
};
