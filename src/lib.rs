#![doc = "placeholder"]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "axum")]
pub mod axum;
mod blocking;
mod call;
mod counters;
pub mod error;
mod discard;
mod ext;
pub mod future;
mod layer;
mod pool;
mod raw;
mod run;
mod service;
mod settings;
mod sync_fn;
mod synchronize;
mod wait;

pub use self::{
    blocking::{offload, run_blocking},
    counters::{Counters, FiberHandle},
    error::Cancelled,
    ext::{ServiceBuilderExt, ServiceExt},
    layer::{FiberLayer, FiberLayerBuilder},
    pool::{FiberPool, FiberPoolBuilder},
    run::{InFiber, LocalFiber, run_in_fiber, run_local},
    service::FiberService,
    settings::OnDrop,
    sync_fn::{SyncFn, sync_fn},
    synchronize::{AsyncFunction, synchronize},
    wait::{WaitExt, WaitMode, await_in_fiber, in_fiber, try_await_in_fiber, wait_mode, yield_now},
};
