//! The program: how it ends by a signal, and what it says if it cannot start.

use std::net::TcpListener;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;

fn bookshop(port: u16, arguments: &[&str]) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_bookshop"));
    program.args(arguments).env("PORT", port.to_string()).env("SUPPLIER_LATENCY_MS", "1000");
    program.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    program
}

/// The supplier takes a second for its part of the answer.
#[tokio::test]
async fn a_request_in_flight_is_answered() {
    for signal in ["-TERM", "-INT"] {
        let mut program = bookshop(0, &[]).spawn().unwrap();
        let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
        let address = loop {
            let line = lines.next_line().await.unwrap().expect("an address");
            if let Some(address) = line.trim().strip_prefix("http://") {
                break address.trim_end_matches('/').to_owned();
            }
        };
        let mut slow = TcpStream::connect(&address).await.unwrap();
        slow.write_all(b"GET /api/books/7 HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
        // The request has begun when its fiber shows.
        loop {
            let mut fibers = TcpStream::connect(&address).await.unwrap();
            fibers.write_all(b"GET /fibers/text HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").await.unwrap();
            let mut answer = String::new();
            fibers.read_to_string(&mut answer).await.unwrap();
            if answer.contains(" waiting at ") {
                break;
            }
        }
        let id = program.id().unwrap().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().await.unwrap().success());
        let mut answer = String::new();
        slow.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        assert!(program.wait().await.unwrap().success());
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_in_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    for (arguments, code, text) in [
        (&[][..], 1, "set PORT to a free port"),
        (&["--colour"], 1, "there is no argument \"--colour\""),
        (&["--help"], 0, "SIGTERM ends it"),
        (&["-h"], 0, "SIGTERM ends it"),
    ] {
        let output = bookshop(port, arguments).output().await.unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(text) && said.lines().count() == 1, "{said}");
    }
}
