//! The ways to a token.

use std::{fs, time::Duration};

use hooks::oauth2::http_client;
use oauth2::{
    AccessToken, AuthorizationCode, PkceCodeVerifier, RefreshToken, Scope, StandardDeviceAuthorizationResponse,
    TokenIntrospectionResponse as _, TokenResponse as _,
};
use tower_fiber::{WaitExt as _, run_in_fiber};
use ureq::{
    Agent,
    tls::{Certificate, RootCerts, TlsConfig},
};

use crate::{
    agent, client, run,
    server::{CODE, VERIFIER, serve},
};

#[test]
fn a_code_with_its_verifier_and_a_refresh() {
    run(async {
        let (client, agent) = (client(&serve().await), agent());
        run_in_fiber(move || {
            let http_client = http_client(&agent);
            let request = client.exchange_code(AuthorizationCode::new(CODE.into()));
            let token =
                request.set_pkce_verifier(PkceCodeVerifier::new(VERIFIER.into())).request(&http_client).unwrap();
            assert_eq!(token.access_token().secret(), "by a code");
            assert_eq!(token.expires_in(), Some(Duration::from_secs(3600)));
            let refreshed =
                client.exchange_refresh_token(token.refresh_token().unwrap()).request(&http_client).unwrap();
            assert_eq!(refreshed.access_token().secret(), "refreshed");
            for (token, is_active) in [(token.access_token(), true), (&AccessToken::new("another".into()), false)] {
                let answer = client.introspect(token).request(&http_client).unwrap();
                assert_eq!(answer.active(), is_active);
                assert_eq!(answer.scopes().unwrap()[1].as_str(), "write");
            }
        })
        .await;
    });
}

#[test]
fn credentials_over_https() {
    let Some(nginx) = servers::nginx() else { return };
    run(async {
        let port = serve().await.rsplit(':').next().unwrap().to_owned();
        let pem = fs::read(nginx.directory.join("ca.pem")).unwrap();
        let roots = RootCerts::new_with_certs(&[Certificate::from_pem(&pem).unwrap()]);
        let config = Agent::config_builder().proxy(None).https_only(true);
        let agent = hooks::ureq::agent(config.tls_config(TlsConfig::builder().root_certs(roots).build()).build());
        let client = client(&format!("https://localhost:{}/to/{port}", nginx.port));
        let call = move || {
            client.exchange_client_credentials().add_scope(Scope::new("all".into())).request(&http_client(&agent))
        };
        assert_eq!(run_in_fiber(call).await.unwrap().access_token().secret(), "for all");
    });
}

/// The user has not agreed when it is asked first.
#[test]
fn a_device() {
    run(async {
        let (client, agent) = (client(&serve().await), agent());
        run_in_fiber(move || {
            let http_client = http_client(&agent);
            let details: StandardDeviceAuthorizationResponse =
                client.exchange_device_code().request(&http_client).unwrap();
            assert_eq!(details.user_code().secret(), "1234");
            let sleep = |time| tokio::time::sleep(time).wait();
            let token = client.exchange_device_access_token(&details).request(&http_client, sleep, None).unwrap();
            assert_eq!(token.access_token().secret(), "for a device");
        })
        .await;
    });
}

#[test]
fn a_refresh_token_that_is_unknown_is_refused() {
    run(async {
        let (client, agent) = (client(&serve().await), agent());
        let token = RefreshToken::new("another".into());
        let call = move || client.exchange_refresh_token(&token).request(&http_client(&agent)).unwrap_err().to_string();
        assert_eq!(run_in_fiber(call).await, "Server returned error response: invalid_grant: for a reason");
    });
}
