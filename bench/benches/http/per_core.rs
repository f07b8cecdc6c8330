//! One current-thread runtime per core, all listening on one address.

use std::{
    net::{Ipv4Addr, SocketAddr},
    thread,
};

use axum::Router;
use socket2::{Domain, Socket, Type};
use tokio::{net::TcpListener, runtime::Builder};

use crate::Result;

/// Connections that the system keeps until they are accepted.
const BACKLOG: i32 = 4096;

/// Serves until the process is ended; `ready` is called when all cores listen.
pub(crate) fn serve(router: Router, ready: impl FnOnce(SocketAddr)) -> Result<()> {
    let first = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let address = first.local_addr()?;
    let mut listeners = vec![first];
    for _ in 1..thread::available_parallelism()?.get() {
        listeners.push(listen(address)?);
    }
    ready(address);
    thread::scope(|scope| {
        let cores: Vec<_> =
            listeners.into_iter().map(|listener| scope.spawn(|| core(listener, router.clone()))).collect();
        cores.into_iter().try_for_each(|core| core.join().expect("no core panics"))
    })
}

fn listen(address: SocketAddr) -> Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn core(listener: std::net::TcpListener, router: Router) -> Result<()> {
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        axum::serve(TcpListener::from_std(listener)?, router).await?;
        Ok(())
    })
}
