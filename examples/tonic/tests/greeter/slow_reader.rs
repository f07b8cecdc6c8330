//! A producer and a client that reads slowly.

use std::sync::atomic::Ordering;

use tokio::task::yield_now;
use tonic::transport::Server;
use tonic_example::proto::GreeterClient;
use tower_fiber::FiberLayer;

use crate::{
    harness::{all_ended, endpoint, hello, on_each_runtime, serve},
    probe::{Probe, REPLY},
};

/// What HTTP/2 and the sockets hold between the two: the client's window, hyper's send buffer of 400 KiB, one reply on
/// its way in each of tonic, hyper and the stream, and one with the client.
const BETWEEN: u64 = (64 + 400) / (REPLY as u64 / 1024) + 6;

#[test]
fn it_is_never_far_ahead() {
    on_each_runtime(|| async {
        let layer = FiberLayer::new();
        let (probe, mut reports) = Probe::new(&layer);
        let window = 64 * 1024;
        let endpoint = endpoint(serve(Server::builder(), probe.routes()).await);
        let endpoint = endpoint.initial_stream_window_size(window).initial_connection_window_size(window);
        let mut client = GreeterClient::new(endpoint.connect().await.unwrap());
        let mut replies = client.watch(hello("Ada")).await.unwrap().into_inner();
        assert_eq!(reports.recv().await.unwrap(), "None None None");
        for taken in 1..=100 {
            assert_eq!(replies.message().await.unwrap().unwrap().message.len(), REPLY);
            for _ in 0..50 {
                yield_now().await;
                let given = probe.given.load(Ordering::Relaxed);
                assert!(given <= taken + BETWEEN, "{given} given, {taken} taken");
            }
        }
        // Its fiber waits for the client, and ends when the client goes.
        assert_eq!(layer.handle().live(), 1);
        drop(replies);
        assert_eq!(reports.recv().await.unwrap(), "stopped");
        all_ended(&layer.handle()).await;
    });
}
