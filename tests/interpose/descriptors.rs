//! Descriptors that are closed, reused, shared or not blocking while fibers wait for them.

use std::{
    fs::File,
    io::{self, ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::{fd::AsFd as _, unix::net::UnixStream},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
        select::{FdSet, select},
        time::{TimeVal, TimeValLike as _},
    },
    unistd::pipe,
};
use tokio::runtime::Builder;
use tower_fiber::{FiberInfo, FiberLayer, FiberPool, FiberState, OnDrop, caller_gone};

use super::{both, when_asleep};
use crate::support::{on_each_runtime, until};

fn each<F: Future<Output = ()>>(test: impl Fn(FiberLayer) -> F + Clone + 'static) {
    on_each_runtime(move || {
        let test = test.clone();
        async move {
            for layer in both() {
                test(layer).await;
            }
        }
    });
}

/// Until so many fibers are suspended.
async fn waits(layer: &FiberLayer, fibers: usize) {
    let is_waiting = |fiber: &FiberInfo| fiber.state == FiberState::Waiting;
    until(|| layer.handle().dump().fibers.iter().filter(|fiber| is_waiting(fiber)).count() >= fibers).await;
}

#[test]
fn a_descriptor_that_is_closed_meanwhile_is_bad() {
    each(|layer| async move {
        let (here, there) = UnixStream::pair().unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(&here);
        // The fiber reads by the number, as C code does.
        let read = tokio::spawn(
            layer.run(move || nix::sys::socket::recv(number, &mut [0; 8], nix::sys::socket::MsgFlags::empty())),
        );
        waits(&layer, 1).await;
        drop(here);
        // Another file gets the number; what is there for it is not the fiber's.
        let (mut other, again) = UnixStream::pair().unwrap();
        other.write_all(b"other").unwrap();
        assert_eq!(read.await.unwrap(), Err(Errno::EBADF));
        drop((there, again));
    });
}

#[test]
fn a_number_that_is_used_again_is_the_new_file() {
    each(|layer| async move {
        for _ in 0..3 {
            let (mut here, mut there) = UnixStream::pair().unwrap();
            let read = tokio::spawn(layer.run(move || {
                let mut byte = [0];
                here.read_exact(&mut byte).map(|()| byte[0])
            }));
            tokio::task::yield_now().await;
            there.write_all(b"x").unwrap();
            assert_eq!(read.await.unwrap().unwrap(), b'x');
        }
    });
}

#[test]
fn several_fibers_read_one_socket() {
    each(|layer| async move {
        let (here, mut there) = UnixStream::pair().unwrap();
        let here = Arc::new(here);
        let reads: Vec<_> = (0..10)
            .map(|_| {
                let here = Arc::clone(&here);
                tokio::spawn(layer.run(move || (&*here).read_exact(&mut [0])))
            })
            .collect();
        waits(&layer, 10).await;
        there.write_all(&[7; 10]).unwrap();
        for read in reads {
            read.await.unwrap().unwrap();
        }
    });
}

#[test]
fn the_sockets_own_limits_hold() {
    each(|layer| async move {
        layer
            .run(|| {
                let (mut here, _there) = UnixStream::pair().unwrap();
                here.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
                here.set_write_timeout(Some(Duration::from_millis(20))).unwrap();
                let begun = Instant::now();
                assert_eq!(here.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
                assert!(begun.elapsed() >= Duration::from_millis(20));
                let written = here.write(&vec![0; 10_000_000]).unwrap();
                assert!(written > 0 && written < 10_000_000);
                assert_eq!(here.write(&[0]).unwrap_err().kind(), ErrorKind::WouldBlock);
            })
            .await;
    });
}

#[test]
fn nonblocking_descriptors_do_not_wait() {
    each(|layer| async move {
        layer
            .run(|| {
                let (mut here, _there) = UnixStream::pair().unwrap();
                here.set_nonblocking(true).unwrap();
                assert_eq!(here.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                listener.set_nonblocking(true).unwrap();
                assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
            })
            .await;
        assert_eq!(layer.handle().counters().interposed_waits, 0);
    });
}

#[test]
fn connections_are_refused_reset_and_limited() {
    each(|layer| async move {
        layer
            .run(|| {
                let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
                assert_eq!(TcpStream::connect(closed).unwrap_err().kind(), ErrorKind::ConnectionRefused);
                let limit = Duration::from_millis(50);
                assert_eq!(
                    TcpStream::connect_timeout(&closed, limit).unwrap_err().kind(),
                    ErrorKind::ConnectionRefused
                );
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let mut here = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
                let (there, _) = listener.accept().unwrap();
                socket2::SockRef::from(&there).set_linger(Some(Duration::ZERO)).unwrap();
                drop(there);
                assert_eq!(here.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
            })
            .await;
    });
}

/// A connection to a listener that has no room is begun and not made within the limit; a second call finds it begun.
#[test]
fn a_connection_that_is_not_made_in_time() {
    let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    listener.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let _filled = TcpStream::connect(address.as_socket().unwrap()).unwrap();
    let connect = move || {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.set_write_timeout(Some(Duration::from_millis(20))).unwrap();
        [(); 2].map(|()| socket.connect(&address).unwrap_err().raw_os_error())
    };
    let expected = connect();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    for layer in both() {
        assert_eq!(runtime.block_on(layer.run(connect.clone())), expected);
        assert_eq!(layer.handle().counters().interposed_waits, 2);
    }
}

#[test]
fn datagrams_names_and_files() {
    each(|layer| async move {
        layer
            .run(|| {
                let (here, there) = (UdpSocket::bind("localhost:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
                let address = here.local_addr().unwrap();
                let sent = when_asleep(move || there.send_to(b"datagram", address).unwrap());
                let mut bytes = [0; 100];
                assert_eq!(here.recv_from(&mut bytes).unwrap().0, 8);
                sent.join().unwrap();
                let mut text = String::new();
                File::open("/proc/self/status").unwrap().read_to_string(&mut text).unwrap();
                assert!(text.contains("Threads"));
            })
            .await;
        assert!(layer.handle().counters().interposed_waits >= 2, "a name and a datagram");
    });
}

#[test]
fn files_are_copied_to_sockets_and_through_pipes() {
    each(|layer| async move {
        layer
            .run(|| {
                let path = std::env::current_exe().unwrap();
                let len = path.metadata().unwrap().len().min(3_000_000);
                let (mut here, there) = UnixStream::pair().unwrap();
                let (mut from_pipe, to_pipe) = io::pipe().unwrap();
                let reader = thread::spawn(move || io::copy(&mut &there, &mut { to_pipe }).unwrap());
                let counter = thread::spawn(move || io::copy(&mut from_pipe, &mut io::sink()).unwrap());
                let file = File::open(path).unwrap();
                assert_eq!(io::copy(&mut io::Read::take(&file, len), &mut here).unwrap(), len);
                drop(here);
                assert_eq!((reader.join().unwrap(), counter.join().unwrap()), (len, len));
            })
            .await;
    });
}

#[test]
fn any_of_several_descriptors() {
    each(|layer| async move {
        layer
            .run(|| {
                let (a, _to_a) = pipe().unwrap();
                let (b, to_b) = pipe().unwrap();
                let begun = Instant::now();
                let both = || [PollFd::new(a.as_fd(), PollFlags::POLLIN), PollFd::new(b.as_fd(), PollFlags::POLLIN)];
                assert_eq!(poll(&mut both(), 20_u8), Ok(0));
                assert!(begun.elapsed() >= Duration::from_millis(20));
                let epoll = Epoll::new(EpollCreateFlags::empty()).unwrap();
                epoll.add(&b, EpollEvent::new(EpollFlags::EPOLLIN, 7)).unwrap();
                let written = when_asleep(move || nix::unistd::write(&to_b, b"x").map(|_| to_b).unwrap());
                let mut fds = both();
                assert_eq!(poll(&mut fds, PollTimeout::NONE), Ok(1));
                assert_eq!((fds[0].any(), fds[1].any()), (Some(false), Some(true)));
                let _to_b = written.join().unwrap();
                let mut set = FdSet::new();
                set.insert(a.as_fd());
                assert_eq!(select(None, &mut set, None, None, &mut TimeVal::milliseconds(20)), Ok(0));
                set.insert(b.as_fd());
                assert_eq!(select(None, &mut set, None, None, &mut TimeVal::milliseconds(20)), Ok(1));
                assert!(set.contains(b.as_fd()) && !set.contains(a.as_fd()));
                let mut events = [EpollEvent::empty()];
                assert_eq!(epoll.wait(&mut events, EpollTimeout::NONE), Ok(1));
                assert_eq!(events[0].data(), 7);
                nix::unistd::read(&b, &mut [0]).unwrap();
                assert_eq!(epoll.wait(&mut events, 20_u8), Ok(0));
            })
            .await;
    });
}

#[test]
fn a_cancelled_call_is_aborted_and_a_sleep_goes_on() {
    const HOUR: Duration = Duration::from_secs(3600);

    // The clock goes on by itself when all wait.
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        for policy in [OnDrop::Cancel, OnDrop::Unwind] {
            let begun = tokio::time::Instant::now();
            let layer = FiberLayer::builder().interpose().on_drop(policy).build().unwrap();
            let (mut here, there) = UnixStream::pair().unwrap();
            let (send, receive) = tokio::sync::oneshot::channel();
            let call = tokio::spawn(layer.run(move || {
                let read = here.read(&mut [0]).map_err(|error| error.kind());
                thread::sleep(HOUR);
                send.send((read, caller_gone())).unwrap();
            }));
            waits(&layer, 1).await;
            call.abort();
            assert_eq!(receive.await.unwrap(), (Err(ErrorKind::ConnectionAborted), true));
            drop(there);
            layer.handle().drained().await;
            assert!(begun.elapsed() >= HOUR);
        }
    });
}

#[test]
fn a_runtime_that_ends_aborts_the_calls_of_fibers_on_the_pool() {
    let pool = FiberPool::builder().worker_threads(1).build().unwrap();
    let layer = FiberLayer::builder().interpose().placement(pool).build().unwrap();
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (mut here, _there) = UnixStream::pair().unwrap();
    let (send, receive) = std::sync::mpsc::channel();
    runtime.spawn(layer.run(move || send.send(here.read(&mut [0]).map_err(|error| error.kind()))));
    runtime.block_on(waits(&layer, 1));
    drop(runtime);
    assert_eq!(receive.recv_timeout(Duration::from_secs(100)), Ok(Err(ErrorKind::ConnectionAborted)));
}

#[test]
fn the_name_of_a_call_is_in_the_dump() {
    each(|layer| async move {
        let (mut here, mut there) = UnixStream::pair().unwrap();
        let call = tokio::spawn(layer.run(move || here.read_exact(&mut [0])));
        waits(&layer, 1).await;
        let dump = layer.handle().dump_with_backtraces().await;
        let backtrace = dump.fibers[0].backtrace.as_ref().unwrap();
        assert!(backtrace.contains("read_exact"), "{backtrace}");
        there.write_all(b"x").unwrap();
        call.await.unwrap().unwrap();
    });
}
