//! rustls in fibers: TLS whose handshakes, reads and writes suspend the fiber, and certificates that are waited for.
//!
//! rustls' own `StreamOwned` is `Read + Write` over any stream that is, so it works over a
//! [`TcpStream`](tower_fiber::io::TcpStream) of `tower_fiber::io` as it is. These functions do what is clumsy:
//! [`connect`] and [`accept`] end the handshake before they return, so that its errors are theirs, [`close`] says that
//! no more comes.
//!
//! # Callbacks that wait
//!
//! [`certificates`] makes a `ResolvesServerCert` of a function that may wait, for a database or a vault, while the
//! handshake does. rustls 0.23 calls it where nothing stands against that: on the fiber's own stack, below
//! `complete_io`, with no lock held and no thread-local in use. rustls has no thread-locals at all, and holds its locks
//! (session cache, tickets, compressed certificates, key log) around its own data and around no callback; only a
//! ticketer inside its `TicketSwitcher` is called under one. The same goes for the other traits of a configuration:
//! `ServerCertVerifier`, `ClientCertVerifier`, `ResolvesClientCert`, `StoresServerSessions`.
//!
//! It does not go below tokio-rustls, which polls the handshake as a future: a wait inside is a nested one there, and
//! refused.
//!
//! # Reads and writes
//!
//! * An end of the connection without `close_notify` is an error of kind
//!   [`UnexpectedEof`](io::ErrorKind::UnexpectedEof), since what came before may have been cut off.
//! * rustls keeps an error of the connection back if it has taken bytes of a `write`. It comes with the next call:
//!   `flush`, or [`close`], after the last.
//! * Time-outs are the socket's, by `stream.sock.set_read_timeout(..)`. Nothing is lost by one, and the call can be
//!   made again.
//!
//! # Calls that are cancelled
//!
//! The wait of a cancelled fiber is an error of kind [`ConnectionAborted`](io::ErrorKind::ConnectionAborted), in a
//! handshake as in a read or write. The other side sees an end without `close_notify`. A callback sees it by
//! [`try_await_in_fiber`](tower_fiber::try_await_in_fiber), and gives no certificate then.
//!
//! # Example
//!
//! ```no_run
//! use std::{io::{self, Read as _, Write as _}, sync::Arc};
//! use rustls::{ClientConfig, RootCertStore, ServerConfig, sign::CertifiedKey};
//! use tower_fiber::{WaitExt as _, io::TcpStream};
//!
//! fn get(roots: RootCertStore) -> io::Result<String> {
//!     let config = Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth());
//!     let stream = TcpStream::connect("localhost:443")?;
//!     let mut stream = hooks::rustls::connect(&config, "localhost", stream)?;
//!     stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
//!     let mut answer = String::new();
//!     stream.read_to_string(&mut answer)?;
//!     Ok(answer)
//! }
//!
//! # async fn fetch(_: String) -> Option<Arc<CertifiedKey>> { None }
//! /// Looks for a certificate by name, in each handshake.
//! fn config() -> Arc<ServerConfig> {
//!     let certificates = hooks::rustls::certificates(|name| fetch(name.to_owned()).wait());
//!     Arc::new(ServerConfig::builder().with_no_client_auth().with_cert_resolver(certificates))
//! }
//!
//! fn serve(config: &Arc<ServerConfig>, stream: tokio::net::TcpStream) -> io::Result<()> {
//!     let mut stream = hooks::rustls::accept(config, TcpStream::from(stream))?;
//!     stream.write_all(b"hello")?;
//!     hooks::rustls::close(&mut stream)
//! }
//! ```

use std::{
    fmt,
    io::{self, ErrorKind, Read, Write},
    ops::DerefMut,
    sync::Arc,
};

use rustls::{
    ClientConfig, ClientConnection, ConnectionCommon, ServerConfig, ServerConnection, SideData, StreamOwned,
    pki_types::ServerName,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

/// Speaks TLS as a client with the server of this name, a DNS name or an IP address, on a stream that is connected to
/// it.
///
/// # Errors
///
/// Those of the stream. Of kind [`InvalidData`](ErrorKind::InvalidData) those of TLS, with a `rustls::Error` inside,
/// such as one of the certificate; of kind [`InvalidInput`](ErrorKind::InvalidInput) for what is no name.
pub fn connect<S: Read + Write>(
    config: &Arc<ClientConfig>,
    name: &str,
    stream: S,
) -> io::Result<StreamOwned<ClientConnection, S>> {
    let name = ServerName::try_from(name).map_err(|error| io::Error::new(ErrorKind::InvalidInput, error))?;
    let connection = ClientConnection::new(Arc::clone(config), name.to_owned()).map_err(io::Error::other)?;
    shake_hands(StreamOwned::new(connection, stream))
}

/// Speaks TLS as a server on a stream that was accepted.
///
/// # Errors
///
/// Those of the stream. Of kind [`InvalidData`](ErrorKind::InvalidData) those of TLS, with a `rustls::Error` inside.
pub fn accept<S: Read + Write>(config: &Arc<ServerConfig>, stream: S) -> io::Result<StreamOwned<ServerConnection, S>> {
    let connection = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
    shake_hands(StreamOwned::new(connection, stream))
}

fn shake_hands<C, D, S>(mut stream: StreamOwned<C, S>) -> io::Result<StreamOwned<C, S>>
where
    C: DerefMut<Target = ConnectionCommon<D>>,
    D: SideData,
    S: Read + Write,
{
    stream.conn.complete_io(&mut stream.sock)?;
    Ok(stream)
}

/// Sends what is left, and says that no more comes. The other side may go on.
///
/// # Errors
///
/// Those of the stream, also such as an earlier `write` has kept back.
pub fn close<C, D, S>(stream: &mut StreamOwned<C, S>) -> io::Result<()>
where
    C: DerefMut<Target = ConnectionCommon<D>>,
    D: SideData,
    S: Read + Write,
{
    stream.conn.send_close_notify();
    stream.flush()
}

/// Finds a certificate by the name that a client asks for, by a function that may wait. Without one, and without a
/// name, the handshake fails with the alert `access_denied`.
pub fn certificates<F>(find: F) -> Arc<dyn ResolvesServerCert>
where
    F: Fn(&str) -> Option<Arc<CertifiedKey>> + Send + Sync + 'static,
{
    Arc::new(Certificates(find))
}

struct Certificates<F>(F);

impl<F: Fn(&str) -> Option<Arc<CertifiedKey>> + Send + Sync> ResolvesServerCert for Certificates<F> {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        hello.server_name().and_then(&self.0)
    }
}

impl<F> fmt::Debug for Certificates<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").finish_non_exhaustive()
    }
}
