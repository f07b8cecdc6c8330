//! The policy at the other end of a connection.

use std::time::Duration;

use tokio::time::timeout;
use tonic::{Request, transport::Channel};
use tower_fiber::WaitExt as _;

use crate::{
    legacy::{NoDecision, Policy},
    proto::decisions::{DecisionsClient, Question},
};

/// Asks a `Decisions` service.
#[derive(Clone, Debug)]
pub struct RemotePolicy {
    client: DecisionsClient<Channel>,
    deadline: Duration,
}

impl RemotePolicy {
    /// Asks over `channel`, and waits for `deadline` at most.
    #[must_use]
    pub fn new(channel: Channel, deadline: Duration) -> Self {
        Self { client: DecisionsClient::new(channel), deadline }
    }
}

impl Policy for RemotePolicy {
    fn allows(&self, who: &str, what: &str) -> Result<bool, NoDecision> {
        let mut question = Request::new(Question { who: who.to_owned(), what: what.to_owned() });
        // For the other side, which can stop then; what is spent on connecting is in no header.
        question.set_timeout(self.deadline);
        let mut client = self.client.clone();
        // The only line that knows of fibers.
        match timeout(self.deadline, client.decide(question)).wait() {
            Ok(Ok(decision)) => Ok(decision.into_inner().allowed),
            Ok(Err(status)) => Err(NoDecision::new(status)),
            Err(_) => Err(NoDecision::new(format!("no answer within {:?}", self.deadline))),
        }
    }
}
