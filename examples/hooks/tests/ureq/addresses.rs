//! The addresses of a name, in turn.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use axum::Router;
use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tower_fiber::run_in_fiber;
use ureq::{Agent, Error, Timeout, config::IpFamily};

use crate::{config, errors::Fixed, run, serve, text};

async fn server() -> SocketAddr {
    serve(Router::new().fallback(|| async { "hello" })).await
}

async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// An address at which nobody is refused and nobody is connected, while what comes with it is held.
async fn silent() -> (SocketAddr, impl Sized) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    socket.listen(1).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let mut held = vec![];
    while let Ok(stream) = tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
        held.push(stream.unwrap());
        assert!(held.len() < 100, "the backlog has no end");
    }
    (address, (socket, held))
}

fn agent_for(addresses: Vec<SocketAddr>, connect: Duration) -> Agent {
    let config = config().timeout_connect(Some(connect)).build();
    Agent::with_parts(config, hooks::ureq::connector(), Fixed(addresses))
}

#[test]
fn one_that_refuses_is_followed_by_the_next() {
    run(async {
        let ip_6 = SocketAddr::from((Ipv6Addr::LOCALHOST, nobody().await.port()));
        let addresses = vec![ip_6, nobody().await, server().await];
        let agent = agent_for(addresses, Duration::from_secs(60));
        assert_eq!(run_in_fiber(move || text(&agent, "http://name.test/").unwrap()).await, "hello");
    });
}

#[test]
fn one_that_is_silent_is_followed_by_the_next() {
    run(async {
        let (silent, _held) = silent().await;
        let agent = agent_for(vec![silent, server().await], Duration::from_secs(2));
        assert_eq!(run_in_fiber(move || text(&agent, "http://name.test/").unwrap()).await, "hello");
    });
}

#[test]
fn if_all_are_silent_the_connect_time_out_ends_it() {
    run(async {
        let (silent, _held) = silent().await;
        let agent = agent_for(vec![silent; 3], Duration::from_millis(300));
        let error = run_in_fiber(move || text(&agent, "http://name.test/").unwrap_err()).await;
        assert!(matches!(error, Error::Timeout(Timeout::Connect)), "{error:?}");
    });
}

#[test]
fn if_all_refuse_the_last_ones_error_counts() {
    run(async {
        let agent = agent_for(vec![nobody().await, nobody().await], Duration::from_secs(60));
        let error = run_in_fiber(move || text(&agent, "http://name.test/").unwrap_err()).await;
        assert_eq!(error.to_string(), "io: Connection refused (os error 111)");
    });
}

#[test]
fn of_one_family_alone() {
    run(async {
        let url = format!("http://{}/", server().await);
        let agent = hooks::ureq::agent(config().ip_family(IpFamily::Ipv6Only).build());
        let error = run_in_fiber(move || text(&agent, &url).unwrap_err()).await;
        assert!(matches!(error, Error::HostNotFound), "{error:?}");
    });
}
