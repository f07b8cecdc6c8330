//! Serves the greeter, or calls it: see the README of this example.

use std::{
    env,
    error::Error,
    net::{Ipv4Addr, SocketAddr},
    process::ExitCode,
    time::Duration,
};

use tokio::{net::TcpListener, runtime::Builder};
use tonic::transport::{Endpoint, Server, server::TcpIncoming};
use tonic_example::{
    directory::SlowDirectory,
    proto::{GreeterClient, HelloRequest},
    service::server,
};
use tower_fiber::{FiberLayer, per_core::PerCore};

const USAGE: &str = "usage: tonic-example [per-core | call NAME]; PORT chooses the port, 50051 without it";
const LATENCY: Duration = Duration::from_millis(200);
/// How long calls have to end after Ctrl-C.
const LAST_CALLS: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let port = match env::var("PORT") {
        Ok(port) => port.parse().map_err(|_| format!("PORT is {port:?}, it must be a number from 0 to 65535"))?,
        Err(_) => 50051,
    };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let arguments: Vec<String> = env::args().skip(1).collect();
    // One thread, to show that calls which wait do not stop others.
    let one_thread = || Builder::new_current_thread().enable_all().build();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => one_thread()?.block_on(serve(address)),
        ["per-core"] => serve_per_core(address),
        ["call", name] => one_thread()?.block_on(call(address, name)),
        _ => Err(USAGE.into()),
    }
}

fn say_what_to_try(address: SocketAddr, place: &str) {
    println!(
        "greeter listens on {address}, {place}, knows Ada, Alan and Grace, and takes {LATENCY:?} for each call; try"
    );
    println!("    PORT={} cargo run -p tonic-example -- call Ada", address.port());
}

async fn serve(address: SocketAddr) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(address).await.map_err(|e| format!("cannot listen on {address}: {e}"))?;
    say_what_to_try(listener.local_addr()?, "on one thread");
    let greeter = server(&FiberLayer::new(), SlowDirectory::new(LATENCY));
    Server::builder().add_service(greeter).serve_with_incoming(TcpIncoming::from(listener)).await?;
    Ok(())
}

/// The same on every core, until Ctrl-C.
fn serve_per_core(address: SocketAddr) -> Result<(), Box<dyn Error>> {
    // A gRPC client keeps one connection, so there are few: one acceptor spreads those evenly, a hash of the kernel may not.
    let cores = PerCore::builder().single_acceptor().tcp_nodelay(true).shutdown_timeout(LAST_CALLS).bind(address)?;
    say_what_to_try(cores.local_addr(), &format!("on {} cores", cores.cores()));
    let layer = FiberLayer::new();
    cores.run(interrupted(), |core, listener| {
        let greeter = server(&layer, SlowDirectory::new(LATENCY));
        let server = Server::builder().add_service(greeter);
        server.serve_with_incoming_shutdown(listener.into_incoming(), core.shutdown())
    })?;
    Ok(())
}

/// Ctrl-C. Where there is none to listen to, the server goes on.
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}

async fn call(address: SocketAddr, name: &str) -> Result<(), Box<dyn Error>> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
    let channel = endpoint.connect().await.map_err(|_| format!("no greeter on {address}: start one first"))?;
    let reply = GreeterClient::new(channel).say_hello(HelloRequest { name: name.to_owned() }).await;
    let reply = reply.map_err(|status| format!("{}: {}", status.code(), status.message()))?;
    println!("{}", reply.into_inner().message);
    Ok(())
}
