//! The fiber pool.

#[path = "../support/child.rs"]
mod child;
#[path = "../support/mod.rs"]
mod support;

mod paused_clock_on_pool;
mod pool_balance;
mod pool_end;
mod workers;
