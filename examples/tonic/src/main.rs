//! Serves the greeter, or calls it: see the README of this example.

use std::{
    env,
    error::Error,
    net::{Ipv4Addr, SocketAddr},
    process::ExitCode,
    time::Duration,
};

use tokio::net::TcpListener;
use tonic::transport::{Endpoint, Server, server::TcpIncoming};
use tonic_example::{
    directory::SlowDirectory,
    proto::{GreeterClient, HelloRequest},
    service::server,
};
use tower_fiber::FiberLayer;

const USAGE: &str = "usage: tonic-example [call NAME]; PORT chooses the port, 50051 without it";
const LATENCY: Duration = Duration::from_millis(200);

// One thread, to show that calls which wait do not stop others.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let port = match env::var("PORT") {
        Ok(port) => port.parse().map_err(|_| format!("PORT is {port:?}, it must be a number from 0 to 65535"))?,
        Err(_) => 50051,
    };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => serve(address).await,
        ["call", name] => call(address, name).await,
        _ => Err(USAGE.into()),
    }
}

async fn serve(address: SocketAddr) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(address).await.map_err(|e| format!("cannot listen on {address}: {e}"))?;
    let address = listener.local_addr()?;
    println!("greeter listens on {address}, knows Ada, Alan and Grace, and takes {LATENCY:?} for each call; try");
    println!("    PORT={} cargo run -p tonic-example -- call Ada", address.port());
    let greeter = server(&FiberLayer::new(), SlowDirectory::new(LATENCY));
    Server::builder().add_service(greeter).serve_with_incoming(TcpIncoming::from(listener)).await?;
    Ok(())
}

async fn call(address: SocketAddr, name: &str) -> Result<(), Box<dyn Error>> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
    let channel = endpoint.connect().await.map_err(|_| format!("no greeter on {address}: start one first"))?;
    let reply = GreeterClient::new(channel).say_hello(HelloRequest { name: name.to_owned() }).await;
    let reply = reply.map_err(|status| format!("{}: {}", status.code(), status.message()))?;
    println!("{}", reply.into_inner().message);
    Ok(())
}
