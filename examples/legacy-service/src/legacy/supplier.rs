//! What a supplier asks for an item, by HTTP with ureq.

use std::sync::PoisonError;

use opentelemetry::Context;
use tower_fiber::sync::Mutex; // was: use std::sync::Mutex;
use ureq::{Agent, Error};

use super::ASKED;

pub(crate) struct Supplier {
    agent: Agent,
    url: String,
    session: Mutex<Option<String>>,
}

/// The number of a request, in OpenTelemetry's context.
#[derive(Clone, Copy)]
pub(crate) struct RequestId(pub(crate) u64);

impl Supplier {
    pub(crate) fn new(agent: Agent, url: String) -> Self {
        Self { agent, url, session: Mutex::new(None) }
    }

    pub(crate) fn price(&self, item: i32) -> Result<String, Error> {
        let request = Context::current().get::<RequestId>().map_or(0, |id| id.0);
        let price = self.agent.get(format!("{}/prices/{item}", self.url));
        let price = price.header("authorization", self.session()?).header("x-request-id", request.to_string());
        ASKED.with(|asked| asked.set(asked.get() + 1));
        price.call()?.body_mut().read_to_string()
    }

    /// Logs in once. The others wait for that: the lock is held over a call.
    fn session(&self) -> Result<String, Error> {
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        if session.is_none() {
            ASKED.with(|asked| asked.set(asked.get() + 1));
            *session = Some(self.agent.post(format!("{}/login", self.url)).send_empty()?.body_mut().read_to_string()?);
        }
        Ok(session.clone().unwrap_or_default())
    }
}
