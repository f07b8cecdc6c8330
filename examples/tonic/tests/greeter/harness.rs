//! Runtimes, a server on a free port, and directories that tests look into.

use std::{net::Ipv4Addr, time::Duration};

use tokio::{net::TcpListener, runtime::Builder, time::timeout};
use tonic::{
    Status,
    service::Routes,
    transport::{Channel, Endpoint, Server, server::TcpIncoming},
};
use tonic_example::{
    business::{Directory, Unavailable},
    proto::{GreeterClient, HelloRequest},
    service::server,
};
use tower_fiber::FiberLayer;

/// Runs a test on a current-thread runtime, then on one with two workers. A test that hangs fails.
pub(crate) fn on_each_runtime<F: Future<Output = ()>>(test: impl Fn() -> F) {
    let test = || async { timeout(Duration::from_secs(60), test()).await.expect("the test hangs") };
    println!("on a current-thread runtime");
    Builder::new_current_thread().enable_all().build().unwrap().block_on(test());
    println!("on a multi-thread runtime");
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(test());
}

/// Serves the greeter behind `layer` and connects to it.
pub(crate) async fn client(layer: &FiberLayer, directory: impl Directory) -> GreeterClient<Channel> {
    client_of(Routes::new(server(layer, directory))).await
}

/// Serves `routes` and connects to them.
pub(crate) async fn client_of(routes: Routes) -> GreeterClient<Channel> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(Server::builder().add_routes(routes).serve_with_incoming(TcpIncoming::from(listener)));
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    GreeterClient::new(endpoint.connect().await.unwrap())
}

pub(crate) async fn greet(mut client: GreeterClient<Channel>, name: &str) -> Result<String, Status> {
    Ok(client.say_hello(HelloRequest { name: name.to_owned() }).await?.into_inner().message)
}

/// A directory made of a function.
pub(crate) struct Asks<F>(pub(crate) F);

impl<F> Directory for Asks<F>
where
    F: Fn(&str) -> Result<Option<String>, Unavailable> + Send + Sync + 'static,
{
    fn title_of(&self, name: &str) -> Result<Option<String>, Unavailable> {
        (self.0)(name)
    }
}
