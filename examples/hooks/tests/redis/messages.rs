//! Subscribers and a publisher, on one thread.

use std::sync::Arc;

use futures_util::future::join_all;
use hooks::redis::{FiberConnection, subscribe};
use redis::{Client, Commands as _, Msg};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    select,
    sync::{Barrier, oneshot},
    time::timeout,
};
use tower_fiber::{FiberLayer, OnDrop, WaitExt as _, error::TryAwaitError, run_in_fiber};

use super::{
    LONG, client,
    common::{CALLERS, on_one_thread},
};

/// Messages that are published.
const MESSAGES: usize = 200;

#[test]
fn fifty_subscribers_get_all_messages_in_order() {
    on_one_thread(async {
        let Some(client) = client() else { return };
        let layer = FiberLayer::new();
        let subscribed = Arc::new(Barrier::new(CALLERS + 1));
        let subscribers = (0..CALLERS).map(|_| {
            let (client, subscribed) = (client.clone(), subscribed.clone());
            layer.run(move || {
                let messages = subscribe(&client, "news").unwrap();
                subscribed.wait().wait();
                messages.take(MESSAGES).map(|message| message.get_payload().unwrap()).collect::<Vec<usize>>()
            })
        });
        let publisher = layer.run({
            let (client, subscribed) = (client.clone(), subscribed.clone());
            move || {
                let conn = &mut FiberConnection::open_unlimited(&client).unwrap();
                subscribed.wait().wait();
                for message in 0..MESSAGES {
                    assert_eq!(conn.publish::<_, _, usize>("news", message).unwrap(), CALLERS);
                }
            }
        });
        let both = async { tokio::join!(join_all(subscribers), publisher) };
        let (heard, ()) = timeout(LONG, both).await.expect("all of them are heard");
        assert!(heard.iter().all(|messages| messages.iter().copied().eq(0..MESSAGES)), "{heard:?}");

        // Subscriptions have ended with their iterators.
        let nobody_listens = layer.run(move || {
            let conn = &mut FiberConnection::open_unlimited(&client).unwrap();
            while conn.publish::<_, _, usize>("news", "is anybody there?").unwrap() > 0 {}
        });
        timeout(LONG, nobody_listens).await.expect("they close their connections");
    });
}

#[tokio::test]
async fn several_channels_are_one_iterator() {
    let Some(client) = client() else { return };
    let heard = run_in_fiber(move || {
        let messages = subscribe(&client, &["sports", "weather"]).unwrap();
        let conn = &mut FiberConnection::open_unlimited(&client).unwrap();
        for (channel, text) in [("weather", "rain"), ("sports", "draw"), ("politics", "vote"), ("weather", "sun")] {
            () = conn.publish(channel, text).unwrap();
        }
        // They were kept.
        let pair = |message: Msg| (message.get_channel_name().to_owned(), message.get_payload().unwrap());
        messages.take(3).map(pair).collect::<Vec<(String, String)>>()
    });
    let expected = [("weather", "rain"), ("sports", "draw"), ("weather", "sun")];
    assert_eq!(heard.await, expected.map(|(channel, text)| (channel.to_owned(), text.to_owned())));
}

#[tokio::test]
async fn a_subscription_ends_with_its_connection() {
    let Some(client) = client() else { return };
    // A way to the server that can be closed.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = client.get_connection_info().addr().to_string();
    let (close, closed) = oneshot::channel::<()>();
    let way = tokio::spawn(async move {
        let (mut here, _) = listener.accept().await.unwrap();
        let mut there = TcpStream::connect(server).await.unwrap();
        select! {
            _ = copy_bidirectional(&mut here, &mut there) => {}
            _ = closed => {}
        }
    });
    let heard = run_in_fiber(move || {
        let mut messages =
            subscribe(&Client::open(format!("redis://127.0.0.1:{port}/")).unwrap(), "last words").unwrap();
        let conn = &mut FiberConnection::open_unlimited(&client).unwrap();
        () = conn.publish("last words", "goodbye").unwrap();
        let first: String = messages.next().unwrap().get_payload().unwrap();
        close.send(()).unwrap();
        (first, messages.count())
    });
    assert_eq!(timeout(LONG, heard).await.expect("it ends"), ("goodbye".to_owned(), 0));
    way.await.unwrap();
}

#[tokio::test]
async fn a_subscriber_hears_that_its_caller_has_gone() {
    let Some(client) = client() else { return };
    let layer = FiberLayer::new().on_drop(OnDrop::Cancel);
    let (tell, told) = oneshot::channel();
    let (subscribed, is_subscribed) = oneshot::channel();
    let call = layer.run(move || {
        let mut messages = subscribe(&client, "silence").unwrap();
        subscribed.send(()).unwrap();
        tell.send(messages.try_next().map(|_| ())).unwrap();
    });
    let mut call = Box::pin(call);
    select! {
        () = &mut call => panic!("nobody speaks"),
        subscribed = timeout(LONG, is_subscribed) => subscribed.expect("it subscribes").unwrap(),
    }
    drop(call);
    let told = timeout(LONG, told).await.expect("it is told").unwrap();
    assert!(matches!(told, Err(TryAwaitError::Cancelled(_))), "{told:?}");
    layer.handle().drained().await;
}
