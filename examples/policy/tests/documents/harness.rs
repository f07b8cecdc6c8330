//! Runtimes, servers on free ports, and a service that decides as a test says.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use policy::{
    legacy::Guard,
    proto::{
        decisions::{Decision, Decisions, DecisionsServer, Question},
        documents::{DocumentsClient, ReadRequest},
    },
    remote::RemotePolicy,
    service::{USER, server},
};
use tokio::{net::TcpListener, runtime::Builder, sync::Mutex, task::yield_now, time::timeout};
use tonic::{
    Request, Response, Status,
    codegen::BoxFuture,
    transport::{Channel, Endpoint, Server, server::TcpIncoming},
};
use tower_fiber::{Counters, FiberHandle, FiberLayer};

/// For what takes no time unless it hangs.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// Runs a test on a current-thread runtime, then on one with two workers. A test that hangs fails.
pub(crate) fn on_each_runtime<F: Future<Output = ()>>(test: impl Fn() -> F) {
    let test = || async { timeout(LONG, test()).await.expect("the test hangs") };
    println!("on a current-thread runtime");
    Builder::new_current_thread().enable_all().build().unwrap().block_on(test());
    println!("on a multi-thread runtime");
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(test());
}

pub(crate) async fn listener() -> (SocketAddr, TcpIncoming) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    (listener.local_addr().unwrap(), TcpIncoming::from(listener).with_nodelay(Some(true)))
}

/// Serves documents that ask `policy`, for `deadline` at most.
pub(crate) async fn documents(policy: SocketAddr, deadline: Duration) -> (DocumentsClient<Channel>, FiberHandle) {
    let channel = Endpoint::from_shared(format!("http://{policy}")).unwrap().connect_lazy();
    let layer = FiberLayer::new();
    let documents = server(&layer, Guard::new(RemotePolicy::new(channel, deadline), LONG));
    let (address, incoming) = listener().await;
    tokio::spawn(Server::builder().add_service(documents).serve_with_incoming(incoming));
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    (DocumentsClient::new(endpoint.connect().await.unwrap()), layer.handle())
}

pub(crate) async fn read(mut client: DocumentsClient<Channel>, user: &str, name: &str) -> Result<String, Status> {
    let mut request = Request::new(ReadRequest { name: name.to_owned() });
    request.metadata_mut().insert(USER, user.parse().unwrap());
    Ok(client.read(request).await?.into_inner().text)
}

/// Nothing is left of any fiber.
pub(crate) async fn all_ended(handle: &FiberHandle) {
    while handle.live() > 0 {
        yield_now().await;
    }
    let Counters { live, stacks_in_use, leaked, .. } = handle.counters();
    assert_eq!((live, stacks_in_use, leaked), (0, 0, 0));
}

type Decide = dyn Fn(&Request<Question>) -> BoxFuture<bool, Status> + Send + Sync;

/// A policy that decides by a function, and the questions that it was asked.
pub(crate) struct Decides {
    decide: Box<Decide>,
    asked: Arc<Mutex<Vec<String>>>,
}

/// The questions, as `who: what`.
pub(crate) type Asked = Arc<Mutex<Vec<String>>>;

impl Decides {
    pub(crate) fn new<F>(decide: impl Fn(&Request<Question>) -> F + Send + Sync + 'static) -> (Self, Asked)
    where
        F: Future<Output = Result<bool, Status>> + Send + 'static,
    {
        let asked = Asked::default();
        (Self { decide: Box::new(move |request| Box::pin(decide(request))), asked: Arc::clone(&asked) }, asked)
    }

    /// Serves it on a free port.
    pub(crate) async fn serve(self) -> SocketAddr {
        let (address, incoming) = listener().await;
        tokio::spawn(Server::builder().add_service(DecisionsServer::new(self)).serve_with_incoming(incoming));
        address
    }
}

#[tonic::async_trait]
impl Decisions for Decides {
    async fn decide(&self, request: Request<Question>) -> Result<Response<Decision>, Status> {
        let Question { who, what } = request.get_ref();
        self.asked.lock().await.push(format!("{who}: {what}"));
        let allowed = (self.decide)(&request).await?;
        Ok(Response::new(Decision { allowed }))
    }
}
