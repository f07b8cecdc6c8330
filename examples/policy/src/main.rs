//! Serves the documents, decides who may read them, or reads one: see the README of this example.

use std::{
    env,
    error::Error,
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
use tower_fiber::FiberLayer;

const USAGE: &str = "usage: policy                      serves documents, and decides who may read them
       policy decide               only decides
       policy read USER DOCUMENT   reads one
PORT chooses the port, 50052 without it, or 50053 to decide
POLICY is the address of who decides, for example 127.0.0.1:50053; without it `policy` does it itself on a free port";
const LATENCY: Duration = Duration::from_millis(200);
/// How long the documents wait for a decision, and keep it.
const DEADLINE: Duration = Duration::from_secs(1);
const KEEP: Duration = Duration::from_secs(30);

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Outcome {
    let arguments: Vec<String> = env::args().skip(1).collect();
    // One thread, to show that calls which wait do not stop others.
    let runtime = Builder::new_current_thread().enable_all().build()?;
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => runtime.block_on(serve(address(50052)?)),
        ["decide"] => runtime.block_on(decide(address(50053)?)),
        ["read", user, document] => runtime.block_on(read(address(50052)?, user, document)),
        _ => Err(USAGE.into()),
    }
}

fn address(otherwise: u16) -> Result<SocketAddr, Box<dyn Error>> {
    let port = match env::var("PORT") {
        Ok(port) => port.parse().map_err(|_| format!("PORT is {port:?}, it must be a number from 0 to 65535"))?,
        Err(_) => otherwise,
    };
    Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

async fn listen(address: SocketAddr) -> Result<(SocketAddr, TcpIncoming), Box<dyn Error>> {
    let listener = TcpListener::bind(address)
        .await
        .map_err(|e| format!("cannot listen on {address}: {e}; PORT chooses another port, 0 any that is free"))?;
    Ok((listener.local_addr()?, TcpIncoming::from(listener)))
}

async fn decide(address: SocketAddr) -> Outcome {
    let (address, incoming) = listen(address).await?;
    println!("decides on {address}, and takes {LATENCY:?} for each question; serve documents with");
    println!("    POLICY={address} cargo run -p policy");
    Ok(Server::builder().add_service(Table::server(LATENCY)).serve_with_incoming(incoming).await?)
}

async fn serve(address: SocketAddr) -> Outcome {
    let (address, incoming) = listen(address).await?;
    let policy = match env::var("POLICY") {
        Ok(policy) => policy.parse().map_err(|_| format!("POLICY is {policy:?}, it must be like 127.0.0.1:50053"))?,
        Err(_) => {
            let (policy, incoming) = listen((Ipv4Addr::LOCALHOST, 0).into()).await?;
            let decisions = Server::builder().add_service(Table::server(LATENCY));
            tokio::spawn(decisions.serve_with_incoming(incoming));
            policy
        }
    };
    println!("documents listens on {address}, on one thread, and asks {policy} who may read them; try");
    for (arguments, expected) in [
        ("ada plans", "the plans"),
        ("bob plans", "he may not"),
        ("bob minutes", "the minutes"),
        ("eve welcome", "she may not even enter"),
    ] {
        println!("    PORT={} cargo run -p policy -- read {arguments:<11}   # {expected}", address.port());
    }
    // Connects when it is first asked, and again after a failure.
    let channel = Endpoint::from_shared(format!("http://{policy}"))?.connect_lazy();
    let guard = Guard::new(RemotePolicy::new(channel, DEADLINE), KEEP);
    let documents = server(&FiberLayer::new().name("documents"), guard);
    Ok(Server::builder().add_service(documents).serve_with_incoming(incoming).await?)
}

async fn read(address: SocketAddr, user: &str, document: &str) -> Outcome {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
    let channel = endpoint.connect().await.map_err(|_| format!("no documents on {address}: start `policy` first"))?;
    let mut request = Request::new(ReadRequest { name: document.to_owned() });
    let user = user.parse().map_err(|_| format!("{user:?} is no user name, use ASCII"))?;
    request.metadata_mut().insert(USER, user);
    let in_words = |status: Status| format!("{:?}: {}", status.code(), status.message());
    println!("{}", DocumentsClient::new(channel).read(request).await.map_err(in_words)?.into_inner().text);
    Ok(())
}
