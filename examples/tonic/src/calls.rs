//! The client's side: one call of each kind.

use std::{error::Error, fmt, net::SocketAddr};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader, stdin},
    sync::mpsc,
};
use tonic::{
    Status, Streaming,
    codegen::tokio_stream::{self, wrappers::ReceiverStream},
    transport::{self, Channel, Endpoint},
};
use tonic_example::proto::{GreeterClient, HelloReply, HelloRequest};

type Outcome = Result<(), Box<dyn Error>>;

pub(crate) async fn call(address: SocketAddr, name: &str) -> Outcome {
    let reply = client(address).await?.say_hello(hello(name)).await.map_err(Failed::Refused)?;
    println!("{}", reply.into_inner().message);
    Ok(())
}

pub(crate) async fn greet_all(address: SocketAddr, names: &[&str]) -> Outcome {
    let requests: Vec<_> = names.iter().copied().map(hello).collect();
    let reply = client(address).await?.greet_all(tokio_stream::iter(requests)).await.map_err(Failed::Refused)?;
    println!("{}", reply.into_inner().message);
    Ok(())
}

pub(crate) async fn watch(address: SocketAddr, name: &str) -> Outcome {
    let replies = client(address).await?.watch(hello(name)).await.map_err(Failed::Refused)?;
    print_all(replies.into_inner()).await
}

pub(crate) async fn chat(address: SocketAddr) -> Outcome {
    let mut client = client(address).await?;
    println!("type names, one a line; an empty line ends the chat");
    let (requests, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut lines = BufReader::new(stdin()).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if line.is_empty() || requests.send(hello(&line)).await.is_err() {
                break;
            }
        }
    });
    let replies = client.chat(ReceiverStream::new(receiver)).await.map_err(Failed::Refused)?;
    print_all(replies.into_inner()).await
}

async fn print_all(mut replies: Streaming<HelloReply>) -> Outcome {
    while let Some(reply) = replies.message().await.map_err(Failed::Refused)? {
        println!("{}", reply.message);
    }
    Ok(())
}

async fn client(address: SocketAddr) -> Result<GreeterClient<Channel>, Box<dyn Error>> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
    let channel = endpoint.connect().await.map_err(|error| Failed::NoGreeter(address, error))?;
    Ok(GreeterClient::new(channel))
}

fn hello(name: &str) -> HelloRequest {
    HelloRequest { name: name.to_owned() }
}

/// Why there is no greeting.
#[derive(Debug)]
enum Failed {
    NoGreeter(SocketAddr, transport::Error),
    Refused(Status),
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoGreeter(address, _) => write!(f, "no greeter on {address}: start one first"),
            Self::Refused(status) => write!(f, "{}: {}", status.code(), status.message()),
        }
    }
}

impl Error for Failed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NoGreeter(_, error) => Some(error),
            // A status of the server's has none: what is sent is only its text.
            Self::Refused(status) => status.source(),
        }
    }
}
