//! [`WebSocketEnd`]: how a websocket has ended.

use std::{error::Error, fmt, io};

use axum::extract::ws::{CloseCode, CloseFrame, close_code};

use crate::error::CANCELLED;

/// How a [`SyncWebSocket`](super::SyncWebSocket) has ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum WebSocketEnd {
    /// The client closed it. The frame has the code and reason if the client sent them.
    ClosedByPeer(Option<CloseFrame>),
    /// This side closed it. The frame is the client's answer, if it came in time and has a code.
    ClosedHere(Option<CloseFrame>),
    /// The client disconnected without a close: its connection was cut, it stopped reading for too long, or it did
    /// not answer the [`heartbeat`](super::WebSocketUpgradeExt::heartbeat). The error is the system's or the
    /// heartbeat's, if there is one. Only the heartbeat's has an [`Elapsed`](crate::error::Elapsed) among its sources.
    Vanished(Option<axum::Error>),
    /// The client broke the protocol, or sent more than the limits of
    /// [`WebSocketUpgrade`](axum::extract::WebSocketUpgrade) allow. The client is told by a close frame.
    Failed(axum::Error),
    /// The receiving fiber was cancelled, by its layer's handle or because its runtime ends, or its thread is
    /// panicking.
    Cancelled,
}

impl WebSocketEnd {
    /// Returns whether either side closed the websocket by a close frame.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::ClosedByPeer(_) | Self::ClosedHere(_))
    }

    /// Returns the end that an error of `poll_next` means.
    pub(super) fn of_error(error: axum::Error) -> Self {
        match Kind::of(&error) {
            Kind::Io => Self::Vanished(Some(error)),
            Kind::Reset => Self::Vanished(None),
            Kind::TooLarge | Kind::NotUtf8 | Kind::Protocol => Self::Failed(error),
        }
    }

    /// Returns the code that tells the client of a failure.
    pub(super) fn close_code(&self) -> Option<CloseCode> {
        let Self::Failed(error) = self else { return None };
        Some(match Kind::of(error) {
            Kind::TooLarge => close_code::SIZE,
            Kind::NotUtf8 => close_code::INVALID,
            _ => close_code::PROTOCOL,
        })
    }
}

impl fmt::Display for WebSocketEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClosedByPeer(frame) => write_closed(f, "the client closed the websocket", frame.as_ref()),
            Self::ClosedHere(frame) => write_closed(f, "the websocket was closed here", frame.as_ref()),
            Self::Vanished(None) => f.write_str("the client of the websocket has gone"),
            Self::Vanished(Some(error)) => write!(f, "the client of the websocket has gone: {error}"),
            Self::Failed(error) => write!(f, "the client of the websocket broke the protocol: {error}"),
            Self::Cancelled => f.write_str(CANCELLED),
        }
    }
}

fn write_closed(f: &mut fmt::Formatter<'_>, what: &str, frame: Option<&CloseFrame>) -> fmt::Result {
    match frame {
        None => f.write_str(what),
        Some(CloseFrame { code, reason }) if reason.is_empty() => write!(f, "{what}: {code}"),
        Some(CloseFrame { code, reason }) => write!(f, "{what}: {code} {reason}"),
    }
}

enum Kind {
    Io,
    Reset,
    TooLarge,
    NotUtf8,
    Protocol,
}

impl Kind {
    fn of(error: &axum::Error) -> Self {
        let Some(inner) = error.source() else { return Self::Protocol };
        if inner.source().is_some_and(|source| source.is::<io::Error>()) {
            return Self::Io;
        }
        // This matches the names of tungstenite's variants, not its types: axum may move to another version of
        // tungstenite at any time, and the types of another version are different types.
        let name = format!("{inner:?}");
        match name.split(['(', ' ', ')']).next() {
            Some("Capacity") => Self::TooLarge,
            Some("Utf8") => Self::NotUtf8,
            Some("Protocol") if name.contains("ResetWithoutClosingHandshake") => Self::Reset,
            _ => Self::Protocol,
        }
    }
}
