//! A client of nginx.

use std::{
    io::{self, ErrorKind, Read as _, Write as _},
    sync::Arc,
};

use rustls::{CertificateError, ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower_fiber::{io::TcpStream, run_in_fiber};

use crate::{VERSIONS, client_of, listen, run, tls};

fn get(config: &Arc<ClientConfig>, name: &str, port: u16) -> io::Result<String> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    let mut stream = hooks::rustls::connect(config, name, stream)?;
    stream.write_all(b"GET /connection HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn each_version() {
    let Some(nginx) = servers::nginx() else { return };
    run(async {
        for version in VERSIONS {
            let config = client_of(version, nginx);
            for name in ["localhost", "127.0.0.1"] {
                let config = Arc::clone(&config);
                let answer = run_in_fiber(move || get(&config, name, nginx.port).unwrap()).await;
                assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with(" 1"), "{answer}");
            }
        }
    });
}

fn tls_error(error: &io::Error) -> &rustls::Error {
    assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
    error.get_ref().unwrap().downcast_ref().unwrap()
}

#[test]
fn certificates_that_are_refused() {
    let Some(nginx) = servers::nginx() else { return };
    run(async {
        let trusting = tls::client(nginx);
        let elsewhere = run_in_fiber(move || get(&trusting, "elsewhere.test", nginx.port).unwrap_err()).await;
        assert!(matches!(
            tls_error(&elsewhere),
            rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext { .. })
        ));
        let config = ClientConfig::builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth();
        let untrusted = run_in_fiber(move || get(&Arc::new(config), "localhost", nginx.port).unwrap_err()).await;
        assert!(matches!(tls_error(&untrusted), rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)));
    });
}

#[test]
fn no_name() {
    let Some(nginx) = servers::nginx() else { return };
    run(async {
        let config = tls::client(nginx);
        let error = run_in_fiber(move || get(&config, "no name", nginx.port).unwrap_err()).await;
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::InvalidInput, "invalid dns name"));
    });
}

#[test]
fn no_tls() {
    let Some(nginx) = servers::nginx() else { return };
    run(async {
        let config = tls::client(nginx);
        let (listener, address) = listen().await;
        let called = run_in_fiber(move || get(&config, "localhost", address.port()).unwrap_err());
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
            _ = stream.read_to_end(&mut Vec::new()).await;
        };
        let (error, ()) = tokio::join!(called, server);
        assert!(matches!(tls_error(&error), rustls::Error::InvalidMessage(_)), "{error}");
    });
}
