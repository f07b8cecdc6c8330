//! Where the layer can stand.

use std::time::Duration;

use tonic::{
    Code,
    server::NamedService,
    service::{LayerExt as _, Routes},
};
use tonic_example::{directory::SlowDirectory, methods::Methods, proto::GreeterServer, service::server};
use tower_fiber::{FiberLayer, in_fiber};

use crate::harness::{Asks, client_of, greet, on_each_runtime};

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
