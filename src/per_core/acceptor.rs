//! One acceptor for all cores, where the system does not spread connections itself.

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

/// How many connections may wait for one core. More would only wait longer for a busy core while others are free;
/// behind them is the socket's own queue.
const QUEUE: usize = 128;

/// Accepts connections and hands them to the cores in turn.
pub(super) struct Acceptor {
    socket: StdListener,
    cores: Vec<Sender<Handed>>,
}

impl Acceptor {
    /// An acceptor for `cores` cores, and their ends.
    pub(super) fn new(socket: StdListener, cores: usize) -> (Self, Vec<Receiver<Handed>>) {
        let (cores, ends) = (0..cores).map(|_| channel(QUEUE)).unzip();
        (Self { socket, cores }, ends)
    }

    /// Registers the socket with the runtime. The future accepts until it finds that no core listens any more; then the
    /// socket closes, so that clients are refused and do not wait.
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

/// Gives the connection to the core whose turn it is, or else to the next that listens and has room. Says which it was;
/// `None` if none listens.
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

/// Waits until a core has room; `false` if none listens.
async fn room(cores: &[Sender<Handed>]) -> bool {
    let listening = cores.iter().filter(|core| !core.is_closed());
    let mut waits: Vec<Pin<Box<_>>> = listening.map(|core| Box::pin(core.reserve())).collect();
    poll_fn(|cx| {
        let mut closed = 0;
        for wait in &mut waits {
            match wait.as_mut().poll(cx) {
                Poll::Ready(Ok(_)) => return Poll::Ready(true),
                // It must not be polled again: look anew at who listens.
                Poll::Ready(Err(_)) => closed += 1,
                Poll::Pending => {}
            }
        }
        if closed > 0 || waits.is_empty() { Poll::Ready(closed > 0) } else { Poll::Pending }
    })
    .await
}
