//! Opens one socket for each core, all on one address.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use socket2::{Domain, Protocol, Socket, Type};

/// Whether the system distributes connections among the sockets of one address.
pub(super) const BALANCES: bool = cfg!(any(target_os = "android", target_os = "linux"));

/// The length of a socket's queue, as in tokio. The system may have a lower limit.
const BACKLOG: i32 = 1024;

/// Opens `count` sockets on the first address that works; they share its connections.
pub(super) fn listen(addresses: &[SocketAddr], count: usize) -> Result<Vec<TcpListener>, (SocketAddr, io::Error)> {
    let mut refused = None;
    for &address in addresses {
        match listen_on(address, count) {
            Ok(sockets) => return Ok(sockets),
            Err(error) => {
                refused.get_or_insert((address, error));
            }
        }
    }
    Err(refused.expect("there is an address"))
}

fn listen_on(address: SocketAddr, count: usize) -> io::Result<Vec<TcpListener>> {
    // The first socket gets `SO_REUSEPORT` only once it listens. Otherwise the system would allow an address on which
    // another process of the same user already listens with `SO_REUSEPORT`.
    let first = open(address)?;
    listen_by(&first, address)?;
    let mut sockets = vec![first];
    if count > 1 {
        share_port(&sockets[0])?;
        let address = sockets[0].local_addr()?.as_socket().expect("an IP socket has an IP address");
        for _ in 1..count {
            let socket = open(address)?;
            share_port(&socket)?;
            listen_by(&socket, address)?;
            sockets.push(socket);
        }
    }
    Ok(sockets.into_iter().map(TcpListener::from).collect())
}

fn open(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    // As in std and tokio, a restarted server need not wait until its old connections have expired. On Windows the
    // option would let other processes take the port.
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?;
    Ok(socket)
}

fn listen_by(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)
}

#[cfg(any(target_os = "android", target_os = "linux"))]
fn share_port(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_port(true)
}

/// Never called: on other systems there is only one socket.
#[cfg(not(any(target_os = "android", target_os = "linux")))]
fn share_port(_: &Socket) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
