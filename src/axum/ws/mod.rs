//! Websockets for synchronous functions: [`SyncWebSocket`].
//!
//! ```text
//!  one task of axum's ──┬─ the fiber: f(socket) ── recv ◄─ messages that have come (16 at most) ◄─┐
//!                       │                       ── send ─► messages that are to go (64 at most) ──┤
//!                       └─ the pump, which owns the connection ◄──────────────────────────────────┘
//! ```
//!
//! After a close has been read, nothing can be sent. The pump therefore reads on only when the last message was
//! answered, as a loop that receives and sends in turn does, or when it has waited too long for the answer (`hold.rs`).

mod conversation;
mod end;
mod error;
mod handler;
mod heartbeat;
mod hold;
mod pump;
mod sender;
mod socket;
mod state;
mod upgrade;
mod wait;

pub(super) use self::conversation::Upgrading;
pub use self::{
    end::WebSocketEnd,
    error::SendError,
    handler::WebSocketHandler,
    sender::WebSocketSender,
    socket::SyncWebSocket,
    upgrade::{WebSocketUpgradeExt, WithHeartbeat},
};
