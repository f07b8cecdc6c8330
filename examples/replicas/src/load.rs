//! The requests, and who answered them.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::{mpsc, watch};
use tonic::{Response, Status, transport::Channel};
use tower::{ServiceBuilder, ServiceExt as _};

use crate::{
    proto::{Answer, Number, SquaresClient},
    retry::Idempotent,
};

/// How many requests there are.
pub const REQUESTS: u64 = 10_000;
/// How many of them are under way at once.
const AT_ONCE: usize = 200;

/// What became of one request: the port of the replica that answered.
pub type Outcome = Result<u16, Status>;

/// Sends the numbers below [`REQUESTS`], those below `gate` only, until that is raised. Outcomes come as they come.
pub fn send(channel: Channel, retry: &Idempotent, gate: &watch::Receiver<u64>) -> mpsc::UnboundedReceiver<Outcome> {
    let (outcomes, received) = mpsc::unbounded_channel();
    let next = Arc::new(AtomicU64::new(0));
    let client = SquaresClient::new(channel);
    let squares = ServiceBuilder::new().retry(retry.clone()).service_fn(move |number: Number| {
        let mut client = client.clone();
        async move { client.square(number).await.map(Response::into_inner) }
    });
    for _ in 0..AT_ONCE {
        let (squares, next, outcomes, mut gate) = (squares.clone(), Arc::clone(&next), outcomes.clone(), gate.clone());
        tokio::spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= REQUESTS || gate.wait_for(|gate| number < *gate).await.is_err() {
                    break;
                }
                let outcome =
                    squares.clone().oneshot(Number { number }).await.and_then(|answer| verify(number, answer));
                if outcomes.send(outcome).is_err() {
                    break;
                }
            }
        });
    }
    received
}

fn verify(number: u64, answer: Answer) -> Outcome {
    let port = u16::try_from(answer.port).ok();
    match port {
        Some(port) if (answer.number, answer.square) == (number, number * number) => Ok(port),
        _ => Err(Status::data_loss(format!("{number} is answered by {answer:?}"))),
    }
}
