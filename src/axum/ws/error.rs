//! [`SendError`].

use std::{error::Error, fmt};

use axum::extract::ws::Message;

use super::wait::GivenUp;
use crate::error::{CANCELLED, UNWINDING};

/// A message was not sent; [`into_message`](Self::into_message) hands it back.
pub struct SendError {
    message: Message,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    Full,
    Closed,
    GivenUp(GivenUp),
}

impl SendError {
    pub(super) fn full(message: Message) -> Self {
        Self { message, cause: Cause::Full }
    }

    pub(super) fn closed(message: Message) -> Self {
        Self { message, cause: Cause::Closed }
    }

    pub(super) fn given_up(message: Message, why: GivenUp) -> Self {
        Self { message, cause: Cause::GivenUp(why) }
    }

    /// Returns whether the queue is full because the client reads too slowly. Only
    /// [`try_send`](super::WebSocketSender::try_send) fails for this reason.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self.cause, Cause::Full)
    }

    /// Returns whether the websocket was closed, by either side, or has lost its client.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self.cause, Cause::Closed)
    }

    /// Returns whether the sending fiber was cancelled. The websocket may still be open.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self.cause, Cause::GivenUp(GivenUp::Cancelled))
    }

    /// Returns the message.
    #[must_use]
    pub fn into_message(self) -> Message {
        self.message
    }
}

impl fmt::Debug for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Leaves out the message, which may be large or private.
        f.debug_struct("SendError").field("cause", &self.cause).finish_non_exhaustive()
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.cause {
            Cause::Full => {
                "the client of the websocket reads too slowly, and the queue is full: drop the message, wait by `send`, or \
                 close the websocket [TF37]"
            }
            Cause::Closed => "the websocket is closed: send nothing more to it, and forget its senders [TF38]",
            Cause::GivenUp(GivenUp::Cancelled) => CANCELLED,
            Cause::GivenUp(GivenUp::Unwinding) => UNWINDING,
        })
    }
}

impl Error for SendError {}
