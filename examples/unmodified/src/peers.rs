//! Servers that take their time to answer, on a thread of their own, for the libraries that need no database.

use std::{
    future::Future,
    io::{self, Write as _},
    net::SocketAddr,
    sync::mpsc,
    thread,
    time::Duration,
};

use axum::{Router, extract::Path, routing::get};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    runtime::Builder,
    time::sleep,
};

/// Where they listen, until the process ends.
#[derive(Clone, Copy, Debug)]
pub struct Peers {
    /// HTTP: `GET /100` is answered after 100 ms.
    pub http: SocketAddr,
    /// SMTP: mail for `100@` is accepted after 100 ms.
    pub smtp: SocketAddr,
    /// Four bytes, a number of milliseconds, come back after that time.
    pub echo: SocketAddr,
}

/// Starts them.
///
/// # Errors
///
/// If there is no port or no thread left.
pub fn start() -> io::Result<Peers> {
    let (started, starting) = mpsc::channel();
    let serve = async move {
        match listen().await {
            Err(error) => _ = started.send(Err(error)),
            Ok((peers, [http, smtp, echo])) => {
                _ = started.send(Ok(peers));
                tokio::join!(serve_http(http), serve_each(smtp, smtp_session), serve_each(echo, echo_session));
            }
        }
    };
    let runtime = Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("peers".into()).spawn(move || runtime.block_on(serve))?;
    starting.recv().map_err(io::Error::other)?
}

async fn listen() -> io::Result<(Peers, [TcpListener; 3])> {
    let any = || TcpListener::bind("127.0.0.1:0");
    let listeners = [any().await?, any().await?, any().await?];
    let [http, smtp, echo] = &listeners;
    Ok((Peers { http: http.local_addr()?, smtp: smtp.local_addr()?, echo: echo.local_addr()? }, listeners))
}

async fn serve_http(listener: TcpListener) {
    let slow = |Path(millis): Path<u64>| async move {
        sleep(Duration::from_millis(millis)).await;
        "waited"
    };
    // It never ends.
    _ = axum::serve(listener, Router::new().route("/{millis}", get(slow))).await;
}

async fn serve_each<S>(listener: TcpListener, session: fn(TcpStream) -> S)
where
    S: Future<Output = io::Result<()>> + Send + 'static,
{
    loop {
        match listener.accept().await {
            // A client that goes ends its own session only.
            Ok((stream, _)) => _ = tokio::spawn(session(stream)),
            Err(error) => {
                _ = writeln!(io::stderr(), "a peer accepts nobody: {error}");
                sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

async fn echo_session(mut stream: TcpStream) -> io::Result<()> {
    loop {
        let millis = stream.read_u32().await?;
        sleep(Duration::from_millis(millis.into())).await;
        stream.write_u32(millis).await?;
    }
}

/// As much of SMTP as a client needs that sends one mail after the other.
async fn smtp_session(stream: TcpStream) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 peer ESMTP\r\n").await?;
    let (mut time, mut in_mail) = (Duration::ZERO, false);
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let text = line.trim_end();
        if in_mail && text != "." {
            continue;
        }
        if in_mail {
            sleep(time).await;
        }
        if let Some((mailbox, _)) = text.strip_prefix("RCPT TO:<").and_then(|reader| reader.split_once('@')) {
            time = Duration::from_millis(mailbox.parse().unwrap_or(0));
        }
        in_mail = text == "DATA";
        let answer = if in_mail { "354 go on\r\n" } else { "250 ok\r\n" };
        stream.write_all(answer.as_bytes()).await?;
    }
}
