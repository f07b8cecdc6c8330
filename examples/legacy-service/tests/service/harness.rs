//! The program, and requests to it.

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    net::TcpStream,
    process::{Child, ChildStdout, Command},
    time::timeout,
};

/// For a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) const ADA: &str = "authorization: Bearer ada-secret\r\n";

/// The program, for which the settings of the test's own environment do not count.
pub(crate) fn program(settings: &[(&str, &str)]) -> Command {
    set(Command::new(env!("CARGO_BIN_EXE_legacy-service")), settings)
}

pub(crate) fn set(mut command: Command, settings: &[(&str, &str)]) -> Command {
    command.env("PORT", "0").env("SUPPLIER_LATENCY_MS", "20").env_remove("DATABASE").envs(settings.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Service {
    pub(crate) async fn start(settings: &[(&str, &str)]) -> Self {
        Self::run(program(settings)).await
    }

    pub(crate) async fn run(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = timeout(LONG, lines.next_line()).await.unwrap().unwrap().expect("an address");
        let address = first.strip_prefix("legacy-service: http://").unwrap_or_else(|| panic!("{first}"));
        Self { address: address.parse().unwrap(), child, lines }
    }

    /// Sends a request that closes its connection.
    pub(crate) async fn ask(&self, line: &str, headers: &str, body: &str) -> Answer {
        let length = body.len();
        let request = format!(
            "{line} HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
        );
        let answer = exchange(self.address, request.as_bytes()).await.unwrap();
        Answer::whole(&answer).unwrap_or_else(|| panic!("cut: {}", String::from_utf8_lossy(&answer)))
    }

    pub(crate) async fn signal(&self, signal: &str) {
        let id = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().await.unwrap().success());
    }

    /// The last line of its output, what it has printed as errors, and its status.
    pub(crate) async fn ended(mut self) -> (String, String, ExitStatus) {
        let last = timeout(LONG, self.lines.next_line()).await.unwrap().unwrap().unwrap_or_default();
        let output = timeout(LONG, self.child.wait_with_output()).await.unwrap().unwrap();
        (last, String::from_utf8(output.stderr).unwrap(), output.status)
    }
}

pub(crate) async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

/// Sends bytes, and reads until the server closes the connection.
pub(crate) async fn exchange(address: SocketAddr, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    // The server may answer, and close, before it has read everything.
    _ = stream.write_all(bytes).await;
    rest(&mut stream).await
}

/// What comes until the server closes the connection.
pub(crate) async fn rest(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match timeout(LONG, stream.read_to_end(&mut bytes)).await.expect("the server closes the connection") {
        Err(error) if bytes.is_empty() || error.kind() != ErrorKind::ConnectionReset => Err(error),
        _ => Ok(bytes),
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// `None` if a part of it is missing.
    pub(crate) fn whole(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8(bytes.to_vec()).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let head = head.to_lowercase();
        let is_whole = match head.split("\r\n").find_map(|line| line.strip_prefix("content-length: ")) {
            Some(length) => length.parse() == Ok(body.len()),
            None => head.contains("transfer-encoding: chunked") && body.ends_with("0\r\n\r\n"),
        };
        let status = head.split(' ').nth(1)?.parse().ok()?;
        is_whole.then(|| Self { status, body: body.to_owned(), head })
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}
