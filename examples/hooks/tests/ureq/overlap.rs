//! Fifty calls at once on one thread.

use std::time::Duration;

use axum::{Router, extract::Path, routing::get};

use crate::{agent, common, config, run, serve, text, trusting};

async fn wait_and_tell(Path((wait, caller)): Path<(u64, usize)>) -> String {
    tokio::time::sleep(Duration::from_millis(wait)).await;
    format!("you are {caller}")
}

fn app() -> Router {
    Router::new().route("/{wait}/{caller}", get(wait_and_tell))
}

#[test]
fn over_https() {
    let Some(nginx) = servers::nginx() else { return };
    run(async {
        let base = format!("https://localhost:{}/to/{}", nginx.port, serve(app()).await.port());
        // A connection for each, so that fifty handshakes are no part of it.
        let config = config().max_idle_connections(common::CALLERS).max_idle_connections_per_host(common::CALLERS);
        let agent = hooks::ureq::agent(config.tls_config(trusting(nginx)).build());
        common::overlap(move |caller, wait| {
            let url = format!("{base}/{}/{caller}", wait.as_millis());
            assert_eq!(text(&agent, &url).unwrap(), format!("you are {caller}"));
        })
        .await;
    });
}

#[test]
fn over_http() {
    run(async {
        let base = format!("http://{}", serve(app()).await);
        let agent = agent();
        common::overlap(move |caller, wait| {
            let url = format!("{base}/{}/{caller}", wait.as_millis());
            assert_eq!(text(&agent, &url).unwrap(), format!("you are {caller}"));
        })
        .await;
    });
}
