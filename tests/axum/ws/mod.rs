//! Websockets of plain functions, with real clients over loopback.

mod cancelled;
mod close;
mod context;
#[cfg(feature = "tracing")]
mod cut;
mod differential;
mod echo;
mod handler;
pub(crate) mod harness;
mod heartbeat;
mod http2;
mod hundred_at_once;
mod misuse;
mod panics;
mod ping;
mod protocol;
mod raw;
mod recv_timeout;
mod reply_before_close;
mod senders;
mod slow;
mod vanished;
