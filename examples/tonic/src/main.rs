//! Serves the greeter, or calls it: see the README of this example.

mod calls;

use std::{
    env::{self, VarError},
    error::Error,
    io::{self, Write as _},
    iter,
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
use tower_fiber::{FiberLayer, Shutdown, ShutdownReport, per_core::PerCore, shutdown_signal};

const USAGE: &str = "usage: tonic-example [per-core | functions]   serves until Ctrl-C or SIGTERM
       tonic-example call NAME                one greeting
       tonic-example greet-all NAME..         one greeting for all
       tonic-example watch NAME               a greeting again and again, until Ctrl-C
       tonic-example chat                     a greeting for each line that you type
PORT chooses the port for all of them, 50051 without it";
const LATENCY: Duration = Duration::from_millis(200);
/// How long calls have to end after a signal.
const LAST_CALLS: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            explain(&*error);
            ExitCode::FAILURE
        }
    }
}

/// Prints an error and its causes, a line each.
fn explain(error: &dyn Error) {
    _ = writeln!(io::stderr(), "{error}");
    iter::successors(error.source(), |&cause| cause.source())
        .for_each(|cause| _ = writeln!(io::stderr(), "  because: {cause}"));
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> =
        env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => on_one_thread(serve(address()?, |layer, directory| Routes::new(server(layer, directory)))),
        ["functions"] => on_one_thread(serve(address()?, functions::routes)),
        ["per-core"] => serve_per_core(address()?),
        ["call", name] => on_one_thread(calls::call(address()?, name)),
        ["greet-all", ref names @ ..] if !names.is_empty() => on_one_thread(calls::greet_all(address()?, names)),
        ["watch", name] => on_one_thread(calls::watch(address()?, name)),
        ["chat"] => on_one_thread(calls::chat(address()?)),
        ["--help" | "-h"] => say(USAGE),
        _ => Err(format!("there is no command {:?}; --help lists them all", arguments.join(" ")).into()),
    }
}

fn address() -> Result<SocketAddr, Box<dyn Error>> {
    let port = match env::var("PORT") {
        Ok(port) => port.parse().map_err(|_| format!("PORT is {port:?}, it must be a number from 0 to 65535"))?,
        Err(VarError::NotPresent) => 50051,
        Err(error) => return Err(format!("PORT: {error}").into()),
    };
    Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

/// One thread, to show that calls which wait do not stop others.
fn on_one_thread(work: impl Future<Output = Result<(), Box<dyn Error>>>) -> Result<(), Box<dyn Error>> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(work);
    // A thread may still read the terminal.
    runtime.shutdown_background();
    result
}

/// Prints a text, and fails where `println!` would panic: on a full disk, and when nobody reads.
fn say(text: &str) -> Result<(), Box<dyn Error>> {
    writeln!(io::stdout(), "{text}").map_err(|error| format!("cannot write to the standard output: {error}").into())
}

fn say_what_to_try(address: SocketAddr, place: &str) -> Result<(), Box<dyn Error>> {
    say(&format!(
        "greeter listens on {address}, {place}, knows Ada, Alan and Grace, and takes {LATENCY:?} for each call; try"
    ))?;
    ["call Ada", "greet-all Ada Alan Grace", "watch Grace", "chat"]
        .iter()
        .try_for_each(|call| say(&format!("    PORT={} cargo run -p tonic-example -- {call}", address.port())))
}

async fn serve(
    address: SocketAddr,
    routes: impl FnOnce(&FiberLayer, SlowDirectory) -> Routes,
) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(address).await.map_err(|e| format!("cannot listen on {address}: {e}"))?;
    say_what_to_try(listener.local_addr()?, "on one thread")?;
    let layer = FiberLayer::new();
    let server = Server::builder().add_routes(routes(&layer, SlowDirectory::new(LATENCY)));
    let incoming = TcpIncoming::from(listener);
    let shutdown = Shutdown::new().layer(&layer).grace(LAST_CALLS);
    let report = shutdown.run(|stop| server.serve_with_incoming_shutdown(incoming, stop)).await?;
    in_order(&[report])
}

/// Fails if calls were cut.
fn in_order(reports: &[ShutdownReport]) -> Result<(), Box<dyn Error>> {
    reports.iter().find(|report| report.is_cut).map_or(Ok(()), |report| Err(report.to_string().into()))
}

/// The same on every core.
fn serve_per_core(address: SocketAddr) -> Result<(), Box<dyn Error>> {
    // A gRPC client keeps one connection, so there are few: one acceptor spreads those evenly, a hash of the kernel may
    // not.
    let cores = PerCore::builder().single_acceptor().tcp_nodelay(true).bind(address)?;
    say_what_to_try(cores.local_addr(), &format!("on {} cores", cores.cores()))?;
    let layer = FiberLayer::new();
    let reports = cores.run(shutdown_signal(), |core, listener| {
        let greeter = server(&layer, SlowDirectory::new(LATENCY));
        let server = Server::builder().add_service(greeter);
        let shutdown = Shutdown::new().layer(&layer).grace(LAST_CALLS).on_core(&core);
        shutdown.run(|stop| server.serve_with_incoming_shutdown(listener.into_incoming(), stop))
    })?;
    in_order(&reports)
}
