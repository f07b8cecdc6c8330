//! Certificates that are waited for in the handshake.

use std::{
    future::ready,
    io::{self, Read as _, Write as _},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    time::Duration,
};

use rustls::{ClientConnection, ServerConfig, ServerConnection, sign::CertifiedKey};
use tower_fiber::{FiberLayer, WaitExt as _, io::TcpStream, run_in_fiber, try_await_in_fiber};

use crate::{VERSIONS, accept, certificate, client_of, common, listen, run, server, tls};

fn serve(config: &Arc<ServerConfig>, stream: TcpStream) -> io::Result<()> {
    let mut stream = hooks::rustls::accept(config, stream)?;
    let mut name = String::new();
    stream.read_to_string(&mut name)?;
    write!(stream, "hello, {name}")?;
    hooks::rustls::close(&mut stream)
}

/// Fifty handshakes on the thread of both sides.
#[test]
fn fifty_at_once() {
    let Some(nginx) = servers::nginx() else { return };
    run(async {
        // How long it takes to find a certificate.
        let time = Arc::new(AtomicU64::new(0));
        let (waits, certificate) = (Arc::clone(&time), certificate(nginx));
        let server = server(hooks::rustls::certificates(move |name| {
            tokio::time::sleep(Duration::from_millis(waits.load(Ordering::SeqCst))).wait();
            (name == "localhost").then(|| Arc::clone(&certificate))
        }));
        let (listener, address) = listen().await;
        tokio::spawn(async move {
            let layer = FiberLayer::new();
            loop {
                let (stream, server) = (accept(&listener).await, Arc::clone(&server));
                let served = layer.run(move || serve(&server, stream));
                tokio::spawn(async { served.await.expect("an orderly connection") });
            }
        });
        for version in VERSIONS {
            let (client, time) = (client_of(version, nginx), Arc::clone(&time));
            common::overlap(move |caller, wait| {
                time.store(wait.as_millis() as u64, Ordering::SeqCst);
                let stream = TcpStream::connect(address).unwrap();
                let mut stream = hooks::rustls::connect(&client, "localhost", stream).unwrap();
                write!(stream, "{caller}").unwrap();
                hooks::rustls::close(&mut stream).unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).unwrap();
                assert_eq!(answer, format!("hello, {caller}"));
            })
            .await;
        }
    });
}

/// What either side says if the certificate is looked for so.
async fn errors_of(
    name: &'static str,
    find: impl Fn(&str) -> Option<Arc<CertifiedKey>> + Send + Sync + 'static,
) -> (String, String) {
    let nginx = servers::nginx().unwrap();
    let (server, client) = (server(hooks::rustls::certificates(find)), client_of(VERSIONS[1], nginx));
    let (listener, address) = listen().await;
    let asked = run_in_fiber(move || {
        let stream = TcpStream::connect(address).unwrap();
        hooks::rustls::connect(&client, name, stream).unwrap_err().to_string()
    });
    let served = async {
        let stream = accept(&listener).await;
        run_in_fiber(move || serve(&server, stream).unwrap_err().to_string()).await
    };
    tokio::join!(served, asked)
}

#[test]
fn none_is_found() {
    let Some(_) = servers::nginx() else { return };
    run(async {
        let (server, client) = errors_of("elsewhere.test", |name| {
            assert_eq!(name, "elsewhere.test");
            tokio::task::yield_now().wait();
            None
        })
        .await;
        assert_eq!(server, "unexpected error: no server certificate chain resolved");
        assert_eq!(client, "received fatal alert: AccessDenied");
        // A client tells no name if it has an address.
        let (server, _) = errors_of("127.0.0.1", |_| panic!("there is a name")).await;
        assert_eq!(server, "unexpected error: no server certificate chain resolved");
    });
}

/// Such as that of tokio-rustls, which polls the handshake.
#[test]
fn inside_a_future_a_wait_is_refused() {
    let Some(nginx) = servers::nginx() else { return };
    run(async {
        let mut hello = Vec::new();
        let name = "localhost".try_into().unwrap();
        ClientConnection::new(tls::client(nginx), name).unwrap().write_tls(&mut hello).unwrap();
        let (tell, told) = mpsc::channel();
        let server = server(hooks::rustls::certificates(move |_| {
            tell.send(try_await_in_fiber(ready(())).unwrap_err().to_string()).unwrap();
            None
        }));
        let handshake = async move {
            let mut server = ServerConnection::new(server).unwrap();
            server.read_tls(&mut &hello[..]).unwrap();
            server.process_new_packets().unwrap_err()
        };
        run_in_fiber(|| handshake.wait()).await;
        assert!(told.recv().unwrap().starts_with("waited inside a future that this fiber is already waiting for"));
    });
}
