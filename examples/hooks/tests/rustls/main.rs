//! rustls in fibers, with nginx and with itself.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/tls.rs"]
mod tls;

mod cancelled;
mod certificates;
mod client;
mod ends;

use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use rustls::{
    ClientConfig, ClientConnection, ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};
use servers::Server;
use tokio::{net::TcpListener, time::timeout};
use tower_fiber::{io::TcpStream, run_in_fiber};

type Client = StreamOwned<ClientConnection, TcpStream>;

type Served = StreamOwned<ServerConnection, TcpStream>;

static VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// Runs a test on one thread, and fails if it hangs.
fn run<T>(test: impl Future<Output = T>) -> T {
    common::on_one_thread(async { timeout(Duration::from_secs(120), test).await.expect("the test hangs") })
}

/// Of one version of TLS, and without memory of former sessions.
fn client_of(version: &'static SupportedProtocolVersion, nginx: &Server) -> Arc<ClientConfig> {
    let config = ClientConfig::builder_with_protocol_versions(&[version]);
    let mut config = config.with_root_certificates(tls::roots(nginx)).with_no_client_auth();
    config.resumption = rustls::client::Resumption::disabled();
    Arc::new(config)
}

/// The certificate of nginx, for servers of the tests' own.
fn certificate(nginx: &Server) -> Arc<CertifiedKey> {
    let chain = CertificateDer::from_pem_file(nginx.directory.join("server.pem")).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(nginx.directory.join("server.key")).expect("a key");
    Arc::new(CertifiedKey::from_der(vec![chain], key, &default_provider()).expect("they belong together"))
}

fn server(certificates: Arc<dyn rustls::server::ResolvesServerCert>) -> Arc<ServerConfig> {
    Arc::new(ServerConfig::builder().with_no_client_auth().with_cert_resolver(certificates))
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

async fn accept(listener: &TcpListener) -> TcpStream {
    listener.accept().await.expect("a client").0.into()
}

/// Runs both sides of a connection in fibers, and gives what they give.
async fn talk<S: Send + 'static, C: Send + 'static>(
    nginx: &'static Server,
    version: &'static SupportedProtocolVersion,
    serve: impl FnOnce(&mut Served) -> io::Result<S> + Send + 'static,
    ask: impl FnOnce(&mut Client) -> io::Result<C> + Send + 'static,
) -> (io::Result<S>, io::Result<C>) {
    let certificate = certificate(nginx);
    let server = server(hooks::rustls::certificates(move |_| Some(Arc::clone(&certificate))));
    let client = client_of(version, nginx);
    let (listener, address) = listen().await;
    let asked = run_in_fiber(move || {
        let stream = TcpStream::connect(address)?;
        ask(&mut hooks::rustls::connect(&client, "localhost", stream)?)
    });
    let served = async {
        let stream = accept(&listener).await;
        run_in_fiber(move || serve(&mut hooks::rustls::accept(&server, stream)?)).await
    };
    tokio::join!(served, asked)
}
