//! Where the layer can stand.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Semaphore, task::yield_now};
use tonic::{
    Code,
    server::NamedService,
    service::{LayerExt as _, Routes},
};
use tonic_example::{directory::SlowDirectory, methods::Methods, proto::GreeterServer, service::server};
use tower_fiber::{FiberLayer, WaitExt as _, in_fiber};

use crate::harness::{Asks, client_of, greet, mounts, on_each_runtime};

fn name_of<S: NamedService>(_: &S) -> &'static str {
    S::NAME
}

#[test]
fn named_layer_keeps_the_name() {
    let server = server(&FiberLayer::new(), SlowDirectory::new(Duration::ZERO));
    assert_eq!(name_of(&server), "greeting.Greeter");
    assert_eq!(name_of(&FiberLayer::new().named_layer(server)), "greeting.Greeter");
}

#[test]
fn around_all_routes() {
    on_each_runtime(|| async {
        let directory = Asks(|_: &str| Ok(Some(format!("{}", in_fiber()))));
        let routes = Routes::new(GreeterServer::new(Methods::new(&FiberLayer::new(), directory)));
        let routes = Routes::from(routes.into_axum_router().layer(FiberLayer::new()));
        assert_eq!(greet(client_of(routes).await, "Ada").await.unwrap(), "Good day, true Ada");
    });
}

#[test]
fn without_the_layer_there_is_no_fiber() {
    on_each_runtime(|| async {
        let directory = Asks(|_: &str| Ok(Some(format!("{}", in_fiber()))));
        let routes = Routes::new(GreeterServer::new(Methods::new(&FiberLayer::new(), directory)));
        assert_eq!(greet(client_of(routes).await, "Ada").await.unwrap(), "Good day, false Ada");
    });
}

#[test]
fn other_services_are_unimplemented() {
    on_each_runtime(|| async {
        let status = greet(client_of(Routes::default()).await, "Ada").await.unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented);
    });
}

#[test]
fn a_layers_limit_holds() {
    on_each_runtime(|| async {
        for mount in 0..2 {
            let layer = FiberLayer::builder().max_fibers(1).build().unwrap();
            let (asked, answer) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
            let inside = (Arc::clone(&asked), Arc::clone(&answer));
            let directory = Asks(move |_: &str| {
                inside.0.add_permits(1);
                inside.1.acquire().wait().unwrap().forget();
                Ok(Some("Countess".to_owned()))
            });
            let client = client_of(mounts(&layer, directory)[mount].clone()).await;
            let calls = [tokio::spawn(greet(client.clone(), "Ada")), tokio::spawn(greet(client, "Ada"))];
            asked.acquire().await.unwrap().forget();
            for _ in 0..1000 {
                yield_now().await;
            }
            assert_eq!(asked.available_permits(), 0, "the second call waits for the first");
            answer.add_permits(2);
            for call in calls {
                assert_eq!(call.await.unwrap().unwrap(), "Good day, Countess Ada");
            }
        }
    });
}
