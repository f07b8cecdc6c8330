//! How deadpool opens and tries connections.

use std::{pin::Pin, sync::Arc};

use deadpool::managed::{self, Metrics, RecycleError, RecycleResult};
use diesel::{ConnectionError, ConnectionResult};

use crate::Lendable;

/// Opens a connection.
pub(super) type Open<C> = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ConnectionResult<C>> + Send>> + Send + Sync>;

pub(super) struct Manager<C> {
    pub(super) open: Open<C>,
    pub(super) setup: String,
}

impl<C: Lendable> managed::Manager for Manager<C> {
    /// `None` once it is closed, while it still has its place in the pool.
    type Type = Option<C>;
    type Error = ConnectionError;

    async fn create(&self) -> ConnectionResult<Option<C>> {
        let mut connection = (self.open)().await?;
        if !self.setup.is_empty() {
            let set_up = connection.batch_execute(&self.setup).await;
            set_up.map_err(ConnectionError::CouldntSetupConfiguration)?;
        }
        Ok(Some(connection))
    }

    async fn recycle(&self, connection: &mut Option<C>, _: &Metrics) -> RecycleResult<ConnectionError> {
        // One that was left in the middle of something has not come back.
        match connection {
            Some(connection) if C::IS_TRIED => {
                let answer = connection.batch_execute("SELECT 1").await;
                answer.map_err(|error| RecycleError::message(error.to_string()))
            }
            _ => Ok(()),
        }
    }
}
