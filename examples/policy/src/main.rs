//! Serves the documents, decides who may read them, or reads one: see the README of this example.

use std::{
    env::{self, VarError},
    error::Error,
    io::{self, Write as _},
    net::{Ipv4Addr, SocketAddr},
    process::ExitCode,
    time::Duration,
};

use policy::{
    decider::Table,
    legacy::Guard,
    proto::documents::{DocumentsClient, ReadRequest},
    remote::RemotePolicy,
    service::{USER, server},
};
use tokio::{net::TcpListener, runtime::Builder};
use tonic::{
    Request, Status,
    transport::{Endpoint, Server, server::TcpIncoming},
};
use tower_fiber::{FiberLayer, Shutdown, ShutdownReport};

const USAGE: &str =
    "usage: policy                      serves documents until Ctrl-C or SIGTERM, and decides who may read them
       policy decide               only decides
       policy read USER DOCUMENT   reads one
PORT chooses the port, 50052 without it, or 50053 to decide
POLICY is the address of the service that decides, for example 127.0.0.1:50053; without it `policy` decides itself, on a free port";
const LATENCY: Duration = Duration::from_millis(200);
/// How long the documents wait for a decision, and keep it.
const DEADLINE: Duration = Duration::from_secs(1);
const KEEP: Duration = Duration::from_secs(30);
/// How long calls have to end after a signal. Longer than a decision.
const LAST_CALLS: Duration = Duration::from_secs(5);

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Outcome {
    let arguments: Vec<String> =
        env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect();
    // One thread, to show that calls which wait do not stop others.
    let runtime = Builder::new_current_thread().enable_all().build()?;
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => runtime.block_on(serve(address(50052)?)),
        ["decide"] => runtime.block_on(decide(address(50053)?)),
        ["--help" | "-h"] => say(USAGE),
        ["read", user, document] => runtime.block_on(read(address(50052)?, user, document)),
        _ => Err(format!("there is no command {:?}; --help lists them all", arguments.join(" ")).into()),
    }
}

fn address(otherwise: u16) -> Result<SocketAddr, Box<dyn Error>> {
    let port = match env::var("PORT") {
        Ok(port) => port.parse().map_err(|_| format!("PORT is {port:?}, it must be a number from 0 to 65535"))?,
        Err(VarError::NotPresent) => otherwise,
        Err(error) => return Err(format!("PORT: {error}").into()),
    };
    Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

/// Prints a text, and fails where `println!` would panic: on a full disk, and when nobody reads.
fn say(text: &str) -> Outcome {
    writeln!(io::stdout(), "{text}").map_err(|error| format!("cannot write to the standard output: {error}").into())
}

async fn listen(address: SocketAddr) -> Result<(SocketAddr, TcpIncoming), Box<dyn Error>> {
    let listener = TcpListener::bind(address)
        .await
        .map_err(|e| format!("cannot listen on {address}: {e}; PORT chooses another port, 0 any that is free"))?;
    Ok((listener.local_addr()?, TcpIncoming::from(listener)))
}

async fn decide(address: SocketAddr) -> Outcome {
    let (address, incoming) = listen(address).await?;
    say(&format!(
        "decides on {address}, and takes {LATENCY:?} for each question; serve documents with
    POLICY={address} cargo run -p policy"
    ))?;
    let server = Server::builder().add_service(Table::server(LATENCY));
    in_order(Shutdown::new().grace(LAST_CALLS).run(|stop| server.serve_with_incoming_shutdown(incoming, stop)).await?)
}

async fn serve(address: SocketAddr) -> Outcome {
    let (address, incoming) = listen(address).await?;
    let policy = match env::var("POLICY") {
        Ok(policy) => policy.parse().map_err(|_| format!("POLICY is {policy:?}, it must be like 127.0.0.1:50053"))?,
        Err(VarError::NotUnicode(policy)) => {
            return Err(format!("POLICY is {policy:?}, it must be like 127.0.0.1:50053").into());
        }
        Err(VarError::NotPresent) => {
            let (policy, incoming) = listen((Ipv4Addr::LOCALHOST, 0).into()).await?;
            let decisions = Server::builder().add_service(Table::server(LATENCY));
            tokio::spawn(decisions.serve_with_incoming(incoming));
            policy
        }
    };
    say(&format!("documents listens on {address}, on one thread, and asks {policy} who may read them; try"))?;
    for (arguments, expected) in [
        ("ada plans", "the plans"),
        ("bob plans", "he may not"),
        ("bob minutes", "the minutes"),
        ("eve welcome", "she may not even enter"),
    ] {
        let port = address.port();
        say(&format!("    PORT={port} cargo run -p policy -- read {arguments:<11}   # {expected}"))?;
    }
    // Connects when it is first asked, and again after a failure.
    let channel = Endpoint::from_shared(format!("http://{policy}"))?.connect_lazy();
    let guard = Guard::new(RemotePolicy::new(channel, DEADLINE), KEEP);
    let layer = FiberLayer::new().name("documents");
    let documents = Server::builder().add_service(server(&layer, guard));
    let shutdown = Shutdown::new().layer(&layer).grace(LAST_CALLS);
    in_order(shutdown.run(|stop| documents.serve_with_incoming_shutdown(incoming, stop)).await?)
}

/// Fails if calls were cut.
fn in_order(report: ShutdownReport) -> Outcome {
    if report.is_cut { Err(report.to_string().into()) } else { Ok(()) }
}

async fn read(address: SocketAddr, user: &str, document: &str) -> Outcome {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
    let channel = endpoint.connect().await.map_err(|_| format!("no documents on {address}: start `policy` first"))?;
    let mut request = Request::new(ReadRequest { name: document.to_owned() });
    let user = user.parse().map_err(|_| format!("{user:?} is no user name, use ASCII"))?;
    request.metadata_mut().insert(USER, user);
    let in_words = |status: Status| format!("{:?}: {}", status.code(), status.message());
    say(&DocumentsClient::new(channel).read(request).await.map_err(in_words)?.into_inner().text)
}
