//! What is no use is refused in one line, by a clear status, and does no harm.

use std::{
    ffi::OsStr, fs::OpenOptions, net::TcpListener, os::unix::ffi::OsStrExt as _, process::Stdio, time::Duration,
};

use futures_util::future::join_all;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::Command,
    time::timeout,
};

use crate::harness::{ADA, Answer, LONG, Service, connect, exchange, program, rest, set};

#[tokio::test]
async fn what_keeps_it_from_starting_is_said_in_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let cases: [(&str, &str, &[&str], &str); 9] = [
        ("PORT", &port, &[], "set PORT to a free port"),
        ("PORT", "many", &[], "PORT is \"many\", it must be a number from 0 to 65535"),
        ("PORT", "65536", &[], "PORT is \"65536\""),
        ("SUPPLIER_LATENCY_MS", "-1", &[], "SUPPLIER_LATENCY_MS is \"-1\""),
        ("DATABASE", "/proc/stock.sqlite3", &[], "cannot use the database \"/proc/stock.sqlite3\""),
        ("DATABASE", "/", &[], "cannot use the database \"/\""),
        ("DATABASE", "/dev/full", &[], "cannot use the database \"/dev/full\""),
        ("PORT", "0", &["--colour"], "there is no argument \"--colour\""),
        ("PORT", "0", &["\u{202e}\n💥"], "there is no argument \"\\u{202e}\\n💥\""),
    ];
    for (name, value, arguments, text) in cases {
        let output = timeout(LONG, program(&[(name, value)]).args(arguments).output()).await.unwrap().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.starts_with("legacy-service: ") && error.contains(text), "{text}: {error}");
        assert_eq!((error.lines().count(), output.status.code()), (1, Some(1)), "{error}");
    }
    let not_utf8 = OsStr::from_bytes(b"\xff.sqlite3");
    let output = timeout(LONG, program(&[]).env("DATABASE", not_utf8).output()).await.unwrap().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.starts_with("legacy-service: DATABASE: ") && error.contains("\\xFF.sqlite3"), "{error}");
    assert_eq!((error.lines().count(), output.status.code()), (1, Some(1)), "{error}");
    for argument in ["--help", "-h"] {
        let output = timeout(LONG, program(&[("PORT", "many")]).arg(argument).output()).await.unwrap().unwrap();
        assert!(output.status.success() && output.stdout.starts_with(b"usage: "), "{output:?}");
    }
    let full = || Stdio::from(OpenOptions::new().write(true).open("/dev/full").unwrap());
    let output = timeout(LONG, program(&[]).stdout(full()).spawn().unwrap().wait_with_output()).await.unwrap().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.starts_with("legacy-service: cannot write to the standard output: "), "{error}");
    assert_eq!((error.lines().count(), output.status.code()), (1, Some(1)), "{error}");
    let status = timeout(LONG, program(&[]).arg("--colour").stderr(full()).status()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(1));
}

#[tokio::test]
async fn bad_requests_get_a_clear_status() {
    let service = Service::start(&[]).await;
    let too_long = format!("{ADA}x-long: {}\r\n", "x".repeat(500_000));
    for (line, headers, body, status) in [
        ("GET /items/one", ADA, "", 400),
        ("GET /items/99999999999", ADA, "", 400),
        ("GET /items/%F0%9F%92%A9", ADA, "", 400),
        ("GET /items/%FF", ADA, "", 400),
        ("GET /items/1%00", ADA, "", 400),
        ("GET /items/-1", ADA, "", 404),
        ("GET /nothing/%00", ADA, "", 404),
        ("DELETE /items/1", ADA, "", 405),
        ("GET /items/1", "", "", 401),
        ("GET /items/1", "authorization: Bearer ' OR 1=1 --\r\n", "", 401),
        ("GET /items/1", "authorization: Bearer adä\r\n", "", 401),
        ("GET /live", ADA, "", 400),
        ("GET /items/1", &too_long, "", 431),
        ("POST /items.csv", ADA, "rubbish", 400),
        ("POST /items.csv", ADA, "\"", 400),
        ("POST /items.csv", ADA, "", 400),
        ("POST /items.csv", ADA, "id,name,stock\n8,half", 400),
        ("POST /items.csv", ADA, "id,name,stock\n8,eye,many\n", 400),
        ("POST /items.csv", ADA, "id,name,stock\n8,eye,1\n8,eye,-1\n", 422),
        ("POST /items.csv", &format!("{ADA}content-type: \u{1}\r\n"), "", 400),
    ] {
        let answer = service.ask(line, headers, body).await;
        assert_eq!(answer.status, status, "{line} {headers:.80}: {answer:?}");
        assert!(answer.body.lines().count() <= 1, "{line}: {answer:?}");
    }
    for (bytes, status) in [
        (&b"\r\n\r\n\0\xff\r\n\r\n"[..], 400),
        (b"GET\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"POST /items.csv HTTP/1.1\r\nauthorization: Bearer ada-secret\r\ncontent-length: 17000000\r\nconnection: close\r\n\r\n", 413),
    ] {
        let answer = exchange(service.address, bytes).await.unwrap();
        let answer = Answer::whole(&answer).unwrap();
        assert_eq!(answer.status, status, "{}: {answer:?}", String::from_utf8_lossy(bytes));
    }
    // Nothing of it is in the database.
    let items = service.ask("GET /items.csv", ADA, "").await.body;
    assert!(!items.contains("eye") && items.contains("3,hammer,3,nobody"), "{items}");
}

#[tokio::test]
async fn half_a_request_changes_nothing_and_is_not_waited_for() {
    let service = Service::start(&[]).await;
    let head = format!("POST /items.csv HTTP/1.1\r\nhost: test\r\n{ADA}content-length: 1000\r\n\r\n");
    let (mut cut, mut silent) = (connect(service.address).await, connect(service.address).await);
    for stream in [&mut cut, &mut silent] {
        // In the file's second line, and in its first.
        stream.write_all(format!("{head}id,name,stock\n8,eye,1\n9").as_bytes()).await.unwrap();
    }
    cut.shutdown().await.unwrap();
    for mut stream in [cut, silent] {
        let answer = Answer::whole(&rest(&mut stream).await.unwrap()).unwrap();
        assert_eq!(answer.status, 400, "{answer:?}");
    }
    assert!(!service.ask("GET /items.csv", ADA, "").await.body.contains("eye"));
}

#[tokio::test]
async fn a_thousand_connections() {
    let service = Service::start(&[]).await;
    let request = format!("GET /items/1 HTTP/1.1\r\nhost: test\r\nconnection: close\r\n{ADA}\r\n");
    let mut half_sent = Vec::new();
    for _ in 0..500 {
        let mut stream = connect(service.address).await;
        stream.write_all(&request.as_bytes()[..30]).await.unwrap();
        half_sent.push(stream);
    }
    let answers = join_all((0..500).map(|_| exchange(service.address, request.as_bytes()))).await;
    for answer in answers {
        assert_eq!(Answer::whole(&answer.unwrap()).unwrap().status, 200);
    }
    // Their heads may take five seconds.
    for mut stream in half_sent {
        let mut byte = [0];
        let read = timeout(LONG, stream.read(&mut byte)).await.expect("it is closed");
        assert!(!matches!(read, Ok(1)) || byte == *b"H", "{read:?}");
    }
    assert_eq!(service.ask("GET /items/1", ADA, "").await.status, 200);
}

/// The largest file that the program may write, 600 KiB, stands for a disk.
#[tokio::test]
async fn a_full_disk_is_said_and_loses_nothing() {
    let mut shell = Command::new("sh");
    // The signal would end the program.
    shell.args(["-c", "trap '' XFSZ; ulimit -f 1200; exec \"$0\"", env!("CARGO_BIN_EXE_legacy-service")]);
    let service = Service::run(set(shell, &[])).await;
    let small = "id,name,stock\n8,eye,1\n";
    assert_eq!(service.ask("POST /items.csv", ADA, small).await.status, 200);
    let many: String = (10..20_000).map(|id| format!("{id},{},1\n", "x".repeat(100))).collect();
    let answer = service.ask("POST /items.csv", ADA, &format!("id,name,stock\n{many}")).await;
    assert_eq!(answer.status, 507, "{answer:?}");
    let items = service.ask("GET /items.csv", ADA, "").await.body;
    assert!(items.contains("8,eye,1,Ada\n") && !items.contains("xxx"), "{items}");
    assert_eq!(service.ask("POST /items.csv", ADA, small).await.status, 200);
    service.signal("-TERM").await;
    assert!(tokio::time::timeout(Duration::from_secs(60), service.ended()).await.unwrap().2.success());
}
