//! Websockets byte by byte: a client that writes frames of its own making, and what it gets.

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// How a connection ends, as its client sees it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    Eof,
    Error(ErrorKind),
    /// Nothing more came for a long time.
    Open,
}

pub(crate) struct RawClient(TcpStream);

impl RawClient {
    /// Asks for a websocket at `path`, and sends `early` in the same piece.
    pub(crate) async fn open(address: SocketAddr, path: &str, early: &[u8]) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(&[request.as_bytes(), early].concat()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        Self(stream)
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes).await
    }

    pub(crate) async fn half_close(&mut self) -> io::Result<()> {
        self.0.shutdown().await
    }

    /// The next bytes that the server sends.
    pub(crate) async fn next<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.read_exact(&mut bytes).await.unwrap();
        bytes
    }

    /// All that the server sends, and how the connection ends.
    pub(crate) async fn rest(mut self) -> (Vec<u8>, End) {
        let mut answers = Vec::new();
        let end = match timeout(Duration::from_secs(8), self.0.read_to_end(&mut answers)).await {
            Ok(Ok(_)) => End::Eof,
            Ok(Err(error)) => End::Error(error.kind()),
            Err(_) => End::Open,
        };
        (answers, end)
    }
}

/// The first byte of a frame that is the last of its message.
pub(crate) const FIN: u8 = 0x80;

/// A frame as a client sends it. `first` has the operation and the flags.
pub(crate) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];
    let mut frame = head(first, 0x80, payload.len());
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// A frame as a server sends it.
pub(crate) fn unmasked(first: u8, payload: &[u8]) -> Vec<u8> {
    [&head(first, 0, payload.len()), payload].concat()
}

fn head(first: u8, mask: u8, length: usize) -> Vec<u8> {
    match u16::try_from(length).unwrap() {
        short @ 0..126 => vec![first, mask | short as u8],
        long => [&[first, mask | 126], &long.to_be_bytes()[..]].concat(),
    }
}
