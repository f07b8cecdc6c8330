//! How `serve` ends: what it waits for, what it tells, and what it cuts.

mod any_server;
mod cut;
mod harness;
mod in_order;
mod limits;
#[cfg(unix)]
mod signals;
#[cfg(feature = "ws")]
mod websockets;
