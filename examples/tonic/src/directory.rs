//! A directory that takes its time, as one at the other end of a network does.

use std::time::Duration;

use tokio::time::sleep;
use tower_fiber::await_in_fiber;

use crate::business::{Directory, Unavailable};

/// Who is known, with titles.
const PEOPLE: [(&str, &str); 3] = [("Ada", "Countess"), ("Alan", "Doctor"), ("Grace", "Rear Admiral")];

/// A directory of three people, Ada, Alan and Grace, that answers after a while.
#[derive(Clone, Copy, Debug)]
pub struct SlowDirectory {
    latency: Duration,
}

impl SlowDirectory {
    /// A directory that answers after `latency`.
    #[must_use]
    pub fn new(latency: Duration) -> Self {
        Self { latency }
    }
}

impl Directory for SlowDirectory {
    fn title_of(&self, name: &str) -> Result<Option<String>, Unavailable> {
        // The only line that knows of fibers. A client of a real directory is asked in the same way.
        await_in_fiber(sleep(self.latency));
        Ok(PEOPLE.iter().find(|person| person.0.eq_ignore_ascii_case(name)).map(|person| person.1.to_owned()))
    }
}
