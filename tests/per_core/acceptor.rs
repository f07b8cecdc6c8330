//! One acceptor hands connections out in turn.

use std::{io, net::SocketAddr};

use tokio::{io::AsyncWriteExt as _, sync::watch};
use tower_fiber::per_core::{Core, Listener, PerCore};

use crate::harness::{ANY_PORT, background, connect, greeting, in_time, shutdown};

/// Tells each client the core's number.
async fn tell_number(core: &Core, listener: &mut Listener) -> io::Result<()> {
    let mut shutdown = core.shutdown();
    loop {
        let (mut stream, _) = tokio::select! {
            connection = listener.accept() => connection?,
            () = &mut shutdown => return Ok(()),
        };
        stream.write_all(core.index().to_string().as_bytes()).await?;
    }
}

fn numbers(address: SocketAddr, clients: usize) -> String {
    (0..clients).map(|_| greeting(address).unwrap()).collect()
}

#[test]
fn the_turns_are_exact() {
    in_time(|| {
        let server = PerCore::builder().cores(3).single_acceptor().bind(ANY_PORT).unwrap();
        let address = server.local_addr();
        let (stop, stopped) = shutdown();
        let server = background(move || {
            server.run(stopped, |core, mut listener| async move { tell_number(&core, &mut listener).await })
        });
        assert_eq!(numbers(address, 12), "012012012012");
        drop(stop);
        server.end().unwrap();
    });
}

#[test]
fn a_core_that_has_ended_is_passed_over() {
    in_time(|| {
        let server = PerCore::builder().cores(3).single_acceptor().bind(ANY_PORT).unwrap();
        let address = server.local_addr();
        let (stop, stopped) = shutdown();
        let (ended, mut end) = watch::channel(());
        let server = background(move || {
            server.run(stopped, |core, mut listener| {
                let ended = &ended;
                async move {
                    if core.index() == 1 {
                        drop(listener);
                        ended.send_replace(());
                        return Ok(());
                    }
                    tell_number(&core, &mut listener).await
                }
            })
        });
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(end.changed()).unwrap();
        assert_eq!(numbers(address, 6), "020202");
        drop(stop);
        server.end().unwrap();
    });
}

/// More connections than the queue of a core that does not accept can hold: the others get the rest.
#[test]
fn a_core_that_does_not_accept_keeps_no_turn_for_ever() {
    in_time(|| {
        const WAITING: usize = 128;
        let server = PerCore::builder().cores(2).single_acceptor().bind(ANY_PORT).unwrap();
        let address = server.local_addr();
        let (stop, stopped) = shutdown();
        let server = background(move || {
            server.run(stopped, |core, mut listener| async move {
                let mut taken = 0_usize;
                if core.index() == 0 {
                    core.shutdown().await;
                    return Ok::<_, io::Error>(taken);
                }
                while taken < WAITING + 50 {
                    let (mut stream, _) = listener.accept().await?;
                    stream.write_all(b"1").await?;
                    taken += 1;
                }
                Ok(taken)
            })
        });
        let mut waiting = Vec::new();
        let mut answered = 0;
        for _ in 0..WAITING {
            waiting.push(connect(address).unwrap());
            assert_eq!(greeting(address).unwrap(), "1");
            answered += 1;
        }
        for _ in 0..50 {
            assert_eq!(greeting(address).unwrap(), "1");
            answered += 1;
        }
        drop(stop);
        assert_eq!(server.end().unwrap(), [0, answered]);
    });
}

/// The socket closes when nobody listens any more, though the closures go on.
#[test]
fn clients_are_refused_when_all_listeners_are_gone() {
    in_time(|| {
        let server = PerCore::builder().cores(2).single_acceptor().bind(ANY_PORT).unwrap();
        let address = server.local_addr();
        let (stop, stopped) = shutdown();
        let server = background(move || {
            server.run(stopped, |core, listener| async move {
                drop(listener);
                core.shutdown().await;
                Ok::<_, io::Error>(())
            })
        });
        // Those that the socket still took are cut.
        while let Ok(text) = greeting(address) {
            assert_eq!(text, "");
        }
        drop(stop);
        server.end().unwrap();
    });
}
