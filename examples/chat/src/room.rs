//! The room: who is there, and what was said.

use std::{
    collections::{BTreeMap, VecDeque},
    error, fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::extract::ws::{Message, close_code};
use tower_fiber::axum::WebSocketSender;

use crate::event::{Event, Said};

/// How much of what was said a new member is told.
pub const HISTORY: usize = 50;
/// The most characters of a name.
pub const NAME: usize = 24;
/// The most characters that can be said at once.
pub const TEXT: usize = 1000;

/// A room. Its lock is held for moments and never over a wait: all that is sent under it is sent by `try_send`.
#[derive(Debug, Default)]
pub struct Room {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// In the order in which they have come.
    members: BTreeMap<u64, Member>,
    next_number: u64,
    /// Name and text.
    history: VecDeque<(String, String)>,
}

#[derive(Debug)]
struct Member {
    name: String,
    sender: WebSocketSender,
}

/// A place in the room, until it is dropped.
#[derive(Debug)]
pub struct Seat {
    room: Arc<Room>,
    number: u64,
    name: String,
}

impl Room {
    /// Lets somebody in, who is told who is there and what was said; the others are told of the newcomer.
    ///
    /// # Errors
    ///
    /// If the name cannot be had.
    pub fn join(self: &Arc<Self>, name: &str, sender: WebSocketSender) -> Result<Seat, JoinError> {
        let name = name.trim();
        if name.is_empty() || name.chars().count() > NAME || name.chars().any(is_unseen) {
            return Err(JoinError::Name);
        }
        let mut state = self.lock();
        if state.members.values().any(|member| member.name == name) {
            return Err(JoinError::Taken);
        }
        state.tell_all(&Event::Joined { name });
        let members = state.names().chain([name]).collect();
        let history = state.history.iter().map(|(name, text)| Said { name, text }).collect();
        // If it fails, the newcomer has gone already, which its own function will notice.
        _ = sender.try_send(Event::Welcome { members, history }.to_message());
        let number = state.next_number;
        state.next_number += 1;
        state.members.insert(number, Member { name: name.to_owned(), sender });
        Ok(Seat { room: Arc::clone(self), number, name: name.to_owned() })
    }

    /// Who is there.
    #[must_use]
    pub fn members(&self) -> Vec<String> {
        self.lock().names().map(str::to_owned).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn names(&self) -> impl Iterator<Item = &str> {
        self.members.values().map(|member| &*member.name)
    }

    /// Tells all members. Those that are too slow are sent away, of which the others are told in turn.
    fn tell_all(&mut self, event: &Event<'_>) {
        let mut messages = VecDeque::from([event.to_message()]);
        while let Some(message) = messages.pop_front() {
            messages.extend(self.send_all(&message).iter().map(|name| Event::Left { name }.to_message()));
        }
    }

    /// Gives the names of those that were sent away.
    fn send_all(&mut self, message: &Message) -> Vec<String> {
        let mut sent_away = Vec::new();
        self.members.retain(|_, Member { name, sender }| match sender.try_send(message.clone()) {
            Err(error) if error.is_full() => {
                sender.close(close_code::AGAIN, "you read too slowly");
                sent_away.push(std::mem::take(name));
                false
            }
            // One that has gone is about to leave its seat.
            Ok(()) | Err(_) => true,
        });
        sent_away
    }
}

impl Seat {
    /// Says something to all, oneself included.
    ///
    /// # Errors
    ///
    /// Why it was not passed on.
    pub fn say(&self, text: &str) -> Result<(), &'static str> {
        let text = text.trim();
        if text.is_empty() {
            return Err("there is nothing in it");
        }
        if text.chars().count() > TEXT {
            return Err("it has more than 1000 characters");
        }
        let mut state = self.room.lock();
        // A member that was sent away may still have something on its way.
        if !state.members.contains_key(&self.number) {
            return Err("you were sent away");
        }
        if state.history.len() == HISTORY {
            state.history.pop_front();
        }
        state.history.push_back((self.name.clone(), text.to_owned()));
        state.tell_all(&Event::Said(Said { name: &self.name, text }));
        Ok(())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.room.lock();
        // It is not there if the member was sent away.
        if state.members.remove(&self.number).is_some() {
            state.tell_all(&Event::Left { name: &self.name });
        }
    }
}

/// Whether a character is a control character, or one by which a name looks like another one: without width, or for the
/// direction of the text.
fn is_unseen(character: char) -> bool {
    let formats = ['\u{ad}', '\u{61c}', '\u{180e}', '\u{feff}'];
    character.is_control()
        || formats.contains(&character)
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
}

/// Why somebody was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinError {
    /// The name is empty, too long, or has characters that are not seen or turn the direction of the text.
    Name,
    /// Somebody of this name is there.
    Taken,
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "choose a name of 1 to 24 characters that can be seen",
            Self::Taken => "somebody of this name is here, choose another one",
        })
    }
}

impl error::Error for JoinError {}
