//! Websockets of plain functions, with real clients over loopback.

#[cfg(feature = "tracing")]
#[path = "../../support/events.rs"]
mod events;

mod cancelled;
mod close;
mod context;
mod echo;
mod handler;
mod harness;
mod http2;
mod hundred_at_once;
mod misuse;
mod panics;
mod ping;
mod protocol;
mod reply_before_close;
mod senders;
mod slow;
mod vanished;
