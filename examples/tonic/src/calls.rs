//! The client's side: one call of each kind.

use std::{error::Error, net::SocketAddr};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader, stdin},
    sync::mpsc,
};
use tonic::{
    Status, Streaming,
    codegen::tokio_stream::{self, wrappers::ReceiverStream},
    transport::{Channel, Endpoint},
};
use tonic_example::proto::{GreeterClient, HelloReply, HelloRequest};

type Outcome = Result<(), Box<dyn Error>>;

pub(crate) async fn call(address: SocketAddr, name: &str) -> Outcome {
    let reply = client(address).await?.say_hello(hello(name)).await.map_err(in_words)?;
    println!("{}", reply.into_inner().message);
    Ok(())
}

pub(crate) async fn greet_all(address: SocketAddr, names: &[&str]) -> Outcome {
    let requests: Vec<_> = names.iter().copied().map(hello).collect();
    let reply = client(address).await?.greet_all(tokio_stream::iter(requests)).await.map_err(in_words)?;
    println!("{}", reply.into_inner().message);
    Ok(())
}

pub(crate) async fn watch(address: SocketAddr, name: &str) -> Outcome {
    let replies = client(address).await?.watch(hello(name)).await.map_err(in_words)?;
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
    let replies = client.chat(ReceiverStream::new(receiver)).await.map_err(in_words)?;
    print_all(replies.into_inner()).await
}

async fn print_all(mut replies: Streaming<HelloReply>) -> Outcome {
    while let Some(reply) = replies.message().await.map_err(in_words)? {
        println!("{}", reply.message);
    }
    Ok(())
}

async fn client(address: SocketAddr) -> Result<GreeterClient<Channel>, Box<dyn Error>> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
    let channel = endpoint.connect().await.map_err(|_| format!("no greeter on {address}: start one first"))?;
    Ok(GreeterClient::new(channel))
}

fn hello(name: &str) -> HelloRequest {
    HelloRequest { name: name.to_owned() }
}

fn in_words(status: Status) -> String {
    format!("{}: {}", status.code(), status.message())
}
