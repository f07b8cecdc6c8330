//! Serves the greeter, or calls it: see the README of this example.

mod calls;

use std::{
    env,
    error::Error,
    net::{Ipv4Addr, SocketAddr},
    process::ExitCode,
    time::Duration,
};

use tokio::{net::TcpListener, runtime::Builder};
use tonic::{
    service::Routes,
    transport::{Server, server::TcpIncoming},
};
use tonic_example::{directory::SlowDirectory, functions, service::server};
use tower_fiber::{FiberLayer, per_core::PerCore};

const USAGE: &str = "usage: tonic-example [per-core | functions]   serves
       tonic-example call NAME                one greeting
       tonic-example greet-all NAME..         one greeting for all
       tonic-example watch NAME               a greeting again and again, until Ctrl-C
       tonic-example chat                     a greeting for each line that you type
PORT chooses the port for all of them, 50051 without it";
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
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => on_one_thread(serve(address, |layer, directory| Routes::new(server(layer, directory)))),
        ["functions"] => on_one_thread(serve(address, functions::routes)),
        ["per-core"] => serve_per_core(address),
        ["call", name] => on_one_thread(calls::call(address, name)),
        ["greet-all", ref names @ ..] if !names.is_empty() => on_one_thread(calls::greet_all(address, names)),
        ["watch", name] => on_one_thread(calls::watch(address, name)),
        ["chat"] => on_one_thread(calls::chat(address)),
        _ => Err(USAGE.into()),
    }
}

/// One thread, to show that calls which wait do not stop others.
fn on_one_thread(work: impl Future<Output = Result<(), Box<dyn Error>>>) -> Result<(), Box<dyn Error>> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(work);
    // A thread may still read the terminal.
    runtime.shutdown_background();
    result
}

fn say_what_to_try(address: SocketAddr, place: &str) {
    println!(
        "greeter listens on {address}, {place}, knows Ada, Alan and Grace, and takes {LATENCY:?} for each call; try"
    );
    for call in ["call Ada", "greet-all Ada Alan Grace", "watch Grace", "chat"] {
        println!("    PORT={} cargo run -p tonic-example -- {call}", address.port());
    }
}

async fn serve(
    address: SocketAddr,
    routes: impl FnOnce(&FiberLayer, SlowDirectory) -> Routes,
) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(address).await.map_err(|e| format!("cannot listen on {address}: {e}"))?;
    say_what_to_try(listener.local_addr()?, "on one thread");
    let routes = routes(&FiberLayer::new(), SlowDirectory::new(LATENCY));
    Server::builder().add_routes(routes).serve_with_incoming(TcpIncoming::from(listener)).await?;
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
