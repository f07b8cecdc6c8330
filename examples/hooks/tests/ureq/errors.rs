//! Calls that fail say what those of ureq's own agent say.

use std::{io::ErrorKind, net::SocketAddr};

use axum::{Router, http::StatusCode};
use tokio::{net::TcpListener, task::spawn_blocking};
use tower_fiber::{block_on_waits, run_in_fiber};
use ureq::{
    Agent, Error,
    config::Config,
    http::Uri,
    tls::{TlsConfig, TlsProvider},
    unversioned::{
        resolver::{ResolvedSocketAddrs, Resolver},
        transport::{DefaultConnector, NextTimeout},
    },
};

use crate::{agent, config, config_for, run, serve, text};

/// Gives the same addresses for each name.
#[derive(Clone, Debug)]
pub(crate) struct Fixed(pub(crate) Vec<SocketAddr>);

impl Resolver for Fixed {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let mut addresses = self.empty();
        self.0.iter().for_each(|&address| addresses.push(address));
        Ok(addresses)
    }
}

/// The error of a call of both agents, which is the same.
async fn error_of_both(ours: Agent, theirs: Agent, url: String) -> Error {
    let for_theirs = url.clone();
    let theirs = spawn_blocking(move || text(&theirs, &for_theirs).unwrap_err()).await.unwrap();
    let ours = run_in_fiber(move || text(&ours, &url).unwrap_err()).await;
    assert_eq!(format!("{ours} {ours:?}"), format!("{theirs} {theirs:?}"));
    ours
}

async fn error_with(config: Config, url: String) -> Error {
    error_of_both(hooks::ureq::agent(config.clone()), Agent::new_with_config(config), url).await
}

#[test]
fn an_untrusted_certificate() {
    let Some(nginx) = servers::nginx() else { return };
    run(async {
        let error = error_with(config().build(), format!("https://localhost:{}/", nginx.port)).await;
        assert_eq!(error.to_string(), "io: invalid peer certificate: UnknownIssuer");
    });
}

#[test]
fn a_wrong_host_name() {
    let Some(nginx) = servers::nginx() else { return };
    run(async {
        let nginx_alone = Fixed(vec![([127, 0, 0, 1], nginx.port).into()]);
        let ours = Agent::with_parts(config_for(nginx), hooks::ureq::connector(), nginx_alone.clone());
        let theirs = Agent::with_parts(config_for(nginx), DefaultConnector::new(), nginx_alone);
        let error = error_of_both(ours, theirs, "https://elsewhere.test/".into()).await;
        assert!(
            error.to_string().starts_with("io: invalid peer certificate: certificate not valid for name"),
            "{error}"
        );
    });
}

#[test]
fn another_provider_of_tls() {
    let Some(nginx) = servers::nginx() else { return };
    run(async {
        let native = TlsConfig::builder().provider(TlsProvider::NativeTls).build();
        let agent = hooks::ureq::agent(config().tls_config(native).build());
        let error = run_in_fiber(move || text(&agent, &format!("https://localhost:{}/", nginx.port)).unwrap_err());
        assert!(matches!(error.await, Error::TlsRequired));
    });
}

#[test]
fn a_refused_connection() {
    run(async {
        let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let error = error_with(config().build(), format!("http://{nobody}/")).await;
        assert_eq!(error.to_string(), "io: Connection refused (os error 111)");
    });
}

#[test]
fn an_unknown_name() {
    run(async {
        let error = error_with(config().build(), "http://nowhere.invalid/".into()).await;
        assert!(error.to_string().starts_with("io: failed to lookup address information"), "{error}");
    });
}

#[test]
fn no_http() {
    run(async {
        let error = error_with(config().build(), "ftp://localhost/".into()).await;
        assert_eq!(error.to_string(), "bad uri: unknown scheme: ftp");
    });
}

#[test]
fn a_status() {
    run(async {
        let app = Router::new().fallback(|| async { StatusCode::IM_A_TEAPOT });
        let error = error_with(config().build(), format!("http://{}/", serve(app).await)).await;
        assert!(matches!(error, Error::StatusCode(418)), "{error}");
    });
}

#[test]
fn outside_of_fibers() {
    run(async {
        let app = Router::new().fallback(|| async { "hello" });
        let url = format!("http://{}/", serve(app).await);
        let agent = agent();
        let Error::Io(error) = text(&agent, &url).unwrap_err() else { panic!("another error") };
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().starts_with("waited outside a fiber: use `.await` here, enter a fiber"), "{error}");
        // Where the thread may be blocked.
        let blocking = spawn_blocking(move || block_on_waits(|| text(&agent, &url).unwrap()));
        assert_eq!(blocking.await.unwrap(), "hello");
    });
}
