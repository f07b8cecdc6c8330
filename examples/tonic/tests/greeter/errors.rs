//! A status passes with its code, message and metadata.

use std::time::Duration;

use tonic::Code;
use tonic_example::{
    business::Unavailable,
    directory::SlowDirectory,
    methods::{RETRY_AFTER, UNKNOWN_NAME},
};
use tower_fiber::{FiberLayer, WaitExt as _};

use crate::harness::{Asks, client, greet, on_each_runtime};

#[test]
fn before_a_wait() {
    on_each_runtime(|| async {
        let client = client(&FiberLayer::new(), Asks(|_: &str| panic!("not to be asked"))).await;
        let status = greet(client, "  ").await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "the name is empty, give one"));
    });
}

#[test]
fn after_a_wait() {
    on_each_runtime(|| async {
        let client = client(&FiberLayer::new(), SlowDirectory::new(Duration::from_millis(1))).await;
        let status = greet(client, "Zoë").await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::NotFound, "nobody is called \"Zoë\""));
        let name = status.metadata().get_bin(UNKNOWN_NAME).unwrap().to_bytes().unwrap();
        assert_eq!(name, "Zoë".as_bytes());
    });
}

#[test]
fn of_the_code_below() {
    on_each_runtime(|| async {
        let directory = Asks(|_: &str| {
            tokio::task::yield_now().wait();
            Err(Unavailable { retry_after: Duration::from_millis(250) })
        });
        let status = greet(client(&FiberLayer::new(), directory).await, "Ada").await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(status.metadata().get(RETRY_AFTER).unwrap(), "250");
        assert!(status.message().ends_with("the directory is unavailable, try again in 250ms"), "{status}");
    });
}
