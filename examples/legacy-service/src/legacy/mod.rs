//! The old code base: synchronous functions that know nothing of fibers. Only names were replaced: a `std::sync::Mutex`
//! in `supplier.rs`, and the thread-locals below.

use std::cell::Cell;

pub(crate) mod csv_files;
pub(crate) mod stock;
pub(crate) mod supplier;

tokio::task_local! {
    /// Who has sent the request. A thread-local with a guard before.
    pub(crate) static USER: String;
}

tower_fiber::fiber_local! {
    /// How often this request has asked the supplier. A thread-local before.
    pub(crate) static ASKED: Cell<u32> = Cell::new(0)
}
