//! The replicas' processes.

use std::{env, error::Error, io, net::SocketAddr, process::Stdio};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tonic::transport::{Endpoint, channel::Change};

use crate::{health, replica::LISTENS_ON, say};

/// The arguments by which this program is a replica on a free port, which ends with its parent.
pub const AS_CHILD: [&str; 3] = ["serve", "0", "until-stdin-ends"];

/// A replica in a process of its own. It is killed when this is dropped, and ends by itself when this process does.
#[derive(Debug)]
pub struct Replica {
    /// Which it is, from 1.
    pub number: usize,
    /// Where it listens.
    pub address: SocketAddr,
    child: Child,
    healthy: watch::Receiver<bool>,
    watch: JoinHandle<()>,
}

impl Replica {
    /// Starts one, and lets its health decide whether `changes` have it.
    ///
    /// # Errors
    ///
    /// If it does not start.
    pub async fn start(
        number: usize,
        changes: &mpsc::Sender<Change<SocketAddr, Endpoint>>,
    ) -> Result<Self, Box<dyn Error>> {
        let mut child = Command::new(env::current_exe()?)
            .args(AS_CHILD)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|e| format!("replica {number} does not start: {e}"))?;
        let output = child.stdout.take().ok_or("a replica without an output")?;
        let line = BufReader::new(output).lines().next_line().await?.unwrap_or_default();
        let address = line.strip_prefix(LISTENS_ON).and_then(|address| address.parse().ok());
        let address = address.ok_or_else(|| format!("replica {number} does not say where it listens"))?;
        say(&format!("replica {number} listens on {address}"))?;
        let (report, healthy) = watch::channel(false);
        let watch = tokio::spawn(health::watch(number, address, changes.clone(), report));
        Ok(Self { number, address, child, healthy, watch })
    }

    /// Waits until it is healthy and has its part of the requests.
    ///
    /// # Errors
    ///
    /// If nobody watches its health any more.
    pub async fn healthy(&mut self) -> Result<(), watch::error::RecvError> {
        self.healthy.wait_for(|healthy| *healthy).await.map(drop)
    }

    /// Kills it: no warning, no orderly end. That it is gone is found out by its health checks.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub async fn kill(&mut self) -> io::Result<()> {
        self.child.kill().await
    }

    /// Ends it, and its health checks first.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    pub async fn end(mut self) -> io::Result<()> {
        self.watch.abort();
        self.kill().await
    }
}
