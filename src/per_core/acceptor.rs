//! [`Acceptor`]: accepts for all cores where the system does not distribute the connections itself.

use std::{
    future::{Future, poll_fn},
    io,
    net::TcpListener as StdListener,
    pin::Pin,
    task::Poll,
};

use tokio::{
    net::TcpListener,
    sync::mpsc::{Receiver, Sender, channel, error::TrySendError},
};

use super::listener::{Handed, pause_after};

/// How many connections may wait for one core. If it were higher, connections would wait for a busy core while other
/// cores are free. They wait in the socket's queue instead.
const QUEUE: usize = 128;

/// Accepts connections and hands them to the cores in turn.
pub(super) struct Acceptor {
    socket: StdListener,
    cores: Vec<Sender<Handed>>,
}

impl Acceptor {
    /// Returns an acceptor for `cores` cores, and the receiver of each core.
    pub(super) fn new(socket: StdListener, cores: usize) -> (Self, Vec<Receiver<Handed>>) {
        let (cores, ends) = (0..cores).map(|_| channel(QUEUE)).unzip();
        (Self { socket, cores }, ends)
    }

    /// Registers the socket with the runtime. The future accepts until no core listens any more. It then closes the
    /// socket, so that clients are refused instead of waiting.
    pub(super) fn ready(self) -> io::Result<impl Future<Output = ()> + Send> {
        let socket = TcpListener::from_std(self.socket)?;
        Ok(hand_out(socket, self.cores))
    }
}

async fn hand_out(socket: TcpListener, cores: Vec<Sender<Handed>>) {
    let mut turn = 0;
    loop {
        let accepted = socket.accept().await.and_then(|(stream, client)| Ok((stream.into_std()?, client)));
        match accepted {
            Ok(connection) => {
                let Some(taker) = give(&cores, turn, connection).await else { return };
                turn = (taker + 1) % cores.len();
            }
            Err(error) => {
                if let Some(pause) = pause_after(&error) {
                    pause.await;
                }
            }
        }
    }
}

/// Gives the connection to the core whose turn it is, or to the next one that has room. Returns the index of that core,
/// or `None` if no core listens.
async fn give(cores: &[Sender<Handed>], turn: usize, mut connection: Handed) -> Option<usize> {
    loop {
        for core in (turn..cores.len()).chain(0..turn) {
            match cores[core].try_send(connection) {
                Ok(()) => return Some(core),
                Err(TrySendError::Full(back) | TrySendError::Closed(back)) => connection = back,
            }
        }
        if !room(cores).await {
            return None;
        }
    }
}

/// Waits until a core has room. Returns `false` if no core listens.
async fn room(cores: &[Sender<Handed>]) -> bool {
    let listening = cores.iter().filter(|core| !core.is_closed());
    let mut waits: Vec<Pin<Box<_>>> = listening.map(|core| Box::pin(core.reserve())).collect();
    if waits.is_empty() {
        return false;
    }
    // A wait also ends when its core stops listening; the caller then tries all cores again.
    poll_fn(|cx| match waits.iter_mut().any(|wait| wait.as_mut().poll(cx).is_ready()) {
        true => Poll::Ready(true),
        false => Poll::Pending,
    })
    .await
}
