//! What members are told.

use axum::extract::ws::Message;
use serde::Serialize;

/// What members are told, as JSON: `{"event":"said","name":"Ada","text":"hello"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event<'a> {
    /// The first that a new member is told.
    Welcome {
        /// Who is there, the new member included.
        members: Vec<&'a str>,
        /// What was said last.
        history: Vec<Said<'a>>,
    },
    /// Somebody has come.
    Joined {
        /// Who.
        name: &'a str,
    },
    /// Somebody has gone.
    Left {
        /// Who.
        name: &'a str,
    },
    /// Somebody has said something.
    Said(Said<'a>),
    /// What this member wanted to say was not passed on.
    Refused {
        /// Why.
        reason: &'a str,
    },
}

/// What somebody has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Said<'a> {
    /// Who.
    pub name: &'a str,
    /// What.
    pub text: &'a str,
}

impl Event<'_> {
    /// As it is sent. Clones of the message share its text.
    ///
    /// # Panics
    ///
    /// Never: events are strings and lists of strings.
    #[must_use]
    pub fn to_message(&self) -> Message {
        Message::text(serde_json::to_string(self).expect("an event can be written as JSON"))
    }
}
