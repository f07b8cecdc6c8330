//! Clients that leave while plain code waits: it learns of that in each kind of method, however they leave.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::mpsc::{self, UnboundedSender},
    task::{JoinHandle, JoinSet},
};
use tonic::{
    Code, Request, Status,
    codegen::tokio_stream::{self, StreamExt as _, pending, wrappers::ReceiverStream},
    transport::{Channel, Server},
};
use tonic_example::{
    business::Directory,
    directory::SlowDirectory,
    proto::{GreeterClient, HelloRequest},
};
use tower_fiber::{FiberLayer, WaitExt as _, caller_gone, until_caller_gone};

use crate::harness::{Asks, all_ended, connect, hello, mounts, on_each_runtime, serve};

#[derive(Clone, Copy, Debug)]
enum Kind {
    Unary,
    IteratorIn,
    ProducerOut,
    Both,
}

const ALL: [Kind; 4] = [Kind::Unary, Kind::IteratorIn, Kind::ProducerOut, Kind::Both];
/// Those whose response is one message, where tonic's own deadlines reach.
const ONE_REPLY: [Kind; 2] = [Kind::Unary, Kind::IteratorIn];

/// Makes a call that waits for Ada's title, and gives the status that it ends with. The client's messages end with the
/// call, or, if there is no stream of replies, not at all.
///
/// hyper tells a server that a stream of replies was dropped only when the requests have ended, too.
async fn call(mut client: GreeterClient<Channel>, kind: Kind, deadline: Option<Duration>) -> Status {
    fn with<T>(message: T, deadline: Option<Duration>) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(deadline) = deadline {
            request.set_timeout(deadline);
        }
        request
    }
    let endless = tokio_stream::once(hello("Ada")).chain(pending::<HelloRequest>());
    let (_until_it_ends, ends) = mpsc::channel::<HelloRequest>(1);
    let names = tokio_stream::once(hello("Ada")).chain(ReceiverStream::new(ends));
    let replies = match kind {
        Kind::Unary => return client.say_hello(with(hello("Ada"), deadline)).await.unwrap_err(),
        Kind::IteratorIn => return client.greet_all(with(endless, deadline)).await.unwrap_err(),
        Kind::ProducerOut => client.watch(with(hello("Ada"), deadline)).await,
        Kind::Both => client.chat(with(names, deadline)).await,
    };
    match replies {
        Ok(replies) => replies.into_inner().message().await.unwrap_err(),
        Err(status) => status,
    }
}

/// A directory that is asked, and answers when the caller has gone.
fn directory(report: UnboundedSender<&'static str>) -> impl Directory + Clone {
    Asks(move |_: &str| {
        assert!(!caller_gone());
        report.send("asked").unwrap();
        until_caller_gone().wait();
        assert!(caller_gone());
        report.send("gone").unwrap();
        Ok(Some("Countess".to_owned()))
    })
}

/// For each mount and kind: a call begins and waits, `leave` makes the client leave, and nothing is left.
async fn each<F: Future<Output = ()>>(
    kinds: &[Kind],
    builder: Server,
    deadline: Option<Duration>,
    leave: impl Fn(JoinHandle<Status>, JoinHandle<()>) -> F,
) {
    for mount in 0..2 {
        for &kind in kinds {
            println!("{kind:?}, mount {mount}");
            let layer = FiberLayer::new();
            let (report, mut reports) = mpsc::unbounded_channel();
            let routes = mounts(&layer, directory(report))[mount].clone();
            let (address, wire) = wire_to(serve(builder.clone(), routes).await).await;
            let call = tokio::spawn(call(connect(address).await, kind, deadline));
            assert_eq!(reports.recv().await, Some("asked"));
            leave(call, wire).await;
            assert_eq!(reports.recv().await, Some("gone"));
            assert_eq!(all_ended(&layer.handle()).await.cancelled, 0, "it is told, and ends by itself");
        }
    }
}

/// What lies between a client and a server, and can be cut.
pub(crate) async fn wire_to(server: SocketAddr) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let wire = tokio::spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut client, _)) = listener.accept().await {
            connections.spawn(async move {
                let mut server = TcpStream::connect(server).await.unwrap();
                _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    (address, wire)
}

#[test]
fn the_client_drops_its_call() {
    on_each_runtime(|| {
        each(&ALL, Server::builder(), None, |call, _wire| async move {
            call.abort();
            assert!(call.await.unwrap_err().is_cancelled());
        })
    });
}

#[test]
fn the_connection_breaks() {
    on_each_runtime(|| {
        each(&ALL, Server::builder(), None, |call, wire| async move {
            wire.abort();
            // The client learns of it, too.
            let status = call.await.unwrap();
            assert!(matches!(status.code(), Code::Unknown | Code::Unavailable | Code::Internal), "{status:?}");
        })
    });
}

#[test]
fn the_clients_deadline_passes() {
    on_each_runtime(|| {
        each(&ALL, Server::builder(), Some(Duration::from_millis(300)), |call, _wire| async move {
            let status = call.await.unwrap();
            assert!(matches!(status.code(), Code::Cancelled | Code::DeadlineExceeded), "{status:?}");
        })
    });
}

#[test]
fn the_servers_time_limit_passes() {
    on_each_runtime(|| {
        let limited = Server::builder().timeout(Duration::from_millis(300));
        each(&ONE_REPLY, limited, None, |call, _wire| async move {
            let status = call.await.unwrap();
            assert!(matches!(status.code(), Code::Cancelled | Code::DeadlineExceeded), "{status:?}");
        })
    });
}

#[test]
fn a_silent_client_keeps_no_fiber() {
    on_each_runtime(|| async {
        for mount in 0..2 {
            let layer = FiberLayer::new();
            let routes = mounts(&layer, SlowDirectory::new(Duration::ZERO))[mount].clone();
            let limited = Server::builder().timeout(Duration::from_millis(300));
            let mut client = connect(serve(limited, routes).await).await;
            let endless = || tokio_stream::once(hello("Ada")).chain(pending::<HelloRequest>());
            let status = client.greet_all(endless()).await.unwrap_err();
            assert!(matches!(status.code(), Code::Cancelled | Code::DeadlineExceeded), "{status:?}");

            let mut request = Request::new(endless());
            request.set_timeout(Duration::from_millis(300));
            let mut replies = client.chat(request).await.unwrap().into_inner();
            assert_eq!(replies.message().await.unwrap().unwrap().message, "Good day, Countess Ada");
            assert_eq!(replies.message().await.unwrap_err().code(), Code::DeadlineExceeded);
            // The client is still there, and has ended neither stream.
            all_ended(&layer.handle()).await;
        }
    });
}
