//! ureq with its own transport, its own pool and either of its TLS libraries.

use std::{net::SocketAddr, sync::Arc};

use ureq::{
    Agent,
    tls::{Certificate, RootCerts, TlsConfig, TlsProvider},
};

use crate::{CALLERS, Call, Failure};

/// A request over plain HTTP, to which the server takes so long.
pub fn ureq(peer: SocketAddr) -> Call {
    get(agent(TlsConfig::default()), format!("http://{peer}"))
}

/// The same over HTTPS by rustls, through a proxy at `proxy` with a certificate of the authority `ca`.
///
/// # Errors
///
/// If `ca` is no certificate in PEM.
pub fn ureq_by_rustls(proxy: &str, ca: &[u8], peer: SocketAddr) -> Result<Call, Failure> {
    let tls = TlsConfig::builder().provider(TlsProvider::Rustls).root_certs(trusted(ca)?).build();
    Ok(get(agent(tls), format!("{proxy}/to/{}", peer.port())))
}

/// The same over HTTPS by native-tls, which is OpenSSL.
///
/// # Errors
///
/// If `ca` is no certificate in PEM.
pub fn ureq_by_native_tls(proxy: &str, ca: &[u8], peer: SocketAddr) -> Result<Call, Failure> {
    let tls = TlsConfig::builder().provider(TlsProvider::NativeTls).root_certs(trusted(ca)?).build();
    Ok(get(agent(tls), format!("{proxy}/to/{}", peer.port())))
}

fn trusted(ca: &[u8]) -> Result<RootCerts, Failure> {
    Ok(RootCerts::new_with_certs(&[Certificate::from_pem(ca)?]))
}

fn agent(tls: TlsConfig) -> Agent {
    // Connections are kept for all callers, and no proxy of the environment's stands between.
    let config = Agent::config_builder().max_idle_connections(CALLERS).max_idle_connections_per_host(CALLERS);
    config.proxy(None).tls_config(tls).build().new_agent()
}

fn get(agent: Agent, url: String) -> Call {
    Arc::new(move |time| {
        let mut response = agent.get(format!("{url}/{}", time.as_millis())).call()?;
        let text = response.body_mut().read_to_string()?;
        if text == "waited" { Ok(()) } else { Err(text.into()) }
    })
}
