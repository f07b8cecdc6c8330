//! One replica: a server whose plain code waits in fibers.

use std::{
    error::Error,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{io::AsyncReadExt as _, net::TcpListener, time::sleep};
use tonic::{
    Request, Response, Status,
    service::LayerExt as _,
    transport::{Server, server::TcpIncoming},
};
use tower_fiber::{FiberLayer, Shutdown, WaitExt as _, shutdown_signal};

use crate::{
    proto::{Answer, Number, Squares, SquaresServer},
    say,
};

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

/// Serves on `port`, or on a free one if that is 0, and says where, until a signal. If it has a parent, then also until
/// that closes the standard input.
///
/// # Errors
///
/// If it cannot listen, or the server fails.
pub async fn serve(port: u16, has_parent: bool) -> Result<(), Box<dyn Error>> {
    let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = TcpListener::bind(wanted).await.map_err(|e| format!("cannot listen on {wanted}: {e}"))?;
    let address = listener.local_addr()?;
    say(&format!("{LISTENS_ON}{address}"))?;

    let layer = FiberLayer::new().name("squares");
    let squares = layer.named_layer(SquaresServer::new(Replica { port: address.port() }));
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_serving::<SquaresServer<Replica>>().await;
    let server = Server::builder().add_service(health).add_service(squares);
    let ends = async move {
        tokio::select! {
            () = shutdown_signal() => {}
            // It sends nothing; however it ends, the pipe ends with it.
            _ = async { tokio::io::stdin().read(&mut [0]).await }, if has_parent => {}
        }
    };
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let shutdown = Shutdown::new().layer(&layer).with_graceful_shutdown(ends);
    let report = shutdown.run(|stop| server.serve_with_incoming_shutdown(incoming, stop)).await?;
    if report.is_cut { Err(report.to_string().into()) } else { Ok(()) }
}
