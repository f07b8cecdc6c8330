//! A client of our own, for what wrk cannot measure: some calls among others, and many at one moment.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::sleep,
};

use crate::Result;

/// Connections of the skewed load.
const CONNECTIONS: u32 = 64;
/// One call in so many burns CPU.
const BURNS: u32 = 100;
/// Time between an answer and the next request of a connection: the CPU is busy, not swamped.
const PAUSE: Duration = Duration::from_millis(10);
/// Connections that are opened at a time.
const OPENED: u64 = 200;

/// Latencies of quick calls while 1 % of all calls burn 5 ms of CPU.
pub(crate) async fn skewed(server: SocketAddr, seconds: u64) -> Result<Value> {
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut connections = JoinSet::new();
    for number in 0..CONNECTIONS {
        connections.spawn(async move {
            let mut connection = Connection::open(server).await?;
            let mut latencies = Vec::new();
            // Each begins elsewhere, or all would burn at once.
            for turn in (number * 37).. {
                let begin = Instant::now();
                if begin > end {
                    break;
                }
                if turn.is_multiple_of(BURNS) {
                    connection.get("/burn/5").await?;
                } else {
                    connection.get("/hello").await?;
                    latencies.push(begin.elapsed().as_secs_f64() * 1e6);
                }
                sleep(PAUSE).await;
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(latencies)
        });
    }
    let mut latencies = Vec::new();
    while let Some(connection) = connections.join_next().await {
        latencies.extend(connection??);
    }
    latencies.sort_by(f64::total_cmp);
    let at = |percent| latencies.get(latencies.len() * percent / 100).copied();
    let rate = latencies.len() as f64 / seconds as f64;
    Ok(json!({ "rate": rate, "p50": at(50), "p99": at(99) }))
}

/// How long it takes to serve `connections` calls that come at the same moment and wait one second each.
pub(crate) async fn herd(server: SocketAddr, connections: u64) -> Result<Value> {
    let mut open = Vec::new();
    while (open.len() as u64) < connections {
        let mut some = JoinSet::new();
        for _ in 0..OPENED.min(connections - open.len() as u64) {
            some.spawn(Connection::open(server));
        }
        while let Some(connection) = some.join_next().await {
            open.push(connection??);
        }
    }
    let begin = Instant::now();
    let mut calls = JoinSet::new();
    for mut connection in open {
        calls.spawn(async move { connection.get("/wait/1000").await });
    }
    while let Some(call) = calls.join_next().await {
        call??;
    }
    Ok(json!({ "seconds": begin.elapsed().as_secs_f64() }))
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(server: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(1024) })
    }

    /// Reads the whole answer, which must be a good one.
    async fn get(&mut self, path: &str) -> Result<()> {
        self.stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n").as_bytes()).await?;
        self.buffer.clear();
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err("the server hung up".into());
            }
            let text = str::from_utf8(&self.buffer)?;
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            if !head.starts_with("HTTP/1.1 200 ") {
                return Err(format!("{path}: {head}").into());
            }
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.ok_or("no content-length")?.parse()? {
                return Ok(());
            }
        }
    }
}
