//! HTTP proxies are used, SOCKS proxies are refused.

use std::sync::mpsc;

use axum::Router;
use tokio::{
    io::{AsyncWriteExt as _, copy_bidirectional},
    net::TcpStream,
};
use tower_fiber::run_in_fiber;
use ureq::Proxy;

use crate::{config, head, run, serve, serve_by_hand, text, trusting};

/// Makes tunnels, and tells to whom.
async fn proxy() -> (String, mpsc::Receiver<String>) {
    let (asked, asks) = mpsc::channel();
    let proxy = serve_by_hand(move |mut client| {
        let asked = asked.clone();
        async move {
            let head = head(&mut client).await;
            let to = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()).expect("CONNECT");
            asked.send(to.to_owned()).unwrap();
            let mut server = TcpStream::connect(to).await.unwrap();
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            _ = copy_bidirectional(&mut client, &mut server).await;
        }
    })
    .await;
    (format!("http://{proxy}"), asks)
}

#[test]
fn to_http() {
    run(async {
        let (proxy, asks) = proxy().await;
        let server = serve(Router::new().fallback(|| async { "hello" })).await;
        let agent = hooks::ureq::agent(config().proxy(Some(Proxy::new(&proxy).unwrap())).build());
        let got = run_in_fiber(move || text(&agent, &format!("http://{server}/")).unwrap()).await;
        assert_eq!((got.as_str(), asks.recv().unwrap()), ("hello", server.to_string()));
    });
}

#[test]
fn to_https() {
    let Some(nginx) = servers::nginx() else { return };
    run(async {
        let (proxy, asks) = proxy().await;
        let config = config().proxy(Some(Proxy::new(&proxy).unwrap())).tls_config(trusting(nginx));
        let agent = hooks::ureq::agent(config.build());
        let got = run_in_fiber(move || text(&agent, &format!("https://localhost:{}/connection", nginx.port)).unwrap());
        assert!(got.await.ends_with(" 1"));
        assert_eq!(asks.recv().unwrap(), format!("localhost:{}", nginx.port));
    });
}

#[test]
fn socks_is_refused() {
    run(async {
        let server = serve(Router::new().fallback(|| async { "hello" })).await;
        let proxy =
            Proxy::builder(ureq::ProxyProtocol::Socks5).host("127.0.0.1").no_proxy("localhost").build().unwrap();
        let agent = hooks::ureq::agent(config().proxy(Some(proxy)).build());
        run_in_fiber(move || {
            let error = text(&agent, &format!("http://{server}/")).unwrap_err();
            let expected = "io: the agent for fibers reaches no proxies of kind Socks5: configure an HTTP proxy, or none by \
                            `.proxy(None)`";
            assert_eq!(error.to_string(), expected);
            // Which is not to be reached by it.
            assert_eq!(text(&agent, &format!("http://localhost:{}/", server.port())).unwrap(), "hello");
        })
        .await;
    });
}
