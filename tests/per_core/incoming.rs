//! Connections as a stream, and one at a time.

use std::{convert::Infallible, io};

use futures_util::{FutureExt as _, StreamExt as _};
use tokio::io::AsyncWriteExt as _;

use crate::harness::{ANY_PORT, background, each_way, greeting, shutdown};

#[test]
fn the_stream_gives_every_connection() {
    each_way(|builder| {
        let server = builder.cores(2).bind(ANY_PORT).unwrap();
        let address = server.local_addr();
        let (stop, stopped) = shutdown();
        let server = background(move || {
            server.run(stopped, |core, listener| async move {
                let mut streams = listener.into_incoming().take_until(core.shutdown());
                let mut count = 0;
                while let Some(stream) = streams.next().await {
                    stream?.write_all(b"hello").await?;
                    count += 1;
                }
                Ok::<_, io::Error>(count)
            })
        });
        for _ in 0..20 {
            assert_eq!(greeting(address).unwrap(), "hello");
        }
        drop(stop);
        assert_eq!(server.end().unwrap().iter().sum::<i32>(), 20);
    });
}

#[test]
fn a_wait_that_is_dropped_loses_no_connection() {
    each_way(|builder| {
        let server = builder.cores(1).bind(ANY_PORT).unwrap();
        let address = server.local_addr();
        let (stop, stopped) = shutdown();
        let server = background(move || {
            server.run(stopped, |core, mut listener| async move {
                let mut shutdown = core.shutdown();
                let mut dropped = 0;
                while (&mut shutdown).now_or_never().is_none() {
                    match listener.accept().now_or_never() {
                        Some(connection) => connection.unwrap().0.write_all(b"hello").await.unwrap(),
                        None => {
                            dropped += 1;
                            tokio::task::yield_now().await;
                        }
                    }
                }
                Ok::<_, Infallible>(dropped)
            })
        });
        for _ in 0..20 {
            assert_eq!(greeting(address).unwrap(), "hello");
        }
        drop(stop);
        assert!(server.end().unwrap()[0] > 0);
    });
}

#[test]
fn the_option_against_delays_is_set_by_choice() {
    each_way(|builder| {
        for nodelay in [false, true] {
            let server = builder.clone().cores(1).tcp_nodelay(nodelay).bind(ANY_PORT).unwrap();
            let address = server.local_addr();
            let client = background(move || greeting(address));
            let set = server.run(std::future::pending(), |_, mut listener| async move {
                let (stream, _) = listener.accept().await?;
                stream.nodelay()
            });
            assert_eq!(set.unwrap(), [nodelay]);
            assert_eq!(client.end().unwrap(), "");
        }
    });
}
