//! `io::TcpStream` and `io::lookup_host`, on each kind of runtime, and where they cannot be.

#![cfg(feature = "io")]

use std::{
    future::Future as _,
    io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, SocketAddr},
    pin::pin,
    sync::mpsc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use socket2::{Domain, SockRef, Socket, Type};
use tokio::{net::TcpListener, task::yield_now};
use tower_fiber::{
    block_on_waits,
    io::{TcpStream, lookup_host, lookup_host_timeout},
    run_in_fiber, run_local,
};

use crate::support::skipped_on_windows;

fn on_each_runtime<F: Future<Output = ()>>(test: impl Fn() -> F) {
    let limited = || async { tokio::time::timeout(Duration::from_secs(60), test()).await.expect("the test hangs") };
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(limited());
    let several = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    several.block_on(limited());
}

const LOCAL: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(LOCAL).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Gives both ends of a connection.
async fn connection() -> (TcpStream, TcpStream) {
    let (listener, address) = listen().await;
    let here = run_in_fiber(move || TcpStream::connect(address).unwrap());
    let (here, there) = tokio::join!(here, listener.accept());
    (here, there.unwrap().0.into())
}

#[test]
fn by_address_by_name_and_with_a_time_out() {
    on_each_runtime(|| async {
        let (listener, address) = listen().await;
        let connect = run_in_fiber(move || {
            let long = Duration::from_secs(60);
            [
                TcpStream::connect(address),
                TcpStream::connect(("localhost", address.port())),
                TcpStream::connect(address.to_string().as_str()),
                TcpStream::connect_timeout(address, long),
                TcpStream::connect_timeout(("localhost", address.port()), long),
            ]
            .map(Result::unwrap)
        });
        for stream in connect.await {
            let (_, from) = listener.accept().await.unwrap();
            assert_eq!((stream.peer_addr().unwrap(), stream.local_addr().unwrap()), (address, from));
            assert_eq!(stream.read_timeout().unwrap(), None);
        }
    });
}

#[test]
fn it_has_what_code_for_stds_calls() {
    if skipped_on_windows("std has no kind for a write after a shutdown there") {
        return;
    }
    on_each_runtime(|| async {
        let (mut here, mut there) = connection().await;
        assert!(!here.nodelay().unwrap());
        here.set_nodelay(true).unwrap();
        here.set_ttl(7).unwrap();
        assert_eq!((here.nodelay().unwrap(), here.ttl().unwrap()), (true, 7));
        assert!(here.take_error().unwrap().is_none());

        let asked = run_in_fiber(move || {
            writeln!(here, "time?").unwrap();
            here.shutdown(Shutdown::Write).unwrap();
            assert_eq!(here.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
            io::read_to_string(&mut here).unwrap()
        });
        let answered = run_in_fiber(move || {
            let mut three = [0; 3];
            assert_eq!(there.peek(&mut three).unwrap(), 3);
            assert_eq!(&three, b"tim");
            let question = io::read_to_string(&mut there).unwrap();
            there.write_all(b"noon").unwrap();
            there.shutdown(Shutdown::Both).unwrap();
            question
        });
        let (answer, question) = tokio::join!(asked, answered);
        assert_eq!((answer.as_str(), question.as_str()), ("noon", "time?\n"));
    });
}

#[test]
fn a_shutdown_for_reading_is_an_end() {
    if skipped_on_windows("a shutdown does not end reads there") {
        return;
    }
    on_each_runtime(|| async {
        let (mut here, mut there) = connection().await;
        run_in_fiber(move || {
            here.shutdown(Shutdown::Read).unwrap();
            assert_eq!(here.read(&mut [0; 8]).unwrap(), 0);
            here.write_all(b"still").unwrap();
            drop(here);
            assert_eq!(io::read_to_string(&mut there).unwrap(), "still");
        })
        .await;
    });
}

#[test]
fn halves_for_two_fibers() {
    on_each_runtime(|| async {
        let (mut here, there) = connection().await;
        let (limit, longer) = (Some(Duration::from_secs(60)), Some(Duration::from_secs(61)));
        here.set_read_timeout(limit).unwrap();
        here.set_write_timeout(longer).unwrap();
        let (read, mut write) = here.into_split();
        assert_eq!((read.read_timeout().unwrap(), write.write_timeout().unwrap()), (limit, longer));
        assert_eq!(read.as_ref().peer_addr().unwrap(), write.as_ref().peer_addr().unwrap());
        let lines = tokio::spawn(run_in_fiber(|| BufReader::new(read).lines().map(Result::unwrap).collect::<Vec<_>>()));
        let echo = tokio::spawn(run_in_fiber(|| {
            let (read, mut write) = there.into_split();
            io::copy(&mut BufReader::new(read), &mut write).unwrap()
        }));
        run_in_fiber(move || {
            for n in 0..1000 {
                writeln!(write, "line {n}").unwrap();
            }
        })
        .await;
        let lines = lines.await.unwrap();
        assert_eq!((lines.len(), lines[999].as_str()), (1000, "line 999"));
        echo.await.unwrap();
    });
}

#[test]
fn a_reset_and_a_refusal_are_errors() {
    if skipped_on_windows("a connection that is reset may look closed there") {
        return;
    }
    on_each_runtime(|| async {
        let (mut here, there) = connection().await;
        SockRef::from(there.as_ref()).set_linger(Some(Duration::ZERO)).unwrap();
        drop(there);
        let (reset, refused) = run_in_fiber(move || {
            let reset = here.read_to_end(&mut Vec::new()).unwrap_err();
            (reset, TcpStream::connect(here.local_addr().unwrap()).unwrap_err())
        })
        .await;
        assert_eq!((reset.kind(), refused.kind()), (ErrorKind::ConnectionReset, ErrorKind::ConnectionRefused));
    });
}

/// Nobody accepts, so beyond the backlog nobody is connected.
#[tokio::test(start_paused = true)]
async fn connecting_ends_with_its_time_out() {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(LOCAL).into()).unwrap();
    socket.listen(1).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let limit = Duration::from_secs(5);
    let mut held = Vec::new();
    let error = loop {
        assert!(held.len() < 100, "the backlog has no end");
        match run_in_fiber(move || TcpStream::connect_timeout(address, limit)).await {
            Ok(stream) => held.push(stream),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(error.to_string(), "no connection was made within the connect time-out of 5s");

    let zero = run_in_fiber(move || TcpStream::connect_timeout(address, Duration::ZERO).unwrap_err()).await;
    assert_eq!(zero.kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_resolver_does_not_block_the_thread() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        // The only thread that could resolve is busy until it is told.
        let (free, is_free) = mpsc::channel::<()>();
        let busy = tokio::task::spawn_blocking(move || is_free.recv().unwrap());
        let found = tokio::spawn(run_in_fiber(|| lookup_host("localhost:80").unwrap()));
        for _ in 0..100 {
            yield_now().await;
        }
        assert!(!found.is_finished());
        free.send(()).unwrap();
        let found = found.await.unwrap();
        assert!(found.len() > 0);
        assert!(found.clone().all(|address| address.ip().is_loopback() && address.port() == 80));
        busy.await.unwrap();
    });
}

#[test]
fn a_resolver_may_take_so_long() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let (free, is_free) = mpsc::channel::<()>();
        let busy = tokio::task::spawn_blocking(move || is_free.recv().unwrap());
        let error = run_in_fiber(|| lookup_host_timeout("localhost:80", Duration::from_millis(10)).unwrap_err()).await;
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert_eq!(error.to_string(), "the name was not resolved within the time-out of 10ms");
        free.send(()).unwrap();
        busy.await.unwrap();
        let (found, zero) = run_in_fiber(|| {
            let limit = Duration::from_secs(60);
            (lookup_host_timeout("localhost:80", limit), lookup_host_timeout(LOCAL, Duration::ZERO))
        })
        .await;
        assert!(found.unwrap().all(|address| address.ip().is_loopback() && address.port() == 80));
        assert_eq!(zero.unwrap_err().kind(), ErrorKind::InvalidInput);
    });
}

#[tokio::test]
async fn numbers_need_no_resolver_and_rubbish_is_an_error() {
    let (numbers, rubbish) = run_in_fiber(|| (lookup_host("[::1]:8080"), lookup_host("no port"))).await;
    assert_eq!(numbers.unwrap().collect::<Vec<_>>(), ["[::1]:8080".parse().unwrap()]);
    assert_eq!(rubbish.unwrap_err().kind(), ErrorKind::InvalidInput);
}

fn refusals() -> [io::Error; 4] {
    [
        TcpStream::connect(LOCAL).unwrap_err(),
        TcpStream::connect_timeout(LOCAL, Duration::from_secs(1)).unwrap_err(),
        lookup_host(LOCAL).unwrap_err(),
        lookup_host_timeout(LOCAL, Duration::from_secs(1)).unwrap_err(),
    ]
}

#[tokio::test]
async fn outside_a_fiber_they_say_what_to_do() {
    for error in refusals() {
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("run_in_fiber"), "{error}");
    }
}

#[test]
fn without_a_runtime_they_say_what_to_do() {
    for error in refusals() {
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
    let polled = pin!(run_local(refusals)).poll(&mut Context::from_waker(Waker::noop()));
    let Poll::Ready(errors) = polled else { panic!("they wait") };
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("tokio runtime"), "{error}");
    }
}

#[test]
fn they_work_where_the_thread_may_block() {
    let listener = std::net::TcpListener::bind(LOCAL).unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let question = io::read_to_string(&mut stream).unwrap();
        stream.write_all(question.to_uppercase().as_bytes()).unwrap();
    });
    let answer = block_on_waits(|| {
        let address = lookup_host(address).unwrap().next().unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"hello").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        io::read_to_string(&mut stream).unwrap()
    });
    assert_eq!(answer, "HELLO");
    server.join().unwrap();
}
