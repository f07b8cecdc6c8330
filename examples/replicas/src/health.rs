//! Health checks: a replica that fails one gets no more requests until it passes one.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    time::{MissedTickBehavior, interval},
};
use tonic::transport::{Channel, Endpoint, Error, channel::Change};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use crate::say;

const INTERVAL: Duration = Duration::from_millis(50);
/// How long a replica has to connect and to answer, also for requests.
const PATIENCE: Duration = Duration::from_secs(2);

/// Adds the replica at `address` to `changes` when it passes a health check, and removes it when it fails one.
pub async fn watch(
    number: usize,
    address: SocketAddr,
    changes: mpsc::Sender<Change<SocketAddr, Endpoint>>,
    healthy: watch::Sender<bool>,
) {
    let Ok(endpoint) = endpoint(address) else { return };
    let mut client = HealthClient::new(endpoint.connect_lazy());
    let mut checks = interval(INTERVAL);
    checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        checks.tick().await;
        let is_healthy = check(&mut client).await;
        if is_healthy == *healthy.borrow() {
            continue;
        }
        let change = if is_healthy { Change::Insert(address, endpoint.clone()) } else { Change::Remove(address) };
        // Nothing depends on this line.
        _ = say(&format!("replica {number} is {}", if is_healthy { "healthy: added" } else { "not healthy: removed" }));
        if changes.send(change).await.is_err() {
            return;
        }
        healthy.send_replace(is_healthy);
    }
}

async fn check(client: &mut HealthClient<Channel>) -> bool {
    let request = HealthCheckRequest { service: "squares.Squares".to_owned() };
    match client.check(request).await {
        Ok(response) => response.into_inner().status() == ServingStatus::Serving,
        Err(_) => false,
    }
}

fn endpoint(address: SocketAddr) -> Result<Endpoint, Error> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
    Ok(endpoint.connect_timeout(PATIENCE).timeout(PATIENCE))
}
