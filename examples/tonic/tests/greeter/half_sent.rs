//! Client streams that break off: plain code does not take half of the messages for the whole.

use h2::{Reason, SendStream, client::ResponseFuture};
use prost::Message as _;
use tokio::{net::TcpStream, sync::mpsc::UnboundedReceiver};
use tonic::{
    codegen::{Bytes, http},
    transport::Server,
};
use tower_fiber::FiberLayer;

use crate::{
    harness::{all_ended, hello, on_each_runtime, serve},
    leaving::wire_to,
    probe::Probe,
};

/// Of the generated server, but for the last.
const METHODS: [&str; 3] = ["GreetAll", "Chat", A_FUNCTION];
const A_FUNCTION: &str = "GreetAll as a function";

/// What a client has done when the server has read two names.
struct HalfACall {
    requests: SendStream<Bytes>,
    _response: ResponseFuture,
    _connection: h2::client::SendRequest<Bytes>,
    reports: UnboundedReceiver<String>,
    layer: FiberLayer,
    wire: tokio::task::JoinHandle<()>,
}

/// By h2, which resets streams when it is told to.
async fn half_a_call(method: &str) -> HalfACall {
    let layer = FiberLayer::new();
    let (probe, mut reports) = Probe::new(&layer);
    let routes = if method == A_FUNCTION { probe.function() } else { probe.routes() };
    let method = method.split(' ').next().unwrap();
    let (address, wire) = wire_to(serve(Server::builder(), routes).await).await;
    let (client, connection) = h2::client::handshake(TcpStream::connect(address).await.unwrap()).await.unwrap();
    tokio::spawn(connection);
    let mut client = client.ready().await.unwrap();
    let request = http::Request::post(format!("http://{address}/greeting.Greeter/{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    let (response, mut requests) = client.send_request(request.body(()).unwrap(), false).unwrap();
    for name in ["Ada", "Alan"] {
        let message = hello(name).encode_to_vec();
        let prefix = [0, 0, 0, 0, u8::try_from(message.len()).unwrap()];
        requests.send_data([&prefix[..], &message].concat().into(), false).unwrap();
    }
    for report in ["None None None", "Ada", "Alan"] {
        assert_eq!(reports.recv().await.unwrap(), report);
    }
    HalfACall { requests, _response: response, _connection: client, reports, layer, wire }
}

#[test]
fn a_stream_that_ends_is_whole() {
    on_each_runtime(|| async {
        for method in METHODS {
            let mut call = half_a_call(method).await;
            call.requests.send_data(Bytes::new(), true).unwrap();
            assert_eq!(call.reports.recv().await.unwrap(), "ended");
            all_ended(&call.layer.handle()).await;
        }
    });
}

#[test]
fn a_reset_is_an_error() {
    on_each_runtime(|| async {
        for method in METHODS {
            let mut call = half_a_call(method).await;
            call.requests.send_reset(Reason::CANCEL);
            assert_eq!(call.reports.recv().await.unwrap(), "failed: Aborted");
            assert_eq!(call.reports.recv().await.unwrap(), "gone");
            all_ended(&call.layer.handle()).await;
        }
    });
}

#[test]
fn a_broken_connection_is_an_error() {
    on_each_runtime(|| async {
        for method in METHODS {
            let mut call = half_a_call(method).await;
            call.wire.abort();
            let report = call.reports.recv().await.unwrap();
            assert!(report.starts_with("failed: "), "{report}");
            assert_eq!(call.reports.recv().await.unwrap(), "gone");
            all_ended(&call.layer.handle()).await;
        }
    });
}
