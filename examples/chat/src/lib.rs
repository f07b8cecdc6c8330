//! A chat room: plain synchronous code over websockets.
//!
//! - [`room`] is the room: who is there, what was said. It knows neither websockets nor fibers but for their senders.
//! - [`member`] is what is done with the websocket of a member, event by event.
//! - [`event`] is what members are told.
//! - [`web`] serves the page and the websockets.

pub mod event;
pub mod member;
pub mod room;
pub mod web;
