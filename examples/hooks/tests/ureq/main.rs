//! ureq in fibers, against nginx and against servers of the tests' own.

#[path = "../common/mod.rs"]
mod common;

mod addresses;
mod bodies;
mod cancelled;
mod errors;
mod overlap;
mod pool;
mod proxies;
mod timeouts;

use std::{fs, future::Future, net::SocketAddr, time::Duration};

use axum::Router;
use servers::Server;
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpListener, TcpStream},
    time::timeout,
};
use ureq::{
    Agent, Error,
    config::{Config, ConfigBuilder},
    tls::{Certificate, RootCerts, TlsConfig},
    typestate::AgentScope,
};

/// Runs a test on one thread, and fails if it hangs.
fn run<T>(test: impl Future<Output = T>) -> T {
    common::on_one_thread(async { timeout(Duration::from_secs(120), test).await.expect("the test hangs") })
}

/// A configuration without what the environment says.
fn config() -> ConfigBuilder<AgentScope> {
    Agent::config_builder().proxy(None)
}

fn agent() -> Agent {
    hooks::ureq::agent(config().build())
}

/// Trusts the authority of nginx's certificate.
fn trusting(nginx: &Server) -> TlsConfig {
    let pem = fs::read(nginx.directory.join("ca.pem")).expect("a certificate");
    let authority = Certificate::from_pem(&pem).expect("PEM");
    TlsConfig::builder().root_certs(RootCerts::new_with_certs(&[authority])).build()
}

fn config_for(nginx: &Server) -> Config {
    config().tls_config(trusting(nginx)).build()
}

/// The whole text of a response.
fn text(agent: &Agent, url: &str) -> Result<String, Error> {
    agent.get(url).call()?.body_mut().read_to_string()
}

/// Serves an app for as long as the runtime is there.
async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async { axum::serve(listener, app).await.expect("axum serves") });
    address
}

/// Lets `answer` speak on each connection.
async fn serve_by_hand<A>(mut answer: impl FnMut(TcpStream) -> A + Send + 'static) -> SocketAddr
where
    A: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a client");
            tokio::spawn(answer(stream));
        }
    });
    address
}

/// Reads the head of a request; nothing if the client has gone.
async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).expect("ASCII")
}
