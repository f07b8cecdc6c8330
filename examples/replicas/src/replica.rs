//! One replica: a server whose plain code waits in fibers.

use std::{
    error::Error,
    io::{self, Write as _},
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{io::AsyncReadExt as _, net::TcpListener, time::sleep};
use tonic::{
    Request, Response, Status,
    service::LayerExt as _,
    transport::{Server, server::TcpIncoming},
};
use tower_fiber::{FiberLayer, WaitExt as _};

use crate::proto::{Answer, Number, Squares, SquaresServer};

/// How long a square takes.
const LATENCY: Duration = Duration::from_millis(10);
/// What a replica prints before its address.
pub const LISTENS_ON: &str = "replica listens on ";

/// Plain code. It asks somebody who takes a while.
fn square(number: u64) -> u64 {
    sleep(LATENCY).wait();
    number.wrapping_mul(number)
}

struct Replica {
    port: u16,
}

#[tonic::async_trait]
impl Squares for Replica {
    async fn square(&self, request: Request<Number>) -> Result<Response<Answer>, Status> {
        let number = request.get_ref().number;
        Ok(Response::new(Answer { number, square: square(number), port: self.port.into() }))
    }
}

/// Serves on `port`, or on a free one if that is 0, and says where. If it has a parent, then until that closes the standard input.
///
/// # Errors
///
/// If it cannot listen, or the server fails.
pub async fn serve(port: u16, has_parent: bool) -> Result<(), Box<dyn Error>> {
    let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = TcpListener::bind(wanted).await.map_err(|e| format!("cannot listen on {wanted}: {e}"))?;
    let address = listener.local_addr()?;
    println!("{LISTENS_ON}{address}");
    io::stdout().flush()?;

    let layer = FiberLayer::new().name("squares");
    let squares = layer.named_layer(SquaresServer::new(Replica { port: address.port() }));
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_serving::<SquaresServer<Replica>>().await;
    let server = Server::builder().add_service(health).add_service(squares);
    let parent_ends = async {
        // It sends nothing; however it ends, the pipe ends with it.
        _ = tokio::io::stdin().read(&mut [0]).await;
    };
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    tokio::select! {
        ended = server.serve_with_incoming(incoming) => ended?,
        () = parent_ends, if has_parent => {}
    }
    Ok(())
}
