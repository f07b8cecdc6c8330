//! Runtimes, a server on a free port, and directories that tests look into.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
    sync::oneshot,
    task::yield_now,
    time::timeout,
};
use tonic::{
    Status,
    service::Routes,
    transport::{Channel, Endpoint, Server, server::TcpIncoming},
};
use tonic_example::{
    business::{Directory, Unavailable},
    functions,
    proto::{GreeterClient, HelloRequest},
    service::server,
};
use tower_fiber::{Counters, FiberHandle, FiberLayer, per_core::PerCore};

/// For what takes no time unless it hangs.
pub(crate) const LONG: Duration = Duration::from_secs(60);

tokio::task_local! {
    /// How servers of this test run.
    static PLACE: Place;
}

#[derive(Clone)]
enum Place {
    /// As tasks of the test's own runtime.
    Here,
    /// Once per core; what is in it stops them.
    PerCore(Arc<Mutex<Vec<Core>>>),
}

struct Core {
    stop: oneshot::Sender<()>,
    thread: thread::JoinHandle<()>,
}

/// Runs a test with its servers on a current-thread runtime, then on one with two workers, then on one per core. A test
/// that hangs fails.
pub(crate) fn on_each_runtime<F: Future<Output = ()>>(test: impl Fn() -> F) {
    let current_thread = || Builder::new_current_thread().enable_all().build().unwrap();
    println!("on a current-thread runtime");
    run(current_thread(), Place::Here, test());
    println!("on a multi-thread runtime");
    run(Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap(), Place::Here, test());
    println!("on a runtime per core");
    let cores = Arc::default();
    run(current_thread(), Place::PerCore(Arc::clone(&cores)), test());
    for Core { stop, thread } in cores.lock().unwrap().drain(..) {
        drop(stop);
        thread.join().unwrap();
    }
}

fn run(runtime: Runtime, place: Place, test: impl Future<Output = ()>) {
    runtime.block_on(async {
        PLACE.scope(place, timeout(LONG, test)).await.expect("the test hangs");
    });
}

/// Serves `routes` on a free port.
pub(crate) async fn serve(builder: Server, routes: Routes) -> SocketAddr {
    match PLACE.try_with(Clone::clone).unwrap_or(Place::Here) {
        Place::Here => {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let address = listener.local_addr().unwrap();
            let mut builder = builder;
            tokio::spawn(
                builder.add_routes(routes).serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true))),
            );
            address
        }
        Place::PerCore(started) => {
            let cores = PerCore::builder().cores(2).single_acceptor().tcp_nodelay(true).shutdown_timeout(LONG);
            let cores = cores.bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let address = cores.local_addr();
            let (stop, stopped) = oneshot::channel();
            let thread = thread::spawn(move || {
                let stopped = async { stopped.await.unwrap_or_default() };
                let ended = cores.run(stopped, |core, listener| {
                    let server = builder.clone().add_routes(routes.clone());
                    server.serve_with_incoming_shutdown(listener.into_incoming(), core.shutdown())
                });
                ended.unwrap();
            });
            started.lock().unwrap().push(Core { stop, thread });
            address
        }
    }
}

/// Connects to a greeter.
pub(crate) async fn connect(address: SocketAddr) -> GreeterClient<Channel> {
    GreeterClient::new(endpoint(address).connect().await.unwrap())
}

pub(crate) fn endpoint(address: SocketAddr) -> Endpoint {
    Endpoint::from_shared(format!("http://{address}")).unwrap()
}

/// Serves the greeter behind `layer` and connects to it.
pub(crate) async fn client(layer: &FiberLayer, directory: impl Directory) -> GreeterClient<Channel> {
    client_of(Routes::new(server(layer, directory))).await
}

/// Serves `routes` and connects to them.
pub(crate) async fn client_of(routes: Routes) -> GreeterClient<Channel> {
    connect(serve(Server::builder(), routes).await).await
}

/// The two ways to mount the greeter: the generated server, and single functions.
pub(crate) fn mounts(layer: &FiberLayer, directory: impl Directory + Clone) -> [Routes; 2] {
    [Routes::new(server(layer, directory.clone())), functions::routes(layer, directory)]
}

pub(crate) async fn greet(mut client: GreeterClient<Channel>, name: &str) -> Result<String, Status> {
    Ok(client.say_hello(hello(name)).await?.into_inner().message)
}

pub(crate) fn hello(name: &str) -> HelloRequest {
    HelloRequest { name: name.to_owned() }
}

/// Waits until all fibers have ended: nothing is left of them, and none was leaked.
pub(crate) async fn all_ended(handle: &FiberHandle) -> Counters {
    let begun = Instant::now();
    while handle.live() > 0 {
        assert!(begun.elapsed() < LONG, "fibers are left: {}", handle.dump());
        yield_now().await;
    }
    let counters = handle.counters();
    assert_eq!((counters.live, counters.stacks_in_use, counters.leaked), (0, 0, 0));
    counters
}

/// A directory made of a function.
#[derive(Clone)]
pub(crate) struct Asks<F>(pub(crate) F);

impl<F> Directory for Asks<F>
where
    F: Fn(&str) -> Result<Option<String>, Unavailable> + Send + Sync + 'static,
{
    fn title_of(&self, name: &str) -> Result<Option<String>, Unavailable> {
        (self.0)(name)
    }
}
