//! A server on several cores.

use std::{thread, time::Duration};

use tokio::{sync::oneshot, task::spawn_blocking, time::timeout};
use tonic::transport::{Endpoint, Server};
use tonic_example::{proto::GreeterClient, service::server};
use tower_fiber::{Counters, FiberLayer, WaitExt as _, per_core::PerCore};

use crate::harness::{Asks, greet, on_each_runtime};

#[test]
fn clients_are_served_by_their_cores() {
    on_each_runtime(|| async {
        let layer = FiberLayer::new();
        let handle = layer.handle();
        let cores = PerCore::builder().cores(3).thread_name("core").single_acceptor().bind("127.0.0.1:0").unwrap();
        let address = cores.local_addr();
        let (stop, stopped) = oneshot::channel::<()>();
        let cores = spawn_blocking(move || {
            cores.run(async { stopped.await.unwrap_or_default() }, |core, listener| {
                let directory = Asks(|_: &str| {
                    tokio::time::sleep(Duration::from_millis(1)).wait();
                    Ok(thread::current().name().map(str::to_owned))
                });
                let server = Server::builder().add_service(server(&layer, directory));
                server.serve_with_incoming_shutdown(listener.into_incoming(), core.shutdown())
            })
        });
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        for core in [0, 1, 2, 0] {
            let client = GreeterClient::new(endpoint.connect().await.unwrap());
            for _ in 0..2 {
                assert_eq!(greet(client.clone(), "Ada").await.unwrap(), format!("Good day, core-{core} Ada"));
            }
        }
        drop(stop);
        let ended = timeout(Duration::from_secs(30), cores).await.expect("it hangs");
        assert_eq!(ended.unwrap().unwrap().len(), 3);
        assert_eq!(handle.counters(), Counters::default());
    });
}
