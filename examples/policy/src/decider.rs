//! The service that decides: ordinary async code.

use std::time::Duration;

use tokio::time::sleep;
use tonic::{Request, Response, Status};

use crate::proto::decisions::{Decision, Decisions, DecisionsServer, Question};

/// Who may use what.
const PERMISSIONS: [(&str, &[&str]); 2] =
    [("ada", &["documents", "documents/minutes", "documents/plans"]), ("bob", &["documents", "documents/minutes"])];

/// Decides by a table, and takes its time.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    latency: Duration,
}

impl Table {
    /// A server of a table that decides after `latency`.
    #[must_use]
    pub fn server(latency: Duration) -> DecisionsServer<Self> {
        DecisionsServer::new(Self { latency })
    }
}

#[tonic::async_trait]
impl Decisions for Table {
    async fn decide(&self, request: Request<Question>) -> Result<Response<Decision>, Status> {
        sleep(self.latency).await;
        let Question { who, what } = request.into_inner();
        let permitted = PERMISSIONS.iter().find(|permissions| permissions.0 == who).map_or(&[][..], |found| found.1);
        Ok(Response::new(Decision { allowed: permitted.contains(&&*what) }))
    }
}
