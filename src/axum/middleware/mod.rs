//! Middleware from synchronous functions.

mod caller_gone;
mod from_sync_fn;
mod next;
mod sync_middleware;

pub use self::{
    caller_gone::CallerGone,
    from_sync_fn::{
        FromSyncFn, FromSyncFnLayer, MiddlewareFuture, from_sync_fn, from_sync_fn_with, from_sync_fn_with_state,
    },
    next::Next,
    sync_middleware::SyncMiddleware,
};
